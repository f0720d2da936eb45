//! The DHCP servers and leases that the status page and the metrics show.

use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::ServerSummary;

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// The namespace it serves; empty for the agent's own.
    pub netns: String,
    /// The interface where its OFFERs and ACKs are seen; `None` before the first.
    pub interface: Option<InterfaceId>,
    /// What is known of it.
    pub summary: ServerSummary,
}

/// How many leases are bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseCount {
    /// The namespace they belong to; empty for the agent's own.
    pub netns: String,
    /// The interface of their subnet, where it is known.
    pub interface: Option<InterfaceId>,
    /// Leases in the server's database.
    pub bound: u64,
}
