//! The servers of a segment and the ids they use, learned from option 54 of their
//! OFFERs and ACKs. Never from the IP source: a server with several addresses may
//! answer from any of them (RFC 2131 §4.1), and dnsmasq does.

use crate::binding::Granter;
use crate::evidence::{ServerFacts, ServerRef};
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Ids are kept per subnet of the granted address: a server has one id on each.
type Key = (NetnsId, Subnet, ServerId);

/// A subnet, by its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet(pub Ipv4Addr);

/// How an id was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdUse {
    /// The id.
    pub server_id: ServerId,
    /// Where it was last seen.
    pub interface: InterfaceId,
    /// When it was last seen in an OFFER or ACK.
    pub last_seen: Timestamp,
    /// Whose server used it.
    pub granted_by: Granter,
    /// The reply's IP source, where no relay stood between: another address of the
    /// same host.
    pub source: Option<Ipv4Addr>,
}

/// Servers, their processes and their ids.
#[derive(Debug)]
pub struct Servers {
    ids: Table<Key, IdUse>,
    processes: BTreeMap<ServerRef, ServerFacts>,
}

impl Servers {
    /// Room for `capacity` ids.
    pub fn new(capacity: usize) -> Self {
        Self {
            ids: Table::new("server_ids", capacity),
            processes: BTreeMap::new(),
        }
    }

    /// Notes the id of an OFFER or ACK.
    pub fn id_used(&mut self, netns: NetnsId, subnet: Subnet, id_use: IdUse) {
        let key = (netns, subnet, id_use.server_id);
        match self.ids.get_mut(&key) {
            // A copy seen in transit must not turn our own server into another host's.
            Some(known)
                if known.granted_by == Granter::ThisHost
                    && id_use.granted_by != Granter::ThisHost =>
            {
                known.last_seen = id_use.last_seen;
            }
            Some(known) => *known = id_use,
            None => {
                self.ids.put(key, id_use);
            }
        }
    }

    /// The ids used on a subnet, the newest first.
    pub fn ids(&self, netns: NetnsId, subnet: Subnet) -> Vec<IdUse> {
        let mut ids: Vec<IdUse> = self
            .ids
            .iter()
            .filter(|((of, on, _), _)| (*of, *on) == (netns, subnet))
            .map(|(_, id_use)| *id_use)
            .collect();
        ids.sort_by_key(|id_use| (std::cmp::Reverse(id_use.last_seen), id_use.server_id));
        ids
    }

    /// The ids that servers of this host were seen to use, the newest first, each with
    /// the interface where that was.
    pub fn ids_of_this_host(&self, netns: NetnsId) -> Vec<(InterfaceId, ServerId)> {
        let here =
            |((of, _, _), id): &(&Key, &IdUse)| *of == netns && id.granted_by == Granter::ThisHost;
        let mut uses: Vec<IdUse> = self
            .ids
            .iter()
            .filter(here)
            .map(|(_, id_use)| *id_use)
            .collect();
        uses.sort_by_key(|id| (std::cmp::Reverse(id.last_seen), id.server_id));
        let mut ids: Vec<(InterfaceId, ServerId)> = Vec::new();
        for id in uses {
            if !ids.iter().any(|(_, known)| *known == id.server_id) {
                ids.push((id.interface, id.server_id));
            }
        }
        ids
    }

    /// A server process runs.
    pub fn started(&mut self, facts: ServerFacts) {
        self.processes.insert(facts.server, facts);
    }

    /// A server process ended.
    pub fn ended(&mut self, server: ServerRef) {
        self.processes.remove(&server);
    }

    /// The server processes of a namespace.
    pub fn processes(&self, netns: NetnsId) -> impl Iterator<Item = &ServerFacts> {
        self.processes
            .values()
            .filter(move |facts| facts.netns == netns)
    }

    /// One server process.
    pub fn process(&self, server: ServerRef) -> Option<&ServerFacts> {
        self.processes.get(&server)
    }

    /// How full the table of ids is.
    pub fn usage(&self) -> TableUsage {
        self.ids.usage()
    }
}
