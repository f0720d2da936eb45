//! The books on the servers' own books: which leases are none any more for their client
//! but still stand (leaks), how full the pools are, and when they run out.
//!
//! Judges nothing: what was ignored, the verdicts say; what is leased, the databases.

mod envelope;
pub mod forecast;
#[cfg(test)]
mod leak_tests;
pub mod leaks;
pub mod pools;
#[cfg(test)]
mod tests;
mod trend;

use crate::configuration::ServerConfiguration;
use crate::database::Databases;
use crate::evidence::{DatabaseProblem, LeaseContent, LeaseUpdate, ServerRef};
use crate::origin::NetnsId;
use crate::tables::TableUsage;
use crate::time::Timestamp;
use leaks::{Leak, Leaks};
use pools::{PoolReport, Pools};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Pools are counted at most this often: a count walks over their leases.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// Leaks and pools of all namespaces.
#[derive(Debug)]
pub struct Accounts {
    leaks: Leaks,
    pools: Pools,
    /// When the pools were last counted.
    sampled: Timestamp,
    /// Something changed since.
    stale: bool,
    /// Counts the changes.
    generation: u64,
}

/// Which addresses a reading may have changed.
#[derive(Debug)]
pub enum Touched {
    /// Any.
    All,
    /// These.
    These(Vec<Ipv4Addr>),
}

impl Touched {
    /// By a reading.
    pub fn by(update: &LeaseUpdate) -> Self {
        match &update.content {
            // Of one that is not live, what it said before was never worth anything either.
            LeaseContent::Full(_)
            | LeaseContent::Unusable {
                problem: DatabaseProblem::NotLive,
                ..
            } => Self::All,
            LeaseContent::Delta { upserted, removed } => {
                let changed = upserted.iter().map(|lease| lease.address);
                Self::These(changed.chain(removed.iter().copied()).collect())
            }
            LeaseContent::Unusable { .. } => Self::These(Vec::new()),
        }
    }
}

impl Accounts {
    /// Room for that many leaks.
    pub fn new(leaks: usize) -> Self {
        Self {
            leaks: Leaks::new(leaks),
            pools: Pools::default(),
            sampled: Timestamp::ZERO,
            stale: false,
            generation: 0,
        }
    }

    /// A server's configuration was read.
    pub fn configured(&mut self, configuration: &ServerConfiguration) {
        self.pools.configured(configuration);
        self.changed();
    }

    /// A server process ended, and `databases` have lost its own. Its leases stand in its file, and with them the leaks, until
    /// a server is seen to have lost them.
    pub fn server_gone(&mut self, server: ServerRef, databases: &Databases, now: Timestamp) {
        self.pools.server_gone(server);
        self.leaks.server_gone(server, databases, now);
        self.changed();
    }

    /// A release was ignored, and its lease stands.
    pub fn leaked(&mut self, leak: Leak) {
        self.leaks.ignored(leak);
        self.changed();
    }

    /// An address was granted, to whomever: it is in use.
    pub fn granted(&mut self, netns: NetnsId, address: Ipv4Addr, at: Timestamp) {
        if self.leaks.granted(netns, address, at) {
            self.changed();
        }
    }

    /// A database of a namespace was read, and has been taken in.
    pub fn read(
        &mut self,
        netns: NetnsId,
        touched: &Touched,
        databases: &Databases,
        now: Timestamp,
    ) {
        let leaks = self.leaks.read(netns, touched, databases, now);
        if leaks || !matches!(touched, Touched::These(none) if none.is_empty()) {
            self.changed();
        }
    }

    /// A database that could be read no longer can, or one that could not now can.
    pub fn turned(&mut self) {
        self.changed();
    }

    fn changed(&mut self) {
        self.stale = true;
        self.generation += 1;
    }

    /// When [`Self::advance`] has something to do, if nothing else happens.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        (self.stale && !self.pools.is_empty()).then(|| self.sampled.saturating_add(SAMPLE_EVERY))
    }

    /// Counts the pools if that is due.
    pub fn advance(&mut self, databases: &Databases, now: Timestamp) {
        if self.leaks.forget_lost(now) {
            self.changed();
        }
        if self.stale && now >= self.sampled.saturating_add(SAMPLE_EVERY) {
            self.close(databases, now);
        }
    }

    /// Counts the pools now.
    pub fn close(&mut self, databases: &Databases, now: Timestamp) {
        self.sampled = now;
        self.stale = false;
        self.pools.sample(databases, &self.leaks, now);
    }

    /// Counts up with each change of leases, leaks or pools.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The leaks.
    pub fn leaks(&self) -> &Leaks {
        &self.leaks
    }

    /// The pools of a namespace, in order of address.
    pub fn pools(&self, netns: NetnsId, now: Timestamp) -> Vec<PoolReport> {
        self.pools.reports(netns, now)
    }

    /// The pools of all namespaces.
    pub fn all_pools(&self, now: Timestamp) -> Vec<PoolReport> {
        let all = self.pools.namespaces().into_iter();
        all.flat_map(|netns| self.pools.reports(netns, now))
            .collect()
    }

    /// How full the tables are.
    pub fn usage(&self) -> [TableUsage; 2] {
        [self.leaks.usage(), self.pools.usage()]
    }
}
