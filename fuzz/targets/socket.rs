//! See [`api::stream::fuzzing::socket`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| api::stream::fuzzing::socket(data));
