//! The servers' configurations, as they were last read.

use super::Engine;
use crate::configuration::{Pool, ServerConfiguration};
use crate::dnsmasq::Model;
use crate::evidence::{ServerKind, ServerRef};
use crate::judge::Configured;
use crate::origin::NetnsId;
use std::collections::BTreeMap;

/// One server's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// As it was read.
    pub(super) read: ServerConfiguration,
    /// What it makes of a dnsmasq; `None` for other servers.
    pub(super) model: Option<Model>,
}

/// All of them. A configuration goes with its server.
#[derive(Debug, Default)]
pub(super) struct Configurations(BTreeMap<ServerRef, Known>);

impl Configurations {
    /// One server's.
    pub(super) fn get(&self, server: ServerRef) -> Option<&Known> {
        self.0.get(&server)
    }

    /// Those of a namespace.
    pub(super) fn of(&self, netns: NetnsId) -> impl Iterator<Item = &Known> {
        self.0
            .values()
            .filter(move |known| known.read.netns == netns)
    }

    pub(super) fn forget(&mut self, server: ServerRef) {
        self.0.remove(&server);
    }
}

impl Engine {
    /// A configuration was read.
    pub(super) fn configured(&mut self, read: ServerConfiguration) {
        let netns = read.netns;
        let kind = self.servers.process(read.server).map(|facts| facts.kind);
        let dnsmasq = kind.map_or(!read.options.is_empty(), |kind| kind == ServerKind::Dnsmasq);
        let model = dnsmasq.then(|| Model::new(&read.options, &read.not_understood));
        self.configurations
            .0
            .insert(read.server, Known { read, model });
        self.judge_waiting(netns);
    }

    /// A dnsmasq's configuration with the interfaces that it meets, for rules.
    pub(super) fn configured_as(&self, server: ServerRef) -> Option<Configured<'_>> {
        let known = self.configurations.get(server)?;
        let netns = known.read.netns;
        self.host.is_known(netns).then_some(())?;
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
        self.configurations.get(server).map(|known| &known.read)
    }
}
