//! See `leasehound_fuzz::dnsmasq_leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::dnsmasq_leases::check(input));
