//! The link layer: Ethernet, VLAN tags, Linux cooked, or none.

use super::{Layer, LinkType, NotDhcpFrame, PacketType, RawFrame, VlanStack};
use crate::message::MacAddress;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and what double tagging used before 802.1ad.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const TRUNCATED: NotDhcpFrame = NotDhcpFrame::TruncatedHeader(Layer::Link);

/// What the link layer says, and the IP packet behind it (padding included).
pub(super) struct Link<'a> {
    pub(super) source_mac: Option<MacAddress>,
    pub(super) destination_mac: Option<MacAddress>,
    pub(super) vlan: VlanStack,
    pub(super) packet_type: Option<PacketType>,
    pub(super) ip: &'a [u8],
}

pub(super) fn parse<'a>(frame: &RawFrame<'a>) -> Result<Link<'a>, NotDhcpFrame> {
    let mut link = Link {
        source_mac: None,
        destination_mac: None,
        vlan: frame.vlan,
        packet_type: frame.packet_type,
        ip: frame.bytes,
    };
    let ethertype = match frame.link {
        LinkType::RawIp => return Ok(link),
        LinkType::Ethernet => {
            let (header, rest) = split::<14>(frame.bytes)?;
            let [d @ .., s0, s1, s2, s3, s4, s5, t1, t0] = *header;
            link.destination_mac = Some(MacAddress(d));
            link.source_mac = Some(MacAddress([s0, s1, s2, s3, s4, s5]));
            link.ip = rest;
            u16::from_be_bytes([t1, t0])
        }
        LinkType::LinuxSll => {
            let (header, rest) = split::<16>(frame.bytes)?;
            let [k1, k0, _, _, n1, n0, address @ .., _, _, t1, t0] = *header;
            link.cooked(
                u16::from_be_bytes([k1, k0]),
                u16::from_be_bytes([n1, n0]),
                address,
            );
            link.ip = rest;
            u16::from_be_bytes([t1, t0])
        }
        LinkType::LinuxSll2 => {
            let (header, rest) = split::<20>(frame.bytes)?;
            let [
                t1,
                t0,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                kind,
                length,
                address @ ..,
                _,
                _,
            ] = *header;
            link.cooked(kind.into(), length.into(), address);
            link.ip = rest;
            u16::from_be_bytes([t1, t0])
        }
    };
    link.strip_tags(ethertype)?;
    Ok(link)
}

impl Link<'_> {
    /// Packet type and sender of a cooked header. What the kernel said by itself
    /// goes first.
    fn cooked(&mut self, kind: u16, address_length: u16, address: [u8; 6]) {
        self.packet_type = self.packet_type.or(match kind {
            0 => Some(PacketType::Host),
            1 => Some(PacketType::Broadcast),
            2 => Some(PacketType::Multicast),
            3 => Some(PacketType::OtherHost),
            4 => Some(PacketType::Outgoing),
            _ => None,
        });
        self.source_mac = (address_length == 6).then_some(MacAddress(address));
    }

    fn strip_tags(&mut self, mut ethertype: u16) -> Result<(), NotDhcpFrame> {
        let mut tags = 0;
        while ETHERTYPES_VLAN.contains(&ethertype) {
            if tags == 2 {
                return Err(NotDhcpFrame::TooManyTags);
            }
            tags += 1;
            let (tag, rest) = split::<4>(self.ip)?;
            let [i1, i0, t1, t0] = *tag;
            self.vlan.push(u16::from_be_bytes([i1, i0]) & 0x0fff);
            self.ip = rest;
            ethertype = u16::from_be_bytes([t1, t0]);
        }
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok(()),
            other => Err(NotDhcpFrame::NotIp(other)),
        }
    }
}

impl VlanStack {
    /// Adds a tag inside those there are; a third is not kept.
    fn push(&mut self, identifier: u16) {
        if self.outer.is_none() {
            self.outer = Some(identifier);
        } else if self.inner.is_none() {
            self.inner = Some(identifier);
        }
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), NotDhcpFrame> {
    bytes.split_first_chunk::<N>().ok_or(TRUNCATED)
}
