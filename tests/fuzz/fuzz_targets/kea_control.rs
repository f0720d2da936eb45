//! See `leasehound_fuzz::kea_control`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::kea_control::check(input));
