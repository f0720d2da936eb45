//! What the readings of the lease databases say about one address before and after
//! a message.
//!
//! A reading takes time and reaches the engine by another way than the frames, so a
//! lease may be gone from the table before the RELEASE that ended it has arrived.
//! Leases that left are therefore kept for a while, with the reading that missed them.

mod departed;

pub use departed::{Claimant, Credit, Departed, is_leased_to};

use crate::evidence::{
    DatabaseLiveness, DatabaseProblem, InterfaceAddress, Lease, LeaseContent, LeaseUpdate,
    ServerKind, ServerRef,
};
use crate::judge::profile::Profile;
use crate::message::{ClientId, HardwareAddress, ServerId};
use crate::origin::NetnsId;
use crate::time::Timestamp;
use departed::is_hardware_address_of;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

/// Departed leases that are remembered per database; one for each RELEASE that can
/// be open at a time.
const DEPARTED_CAPACITY: usize = 4096;

/// Departures of one address that are remembered.
const DEPARTED_OF_ONE: usize = 8;

/// Remembered /24s with leases: a quarter of a million addresses.
const SERVED: usize = 1024;

/// Ids that one server may go by, one for each subnet.
const OWN_IDS: usize = 64;

/// A lease that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The lease.
    pub lease: Lease,
    /// End of the first reading that had it as it stands now.
    pub unchanged_since: Timestamp,
    /// End of the first reading that had it at all.
    pub first_read_with: Timestamp,
}

/// One server's lease database, as read so far.
#[derive(Debug)]
pub struct Database {
    /// The program whose habits it has.
    pub kind: ServerKind,
    /// Whose it is.
    pub id: DatabaseId,
    /// The first usable reading: nothing is known of the time before it.
    pub first: Option<Reading>,
    /// The last usable reading.
    pub last: Option<Reading>,
    /// Why the newest reading was not usable, if it was not.
    pub unusable: Option<Unusable>,
    /// Ids of ACKs whose leases then stood in this database: proof that its server
    /// goes by them.
    own_ids: BTreeSet<ServerId>,
    /// The /24s that ever had a lease here: there is a range for them.
    served: BTreeSet<Ipv4Addr>,
    leases: BTreeMap<Ipv4Addr, Present>,
    /// In order of time. An address may be given and taken back more than once between two
    /// messages.
    departed: BTreeMap<Ipv4Addr, VecDeque<Departed>>,
}

/// Why a reading was not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// In what way.
    pub problem: DatabaseProblem,
    /// One line for the operator.
    pub reason: Box<str>,
}

/// When a reading began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// It began.
    pub from: Timestamp,
    /// It ended.
    pub until: Timestamp,
}

impl Database {
    fn new(kind: ServerKind, id: DatabaseId) -> Self {
        Self {
            kind,
            id,
            first: None,
            last: None,
            unusable: None,
            own_ids: BTreeSet::new(),
            served: BTreeSet::new(),
            leases: BTreeMap::new(),
            departed: BTreeMap::new(),
        }
    }

    fn apply(&mut self, update: LeaseUpdate) {
        let reading = Reading {
            from: update.read_from,
            until: update.read_until,
        };
        match update.content {
            LeaseContent::Unusable { problem, reason } => {
                if problem == DatabaseProblem::NotLive {
                    // What it said before was never worth anything either.
                    *self = Self::new(self.kind, self.id);
                }
                self.unusable = Some(Unusable { problem, reason });
                return;
            }
            LeaseContent::Full(leases) => {
                let kept: BTreeSet<Ipv4Addr> = leases.iter().map(|lease| lease.address).collect();
                let gone: Vec<Ipv4Addr> = self
                    .leases
                    .keys()
                    .filter(|address| !kept.contains(address))
                    .copied()
                    .collect();
                for address in gone {
                    self.leave(address, reading);
                }
                for lease in leases {
                    self.upsert(lease, reading);
                }
            }
            LeaseContent::Delta { upserted, removed } => {
                for address in removed {
                    self.leave(address, reading);
                }
                for lease in upserted {
                    self.upsert(lease, reading);
                }
            }
        }
        self.unusable = None;
        self.first.get_or_insert(reading);
        self.last = Some(reading);
    }

    fn upsert(&mut self, lease: Lease, reading: Reading) {
        let address = lease.address;
        if self.served.len() < SERVED {
            self.served.insert(subnet24(address));
        }
        let previous = self.leases.get(&address);
        if let Some(previous) = previous {
            if previous.lease == lease {
                return;
            }
            if !same_client(&previous.lease, &lease) {
                // Given to somebody else between two readings: the first lease left.
                // (One of the two still the same is a client that changed the other:
                // dnsmasq keeps the lease and writes it anew.)
                self.leave(address, reading);
            }
        }
        let first_read_with = self
            .leases
            .get(&address)
            .map_or(reading.until, |present| present.first_read_with);
        self.leases.insert(
            address,
            Present {
                lease,
                unchanged_since: reading.until,
                first_read_with,
            },
        );
    }

    fn leave(&mut self, address: Ipv4Addr, reading: Reading) {
        let Some(present) = self.leases.remove(&address) else {
            return;
        };
        if self.departed.len() >= DEPARTED_CAPACITY && !self.departed.contains_key(&address) {
            let oldest = self
                .departed
                .iter()
                .min_by_key(|(_, all)| all.back().map(|departed| departed.first_read_without));
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.departed.remove(&oldest);
            }
        }
        let last_read_with = self.last.map_or(Timestamp::ZERO, |last| last.from);
        let departed = Departed {
            lease: present.lease,
            last_read_with,
            first_read_without: reading.until,
            credited_to: None,
        };
        let all = self.departed.entry(address).or_default();
        if all.len() >= DEPARTED_OF_ONE {
            all.pop_front();
        }
        all.push_back(departed);
    }

    /// An ACK that named `server_id` granted a lease that stands here.
    pub fn vouch(&mut self, server_id: ServerId) {
        if self.own_ids.len() < OWN_IDS {
            self.own_ids.insert(server_id);
        }
    }

    /// Whether the server of this database is known to go by `server_id`.
    pub fn vouches(&self, server_id: ServerId) -> bool {
        self.own_ids.contains(&server_id)
    }

    /// Whether the /24 of an address ever had a lease here.
    pub fn serves(&self, address: Ipv4Addr) -> bool {
        self.served.contains(&subnet24(address))
    }

    /// The lease of an address, if it is there.
    pub fn present(&self, address: Ipv4Addr) -> Option<&Present> {
        self.leases.get(&address)
    }

    /// The lease that left `address` in a reading that ended at `since` or later; the latest.
    pub fn departed(&self, address: Ipv4Addr, since: Timestamp) -> Option<&Departed> {
        let latest = self.departed.get(&address)?.back()?;
        (latest.first_read_without >= since).then_some(latest)
    }

    /// The lease that left `address` in a reading that ended after a message was seen, or as
    /// it was: its own client's rather than another's, the first of several.
    pub fn departed_by(&self, address: Ipv4Addr, claimant: Claimant<'_>) -> Option<&Departed> {
        let place = self.place_of(address, claimant)?;
        self.departed.get(&address)?.get(place)
    }

    fn place_of(&self, address: Ipv4Addr, claimant: Claimant<'_>) -> Option<usize> {
        let all = self.departed.get(&address)?.iter().enumerate();
        let since = all.filter(|(_, departed)| departed.first_read_without >= claimant.seen);
        // Of equals max_by_key takes the last.
        let found = since
            .rev()
            .max_by_key(|(_, departed)| claimant.rank(departed));
        found.map(|(place, _)| place)
    }

    /// Marks a departed lease as the doing of one RELEASE, so that a second RELEASE
    /// of the same lease can't claim it too.
    pub fn credit(&mut self, address: Ipv4Addr, claimant: Claimant<'_>) {
        let Some(place) = self.place_of(address, claimant) else {
            return;
        };
        let all = self.departed.get_mut(&address);
        if let Some(departed) = all.and_then(|all| all.get_mut(place)) {
            departed.credited_to = Some(Credit {
                id: claimant.id,
                seen: claimant.seen,
                of_its_client: claimant.had(&departed.lease),
            });
        }
    }

    /// All leases that hold at `now`, in order of address.
    pub fn leases(&self, now: Timestamp) -> impl Iterator<Item = &Lease> {
        let all = self.leases.values().map(|present| &present.lease);
        all.filter(move |lease| self.holds(lease, now))
    }

    /// How many leases from `first` to `last` hold at `now`.
    pub fn leases_within(&self, first: Ipv4Addr, last: Ipv4Addr, now: Timestamp) -> u64 {
        if first > last {
            return 0;
        }
        let within = self.leases.range(first..=last);
        let held = within.filter(|(_, present)| self.holds(&present.lease, now));
        u64::try_from(held.count()).unwrap_or(u64::MAX)
    }

    fn holds(&self, lease: &Lease, now: Timestamp) -> bool {
        let ended = lease.expires.is_some_and(|expires| expires <= now);
        !(ended && Profile::of(self.kind).books.records_times)
    }

    /// Whether anything is known of an address.
    pub fn knows(&self, address: Ipv4Addr, since: Timestamp) -> bool {
        self.present(address).is_some() || self.departed(address, since).is_some()
    }

    /// The lease a client has, found as dnsmasq's `lease_find_by_client` finds it
    /// (lease.c): by client identifier first, then by hardware address where either
    /// side has no client identifier. A walk over all leases, so only for messages
    /// whose own address leads nowhere.
    pub fn lease_of_client(
        &self,
        hardware_address: HardwareAddress,
        client_id: Option<&ClientId>,
    ) -> Option<&Present> {
        let by_id =
            client_id.and_then(|id| self.leases.values().find(|p| is_client_id_of(&p.lease, id)));
        by_id.or_else(|| {
            self.leases.values().find(|present| {
                let keyless = client_id.is_none() || present.lease.client_id.is_none();
                keyless && is_hardware_address_of(&present.lease, hardware_address)
            })
        })
    }

    /// Whether what it says is not what its server goes by.
    pub fn is_not_live(&self) -> bool {
        let problem = self.unusable.as_ref().map(|unusable| unusable.problem);
        problem == Some(DatabaseProblem::NotLive)
    }

    /// Whether the newest reading was usable.
    pub fn is_up(&self) -> bool {
        self.last.is_some() && self.unusable.is_none()
    }

    /// Leases there are.
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    fn forget_departed_before(&mut self, before: Timestamp) -> Vec<(Ipv4Addr, Timestamp)> {
        let forgotten: Vec<(Ipv4Addr, Timestamp)> = self
            .departed
            .iter()
            .filter_map(|(address, all)| Some((*address, all.back()?.first_read_without)))
            .filter(|(_, latest)| *latest < before)
            .collect();
        for (address, _) in &forgotten {
            self.departed.remove(address);
        }
        forgotten
    }
}

fn subnet24(address: Ipv4Addr) -> Ipv4Addr {
    let prefix_length = 24;
    InterfaceAddress {
        address,
        prefix_length,
    }
    .network()
}

fn is_client_id_of(lease: &Lease, client_id: &ClientId) -> bool {
    let key = lease.client_id.as_ref();
    key.is_some_and(|key| key.is_same_to_dnsmasq(client_id))
}

fn same_client(one: &Lease, other: &Lease) -> bool {
    is_leased_to(one, other.hardware_address, other.client_id.as_ref())
}

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId {
    /// The namespace that the leases belong to.
    pub netns: NetnsId,
    /// The process, or `None` for a file that was named by hand.
    pub server: Option<ServerRef>,
}

/// All lease databases that were read.
#[derive(Debug, Default)]
pub struct Databases {
    by_id: BTreeMap<DatabaseId, Database>,
    /// What is wrong with some of them.
    liveness: BTreeMap<DatabaseId, DatabaseLiveness>,
}

impl Databases {
    /// Takes in a reading.
    pub fn update(&mut self, update: LeaseUpdate) {
        let key = DatabaseId {
            netns: update.netns,
            server: update.server,
        };
        if key.server.is_some() {
            // A named file that has found its owner, or the answer that there was no
            // database: either is out of date now.
            let outdated = DatabaseId {
                server: None,
                ..key
            };
            let of_kind =
                |old: &Database| old.kind == update.kind || old.kind == ServerKind::Unknown;
            if self.by_id.get(&outdated).is_some_and(of_kind) {
                self.by_id.remove(&outdated);
            }
        } else if update.kind == ServerKind::Unknown && self.of(key.netns).next().is_some() {
            return;
        }
        let database = self
            .by_id
            .entry(key)
            .or_insert_with(|| Database::new(update.kind, key));
        database.kind = update.kind;
        database.apply(update);
    }

    /// A server process ended: what it had open is read no longer. Gives the namespace
    /// whose database went.
    pub fn server_gone(&mut self, server: ServerRef) -> Option<NetnsId> {
        self.liveness.retain(|id, _| id.server != Some(server));
        let gone = self
            .by_id
            .keys()
            .find(|id| id.server == Some(server))
            .copied()?;
        self.by_id.remove(&gone);
        Some(gone.netns)
    }

    /// Takes in how a database stands to what its server goes by. Only what is wrong is
    /// kept, so that there are no more of these than of databases.
    pub fn set_liveness(&mut self, liveness: DatabaseLiveness) {
        let id = DatabaseId {
            netns: liveness.netns,
            server: liveness.server,
        };
        if liveness.server.is_some() {
            // A named file that has found its owner.
            self.liveness.retain(|old, stands| {
                let outdated = old.netns == id.netns && old.server.is_none();
                !(outdated && stands.kind == liveness.kind)
            });
        }
        if liveness.state.is_bad() {
            self.liveness.insert(id, liveness);
        } else {
            self.liveness.remove(&id);
        }
    }

    /// What is wrong with databases of a namespace now, other than that they can't be read.
    pub fn liveness(&self, netns: NetnsId) -> impl Iterator<Item = &DatabaseLiveness> {
        let all = self.liveness.iter();
        all.filter(move |(id, _)| id.netns == netns)
            .map(|(_, liveness)| liveness)
    }

    /// The databases of a namespace.
    pub fn of(&self, netns: NetnsId) -> impl Iterator<Item = &Database> {
        self.by_id
            .iter()
            .filter(move |(id, _)| id.netns == netns)
            .map(|(_, database)| database)
    }

    /// One database, to mark a departure.
    pub fn get_mut(&mut self, id: DatabaseId) -> Option<&mut Database> {
        self.by_id.get_mut(&id)
    }

    /// One database.
    pub fn get(&self, id: DatabaseId) -> Option<&Database> {
        self.by_id.get(&id)
    }

    /// Drops departures that no open message can still ask for; gives the addresses,
    /// each with the end of the first reading that had it not.
    pub fn forget_departed_before(
        &mut self,
        before: Timestamp,
    ) -> Vec<(NetnsId, Ipv4Addr, Timestamp)> {
        let mut forgotten = Vec::new();
        for (id, database) in &mut self.by_id {
            let departed = database.forget_departed_before(before);
            forgotten.extend(
                departed
                    .into_iter()
                    .map(|(address, at)| (id.netns, address, at)),
            );
        }
        forgotten
    }

    /// All leases of all databases.
    pub fn lease_count(&self) -> usize {
        self.by_id.values().map(Database::len).sum()
    }
}
