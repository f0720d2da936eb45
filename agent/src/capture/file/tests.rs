//! The reader against files of real tools, files that no tool writes, and pcap-parser.

use super::sample::Sample;
use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

/// A frame with everything copied out.
#[derive(Debug, PartialEq, Eq)]
struct Owned {
    at: u64,
    interface: u32,
    ifindex: Option<u32>,
    direction: Direction,
    link: LinkType,
    wire_length: u32,
    bytes: Vec<u8>,
}

fn drain<R: Read>(reader: &mut CaptureReader<R>) -> (Vec<Owned>, Option<ReadError>) {
    let mut frames = Vec::new();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => frames.push(Owned {
                at: frame.at.as_nanos(),
                interface: frame.interface,
                ifindex: frame.ifindex,
                direction: frame.direction,
                link: frame.link,
                wire_length: frame.wire_length,
                bytes: frame.bytes.to_vec(),
            }),
            Ok(None) => return (frames, None),
            Err(error) => {
                assert!(
                    reader.next_frame().unwrap().is_none(),
                    "an error is told once"
                );
                return (frames, Some(error));
            }
        }
    }
}

fn read(octets: &[u8]) -> (Vec<Owned>, Option<ReadError>) {
    match CaptureReader::new(octets) {
        Ok(mut reader) => drain(&mut reader),
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn read_well(octets: &[u8]) -> Vec<Owned> {
    let (frames, error) = read(octets);
    assert!(error.is_none(), "{error:?}");
    frames
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn captures_of_tcpdump() {
    let micro = read_well(&fixture("ether-micro.pcap"));
    assert_eq!(micro.len(), 3);
    let nano = read_well(&fixture("ether-nano.pcap"));
    for (frames, link, direction, step) in [
        (micro, LinkType::Ethernet, Direction::Unknown, 1_000),
        (nano, LinkType::Ethernet, Direction::Unknown, 1),
        (
            read_well(&fixture("raw-ip.pcap")),
            LinkType::RawIp,
            Direction::Unknown,
            1_000,
        ),
    ] {
        assert_eq!(frames.len(), 3, "{link:?}");
        for frame in frames {
            assert_eq!(frame.link, link);
            assert_eq!(frame.direction, direction);
            assert_eq!(frame.wire_length as usize, frame.bytes.len());
            assert_eq!(frame.at % step, 0);
            assert_eq!(frame.at / 1_000_000_000_000, 1_795_232, "November 2026");
            assert!(frame.bytes.ends_with(&[53, 1, 7, 54, 4, 192, 0, 2, 2, 255]));
        }
    }
}

#[test]
fn cooked_captures_tell_direction_and_interface() {
    let v1 = read_well(&fixture("cooked-v1.pcap"));
    let v2 = read_well(&fixture("cooked-v2.pcap"));
    let count = |frames: &[Owned], direction| {
        frames
            .iter()
            .filter(|frame| frame.direction == direction)
            .count()
    };
    for (frames, link) in [(&v1, LinkType::LinuxSll), (&v2, LinkType::LinuxSll2)] {
        assert!(frames.iter().all(|frame| frame.link == link));
        assert_eq!(count(frames, Direction::Egress), 3);
        assert_eq!(count(frames, Direction::Ingress), 3);
    }
    assert!(v1.iter().all(|frame| frame.ifindex.is_none()));
    let out = v2.iter().find(|frame| frame.direction == Direction::Egress);
    let seen = v2
        .iter()
        .find(|frame| frame.direction == Direction::Ingress);
    assert_ne!(out.unwrap().ifindex, seen.unwrap().ifindex);
}

#[test]
fn a_capture_of_dumpcap_names_its_interfaces() {
    let octets = fixture("three-interfaces.pcapng");
    let mut reader = CaptureReader::new(octets.as_slice()).unwrap();
    let (frames, error) = drain(&mut reader);
    assert!(error.is_none());
    assert_eq!(reader.position(), octets.len() as u64);
    let names: Vec<_> = reader
        .interfaces()
        .iter()
        .map(|interface| (interface.name.as_deref().unwrap(), interface.link))
        .collect();
    assert_eq!(
        names,
        [
            ("v0", Some(LinkType::Ethernet)),
            ("t0", Some(LinkType::RawIp)),
            ("lo", Some(LinkType::Ethernet)),
        ]
    );
    let seen: Vec<_> = frames.iter().map(|frame| frame.interface).collect();
    assert_eq!(seen, [0, 0, 0, 2, 2, 2]);
    assert_eq!(frames[0].at, 1_795_232_345_913_402_093);
}

#[test]
fn both_byte_orders_and_all_magic_numbers() {
    for big_endian in [false, true] {
        for (magic, nanos) in [(0xa1b2_c3d4, 7_000), (0xa1b2_3c4d, 7)] {
            let mut sample = Sample::new(big_endian);
            // A frame check sequence of four octets is announced in the top bits.
            sample.pcap(magic, 0x4400_0001).packet(5, 7, b"abc");
            let frames = read_well(&sample.octets);
            assert_eq!(frames.len(), 1);
            assert_eq!(frames[0].at, 5_000_000_000 + nanos);
            assert_eq!(frames[0].bytes, b"abc");
            assert_eq!(frames[0].link, LinkType::Ethernet);
        }
        let mut sample = Sample::new(big_endian);
        sample.pcap(0xa1b2_cd34, 101);
        sample.u32(5).u32(7).u32(2).u32(90).u64(0).bytes(b"ab");
        let frames = read_well(&sample.octets);
        assert_eq!((frames[0].wire_length, &*frames[0].bytes), (90, &b"ab"[..]));
    }
}

#[test]
fn pcapng_sections_blocks_and_options() {
    for big_endian in [false, true] {
        let offset = if big_endian {
            10_i64.to_be_bytes()
        } else {
            10_i64.to_le_bytes()
        };
        let flags = |value: u32| {
            if big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut sample = Sample::new(big_endian);
        sample
            .section()
            .interface(1, &[(2, b"eth0"), (9, &[9]), (14, &offset)])
            .interface(276, &[(9, &[0x80 | 1])])
            .enhanced(0, 5, b"abcde", &[(1, b"comment"), (2, &flags(0x1_0001))])
            .enhanced(1, 7, b"xy", &[(2, &flags(2))])
            // A simple packet, then a custom block and one for local use.
            .block(3, |body| {
                body.u32(3).bytes(b"sim");
            })
            .block(0x0bad, |body| {
                body.u32(0);
            })
            .block(0x8000_0001, |body| {
                body.bytes(b"somebody else's");
            })
            // An obsolete packet block.
            .block(2, |body| {
                body.u16(0).u16(9).u32(0).u32(6).u32(1).u32(60).bytes(b"p");
            });
        // A second section in the other byte order, whose interfaces count from 0 again.
        let mut second = Sample::new(!big_endian);
        second
            .section()
            .interface(101, &[])
            .enhanced(0, 3, b"r", &[]);
        sample.bytes(&second.octets);

        let frames = read_well(&sample.octets);
        let seen: Vec<_> = frames
            .iter()
            .map(|frame| (frame.at, frame.interface, frame.direction, &*frame.bytes))
            .collect();
        let unknown = Direction::Unknown;
        assert_eq!(
            seen,
            [
                (10_000_000_005, 0, Direction::Ingress, &b"abcde"[..]),
                (3_500_000_000, 1, Direction::Egress, &b"xy"[..]),
                (3_500_000_000, 0, unknown, &b"sim"[..]),
                (10_000_000_006, 0, unknown, &b"p"[..]),
                (3_000, 2, unknown, &b"r"[..]),
            ]
        );
        assert_eq!(frames[3].wire_length, 60);
    }
}

#[test]
fn what_is_no_capture_is_named() {
    for (octets, says) in [
        (&b""[..], "empty (0 bytes)"),
        (
            b"\x1f\x8b\x08\0\0",
            "decompress it first: zcat FILE | leasehound replay -",
        ),
        (b"\x28\xb5\x2f\xfd\0", "zstdcat"),
        (b"#!/bin/sh\n", "23 21 2f 62 69 6e 2f 73 (\"#!/bin/s\")"),
        (b"a", "61 (\"a\")"),
        (b"\xd4\xc3\xb2\xa1\x02", "cut off at byte 0: 0 packets"),
    ] {
        let (frames, error) = read(octets);
        assert!(frames.is_empty());
        let line = error.unwrap().to_string();
        assert!(line.contains(says), "{line}");
        assert!(!line.contains('\n'));
    }
}

#[test]
fn a_cut_anywhere_keeps_what_was_before() {
    for name in ["ether-nano.pcap", "three-interfaces.pcapng"] {
        let octets = fixture(name);
        let whole = read_well(&octets);
        for cut in 0..octets.len() {
            let (frames, error) = read(&octets[..cut]);
            assert_eq!(frames, whole[..frames.len()], "{name} cut at {cut}");
            match error {
                // At the end of a packet or block nothing tells that there was more.
                None => {}
                Some(ReadError::Empty) => assert_eq!(cut, 0),
                Some(ReadError::Foreign { .. }) => assert!(cut < 4),
                Some(ReadError::Truncated {
                    packets_read,
                    offset,
                }) => {
                    assert_eq!(packets_read, frames.len() as u64);
                    assert!(offset < cut as u64);
                }
                Some(other) => panic!("{name} cut at {cut}: {other}"),
            }
        }
    }
}

#[test]
fn damage_is_told_after_what_was_before() {
    let mut pcap = Sample::new(false);
    pcap.pcap(0xa1b2_c3d4, 1).packet(1, 0, b"a");
    pcap.u32(1).u32(0).u32(u32::MAX).u32(1).bytes(&[0; 64]);
    let mut unknown_interface = Sample::new(true);
    unknown_interface
        .section()
        .interface(1, &[])
        .enhanced(0, 0, b"a", &[])
        .enhanced(1, 0, b"b", &[]);
    let mut length = Sample::new(false);
    length.section().interface(1, &[]).enhanced(0, 0, b"a", &[]);
    length.u32(6).u32(33).bytes(&[0; 64]);
    let mut packet = Sample::new(false);
    packet.section().interface(1, &[]).enhanced(0, 0, b"a", &[]);
    packet.block(6, |body| {
        body.u32(0).u64(0).u32(5000).u32(5000).bytes(b"short");
    });
    let mut repeated = Sample::new(false);
    repeated
        .section()
        .interface(1, &[])
        .enhanced(0, 0, b"a", &[]);
    repeated.u32(6).u32(16).u32(0).u32(20);
    for (sample, says) in [
        (pcap, "4294967295 octets"),
        (unknown_interface, "interface 1, which is not described"),
        (length, "a block of 33 octets"),
        (packet, "longer than its block"),
        (repeated, "two lengths"),
    ] {
        let (frames, error) = read(&sample.octets);
        assert_eq!(frames.len(), 1);
        let error = error.unwrap();
        assert!(
            matches!(
                error,
                ReadError::Corrupted {
                    packets_read: 1,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn link_types_that_cannot_be_read_are_counted() {
    let mut sample = Sample::new(false);
    sample
        .section()
        .interface(127, &[(2, b"wlan0mon")])
        .interface(1, &[])
        .enhanced(0, 0, b"a", &[])
        .enhanced(1, 0, b"b", &[])
        .enhanced(0, 0, b"c", &[]);
    let mut reader = CaptureReader::new(sample.octets.as_slice()).unwrap();
    let (frames, error) = drain(&mut reader);
    assert!(error.is_none());
    assert_eq!(frames.len(), 1);
    assert_eq!((reader.packets(), reader.skipped()), (3, 2));
    assert_eq!(reader.interfaces()[0].skipped, 2);

    let mut alone = Sample::new(false);
    alone.pcap(0xa1b2_c3d4, 127).packet(0, 0, b"a");
    let (frames, error) = read(&alone.octets);
    assert!(frames.is_empty());
    let line = error.unwrap().to_string();
    assert!(
        line.contains("1 packets") && line.contains("127 (IEEE802_11_RADIOTAP)"),
        "{line}"
    );
}

/// Gives a few octets, then fails as a disk does.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let mut sample = Sample::new(false);
        sample.pcap(0xa1b2_c3d4, 1).packet(1, 0, b"a");
        let rest = sample.octets.get(self.0..).filter(|rest| !rest.is_empty());
        let Some(rest) = rest else {
            return Err(std::io::Error::other("the disk is gone"));
        };
        space[..rest.len()].copy_from_slice(rest);
        self.0 += rest.len();
        Ok(rest.len())
    }
}

#[test]
fn a_failing_input_is_told_with_what_the_system_says() {
    let mut reader = CaptureReader::new(Failing(0)).unwrap();
    let (frames, error) = drain(&mut reader);
    assert_eq!(frames.len(), 1);
    let line = error.unwrap().to_string();
    assert!(
        line.contains("the disk is gone") && line.contains("after 1 packets"),
        "{line}"
    );
}

/// What pcap-parser says of a file: octets of each packet.
fn second_opinion(octets: &[u8]) -> Vec<Vec<u8>> {
    use pcap_parser::traits::PcapNGPacketBlock;
    use pcap_parser::{Block, PcapBlockOwned, PcapError};
    let mut reader = pcap_parser::create_reader(65_536, octets).unwrap();
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((length, block)) => {
                match block {
                    PcapBlockOwned::Legacy(packet) => packets.push(packet.data.to_vec()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        packets.push(packet.packet_data().to_vec());
                    }
                    _ => {}
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return packets,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn pcap_parser_agrees_on_the_fixtures() {
    for name in [
        "ether-micro.pcap",
        "ether-nano.pcap",
        "cooked-v1.pcap",
        "cooked-v2.pcap",
        "raw-ip.pcap",
        "three-interfaces.pcapng",
    ] {
        let octets = fixture(name);
        let ours: Vec<_> = read_well(&octets)
            .into_iter()
            .map(|frame| frame.bytes)
            .collect();
        assert!(!ours.is_empty());
        assert_eq!(ours, second_opinion(&octets), "{name}");
    }
}

proptest! {
    /// Whatever comes, the reader ends, does not panic, and keeps to the file.
    #[test]
    fn no_input_panics(
        mut octets in proptest::collection::vec(any::<u8>(), 0..200),
        start in 0..4_usize,
        at in 0..2_000_usize,
    ) {
        let base = match start {
            0 => Vec::new(),
            1 => fixture("ether-nano.pcap"),
            2 => fixture("cooked-v2.pcap"),
            _ => fixture("three-interfaces.pcapng"),
        };
        let mut whole = base;
        let at = at.min(whole.len());
        whole.splice(at..(at + octets.len() / 8).min(whole.len()), octets.drain(..));
        let (frames, _) = read(&whole);
        prop_assert!(frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() <= whole.len());
    }
}
