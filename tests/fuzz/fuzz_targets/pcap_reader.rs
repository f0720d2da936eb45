//! See `leasehound_fuzz::pcap_reader`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| leasehound_fuzz::pcap_reader::check(input));
