//! Any octets as a dnsmasq lease file.

use leasehound_core::evidence::Lease;
use leasehound_core::lease::dnsmasq::parse;
use leasehound_core::time::Timestamp;
use std::fmt::Write;

/// Panics if `parse` does, if a lease does not survive being written as dnsmasq
/// writes it, or if a torn reading gives a lease that the file does not have.
pub fn check(input: &[u8]) {
    let parsed = parse(input);
    let lines = input.split(|octet| *octet == b'\n').count();
    assert!(
        parsed.leases.len() + parsed.skipped.len() + parsed.ipv6_leases + parsed.other_lines
            <= lines
    );
    assert_eq!(
        parsed.complete,
        input.last().is_none_or(|last| *last == b'\n')
    );
    assert_eq!(parsed.empty, input.is_empty());

    let again = parse(written(&parsed.leases).as_bytes());
    assert_eq!(again.leases, parsed.leases);
    assert!(again.complete && again.skipped.is_empty());

    let torn = parse(&input[..input.len() / 2]);
    assert!(parsed.leases.starts_with(&torn.leases));
}

/// The text that dnsmasq would write for these leases.
pub fn written(leases: &[Lease]) -> String {
    let mut text = String::new();
    for lease in leases {
        let expiry = match lease.expires {
            None => 0,
            // Where Timestamp saturates, any later second says the same.
            Some(Timestamp::MAX) => u64::MAX,
            Some(time) => time.as_secs(),
        };
        let mut hardware_address = lease.hardware_address.to_string();
        if lease.hardware_address.as_bytes().is_empty() {
            hardware_address = format!("{:02x}-", lease.hardware_address.kind);
        }
        let address = lease.address;
        let client_id = lease
            .client_id
            .as_ref()
            .map_or("*".into(), ToString::to_string);
        writeln!(text, "{expiry} {hardware_address} {address} * {client_id}")
            .unwrap_or_else(|error| panic!("{error}"));
    }
    text
}
