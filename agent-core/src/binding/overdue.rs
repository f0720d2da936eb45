//! Bindings that are past T2, found by their times and not by a walk.

use super::Binding;
use crate::origin::NetnsId;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

type Key = (NetnsId, Ipv4Addr);

/// The times that are to come; one entry for each binding at most.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// T2 or, of those past it, the end of the lease.
    by_time: BTreeSet<(Timestamp, Key)>,
    times: BTreeMap<Key, Times>,
    past: BTreeMap<NetnsId, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    next: Timestamp,
    end: Timestamp,
    past: bool,
}

impl Overdue {
    /// A binding whose key is [forgotten](Self::forget).
    pub(super) fn expect(&mut self, key: Key, binding: &Binding) {
        let Some(t2) = binding.t2() else {
            return;
        };
        let end = binding.expires().unwrap_or(Timestamp::MAX);
        let times = Times {
            next: t2,
            end,
            past: false,
        };
        self.times.insert(key, times);
        self.by_time.insert((t2, key));
    }

    pub(super) fn forget(&mut self, key: Key) {
        let Some(times) = self.times.remove(&key) else {
            return;
        };
        self.by_time.remove(&(times.next, key));
        if times.past {
            self.one_less(key.0);
        }
    }

    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Key> {
        let mut passed = Vec::new();
        while let Some((time, key)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            self.by_time.remove(&(time, key));
            let Some(times) = self.times.get_mut(&key) else {
                continue;
            };
            if times.past || times.end <= time {
                // Nobody renews any more.
                let past = times.past;
                self.times.remove(&key);
                if past {
                    self.one_less(key.0);
                }
                continue;
            }
            times.past = true;
            times.next = times.end;
            self.by_time.insert((times.end, key));
            *self.past.entry(key.0).or_default() += 1;
            passed.push(key);
        }
        passed
    }

    pub(super) fn count(&self, netns: NetnsId) -> usize {
        self.past.get(&netns).copied().unwrap_or_default()
    }

    fn one_less(&mut self, netns: NetnsId) {
        if let Some(count) = self.past.get_mut(&netns) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.past.remove(&netns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bindings, Granter, KnownClientId};
    use super::*;
    use crate::message::{HardwareAddress, ServerId};
    use crate::origin::InterfaceId;
    use std::time::Duration;

    const NETNS: NetnsId = NetnsId(0);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

    fn acked(at: u64, lease_time: u64) -> Binding {
        Binding {
            hardware_address: HardwareAddress::ethernet([2; 6]),
            client_id: KnownClientId::NotSeen,
            server_id: ServerId(Ipv4Addr::new(10, 0, 0, 1)),
            acked: Timestamp::from_secs(at),
            lease_time: Some(Duration::from_secs(lease_time)),
            renewal_time: None,
            rebinding_time: None,
            interface: InterfaceId(1),
            granted_by: Granter::ThisHost,
            granted_through: None,
            relayed: false,
        }
    }

    fn secs(binding: &Binding) -> (Option<u64>, Option<u64>) {
        let secs = |at: Option<Timestamp>| at.map(Timestamp::as_secs);
        (secs(binding.t1()), secs(binding.t2()))
    }

    #[test]
    fn t1_and_t2_are_what_the_ack_says_else_a_share_of_the_lease_time() {
        let said = Binding {
            renewal_time: Some(Duration::from_secs(10)),
            rebinding_time: Some(Duration::from_secs(20)),
            ..acked(1000, 800)
        };
        assert_eq!(secs(&said), (Some(1010), Some(1020)));
        assert_eq!(secs(&acked(1000, 800)), (Some(1400), Some(1700)));
        assert_eq!(secs(&acked(1000, u64::from(u32::MAX))), (None, None));
        let unsaid = Binding {
            lease_time: None,
            ..acked(1000, 0)
        };
        assert_eq!(secs(&unsaid), (None, None));
    }

    #[test]
    fn a_binding_is_overdue_from_t2_until_it_is_renewed_ends_or_runs_out() {
        let at = Timestamp::from_secs;
        let mut bindings = Bindings::new(2);
        bindings.acknowledged(NETNS, ADDRESS, acked(1000, 800));
        assert!(bindings.advance(at(1699)).is_empty());
        assert_eq!(bindings.advance(at(1700)), [(NETNS, ADDRESS)]);
        assert_eq!(bindings.past_t2(NETNS), 1);
        bindings.acknowledged(NETNS, ADDRESS, acked(1710, 800));
        assert_eq!(bindings.past_t2(NETNS), 0);
        assert_eq!(bindings.advance(at(2410)).len(), 1);
        assert!(bindings.advance(at(2510)).is_empty(), "it ran out");
        assert_eq!(bindings.past_t2(NETNS), 0);
        bindings.acknowledged(NETNS, ADDRESS, acked(3000, 8));
        assert_eq!(bindings.advance(at(3007)).len(), 1);
        bindings.ended(NETNS, ADDRESS);
        assert_eq!(bindings.past_t2(NETNS), 0);
    }

    #[test]
    fn what_the_table_forgets_is_not_overdue_nor_what_another_host_granted() {
        let mut bindings = Bindings::new(1);
        let other = Binding {
            granted_by: Granter::OtherHost,
            ..acked(1000, 8)
        };
        bindings.acknowledged(NETNS, ADDRESS, acked(1000, 8));
        bindings.acknowledged(NETNS, Ipv4Addr::new(10, 0, 0, 10), other);
        assert!(bindings.advance(Timestamp::MAX).is_empty());
    }
}
