//! Servers that the labs cannot run (CoreDHCP, OVN, Harvester's controller), and which server
//! a message is for where several are there, on a simulated clock. What the first three do was
//! read in their sources, which the profiles name.

#![allow(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::engine::{AssumedServer, Config};
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, Lease, LeaseContent, Listening, ServerKind,
};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::verdict::{Certainty, GroundSource, Missing, Outcome, Verdict};
use std::net::Ipv4Addr;
use support::{CLIENT, ETH3, LEASED, PRIMARY, Packet, Sim, VIP, interfaces, lease};

const fn unsupported() -> Outcome {
    Outcome::Ignored {
        cause: Cause::UnsupportedByServer,
        certainty: Certainty::Inferred,
    }
}

/// A server without a database, its ACK, and then a message.
fn without_books(kind: ServerKind, packet: &Packet) -> Verdict {
    let mut sim = Sim::router_of(kind, Listening::Udp);
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::Absent,
        reason: "none".into(),
    });
    sim.see(&Packet::request(LEASED), ETH3, Ingress);
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Egress);
    sim.pass(5000).see(packet, ETH3, Ingress).pass(5000);
    let verdicts = sim.verdicts();
    assert_eq!(verdicts.len(), 1, "{verdicts:?}");
    verdicts.first().map(|verdict| (*verdict).clone()).unwrap()
}

#[test]
fn harvesters_controller_does_nothing_with_either_message() {
    for packet in [Packet::release(VIP), Packet::decline(VIP)] {
        let verdict = without_books(ServerKind::Harvester, &packet);
        assert_eq!(verdict.outcome, unsupported());
        assert!(!verdict.outcome.is_alarm());
        let mut named = verdict.evidence.iter();
        assert!(named.any(|ground| ground.source == GroundSource::ServerProcess));
    }
}

#[test]
fn what_coredhcp_does_depends_on_its_version_and_is_not_guessed() {
    for packet in [Packet::release(VIP), Packet::decline(VIP)] {
        let verdict = without_books(ServerKind::CoreDhcp, &packet);
        let missing = Missing::LeaseDatabase;
        assert_eq!(verdict.outcome, Outcome::Undetermined { missing });
    }
}

#[test]
fn systemd_networkd_never_takes_a_decline_and_compares_no_id() {
    let outcome = |packet: &Packet| without_books(ServerKind::Networkd, packet).outcome;
    let missing = Missing::LeaseDatabase;
    assert_eq!(
        outcome(&Packet::decline(VIP)).cause(),
        Some(Cause::DeclineUnsupported)
    );
    let other = Ipv4Addr::new(192, 0, 2, 67);
    let named = Packet {
        server_id: Some(other),
        ..Packet::release(VIP)
    };
    assert_eq!(outcome(&named), Outcome::Undetermined { missing });
}

/// OVN's addresses are none of the host's, and its replies come from no socket.
fn behind_a_switch(told: Option<&str>) -> Outcome {
    let router = Ipv4Addr::new(10, 5, 0, 1);
    let mut sim = Sim::bare(Config {
        assumed_on: told
            .map(|interface| AssumedServer {
                interface: Some(interface.into()),
                kind: ServerKind::Ovn,
            })
            .into_iter()
            .collect(),
        ..Config::default()
    });
    sim.evidence(interfaces());
    let ack = Packet {
        source: router,
        source_mac: [0x0a; 6],
        ..Packet::ack(router, LEASED)
    };
    sim.see(&Packet::request(LEASED), ETH3, Ingress);
    sim.see(&ack, ETH3, Egress);
    let release = Packet {
        destination_mac: [0x0a; 6],
        ..Packet::release(router)
    };
    sim.pass(5000).see(&release, ETH3, Ingress).pass(5000);
    let outcomes = sim.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.first().copied().unwrap()
}

#[test]
fn ovn_is_only_behind_the_interfaces_that_are_told() {
    let missing = Missing::Server;
    assert_eq!(behind_a_switch(Some("eth*")), unsupported());
    assert_eq!(behind_a_switch(Some("eth3")), unsupported());
    for told in [None, Some("tap*"), Some("eth33")] {
        assert_eq!(
            behind_a_switch(told),
            Outcome::Undetermined { missing },
            "{told:?}"
        );
    }
}

/// dnsmasq's own books have the lease: what is told of the interface does not count.
#[test]
fn a_database_that_has_the_lease_goes_before_what_is_told() {
    let mut sim = Sim::bare(Config {
        assumed_on: vec![AssumedServer {
            interface: Some("eth3".into()),
            kind: ServerKind::Harvester,
        }],
        ..Config::default()
    });
    sim.evidence(interfaces());
    sim.read(LeaseContent::Full(vec![]));
    sim.grant();
    sim.see(&Packet::release(VIP), ETH3, Ingress);
    sim.pass(1).gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

/// A honoured RELEASE whose record stays says why it does.
#[test]
fn a_record_that_is_kept_is_explained() {
    let mut sim = Sim::router_of(ServerKind::Kea, Listening::Raw);
    sim.grant().see(&Packet::release(VIP), ETH3, Ingress);
    sim.pass(1).gone(LEASED);
    let verdicts = sim.verdicts();
    let verdict = verdicts.first().unwrap();
    assert_eq!(verdict.outcome, Outcome::Honoured);
    let mut says = verdict.evidence.iter().map(|ground| &*ground.says);
    assert!(
        says.any(|says| says.contains("kept_by_policy")),
        "{verdict:?}"
    );
}

/// udhcpd drops what names another id before all else, and asks for the MAC alone.
#[test]
fn udhcpd_by_its_rules_alone() {
    let cause = |packet: &Packet| without_books(ServerKind::Udhcpd, packet).outcome.cause();
    assert_eq!(cause(&Packet::release(VIP)), None);
    assert_eq!(
        cause(&Packet {
            server_id: Some(PRIMARY),
            ..Packet::release(VIP)
        }),
        Some(Cause::ServerIdOtherLocalAddress)
    );
    assert_eq!(
        cause(&Packet {
            server_id: None,
            ..Packet::release(VIP)
        }),
        Some(Cause::ServerIdMissing)
    );
    assert_eq!(
        cause(&Packet {
            client_id: Some(b"any".to_vec()),
            ..Packet::release(VIP)
        }),
        None
    );
    let long = Packet {
        hlen: 8,
        ..Packet::release(VIP)
    };
    assert_eq!(cause(&long), Some(Cause::Malformed));
}

/// A file of before is not asked: its lease is no sign that the message was ignored.
#[test]
fn a_lease_in_books_that_are_read_as_nothing_is_none() {
    let mut sim = Sim::router_of(ServerKind::Udhcpd, Listening::Udp);
    let held: Lease = lease(LEASED, CLIENT, None);
    sim.grant().leased(held);
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::NotLive,
        reason: "written every two hours".into(),
    });
    sim.evidence(Evidence::ServerGone(support::DNSMASQ));
    sim.see(&Packet::release(VIP), ETH3, Ingress).pass(5000);
    let alarms = sim.verdicts();
    assert!(
        alarms.iter().all(|verdict| !verdict.outcome.is_alarm()),
        "{alarms:?}"
    );
}
