//! Predictions about the id that dnsmasq goes by.

use super::{Granted, Prediction, Subject, ground, text};
use crate::dnsmasq::range::Mode;
use crate::dnsmasq::tags::Carried;
use crate::dnsmasq::{Fate, Linked, Model, Question, Service};
use crate::evidence::{InterfaceAddress, InterfaceFacts};
use crate::finding::FindingKind;
use crate::message::ServerId;
use crate::origin::InterfaceId;
use crate::verdict::GroundSource::{AckHistory, LocalAddresses, ServerConfiguration};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The tool that takes leases back on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// contrib/lease-tools `dhcp_release.c`: the first address of the interface whose subnet
    /// has the lease, else the first of all.
    DhcpRelease,
    /// LXD and Incus, `nic_bridged.go`: the last address of the bridge.
    Lxd,
}

impl Tool {
    /// Which it is, by where the server's files are.
    fn of(model: &Model) -> Self {
        let lease_file = model.lease_file.as_deref().unwrap_or_default();
        if lease_file.contains("/lxd/") || lease_file.contains("/incus/") {
            Self::Lxd
        } else {
            Self::DhcpRelease
        }
    }

    fn names(self, interface: &InterfaceFacts, leased: Ipv4Addr) -> Option<InterfaceAddress> {
        let all = &interface.addresses;
        match self {
            Self::DhcpRelease => {
                let first = all.iter().find(|own| own.subnet_contains(leased));
                first.or(all.first()).copied()
            }
            Self::Lxd => all.last().copied(),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::DhcpRelease => "dhcp_release",
            Self::Lxd => "release by LXD or Incus",
        }
    }

    fn which(self) -> &'static str {
        match self {
            Self::DhcpRelease => "the first address there in the lease's subnet",
            Self::Lxd => "the last address there",
        }
    }
}

/// Release tools take an address of the interface for the server's id, and dnsmasq goes by
/// another.
pub(super) fn tools_miss_the_id(
    subject: &Subject<'_>,
    model: &Model,
    interfaces: &[InterfaceFacts],
    found: &mut Vec<Prediction>,
) {
    let tool = Tool::of(model);
    for interface in interfaces.iter().filter(|interface| !interface.loopback) {
        let Service::Served(served) = model.service(interfaces, &interface.name) else {
            continue;
        };
        let mut told: Vec<(Ipv4Addr, Ipv4Addr)> = Vec::new();
        let leasing = |linked: &&Linked<'_>| linked.range.mode != Mode::Proxy;
        for linked in served.linked.iter().filter(leasing) {
            let Some(named) = tool.names(interface, linked.range.first) else {
                continue;
            };
            let pair = (named.address, linked.server_id);
            if named.address == linked.server_id || told.contains(&pair) {
                continue;
            }
            told.push(pair);
            found.push(mismatch(subject, interface, linked, (tool, named)));
        }
    }
}

fn mismatch(
    subject: &Subject<'_>,
    interface: &InterfaceFacts,
    linked: &Linked<'_>,
    (tool, named): (Tool, InterfaceAddress),
) -> Prediction {
    let (name, id) = (&interface.name, linked.server_id);
    let wrong = named.address;
    let title = format!(
        "every {} on {name} for an address in {}/{} will be ignored: it names {wrong} as the server, {} goes by {id}",
        tool.what(),
        linked.subnet.network(),
        linked.subnet.prefix_length,
        subject.name()
    );
    let kind = FindingKind::ReleaseToolIdMismatch;
    let mut prediction = subject.prediction(kind, &id.to_string(), title);
    prediction.interface = Some(interface.id);
    prediction.evidence = vec![
        ground(
            ServerConfiguration,
            format!(
                "by its configuration dnsmasq goes by {id} for {} on {name}",
                linked.range.name
            ),
        ),
        ground(
            LocalAddresses,
            format!(
                "{wrong} is {} of {name}",
                tool.which().replace(" there", "")
            ),
        ),
    ];
    let lengths = named.subnet_contains(linked.range.first);
    prediction.remedy = text::name_the_right_id(name, id, wrong, lengths);
    prediction.side_effect = Some(text::id_for_all(name, id, wrong));
    prediction
}

/// Leases were granted under another id than the server goes by now.
pub(super) fn id_has_changed(
    subject: &Subject<'_>,
    model: &Model,
    interfaces: &[InterfaceFacts],
    found: &mut Vec<Prediction>,
) {
    let mut changed: BTreeMap<(Granted, Ipv4Addr), Vec<Ipv4Addr>> = BTreeMap::new();
    let mut ids = Ids {
        model,
        interfaces,
        bits: BTreeMap::new(),
        found: BTreeMap::new(),
    };
    for granted in subject.granted {
        let Some(now) = ids.of(granted) else {
            continue;
        };
        if granted.server_id != ServerId(now) {
            let key = Granted {
                address: Ipv4Addr::UNSPECIFIED,
                ..*granted
            };
            changed.entry((key, now)).or_default().push(granted.address);
        }
    }
    for ((was, now), leases) in changed {
        let name = interfaces
            .iter()
            .find(|facts| facts.id == was.interface)
            .map_or("?", |facts| &facts.name);
        found.push(id_changed(subject, (was, name), now, &leases));
    }
}

/// The ids that a server goes by now, each found once: leases are many, their subnets few.
struct Ids<'a> {
    model: &'a Model,
    interfaces: &'a [InterfaceFacts],
    /// Of addresses of an interface, those that decide; `None` if it is not there.
    bits: BTreeMap<InterfaceId, Option<(u32, &'a str)>>,
    found: BTreeMap<(InterfaceId, u32), Option<Ipv4Addr>>,
}

impl Ids<'_> {
    /// The id that a RELEASE of this lease has to name.
    fn of(&mut self, granted: &Granted) -> Option<Ipv4Addr> {
        let (model, interfaces) = (self.model, self.interfaces);
        let bits = self.bits.entry(granted.interface).or_insert_with(|| {
            let arrival = interfaces
                .iter()
                .find(|facts| facts.id == granted.interface)?;
            let bits = model.deciding_bits(interfaces, &arrival.name);
            Some((bits, &*arrival.name))
        });
        let (bits, interface) = (*bits)?;
        let key = (granted.interface, granted.address.to_bits() & bits);
        *self.found.entry(key).or_insert_with(|| {
            // Clients say no more than they have to.
            let question = Question {
                ciaddr: granted.address,
                carried: Carried {
                    interface,
                    options: [53, 54, 61].into_iter().collect(),
                    all: true,
                },
            };
            match model.release(interfaces, question) {
                Fate::Reaches { server_id, .. } => server_id,
                _ => None,
            }
        })
    }
}

fn id_changed(
    subject: &Subject<'_>,
    (was, name): (Granted, &str),
    now: Ipv4Addr,
    leases: &[Ipv4Addr],
) -> Prediction {
    let (count, before) = (leases.len(), was.server_id.0);
    let title = format!(
        "{count} lease{} on {name} {} granted by {before}, and {} goes by {now} now: until they are renewed their \
         releases will be ignored",
        if count == 1 { "" } else { "s" },
        if count == 1 { "was" } else { "were" },
        subject.name()
    );
    let kind = FindingKind::ServerIdChanged;
    let mut prediction = subject.prediction(kind, &format!("{before} {now}"), title);
    prediction.interface = Some(was.interface);
    prediction.leases = u64::try_from(count).unwrap_or(u64::MAX);
    let listed: Vec<String> = leases.iter().take(4).map(Ipv4Addr::to_string).collect();
    let more = if count > listed.len() { ", …" } else { "" };
    prediction.evidence = vec![
        ground(
            AckHistory,
            format!(
                "the last ACKs for {}{more} named {before}",
                listed.join(", ")
            ),
        ),
        ground(
            ServerConfiguration,
            format!("by its configuration dnsmasq goes by {now} on {name}"),
        ),
    ];
    prediction
}
