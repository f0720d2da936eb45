//! What the engine enters into the accounts, and what it tells of them.

use super::Engine;
use crate::accounts::leaks::{GivenBack, Leak, Shown, Standing};
use crate::accounts::pools::PoolReport;
use crate::database::DatabaseId;
use crate::evidence::{InterfaceAddress, Lease};
use crate::host::Host;
use crate::judge::lease_state::LeaseState;
use crate::origin::{InterfaceId, NetnsId};
use crate::release::Release;
use crate::verdict::Outcome;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What is leased on one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeaseTally {
    /// Leases that are neither of the two below.
    pub bound: u64,
    /// Leases whose release was ignored.
    pub leaked: u64,
    /// Leases that their client declined, which was ignored.
    pub declined: u64,
}

/// A lease, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseReport {
    /// The lease.
    pub lease: Lease,
    /// The interface of its segment, where that is known.
    pub interface: Option<InterfaceId>,
    /// The leak that it is, if it is one.
    pub leak: Option<Leak>,
}

impl Engine {
    /// Enters a message that was ignored into the accounts, if its client's lease stands.
    /// Gives whether it does.
    pub(super) fn note_leak(
        &mut self,
        release: &Release,
        outcome: Outcome,
        state: LeaseState,
        database: Option<DatabaseId>,
    ) -> bool {
        let Outcome::Ignored { cause, .. } = outcome else {
            return false;
        };
        let message = &release.message;
        let database = database.and_then(|id| self.databases.get(id));
        let shown = database.and_then(|database| {
            Shown::of(
                database,
                release.address,
                message.hardware_address,
                message.client_id.as_ref(),
            )
        });
        let standing = match (state, shown) {
            (
                LeaseState::Held {
                    disturbed: false, ..
                },
                Some(shown),
            ) => Standing::Shown(shown),
            (LeaseState::Stale { held: true }, Some(shown)) => Standing::Unconfirmed(shown),
            _ => return false,
        };
        if !cause.is_alarm() {
            return false;
        }
        let leak = Leak {
            netns: release.netns,
            address: release.address,
            interface: self.segment(release),
            hardware_address: message.hardware_address,
            client_id: message.client_id.clone(),
            given_back: if release.is_decline() {
                GivenBack::Declined
            } else {
                GivenBack::Released
            },
            cause,
            named: message.server_id,
            since: release.seen,
            last: release.seen,
            messages: 1,
            standing,
        };
        let stands = leak.stands(self.now);
        self.accounts.leaked(leak);
        stands
    }

    /// The interface of the segment that a message is about: not lo, through which release
    /// tools of this host send.
    pub(super) fn segment(&self, release: &Release) -> InterfaceId {
        let binding = release.binding.as_ref();
        segment_of(&self.host, release.netns, release.address)
            .or(binding.map(|binding| binding.interface))
            .unwrap_or(release.origin.interface)
    }

    /// The pools of a namespace, in order of address.
    pub fn pool_reports(&self, netns: NetnsId) -> Vec<PoolReport> {
        self.accounts.pools(netns, self.now)
    }

    /// Counts up when leases, leaks or pools change: what does not, need not be told anew.
    pub fn accounts_generation(&self) -> u64 {
        self.accounts.generation()
    }

    /// The leaks whose lease stands, in order of namespace and address.
    pub fn leaks(&self) -> Vec<&Leak> {
        let mut leaks: Vec<&Leak> = self.accounts.leaks().standing(self.now).collect();
        leaks.sort_by_key(|leak| (leak.netns, leak.address));
        leaks
    }

    /// How long ago the oldest leak of each interface began.
    pub fn oldest_leaks(&self) -> BTreeMap<(NetnsId, InterfaceId), Duration> {
        let mut oldest = BTreeMap::new();
        for leak in self.accounts.leaks().standing(self.now) {
            let age = leak.age(self.now);
            let entry = oldest
                .entry((leak.netns, leak.interface))
                .or_insert(Duration::ZERO);
            *entry = age.max(*entry);
        }
        oldest
    }

    /// What is leased in a namespace, by interface; `None` is the interface of leases in no
    /// local subnet. A walk over all leases.
    pub fn lease_tallies(&self, netns: NetnsId) -> BTreeMap<Option<InterfaceId>, LeaseTally> {
        let mut tallies: BTreeMap<Option<InterfaceId>, LeaseTally> = BTreeMap::new();
        self.walk(netns, |lease, interface| {
            let leak = self.leak_of(netns, lease.address);
            // A leak counts where it was found, whatever became of the subnet.
            let interface = leak.map(|leak| leak.interface).or(interface);
            let tally = tallies.entry(interface).or_default();
            match leak.map(|leak| leak.given_back) {
                None => tally.bound += 1,
                Some(GivenBack::Released) => tally.leaked += 1,
                Some(GivenBack::Declined) => tally.declined += 1,
            }
        });
        tallies
    }

    /// The first `most` leases of a namespace, leaks before others. A walk over all leases.
    pub fn lease_reports(&self, netns: NetnsId, most: usize) -> Vec<LeaseReport> {
        let (mut leaked, mut bound) = (Vec::new(), Vec::new());
        self.walk(netns, |lease, interface| {
            let leak = self.leak_of(netns, lease.address);
            let list = if leak.is_some() {
                &mut leaked
            } else {
                &mut bound
            };
            if list.len() < most {
                list.push(LeaseReport {
                    lease: lease.clone(),
                    interface: leak.map(|leak| leak.interface).or(interface),
                    leak: leak.cloned(),
                });
            }
        });
        leaked.append(&mut bound);
        leaked.truncate(most);
        leaked
    }

    fn leak_of(&self, netns: NetnsId, address: Ipv4Addr) -> Option<&Leak> {
        let leak = self.accounts.leaks().get(netns, address);
        leak.filter(|leak| leak.stands(self.now))
    }

    fn walk(&self, netns: NetnsId, mut each: impl FnMut(&Lease, Option<InterfaceId>)) {
        // Neighbours share a subnet, which is looked for once.
        let mut near: Option<(InterfaceAddress, Option<InterfaceId>)> = None;
        for database in self.databases.of(netns) {
            for lease in database.leases(self.now) {
                let address = lease.address;
                let interface = match near {
                    Some((subnet, interface)) if subnet.subnet_contains(address) => interface,
                    _ => {
                        let subnet = self.host.subnet_of(netns, address);
                        let interface = segment_of(&self.host, netns, address);
                        near = subnet.map(|subnet| (subnet, interface));
                        interface
                    }
                };
                each(lease, interface);
            }
        }
    }
}

fn segment_of(host: &Host, netns: NetnsId, address: Ipv4Addr) -> Option<InterfaceId> {
    let subnet = host.subnet_of(netns, address)?;
    host.owner_of(netns, subnet.address).map(|facts| facts.id)
}
