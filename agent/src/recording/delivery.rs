//! What the kernel said of messages, and who listened, as JSON.

use super::evidence::{BadOctets, hexadecimal, octets};
use leasehound_core::delivery::{
    Delivery, Device, KernelDrop, ProcessFacts, ProcessKey, RawRead, SocketConflict,
    SocketConflictKind, SocketCookie, SocketFacts, SocketSurvey, Source, Sources, Takes, Way,
};
use leasehound_core::frame::PacketType;
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// [`SocketSurvey`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SurveyText {
    netns: u32,
    taken: u64,
    sockets: Vec<SocketText>,
    conflicts: Vec<ConflictText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SocketText {
    cookie: u64,
    /// The UDP address; none for a socket that takes frames.
    udp: Option<Ipv4Addr>,
    device: Option<DeviceText>,
    process: Option<ProcessText>,
    waiting: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeviceText {
    Interface(u32),
    Gone,
}

#[derive(Debug, Serialize, Deserialize)]
struct ProcessText {
    pid: u32,
    start_ticks: u64,
    command: Box<str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ConflictText {
    kind: ConflictKindText,
    cookies: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConflictKindText {
    Wildcards,
    WildcardAfterDevice,
}

/// [`Delivery`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeliveryText {
    seen: u64,
    netns: u32,
    interface: Option<u32>,
    way: WayText,
    socket: u64,
    bound: Option<u32>,
    wire_length: u32,
    packet: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WayText {
    Offered,
    Sent,
}

/// [`KernelDrop`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DropText {
    seen: u64,
    netns: u32,
    interface: Option<u32>,
    reason: Box<str>,
    place: Option<Box<str>>,
    packet_type: Option<PacketTypeText>,
    wire_length: u32,
    packet: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PacketTypeText {
    Host,
    Broadcast,
    Multicast,
    OtherHost,
    Outgoing,
}

/// [`RawRead`]
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadText {
    seen: u64,
    netns: u32,
    pid: u32,
    wire_length: u32,
    packet: String,
}

/// [`Sources`]: whether each is on.
#[derive(Debug, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches, by name"
)]
pub(super) struct SourcesText {
    deliveries: bool,
    drops: bool,
    raw_reads: bool,
    sockets: bool,
}

impl From<&SocketSurvey> for SurveyText {
    fn from(survey: &SocketSurvey) -> Self {
        Self {
            netns: survey.netns.0,
            taken: survey.taken.as_nanos(),
            sockets: survey.sockets.iter().map(SocketText::from).collect(),
            conflicts: survey.conflicts.iter().map(ConflictText::from).collect(),
        }
    }
}

impl From<SurveyText> for SocketSurvey {
    fn from(text: SurveyText) -> Self {
        Self {
            netns: NetnsId(text.netns),
            taken: Timestamp::from_nanos(text.taken),
            sockets: text.sockets.into_iter().map(SocketFacts::from).collect(),
            conflicts: text
                .conflicts
                .into_iter()
                .map(SocketConflict::from)
                .collect(),
        }
    }
}

impl From<&SocketFacts> for SocketText {
    fn from(socket: &SocketFacts) -> Self {
        Self {
            cookie: socket.cookie.0,
            udp: match socket.takes {
                Takes::Udp { address } => Some(address),
                Takes::Frames => None,
            },
            device: socket.device.map(|device| match device {
                Device::Interface(id) => DeviceText::Interface(id.0),
                Device::Gone => DeviceText::Gone,
            }),
            process: socket.process.as_ref().map(|process| ProcessText {
                pid: process.key.pid,
                start_ticks: process.key.start_ticks,
                command: process.command.clone(),
            }),
            waiting: socket.waiting,
        }
    }
}

impl From<SocketText> for SocketFacts {
    fn from(text: SocketText) -> Self {
        Self {
            cookie: SocketCookie(text.cookie),
            takes: text
                .udp
                .map_or(Takes::Frames, |address| Takes::Udp { address }),
            device: text.device.map(|device| match device {
                DeviceText::Interface(id) => Device::Interface(InterfaceId(id)),
                DeviceText::Gone => Device::Gone,
            }),
            process: text.process.map(|process| ProcessFacts {
                key: ProcessKey {
                    pid: process.pid,
                    start_ticks: process.start_ticks,
                },
                command: process.command,
            }),
            waiting: text.waiting,
        }
    }
}

impl From<&SocketConflict> for ConflictText {
    fn from(conflict: &SocketConflict) -> Self {
        Self {
            kind: match conflict.kind {
                SocketConflictKind::Wildcards => ConflictKindText::Wildcards,
                SocketConflictKind::WildcardAfterDevice => ConflictKindText::WildcardAfterDevice,
            },
            cookies: conflict.cookies.iter().map(|cookie| cookie.0).collect(),
        }
    }
}

impl From<ConflictText> for SocketConflict {
    fn from(text: ConflictText) -> Self {
        Self {
            kind: match text.kind {
                ConflictKindText::Wildcards => SocketConflictKind::Wildcards,
                ConflictKindText::WildcardAfterDevice => SocketConflictKind::WildcardAfterDevice,
            },
            cookies: text.cookies.into_iter().map(SocketCookie).collect(),
        }
    }
}

impl From<&Delivery> for DeliveryText {
    fn from(delivery: &Delivery) -> Self {
        Self {
            seen: delivery.seen.as_nanos(),
            netns: delivery.netns.0,
            interface: delivery.interface.map(|id| id.0),
            way: match delivery.way {
                Way::Offered => WayText::Offered,
                Way::Sent => WayText::Sent,
            },
            socket: delivery.socket.0,
            bound: delivery.bound.map(|id| id.0),
            wire_length: delivery.wire_length,
            packet: hexadecimal(&delivery.packet),
        }
    }
}

impl TryFrom<DeliveryText> for Delivery {
    type Error = BadOctets;

    fn try_from(text: DeliveryText) -> Result<Self, BadOctets> {
        Ok(Self {
            seen: Timestamp::from_nanos(text.seen),
            netns: NetnsId(text.netns),
            interface: text.interface.map(InterfaceId),
            way: match text.way {
                WayText::Offered => Way::Offered,
                WayText::Sent => Way::Sent,
            },
            socket: SocketCookie(text.socket),
            bound: text.bound.map(InterfaceId),
            wire_length: text.wire_length,
            packet: octets("packet", &text.packet)?.into(),
        })
    }
}

impl From<&KernelDrop> for DropText {
    fn from(dropped: &KernelDrop) -> Self {
        Self {
            seen: dropped.seen.as_nanos(),
            netns: dropped.netns.0,
            interface: dropped.interface.map(|id| id.0),
            reason: dropped.reason.clone(),
            place: dropped.place.clone(),
            packet_type: dropped.packet_type.map(|packet_type| match packet_type {
                PacketType::Host => PacketTypeText::Host,
                PacketType::Broadcast => PacketTypeText::Broadcast,
                PacketType::Multicast => PacketTypeText::Multicast,
                PacketType::OtherHost => PacketTypeText::OtherHost,
                PacketType::Outgoing => PacketTypeText::Outgoing,
            }),
            wire_length: dropped.wire_length,
            packet: hexadecimal(&dropped.packet),
        }
    }
}

impl TryFrom<DropText> for KernelDrop {
    type Error = BadOctets;

    fn try_from(text: DropText) -> Result<Self, BadOctets> {
        Ok(Self {
            seen: Timestamp::from_nanos(text.seen),
            netns: NetnsId(text.netns),
            interface: text.interface.map(InterfaceId),
            reason: text.reason,
            place: text.place,
            packet_type: text.packet_type.map(|packet_type| match packet_type {
                PacketTypeText::Host => PacketType::Host,
                PacketTypeText::Broadcast => PacketType::Broadcast,
                PacketTypeText::Multicast => PacketType::Multicast,
                PacketTypeText::OtherHost => PacketType::OtherHost,
                PacketTypeText::Outgoing => PacketType::Outgoing,
            }),
            wire_length: text.wire_length,
            packet: octets("packet", &text.packet)?.into(),
        })
    }
}

impl From<&RawRead> for ReadText {
    fn from(read: &RawRead) -> Self {
        Self {
            seen: read.seen.as_nanos(),
            netns: read.netns.0,
            pid: read.pid,
            wire_length: read.wire_length,
            packet: hexadecimal(&read.packet),
        }
    }
}

impl TryFrom<ReadText> for RawRead {
    type Error = BadOctets;

    fn try_from(text: ReadText) -> Result<Self, BadOctets> {
        Ok(Self {
            seen: Timestamp::from_nanos(text.seen),
            netns: NetnsId(text.netns),
            pid: text.pid,
            wire_length: text.wire_length,
            packet: octets("packet", &text.packet)?.into(),
        })
    }
}

impl From<Sources> for SourcesText {
    fn from(sources: Sources) -> Self {
        Self {
            deliveries: sources.deliveries.is_on(),
            drops: sources.drops.is_on(),
            raw_reads: sources.raw_reads.is_on(),
            sockets: sources.sockets.is_on(),
        }
    }
}

impl From<SourcesText> for Sources {
    fn from(text: SourcesText) -> Self {
        let source = |on| if on { Source::On } else { Source::Off };
        Self {
            deliveries: source(text.deliveries),
            drops: source(text.drops),
            raw_reads: source(text.raw_reads),
            sockets: source(text.sockets),
        }
    }
}
