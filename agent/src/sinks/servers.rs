//! The DHCP servers, leases and pools that the status page and the metrics show.

use leasehound_core::accounts::leaks::Leak;
use leasehound_core::accounts::pools::PoolReport;
use leasehound_core::engine::{LeaseReport, LeaseTally};
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::ServerSummary;
use std::time::Duration;

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

/// How many leases there are on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseCount {
    /// The namespace they belong to; empty for the agent's own.
    pub netns: String,
    /// The interface of their subnet, where it is known.
    pub interface: Option<InterfaceId>,
    /// Leases in the server's database, by what became of them.
    pub tally: LeaseTally,
    /// How long ago the oldest leak among them began.
    pub oldest_leak: Option<Duration>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolEntry {
    /// The namespace of its server; empty for the agent's own.
    pub netns: String,
    /// How it stands.
    pub report: PoolReport,
}

/// A leaked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakEntry {
    /// The namespace; empty for the agent's own.
    pub netns: String,
    /// The leak.
    pub leak: Leak,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseEntry {
    /// The namespace; empty for the agent's own.
    pub netns: String,
    /// The lease, and what became of it.
    pub report: LeaseReport,
}
