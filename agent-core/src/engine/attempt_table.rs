//! The open attempts, by number, by transaction and by deadline; and those judged a
//! short while ago, whose messages may still come again.

use super::PendingLimits;
use crate::attempt::{Attempt, AttemptId, AttemptKey};
use crate::exchange::ExchangeKey;
use crate::release::Sighting;
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use crate::verdict::Outcome;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An attempt that has its verdict.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// When its latest message was first seen.
    pub(super) last_seen: Timestamp,
    /// Where that was seen.
    pub(super) sightings: SmallVec<[Sighting; 2]>,
    /// Its verdict.
    pub(super) outcome: Outcome,
    /// When its last ACK was seen, and how long the lease then needs no renewal.
    pub(super) acked: Option<(Timestamp, Duration)>,
    /// As it stood.
    pub(super) unheeded: u32,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Attempts {
    limits: PendingLimits,
    /// Boxed, as trees move what they hold.
    by_id: BTreeMap<AttemptId, Box<Attempt>>,
    by_exchange: BTreeMap<ExchangeKey, SmallVec<[AttemptId; 1]>>,
    by_time: BTreeSet<(Timestamp, AttemptId)>,
    judged: Table<AttemptKey, Judged>,
    evictions: u64,
}

impl Attempts {
    /// As many attempts as there may be RELEASEs.
    pub(super) fn new(limits: PendingLimits) -> Self {
        Self {
            limits,
            by_id: BTreeMap::new(),
            by_exchange: BTreeMap::new(),
            by_time: BTreeSet::new(),
            judged: Table::new("recent_attempts", limits.recent),
            evictions: 0,
        }
    }

    pub(super) fn copy_window(&self) -> Duration {
        self.limits.copy_window
    }

    /// The oldest open attempt, if the table is full.
    pub(super) fn overflow(&mut self) -> Option<AttemptId> {
        if self.by_id.len() < self.limits.open.max(1) {
            return None;
        }
        self.evictions += 1;
        self.by_id.keys().next().copied()
    }

    pub(super) fn insert(&mut self, attempt: Attempt) {
        self.by_time.insert((attempt.until, attempt.id));
        self.by_exchange
            .entry(attempt.key.exchange())
            .or_default()
            .push(attempt.id);
        self.by_id.insert(attempt.id, Box::new(attempt));
    }

    pub(super) fn get(&self, id: AttemptId) -> Option<&Attempt> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    /// To change anything but the key and the time; see [`Self::wait`].
    pub(super) fn get_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// Has the attempt looked at again at `until`.
    pub(super) fn wait(&mut self, id: AttemptId, until: Timestamp) {
        if let Some(attempt) = self.by_id.get_mut(&id) {
            self.by_time.remove(&(attempt.until, id));
            self.by_time.insert((until, id));
            attempt.until = until;
        }
    }

    /// Takes out an attempt that is judged, and remembers it for its further messages.
    pub(super) fn judged(&mut self, id: AttemptId, judged: Judged) -> Option<Attempt> {
        let attempt = self.by_id.remove(&id)?;
        self.by_time.remove(&(attempt.until, id));
        let exchange = attempt.key.exchange();
        if let Some(ids) = self.by_exchange.get_mut(&exchange) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_exchange.remove(&exchange);
            }
        }
        self.judged.put(attempt.key, judged);
        Some(*attempt)
    }

    /// The open attempts of a transaction: one in each state at most.
    pub(super) fn of(&self, exchange: ExchangeKey) -> SmallVec<[AttemptId; 1]> {
        self.by_exchange.get(&exchange).cloned().unwrap_or_default()
    }

    /// The open attempt with this key.
    pub(super) fn open(&self, key: AttemptKey) -> Option<AttemptId> {
        let ids = self.by_exchange.get(&key.exchange())?;
        let of_state = |id: &&AttemptId| self.by_id.get(id).is_some_and(|open| open.key == key);
        ids.iter().find(of_state).copied()
    }

    /// The attempt with this key that was judged last.
    pub(super) fn recent(&mut self, key: AttemptKey) -> Option<&mut Judged> {
        self.judged.get_mut(&key)
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(until, _)| *until)
    }

    /// The next attempt that is to be looked at by `now`.
    pub(super) fn due(&self, now: Timestamp) -> Option<(Timestamp, AttemptId)> {
        let first = self.by_time.first().copied();
        first.filter(|(until, _)| *until <= now)
    }

    /// All open attempts, in the order seen.
    pub(super) fn ids(&self) -> Vec<AttemptId> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn usage(&self) -> [TableUsage; 2] {
        let open = TableUsage {
            table: "open_attempts",
            entries: self.by_id.len(),
            capacity: self.limits.open,
            evictions: self.evictions,
        };
        [open, self.judged.usage()]
    }
}
