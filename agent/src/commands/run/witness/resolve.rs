//! From the kernel's samples to evidence: whose namespace, which interface.

use super::places::Places;
use super::survey::SERVER_PORT;
use crate::capture::{DropSample, RawReadSample, SocketSample, Way};
use crate::inventory::{Inventory, SocketKind};
use leasehound_core::delivery::{self, Delivery, KernelDrop, RawRead, SocketCookie};
use leasehound_core::evidence::Evidence;
use leasehound_core::origin::NetnsId;
use std::collections::VecDeque;

/// What a sample turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// A fact for the engine.
    Evidence(Evidence),
    /// Of no namespace that is watched, or of no server: nothing to know.
    Irrelevant,
    /// Its socket is in no picture yet.
    UnknownSocket,
}

/// Packets that were offered lately.
#[derive(Debug, Default)]
pub(super) struct Offered(VecDeque<(Box<[u8]>, NetnsId)>);

/// Packets that may wait in sockets' queues; 212,992 octets, the usual most of one
/// queue, hold some two hundred.
const OFFERED: usize = 512;

impl Offered {
    /// A packet was offered to a socket of a namespace.
    pub(super) fn add(&mut self, packet: &[u8], netns: NetnsId) {
        if self.0.len() >= OFFERED {
            self.0.pop_front();
        }
        self.0.push_back((packet.into(), netns));
    }

    fn netns(&self, packet: &[u8]) -> Option<NetnsId> {
        let mut same = self.0.iter().rev().filter(|(known, _)| **known == *packet);
        same.next().map(|(_, netns)| *netns)
    }
}

/// The UDP destination port of an IPv4 packet.
fn destination_port(packet: &[u8]) -> Option<u16> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let (ports, _) = packet.get(header..)?.split_first_chunk::<4>()?;
    let [_, _, high, low] = *ports;
    Some(u16::from_be_bytes([high, low]))
}

pub(super) fn socket(sample: &SocketSample, inventory: &Inventory, places: &Places) -> Resolved {
    let to_server = destination_port(&sample.packet) == Some(SERVER_PORT);
    // What clients of this host receive, and what they send, is on the interfaces.
    if to_server != (sample.way == Way::Offered) {
        return Resolved::Irrelevant;
    }
    let Some(socket) = inventory.by_cookie(sample.cookie) else {
        return Resolved::UnknownSocket;
    };
    let Some(netns) = places.netns(socket.netns) else {
        return Resolved::Irrelevant;
    };
    let interface = |index| places.interface(netns, index);
    Resolved::Evidence(Evidence::Delivery(Delivery {
        seen: sample.at,
        netns,
        interface: interface(sample.ifindex),
        way: match sample.way {
            Way::Offered => delivery::Way::Offered,
            Way::Sent => delivery::Way::Sent,
        },
        socket: SocketCookie(sample.cookie),
        bound: sample.bound_ifindex.and_then(interface),
        packet: sample.packet.clone(),
        wire_length: sample.wire_length,
    }))
}

/// In a socket's queue a packet has no device: what is dropped there is known by its
/// octets, for it was offered before.
pub(super) fn dropped(
    sample: DropSample,
    inventory: &Inventory,
    places: &Places,
    offered: &Offered,
) -> Resolved {
    let of_socket = || Some(inventory.by_cookie(sample.cookie?)?.netns);
    let inode = sample.netns_inode.map(u64::from).or_else(of_socket);
    let place = match inode {
        Some(inode) => places.netns(inode),
        None => offered.netns(&sample.packet),
    };
    let Some(netns) = place else {
        return Resolved::Irrelevant;
    };
    Resolved::Evidence(Evidence::Drop(KernelDrop {
        seen: sample.at,
        netns,
        interface: sample
            .ifindex
            .and_then(|index| places.interface(netns, index)),
        reason: sample.reason,
        place: sample.place,
        packet_type: sample.packet_type,
        packet: sample.packet,
        wire_length: sample.wire_length,
    }))
}

pub(super) fn read(sample: RawReadSample, inventory: &Inventory, places: &Places) -> Resolved {
    let of_reader = inventory.sockets().find(|socket| {
        matches!(socket.kind, SocketKind::Packet { .. })
            && socket.holders.iter().any(|holder| holder.pid == sample.pid)
    });
    let Some(netns) = of_reader.and_then(|socket| places.netns(socket.netns)) else {
        return Resolved::Irrelevant;
    };
    Resolved::Evidence(Evidence::RawRead(RawRead {
        seen: sample.at,
        netns,
        pid: sample.pid,
        packet: sample.packet,
        wire_length: sample.wire_length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_behind_the_options_of_the_header() {
        let mut packet = vec![0x46; 24];
        packet.extend([0x00, 0x44, 0x00, 0x43, 0, 8, 0, 0]);
        assert_eq!(destination_port(&packet), Some(67));
        assert_eq!(destination_port(&packet[..26]), None);
        assert_eq!(destination_port(&[]), None);
    }
}
