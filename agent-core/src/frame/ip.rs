//! IPv4 and IPv6 headers. The IP length, not the frame's, ends the packet.

use super::{Fragment, Layer, NotDhcpFrame};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const UDP: u8 = 17;
/// Hop-by-hop, routing, fragment, AH, destination options, mobility, HIP, shim6.
const EXTENSION_HEADERS: [u8; 8] = [0, 43, 44, 51, 60, 135, 139, 140];
const TRUNCATED: NotDhcpFrame = NotDhcpFrame::TruncatedHeader(Layer::Ip);

/// An IP packet that carries UDP.
pub(super) struct Ip<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) fragment: Fragment,
    /// From the UDP header on; padding is not in it.
    pub(super) payload: &'a [u8],
}

pub(super) fn parse(bytes: &[u8]) -> Result<Ip<'_>, NotDhcpFrame> {
    match bytes.first().ok_or(TRUNCATED)? >> 4 {
        4 => parse_v4(bytes),
        6 => parse_v6(bytes),
        _ => Err(NotDhcpFrame::BadIpHeader),
    }
}

fn parse_v4(bytes: &[u8]) -> Result<Ip<'_>, NotDhcpFrame> {
    let header = bytes.first_chunk::<20>().ok_or(TRUNCATED)?;
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
    ] = *header;
    let header_length = usize::from(version_ihl & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([l1, l0]));
    if header_length < 20 || total_length < header_length {
        return Err(NotDhcpFrame::BadIpHeader);
    }
    if protocol != UDP {
        return Err(NotDhcpFrame::NotUdp(protocol));
    }
    let fragment_field = u16::from_be_bytes([f1, f0]);
    if fragment_field & 0x1fff != 0 {
        return Err(NotDhcpFrame::LaterFragment);
    }
    Ok(Ip {
        source: IpAddr::V4(Ipv4Addr::new(s3, s2, s1, s0)),
        destination: IpAddr::V4(Ipv4Addr::new(d3, d2, d1, d0)),
        fragment: if fragment_field & 0x2000 == 0 {
            Fragment::Whole
        } else {
            Fragment::First
        },
        payload: bytes
            .get(header_length..total_length.min(bytes.len()))
            .ok_or(TRUNCATED)?,
    })
}

fn parse_v6(bytes: &[u8]) -> Result<Ip<'_>, NotDhcpFrame> {
    let (header, rest) = bytes.split_first_chunk::<40>().ok_or(TRUNCATED)?;
    let (fixed, addresses) = header.split_at(8);
    let &[_, _, _, _, l1, l0, next_header, _] = fixed else {
        return Err(TRUNCATED);
    };
    if EXTENSION_HEADERS.contains(&next_header) {
        return Err(NotDhcpFrame::ExtensionHeader(next_header));
    }
    if next_header != UDP {
        return Err(NotDhcpFrame::NotUdp(next_header));
    }
    let (source, destination) = addresses.split_first_chunk::<16>().ok_or(TRUNCATED)?;
    let destination = destination.first_chunk::<16>().ok_or(TRUNCATED)?;
    let length = usize::from(u16::from_be_bytes([l1, l0])).min(rest.len());
    Ok(Ip {
        source: IpAddr::V6(Ipv6Addr::from(*source)),
        destination: IpAddr::V6(Ipv6Addr::from(*destination)),
        fragment: Fragment::Whole,
        payload: rest.get(..length).unwrap_or(rest),
    })
}
