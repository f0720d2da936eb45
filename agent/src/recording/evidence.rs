//! Evidence as JSON: the core's types field by field, because the core knows no serde.
//! Addresses are text; octets are hexadecimal, colon-separated.

use super::configuration::ConfigurationText;
use super::delivery::{DeliveryText, DropText, ReadText, SourcesText, SurveyText};
use super::json::LossStageText;
use super::liveness::LivenessText;
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, InterfaceAddress, InterfaceFacts, Lease, LeaseContent, LeaseUpdate,
    Listening, Loss, PortUse, ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::message::{ClientId, HardwareAddress, MacAddress};
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// [`Evidence`]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EvidenceText {
    Interfaces {
        netns: u32,
        /// What people call the namespace; left out for the agent's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        netns_name: Option<Box<str>>,
        interfaces: Vec<InterfaceText>,
    },
    Server {
        server: u32,
        netns: u32,
        kind: ServerKindText,
        pid: u32,
        started: u64,
        /// Absent in recordings that are older than the field.
        #[serde(default)]
        sole: bool,
        /// Likewise: how such a server listens is not known.
        #[serde(default)]
        listens: ListeningText,
    },
    ServerGone {
        server: u32,
    },
    Configuration(ConfigurationText),
    Leases {
        server: Option<u32>,
        kind: ServerKindText,
        netns: u32,
        read_from: u64,
        read_until: u64,
        content: ContentText,
    },
    Liveness(LivenessText),
    Sockets(SurveyText),
    Delivery(DeliveryText),
    Drop(DropText),
    RawRead(ReadText),
    Sources(SourcesText),
    FactsLost {
        stage: LossStageText,
        count: u64,
    },
}

/// [`InterfaceFacts`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InterfaceText {
    id: u32,
    name: Box<str>,
    loopback: bool,
    mac: Option<String>,
    addresses: Vec<AddressText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AddressText {
    address: Ipv4Addr,
    prefix_length: u8,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServerKindText {
    Dnsmasq,
    IscDhcpd,
    Kea,
    Udhcpd,
    Networkd,
    CoreDhcp,
    Ovn,
    Harvester,
    Unknown,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ListeningText {
    Udp,
    Raw,
    #[default]
    Unknown,
}

/// [`LeaseContent`]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ContentText {
    Full {
        leases: Vec<LeaseText>,
    },
    Delta {
        upserted: Vec<LeaseText>,
        removed: Vec<Ipv4Addr>,
    },
    Unusable {
        /// Absent in recordings that are older than the field.
        #[serde(default)]
        problem: ProblemText,
        reason: Box<str>,
    },
}

/// [`DatabaseProblem`]
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProblemText {
    Absent,
    #[default]
    Unreadable,
    Damaged,
    NotLive,
}

/// [`Lease`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LeaseText {
    address: Ipv4Addr,
    hardware_address: HardwareText,
    client_id: Option<String>,
    expires: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HardwareText {
    kind: u8,
    octets: String,
}

/// What a field holds that it can't.
#[derive(Debug, thiserror::Error)]
#[error("{field} is \"{value}\", which is not hexadecimal octets")]
pub(super) struct BadOctets {
    field: &'static str,
    value: String,
}

impl EvidenceText {
    /// Puts in what a namespace is called, where there is a place for it.
    pub(super) fn with_netns_name(mut self, name: Option<&str>) -> Self {
        if let Self::Interfaces { netns_name, .. } = &mut self {
            *netns_name = name.map(Into::into);
        }
        self
    }

    /// What a namespace is called; empty for the agent's own.
    pub(super) fn netns_name(&self) -> Option<(NetnsId, Box<str>)> {
        match self {
            Self::Interfaces {
                netns, netns_name, ..
            } => Some((NetnsId(*netns), netns_name.clone().unwrap_or_default())),
            _ => None,
        }
    }
}

impl From<&Evidence> for EvidenceText {
    fn from(evidence: &Evidence) -> Self {
        match evidence {
            Evidence::Interfaces { netns, interfaces } => Self::Interfaces {
                netns: netns.0,
                netns_name: None,
                interfaces: interfaces.iter().map(InterfaceText::from).collect(),
            },
            Evidence::Server(facts) => Self::Server {
                server: facts.server.0,
                netns: facts.netns.0,
                kind: facts.kind.into(),
                pid: facts.pid,
                started: facts.started.as_nanos(),
                sole: facts.port == PortUse::Sole,
                listens: facts.listens.into(),
            },
            Evidence::ServerGone(server) => Self::ServerGone { server: server.0 },
            Evidence::Leases(update) => Self::Leases {
                server: update.server.map(|server| server.0),
                kind: update.kind.into(),
                netns: update.netns.0,
                read_from: update.read_from.as_nanos(),
                read_until: update.read_until.as_nanos(),
                content: (&update.content).into(),
            },
            Evidence::Configuration(configuration) => Self::Configuration(configuration.into()),
            Evidence::Liveness(liveness) => Self::Liveness(liveness.into()),
            Evidence::Sockets(survey) => Self::Sockets(survey.into()),
            Evidence::Delivery(delivery) => Self::Delivery(delivery.into()),
            Evidence::Drop(dropped) => Self::Drop(dropped.into()),
            Evidence::RawRead(read) => Self::RawRead(read.into()),
            Evidence::Sources(sources) => Self::Sources((*sources).into()),
            Evidence::FactsLost(loss) => Self::FactsLost {
                stage: loss.stage.into(),
                count: loss.count,
            },
        }
    }
}

impl TryFrom<EvidenceText> for Evidence {
    type Error = BadOctets;

    fn try_from(text: EvidenceText) -> Result<Self, BadOctets> {
        Ok(match text {
            EvidenceText::Interfaces {
                netns, interfaces, ..
            } => Self::Interfaces {
                netns: NetnsId(netns),
                interfaces: convert(interfaces)?,
            },
            EvidenceText::Server {
                server,
                netns,
                kind,
                pid,
                started,
                sole,
                listens,
            } => Self::Server(ServerFacts {
                server: ServerRef(server),
                netns: NetnsId(netns),
                kind: kind.into(),
                pid,
                started: Timestamp::from_nanos(started),
                port: if sole { PortUse::Sole } else { PortUse::Shared },
                listens: listens.into(),
            }),
            EvidenceText::ServerGone { server } => Self::ServerGone(ServerRef(server)),
            EvidenceText::Leases {
                server,
                kind,
                netns,
                read_from,
                read_until,
                content,
            } => Self::Leases(LeaseUpdate {
                server: server.map(ServerRef),
                kind: kind.into(),
                netns: NetnsId(netns),
                read_from: Timestamp::from_nanos(read_from),
                read_until: Timestamp::from_nanos(read_until),
                content: content.try_into()?,
            }),
            EvidenceText::Configuration(text) => Self::Configuration(text.into()),
            EvidenceText::Liveness(text) => Self::Liveness(text.into()),
            EvidenceText::Sockets(survey) => Self::Sockets(survey.into()),
            EvidenceText::Delivery(delivery) => Self::Delivery(delivery.try_into()?),
            EvidenceText::Drop(dropped) => Self::Drop(dropped.try_into()?),
            EvidenceText::RawRead(read) => Self::RawRead(read.try_into()?),
            EvidenceText::Sources(sources) => Self::Sources(sources.into()),
            EvidenceText::FactsLost { stage, count } => Self::FactsLost(Loss {
                stage: stage.into(),
                count,
            }),
        })
    }
}

impl From<&InterfaceFacts> for InterfaceText {
    fn from(facts: &InterfaceFacts) -> Self {
        Self {
            id: facts.id.0,
            name: facts.name.clone(),
            loopback: facts.loopback,
            mac: facts.mac.map(|mac| mac.to_string()),
            addresses: facts
                .addresses
                .iter()
                .map(|address| AddressText {
                    address: address.address,
                    prefix_length: address.prefix_length,
                })
                .collect(),
        }
    }
}

impl TryFrom<InterfaceText> for InterfaceFacts {
    type Error = BadOctets;

    fn try_from(text: InterfaceText) -> Result<Self, BadOctets> {
        let mac = |text: String| match <[u8; 6]>::try_from(octets("mac", &text)?) {
            Ok(mac) => Ok(MacAddress(mac)),
            Err(_) => Err(BadOctets {
                field: "mac",
                value: text,
            }),
        };
        Ok(Self {
            id: InterfaceId(text.id),
            name: text.name,
            loopback: text.loopback,
            mac: text.mac.map(mac).transpose()?,
            addresses: text
                .addresses
                .into_iter()
                .map(|address| InterfaceAddress {
                    address: address.address,
                    prefix_length: address.prefix_length,
                })
                .collect(),
        })
    }
}

impl From<&LeaseContent> for ContentText {
    fn from(content: &LeaseContent) -> Self {
        match content {
            LeaseContent::Full(leases) => Self::Full {
                leases: leases.iter().map(LeaseText::from).collect(),
            },
            LeaseContent::Delta { upserted, removed } => Self::Delta {
                upserted: upserted.iter().map(LeaseText::from).collect(),
                removed: removed.clone(),
            },
            LeaseContent::Unusable { problem, reason } => Self::Unusable {
                problem: (*problem).into(),
                reason: reason.clone(),
            },
        }
    }
}

impl TryFrom<ContentText> for LeaseContent {
    type Error = BadOctets;

    fn try_from(text: ContentText) -> Result<Self, BadOctets> {
        Ok(match text {
            ContentText::Full { leases } => Self::Full(convert(leases)?),
            ContentText::Delta { upserted, removed } => Self::Delta {
                upserted: convert(upserted)?,
                removed,
            },
            ContentText::Unusable { problem, reason } => Self::Unusable {
                problem: problem.into(),
                reason,
            },
        })
    }
}

impl From<&Lease> for LeaseText {
    fn from(lease: &Lease) -> Self {
        Self {
            address: lease.address,
            hardware_address: HardwareText {
                kind: lease.hardware_address.kind,
                octets: hexadecimal(lease.hardware_address.as_bytes()),
            },
            client_id: lease.client_id.as_ref().map(ClientId::to_string),
            expires: lease.expires.map(Timestamp::as_nanos),
        }
    }
}

impl TryFrom<LeaseText> for Lease {
    type Error = BadOctets;

    fn try_from(text: LeaseText) -> Result<Self, BadOctets> {
        let hardware = text.hardware_address;
        let client_id = |text: String| Ok(ClientId::new(&octets("client_id", &text)?));
        Ok(Self {
            address: text.address,
            hardware_address: HardwareAddress::new(
                hardware.kind,
                &octets("hardware_address", &hardware.octets)?,
            ),
            client_id: text.client_id.map(client_id).transpose()?,
            expires: text.expires.map(Timestamp::from_nanos),
        })
    }
}

impl From<ServerKind> for ServerKindText {
    fn from(kind: ServerKind) -> Self {
        match kind {
            ServerKind::Dnsmasq => Self::Dnsmasq,
            ServerKind::IscDhcpd => Self::IscDhcpd,
            ServerKind::Kea => Self::Kea,
            ServerKind::Udhcpd => Self::Udhcpd,
            ServerKind::Networkd => Self::Networkd,
            ServerKind::CoreDhcp => Self::CoreDhcp,
            ServerKind::Ovn => Self::Ovn,
            ServerKind::Harvester => Self::Harvester,
            ServerKind::Unknown => Self::Unknown,
        }
    }
}

impl From<ServerKindText> for ServerKind {
    fn from(kind: ServerKindText) -> Self {
        match kind {
            ServerKindText::Dnsmasq => Self::Dnsmasq,
            ServerKindText::IscDhcpd => Self::IscDhcpd,
            ServerKindText::Kea => Self::Kea,
            ServerKindText::Udhcpd => Self::Udhcpd,
            ServerKindText::Networkd => Self::Networkd,
            ServerKindText::CoreDhcp => Self::CoreDhcp,
            ServerKindText::Ovn => Self::Ovn,
            ServerKindText::Harvester => Self::Harvester,
            ServerKindText::Unknown => Self::Unknown,
        }
    }
}

impl From<DatabaseProblem> for ProblemText {
    fn from(problem: DatabaseProblem) -> Self {
        match problem {
            DatabaseProblem::Absent => Self::Absent,
            DatabaseProblem::Unreadable => Self::Unreadable,
            DatabaseProblem::Damaged => Self::Damaged,
            DatabaseProblem::NotLive => Self::NotLive,
        }
    }
}

impl From<ProblemText> for DatabaseProblem {
    fn from(problem: ProblemText) -> Self {
        match problem {
            ProblemText::Absent => Self::Absent,
            ProblemText::Unreadable => Self::Unreadable,
            ProblemText::Damaged => Self::Damaged,
            ProblemText::NotLive => Self::NotLive,
        }
    }
}

impl From<Listening> for ListeningText {
    fn from(listens: Listening) -> Self {
        match listens {
            Listening::Udp => Self::Udp,
            Listening::Raw => Self::Raw,
            Listening::Unknown => Self::Unknown,
        }
    }
}

impl From<ListeningText> for Listening {
    fn from(listens: ListeningText) -> Self {
        match listens {
            ListeningText::Udp => Self::Udp,
            ListeningText::Raw => Self::Raw,
            ListeningText::Unknown => Self::Unknown,
        }
    }
}

fn convert<T, U: TryFrom<T>>(texts: Vec<T>) -> Result<Vec<U>, U::Error> {
    texts.into_iter().map(U::try_from).collect()
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let octets: Vec<String> = bytes.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

pub(super) fn octets(field: &'static str, text: &str) -> Result<Vec<u8>, BadOctets> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()
        .map_err(|_| BadOctets {
            field,
            value: text.to_owned(),
        })
}
