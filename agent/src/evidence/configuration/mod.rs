//! What servers were told: read from their arguments and files, as far as it decides
//! about leases.
//!
//! Reads only, through the root of each process. A server whose configuration can't be
//! read has one that says so; one of a kind that has none here has none.

mod dnsmasq;
mod kea;
mod others;
mod root;

use crate::clock;
use leasehound_core::configuration::{ConfigurationLine, ServerConfiguration};
use leasehound_core::dnsmasq::Model;
use leasehound_core::evidence::{ServerFacts, ServerKind, ServerRef};
use std::collections::BTreeMap;

/// Reads the configuration of a server.
pub(crate) fn read(facts: &ServerFacts) -> Option<ServerConfiguration> {
    let ServerFacts {
        server,
        netns,
        kind,
        pid,
        started,
        ..
    } = *facts;
    if kind != ServerKind::Dnsmasq {
        let found = others::read(kind, pid, started)?;
        return Some(ServerConfiguration {
            server,
            netns,
            pools: found.pools,
            options: Vec::new(),
            not_understood: found.not_understood,
        });
    }
    let found = dnsmasq::read(pid, started);
    Some(ServerConfiguration {
        server,
        netns,
        pools: Model::new(&found.options, &[]).pools(),
        options: found.options,
        not_understood: found.not_understood,
    })
}

/// The options about DHCP of a dnsmasq process, in its order: the last of one counts.
pub(super) fn options_of_dnsmasq(pid: u32) -> Vec<ConfigurationLine> {
    // Whether files were changed after it had started is of no interest here.
    dnsmasq::read(pid, clock::now()).options
}

/// The configurations of the servers that run, as they were last told.
#[derive(Debug, Default)]
pub(super) struct Configurations(BTreeMap<ServerRef, ServerConfiguration>);

impl Configurations {
    /// Reads all of them; gives those that are new or have changed.
    pub(super) fn look<'a>(
        &mut self,
        servers: impl Iterator<Item = &'a ServerFacts>,
    ) -> Vec<ServerConfiguration> {
        let now: BTreeMap<ServerRef, ServerConfiguration> = servers
            .filter_map(|facts| Some((facts.server, read(facts)?)))
            .collect();
        let changed = now
            .iter()
            .filter(|(server, configuration)| self.0.get(server) != Some(configuration))
            .map(|(_, configuration)| configuration.clone())
            .collect();
        self.0 = now;
        changed
    }
}
