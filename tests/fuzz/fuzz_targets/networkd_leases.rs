//! See `leasehound_fuzz::networkd_leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::networkd_leases::check(input));
