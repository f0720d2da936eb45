//! Lease databases: text in, [`Lease`]s out. Reads no file and keeps no state; the
//! agent's watcher decides when to read and whether a reading can be trusted.

pub mod dnsmasq;
mod hex;
pub mod isc_dhcpd;
pub mod kea;

use crate::evidence::{Lease, ServerKind};
use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

/// What a lease database says, whichever server's it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What is leased; of several leases of one address the last counts.
    pub leases: Vec<Lease>,
    /// Whether the text ends where its writer ends a piece, or is empty. If not, it is
    /// torn: to be read again.
    pub complete: bool,
    /// The first part that can't be read. What it hides would look like a lease that
    /// left, so with one nothing of the text counts.
    pub damage: Option<Damage>,
}

/// What can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line where it begins, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Box<str>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// How a lease database is written. One server may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// dnsmasq's lease file.
    Dnsmasq,
    /// The JSON that libvirt's lease helper writes for its dnsmasq.
    Libvirt,
    /// ISC dhcpd's log of declarations.
    IscDhcpd,
    /// Kea's memfile.
    Kea,
    /// busybox udhcpd's dump.
    Udhcpd,
    /// What systemd-networkd keeps over a restart.
    Networkd,
}

impl Format {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Dnsmasq,
        Self::Libvirt,
        Self::IscDhcpd,
        Self::Kea,
        Self::Udhcpd,
        Self::Networkd,
    ];

    /// The word used in flags and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Libvirt => "libvirt",
            _ => self.server().as_str(),
        }
    }

    /// The one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whose leases are written so.
    pub const fn server(self) -> ServerKind {
        match self {
            Self::Dnsmasq | Self::Libvirt => ServerKind::Dnsmasq,
            Self::IscDhcpd => ServerKind::IscDhcpd,
            Self::Kea => ServerKind::Kea,
            Self::Udhcpd => ServerKind::Udhcpd,
            Self::Networkd => ServerKind::Networkd,
        }
    }
}

/// Reads a database's text.
pub fn read(format: Format, text: &[u8]) -> Reading {
    match format {
        Format::Dnsmasq => dnsmasq::parse(text).into(),
        Format::IscDhcpd => isc_dhcpd::parse(text),
        Format::Kea => kea::parse(text),
        Format::Libvirt | Format::Udhcpd | Format::Networkd => Reading {
            complete: true,
            damage: Some(Damage {
                line: 1,
                reason: "the format is not known".into(),
            }),
            ..Reading::default()
        },
    }
}

impl From<dnsmasq::Parsed> for Reading {
    fn from(parsed: dnsmasq::Parsed) -> Self {
        let first = parsed.skipped.first();
        Self {
            complete: parsed.complete || parsed.empty,
            damage: first.map(|skipped| Damage {
                line: skipped.line_number,
                reason: skipped.reason.to_string().into(),
            }),
            leases: parsed.leases,
        }
    }
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
    use crate::time::Timestamp;

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
