//! Any octets as an ISC dhcpd lease file.

use super::lease_log;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::Format;
use leasehound_core::lease::isc_dhcpd::parse;
use leasehound_core::time::Timestamp;
use std::fmt::Write;

/// Panics if what holds of any lease database does not, if a lease does not survive being
/// written as dhcpd writes it, or if a torn reading looks damaged though the file is not.
pub fn check(input: &[u8]) {
    let parsed = lease_log::check(Format::IscDhcpd, input);

    let again = parse(written(&parsed.leases).as_bytes());
    assert_eq!(again.leases, parsed.leases);
    assert!(again.complete && again.damage.is_none());

    let torn = parse(&input[..input.len() / 2]);
    assert!(torn.damage.is_none() || parsed.damage == torn.damage);
}

fn written(leases: &[Lease]) -> String {
    let mut text = String::new();
    for lease in leases {
        write_block(&mut text, lease).unwrap_or_else(|error| panic!("{error}"));
    }
    text
}

fn write_block(text: &mut String, lease: &Lease) -> std::fmt::Result {
    writeln!(text, "lease {} {{\n  binding state active;", lease.address)?;
    match lease.expires {
        None => writeln!(text, "  ends never;")?,
        // Where Timestamp saturates, any later second says the same.
        Some(Timestamp::MAX) => writeln!(text, "  ends epoch {};", i64::MAX)?,
        Some(time) => writeln!(text, "  ends epoch {}; # then", time.as_secs())?,
    }
    let octets = lease.hardware_address.as_bytes();
    if !octets.is_empty() {
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let kind = match lease.hardware_address.kind {
            1 => "ethernet".to_owned(),
            kind => format!("unknown-{kind}"),
        };
        writeln!(text, "  hardware {kind} {};", octets.join(":"))?;
    }
    if let Some(id) = &lease.client_id {
        write!(text, "  uid \"")?;
        for octet in id.as_bytes() {
            write!(text, "\\{octet:03o}")?;
        }
        writeln!(text, "\";")?;
    }
    writeln!(text, "}}")
}
