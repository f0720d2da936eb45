//! The leases of one database, as lean as they can be kept: 10,000 in 0.8 MB.

use leasehound_core::evidence::Lease;
use std::net::Ipv4Addr;

/// Leases in order of address, one for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Table(Vec<Lease>);

impl Table {
    /// Of several leases of one address the last counts.
    pub(super) fn new(mut leases: Vec<Lease>) -> Self {
        leases.reverse();
        leases.sort_by_key(|lease| lease.address);
        leases.dedup_by_key(|lease| lease.address);
        leases.shrink_to_fit();
        Self(leases)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_slice(&self) -> &[Lease] {
        &self.0
    }

    pub(super) fn get(&self, address: Ipv4Addr) -> Option<&Lease> {
        let place = self.0.binary_search_by_key(&address, |lease| lease.address);
        self.0.get(place.ok()?)
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.get(address).is_some()
    }

    /// The addresses of this table that `now` does not have, in order.
    pub(super) fn missing_in(&self, now: &Self) -> Vec<Ipv4Addr> {
        self.0
            .iter()
            .map(|lease| lease.address)
            .filter(|address| !now.contains(*address))
            .collect()
    }

    /// The leases of this table that `before` does not have in this state.
    pub(super) fn news_to(&self, before: &Self) -> Vec<Lease> {
        self.0
            .iter()
            .filter(|lease| before.get(lease.address) != Some(*lease))
            .cloned()
            .collect()
    }

    /// Takes in a change, both parts in order of address.
    pub(super) fn apply(&mut self, upserted: &[Lease], gone: &[Ipv4Addr]) {
        let mut new = Vec::new();
        for lease in upserted {
            let place = self
                .0
                .binary_search_by_key(&lease.address, |one| one.address);
            match place.ok().and_then(|place| self.0.get_mut(place)) {
                Some(old) => old.clone_from(lease),
                None => new.push(lease.clone()),
            }
        }
        if !gone.is_empty() {
            self.0
                .retain(|lease| gone.binary_search(&lease.address).is_err());
        }
        if !new.is_empty() {
            self.0.extend(new);
            // Two ascending runs: merged in one pass.
            self.0.sort_by_key(|lease| lease.address);
        }
    }

    /// Takes in what `older` has besides, but not the addresses in `except`, which
    /// are in order.
    pub(super) fn extend_from(&mut self, older: &Self, except: &[Ipv4Addr]) {
        let besides: Vec<Lease> = older
            .0
            .iter()
            .filter(|lease| {
                !self.contains(lease.address) && except.binary_search(&lease.address).is_err()
            })
            .cloned()
            .collect();
        if !besides.is_empty() {
            self.0.extend(besides);
            self.0.sort_by_key(|lease| lease.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehound_core::message::HardwareAddress;

    fn table(leases: &[(u8, u8)]) -> Table {
        Table::new(
            leases
                .iter()
                .map(|(last, mac)| Lease {
                    address: Ipv4Addr::new(10, 0, 0, *last),
                    hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, *mac]),
                    client_id: None,
                    expires: None,
                })
                .collect(),
        )
    }

    #[test]
    fn sorted_and_of_two_the_last() {
        assert_eq!(
            table(&[(9, 1), (3, 1), (9, 2), (3, 7)]),
            table(&[(3, 7), (9, 2)])
        );
    }

    #[test]
    fn a_change_leads_from_one_table_to_the_other() {
        let mut before = table(&[(1, 1), (2, 1), (3, 1)]);
        let now = table(&[(0, 1), (2, 9), (3, 1), (7, 1)]);
        let (upserted, gone) = (now.news_to(&before), before.missing_in(&now));
        before.apply(&upserted, &gone);
        assert_eq!(before, now);
        before.apply(&[], &[]);
        assert_eq!(before, now);
    }

    #[test]
    fn what_is_missing_what_is_new_and_both_together() {
        let before = table(&[(1, 1), (2, 1), (3, 1)]);
        let mut now = table(&[(2, 9), (3, 1), (4, 1)]);
        let gone = before.missing_in(&now);
        assert_eq!(gone, [Ipv4Addr::new(10, 0, 0, 1)]);
        assert_eq!(now.news_to(&before), table(&[(2, 9), (4, 1)]).0);
        now.extend_from(&before, &gone);
        assert_eq!(now, table(&[(2, 9), (3, 1), (4, 1)]));
        now.extend_from(&before, &[]);
        assert_eq!(now, table(&[(1, 1), (2, 9), (3, 1), (4, 1)]));
    }
}
