//! What a server was told to do, as far as it decides about leases.

pub mod isc_dhcpd;
pub mod udhcpd;

use crate::evidence::ServerRef;
use crate::origin::NetnsId;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The configuration of one server process, as it was read. It never holds more than what
/// is listed here: configurations contain secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfiguration {
    /// Whose.
    pub server: ServerRef,
    /// The namespace it runs in.
    pub netns: NetnsId,
    /// The addresses that it gives out, in its order.
    pub pools: Vec<Pool>,
    /// dnsmasq's options about DHCP, in its order; empty for other servers.
    pub options: Vec<ConfigurationLine>,
    /// What could not be read or understood, one line each.
    pub not_understood: Vec<Box<str>>,
}

/// How a line of what was not understood says that a file or directory is not any more what
/// the server has read.
pub const SINCE_STARTED: &str = "after the server had started";

impl ServerConfiguration {
    /// Whether what was read stands there since the server has started: then it goes by
    /// what stood there before.
    pub fn is_too_new(&self) -> bool {
        let mut lines = self.not_understood.iter();
        lines.any(|line| line.contains(SINCE_STARTED))
    }
}

/// A range of addresses that a server gives out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pool {
    /// As the server's own configuration writes it, or `FIRST-LAST`: a label value.
    pub name: Box<str>,
    /// The first address.
    pub first: Ipv4Addr,
    /// The last one.
    pub last: Ipv4Addr,
    /// How long a lease lasts; `None` if the configuration does not say.
    pub lease_time: Option<LeaseTime>,
}

impl Pool {
    /// How many addresses it has.
    pub fn size(&self) -> u64 {
        let (first, last) = (self.first.to_bits(), self.last.to_bits());
        u64::from(last.saturating_sub(first)) + u64::from(first <= last)
    }

    /// Whether an address is one of it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

/// How long a lease lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseTime {
    /// Until the client gives it back.
    Infinite,
    /// So long after each grant.
    Limited(Duration),
}

/// One option of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationLine {
    /// The file, as the server names it, and the line in it, from 1; or `command line` and
    /// the argument's place.
    pub origin: Box<str>,
    /// See `origin`.
    pub number: u32,
    /// The option without leading dashes: `dhcp-range=10.9.0.50,10.9.0.150,1h`.
    pub text: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_counts_both_ends() {
        let pool = |first, last| Pool {
            name: "x".into(),
            first: Ipv4Addr::from_bits(first),
            last: Ipv4Addr::from_bits(last),
            lease_time: None,
        };
        assert_eq!(pool(7, 7).size(), 1);
        assert_eq!(pool(7, 6).size(), 0);
        assert_eq!(pool(0, u32::MAX).size(), 1 << 32);
        assert!(pool(7, 9).contains(Ipv4Addr::from_bits(9)));
        assert!(!pool(7, 9).contains(Ipv4Addr::from_bits(10)));
    }
}
