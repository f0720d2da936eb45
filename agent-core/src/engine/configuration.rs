//! The servers' configurations, as they were last read, and what they make be expected.

use super::Engine;
use crate::binding::{Binding, Granter};
use crate::configuration::{Pool, ServerConfiguration};
use crate::database::Database;
use crate::dnsmasq::Model;
use crate::evidence::{
    DatabaseLiveness, InterfaceAddress, InterfaceFacts, ServerFacts, ServerKind, ServerRef,
};
use crate::judge::Configured;
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::prediction::{Granted, Prediction, Subject, predict};
use crate::time::Timestamp;
use crate::verdict::ServerSummary;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What changes by itself, interfaces, servers, databases and the ids of leases, makes a
/// namespace be looked through at most so often: that walks over its leases.
const PACE: Duration = Duration::from_secs(1);

/// One server's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// As it was read.
    read: ServerConfiguration,
    /// What it makes of a dnsmasq; `None` for other servers.
    model: Option<Model>,
}

/// All of them. A configuration goes with its server.
#[derive(Debug, Default)]
pub(super) struct Configurations {
    by_server: BTreeMap<ServerRef, Known>,
    predictions: BTreeMap<NetnsId, Vec<Prediction>>,
    /// When the addresses of a namespace were last seen to have changed.
    moved: BTreeMap<NetnsId, Timestamp>,
    /// Namespaces to be looked through again, and when.
    stale: BTreeMap<NetnsId, Timestamp>,
    /// When each was last looked through.
    looked: BTreeMap<NetnsId, Timestamp>,
}

impl Configurations {
    pub(super) fn forget(&mut self, server: ServerRef) {
        self.by_server.remove(&server);
    }

    /// When predictions are next looked through.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.stale.values().min().copied()
    }

    fn of(&self, netns: NetnsId) -> impl Iterator<Item = &Known> {
        let all = self.by_server.values();
        all.filter(move |known| known.read.netns == netns)
    }
}

impl Engine {
    /// A configuration was read. The ranges are those that the server has read, not those
    /// that were written since.
    pub(super) fn configured(&mut self, mut read: ServerConfiguration) {
        let netns = read.netns;
        if read.is_too_new() {
            let before = self.configurations.by_server.get(&read.server);
            read.pools = before.map_or_else(Vec::new, |before| before.read.pools.clone());
        }
        self.accounts.configured(&read);
        let kind = self.servers.process(read.server).map(|facts| facts.kind);
        // One that holds the port has at least a range, or a relay, among its options.
        let dnsmasq = kind.is_none_or(|kind| kind == ServerKind::Dnsmasq);
        let dnsmasq = dnsmasq && !read.options.is_empty();
        let model = dnsmasq.then(|| Model::new(&read.options, &read.not_understood));
        let known = Known { read, model };
        self.configurations
            .by_server
            .insert(known.read.server, known);
        self.predict(netns);
        self.judge_waiting(netns);
    }

    pub(super) fn interfaces_seen(&mut self, netns: NetnsId, interfaces: Vec<InterfaceFacts>) {
        let before = self.host.interfaces(netns);
        let changed = before != interfaces;
        if self.host.is_known(netns) && !addressed(before).eq(addressed(&interfaces)) {
            self.configurations.moved.insert(netns, self.now);
        }
        self.host.update(netns, interfaces);
        if changed {
            self.predict_paced(netns);
        }
    }

    pub(super) fn server_seen(&mut self, facts: ServerFacts) {
        let netns = facts.netns;
        let changed = self.servers.process(facts.server) != Some(&facts);
        self.servers.started(facts);
        if changed {
            self.predict_paced(netns);
        }
    }

    pub(super) fn liveness_seen(&mut self, liveness: DatabaseLiveness) {
        let netns = liveness.netns;
        self.databases.set_liveness(liveness);
        self.predict_paced(netns);
    }

    /// An ACK names another id for an address than the one before it did: the server has
    /// changed its id, or the lease now goes by the new one.
    pub(super) fn id_granted(&mut self, netns: NetnsId, address: Ipv4Addr, id: ServerId) {
        let before = self.bindings.get(netns, address);
        let configured = self.configurations.of(netns).next().is_some();
        if configured && before.is_some_and(|before| before.server_id != id) {
            let due = self.now.saturating_add(PACE);
            self.configurations.stale.entry(netns).or_insert(due);
        }
    }

    /// Looks through a namespace, unless that was just done: then in a while.
    fn predict_paced(&mut self, netns: NetnsId) {
        let looked = self.configurations.looked.get(&netns);
        match looked.map(|looked| looked.saturating_add(PACE)) {
            Some(due) if due > self.now => {
                self.configurations.stale.entry(netns).or_insert(due);
            }
            _ => self.predict(netns),
        }
    }

    /// Looks through what has become stale.
    pub(super) fn predict_anew(&mut self) {
        self.predict_stale(self.now);
    }

    /// Looks through what would become stale, for nothing more comes.
    pub(super) fn predict_last(&mut self) {
        self.predict_stale(Timestamp::MAX);
    }

    fn predict_stale(&mut self, now: Timestamp) {
        let ripe: Vec<NetnsId> = self
            .configurations
            .stale
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(netns, _)| *netns)
            .collect();
        for netns in ripe {
            self.predict(netns);
        }
    }

    /// What will go wrong in a namespace.
    pub(super) fn predict(&mut self, netns: NetnsId) {
        self.configurations.stale.remove(&netns);
        self.configurations.looked.insert(netns, self.now);
        let interfaces = self.host.interfaces(netns);
        let granted = self.granted(netns);
        let found = self.servers.processes(netns).flat_map(|facts| {
            let known = self.configurations.by_server.get(&facts.server);
            let mut liveness = self.databases.liveness(netns);
            let subject = Subject {
                facts,
                configuration: known.map(|known| &known.read),
                model: known.and_then(|known| known.model.as_ref()),
                database: liveness.find(|stands| stands.server == Some(facts.server)),
                granted: &granted,
            };
            predict(&subject, interfaces)
        });
        let found: Vec<Prediction> = found.collect();
        self.predicted(netns, found.clone());
        if found.is_empty() {
            self.configurations.predictions.remove(&netns);
        } else {
            self.configurations.predictions.insert(netns, found);
        }
    }

    /// Leases that stand: granted here, neither run out nor known to be gone.
    fn granted(&self, netns: NetnsId) -> Vec<Granted> {
        if self.configurations.of(netns).next().is_none() {
            return Vec::new();
        }
        let all = self.databases.of(netns);
        let read: Vec<&Database> = all.filter(|database| database.is_up()).collect();
        let stands = |address: Ipv4Addr, binding: &Binding| {
            let here = binding.granted_by == Granter::ThisHost && !binding.relayed;
            let ended = binding.expires().is_some_and(|end| end <= self.now);
            let has = |database: &&Database| database.present(address).is_some();
            here && !ended && (read.is_empty() || read.iter().any(has))
        };
        let all = self.bindings.of(netns);
        let mut granted: Vec<Granted> = all
            .filter(|(address, binding)| stands(*address, binding))
            .map(|(address, binding)| Granted {
                address,
                server_id: binding.server_id,
                interface: binding.interface,
            })
            .collect();
        granted.sort_unstable();
        granted
    }

    /// What will go wrong in a namespace before it does: as of the latest change of a
    /// configuration, and of what interfaces, servers, lease databases and ACKs were a
    /// second ago at the most.
    pub fn predictions(&self, netns: NetnsId) -> &[Prediction] {
        let known = self.configurations.predictions.get(&netns);
        known.map_or(&[], Vec::as_slice)
    }

    /// A dnsmasq's configuration with the interfaces that it meets, for rules about a
    /// message that was seen at `seen`. If addresses came or went since, what the server
    /// made of it then is not known.
    pub(super) fn configured_as(
        &self,
        server: ServerRef,
        seen: Timestamp,
    ) -> Option<Configured<'_>> {
        let known = self.configurations.by_server.get(&server)?;
        let netns = known.read.netns;
        let moved = self.configurations.moved.get(&netns);
        if !self.host.is_known(netns) || moved.is_some_and(|moved| *moved > seen) {
            return None;
        }
        Some(Configured {
            model: known.model.as_ref()?,
            interfaces: self.host.interfaces(netns),
        })
    }

    /// What the servers of a namespace give out, each range with its server.
    pub fn pools(&self, netns: NetnsId) -> Vec<(ServerRef, &Pool)> {
        let of = self.configurations.of(netns);
        of.flat_map(|known| {
            let server = known.read.server;
            known.read.pools.iter().map(move |pool| (server, pool))
        })
        .collect()
    }

    /// A server's configuration, if it was read.
    pub fn configuration(&self, server: ServerRef) -> Option<&ServerConfiguration> {
        let known = self.configurations.by_server.get(&server)?;
        Some(&known.read)
    }

    /// The servers of a namespace that run on this host, each with the interface of its
    /// latest grant and the ids it was seen to use, the newest first. Of several servers
    /// it is not known which uses which id: none is given then.
    pub fn server_summaries(&self, netns: NetnsId) -> Vec<(Option<InterfaceId>, ServerSummary)> {
        let uses = self.servers.ids_of_this_host(netns);
        let sole = self.servers.processes(netns).count() == 1;
        let uses = if sole { uses } else { Vec::new() };
        let interface = uses.first().map(|(interface, _)| *interface);
        let server_ids: Vec<ServerId> = uses.into_iter().map(|(_, server_id)| server_id).collect();
        let summary = |facts: &ServerFacts| ServerSummary {
            kind: facts.kind,
            pid: Some(facts.pid),
            server_ids: server_ids.clone(),
        };
        self.servers
            .processes(netns)
            .map(|facts| (interface, summary(facts)))
            .collect()
    }
}

/// The interfaces that have addresses, and these.
fn addressed(
    interfaces: &[InterfaceFacts],
) -> impl Iterator<Item = (&str, &[InterfaceAddress])> + '_ {
    let with = interfaces
        .iter()
        .filter(|facts| !facts.addresses.is_empty());
    with.map(|facts| (&*facts.name, &*facts.addresses))
}
