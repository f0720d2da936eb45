//! The servers of each namespace: what they were told, which ids they go by, their lease
//! databases, and what will go wrong with them.

use super::acks::Ack;
use super::item::Item;
use crate::evidence::status::{DatabaseStatus, EvidenceStatus};
use crate::evidence::{EVIDENCE_QUEUE, EvidenceConfig, EvidenceTask, Handles, REQUEST_QUEUE};
use crate::netns::Netns;
use leasehound_core::configuration::{LeaseTime, Pool, ServerConfiguration};
use leasehound_core::dnsmasq::{Model, Service};
use leasehound_core::evidence::{
    DatabaseLiveness, Evidence, InterfaceFacts, LeaseContent, ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::message::ServerId;
use leasehound_core::origin::NetnsId;
use leasehound_core::prediction::{Granted, Prediction, Subject, predict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use tokio::sync::mpsc;

/// What one namespace has.
#[derive(Debug, Default)]
struct Found {
    interfaces: Vec<InterfaceFacts>,
    servers: Vec<ServerFacts>,
    configurations: BTreeMap<ServerRef, ServerConfiguration>,
    liveness: Vec<DatabaseLiveness>,
    /// Leased addresses, of databases that can be read.
    leased: BTreeSet<Ipv4Addr>,
    status: EvidenceStatus,
}

/// All servers of some namespaces, and what was heard of them.
pub(super) fn all(namespaces: &[Netns], acks: &[Ack]) -> Vec<Item> {
    let handles = Handles::default();
    let mut items = Vec::new();
    for (netns, number) in namespaces.iter().zip(0..) {
        match look(netns, NetnsId(number), &handles) {
            Ok(found) => items.extend(found.items(netns, acks)),
            Err(error) => {
                let says = format!("{}{error:#}", within(netns));
                items.push(Item::missing("servers", says));
            }
        }
    }
    items
}

/// `in network namespace blue: `
fn within(netns: &Netns) -> String {
    netns
        .label()
        .map_or_else(String::new, |name| format!("in network namespace {name}: "))
}

fn look(netns: &Netns, id: NetnsId, handles: &Handles) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (_requests, requested) = mpsc::channel(REQUEST_QUEUE);
        let (sender, _evidence) = mpsc::channel(EVIDENCE_QUEUE);
        let config = EvidenceConfig {
            netns: id,
            handles: handles.clone(),
            ..EvidenceConfig::default()
        };
        let inside = netns.enter()?;
        let mut task = EvidenceTask::new(&config, requested, sender)?;
        drop(inside);
        let told = netns.within(task.initial()).await??;
        let mut found = Found {
            status: task.status().borrow().clone(),
            ..Found::default()
        };
        for (_, evidence) in told {
            found.take(evidence);
        }
        Ok(found)
    })
}

impl Found {
    fn take(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::Interfaces { interfaces, .. } => self.interfaces = interfaces,
            Evidence::Server(facts) => self.servers.push(facts),
            Evidence::Configuration(read) => {
                self.configurations.insert(read.server, read);
            }
            Evidence::Liveness(liveness) => self.liveness.push(liveness),
            Evidence::Leases(update) => {
                if let LeaseContent::Full(leases) = update.content {
                    self.leased.extend(leases.iter().map(|lease| lease.address));
                }
            }
            _ => {}
        }
    }

    fn items(&self, netns: &Netns, acks: &[Ack]) -> Vec<Item> {
        let problem = |says| Item::missing("servers", format!("{}{says}", within(netns)));
        let mut items: Vec<Item> = self.status.problems.iter().map(problem).collect();
        let granted = self.granted(netns, acks);
        for facts in &self.servers {
            let read = self.configurations.get(&facts.server);
            let model = read
                .filter(|_| facts.kind == ServerKind::Dnsmasq)
                .map(|read| Model::new(&read.options, &read.not_understood));
            items.push(self.server(netns, facts, read, model.as_ref()));
            items.extend(self.database(netns, facts));
            let not_understood = model.as_ref().map(|model| &model.not_understood);
            let not_understood = not_understood.or(read.map(|read| &read.not_understood));
            items.extend(not_understood.into_iter().flatten().map(|line| {
                let says = format!(
                    "{}: {line}: what rests on its configuration is not told",
                    name(facts, netns)
                );
                Item::missing("configuration", says).detail("pid", facts.pid)
            }));
            let subject = Subject {
                facts,
                configuration: read,
                model: model.as_ref(),
                database: self
                    .liveness
                    .iter()
                    .find(|stands| stands.server == Some(facts.server)),
                granted: &granted,
            };
            let found = predict(&subject, &self.interfaces);
            items.extend(found.into_iter().map(|it| self.finding(netns, facts, it)));
        }
        items
    }

    /// What was heard granted and is leased now.
    fn granted(&self, netns: &Netns, acks: &[Ack]) -> Vec<Granted> {
        let here = acks
            .iter()
            .filter(|ack| ack.netns == netns.name() && self.leased.contains(&ack.address));
        here.filter_map(|ack| {
            let interface = self
                .interfaces
                .iter()
                .find(|facts| *facts.name == *ack.interface)?;
            Some(Granted {
                address: ack.address,
                server_id: ServerId(ack.server_id),
                interface: interface.id,
            })
        })
        .collect()
    }

    fn server(
        &self,
        netns: &Netns,
        facts: &ServerFacts,
        read: Option<&ServerConfiguration>,
        model: Option<&Model>,
    ) -> Item {
        let mut says = Vec::new();
        let mut ids = Vec::new();
        for interface in self
            .interfaces
            .iter()
            .filter(|interface| !interface.loopback)
        {
            let Some(model) = model else { break };
            match model.service(&self.interfaces, &interface.name) {
                Service::Relayed(relay) => {
                    says.push(format!("relays {} to {}", interface.name, relay.server));
                }
                Service::Served(served) => {
                    for linked in served.linked {
                        let (id, range) = (linked.server_id, &linked.range.name);
                        says.push(format!("goes by {id} on {} for {range}", interface.name));
                        ids.push(json!({
                            "interface": interface.name, "range": range, "server_id": id.to_string(),
                        }));
                    }
                }
                Service::Not(_) => {}
            }
        }
        let pools: &[Pool] = read.map_or(&[], |read| &read.pools);
        says.extend(pools.iter().map(gives));
        if says.is_empty() {
            says.push("its configuration tells nothing".to_owned());
        }
        Item::ok(
            "server",
            format!("{}: {}", name(facts, netns), says.join("; ")),
        )
        .detail("pid", facts.pid)
        .detail("kind", facts.kind.as_str())
        .detail("netns", netns.name())
        .detail("server_ids", ids)
        .detail("pools", pools.iter().map(pool).collect::<Vec<Value>>())
    }

    fn database(&self, netns: &Netns, facts: &ServerFacts) -> Option<Item> {
        let mut all = self.status.databases.iter();
        let status: &DatabaseStatus = all.find(|it| it.server == Some(facts.server))?;
        let path = status.path.as_ref().map(|path| path.display().to_string());
        let shown = path.as_deref().unwrap_or("no lease database");
        let name = name(facts, netns);
        let item = match &status.reason {
            None => Item::ok(
                "database",
                format!("{name}: {shown}, {} leases", status.entries),
            ),
            Some(reason) => Item::missing("database", format!("{name}: {shown}: {reason}")),
        };
        Some(item.detail("pid", facts.pid).detail("path", path))
    }

    fn finding(&self, netns: &Netns, facts: &ServerFacts, found: Prediction) -> Item {
        let interface = self
            .interfaces
            .iter()
            .find(|facts| Some(facts.id) == found.interface);
        Item::finding(
            found.kind.code(),
            format!("{}{}", within(netns), found.title),
        )
        .with(found.evidence, found.remedy, found.side_effect)
        .detail("severity", found.kind.severity().as_str())
        .detail("netns", netns.name())
        .detail("interface", interface.map(|facts| facts.name.to_string()))
        .detail("pid", facts.pid)
        .detail("subject", found.subject.to_string())
    }
}

fn name(facts: &ServerFacts, netns: &Netns) -> String {
    let place = netns
        .label()
        .map_or_else(String::new, |name| format!(" in network namespace {name}"));
    format!("{} (pid {}){place}", facts.kind.as_str(), facts.pid)
}

fn gives(pool: &Pool) -> String {
    let lasts = match pool.lease_time {
        Some(LeaseTime::Infinite) => ", for ever".to_owned(),
        Some(LeaseTime::Limited(time)) => format!(", each for {} s", time.as_secs()),
        None => String::new(),
    };
    format!("gives out {} ({} addresses{lasts})", pool.name, pool.size())
}

fn pool(pool: &Pool) -> Value {
    let seconds = match pool.lease_time {
        Some(LeaseTime::Limited(time)) => Some(time.as_secs()),
        Some(LeaseTime::Infinite) | None => None,
    };
    json!({
        "name": pool.name, "first": pool.first.to_string(), "last": pool.last.to_string(),
        "size": pool.size(), "lease_seconds": seconds,
        "infinite": pool.lease_time == Some(LeaseTime::Infinite),
    })
}
