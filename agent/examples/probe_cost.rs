//! Nanoseconds per packet of each program, and of an empty one of its type:
//! `cargo run --release -p leasehound --example probe_cost` (as root).
//!
//! One line per program and kind of packet: name, packet, nanoseconds, and how many of
//! them are above the empty program. The smallest of several runs counts, for on a
//! shared machine everything else only ever adds.

use anyhow::Result;
use leasehound::capture::delivery::{self, Delivery};
use leasehound::capture::ebpf::{Capture, Options, Trial, name};
use std::time::Duration;

const RUNS: usize = 9;
const REPEAT: u32 = 1_000_000;

fn main() -> Result<()> {
    let capture = Capture::load(&Options {
        yardsticks: true,
        ..Options::default()
    })?;
    let packets = [
        ("tcp", ipv4(6, 40_000, 443)),
        ("udp", ipv4(17, 40_000, 443)),
        ("tcp6", ipv6(6, 40_000, 443)),
        ("udp6", ipv6(17, 40_000, 443)),
        ("arp", arp()),
    ];
    // Of these, ARP does not get to a socket.
    let mut at_sockets = packets.to_vec();
    at_sockets.pop();
    let programs = [
        (name::TCX_INGRESS, name::EMPTY_CLASSIFIER),
        (name::TCX_EGRESS, name::EMPTY_CLASSIFIER),
        (name::CLSACT_INGRESS, name::EMPTY_CLASSIFIER),
        (name::CLSACT_EGRESS, name::EMPTY_CLASSIFIER),
        (name::XDP, name::EMPTY_XDP),
    ];
    for (program, empty) in programs {
        compare(program, empty, &packets, |name, packet| {
            Ok(capture.try_program(name, packet, REPEAT)?)
        })?;
    }
    let delivery = Delivery::load(&delivery::Options {
        yardsticks: true,
        ..delivery::Options::default()
    })?;
    for program in [
        delivery::name::CGROUP_INGRESS,
        delivery::name::CGROUP_EGRESS,
    ] {
        let empty = delivery::name::EMPTY_CGROUP;
        compare(program, empty, &at_sockets, |name, packet| {
            Ok(delivery.try_program(name, packet, REPEAT)?)
        })?;
    }
    Ok(())
}

fn compare(
    program: &str,
    empty: &str,
    packets: &[(&str, Vec<u8>)],
    run: impl Fn(&str, &[u8]) -> Result<Trial>,
) -> Result<()> {
    for (kind, packet) in packets {
        let (mut least, mut least_empty) = (Duration::MAX, Duration::MAX);
        // By turns: whatever slows the machine slows both.
        for _ in 0..RUNS {
            least = least.min(run(program, packet)?.mean);
            least_empty = least_empty.min(run(empty, packet)?.mean);
        }
        println!(
            "{program}\t{kind}\t{}\t{}",
            least.as_nanos(),
            least.saturating_sub(least_empty).as_nanos()
        );
    }
    Ok(())
}

fn ipv4(protocol: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 106, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([10, 9, 0, 50, 10, 9, 0, 1]);
    transport(frame, source, destination)
}

fn ipv6(protocol: u8, source: u16, destination: u16) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 86, protocol, 64]);
    frame.extend([0xfd; 32]);
    transport(frame, source, destination)
}

fn transport(mut frame: Vec<u8>, source: u16, destination: u16) -> Vec<u8> {
    frame.extend(source.to_be_bytes());
    frame.extend(destination.to_be_bytes());
    frame.extend([0; 82]);
    frame
}

fn arp() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 6]);
    frame.extend([0; 46]);
    frame
}
