//! See `leasehound_fuzz::libvirt_leases`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::libvirt_leases::check(input));
