//! Which handle an interface has, by its kernel index.

use leasehound_core::origin::InterfaceId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What was sampled before an interface went is read by then: the reader wakes up a few
/// milliseconds after a sample.
const LINGER_NANOS: u64 = 2_000_000_000;

/// Shared with the reader of samples and the metrics.
pub(super) type Indexes = Arc<RwLock<BTreeMap<u32, InterfaceId>>>;

/// Keeps the handles of what is watched, and for a while of what was: samples of its
/// last moments are still in the ring.
#[derive(Debug, Default)]
pub(super) struct IndexTable {
    shared: Indexes,
    /// Until when, on the monotonic clock.
    leaving: BTreeMap<u32, u64>,
}

impl IndexTable {
    pub(super) fn shared(&self) -> Indexes {
        Arc::clone(&self.shared)
    }

    /// An interface is about to be watched. What had the index before lost it.
    pub(super) fn enter(&mut self, index: u32, id: InterfaceId) {
        self.leaving.remove(&index);
        self.write(|indexes| indexes.insert(index, id));
    }

    /// It is not watched after all.
    pub(super) fn withdraw(&mut self, index: u32) {
        self.leaving.remove(&index);
        self.write(|indexes| indexes.remove(&index));
    }

    /// An interface is no longer watched since `now`, on the monotonic clock.
    pub(super) fn leave(&mut self, index: u32, now: u64) {
        self.leaving.insert(index, now.saturating_add(LINGER_NANOS));
    }

    /// Forgets what left long enough ago.
    pub(super) fn sweep(&mut self, now: u64) {
        let over: Vec<u32> = self
            .leaving
            .extract_if(.., |_, until| *until <= now)
            .map(|(index, _)| index)
            .collect();
        for index in over {
            self.write(|indexes| indexes.remove(&index));
        }
    }

    /// Nothing is watched any more. Who shares the handles keeps them.
    pub(super) fn part(&mut self) {
        *self = Self::default();
    }

    fn write(&self, change: impl FnOnce(&mut BTreeMap<u32, InterfaceId>) -> Option<InterfaceId>) {
        let mut indexes = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut indexes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(table: &IndexTable, index: u32) -> Option<InterfaceId> {
        table.shared().read().unwrap().get(&index).copied()
    }

    #[test]
    fn a_sample_that_comes_after_its_interface_went_still_finds_it() {
        let mut table = IndexTable::default();
        table.enter(7, InterfaceId(1));
        table.enter(3, InterfaceId(2));
        table.leave(7, 1_000);
        table.leave(3, 1_500);
        table.sweep(1_000 + LINGER_NANOS - 1);
        assert_eq!(handle(&table, 7), Some(InterfaceId(1)));
        table.sweep(1_000 + LINGER_NANOS);
        assert_eq!(handle(&table, 7), None);
        assert_eq!(handle(&table, 3), Some(InterfaceId(2)));
        table.sweep(1_500 + LINGER_NANOS);
        assert_eq!(handle(&table, 3), None);
    }

    #[test]
    fn an_index_that_is_taken_again_stays() {
        let mut table = IndexTable::default();
        table.enter(7, InterfaceId(1));
        table.leave(7, 0);
        table.enter(7, InterfaceId(2));
        table.sweep(u64::MAX);
        assert_eq!(handle(&table, 7), Some(InterfaceId(2)));
    }

    #[test]
    fn who_shares_the_handles_keeps_them_to_the_end() {
        let mut table = IndexTable::default();
        table.enter(7, InterfaceId(1));
        let shared = table.shared();
        table.part();
        assert_eq!(handle(&table, 7), None);
        assert_eq!(shared.read().unwrap().len(), 1);
    }
}
