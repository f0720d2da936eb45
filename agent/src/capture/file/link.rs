//! Link types of capture files: which can be read, and what a cooked header tells.

use leasehound_core::frame::LinkType;
use leasehound_core::origin::Direction;

/// A LINKTYPE value as it stands in a file (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkCode(pub u32);

impl LinkCode {
    /// The core's link type; `None` if it can't be read.
    ///
    /// 12 and 14 are `DLT_RAW` of Linux and OpenBSD, written by programs that did
    /// not map it to 101.
    pub fn link_type(self) -> Option<LinkType> {
        match self.0 {
            1 => Some(LinkType::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(LinkType::RawIp),
            113 => Some(LinkType::LinuxSll),
            276 => Some(LinkType::LinuxSll2),
            _ => None,
        }
    }
}

impl From<LinkType> for LinkCode {
    fn from(link: LinkType) -> Self {
        Self(match link {
            LinkType::Ethernet => 1,
            LinkType::RawIp => 101,
            LinkType::LinuxSll => 113,
            LinkType::LinuxSll2 => 276,
        })
    }
}

impl std::fmt::Display for LinkCode {
    /// The number, and the name of those that are met in practice.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            0 => "NULL",
            1 => "ETHERNET",
            9 => "PPP",
            12 | 14 | 101 => "RAW",
            105 => "IEEE802_11",
            108 => "LOOP",
            113 => "LINUX_SLL",
            127 => "IEEE802_11_RADIOTAP",
            147..=162 => "USER",
            189 | 220 => "USB_LINUX",
            228 => "IPV4",
            229 => "IPV6",
            239 => "NFLOG",
            253 => "NETLINK",
            276 => "LINUX_SLL2",
            _ => return write!(f, "{}", self.0),
        };
        write!(f, "{} ({name})", self.0)
    }
}

/// What a cooked header says of the way and the interface of its packet.
#[inline]
pub(super) fn cooked(link: LinkType, bytes: &[u8]) -> (Direction, Option<u32>) {
    match link {
        LinkType::LinuxSll => {
            let packet_type = bytes
                .first_chunk()
                .map(|octets| u16::from_be_bytes(*octets));
            (packet_type.map_or(Direction::Unknown, direction), None)
        }
        LinkType::LinuxSll2 => {
            let packet_type = bytes.get(10).map(|octet| u16::from(*octet));
            let ifindex = bytes
                .get(4..8)
                .and_then(|octets| octets.first_chunk())
                .map(|octets| u32::from_be_bytes(*octets));
            (packet_type.map_or(Direction::Unknown, direction), ifindex)
        }
        LinkType::Ethernet | LinkType::RawIp => (Direction::Unknown, None),
    }
}

/// `sll_pkttype`: 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 from us.
fn direction(packet_type: u16) -> Direction {
    match packet_type {
        0..=3 => Direction::Ingress,
        4 => Direction::Egress,
        _ => Direction::Unknown,
    }
}
