//! Any octets as a dnsmasq lease file.

use super::lease_log;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::Format;
use leasehound_core::lease::dnsmasq::parse;
use leasehound_core::time::Timestamp;
use std::fmt::Write;

/// Panics if what holds of any lease database does not, if a lease does not survive being
/// written as dnsmasq writes it, or if a torn reading looks damaged though the file is not.
pub fn check(input: &[u8]) {
    let parsed = lease_log::check(Format::Dnsmasq, input);
    let lines = input.split(|octet| *octet == b'\n').count();
    assert!(parsed.leases.len() + parsed.leases6.len() + parsed.unknown <= lines);
    assert_eq!(
        parsed.complete,
        parsed.damage.is_some() || input.last().is_none_or(|last| *last == b'\n')
    );

    let again = parse(written(&parsed.leases).as_bytes());
    assert_eq!(again.leases, parsed.leases);
    assert!(again.complete && again.damage.is_none());

    let torn = parse(&input[..input.len() / 2]);
    assert!(torn.damage.is_none() || parsed.damage == torn.damage);
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
