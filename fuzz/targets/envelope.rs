//! See [`domain::fuzzing::envelope`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| domain::fuzzing::envelope(data));
