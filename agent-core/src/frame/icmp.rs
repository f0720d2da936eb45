//! ICMP errors that quote a DHCP datagram (RFC 792, RFC 1812 §4.3.2.3).

use super::{Layer, NotDhcpFrame, RawFrame, link};
use std::net::Ipv4Addr;

const ICMP: u8 = 1;
const UDP: u8 = 17;
const DESTINATION_UNREACHABLE: u8 = 3;

/// "Destination unreachable" about a DHCP datagram.
#[derive(Debug, Clone, Copy)]
pub struct Unreachable<'a> {
    /// Who says so.
    pub from: Ipv4Addr,
    /// To whom: the sender of the datagram.
    pub to: Ipv4Addr,
    /// The ICMP code.
    pub code: u8,
    /// UDP destination port of the datagram.
    pub destination_port: u16,
    /// IP destination of the datagram.
    pub destination: Ipv4Addr,
    /// The start of the DHCP message, as far as it was quoted: Linux quotes 520 octets
    /// of it, RFC 792 asks for none.
    pub payload: &'a [u8],
    /// Its full length by the quoted UDP header, in octets.
    pub payload_length: u16,
}

impl Unreachable<'_> {
    /// What is unreachable, in words.
    pub const fn what(&self) -> &'static str {
        match self.code {
            0 | 6 | 11 => "network unreachable",
            1 | 7 | 12 => "host unreachable",
            2 => "protocol unreachable",
            3 => "port unreachable",
            9 | 10 | 13 => "administratively prohibited",
            _ => "destination unreachable",
        }
    }
}

/// Reads an ICMP error about a DHCP datagram; `None` if the frame is none.
pub fn parse_unreachable<'a>(
    frame: &RawFrame<'a>,
) -> Result<Option<Unreachable<'a>>, NotDhcpFrame> {
    let link = link::parse(frame)?;
    let truncated = NotDhcpFrame::TruncatedHeader(Layer::Ip);
    let outer = header(link.ip).ok_or(truncated)?;
    let Some(([DESTINATION_UNREACHABLE, code, ..], quoted)) =
        outer.payload.split_first_chunk::<8>()
    else {
        return Ok(None);
    };
    if outer.protocol != ICMP {
        return Ok(None);
    }
    let Some(inner) = header(quoted).filter(|inner| inner.protocol == UDP && inner.first) else {
        return Ok(None);
    };
    let Some((udp, payload)) = inner.payload.split_first_chunk::<8>() else {
        return Ok(None);
    };
    let [s1, s0, d1, d0, l1, l0, ..] = *udp;
    let (source_port, destination_port) =
        (u16::from_be_bytes([s1, s0]), u16::from_be_bytes([d1, d0]));
    if !(67..=68).contains(&destination_port) && !(67..=68).contains(&source_port) {
        return Ok(None);
    }
    Ok(Some(Unreachable {
        from: outer.source,
        to: outer.destination,
        code: *code,
        destination_port,
        destination: inner.destination,
        payload,
        payload_length: u16::from_be_bytes([l1, l0]).saturating_sub(8),
    }))
}

struct Header<'a> {
    protocol: u8,
    first: bool,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &'a [u8],
}

/// An IPv4 header. A quoted packet is cut, so its total length bounds nothing upwards.
fn header(bytes: &[u8]) -> Option<Header<'_>> {
    let [
        version_ihl,
        _,
        l1,
        l0,
        _,
        _,
        f1,
        f0,
        _,
        protocol,
        _,
        _,
        s3,
        s2,
        s1,
        s0,
        d3,
        d2,
        d1,
        d0,
    ] = *bytes.first_chunk::<20>()?;
    let length = usize::from(version_ihl & 0x0f) * 4;
    if version_ihl >> 4 != 4 || length < 20 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([l1, l0]));
    let end = total.min(bytes.len());
    Some(Header {
        protocol,
        first: (f1 & 0x1f, f0) == (0, 0),
        source: Ipv4Addr::new(s3, s2, s1, s0),
        destination: Ipv4Addr::new(d3, d2, d1, d0),
        payload: bytes.get(length..end)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{LinkType, VlanStack};

    fn ipv4(protocol: u8, source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let total = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
        let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend(source);
        packet.extend(destination);
        packet.extend(payload);
        packet
    }

    fn parse(bytes: &[u8]) -> Option<(&'static str, u16, usize)> {
        let frame = RawFrame {
            link: LinkType::RawIp,
            bytes,
            wire_length: 0,
            vlan: VlanStack::default(),
            packet_type: None,
            socket: None,
        };
        let unreachable = parse_unreachable(&frame).unwrap()?;
        Some((
            unreachable.what(),
            unreachable.destination_port,
            unreachable.payload.len(),
        ))
    }

    fn port_unreachable(port: u16) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        let mut datagram = vec![0x9c, 0x40, high, low, 1, 0, 0, 0];
        datagram.extend([7; 40]);
        let quoted = ipv4(17, [10, 0, 0, 9], [10, 0, 0, 1], &datagram);
        let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
        error.extend(quoted);
        ipv4(1, [10, 0, 0, 1], [10, 0, 0, 9], &error)
    }

    #[test]
    fn a_quoted_dhcp_datagram_is_found_and_no_other() {
        let error = port_unreachable(67);
        assert_eq!(parse(&error), Some(("port unreachable", 67, 40)));
        assert_eq!(parse(&port_unreachable(53)), None);
        let ping = ipv4(1, [10, 0, 0, 1], [10, 0, 0, 9], &[8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(parse(&ping), None);
    }

    #[test]
    fn no_cut_panics() {
        let error = port_unreachable(67);
        for length in 20..error.len() {
            parse(&error[..length]);
        }
    }
}
