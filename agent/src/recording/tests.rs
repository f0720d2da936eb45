//! What is written is read back, whole, cut, damaged, by us and by Wireshark.

use super::strategies::record;
use super::*;
use crate::capture::file::sample::Sample;
use crate::capture::file::{CaptureReader, ReadError};
use leasehound_core::evidence::{InterfaceFacts, Lease, LeaseContent, LeaseUpdate, ServerKind};
use leasehound_core::frame::{LinkType, PacketType, VlanStack};
use leasehound_core::message::HardwareAddress;
use leasehound_core::origin::{Direction, Hook, InterfaceId, NetnsId};
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;

fn header() -> Header {
    Header::new(serde_json::json!({"grace_seconds": 1, "kinds": ["dnsmasq"]}))
}

fn write(records: &[Record]) -> Vec<u8> {
    let mut writer = RecordingWriter::new(Vec::new(), &header()).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    let written = writer.written();
    let octets = writer.into_inner().unwrap().unwrap();
    assert_eq!(octets.len() as u64, written);
    octets
}

fn reader(octets: &[u8]) -> RecordingReader<&[u8]> {
    match open(octets).unwrap() {
        Source::Recording(reader) => reader,
        Source::Capture(_) => panic!("taken for a plain capture"),
    }
}

/// All records after the header, and what ended the reading.
fn read(octets: &[u8]) -> (Vec<Record>, Option<RecordingError>) {
    let mut reader = match open(octets) {
        Ok(Source::Recording(reader)) => reader,
        Ok(Source::Capture(_)) => return (Vec::new(), None),
        Err(error) => return (Vec::new(), Some(error)),
    };
    assert_eq!(
        reader.next_record().unwrap().unwrap().into_owned(),
        Record::Header(header())
    );
    let mut records = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record.into_owned()),
            Ok(None) => return (records, None),
            Err(error) => {
                assert!(reader.next_record().unwrap().is_none());
                return (records, Some(error));
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(records in vec(record(), 0..12)) {
        let octets = write(&records);
        let (back, error) = read(&octets);
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(back, records);
    }

    #[test]
    fn a_cut_keeps_what_was_before(records in vec(record(), 1..6), cut in any::<prop::sample::Index>()) {
        let octets = write(&records);
        let cut = cut.index(octets.len());
        let (back, error) = read(&octets[..cut]);
        prop_assert_eq!(&back, &records[..back.len()]);
        if let Some(error) = error {
            let told = matches!(
                error,
                RecordingError::Read(
                    ReadError::Empty | ReadError::Foreign { .. } | ReadError::Truncated { .. }
                )
            );
            prop_assert!(told, "{error}");
        }
    }

    #[test]
    fn damage_never_panics(
        records in vec(record(), 1..6),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut octets = write(&records);
        let at = at.index(octets.len());
        octets[at] = octet;
        if let Ok(Source::Recording(mut reader)) = open(octets.as_slice()) {
            while let Ok(Some(record)) = reader.next_record() {
                drop(record.into_owned());
            }
            prop_assert!(reader.next_record().unwrap().is_none());
        }
    }
}

fn some_frame() -> CapturedFrame {
    CapturedFrame {
        at: Timestamp::from_nanos(1_795_232_345_913_402_093),
        origin: Origin {
            interface: InterfaceId(7),
            direction: Direction::Ingress,
            hook: Hook::Tcx,
        },
        link: LinkType::Ethernet,
        wire_length: 64,
        vlan: VlanStack {
            outer: Some(101),
            inner: None,
        },
        packet_type: Some(PacketType::Broadcast),
        socket: None,
        bytes: vec![0xff; 60].into(),
    }
}

fn named(name: &str) -> Record {
    Record::Evidence {
        at: Timestamp::ZERO,
        evidence: Evidence::Interfaces {
            netns: NetnsId(3),
            interfaces: vec![InterfaceFacts {
                id: InterfaceId(7),
                name: name.into(),
                loopback: false,
                mac: None,
                addresses: Vec::new(),
            }],
        },
    }
}

fn a_short_run() -> Vec<Record> {
    let frame = Record::Frame {
        now: Timestamp::from_secs(1_795_232_346),
        frame: some_frame(),
    };
    vec![
        named("eth3"),
        frame.clone(),
        Record::Timeout(Timestamp::from_secs(2)),
        named("renamed"),
        frame,
        Record::Finish(Timestamp::from_secs(3)),
    ]
}

#[test]
fn other_readers_see_the_packets_under_their_names() {
    let octets = write(&a_short_run());
    let mut plain = CaptureReader::new(octets.as_slice()).unwrap();
    let mut seen = Vec::new();
    while let Some(frame) = plain.next_frame().unwrap() {
        assert_eq!(frame.bytes.len(), 60);
        assert_eq!(frame.at, some_frame().at);
        assert_eq!(frame.direction, Direction::Ingress);
        seen.push(frame.interface);
    }
    let names: Vec<_> = seen
        .iter()
        .map(|index| plain.interfaces()[*index as usize].name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["eth3", "renamed"]);
}

/// Needs tshark (Debian: `apt-get install tshark`) and fails without it.
#[test]
fn tshark_opens_a_recording_without_complaint() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&write(&a_short_run())).unwrap();
    let output = Command::new("tshark")
        .args(["-T", "fields", "-e", "frame.interface_name"])
        .args([
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.packet_flags_direction",
        ])
        .args(["-e", "frame.len", "-e", "frame.interface_description", "-r"])
        .arg(file.path())
        .output()
        .unwrap_or_else(|error| panic!("tshark is missing ({error}): apt-get install tshark"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(
        !errors.contains(&*file.path().to_string_lossy()),
        "{errors}"
    );
    let line =
        |name| format!("{name}\t1795232345.913402093\t0x00000001\t64\tnetwork namespace 3\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        line("eth3") + &line("renamed")
    );
}

/// Needs tcpdump (Debian: `apt-get install tcpdump`) and fails without it.
#[test]
fn tcpdump_opens_a_recording() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&write(&a_short_run())).unwrap();
    let output = Command::new("tcpdump")
        .args(["-n", "-r"])
        .arg(file.path())
        .output()
        .unwrap_or_else(|error| panic!("tcpdump is missing ({error}): apt-get install tcpdump"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    // Lines that begin with a tab are the octets of a packet.
    let packets = text.lines().filter(|line| !line.starts_with('\t')).count();
    assert_eq!(packets, 2, "{text}");
}

#[test]
fn plain_captures_are_told_from_recordings() {
    let mut pcap = Sample::new(false);
    pcap.pcap(0xa1b2_c3d4, 1);
    let mut pcapng = Sample::new(true);
    pcapng.section().interface(1, &[]).enhanced(0, 0, b"a", &[]);
    let mut only_section = Sample::new(false);
    only_section.section();
    let mut foreign_block = Sample::new(false);
    foreign_block.section().block(layout::BLOCK_TYPE, |body| {
        body.bytes(b"ABCDEFGHIJKL");
    });
    for (sample, packets) in [
        (pcap, 0),
        (pcapng, 1),
        (only_section, 0),
        (foreign_block, 0),
    ] {
        let Source::Capture(mut capture) = open(sample.octets.as_slice()).unwrap() else {
            panic!("taken for a recording");
        };
        // Looking at the beginning has eaten nothing.
        while capture.next_frame().unwrap().is_some() {}
        assert_eq!(capture.packets(), packets);
        assert_eq!(capture.position(), sample.octets.len() as u64);
    }
}

#[test]
fn a_newer_format_is_refused_in_one_line() {
    for text in [
        r#"{"record":"header","format":3,"leasehound":"9.1.0","engine_config":{}}"#,
        r#"{"record":"header","format":7,"leasehound":"9.1.0","other":["fields"]}"#,
    ] {
        let mut sample = Sample::new(false);
        sample.section().block(layout::BLOCK_TYPE, |body| {
            let mut piece = Vec::new();
            layout::piece(&mut piece, text.as_bytes(), false);
            body.bytes(&piece);
        });
        let line = open(sample.octets.as_slice()).unwrap_err().to_string();
        assert!(
            line.contains("replay it with leasehound 9.1.0 or newer"),
            "{line}"
        );
        assert!(!line.contains('\n'));
    }
}

#[test]
fn a_record_of_many_leases_takes_several_blocks() {
    let leases: Vec<_> = (0..20_000_u32)
        .map(|number| Lease {
            address: Ipv4Addr::from_bits(0x0a00_0000 + number),
            hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]),
            client_id: None,
            expires: Some(Timestamp::from_secs(number.into())),
        })
        .collect();
    let records = [Record::Evidence {
        at: Timestamp::from_secs(1),
        evidence: Evidence::Leases(LeaseUpdate {
            server: None,
            kind: ServerKind::Dnsmasq,
            netns: NetnsId(0),
            read_from: Timestamp::ZERO,
            read_until: Timestamp::ZERO,
            content: LeaseContent::Full(leases),
        }),
    }];
    let octets = write(&records);
    assert!(octets.len() > 2 * layout::MAX_TEXT);
    let (back, error) = read(&octets);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(back, records);
    // Cut between two blocks of the record, the record is missed, and that is told.
    let cut = octets.len() - layout::MAX_TEXT;
    let (back, error) = read(&octets[..cut]);
    assert_eq!((back.len(), error.is_some()), (0, true));
}

#[test]
fn recordings_one_after_the_other_begin_anew() {
    let mut octets = write(&a_short_run());
    octets.extend(write(&a_short_run()));
    let mut reader = reader(&octets);
    let mut headers = 0;
    let mut frames = 0;
    while let Some(record) = reader.next_record().unwrap() {
        match record {
            Record::Header(header) => headers += u32::from(header == *reader.header()),
            Record::Frame { frame, .. } => {
                assert_eq!(frame.to_captured(), some_frame());
                frames += 1;
            }
            _ => {}
        }
    }
    assert_eq!((headers, frames), (2, 4));
}

/// A disk with little room.
struct Disk(usize);

impl std::io::Write for Disk {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let count = octets.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told_once_and_stops_nothing() {
    let mut writer = RecordingWriter::new(Disk(1_000), &header()).unwrap();
    let mut failures = 0;
    for _ in 0..2_000 {
        let told = writer.frame(Timestamp::ZERO, &some_frame());
        if let Err(error) = told {
            assert!(error.to_string().contains("the run goes on without it"));
            assert!(error.written > 1_000);
            failures += 1;
        }
    }
    writer.finish(Timestamp::ZERO).unwrap();
    assert_eq!(failures, 1);
    assert!(writer.has_failed());
    assert!(writer.into_inner().unwrap().is_none());
}

#[test]
fn the_names_of_namespaces_go_with_their_interfaces() {
    let own = |netns| Evidence::Interfaces {
        netns,
        interfaces: Vec::new(),
    };
    let mut writer = RecordingWriter::new(Vec::new(), &header()).unwrap();
    let Record::Evidence { at, evidence } = named("eth3") else {
        panic!("evidence");
    };
    writer.name_netns(NetnsId(0), "");
    writer.name_netns(NetnsId(3), "blue");
    writer.evidence(at, &own(NetnsId(0))).unwrap();
    writer.evidence(at, &evidence).unwrap();
    writer.evidence(at, &own(NetnsId(3))).unwrap();
    let octets = writer.into_inner().unwrap().unwrap();
    let named = |part: &[u8]| octets.windows(part.len()).filter(|at| *at == part).count();
    assert_eq!(named(b"netns_name"), 2, "the agent's own has none");
    let mut reader = reader(&octets);
    let mut names = Vec::new();
    while reader.next_record().unwrap().is_some() {
        names.push((
            reader.netns_name(NetnsId(0)).to_owned(),
            reader.netns_name(NetnsId(3)).to_owned(),
        ));
    }
    let blue = |name: &str| (String::new(), name.to_owned());
    assert_eq!(names, [blue(""), blue(""), blue("blue"), blue("blue")]);
}
