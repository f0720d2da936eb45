//! See `leasehound_fuzz::udhcpd_leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::udhcpd_leases::check(input));
