//! Numbered frames of all kinds, for what comes out to be compared with what went in.

use crate::frame::{Checksum, Frame, ipv4_header};
use crate::message::{Mac, Message, kind, option};
use std::net::Ipv4Addr;

/// The source's MAC and address.
pub const SOURCE: (Mac, Ipv4Addr) = (Mac::client(10), Ipv4Addr::new(198, 18, 0, 1));
/// The sink's.
pub const SINK: (Mac, Ipv4Addr) = (Mac::client(20), Ipv4Addr::new(198, 18, 0, 2));

/// Type of the numbered non-IP frames: for local experiments (IEEE 802).
pub const NUMBERED: [u8; 2] = [0x88, 0xb5];
/// Type of the frame that says there is no more.
pub const LAST: [u8; 2] = [0x88, 0xb6];
/// DHCPv4 messages in one round of [`round`] that a DHCP server would take as such.
pub const DHCP_PER_ROUND: u64 = 8;
/// Other IPv4 packets to DHCP's ports in one round: an empty one, one behind IP options,
/// a first fragment, and one without the magic cookie. What a header promises and the
/// frame does not hold is none.
pub const UNKNOWN_PER_ROUND: u64 = 4;

/// The frame after which nothing more comes.
pub fn last(from: Mac, to: Mac) -> Vec<u8> {
    ethernet(to, from, LAST, &[0; 46])
}

/// Whether a frame is [`last`].
pub fn is_last(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&LAST)
}

/// One frame of each kind, all carrying `number`.
pub fn round(number: u16) -> Vec<Vec<u8>> {
    let (from, source) = SOURCE;
    let (to, sink) = SINK;
    let payload = numbered(number, usize::from(number) * 37 % 1400);
    let ipv4 = |packet: &[u8]| ethernet(to, from, [0x08, 0x00], packet);
    let mut frames = vec![
        ethernet(to, from, NUMBERED, &payload),
        ethernet(Mac::BROADCAST, from, NUMBERED, &numbered(number, 46)),
        // A length instead of a type: IEEE 802.3 with LLC, as spanning tree has it.
        ethernet(to, from, [0, 100], &numbered(number, 100)),
        // An IPv4 header that the frame cuts short, one that claims too much, and rubbish.
        ipv4(&[0x45, 0, 0, 20, 0, 0]),
        ipv4(&ipv4_header(source, sink, 17, 1000)),
        ipv4(&numbered(number, 60)),
        ipv4(&udp(source, sink, 67, 67, &[])),
        ipv4(&udp(source, sink, 1234, 53, &payload)),
        ipv4(&with_options(source, sink, &payload)),
        ethernet(to, from, [0x86, 0xdd], &udp6(1234, 4321, &payload)),
        ethernet(
            to,
            from,
            [0x86, 0xdd],
            &udp6(546, 547, &numbered(number, 120)),
        ),
        // One tag and two, neither of which the bridge cares about.
        ethernet(to, from, [0x81, 0x00], &tagged(&[0, 7, 0x88, 0xb5], number)),
        ethernet(
            to,
            from,
            [0x88, 0xa8],
            &tagged(&[0, 9, 0x81, 0x00, 0, 7, 0x88, 0xb5], number),
        ),
    ];
    frames.extend(
        fragments(source, sink, number)
            .iter()
            .map(|packet| ipv4(packet)),
    );
    frames.extend(dhcp(number));
    frames
}

/// DHCPv4 messages of every type, of which [`DHCP_PER_ROUND`] are sound.
fn dhcp(number: u16) -> Vec<Vec<u8>> {
    let client = SOURCE.0;
    let mut frames: Vec<Vec<u8>> = (kind::DISCOVER..=8)
        .map(|kind| {
            let mut message = Message::request(kind, u32::from(number), client);
            message.op = if [kind::OFFER, kind::ACK, 6].contains(&kind) {
                2
            } else {
                1
            };
            message.set(option::SERVER_ID, &SINK.1.octets());
            message.set(
                option::CLIENT_ID,
                &numbered(number, usize::from(number) % 200),
            );
            let mut frame = Frame::broadcast(client, message);
            if frame.message.op == 2 {
                (frame.source_port, frame.destination_port) = (67, 68);
            }
            frame.encode()
        })
        .collect();
    let mut broken = Frame::broadcast(client, Message::request(kind::RELEASE, 1, client));
    broken.message.hlen = 255;
    broken.message.cookie = [0; 4];
    broken.checksum = Checksum::Wrong;
    frames.push(broken.encode());
    frames
}

fn ethernet(to: Mac, from: Mac, ethertype: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ethertype, payload].concat()
}

/// `length` bytes that start with a number and go on with a pattern.
fn numbered(number: u16, length: usize) -> Vec<u8> {
    let pattern = (0_u8..=255).cycle().take(length.saturating_sub(2));
    number
        .to_be_bytes()
        .into_iter()
        .take(length)
        .chain(pattern)
        .collect()
}

fn tagged(rest_of_tag: &[u8], number: u16) -> Vec<u8> {
    [rest_of_tag, &numbered(number, 60)].concat()
}

/// Without a checksum: zero is right in IPv4.
fn udp_datagram(source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let fields = [source_port, port, length, 0]
        .map(u16::to_be_bytes)
        .concat();
    [&fields, payload].concat()
}

fn udp(source: Ipv4Addr, sink: Ipv4Addr, source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_datagram(source_port, port, payload);
    [
        &ipv4_header(source, sink, 17, datagram.len())[..],
        &datagram,
    ]
    .concat()
}

/// An IPv4 packet to port 67 behind four bytes of options (router alert).
fn with_options(source: Ipv4Addr, sink: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_datagram(68, 67, payload);
    let mut header = ipv4_header(source, sink, 17, 4 + datagram.len()).to_vec();
    header.extend([0x94, 0x04, 0, 0]);
    if let Some(first) = header.first_mut() {
        *first = 0x46;
    }
    // Its header checksum covers the first 20 bytes only: a bare bridge does not look.
    [&header[..], &datagram].concat()
}

fn udp6(source_port: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let datagram = udp_datagram(source_port, port, payload);
    let length = u16::try_from(datagram.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length);
    packet.extend([17, 64]);
    packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]);
    packet.extend(datagram);
    packet
}

/// A datagram to port 67 in three fragments (RFC 791 §3.2), the last one first.
fn fragments(source: Ipv4Addr, sink: Ipv4Addr, number: u16) -> Vec<Vec<u8>> {
    const STEP: usize = 400;
    let datagram = udp_datagram(68, 67, &numbered(number, 2 * STEP + 100));
    let count = datagram.chunks(STEP).count();
    let mut fragments: Vec<Vec<u8>> = datagram
        .chunks(STEP)
        .enumerate()
        .map(|(at, piece)| {
            let mut header = ipv4_header(source, sink, 17, piece.len());
            let offset = u16::try_from(at * STEP / 8).unwrap_or(u16::MAX);
            let more = if at + 1 < count { 0x2000 } else { 0 };
            let fields = [number.to_be_bytes(), (offset | more).to_be_bytes()].concat();
            for (to, from) in header.iter_mut().skip(4).zip(fields) {
                *to = from;
            }
            // The checksum of the header is off; a bare bridge does not look.
            [&header[..], piece].concat()
        })
        .collect();
    fragments.reverse();
    fragments
}
