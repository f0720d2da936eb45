//! The open RELEASEs and DECLINEs, by number, by address and by deadline.

use crate::host::Host;
use crate::origin::NetnsId;
use crate::release::{Release, ReleaseId, ReleaseKey, Sighting};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Bounds of the table of open messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingLimits {
    /// Open messages; the oldest is judged at once to make room.
    pub open: usize,
    /// Messages whose further copies are still recognised.
    pub recent: usize,
    /// For how long a copy at another place counts as the same message.
    pub copy_window: Duration,
}

impl Default for PendingLimits {
    fn default() -> Self {
        Self {
            open: 4096,
            recent: 4096,
            copy_window: Duration::from_secs(2),
        }
    }
}

/// A message whose copies are recognised.
#[derive(Debug, Clone)]
struct Recent {
    id: ReleaseId,
    seen: Timestamp,
    sightings: SmallVec<[Sighting; 2]>,
}

/// The open messages.
#[derive(Debug)]
pub(super) struct Pending {
    limits: PendingLimits,
    last_id: u64,
    /// Boxed, as trees move what they hold.
    by_id: BTreeMap<ReleaseId, Box<Release>>,
    by_address: BTreeMap<(NetnsId, Ipv4Addr), BTreeSet<ReleaseId>>,
    by_deadline: BTreeSet<(Timestamp, ReleaseId)>,
    recent: Table<ReleaseKey, Recent>,
    evictions: u64,
}

impl Pending {
    pub(super) fn new(limits: PendingLimits) -> Self {
        Self {
            limits,
            last_id: 0,
            by_id: BTreeMap::new(),
            by_address: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            recent: Table::new("recent_releases", limits.recent),
            evictions: 0,
        }
    }

    /// If this is another copy of a message (same words, another place, a short time
    /// after), notes the place and gives the message's number. The same words at the
    /// same place are a message sent again.
    pub(super) fn copy_of(
        &mut self,
        key: &ReleaseKey,
        at: Timestamp,
        sighting: Sighting,
    ) -> Option<ReleaseId> {
        let window = self.limits.copy_window;
        let recent = self.recent.get_mut(key)?;
        let apart = at.since(recent.seen).max(recent.seen.since(at));
        if apart > window || recent.sightings.contains(&sighting) {
            return None;
        }
        recent.sightings.push(sighting);
        Some(recent.id)
    }

    /// The number of a new message: one order for all that are judged.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Numbers a new message and remembers it for its copies.
    pub(super) fn number(
        &mut self,
        key: ReleaseKey,
        seen: Timestamp,
        sighting: Sighting,
    ) -> ReleaseId {
        let id = ReleaseId(self.next_id());
        self.recent.put(
            key,
            Recent {
                id,
                seen,
                sightings: smallvec::smallvec![sighting],
            },
        );
        id
    }

    /// The oldest open message, if the table is full.
    pub(super) fn overflow(&mut self) -> Option<ReleaseId> {
        if self.by_id.len() < self.limits.open.max(1) {
            return None;
        }
        self.evictions += 1;
        self.by_id.keys().next().copied()
    }

    pub(super) fn insert(&mut self, release: Release) {
        self.by_deadline.insert((release.stage.until(), release.id));
        self.by_address
            .entry((release.netns, release.address))
            .or_default()
            .insert(release.id);
        self.by_id.insert(release.id, Box::new(release));
    }

    pub(super) fn get(&self, id: ReleaseId) -> Option<&Release> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: ReleaseId) -> Option<&mut Release> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    /// The addresses of a namespace were looked at.
    pub(super) fn settle_destinations(&mut self, netns: NetnsId, host: &Host, now: Timestamp) {
        let of = self
            .by_id
            .values_mut()
            .filter(|release| release.netns == netns);
        for release in of {
            super::open::settle(release, host, now);
        }
    }

    pub(super) fn remove(&mut self, id: ReleaseId) -> Option<Release> {
        let release = self.by_id.remove(&id)?;
        self.by_deadline.remove(&(release.stage.until(), id));
        let key = (release.netns, release.address);
        if let Some(ids) = self.by_address.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_address.remove(&key);
            }
        }
        Some(*release)
    }

    /// Open messages about an address, in the order seen.
    pub(super) fn about(
        &self,
        netns: NetnsId,
        address: Ipv4Addr,
    ) -> impl Iterator<Item = ReleaseId> + '_ {
        self.by_address
            .get(&(netns, address))
            .into_iter()
            .flatten()
            .copied()
    }

    /// All open messages, in the order seen.
    pub(super) fn ids(&self) -> Vec<ReleaseId> {
        self.by_id.keys().copied().collect()
    }

    /// All open messages.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Release> {
        self.by_id.values().map(Box::as_ref)
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|(until, _)| *until)
    }

    /// The next message whose wait is over at `now`.
    pub(super) fn due(&self, now: Timestamp) -> Option<(Timestamp, ReleaseId)> {
        self.by_deadline
            .first()
            .copied()
            .filter(|(until, _)| *until <= now)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn usage(&self) -> TableUsage {
        TableUsage {
            table: "open_releases",
            entries: self.by_id.len(),
            capacity: self.limits.open,
            evictions: self.evictions,
        }
    }
}
