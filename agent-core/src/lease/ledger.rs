//! What is leased, as the records of a database say it one after the other. Every parser
//! writes into one.

use super::Reading;
use super::lease6::{Duid, Lease6};
use super::log::Changes;
use crate::evidence::Lease;
use crate::time::Timestamp;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The state after the records so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    leases: Shelf<Lease>,
    leases6: Shelf<Lease6>,
    declined: BTreeSet<Ipv4Addr>,
    pub(super) server_duid: Option<Duid>,
    pub(super) written_at: Option<Timestamp>,
    pub(super) unknown: usize,
    /// Which addresses records were about, and whether they were leased before.
    touched: Option<BTreeMap<Ipv4Addr, bool>>,
}

/// An address and a prefix length.
pub(super) type Prefix = (Ipv6Addr, u8);

impl Ledger {
    /// The address is leased from here on.
    pub(super) fn lease(&mut self, lease: Lease) {
        let address = lease.address;
        if !self.declined.is_empty() {
            self.declined.remove(&address);
        }
        if self.touched.is_some() {
            let before = self.leases.get(address);
            if before == Some(&lease) {
                return;
            }
            let was_leased = before.is_some();
            self.touch(address, was_leased);
        }
        self.leases.put(lease);
    }

    /// The address is leased no longer.
    pub(super) fn free(&mut self, address: Ipv4Addr) {
        self.declined.remove(&address);
        if self.leases.take(address).is_some() {
            self.touch(address, true);
        }
    }

    /// A client said that somebody else has the address: nobody's, and not to be given
    /// away for a while.
    pub(super) fn decline(&mut self, address: Ipv4Addr) {
        self.free(address);
        self.declined.insert(address);
    }

    /// The address or prefix is leased from here on.
    pub(super) fn lease6(&mut self, lease: Lease6) {
        self.leases6.put(lease);
    }

    /// The address or prefix is leased no longer.
    pub(super) fn free6(&mut self, prefix: Prefix) {
        self.leases6.take(prefix);
    }

    pub(super) const fn leases(&self) -> &Shelf<Lease> {
        &self.leases
    }

    pub(super) const fn leases6(&self) -> &Shelf<Lease6> {
        &self.leases6
    }

    pub(super) fn declined(&self) -> usize {
        self.declined.len()
    }

    /// From here on changes are kept.
    pub(super) fn begin_changes(&mut self) {
        self.touched = Some(BTreeMap::new());
    }

    /// What changed since they began.
    pub(super) fn end_changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for (address, was_leased) in self.touched.take().unwrap_or_default() {
            match self.leases.get(address) {
                Some(lease) => changes.upserted.push(lease.clone()),
                None if was_leased => changes.removed.push(address),
                None => {}
            }
        }
        changes
    }

    fn touch(&mut self, address: Ipv4Addr, was_leased: bool) {
        if let Some(touched) = &mut self.touched {
            touched.entry(address).or_insert(was_leased);
        }
    }

    pub(super) fn into_reading(self) -> Reading {
        Reading {
            leases: self.leases.into_sorted(),
            leases6: self.leases6.into_sorted(),
            declined: self.declined.into_iter().collect(),
            server_duid: self.server_duid,
            written_at: self.written_at,
            unknown: self.unknown,
            ..Reading::default()
        }
    }
}

/// Values by key, without gaps between them: half the memory of a map that holds them.
#[derive(Debug, Clone)]
pub(super) struct Shelf<V: Keyed> {
    places: BTreeMap<V::Key, u32>,
    values: Vec<V>,
}

/// What is kept on a [`Shelf`].
pub(super) trait Keyed {
    /// One value for each.
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
}

impl Keyed for Lease {
    type Key = Ipv4Addr;

    fn key(&self) -> Ipv4Addr {
        self.address
    }
}

impl Keyed for Lease6 {
    type Key = Prefix;

    fn key(&self) -> Prefix {
        (self.address, self.prefix_length)
    }
}

impl<V: Keyed> Default for Shelf<V> {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            values: Vec::new(),
        }
    }
}

impl<V: Keyed> Shelf<V> {
    pub(super) const fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn get(&self, key: V::Key) -> Option<&V> {
        self.values.get(slot(*self.places.get(&key)?))
    }

    /// In order of key.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.places
            .values()
            .filter_map(|place| self.values.get(slot(*place)))
    }

    fn put(&mut self, value: V) {
        match self.places.entry(value.key()) {
            Entry::Occupied(place) => {
                if let Some(old) = self.values.get_mut(slot(*place.get())) {
                    *old = value;
                }
            }
            // There are no more keys than 2^32 addresses, nor memory for as many prefixes.
            Entry::Vacant(place) => {
                if let Ok(next) = u32::try_from(self.values.len()) {
                    place.insert(next);
                    self.values.push(value);
                }
            }
        }
    }

    fn take(&mut self, key: V::Key) -> Option<V> {
        let place = self.places.remove(&key)?;
        let taken = self.values.swap_remove(slot(place));
        if let Some(moved) = self.values.get(slot(place)) {
            self.places.insert(moved.key(), place);
        }
        Some(taken)
    }

    fn into_sorted(self) -> Vec<V> {
        drop(self.places);
        let mut values = self.values;
        values.sort_unstable_by_key(Keyed::key);
        values
    }
}

const fn slot(place: u32) -> usize {
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::HardwareAddress;

    fn lease(last: u8, mac: u8) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 0, last),
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, mac]),
            client_id: None,
            expires: None,
        }
    }

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn what_is_taken_leaves_no_gap_and_the_rest_is_found() {
        let mut shelf = Shelf::default();
        for last in [9, 1, 5, 3, 7] {
            shelf.put(lease(last, last));
        }
        shelf.put(lease(5, 50));
        assert_eq!(shelf.take(address(9)), Some(lease(9, 9)));
        assert_eq!(shelf.take(address(9)), None);
        assert_eq!(shelf.take(address(7)), Some(lease(7, 7)));
        assert_eq!(shelf.get(address(5)), Some(&lease(5, 50)));
        assert_eq!((shelf.len(), shelf.values.len()), (3, 3));
        let expected = [lease(1, 1), lease(3, 3), lease(5, 50)];
        assert!(shelf.iter().eq(&expected));
        assert_eq!(shelf.into_sorted(), expected);
    }

    #[test]
    fn changes_are_those_between_beginning_and_end() {
        let mut ledger = Ledger::default();
        for last in [1, 2, 3, 4] {
            ledger.lease(lease(last, last));
        }
        ledger.begin_changes();
        ledger.lease(lease(1, 1));
        ledger.lease(lease(2, 20));
        ledger.free(address(3));
        ledger.decline(address(4));
        ledger.lease(lease(6, 6));
        ledger.free(address(6));
        ledger.lease(lease(5, 5));
        let changes = ledger.end_changes();
        assert_eq!(changes.upserted, [lease(2, 20), lease(5, 5)]);
        assert_eq!(changes.removed, [address(3), address(4)]);
        assert_eq!(ledger.declined(), 1);
        ledger.lease(lease(4, 9));
        assert_eq!(ledger.declined(), 0);
    }
}
