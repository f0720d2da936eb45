//! Nanoseconds per message of `frame::parse` and `v4::decode`, and of their relatives.
//! A quick look, not a benchmark: `cargo run --release -p leasehound-core --example decode_rate`.

use leasehound_core::decode::v4;
use leasehound_core::frame::{self, LinkType, RawFrame, VlanStack};
use leasehound_core::lease;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

const ROUNDS: u32 = 2_000_000;

fn main() {
    let mut release = vec![53, 1, 7, 54, 4, 10, 9, 0, 1];
    release.extend([61, 7, 1, 2, 0, 0, 0, 0, 1, 255]);
    let mut ack = vec![
        53, 1, 5, 54, 4, 10, 9, 0, 1, 51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 7, 8,
    ];
    ack.extend([
        59, 4, 0, 0, 12, 78, 1, 4, 255, 255, 255, 0, 28, 4, 10, 9, 0, 255,
    ]);
    ack.extend([
        3, 4, 10, 9, 0, 1, 6, 4, 10, 9, 0, 1, 15, 3, b'l', b'a', b'n', 255,
    ]);
    for (name, options, size) in [
        ("release, 300 octets", &release, 300),
        ("release, 548 octets (dhcp_release)", &release, 548),
        ("ack, 300 octets", &ack, 300),
    ] {
        let frame = frame_with(options, size);
        let raw = RawFrame {
            link: LinkType::Ethernet,
            bytes: &frame,
            wire_length: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            vlan: VlanStack::default(),
            packet_type: None,
            socket: None,
        };
        per_round(&format!("{name}: frame"), || {
            frame::parse(black_box(&raw)).is_ok()
        });
        per_round(&format!("{name}: frame + decode"), || {
            frame::parse(black_box(&raw)).is_ok_and(|datagram| {
                let full_length = usize::from(datagram.payload_length);
                black_box(v4::decode(datagram.payload, full_length)).is_ok()
            })
        });
        per_round(&format!("{name}: frame + checksum"), || {
            frame::parse(black_box(&raw))
                .is_ok_and(|datagram| black_box(datagram.checksum()) != frame::UdpChecksum::Bad)
        });
    }
    let leases = lease_file(10_000);
    let took = time(20, || {
        lease::dnsmasq::parse(black_box(leases.as_bytes()))
            .leases
            .len()
            == 10_000
    });
    println!("lease file of 10,000 lines: {:?}", took / 20);
}

fn frame_with(options: &[u8], size: usize) -> Vec<u8> {
    let mut payload = vec![1, 1, 6, 0];
    payload.resize(236, 0);
    payload.extend([99, 130, 83, 99]);
    payload.extend(options);
    payload.resize(size, 0);
    let mut frame = Vec::new();
    let written = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 9, 0, 50], [10, 9, 0, 1], 64)
        .udp(68, 67)
        .write(&mut frame, &payload);
    assert!(written.is_ok());
    frame
}

fn lease_file(lines: u32) -> String {
    let mut text = String::new();
    for line in 0..lines {
        let [_, a, b, c] = line.to_be_bytes();
        let mac = format!("02:00:00:{a:02x}:{b:02x}:{c:02x}");
        let written = writeln!(text, "1786788555 {mac} 10.{a}.{b}.{c} host-{line} 01:{mac}");
        assert!(written.is_ok());
    }
    text
}

fn per_round(name: &str, run: impl FnMut() -> bool) {
    let took = time(ROUNDS, run).as_secs_f64() * 1e9 / f64::from(ROUNDS);
    println!("{name}: {took:.1} ns");
}

/// Best of five.
#[expect(clippy::disallowed_methods, reason = "measures; no part of the core")]
fn time(rounds: u32, mut run: impl FnMut() -> bool) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            assert!(run());
        }
        best = best.min(start.elapsed());
    }
    best
}
