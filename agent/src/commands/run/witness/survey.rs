//! The inventory as the engine takes it: one survey for each watched namespace.

use super::places::Places;
use crate::inventory::{ConflictKind, Inventory, ListeningSocket, SocketKind};
use leasehound_core::delivery::{
    Device, ProcessFacts, ProcessKey, SocketConflict, SocketConflictKind, SocketCookie,
    SocketFacts, SocketSurvey, Takes,
};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};

/// The server port of DHCPv4.
pub(super) const SERVER_PORT: u16 = 67;

/// What was found in one namespace.
pub(super) fn survey(
    inventory: &Inventory,
    places: &Places,
    (netns, inode): (NetnsId, u64),
    taken: Timestamp,
) -> SocketSurvey {
    let here = |socket: &&ListeningSocket| socket.netns == inode;
    let sockets = inventory
        .sockets()
        .filter(here)
        .filter_map(|socket| facts(inventory, places, netns, socket))
        .collect();
    let conflicts = inventory
        .wildcard_conflicts()
        .into_iter()
        .filter(|conflict| conflict.netns == inode && conflict.port == SERVER_PORT)
        .map(|conflict| SocketConflict {
            kind: match conflict.kind {
                ConflictKind::Wildcards => SocketConflictKind::Wildcards,
                ConflictKind::WildcardAfterDevice => SocketConflictKind::WildcardAfterDevice,
            },
            cookies: conflict.cookies.into_iter().map(SocketCookie).collect(),
        })
        .collect();
    SocketSurvey {
        netns,
        taken,
        sockets,
        conflicts,
    }
}

/// `None` for a socket that DHCPv4 messages to a server do not reach.
fn facts(
    inventory: &Inventory,
    places: &Places,
    netns: NetnsId,
    socket: &ListeningSocket,
) -> Option<SocketFacts> {
    let takes = match socket.kind {
        SocketKind::Udp {
            port: SERVER_PORT,
            takes_ipv4: true,
            address,
            ..
        } => Takes::Udp {
            address: match address {
                IpAddr::V4(address) => address,
                IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
            },
        },
        SocketKind::Udp { .. } => return None,
        SocketKind::Packet { .. } => Takes::Frames,
    };
    let device = socket.ifindex.map(|index| {
        let interface = places.interface(netns, index);
        interface.map_or(Device::Gone, Device::Interface)
    });
    let process = socket
        .process()
        .and_then(|id| inventory.process(id))
        .map(|process| ProcessFacts {
            key: ProcessKey {
                pid: process.id.pid,
                start_ticks: process.id.start_ticks,
            },
            command: process.comm.clone(),
        });
    Some(SocketFacts {
        cookie: SocketCookie(socket.cookie),
        takes,
        device,
        process,
        waiting: socket.receive_queue,
    })
}
