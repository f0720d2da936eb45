//! The classifier on the host, packet by packet.

use super::*;

struct Octets(Vec<u8>);

impl Packet for Octets {
    fn read<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        let offset = offset as usize;
        self.0.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    fn start<const N: usize>(&self) -> Option<&[u8; N]> {
        self.0.first_chunk()
    }
}

/// An IPv4 UDP frame around `payload`, with `tags` (ethertype and TCI) and IP options
/// of `options` octets.
fn v4(tags: &[(u16, u16)], options: usize, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    for (ethertype, tci) in tags {
        frame.extend(ethertype.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend([0x08, 0x00]);
    let header = 20 + options;
    let total = u16::try_from(header + 8 + payload.len()).unwrap();
    frame.push(0x40 | u8::try_from(header / 4).unwrap());
    frame.push(0);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 0, 50, 10, 9, 0, 1]);
    frame.extend(vec![1; options]);
    udp(&mut frame, ports, payload);
    frame
}

fn v6(next_header: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x33; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    frame.extend([next_header, 1]);
    frame.extend([0xfe; 32]);
    udp(&mut frame, ports, payload);
    frame
}

fn udp(frame: &mut Vec<u8>, (source, destination): (u16, u16), payload: &[u8]) {
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
}

fn bootp(options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[0] = 1;
    message.extend(MAGIC_COOKIE);
    message.extend(options);
    message
}

fn dhcp(frame: Vec<u8>) -> (Dhcp, u8) {
    let packet = Octets(frame);
    let Class::Dhcp(dhcp) = classify(&packet) else {
        panic!("not DHCP: {:?}", classify(&packet));
    };
    (dhcp, message_type_of(&packet, &dhcp))
}

const RELEASE: [u8; 4] = [53, 1, 7, 255];

#[test]
fn a_release_from_an_ephemeral_port() {
    let (dhcp, message_type) = dhcp(v4(&[], 0, (41_000, 67), &bootp(&RELEASE)));
    assert_eq!(message_type, 7);
    assert_eq!(
        (dhcp.family, dhcp.l3, dhcp.udp, dhcp.payload()),
        (4, 14, 34, 42)
    );
    assert!(!dhcp.first_fragment);
}

#[test]
fn each_port_in_either_direction_and_no_other() {
    for ports in [(68, 67), (67, 68), (67, 67), (40_000, 68), (67, 40_000)] {
        dhcp(v4(&[], 0, ports, &bootp(&RELEASE)));
    }
    for ports in [(53, 40_000), (66, 69), (546, 547)] {
        assert_eq!(
            classify(&Octets(v4(&[], 0, ports, &bootp(&RELEASE)))),
            Class::Other
        );
    }
    for ports in [(546, 547), (547, 546), (40_000, 547)] {
        assert_eq!(dhcp(v6(17, ports, &[8, 1, 2, 3])).1, 8);
    }
    assert_eq!(classify(&Octets(v6(17, (68, 67), &[8]))), Class::Other);
}

#[test]
fn tags_in_the_frame() {
    let one = dhcp(v4(&[(0x8100, 100)], 0, (68, 67), &bootp(&RELEASE)));
    assert_eq!(
        (one.0.tags, one.0.tci, one.0.l3, one.1),
        (1, [100, 0], 18, 7)
    );
    let two = dhcp(v4(
        &[(0x88a8, 200), (0x8100, 100)],
        0,
        (68, 67),
        &bootp(&RELEASE),
    ));
    assert_eq!(
        (two.0.tags, two.0.tci, two.0.l3, two.1),
        (2, [200, 100], 22, 7)
    );
    let three = v4(
        &[(0x8100, 1), (0x8100, 2), (0x8100, 3)],
        0,
        (68, 67),
        &bootp(&RELEASE),
    );
    assert_eq!(classify(&Octets(three)), Class::Other);
}

#[test]
fn ip_options_move_the_udp_header() {
    for options in [4, 40] {
        let (dhcp, message_type) = dhcp(v4(&[], options, (68, 67), &bootp(&RELEASE)));
        assert_eq!(dhcp.udp as usize, 34 + options);
        assert_eq!(message_type, 7);
    }
    let mut short = v4(&[], 0, (68, 67), &bootp(&RELEASE));
    short[14] = 0x44;
    assert_eq!(classify(&Octets(short)), Class::Other);
}

#[test]
fn fragments() {
    let mut first = v4(&[], 0, (68, 67), &bootp(&RELEASE));
    first[20] = 0x20;
    let (found, message_type) = dhcp(first.clone());
    assert!(found.first_fragment);
    assert_eq!(message_type, 7);
    for (high, low) in [(0x20, 1), (0x00, 185), (0x01, 0)] {
        let mut later = first.clone();
        later[20] = high;
        later[21] = low;
        assert_eq!(classify(&Octets(later)), Class::Other);
    }
    // Do not fragment is no fragment.
    first[20] = 0x40;
    assert!(!dhcp(first).0.first_fragment);
}

#[test]
fn option_53_wherever_it_is() {
    let search = |options: &[u8]| dhcp(v4(&[], 0, (68, 67), &bootp(options))).1;
    assert_eq!(search(&[61, 2, 1, 2, 53, 1, 7, 255]), 7);
    assert_eq!(search(&[0, 0, 0, 54, 4, 1, 2, 3, 4, 53, 1, 5, 255]), 5);
    assert_eq!(search(&[]), 0);
    assert_eq!(search(&[255, 53, 1, 7]), 0);
    assert_eq!(search(&[61, 200, 1]), 0);
    assert_eq!(search(&[53]), 0);
    // A length of 2 is no message type; the one after it is.
    assert_eq!(search(&[53, 2, 7, 7, 53, 1, 1, 255]), 1);
    // 63 pads are passed, 64 are not.
    let mut padded = vec![0; 63];
    padded.extend(RELEASE);
    assert_eq!(search(&padded), 7);
    padded.insert(0, 0);
    assert_eq!(search(&padded), 0);
}

#[test]
fn numbers_without_a_name_share_one() {
    let numbered = |code| dhcp(v4(&[], 0, (68, 67), &bootp(&[53, 1, code, 255]))).1;
    assert_eq!(numbered(0), message_type::NONE);
    assert_eq!(numbered(18), 18);
    assert_eq!(numbered(19), message_type::UNASSIGNED);
    assert_eq!(numbered(254), message_type::UNASSIGNED);
    assert_eq!(dhcp(v6(17, (546, 547), &[36])).1, 36);
    assert_eq!(dhcp(v6(17, (546, 547), &[37])).1, message_type::UNASSIGNED);
    assert_eq!(dhcp(v6(17, (546, 547), &[0])).1, message_type::UNASSIGNED);
    assert_eq!(dhcp(v6(17, (546, 547), &[])).1, message_type::NONE);
}

/// An ICMP message of `kind` with `header` octets of IP header, about `quoted`: a packet
/// from its IP header.
fn icmp(kind: u8, header: u8, quoted: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend([0x08, 0x00, 0x40 | (header / 4)]);
    frame.extend([0; 8]);
    frame.push(1);
    frame.resize(14 + usize::from(header), 0);
    frame.extend([kind, 3, 0, 0, 0, 0, 0, 0]);
    frame.extend(quoted);
    frame
}

#[test]
fn an_icmp_error_about_dhcp() {
    let about = v4(&[], 8, (68, 67), &bootp(&RELEASE))[14..].to_vec();
    for (header, at) in [(20, 42), (60, 82)] {
        // All of the datagram, or as little as RFC 792 asks for.
        for quoted in [&about[..], &about[..36]] {
            let Class::IcmpError(dhcp) = classify(&Octets(icmp(3, header, quoted))) else {
                panic!("not an error about DHCP");
            };
            assert_eq!((dhcp.family, dhcp.l3, dhcp.udp), (4, 14, at + 28));
        }
    }
    let mut tagged = icmp(3, 20, &about);
    tagged.splice(12..12, [0x81, 0, 0, 100]);
    assert!(matches!(
        classify(&Octets(tagged)),
        Class::IcmpError(Dhcp {
            udp: 74,
            tags: 1,
            ..
        })
    ));
}

#[test]
fn other_icmp_is_none_of_ours() {
    let about = v4(&[], 0, (68, 67), &bootp(&RELEASE))[14..].to_vec();
    let mut tcp = about.clone();
    tcp[9] = 6;
    let mut later_fragment = about.clone();
    later_fragment[7] = 1;
    let dns = v4(&[], 0, (40_000, 53), &[0; 20])[14..].to_vec();
    for header in [20, 24] {
        let mut frames = vec![
            icmp(8, header, &about),
            icmp(11, header, &about),
            icmp(3, header, &tcp),
            icmp(3, header, &later_fragment),
            icmp(3, header, &dns),
            icmp(3, header, &about[..22]),
            icmp(3, header, &[]),
        ];
        let mut fragment = icmp(3, header, &about);
        fragment[21] = 9;
        frames.push(fragment);
        for frame in frames {
            assert_eq!(
                classify(&Octets(frame.clone())),
                Class::Other,
                "{frame:02x?}"
            );
        }
    }
}

#[test]
fn a_packet_without_ethernet_is_the_same_packet() {
    let frames = [
        v4(&[], 0, (41_000, 67), &bootp(&RELEASE)),
        v4(&[], 40, (67, 41_000), &bootp(&RELEASE)),
        v4(&[], 0, (53, 41_000), &[0; 30]),
        v4(&[], 8, (53, 41_000), &[0; 30]),
        v6(17, (68, 67), &[8]),
        icmp(8, 20, &[]),
        vec![0; 60],
        vec![0x45; 18],
    ];
    for frame in frames {
        let expected = match classify(&Octets(frame.clone())) {
            Class::Dhcp(dhcp) => Class::Dhcp(Dhcp {
                l3: dhcp.l3 - 14,
                udp: dhcp.udp - 14,
                ..dhcp
            }),
            other => other,
        };
        let packet = frame.get(14..).unwrap_or_default().to_vec();
        assert_eq!(classify_ip(&Octets(packet)), expected, "{frame:02x?}");
    }
}

#[test]
fn a_wrong_cookie_or_plain_bootp_has_no_type() {
    let mut message = bootp(&RELEASE);
    message[236] = 1;
    assert_eq!(dhcp(v4(&[], 0, (68, 67), &message)).1, message_type::NONE);
    assert_eq!(dhcp(v4(&[], 0, (68, 67), &[0; 20])).1, message_type::NONE);
}

#[test]
fn extension_headers_are_told_apart() {
    for next_header in [0, 43, 44, 51, 60, 135] {
        assert_eq!(
            classify(&Octets(v6(next_header, (546, 547), &[8]))),
            Class::ExtensionHeaders
        );
    }
    for next_header in [6, 50, 58, 59] {
        assert_eq!(
            classify(&Octets(v6(next_header, (546, 547), &[8]))),
            Class::Other
        );
    }
}

#[test]
fn no_truncation_is_taken_for_more_than_it_holds() {
    for whole in [
        v4(
            &[(0x8100, 1)],
            8,
            (68, 67),
            &bootp(&[61, 1, 9, 53, 1, 7, 255]),
        ),
        v6(17, (546, 547), &[8, 0, 0, 0]),
    ] {
        let mut was_dhcp = false;
        for length in 0..=whole.len() {
            let packet = Octets(whole[..length].to_vec());
            match classify(&packet) {
                Class::Dhcp(dhcp) => {
                    was_dhcp = true;
                    assert!(dhcp.udp as usize + 4 <= length);
                    let message_type = message_type_of(&packet, &dhcp);
                    assert!(matches!(message_type, 0 | 7 | 8));
                }
                _ => assert!(!was_dhcp, "DHCP before, but not with {length} octets"),
            }
        }
        assert!(was_dhcp);
    }
}
