//! Any frames, readings, interfaces and times through the engine.
//!
//! The input is a row of steps: one octet for what happens and one for the time that
//! passes (ms), then what the step takes: four octets of arguments, or a frame with its
//! length before it.

use leasehound_core::engine::{Config, Engine, Output, PendingLimits};
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, InterfaceAddress, InterfaceFacts, Lease, LeaseContent, LeaseUpdate,
    Loss, LossStage, ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::message::{ClientId, HardwareAddress, MacAddress};
use leasehound_core::origin::{Direction, Hook, InterfaceId, NetnsId, Origin};
use leasehound_core::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Panics if the engine does, if a message has not one verdict after it, or if a table
/// outgrows its capacity.
pub fn check(input: &[u8]) {
    let mut engine = Engine::new(Config {
        emit_messages: true,
        pending: PendingLimits {
            open: 3,
            recent: 2,
            ..PendingLimits::default()
        },
        bindings: 2,
        exchanges: 2,
        server_ids: 2,
        leaks: 2,
        ..Config::default()
    });
    let mut now = Timestamp::from_secs(1000);
    let (mut opened, mut judged) = (0_u64, Vec::new());
    let mut rest = input;
    while let Some((&[what, wait], after)) = rest.split_first_chunk() {
        rest = after;
        now = now.saturating_add(Duration::from_millis(u64::from(wait) * 5));
        if what & 0x80 != 0 {
            rest = frame(&mut engine, now, what, rest);
        } else if let Some((arguments, after)) = rest.split_first_chunk() {
            rest = after;
            fact(&mut engine, now, what, *arguments);
        } else {
            break;
        }
        drain(&mut engine, &mut opened, &mut judged);
    }
    engine.finish(now);
    drain(&mut engine, &mut opened, &mut judged);
    judged.sort_unstable();
    assert_eq!(judged, (1..=opened).collect::<Vec<_>>());
    assert_eq!(engine.poll_timeout(), None);
}

fn frame<'a>(engine: &mut Engine, now: Timestamp, what: u8, rest: &'a [u8]) -> &'a [u8] {
    let Some((&[high, low], rest)) = rest.split_first_chunk() else {
        return &[];
    };
    let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
    let (bytes, rest) = rest.split_at(length);
    let origin = Origin {
        interface: InterfaceId(u32::from(what & 3)),
        direction: match what >> 2 & 3 {
            0 | 1 => Direction::Ingress,
            2 => Direction::Egress,
            _ => Direction::Unknown,
        },
        hook: Hook::File,
    };
    let raw = RawFrame {
        link: if what & 0x10 == 0 {
            LinkType::Ethernet
        } else {
            LinkType::RawIp
        },
        bytes,
        wire_length: u32::try_from(length).unwrap_or(u32::MAX),
        vlan: VlanStack::default(),
        packet_type: None,
        socket: None,
    };
    let late = if what & 0x20 == 0 { 0 } else { 3 };
    engine.handle_frame(now.saturating_sub(Duration::from_secs(late)), origin, &raw);
    rest
}

fn fact(engine: &mut Engine, now: Timestamp, what: u8, [a, b, c, d]: [u8; 4]) {
    let netns = NetnsId::default();
    let server = ServerRef(u32::from(a & 1));
    let address = Ipv4Addr::new(10, 9, 0, b & 7);
    match what & 7 {
        0 => engine.handle_timeout(now),
        1 => {
            let loss = Loss {
                stage: LossStage::Ring,
                count: u64::from(a),
            };
            engine.handle_loss(now, loss);
        }
        2 => engine.handle_evidence(now, Evidence::ServerGone(server)),
        3 => {
            let facts = ServerFacts {
                server,
                netns,
                kind: ServerKind::Dnsmasq,
                pid: 1,
                started: now.saturating_sub(Duration::from_millis(u64::from(c) * 20)),
                port: leasehound_core::evidence::PortUse::Shared,
                listens: leasehound_core::evidence::Listening::Udp,
            };
            engine.handle_evidence(now, Evidence::Server(facts));
        }
        4 => {
            let interface = InterfaceFacts {
                id: InterfaceId(u32::from(a & 3)),
                name: "eth0".into(),
                loopback: a & 4 != 0,
                mac: Some(MacAddress([2, 0, 0, 0, 0, d])),
                addresses: vec![InterfaceAddress {
                    address,
                    prefix_length: c,
                }],
            };
            let interfaces = vec![interface];
            engine.handle_evidence(now, Evidence::Interfaces { netns, interfaces });
        }
        _ => {
            let lease = Lease {
                address,
                hardware_address: HardwareAddress::ethernet([2, 0, 0, 0, 0, c & 3]),
                client_id: (c & 4 != 0).then(|| ClientId::new(&[1, d])),
                expires: (c & 8 != 0).then(|| Timestamp::from_secs(1000 + u64::from(d))),
            };
            let content = match (what & 7, a & 2) {
                (5, 0) => LeaseContent::Full(vec![lease]),
                (5, _) => LeaseContent::Full(vec![]),
                (6, 0) => LeaseContent::Delta {
                    upserted: vec![lease],
                    removed: vec![],
                },
                (6, _) => LeaseContent::Delta {
                    upserted: vec![],
                    removed: vec![address],
                },
                _ => LeaseContent::Unusable {
                    problem: DatabaseProblem::Damaged,
                    reason: "torn".into(),
                },
            };
            let update = LeaseUpdate {
                server: (a & 4 == 0).then_some(server),
                kind: ServerKind::Dnsmasq,
                netns,
                read_from: now.saturating_sub(Duration::from_millis(u64::from(a >> 3))),
                read_until: now,
                content,
            };
            engine.handle_evidence(now, Evidence::Leases(update));
        }
    }
}

fn drain(engine: &mut Engine, opened: &mut u64, judged: &mut Vec<u64>) {
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Opened { .. } => *opened += 1,
            Output::Verdict(verdict) => {
                assert!(verdict.id <= *opened && verdict.at >= verdict.seen);
                judged.push(verdict.id);
            }
            _ => {}
        }
    }
    for usage in engine.table_usage() {
        assert!(usage.entries <= usage.capacity, "{usage:?}");
    }
}
