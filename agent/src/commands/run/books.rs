//! Leases and leaks of one namespace, for metrics and pages.
//!
//! Counting walks over all leases, so it is done when something changed, and now and then
//! for leases that ended by time.

use crate::sinks::servers::{LeakEntry, LeaseCount};
use leasehound_core::engine::{Engine, LeaseTally};
use leasehound_core::origin::{InterfaceId, NetnsId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Calls after which is counted though nothing changed.
const ANEW_AFTER: u32 = 30;

/// Leaked addresses that the status page is given.
const LEAKS_AT_MOST: usize = 1_000;

/// What was counted last.
#[derive(Debug, Default)]
pub(super) struct Books {
    generation: Option<u64>,
    calls: u32,
    tallies: BTreeMap<Option<InterfaceId>, LeaseTally>,
}

impl Books {
    /// The leases of a namespace by interface; `read` if there is a database. `oldest` are
    /// the ages of the oldest leaks.
    pub(super) fn count(
        &mut self,
        netns: NetnsId,
        name: &str,
        engine: &Engine,
        read: bool,
        oldest: &BTreeMap<(NetnsId, InterfaceId), Duration>,
    ) -> Vec<LeaseCount> {
        self.calls += 1;
        let generation = Some(engine.accounts_generation());
        if self.generation != generation || self.calls >= ANEW_AFTER {
            self.calls = 0;
            self.generation = generation;
            self.tallies = engine.lease_tallies(netns);
        }
        let none = (None, LeaseTally::default());
        // An empty database is one all the same.
        let empty = (read && self.tallies.is_empty()).then_some(none);
        let tallies = self.tallies.iter().map(|(id, tally)| (*id, *tally));
        tallies
            .chain(empty)
            .map(|(interface, tally)| LeaseCount {
                netns: name.to_owned(),
                interface,
                tally,
                oldest_leak: interface.and_then(|id| oldest.get(&(netns, id)).copied()),
            })
            .collect()
    }
}

/// The leaked addresses of the namespaces that have these names.
pub(super) fn leaks(engine: &Engine, names: &BTreeMap<NetnsId, String>) -> Vec<LeakEntry> {
    let leaks = engine.leaks().into_iter();
    let named = leaks.filter_map(|leak| {
        Some(LeakEntry {
            netns: names.get(&leak.netns)?.clone(),
            leak: leak.clone(),
        })
    });
    named.take(LEAKS_AT_MOST).collect()
}
