//! The octets that only recordings have: local blocks and local options.
//!
//! A local block's body is a mark, whether the next block continues it, the length of
//! its text, and the text, JSON. All integers are little-endian, as the section is.

use crate::capture::file::LOCAL_OCTETS;
use leasehound_core::delivery::SocketCookie;
use leasehound_core::frame::{PacketType, VlanStack};
use leasehound_core::origin::{Direction, Hook};
use leasehound_core::time::Timestamp;

/// The block type: the top bit says that it is free for local use.
pub(super) const BLOCK_TYPE: u32 = 0x8000_1ea5;
/// Tells our blocks from those of others who chose the same type.
pub(super) const MARK: [u8; 4] = *b"LHND";
/// Text in one block: far below what readers take for damage (16 MiB in Wireshark).
pub(super) const MAX_TEXT: usize = 1024 * 1024;

/// The body of a block.
pub(super) fn piece(body: &mut Vec<u8>, text: &[u8], continued: bool) {
    body.extend_from_slice(&MARK);
    body.extend_from_slice(&u32::from(continued).to_le_bytes());
    body.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(text);
}

/// Text of a body and whether it is continued; `None` if it is not ours.
pub(super) fn parse_piece(body: &[u8]) -> Option<(&[u8], bool)> {
    let rest = body.strip_prefix(&MARK)?;
    let (continued, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some((rest.get(..length)?, u32::from_le_bytes(*continued) != 0))
}

/// What an enhanced packet block cannot say of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameMark {
    pub(super) now: Timestamp,
    pub(super) direction: Direction,
    pub(super) hook: Hook,
    pub(super) packet_type: Option<PacketType>,
    pub(super) vlan: VlanStack,
    pub(super) socket: Option<SocketCookie>,
}

impl FrameMark {
    pub(super) fn encode(&self) -> [u8; LOCAL_OCTETS] {
        let present =
            u8::from(self.vlan.outer.is_some()) | u8::from(self.vlan.inner.is_some()) << 1;
        let [o0, o1] = self.vlan.outer.unwrap_or(0).to_le_bytes();
        let [i0, i1] = self.vlan.inner.unwrap_or(0).to_le_bytes();
        let [n0, n1, n2, n3, n4, n5, n6, n7] = self.now.as_nanos().to_le_bytes();
        // No socket has the cookie 0.
        let [c0, c1, c2, c3, c4, c5, c6, c7] =
            self.socket.map_or(0, |socket| socket.0).to_le_bytes();
        let hook = match self.hook {
            Hook::Tcx => 0,
            Hook::Clsact => 1,
            Hook::Xdp => 2,
            Hook::File => 3,
            Hook::CgroupSkb => 4,
            Hook::KfreeSkb => 5,
            Hook::ConsumeSkb => 6,
        };
        let packet_type = match self.packet_type {
            None => 0,
            Some(PacketType::Host) => 1,
            Some(PacketType::Broadcast) => 2,
            Some(PacketType::Multicast) => 3,
            Some(PacketType::OtherHost) => 4,
            Some(PacketType::Outgoing) => 5,
        };
        let direction = match self.direction {
            Direction::Unknown => 0,
            Direction::Ingress => 1,
            Direction::Egress => 2,
        };
        [
            hook,
            packet_type,
            direction,
            present,
            o0,
            o1,
            i0,
            i1,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
        ]
    }

    /// `None` if it holds what no version writes.
    pub(super) fn decode(octets: [u8; LOCAL_OCTETS]) -> Option<Self> {
        let [
            hook,
            packet_type,
            direction,
            present,
            o0,
            o1,
            i0,
            i1,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            cookie @ ..,
        ] = octets;
        let cookie = u64::from_le_bytes(cookie);
        Some(Self {
            now: Timestamp::from_nanos(u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7])),
            socket: (cookie != 0).then_some(SocketCookie(cookie)),
            direction: match direction {
                0 => Direction::Unknown,
                1 => Direction::Ingress,
                2 => Direction::Egress,
                _ => return None,
            },
            hook: match hook {
                0 => Hook::Tcx,
                1 => Hook::Clsact,
                2 => Hook::Xdp,
                3 => Hook::File,
                4 => Hook::CgroupSkb,
                5 => Hook::KfreeSkb,
                6 => Hook::ConsumeSkb,
                _ => return None,
            },
            packet_type: match packet_type {
                0 => None,
                1 => Some(PacketType::Host),
                2 => Some(PacketType::Broadcast),
                3 => Some(PacketType::Multicast),
                4 => Some(PacketType::OtherHost),
                5 => Some(PacketType::Outgoing),
                _ => return None,
            },
            vlan: VlanStack {
                outer: (present & 1 != 0).then_some(u16::from_le_bytes([o0, o1])),
                inner: (present & 2 != 0).then_some(u16::from_le_bytes([i0, i1])),
            },
        })
    }

    /// `epb_flags`: direction, and for whom the frame was, so that Wireshark shows them.
    pub(super) fn epb_flags(&self) -> u32 {
        let direction = match self.direction {
            Direction::Unknown => 0,
            Direction::Ingress => 1,
            Direction::Egress => 2,
        };
        let reception = match self.packet_type {
            None | Some(PacketType::Outgoing) => 0,
            Some(PacketType::Host) => 1,
            Some(PacketType::Multicast) => 2,
            Some(PacketType::Broadcast) => 3,
            Some(PacketType::OtherHost) => 4,
        };
        direction | reception << 2
    }
}
