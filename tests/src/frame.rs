//! A message in UDP, IPv4 and Ethernet, with every header under the test's control.

use crate::message::{Mac, Message};
use std::net::Ipv4Addr;

/// What stands in the UDP checksum field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The right sum.
    Right,
    /// A sum that is neither right nor zero.
    Wrong,
    /// Zero: none was made (RFC 768).
    Zero,
}

/// One frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Ethernet destination
    pub to: Mac,
    /// Ethernet source
    pub from: Mac,
    /// IP source
    pub source: Ipv4Addr,
    /// IP destination
    pub destination: Ipv4Addr,
    /// UDP source port
    pub source_port: u16,
    /// UDP destination port
    pub destination_port: u16,
    /// UDP checksum
    pub checksum: Checksum,
    /// What it carries
    pub message: Message,
}

impl Frame {
    /// A broadcast by a client without an address.
    pub fn broadcast(from: Mac, message: Message) -> Self {
        Self {
            to: Mac::BROADCAST,
            from,
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::BROADCAST,
            source_port: 68,
            destination_port: 67,
            checksum: Checksum::Right,
            message,
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let udp = self.udp();
        let mut frame = Vec::with_capacity(34 + udp.len());
        frame.extend(self.to.0);
        frame.extend(self.from.0);
        frame.extend([0x08, 0x00]);
        frame.extend(ipv4_header(self.source, self.destination, 17, udp.len()));
        frame.extend(udp);
        frame
    }

    fn udp(&self) -> Vec<u8> {
        let payload = self.message.encode();
        let length = u16_len(8 + payload.len()).to_be_bytes();
        let mut udp = Vec::with_capacity(8 + payload.len());
        udp.extend(self.source_port.to_be_bytes());
        udp.extend(self.destination_port.to_be_bytes());
        udp.extend(length);
        udp.extend([0, 0]);
        udp.extend(payload);
        let mut pseudo = Vec::with_capacity(12 + udp.len());
        pseudo.extend(self.source.octets());
        pseudo.extend(self.destination.octets());
        pseudo.extend([0, 17]);
        pseudo.extend(length);
        pseudo.extend(&udp);
        let right = match internet_checksum(&pseudo) {
            0 => 0xffff,
            sum => sum,
        };
        let sum = match self.checksum {
            Checksum::Right => right,
            Checksum::Zero => 0,
            Checksum::Wrong => (right ^ 0x5a5a).max(1),
        };
        if let Some(field) = udp.get_mut(6..8) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        udp
    }
}

/// An IPv4 header without options for `length` bytes of payload (RFC 791 §3.1).
pub fn ipv4_header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    length: usize,
) -> [u8; 20] {
    let [l0, l1] = u16_len(20 + length).to_be_bytes();
    let [s0, s1, s2, s3] = source.octets();
    let [d0, d1, d2, d3] = destination.octets();
    let build = |c0, c1| {
        [
            0x45, 0, l0, l1, 0, 0, 0, 0, 64, protocol, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3,
        ]
    };
    let [c0, c1] = internet_checksum(&build(0, 0)).to_be_bytes();
    build(c0, c1)
}

/// RFC 1071
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let word = match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            [high] => u16::from_be_bytes([*high, 0]),
            _ => 0,
        };
        sum += u32::from(word);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// The reply in a frame to a client (port 68) or a relay agent (port 67); `None` for any
/// other frame.
pub fn reply_in(frame: &[u8]) -> Option<Message> {
    let ip = frame
        .strip_prefix(frame.get(..12)?)?
        .strip_prefix(&[0x08, 0x00])?;
    let udp = ip.get(usize::from(ip.first()? & 0x0f) * 4..)?;
    let port = u16::from_be_bytes(udp.get(2..4)?.try_into().ok()?);
    if *ip.get(9)? != 17 || !matches!(port, 67 | 68) {
        return None;
    }
    Message::decode(udp.get(8..)?).filter(|message| message.op == 2)
}

fn u16_len(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::kind;

    fn frame(checksum: Checksum) -> Frame {
        let message = Message::request(kind::DISCOVER, 1, Mac::client(1));
        Frame {
            checksum,
            ..Frame::broadcast(Mac::client(1), message)
        }
    }

    #[test]
    fn etherparse_finds_both_checksums_right() {
        let bytes = frame(Checksum::Right).encode();
        let parsed = etherparse::PacketHeaders::from_ethernet_slice(&bytes).unwrap();
        let (
            Some(etherparse::NetHeaders::Ipv4(ip, _)),
            Some(etherparse::TransportHeader::Udp(udp)),
        ) = (parsed.net, parsed.transport)
        else {
            panic!("not IPv4 and UDP");
        };
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        let right = udp.calc_checksum_ipv4(&ip, parsed.payload.slice()).unwrap();
        assert_eq!(udp.checksum, right);
    }

    #[test]
    fn a_wrong_checksum_is_neither_right_nor_zero() {
        let field = |checksum| frame(checksum).encode()[40..42].to_vec();
        assert_ne!(field(Checksum::Wrong), field(Checksum::Right));
        assert_ne!(field(Checksum::Wrong), [0, 0]);
        assert_eq!(field(Checksum::Zero), [0, 0]);
    }
}
