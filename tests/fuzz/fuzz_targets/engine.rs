//! See `leasehound_fuzz::engine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::engine::check(input));
