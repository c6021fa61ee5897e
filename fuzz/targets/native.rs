//! See [`decoders::fuzzing::native`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoders::fuzzing::native(data));
