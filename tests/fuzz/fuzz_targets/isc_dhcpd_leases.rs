//! See `leasehound_fuzz::isc_dhcpd_leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::isc_dhcpd_leases::check(input));
