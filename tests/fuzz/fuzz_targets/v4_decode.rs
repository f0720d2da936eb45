//! See `leasehound_fuzz::v4_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::v4_decode::check(input));
