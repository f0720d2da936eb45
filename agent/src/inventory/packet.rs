//! `AF_PACKET` sockets that look like a DHCP server's, by `packet_diag`
//! (`net/packet/diag.c`).
//!
//! What looks like one is said in [`super::filter`]. A socket with a receive ring is
//! none: libpcap always maps one, servers read packet by packet.

use super::diag::{Diag, Memory, cookie_at, u16_at, u32_at};
use super::filter::{Filter, Instruction};
use super::socket::{ListeningSocket, SocketKind};
use rtnetlink::packet_core::NlasIterator;
use std::io;

const AF_PACKET: u8 = 17;
const SOCK_DGRAM: u8 = 2;

const PACKET_SHOW_INFO: u32 = 0x01;
const PACKET_SHOW_RING_CFG: u32 = 0x04;
const PACKET_SHOW_MEMINFO: u32 = 0x10;
const PACKET_SHOW_FILTER: u32 = 0x20;

const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_RX_RING: u16 = 2;
const PACKET_DIAG_UID: u16 = 5;
const PACKET_DIAG_MEMINFO: u16 = 6;
const PACKET_DIAG_FILTER: u16 = 7;

/// Length of `packet_diag_msg`.
const MESSAGE: usize = 16;

/// The sockets of the namespace that `diag` belongs to.
pub(super) fn dump(diag: &mut Diag, netns: u64) -> io::Result<Vec<ListeningSocket>> {
    let mut sockets = Vec::new();
    diag.dump(&request(), |message| {
        sockets.extend(parse(message, netns));
    })?;
    // `packet_create` puts a new socket at the end.
    for (order, socket) in (0..).zip(&mut sockets) {
        socket.order = order;
    }
    Ok(sockets)
}

/// `packet_diag_req`
fn request() -> Vec<u8> {
    let show = PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_MEMINFO | PACKET_SHOW_FILTER;
    let mut request = vec![AF_PACKET, 0, 0, 0, 0, 0, 0, 0];
    request.extend_from_slice(&show.to_ne_bytes());
    request.resize(20, 0);
    request
}

/// From `packet_diag_msg` and its attributes; `None` for a socket of another kind.
fn parse(message: &[u8], netns: u64) -> Option<ListeningSocket> {
    let (header, attributes) = message.split_first_chunk::<MESSAGE>()?;
    let [_, socket_type, ..] = *header;
    let mut ifindex = None;
    let mut uid = None;
    let mut memory = Memory::default();
    let mut filter = None;
    for attribute in NlasIterator::new(attributes).flatten() {
        let value = attribute.value();
        match attribute.kind() {
            PACKET_DIAG_RX_RING => return None,
            PACKET_DIAG_INFO => ifindex = u32_at(value, 0).filter(|index| *index != 0),
            PACKET_DIAG_UID => uid = u32_at(value, 0),
            PACKET_DIAG_MEMINFO => memory = Memory::parse(value),
            PACKET_DIAG_FILTER => filter = Some(instructions(value)),
            _ => {}
        }
    }
    let cooked = socket_type == SOCK_DGRAM;
    let filter = filter?;
    if !filter.looks_like_a_server(cooked) {
        return None;
    }
    Some(ListeningSocket {
        cookie: cookie_at(header, 8)?,
        inode: u32_at(header, 4)?.into(),
        netns,
        uid,
        ifindex,
        kind: SocketKind::Packet {
            protocol: u16_at(header, 2)?,
            cooked,
            instructions: u16::try_from(filter.len()).unwrap_or(u16::MAX),
        },
        drops: memory.drops,
        receive_queue: memory.received,
        receive_buffer: memory.buffer,
        order: 0,
        reuse_port: None,
        holders: Vec::new(),
    })
}

/// An array of `sock_filter`.
fn instructions(attribute: &[u8]) -> Filter {
    let (instructions, _) = attribute.as_chunks::<8>();
    Filter::new(
        instructions
            .iter()
            .map(|[c0, c1, jt, jf, k0, k1, k2, k3]| Instruction {
                code: u16::from_ne_bytes([*c0, *c1]),
                jt: *jt,
                jf: *jf,
                k: u32::from_ne_bytes([*k0, *k1, *k2, *k3]),
            })
            .collect(),
    )
}
