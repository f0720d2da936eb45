//! Addresses that their clients gave back and that are still leased to them.
//!
//! An address is here from the verdict that its release was ignored until its lease is
//! seen to end: in the server's database, by its own time, by a grant, or with the server.
//! What no database shows is no leak: the account holds facts only.

use super::Touched;
use crate::cause::Cause;
use crate::database::{Database, DatabaseId, Databases, is_leased_to};
use crate::evidence::ServerRef;
use crate::judge::profile::Profile;
use crate::message::{ClientId, HardwareAddress, ServerId};
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a leak is remembered whose server is gone: time to start it again, with its
/// lease file.
const LOST_MEMORY: Duration = Duration::from_hours(1);

type Key = (NetnsId, Ipv4Addr);

/// One leaked address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The namespace.
    pub netns: NetnsId,
    /// The address.
    pub address: Ipv4Addr,
    /// The interface of its segment.
    pub interface: InterfaceId,
    /// To whom it is leased.
    pub hardware_address: HardwareAddress,
    /// Its client identifier, as the message had it.
    pub client_id: Option<ClientId>,
    /// What the client did.
    pub given_back: GivenBack,
    /// Why that was ignored, the last time.
    pub cause: Cause,
    /// Option 54 of the message.
    pub named: Option<ServerId>,
    /// When it was given back first.
    pub since: Timestamp,
    /// When it was given back last.
    pub last: Timestamp,
    /// How often.
    pub messages: u64,
    /// Where its lease stands, and how it stood.
    pub standing: Standing,
}

/// How a client gives an address back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GivenBack {
    /// It needs it no more.
    Released,
    /// It found that somebody else uses it.
    Declined,
}

/// Where the lease of a leak stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In a database that was read after the message.
    Shown(Shown),
    /// In a database that was last read before the message.
    Unconfirmed(Shown),
    /// In none since then: its server is gone.
    Lost(Timestamp),
}

/// A lease as a database shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub database: DatabaseId,
    /// When it ends, as written there.
    pub expires: Option<Timestamp>,
    /// Whether it ends then even while its record stands.
    pub ends_by_time: bool,
}

impl Shown {
    /// The lease of `address` in `database`, if it is that client's.
    pub fn of(
        database: &Database,
        address: Ipv4Addr,
        hardware_address: HardwareAddress,
        client_id: Option<&ClientId>,
    ) -> Option<Self> {
        let lease = &database.present(address)?.lease;
        is_leased_to(lease, hardware_address, client_id).then_some(Self {
            database: database.id,
            expires: lease.expires,
            ends_by_time: Profile::of(database.kind).books.records_times,
        })
    }

    fn has_ended(self, now: Timestamp) -> bool {
        self.ends_by_time && self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether `later` was extended: its client uses it again.
    fn is_extended_by(self, later: Self) -> bool {
        match (self.expires, later.expires) {
            (Some(before), Some(after)) => after > before,
            (before, None) => before.is_some(),
            (None, Some(_)) => false,
        }
    }
}

impl Leak {
    /// Whether its lease is known to stand.
    pub fn stands(&self, now: Timestamp) -> bool {
        matches!(self.standing, Standing::Shown(shown) if !shown.has_ended(now))
    }

    /// Since when, counted up to now.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.since)
    }
}

/// All leaks. When there is no room, the one that was given back longest ago goes.
#[derive(Debug)]
pub struct Leaks {
    table: Table<Key, Leak>,
    /// Those to look at with each reading.
    unconfirmed: BTreeSet<Key>,
    /// Those to forget, by when they were lost.
    lost: BTreeSet<(Timestamp, Key)>,
}

impl Leaks {
    /// Room for that many.
    pub fn new(capacity: usize) -> Self {
        Self {
            table: Table::new("leaks", capacity),
            unconfirmed: BTreeSet::new(),
            lost: BTreeSet::new(),
        }
    }

    /// An address was given back, and its lease stands. Given back again by the same
    /// client, it is the same leak.
    pub(super) fn ignored(&mut self, mut leak: Leak) {
        let key = (leak.netns, leak.address);
        if let Some(before) = self.table.peek(&key)
            && before.hardware_address == leak.hardware_address
            && before.since <= leak.since
        {
            leak.since = before.since;
            leak.messages = leak.messages.saturating_add(before.messages);
        }
        self.forget(key);
        self.list(key, leak.standing);
        if let Some((pushed_out, leak)) = self.table.put(key, leak) {
            self.unlist(pushed_out, leak.standing);
        }
    }

    fn list(&mut self, key: Key, standing: Standing) {
        match standing {
            Standing::Shown(_) => {}
            Standing::Unconfirmed(_) => drop(self.unconfirmed.insert(key)),
            Standing::Lost(at) => drop(self.lost.insert((at, key))),
        }
    }

    fn unlist(&mut self, key: Key, standing: Standing) {
        match standing {
            Standing::Shown(_) => {}
            Standing::Unconfirmed(_) => drop(self.unconfirmed.remove(&key)),
            Standing::Lost(at) => drop(self.lost.remove(&(at, key))),
        }
    }

    /// Gives whether that is new.
    fn stand(&mut self, key: Key, standing: Standing) -> bool {
        let Some(leak) = self.table.peek_mut(&key) else {
            return false;
        };
        let before = std::mem::replace(&mut leak.standing, standing);
        self.unlist(key, before);
        self.list(key, standing);
        before != standing
    }

    /// An address was granted. Gives whether that ended a leak.
    pub(super) fn granted(&mut self, netns: NetnsId, address: Ipv4Addr, at: Timestamp) -> bool {
        let key = (netns, address);
        let before = self.table.peek(&key).is_some_and(|leak| leak.last < at);
        before && self.forget(key)
    }

    /// A server process ended, and its database went. What another one has too stands there.
    pub(super) fn server_gone(&mut self, server: ServerRef, databases: &Databases, now: Timestamp) {
        let of_it = |leak: &Leak| match leak.standing {
            Standing::Shown(shown) | Standing::Unconfirmed(shown) => {
                shown.database.server == Some(server)
            }
            Standing::Lost(_) => false,
        };
        let keys: Vec<Key> = self
            .table
            .iter()
            .filter(|(_, leak)| of_it(leak))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.look_at(key, databases, now);
        }
    }

    /// A database was read. Gives whether that changed how a leak stands.
    pub(super) fn read(
        &mut self,
        netns: NetnsId,
        touched: &Touched,
        databases: &Databases,
        now: Timestamp,
    ) -> bool {
        let mut changed = false;
        for key in self.touched(netns, touched) {
            changed |= self.look_at(key, databases, now);
        }
        changed
    }

    /// Those to look at after a reading. One that is lost comes back as a lease that is
    /// new to a database, which is among those touched.
    pub(super) fn touched(&self, netns: NetnsId, touched: &Touched) -> Vec<Key> {
        match touched {
            Touched::All => {
                let all = self.table.iter().map(|(key, _)| *key);
                all.filter(|key| key.0 == netns).collect()
            }
            Touched::These(addresses) => {
                let of_namespace = (netns, Ipv4Addr::UNSPECIFIED)..=(netns, Ipv4Addr::BROADCAST);
                let waiting = self.unconfirmed.range(of_namespace).copied();
                let touched = addresses.iter().map(|address| (netns, *address));
                touched.chain(waiting).collect()
            }
        }
    }

    /// Gives whether it stands otherwise than before.
    fn look_at(&mut self, key: Key, databases: &Databases, now: Timestamp) -> bool {
        let Some(leak) = self.table.peek(&key) else {
            return false;
        };
        let (netns, address) = key;
        let last = leak.last;
        let shown_by = |database: &Database| {
            let shown = Shown::of(
                database,
                address,
                leak.hardware_address,
                leak.client_id.as_ref(),
            )?;
            let confirmed = database.last.is_some_and(|reading| reading.from >= last);
            Some((shown, confirmed))
        };
        let (before, of) = match leak.standing {
            Standing::Shown(shown) | Standing::Unconfirmed(shown) => {
                (Some(shown), databases.get(shown.database))
            }
            Standing::Lost(_) => (None, None),
        };
        let found = match of {
            Some(database) => shown_by(database),
            // Its database went: another one may have taken its leases over.
            None => databases.of(netns).find_map(shown_by),
        };
        match found {
            None if of.is_some() => self.forget(key),
            None if before.is_some() => self.stand(key, Standing::Lost(now)),
            None => false,
            Some((shown, _)) if before.is_some_and(|before| before.is_extended_by(shown)) => {
                self.forget(key)
            }
            Some((shown, true)) => self.stand(key, Standing::Shown(shown)),
            Some((shown, false)) => self.stand(key, Standing::Unconfirmed(shown)),
        }
    }

    /// Forgets those that no server had for long. Gives whether there was one.
    pub(super) fn forget_lost(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some((at, key)) = self.lost.first().copied()
            && now.since(at) > LOST_MEMORY
        {
            self.lost.pop_first();
            any |= self.forget(key);
        }
        any
    }

    fn forget(&mut self, key: Key) -> bool {
        let leak = self.table.remove(&key);
        if let Some(leak) = &leak {
            self.unlist(key, leak.standing);
        }
        leak.is_some()
    }

    /// The leaks whose lease is known to stand, in no particular order.
    pub fn standing(&self, now: Timestamp) -> impl Iterator<Item = &Leak> {
        let all = self.table.iter().map(|(_, leak)| leak);
        all.filter(move |leak| leak.stands(now))
    }

    /// The leak of an address.
    pub fn get(&self, netns: NetnsId, address: Ipv4Addr) -> Option<&Leak> {
        self.table.peek(&(netns, address))
    }

    /// How full the table is.
    pub fn usage(&self) -> TableUsage {
        self.table.usage()
    }
}
