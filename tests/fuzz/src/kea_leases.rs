//! Any octets as a memfile of Kea.

use super::lease_log;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::Format;
use leasehound_core::lease::kea::parse;
use leasehound_core::time::Timestamp;
use std::fmt::Write;

const HEADER: &str = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context";

/// Panics if what holds of any lease database does not, if a lease does not survive being
/// written as Kea writes it, or if a torn reading looks damaged though the file is not.
pub fn check(input: &[u8]) {
    let parsed = lease_log::check(Format::Kea, input);
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

fn written(leases: &[Lease]) -> String {
    let mut text = format!("{HEADER}\n");
    for lease in leases {
        let octets = lease.hardware_address.as_bytes();
        let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let client_id = lease.client_id.as_ref();
        let client_id = client_id.map_or(String::new(), ToString::to_string);
        let (lifetime, expire) = match lease.expires {
            None => (u64::from(u32::MAX), 0),
            // Where Timestamp saturates, any later second says the same.
            Some(Timestamp::MAX) => (1, u64::MAX),
            Some(time) => (1, time.as_secs()),
        };
        writeln!(
            text,
            "{},{},{client_id},{lifetime},{expire},1,0,0,,0,",
            lease.address,
            octets.join(":")
        )
        .unwrap_or_else(|error| panic!("{error}"));
    }
    text
}
