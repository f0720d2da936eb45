//! Is this frame DHCP, and which message? Pure, and the same for every hook.
//!
//! Nearly every frame that a host receives is not DHCP, so the order of the questions
//! is the cost of the agent: ethertype, IP protocol, ports, and only then the rest.
//! Never verifies a checksum (those of locally made packets are partial in every hook)
//! and never judges a message: a damaged one counts as a message without a type.

use core::ops::ControlFlow;
use leasehound_common::{family, message_type};

const ETHERTYPE_OFFSET: u32 = 12;
const ETHERNET_HEADER: u32 = 14;
const VLAN_TAG: u32 = 4;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const ETHERTYPE_8021Q: [u8; 2] = [0x81, 0x00];
const ETHERTYPE_8021AD: [u8; 2] = [0x88, 0xa8];

const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_UDP: u8 = 17;
const IPV6_HEADER: u32 = 40;
const UDP_HEADER: u32 = 8;
/// RFC 792: type, code, checksum, and four octets that depend on the type.
const ICMP_HEADER: u32 = 8;
const DESTINATION_UNREACHABLE: u8 = 3;

/// 'op' to 'file' (RFC 2131 §2).
const BOOTP_HEADER: u32 = 236;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTION_PAD: u8 = 0;
const OPTION_MESSAGE_TYPE: u8 = 53;
const OPTION_END: u8 = 255;

/// How many options are looked at for the message type. Clients and servers put it
/// first; `dhcp_release` too.
pub const OPTIONS_SEARCHED: u32 = 64;

/// The octets of a frame, of which any may be missing.
pub trait Packet {
    /// `N` octets at `offset`, or nothing if the frame ends before.
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]>;

    /// The same, for an offset that is the sum of several unknowns: the verifier loses
    /// track of those, so a hook reads through a helper here.
    #[inline(always)]
    fn read_far<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.read(offset)
    }

    /// The first `N` octets where they lie, or nothing if they are not in one piece.
    fn start<const N: usize>(&self) -> Option<&[u8; N]>;

    /// Takes up to [`OPTIONS_SEARCHED`] steps of `search`.
    ///
    /// A hook has its own way to loop: the verifier follows a plain loop step by step
    /// and gives up on this one.
    #[inline(always)]
    fn search(&self, search: &mut OptionSearch)
    where
        Self: Sized,
    {
        for _ in 0..OPTIONS_SEARCHED {
            if search.step(self).is_break() {
                break;
            }
        }
    }
}

/// A frame that carries DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dhcp {
    /// One of [`leasehound_common::family`].
    pub family: u8,
    /// How many VLAN tags are in the frame: 0 to 2.
    pub tags: u8,
    /// Outer and inner tag, as many as there are.
    pub tci: [u16; 2],
    /// Whether it is the first of several IP fragments.
    pub first_fragment: bool,
    /// Where the IP header begins.
    pub l3: u32,
    /// Where the UDP header begins.
    pub udp: u32,
}

impl Dhcp {
    /// Where the DHCP message begins.
    #[inline(always)]
    pub const fn payload(&self) -> u32 {
        self.udp + UDP_HEADER
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Not DHCP, or so damaged that nobody could tell.
    Other,
    /// IPv6 with an extension header: not looked into.
    ExtensionHeaders,
    /// DHCP, by its UDP ports.
    Dhcp(Dhcp),
    /// ICMPv4 destination unreachable, about a datagram between DHCPv4 ports. Where the
    /// UDP header begins is where that of the quoted datagram does; all else is about
    /// the frame itself.
    IcmpError(Dhcp),
}

/// Looks at the headers of an Ethernet frame.
#[inline(always)]
pub fn classify(packet: &impl Packet) -> Class {
    // All but a few frames are done with here, after one check of their length.
    if let Some(start) = packet.start() {
        if ipv4_without_dhcp(start) {
            return Class::Other;
        }
        if let Some(start) = packet.start()
            && ipv6_without_dhcp(start)
        {
            return Class::Other;
        }
    }
    let Some(ethertype) = packet.read::<2>(ETHERTYPE_OFFSET) else {
        return Class::Other;
    };
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(packet, ETHERNET_HEADER, 0, [0; 2]),
        ETHERTYPE_IPV6 => ipv6(packet, ETHERNET_HEADER, 0, [0; 2]),
        ETHERTYPE_8021Q | ETHERTYPE_8021AD => tagged(packet),
        _ => Class::Other,
    }
}

/// Looks at a packet that begins with its IP header. IPv4 only, and never
/// [`Class::ExtensionHeaders`].
#[inline(always)]
pub fn classify_ip(packet: &impl Packet) -> Class {
    if let Some(start) = packet.start()
        && ip_without_dhcp(start)
    {
        return Class::Other;
    }
    ipv4(packet, 0, 0, [0; 2])
}

/// An IPv4 header without options, two ports.
pub type IpStart = [u8; 24];

/// Certainly not DHCPv4. Says no where it would have to look twice.
#[inline(always)]
pub const fn ip_without_dhcp(start: &IpStart) -> bool {
    if start[0] >> 4 != 4 || start[9] != PROTOCOL_UDP {
        return true;
    }
    start[0] == 0x45 && !is_port([start[22], start[23]], 67) && !is_port([start[20], start[21]], 67)
}

/// Ethernet, an IPv4 header without options, two ports.
type Ipv4Start = [u8; 38];
/// Ethernet, an IPv6 header, two ports.
type Ipv6Start = [u8; 58];

/// Certainly IPv4, and certainly neither DHCP nor an ICMP error. Says no where it would
/// have to look twice.
#[inline(always)]
fn ipv4_without_dhcp(start: &Ipv4Start) -> bool {
    if [start[12], start[13]] != ETHERTYPE_IPV4 {
        return false;
    }
    match start[23] {
        PROTOCOL_UDP => {
            start[14] == 0x45
                && !is_port([start[36], start[37]], 67)
                && !is_port([start[34], start[35]], 67)
        }
        PROTOCOL_ICMP => start[14] == 0x45 && start[34] != DESTINATION_UNREACHABLE,
        _ => true,
    }
}

/// Certainly IPv6, and certainly neither DHCP nor an extension header.
#[inline(always)]
fn ipv6_without_dhcp(start: &Ipv6Start) -> bool {
    if [start[12], start[13]] != ETHERTYPE_IPV6 {
        return false;
    }
    match start[20] {
        PROTOCOL_UDP => {
            !is_port([start[56], start[57]], 546) && !is_port([start[54], start[55]], 546)
        }
        // TCP, ICMPv6
        6 | 58 => true,
        _ => false,
    }
}

/// Whether a port is `low` or the one after it.
#[inline(always)]
const fn is_port(port: [u8; 2], low: u16) -> bool {
    u16::from_be_bytes(port).wrapping_sub(low) < 2
}

#[inline(always)]
fn tagged(packet: &impl Packet) -> Class {
    let Some([a, b, c, d]) = packet.read::<4>(ETHERNET_HEADER) else {
        return Class::Other;
    };
    let outer = u16::from_be_bytes([a, b]);
    let l3 = ETHERNET_HEADER + VLAN_TAG;
    match [c, d] {
        ETHERTYPE_IPV4 => ipv4(packet, l3, 1, [outer, 0]),
        ETHERTYPE_IPV6 => ipv6(packet, l3, 1, [outer, 0]),
        ETHERTYPE_8021Q | ETHERTYPE_8021AD => {
            let Some([a, b, c, d]) = packet.read::<4>(l3) else {
                return Class::Other;
            };
            let inner = u16::from_be_bytes([a, b]);
            let l3 = l3 + VLAN_TAG;
            match [c, d] {
                ETHERTYPE_IPV4 => ipv4(packet, l3, 2, [outer, inner]),
                ETHERTYPE_IPV6 => ipv6(packet, l3, 2, [outer, inner]),
                _ => Class::Other,
            }
        }
        _ => Class::Other,
    }
}

#[inline(always)]
fn ipv4(packet: &impl Packet, l3: u32, tags: u8, tci: [u16; 2]) -> Class {
    let Some([protocol @ (PROTOCOL_UDP | PROTOCOL_ICMP)]) = packet.read::<1>(l3 + 9) else {
        return Class::Other;
    };
    // In one piece: the verifier does not believe in the very first octet alone.
    let Some([version_ihl, .., high, low]) = packet.read::<8>(l3) else {
        return Class::Other;
    };
    let Some((header, first_fragment)) = ipv4_header(version_ihl, [high, low]) else {
        return Class::Other;
    };
    let mut dhcp = Dhcp {
        family: family::V4,
        tags,
        tci,
        first_fragment,
        l3,
        udp: l3 + header,
    };
    if protocol == PROTOCOL_ICMP {
        return match quoted_udp(packet, dhcp.udp) {
            Some(udp) => {
                dhcp.udp = udp;
                Class::IcmpError(dhcp)
            }
            None => Class::Other,
        };
    }
    if between_ports(packet, dhcp.udp, 67) {
        Class::Dhcp(dhcp)
    } else {
        Class::Other
    }
}

/// The length of an IPv4 header, and whether it heads the first of several fragments. A
/// later fragment has none: what follows it is no transport header.
#[inline(always)]
fn ipv4_header(version_ihl: u8, fragment: [u8; 2]) -> Option<(u32, bool)> {
    // Masked, not only compared: the verifier needs to see that the offset is small.
    let header = u32::from(version_ihl & 0x0f) * 4;
    if version_ihl >> 4 != 4 || header < 20 || fragment[0] & 0x1f != 0 || fragment[1] != 0 {
        return None;
    }
    Some((header, fragment[0] & 0x20 != 0))
}

/// Where the UDP header is that an ICMP error at `icmp` quotes, if it is one about DHCPv4.
#[inline(always)]
fn quoted_udp(packet: &impl Packet, icmp: u32) -> Option<u32> {
    // Type and code: at an unknown offset the verifier does not believe in one octet alone.
    let [DESTINATION_UNREACHABLE, _] = packet.read(icmp)? else {
        return None;
    };
    let l3 = icmp + ICMP_HEADER;
    let start = packet.read_far::<10>(l3)?;
    if start[9] != PROTOCOL_UDP {
        return None;
    }
    let (header, _) = ipv4_header(start[0], [start[6], start[7]])?;
    let udp = l3 + header;
    is_between_ports(packet.read_far(udp)?, 67).then_some(udp)
}

#[inline(always)]
fn ipv6(packet: &impl Packet, l3: u32, tags: u8, tci: [u16; 2]) -> Class {
    let Some([next_header]) = packet.read::<1>(l3 + 6) else {
        return Class::Other;
    };
    match next_header {
        PROTOCOL_UDP => {}
        // Hop-by-hop, routing, fragment, AH, destination options, mobility, HIP, shim6
        // (the IANA registry of extension headers; ESP hides what follows).
        0 | 43 | 44 | 51 | 60 | 135 | 139 | 140 => return Class::ExtensionHeaders,
        _ => return Class::Other,
    }
    let udp = l3 + IPV6_HEADER;
    if !between_ports(packet, udp, 546) {
        return Class::Other;
    }
    Class::Dhcp(Dhcp {
        family: family::V6,
        tags,
        tci,
        first_fragment: false,
        l3,
        udp,
    })
}

/// Whether the datagram goes to, or else comes from, `low` or the port after it. The
/// destination counts first: `dhcp_release` sends from an ephemeral port.
#[inline(always)]
fn between_ports(packet: &impl Packet, udp: u32, low: u16) -> bool {
    packet
        .read::<4>(udp)
        .is_some_and(|ports| is_between_ports(ports, low))
}

#[inline(always)]
const fn is_between_ports([a, b, c, d]: [u8; 4], low: u16) -> bool {
    is_port([c, d], low) || is_port([a, b], low)
}

/// The message type as it is counted: see [`leasehound_common::message_type`].
#[inline(always)]
pub fn message_type_of(packet: &impl Packet, dhcp: &Dhcp) -> u8 {
    let payload = dhcp.payload();
    if dhcp.family == family::V6 {
        return match packet.read::<1>(payload) {
            None => message_type::NONE,
            Some([code]) => assigned(code, message_type::HIGHEST_V6),
        };
    }
    if packet.read::<4>(payload + BOOTP_HEADER) != Some(MAGIC_COOKIE) {
        return message_type::NONE;
    }
    let options = payload + BOOTP_HEADER + 4;
    let first = packet.read::<3>(options);
    let found = if let Some([OPTION_MESSAGE_TYPE, 1, code]) = first {
        // Nearly always.
        Some(code)
    } else {
        let mut search = OptionSearch::new(options);
        packet.search(&mut search);
        search.found()
    };
    match found {
        None | Some(message_type::NONE) => message_type::NONE,
        Some(code) => assigned(code, message_type::HIGHEST_V4),
    }
}

#[inline(always)]
const fn assigned(code: u8, highest: u8) -> u8 {
    if code == 0 || code > highest {
        message_type::UNASSIGNED
    } else {
        code
    }
}

/// A walk through options in search of option 53, one option at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct OptionSearch {
    offset: u32,
    /// 0 until found: no message has the type 0.
    code: u32,
}

impl OptionSearch {
    /// Starts at the option at `offset`.
    pub const fn new(offset: u32) -> Self {
        Self { offset, code: 0 }
    }

    /// Looks at one option.
    #[inline(always)]
    pub fn step(&mut self, packet: &impl Packet) -> ControlFlow<()> {
        let Some([code]) = packet.read::<1>(self.offset) else {
            return ControlFlow::Break(());
        };
        match code {
            OPTION_END => return ControlFlow::Break(()),
            OPTION_PAD => {
                self.offset = self.offset.wrapping_add(1);
                return ControlFlow::Continue(());
            }
            _ => {}
        }
        let Some([length]) = packet.read::<1>(self.offset.wrapping_add(1)) else {
            return ControlFlow::Break(());
        };
        if code == OPTION_MESSAGE_TYPE && length == 1 {
            if let Some([value]) = packet.read::<1>(self.offset.wrapping_add(2)) {
                self.code = u32::from(value);
            }
            return ControlFlow::Break(());
        }
        self.offset = self.offset.wrapping_add(2).wrapping_add(u32::from(length));
        ControlFlow::Continue(())
    }

    /// What was found.
    #[inline(always)]
    pub const fn found(&self) -> Option<u8> {
        // 0..=255 by construction.
        #[expect(clippy::cast_possible_truncation, reason = "made from a u8")]
        let code = self.code as u8;
        if code == 0 { None } else { Some(code) }
    }
}

#[cfg(test)]
mod tests;
