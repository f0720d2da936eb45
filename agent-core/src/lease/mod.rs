//! Lease databases: text in, [`Lease`]s out. Reads no file; the agent's watcher decides
//! when to read and whether a reading can be trusted.
//!
//! Each server's format has a module of its own, which says what counts as leased there.
//! All are read through [`Log`], in one piece ([`read`]) or in many.
//!
//! What can't be read is one of two things. A record about a lease that is spoilt hides
//! that lease: it is [`Damage`], and nothing of the text counts, for what is hidden would
//! look like a lease that left. A record of a kind that is not known here, as newer servers
//! write them, hides none: it is left out and counted ([`Reading::unknown`]).

pub mod dnsmasq;
mod format;
mod hex;
pub mod isc_dhcpd;
mod json;
pub mod kea;
pub mod kea_control;
mod lease6;
mod ledger;
pub mod libvirt;
mod log;
pub mod networkd;
pub mod udhcpd;

pub use format::Format;
pub use lease6::{Association, Duid, Lease6};
pub use log::{Changes, Log};

use crate::evidence::Lease;
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// What a lease database says, whichever server's it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What is leased, in order of address; of several leases of one address the last
    /// counts.
    pub leases: Vec<Lease>,
    /// Whether the text ends where its writer ends a piece, or is empty. If not, it is
    /// torn: to be read again.
    pub complete: bool,
    /// The first part that can't be read. With one nothing of the text counts.
    pub damage: Option<Damage>,
    /// The IPv6 addresses and prefixes that are leased, in order.
    pub leases6: Vec<Lease6>,
    /// Addresses that somebody else was found to have, by a client that declined or by the
    /// server itself, in order. Nobody has them on lease, so they are no leases; nor can
    /// they be given away before the server takes them back.
    pub declined: Vec<Ipv4Addr>,
    /// The server's DHCPv6 identifier, where it keeps it beside the leases.
    pub server_duid: Option<Duid>,
    /// When the text was written, where it says so: it tells how things were then.
    pub written_at: Option<Timestamp>,
    /// Records of kinds that are not known, left out.
    pub unknown: usize,
}

/// What can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line where it begins, from 1; in a binary format, the record.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Box<str>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Reads a database's text.
pub fn read(format: Format, text: &[u8]) -> Reading {
    let mut log = Log::new(format);
    log.load(text);
    log.into_reading()
}
/// What changed from `previous` to `now`: new or changed leases, and the addresses
/// that are leased no longer; both in order of address. Of several leases of one
/// address in `now` the last counts.
pub fn diff(previous: &BTreeMap<Ipv4Addr, Lease>, now: &[Lease]) -> (Vec<Lease>, Vec<Ipv4Addr>) {
    let now: BTreeMap<Ipv4Addr, &Lease> = now.iter().map(|lease| (lease.address, lease)).collect();
    let upserted = now
        .iter()
        .filter(|(address, lease)| previous.get(address) != Some(*lease))
        .map(|(_, lease)| (*lease).clone())
        .collect();
    let removed = previous
        .keys()
        .filter(|address| !now.contains_key(address))
        .copied()
        .collect();
    (upserted, removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HardwareAddress;

    fn lease(last: u8, expires: u64) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 9, 0, last),
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, last]),
            client_id: None,
            expires: Some(Timestamp::from_secs(expires)),
        }
    }

    #[test]
    fn new_changed_and_gone_in_order_of_address() {
        let previous = [lease(1, 100), lease(2, 100), lease(3, 100), lease(200, 100)]
            .map(|lease| (lease.address, lease))
            .into();
        let now = [lease(9, 100), lease(2, 101), lease(3, 7), lease(3, 100)];
        let (upserted, removed) = diff(&previous, &now);
        assert_eq!(upserted, [lease(2, 101), lease(9, 100)]);
        assert_eq!(removed, [lease(1, 0).address, lease(200, 0).address]);
        assert_eq!(diff(&previous, &[]).1.len(), 4);
    }
}
