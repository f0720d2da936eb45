//! See `leasehound_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::frame::check(input));
