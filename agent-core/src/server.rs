//! The servers of a segment and the ids they use, learned from option 54 of their
//! OFFERs and ACKs. Never from the IP source: a server with several addresses may
//! answer from any of them (RFC 2131 §4.1), and dnsmasq does.

use crate::binding::Granter;
use crate::evidence::{ServerFacts, ServerRef};
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Ids are kept per subnet of the granted address: a server has one id on each.
type Key = (NetnsId, Subnet);

/// Ids kept per subnet: more than two servers on a segment are a fault already.
const IDS_PER_SUBNET: usize = 8;

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
    ids: Table<Key, SmallVec<[IdUse; 2]>>,
    processes: BTreeMap<ServerRef, ServerFacts>,
}

impl Servers {
    /// Room for the ids of `capacity` subnets.
    pub fn new(capacity: usize) -> Self {
        Self {
            ids: Table::new("server_ids", capacity),
            processes: BTreeMap::new(),
        }
    }

    /// Notes the id of an OFFER or ACK.
    pub fn id_used(&mut self, netns: NetnsId, subnet: Subnet, id_use: IdUse) {
        let key = (netns, subnet);
        let Some(ids) = self.ids.get_mut(&key) else {
            self.ids.put(key, smallvec::smallvec![id_use]);
            return;
        };
        match ids
            .iter_mut()
            .find(|known| known.server_id == id_use.server_id)
        {
            // A copy seen in transit must not turn our own server into another host's.
            Some(known)
                if known.granted_by == Granter::ThisHost
                    && id_use.granted_by != Granter::ThisHost =>
            {
                known.last_seen = id_use.last_seen;
            }
            Some(known) => *known = id_use,
            None => {
                if ids.len() == IDS_PER_SUBNET {
                    let oldest = ids.iter().enumerate().min_by_key(|(_, id)| id.last_seen);
                    if let Some(oldest) = oldest.map(|(index, _)| index) {
                        ids.remove(oldest);
                    }
                }
                ids.push(id_use);
            }
        }
    }

    /// The ids used on a subnet, the newest first.
    pub fn ids(&self, netns: NetnsId, subnet: Subnet) -> Vec<IdUse> {
        let known = self.ids.peek(&(netns, subnet));
        let mut ids: Vec<IdUse> = known.into_iter().flatten().copied().collect();
        ids.sort_by_key(|id_use| (std::cmp::Reverse(id_use.last_seen), id_use.server_id));
        ids
    }

    /// The ids that servers of this host were seen to use, the newest first, each with
    /// the interface where that was.
    pub fn ids_of_this_host(&self, netns: NetnsId) -> Vec<(InterfaceId, ServerId)> {
        let of = self.ids.iter().filter(|((of, _), _)| *of == netns);
        let mut uses: Vec<IdUse> = of
            .flat_map(|(_, ids)| ids.iter().copied())
            .filter(|id| id.granted_by == Granter::ThisHost)
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
