//! Frames of every link type, built by hand and recorded.

use super::*;
use std::net::Ipv4Addr;

const PAYLOAD: &[u8] = b"a payload of odd size";

fn raw(link: LinkType, bytes: &[u8]) -> RawFrame<'_> {
    RawFrame {
        link,
        bytes,
        wire_length: u32::try_from(bytes.len()).unwrap(),
        vlan: VlanStack::default(),
        packet_type: None,
        socket: None,
    }
}

/// Ethernet header with `tags`, then `packet`.
fn ethernet(tags: &[(u16, u16)], ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1];
    for (tpid, vid) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend((0xe000 | vid).to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}

/// An IPv4 packet from etherparse, its checksum right.
fn ipv4(source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 9, 0, 50], [10, 9, 0, 1], 64)
        .udp(source_port, destination_port)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

fn ipv6(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 1)
        .udp(546, 547)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

#[test]
fn padding_is_no_payload() {
    let mut frame = ethernet(&[], 0x0800, &ipv4(40000, 67, PAYLOAD));
    frame.extend([0xaa; 30]);
    let raw = raw(LinkType::Ethernet, &frame);
    let datagram = parse(&raw).unwrap();
    assert_eq!(datagram.payload, PAYLOAD);
    assert_eq!(usize::from(datagram.payload_length), PAYLOAD.len());
    assert_eq!(datagram.source, IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50)));
    assert_eq!(datagram.destination_mac, Some(MacAddress::BROADCAST));
    assert_eq!(datagram.source_mac, Some(MacAddress([2, 0, 0, 0, 0, 1])));
    assert_eq!(datagram.checksum(), UdpChecksum::Valid);
}

#[test]
fn tags_merge_with_what_the_kernel_took_out() {
    let packet = ipv4(68, 67, PAYLOAD);
    let check = |tags: &[(u16, u16)], kernel: Option<u16>| {
        let frame = ethernet(tags, 0x0800, &packet);
        let mut raw = raw(LinkType::Ethernet, &frame);
        raw.vlan.outer = kernel;
        parse(&raw).map(|datagram| (datagram.vlan.outer, datagram.vlan.inner))
    };
    assert_eq!(check(&[], None), Ok((None, None)));
    assert_eq!(check(&[(0x8100, 7)], None), Ok((Some(7), None)));
    assert_eq!(
        check(&[(0x88a8, 7), (0x8100, 8)], None),
        Ok((Some(7), Some(8)))
    );
    assert_eq!(check(&[(0x8100, 8)], Some(7)), Ok((Some(7), Some(8))));
    assert_eq!(
        check(&[(0x88a8, 7), (0x8100, 8), (0x8100, 9)], None),
        Err(NotDhcpFrame::TooManyTags)
    );
}

#[test]
fn cooked_and_raw_captures() {
    let packet = ipv4(68, 67, PAYLOAD);
    let mut sll = vec![0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0x08, 0x00];
    sll.extend(&packet);
    let datagram = parse(&raw(LinkType::LinuxSll, &sll)).unwrap();
    assert_eq!(datagram.packet_type, Some(PacketType::Outgoing));
    assert_eq!(datagram.source_mac, Some(MacAddress([2, 0, 0, 0, 0, 9])));
    assert_eq!(datagram.destination_mac, None);
    assert_eq!(datagram.payload, PAYLOAD);

    let mut sll2 = vec![
        0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 3, 6, 2, 0, 0, 0, 0, 9, 0, 0,
    ];
    sll2.extend(&packet);
    let datagram = parse(&raw(LinkType::LinuxSll2, &sll2)).unwrap();
    assert_eq!(datagram.packet_type, Some(PacketType::OtherHost));
    assert_eq!(datagram.source_mac, Some(MacAddress([2, 0, 0, 0, 0, 9])));

    let mut by_kernel = raw(LinkType::LinuxSll2, &sll2);
    by_kernel.packet_type = Some(PacketType::Host);
    assert_eq!(
        parse(&by_kernel).unwrap().packet_type,
        Some(PacketType::Host)
    );

    let datagram = parse(&raw(LinkType::RawIp, &packet)).unwrap();
    assert_eq!((datagram.source_mac, datagram.payload), (None, PAYLOAD));
    let packet = ipv6(PAYLOAD);
    let datagram = parse(&raw(LinkType::RawIp, &packet)).unwrap();
    assert_eq!(datagram.payload, PAYLOAD);
    assert_eq!(datagram.checksum(), UdpChecksum::Valid);
}

#[test]
fn ports_of_either_end_and_of_the_right_family() {
    let ports = |source, destination| {
        parse(&raw(LinkType::RawIp, &ipv4(source, destination, PAYLOAD))).is_ok()
    };
    assert!(ports(40000, 67) && ports(67, 40000) && ports(1, 68) && ports(68, 1));
    assert!(!ports(66, 69) && !ports(546, 547));
}

#[test]
fn ipv4_options_are_skipped() {
    let mut packet = ipv4(68, 67, PAYLOAD);
    packet[0] = 0x46;
    let total = u16::try_from(packet.len() + 4).unwrap();
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet.splice(20..20, [0x94, 4, 0, 0]);
    let datagram = parse(&raw(LinkType::RawIp, &packet)).unwrap();
    assert_eq!(datagram.payload, PAYLOAD);
    assert_eq!(datagram.checksum(), UdpChecksum::Valid);
}

#[test]
fn fragments_and_truncation_are_facts() {
    let mut first = ipv4(68, 67, PAYLOAD);
    first[6] = 0x20;
    let datagram = parse(&raw(LinkType::RawIp, &first)).unwrap();
    assert_eq!(datagram.fragment, Fragment::First);
    assert_eq!(datagram.checksum(), UdpChecksum::Unknown);
    first[7] = 1;
    assert_eq!(
        parse(&raw(LinkType::RawIp, &first)).map(|_| ()),
        Err(NotDhcpFrame::LaterFragment)
    );

    let whole = ipv4(68, 67, PAYLOAD);
    let datagram = parse(&raw(LinkType::RawIp, &whole[..whole.len() - 3])).unwrap();
    assert_eq!(datagram.payload, &PAYLOAD[..PAYLOAD.len() - 3]);
    assert_eq!(usize::from(datagram.payload_length), PAYLOAD.len());
    assert_eq!(datagram.checksum(), UdpChecksum::Unknown);
    for (cut, layer) in [
        (27, Layer::Udp),
        (20, Layer::Udp),
        (19, Layer::Ip),
        (0, Layer::Ip),
    ] {
        assert_eq!(
            parse(&raw(LinkType::RawIp, &whole[..cut])).map(|_| ()),
            Err(NotDhcpFrame::TruncatedHeader(layer))
        );
    }
}

#[test]
fn each_reason_by_name() {
    let reason = |link, bytes: &[u8]| parse(&raw(link, bytes)).map(|_| ()).unwrap_err();
    let arp = ethernet(&[], 0x0806, &[0; 28]);
    assert_eq!(
        reason(LinkType::Ethernet, &arp),
        NotDhcpFrame::NotIp(0x0806)
    );
    assert_eq!(
        reason(LinkType::Ethernet, &arp[..13]),
        NotDhcpFrame::TruncatedHeader(Layer::Link)
    );
    assert_eq!(
        reason(LinkType::RawIp, &[0x50; 60]),
        NotDhcpFrame::BadIpHeader
    );
    let mut tcp = ipv4(68, 67, PAYLOAD);
    tcp[9] = 6;
    assert_eq!(reason(LinkType::RawIp, &tcp), NotDhcpFrame::NotUdp(6));
    let mut short = ipv4(68, 67, PAYLOAD);
    short[0] = 0x44;
    assert_eq!(reason(LinkType::RawIp, &short), NotDhcpFrame::BadIpHeader);
    let mut udp = ipv4(68, 67, PAYLOAD);
    udp[25] = 7;
    udp[24] = 0;
    assert_eq!(reason(LinkType::RawIp, &udp), NotDhcpFrame::BadUdpLength(7));
    let mut extended = ipv6(PAYLOAD);
    extended[6] = 0;
    assert_eq!(
        reason(LinkType::RawIp, &extended),
        NotDhcpFrame::ExtensionHeader(0)
    );
}

#[test]
fn checksum_states() {
    let judge = |field: [u8; 2]| {
        let mut packet = ipv4(68, 67, PAYLOAD);
        packet[26..28].copy_from_slice(&field);
        parse(&raw(LinkType::RawIp, &packet)).unwrap().checksum()
    };
    assert_eq!(judge([0, 0]), UdpChecksum::Absent);
    assert_eq!(judge([0x12, 0x34]), UdpChecksum::Bad);
    // 10.9.0.50 + 10.9.0.1 + 17 + 29, by hand: 0x0a09+0x0032+0x0a09+0x0001+0x0011+0x001d.
    assert_eq!(judge([0x14, 0x73]), UdpChecksum::Partial);

    let mut packet = ipv6(PAYLOAD);
    packet[46..48].copy_from_slice(&[0, 0]);
    let datagram = parse(&raw(LinkType::RawIp, &packet)).unwrap();
    assert_eq!(datagram.checksum(), UdpChecksum::Bad);
}

/// The first 42 octets of frames that Linux 6.18 was about to send, recorded with
/// tcpdump: 20 octets of 'y' from a socket over veth, and dhcp_release (dnsmasq-utils
/// 2.90) over lo. Their checksums were left to the device.
#[test]
fn partial_as_a_kernel_leaves_it() {
    let veth =
        hex("d2d664666917825e8e555a8a0800450000300b4c400040111b2d0a0900320a09000100440043001c1472");
    let frame = [&veth[..], &[b'y'; 20]].concat();
    let datagram = parse(&raw(LinkType::Ethernet, &frame)).unwrap();
    assert_eq!(datagram.payload, [b'y'; 20]);
    assert_eq!(datagram.checksum(), UdpChecksum::Partial);

    let lo =
        hex("00000000000000000000000008004500024053e040004011d0570a0900320a09003283cc0043022c16b3");
    let frame = [&lo[..], &[0; 548]].concat();
    let datagram = parse(&raw(LinkType::Ethernet, &frame)).unwrap();
    assert_eq!(datagram.destination_port, 67);
    assert_eq!(datagram.checksum(), UdpChecksum::Partial);
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
