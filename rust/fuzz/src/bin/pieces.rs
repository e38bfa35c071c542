//! `pieces`, driven by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| curtaincall_fuzz::pieces::run(input));
