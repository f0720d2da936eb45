//! Any octets as a frame: the first octet chooses the link type (low two bits) and
//! whether the kernel had taken a tag out (bit 2), the rest is the frame.

use leasehound_core::frame::{Fragment, LinkType, RawFrame, UdpChecksum, VlanStack, parse};

/// Panics if `parse` does, or if a datagram contradicts itself.
pub fn check(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    let frame = RawFrame {
        link: match choice & 3 {
            0 => LinkType::Ethernet,
            1 => LinkType::LinuxSll,
            2 => LinkType::LinuxSll2,
            _ => LinkType::RawIp,
        },
        bytes,
        wire_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        vlan: VlanStack {
            outer: (choice & 4 != 0).then_some(7),
            inner: None,
        },
        packet_type: None,
        socket: None,
    };
    let Ok(datagram) = parse(&frame) else {
        return;
    };
    assert!(datagram.payload.len() <= usize::from(datagram.payload_length));
    let ports = [datagram.source_port, datagram.destination_port];
    let dhcp: [u16; 2] = if datagram.source.is_ipv4() {
        [67, 68]
    } else {
        [546, 547]
    };
    assert!(ports.iter().any(|port| dhcp.contains(port)));
    assert_eq!(datagram.source.is_ipv4(), datagram.destination.is_ipv4());
    if choice & 4 != 0 {
        assert_eq!(datagram.vlan.outer, Some(7));
    }
    let whole = datagram.fragment == Fragment::Whole
        && datagram.payload.len() == usize::from(datagram.payload_length);
    match datagram.checksum() {
        UdpChecksum::Valid | UdpChecksum::Partial => assert!(whole),
        UdpChecksum::Unknown => assert!(!whole),
        UdpChecksum::Absent => assert!(datagram.source.is_ipv4()),
        UdpChecksum::Bad => {}
    }
}
