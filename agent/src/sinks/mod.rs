//! Where verdicts go: events, metrics, pages, tables.
//!
//! The core has no serde and no prometheus; everything published is built here from
//! the core's types, so that the core may change while the published names stay.
//! Nothing here judges: a sink prints what a verdict says, and never adds to it.

pub mod book;
pub mod databases;
pub mod events;
#[cfg(test)]
mod fixtures;
pub mod hooks;
pub mod http;
pub mod metrics;
pub mod missing;
pub mod names;
pub mod servers;
pub mod status;
pub mod table;

/// Which DHCP a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// DHCPv4
    Ipv4,
    /// DHCPv6
    Ipv6,
}

impl Family {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}
