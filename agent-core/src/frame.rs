//! From captured octets to a UDP datagram. Damage is a fact, not an error.
//!
//! [`parse`] runs for every captured frame: it never allocates, never panics and
//! touches no octet that it does not need. The checksum costs only who asks for it.

mod checksum;
mod icmp;
mod ip;
mod link;

pub use icmp::{Unreachable, parse_unreachable};

use crate::delivery::SocketCookie;
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
    /// The socket that sent it, of a frame that leaves this host.
    pub socket: Option<SocketCookie>,
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
    /// Whole or first fragment.
    pub fragment: Fragment,
    /// The UDP payload that was captured. Ethernet padding is not in it.
    pub payload: &'a [u8],
    /// The payload's length by the UDP header, in octets; more than `payload` holds
    /// if not all was captured or the rest is in later fragments.
    pub payload_length: u16,
    /// The checksum field as it stands.
    checksum_field: u16,
}

impl Datagram<'_> {
    /// Judges the UDP checksum. Reads the whole payload each time: ask only where
    /// the answer matters.
    pub fn checksum(&self) -> UdpChecksum {
        checksum::judge(self)
    }
}

/// Why a frame holds no DHCP datagram that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotDhcpFrame {
    /// The octets end inside a header.
    #[error("the octets end inside the {0} header")]
    TruncatedHeader(Layer),
    /// More than two VLAN tags in the octets.
    #[error("more than two VLAN tags")]
    TooManyTags,
    /// Neither IPv4 nor IPv6.
    #[error("ethertype {0:#06x} is not IP")]
    NotIp(u16),
    /// The IP version, header length or total length cannot be.
    #[error("impossible IP header")]
    BadIpHeader,
    /// IP, but not UDP.
    #[error("IP protocol {0} is not UDP")]
    NotUdp(u8),
    /// An IPv6 extension header stands before what could be UDP; not looked through.
    #[error("IPv6 extension header {0}")]
    ExtensionHeader(u8),
    /// A fragment other than the first: it has no UDP header.
    #[error("later fragment")]
    LaterFragment,
    /// The UDP length is shorter than the UDP header, so a kernel drops it.
    #[error("UDP length {0} is shorter than its header")]
    BadUdpLength(u16),
    /// Neither end has a DHCP port of its family.
    #[error("UDP ports {source_port} and {destination_port} are not DHCP")]
    NotDhcpPort {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
}

/// A header that [`NotDhcpFrame::TruncatedHeader`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Ethernet, a VLAN tag, or Linux cooked.
    Link,
    /// IPv4 or IPv6.
    Ip,
    /// UDP.
    Udp,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Link => "link",
            Self::Ip => "IP",
            Self::Udp => "UDP",
        })
    }
}

/// Finds the DHCP datagram in a frame: UDP with port 67 or 68 (IPv4), 546 or 547
/// (IPv6) at either end; tools such as `dhcp_release` send from an ephemeral port.
///
/// A kernel-stripped tag counts as outside of those in the octets.
pub fn parse<'a>(frame: &RawFrame<'a>) -> Result<Datagram<'a>, NotDhcpFrame> {
    let link = link::parse(frame)?;
    let ip = ip::parse(link.ip)?;
    let (udp, _) = ip
        .payload
        .split_first_chunk::<8>()
        .ok_or(NotDhcpFrame::TruncatedHeader(Layer::Udp))?;
    let [s1, s0, d1, d0, l1, l0, c1, c0] = *udp;
    let source_port = u16::from_be_bytes([s1, s0]);
    let destination_port = u16::from_be_bytes([d1, d0]);
    let dhcp_ports = if ip.source.is_ipv4() {
        67..=68
    } else {
        546..=547
    };
    if !dhcp_ports.contains(&destination_port) && !dhcp_ports.contains(&source_port) {
        return Err(NotDhcpFrame::NotDhcpPort {
            source_port,
            destination_port,
        });
    }
    let length = u16::from_be_bytes([l1, l0]);
    let payload_length = length
        .checked_sub(8)
        .ok_or(NotDhcpFrame::BadUdpLength(length))?;
    let end = usize::from(length).min(ip.payload.len());
    Ok(Datagram {
        source_mac: link.source_mac,
        destination_mac: link.destination_mac,
        vlan: link.vlan,
        packet_type: link.packet_type,
        source: ip.source,
        destination: ip.destination,
        source_port,
        destination_port,
        fragment: ip.fragment,
        payload: ip.payload.get(8..end).unwrap_or_default(),
        payload_length,
        checksum_field: u16::from_be_bytes([c1, c0]),
    })
}

#[cfg(test)]
mod tests;
