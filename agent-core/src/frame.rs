//! From captured octets to a UDP datagram. Damage is a fact, not an error.

use crate::message::MacAddress;
use std::net::IpAddr;

/// How the captured octets begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II (`LINKTYPE_ETHERNET`, 1).
    Ethernet,
    /// Linux cooked capture v1 (`LINKTYPE_LINUX_SLL`, 113).
    LinuxSll,
    /// Linux cooked capture v2 (`LINKTYPE_LINUX_SLL2`, 276).
    LinuxSll2,
    /// An IPv4 or IPv6 header (`LINKTYPE_RAW`, 101).
    RawIp,
}

/// For whom the link layer says the frame is: the kernel's `skb->pkt_type`, or the
/// cooked header's packet type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// `PACKET_HOST`
    Host,
    /// `PACKET_BROADCAST`
    Broadcast,
    /// `PACKET_MULTICAST`
    Multicast,
    /// `PACKET_OTHERHOST`
    OtherHost,
    /// `PACKET_OUTGOING`
    Outgoing,
}

/// The VLAN identifiers of a frame, outermost first; at most two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VlanStack {
    /// 802.1Q or 802.1ad outer identifier, 0-4095.
    pub outer: Option<u16>,
    /// Inner identifier.
    pub inner: Option<u16>,
}

/// One captured frame, as the engine is handed it.
#[derive(Debug, Clone, Copy)]
pub struct RawFrame<'a> {
    /// How the octets begin.
    pub link: LinkType,
    /// What was captured; may be shorter than the frame was.
    pub bytes: &'a [u8],
    /// Length of the frame on the wire, in octets.
    pub wire_length: u32,
    /// Tags that the kernel had already taken out of the octets.
    pub vlan: VlanStack,
    /// The kernel's `pkt_type`, where it is known.
    pub packet_type: Option<PacketType>,
}

/// What the UDP checksum field says (RFC 768), judged over the captured payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UdpChecksum {
    /// Zero: the sender computed none (IPv4 only).
    Absent,
    /// Right.
    Valid,
    /// The bare pseudo-header sum: left for the device to fill in
    /// (`CHECKSUM_PARTIAL`). A kernel takes it as right on a virtual link.
    Partial,
    /// Neither of these: `udp_recvmsg` throws the datagram away (`UDP_CSUM`).
    Bad,
    /// Not all octets were captured, or the datagram is a fragment.
    Unknown,
}

/// Where in a fragmented datagram this packet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Not fragmented.
    Whole,
    /// The first of several: the UDP header is here, the rest is not.
    First,
}

/// A UDP datagram and what carried it.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Source MAC, where the link type has one.
    pub source_mac: Option<MacAddress>,
    /// Destination MAC, where the link type has one (Ethernet).
    pub destination_mac: Option<MacAddress>,
    /// Tags from the octets and from the kernel, merged.
    pub vlan: VlanStack,
    /// The kernel's or the cooked header's packet type.
    pub packet_type: Option<PacketType>,
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// UDP source port.
    pub source_port: u16,
    /// UDP destination port.
    pub destination_port: u16,
    /// What the UDP checksum says.
    pub checksum: UdpChecksum,
    /// Whole or first fragment.
    pub fragment: Fragment,
    /// The UDP payload that was captured. Ethernet padding is not in it.
    pub payload: &'a [u8],
    /// The payload's length by the UDP header, in octets.
    pub payload_length: u16,
}
