//! What the kernel says of messages: joins it with their trails.

use super::{Engine, Output};
use crate::decode::v4::{self, Message4};
use crate::delivery::{Delivery, KernelDrop, RawRead, SocketSurvey, Way};
use crate::evidence::EvidenceRequest;
use crate::frame::{self, LinkType, RawFrame, VlanStack};
use crate::judge::delivered::is_no_socket;
use crate::origin::Origin;
use crate::time::Timestamp;
use crate::trail::{Step, TrailKey, What};

impl Engine {
    /// Who listens, as of now.
    pub(super) fn surveyed(&mut self, survey: SocketSurvey) {
        let netns = survey.netns;
        self.sockets.surveyed(survey);
        self.conflicts_seen(netns);
        self.judge_waiting(netns);
    }

    /// A UDP socket was offered a message, or sent one.
    pub(super) fn delivered(&mut self, delivery: &Delivery) {
        let Some(message) = message_of(&delivery.packet, delivery.wire_length) else {
            return;
        };
        let key = TrailKey::of(delivery.netns, &message);
        let what = match delivery.way {
            Way::Offered => What::Offered {
                socket: delivery.socket,
                interface: delivery.interface,
            },
            Way::Sent => What::Sent {
                socket: delivery.socket,
                bound: delivery.bound,
            },
        };
        if delivery.way == Way::Offered {
            self.sockets.offered(delivery.socket, delivery.seen);
        }
        self.step(key, delivery.seen, what);
    }

    /// The kernel dropped a message.
    pub(super) fn dropped(&mut self, dropped: KernelDrop) {
        self.outputs.push_back(Output::KernelDrop {
            netns: dropped.netns,
            interface: dropped.interface,
            reason: dropped.reason.clone(),
        });
        let Some(message) = message_of(&dropped.packet, dropped.wire_length) else {
            return;
        };
        let netns = dropped.netns;
        if self.config.live_evidence && is_no_socket(&dropped.reason, dropped.place.as_deref()) {
            // Who listens now tells why; at the deadline it may be another.
            let request = EvidenceRequest::Sockets { netns };
            self.outputs.push_back(Output::Request(request));
        }
        let key = TrailKey::of(netns, &message);
        let what = What::Dropped {
            reason: dropped.reason,
            place: dropped.place,
            interface: dropped.interface,
        };
        self.step(key, dropped.seen, what);
    }

    /// A process read a message from a raw socket.
    pub(super) fn read_raw(&mut self, read: &RawRead) {
        let Some(message) = message_of(&read.packet, read.wire_length) else {
            return;
        };
        let key = TrailKey::of(read.netns, &message);
        self.step(key, read.seen, What::Read { pid: read.pid });
    }

    /// An ICMP error passed by that may quote a message.
    pub(super) fn icmp(&mut self, at: Timestamp, origin: Origin, frame: &RawFrame<'_>) {
        self.counts.not_dhcp += 1;
        let Ok(Some(error)) = frame::parse_unreachable(frame) else {
            return;
        };
        let Ok(message) = v4::decode(error.payload, usize::from(error.payload_length)) else {
            return;
        };
        let netns = self.host.netns_of(origin.interface);
        let (what, from) = (error.what(), error.from);
        let key = TrailKey::of(netns, &message);
        self.step(key, at, What::Unreachable { what, from });
    }

    fn step(&mut self, key: TrailKey, at: Timestamp, what: What) {
        self.trails.step(key, Step { at, what });
    }
}

fn message_of(packet: &[u8], wire_length: u32) -> Option<Message4> {
    let datagram = frame::parse(&RawFrame {
        link: LinkType::RawIp,
        bytes: packet,
        wire_length,
        vlan: VlanStack::default(),
        packet_type: None,
        socket: None,
    })
    .ok()?;
    v4::decode(datagram.payload, usize::from(datagram.payload_length)).ok()
}
