//! See [`domain::fuzzing::movement`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| domain::fuzzing::movement(data));
