//! The programs run by the kernel on made-up frames, attached to nothing: each way out
//! passes the packet, and the kernel finds what the host tests of `classify` find.
#![cfg(feature = "ebpf")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: the panic is the report"
)]

use leasehound::capture::delivery::{self, Delivery};
use leasehound::capture::ebpf::{Budget, Capture, Family, Options, name};
use leasehound_core::evidence::LossStage;

const CLASSIFIERS: [&str; 5] = [
    name::TCX_INGRESS,
    name::TCX_EGRESS,
    name::CLSACT_INGRESS,
    name::CLSACT_EGRESS,
    name::EMPTY_CLASSIFIER,
];
const XDP_PROGRAMS: [&str; 2] = [name::XDP, name::EMPTY_XDP];

/// `TCX_NEXT` and `TC_ACT_UNSPEC`.
const NEXT: i32 = -1;
const XDP_PASS: i32 = 2;

fn load(ring_bytes: u32, budget: Budget) -> Capture {
    Capture::load(&Options {
        ring_bytes,
        budget,
        yardsticks: true,
        ..Options::default()
    })
    .unwrap_or_else(|error| panic!("{error}"))
}

fn v4(tags: &[[u8; 4]], ip_options: usize, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend(tags.iter().flatten());
    let header = u8::try_from(5 + ip_options / 4).unwrap();
    let total = u16::try_from(28 + ip_options + payload.len()).unwrap();
    let [high, low] = total.to_be_bytes();
    frame.extend([8, 0, 0x40 | header, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 9, 0, 50, 10, 9, 0, 1]);
    frame.extend(vec![1; ip_options]);
    udp(frame, ports, payload)
}

fn v6(next_header: u8, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    let length = u8::try_from(8 + payload.len()).unwrap();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, length, next_header, 64]);
    frame.extend([0xfd; 32]);
    udp(frame, ports, payload)
}

fn udp(mut frame: Vec<u8>, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    for port in ports {
        frame.extend(port.to_be_bytes());
    }
    frame.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

fn bootp(options: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

/// 63 pads, then option 53: the last place that is looked at.
fn late(message_type: u8) -> Vec<u8> {
    let mut options = vec![0; 63];
    options.extend([53, 1, message_type, 255]);
    options
}

/// Frames that are DHCP, with the family and the type that each counts as.
fn dhcp_frames() -> Vec<(Vec<u8>, Family, u8)> {
    let release = bootp(&[53, 1, 7, 255]);
    let outer = [0x88, 0xa8, 0, 200];
    let inner = [0x81, 0, 0, 100];
    let mut frames = vec![
        (v4(&[], 0, [41_000, 67], &release), Family::V4, 7),
        (v4(&[inner], 0, [68, 67], &release), Family::V4, 7),
        (v4(&[outer, inner], 8, [68, 67], &release), Family::V4, 7),
        (v4(&[], 40, [67, 41_000], &release), Family::V4, 7),
        (v6(17, [546, 547], &[8, 1, 2, 3]), Family::V6, 8),
        (v6(17, [547, 546], &[99, 1, 2, 3]), Family::V6, 255),
        (v4(&[], 0, [68, 67], &[0; 20]), Family::V4, 0),
    ];
    for (options, message_type) in [
        (vec![61, 3, 1, 2, 3, 53, 1, 4, 255], 4),
        (vec![53, 1, 19, 255], 255),
        (vec![61, 250, 1], 0),
        (late(6), 6),
        ([vec![0], late(6)].concat(), 0),
    ] {
        frames.push((
            v4(&[], 0, [68, 67], &bootp(&options)),
            Family::V4,
            message_type,
        ));
    }
    frames
}

/// An ICMP message of `kind` about a RELEASE.
fn icmp(tags: &[[u8; 4]], kind: u8, ip_options: usize) -> Vec<u8> {
    let about = v4(&[], 8, [68, 67], &bootp(&[53, 1, 7, 255])).split_off(14);
    let mut frame = v4(tags, ip_options, [0, 0], &about);
    let l3 = 14 + 4 * tags.len();
    frame.splice(l3 + 9..l3 + 10, [1]);
    let message = l3 + 20 + ip_options;
    frame.splice(message..message + 2, [kind, 3]);
    frame
}

/// ICMP errors about DHCP.
fn icmp_errors() -> Vec<Vec<u8>> {
    vec![
        icmp(&[], 3, 0),
        icmp(&[], 3, 40),
        icmp(&[[0x81, 0, 0, 1]; 2], 3, 4),
    ]
}

fn other_frames() -> Vec<Vec<u8>> {
    let release = bootp(&[53, 1, 7, 255]);
    let mut later_fragment = v4(&[], 0, [68, 67], &release);
    later_fragment.splice(20..22, [0, 9]);
    let mut tcp = v4(&[], 0, [68, 67], &release);
    tcp.splice(23..24, [6]);
    vec![
        v4(&[], 0, [53, 41_000], &release),
        later_fragment,
        tcp,
        v4(&[[0x81, 0, 0, 1]; 3], 0, [68, 67], &release),
        v6(58, [546, 547], &[8; 4]),
        v6(0, [546, 547], &[8; 4]),
        vec![2; 60],
        icmp(&[], 8, 0),
        icmp(&[], 11, 8),
    ]
}

#[test]
fn the_kernel_counts_what_the_host_tests_say() {
    for program in [name::TCX_INGRESS, name::CLSACT_EGRESS, name::XDP] {
        for (frame, family, message_type) in dhcp_frames() {
            let capture = load(1 << 16, Budget::DEFAULT);
            capture.try_program(program, &frame, 3).unwrap();
            let counts = capture.statistics().messages().unwrap();
            let seen: Vec<_> = counts
                .iter()
                .map(|count| (count.family, count.message_type, count.count))
                .collect();
            assert_eq!(seen, [(family, message_type, 3)], "{program} {frame:02x?}");
        }
        let capture = load(1 << 16, Budget::DEFAULT);
        for frame in other_frames() {
            capture.try_program(program, &frame, 1).unwrap();
        }
        let sampled = || -> u64 {
            let samples = capture.statistics().samples().unwrap();
            samples.iter().map(|sampled| sampled.count).sum()
        };
        assert_eq!(sampled(), 0);
        for frame in icmp_errors() {
            capture.try_program(program, &frame, 1).unwrap();
        }
        assert_eq!(sampled(), 3);
        assert_eq!(capture.statistics().messages().unwrap(), []);
        assert_eq!(capture.statistics().extension_headers().unwrap(), 1);
    }
}

const CGROUP_PROGRAMS: [&str; 3] = [
    delivery::name::CGROUP_INGRESS,
    delivery::name::CGROUP_EGRESS,
    delivery::name::EMPTY_CGROUP,
];

/// A cgroup_skb program lets a packet pass with this.
const PASS: i32 = 1;

#[test]
fn at_sockets_every_way_out_passes_the_packet() {
    let load = |ring_bytes, budget| {
        Delivery::load(&delivery::Options {
            ring_bytes,
            budget,
            yardsticks: true,
        })
        .unwrap_or_else(|error| panic!("{error}"))
    };
    let sampled = |delivery: &Delivery| -> u64 {
        let samples = delivery.tally().samples().unwrap();
        samples.iter().map(|sampled| sampled.count).sum()
    };
    let well = load(1 << 20, Budget::DEFAULT);
    let is_plain_v4 = |frame: &[u8]| frame.get(12..14) == Some(&[8, 0]);
    let mut expected = 0;
    for (frame, ..) in dhcp_frames() {
        expected += u64::from(is_plain_v4(&frame)) * 2;
        for program in CGROUP_PROGRAMS {
            assert_eq!(well.try_program(program, &frame, 1).unwrap().answer, PASS);
        }
    }
    assert_eq!(sampled(&well), expected);
    for frame in other_frames().into_iter().chain(icmp_errors()) {
        for program in CGROUP_PROGRAMS {
            assert_eq!(well.try_program(program, &frame, 1).unwrap().answer, PASS);
        }
    }
    assert_eq!(sampled(&well), expected);

    let no_budget = load(
        1 << 20,
        Budget {
            per_second: [0; 3],
            burst: [0; 3],
        },
    );
    let small_ring = load(4096, Budget::DEFAULT);
    for (delivery, stage) in [
        (&no_budget, LossStage::Budget),
        (&small_ring, LossStage::Ring),
    ] {
        for (frame, ..) in dhcp_frames() {
            // Cut wherever the kernel takes it: its trials want the whole IP header.
            let headers = if frame.get(12) == Some(&0x86) { 54 } else { 34 };
            for length in (headers..frame.len()).step_by(7).chain([frame.len()]) {
                let cut = frame.get(..length).unwrap();
                for program in CGROUP_PROGRAMS {
                    let answer = delivery.try_program(program, cut, 1).unwrap().answer;
                    assert_eq!(answer, PASS, "{program} {cut:02x?}");
                }
            }
        }
        let losses = delivery.tally().losses().unwrap();
        let lost: u64 = losses
            .iter()
            .filter(|loss| loss.stage == stage)
            .map(|loss| loss.count)
            .sum();
        assert!(lost > 100, "{stage:?} was not put to the test: {losses:?}");
    }
}

#[test]
fn every_way_out_passes_the_packet() {
    let nothing = Budget {
        per_second: [0; 3],
        burst: [0; 3],
    };
    let frames: Vec<Vec<u8>> = dhcp_frames()
        .into_iter()
        .map(|(frame, ..)| frame)
        .chain(other_frames())
        .chain(icmp_errors())
        .collect();
    // All is well; no budget; a ring that is soon full.
    let captures = [
        load(1 << 20, Budget::DEFAULT),
        load(1 << 20, nothing),
        load(4096, Budget::DEFAULT),
    ];
    for capture in &captures {
        for frame in &frames {
            // Cut wherever the kernel takes it: its trials want the whole IP header.
            let headers = if frame.get(12) == Some(&0x86) { 54 } else { 34 };
            for length in (headers..frame.len()).step_by(7).chain([frame.len()]) {
                let cut = frame.get(..length).unwrap();
                for program in CLASSIFIERS {
                    let answer = capture.try_program(program, cut, 1).unwrap().answer;
                    assert_eq!(answer, NEXT, "{program} {cut:02x?}");
                }
                for program in XDP_PROGRAMS {
                    let answer = capture.try_program(program, cut, 1).unwrap().answer;
                    assert_eq!(answer, XDP_PASS, "{program} {cut:02x?}");
                }
            }
        }
    }
    let [_, no_budget, small_ring] = &captures;
    for (capture, stage) in [
        (no_budget, LossStage::Budget),
        (small_ring, LossStage::Ring),
    ] {
        let losses = capture.statistics().losses().unwrap();
        let lost: u64 = losses
            .iter()
            .filter(|loss| loss.stage == stage)
            .map(|loss| loss.count)
            .sum();
        assert!(lost > 100, "{stage:?} was not put to the test: {losses:?}");
    }
}
