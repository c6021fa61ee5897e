//! See [`gateway::fuzzing::mqtt_listener`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gateway::fuzzing::mqtt_listener(data));
