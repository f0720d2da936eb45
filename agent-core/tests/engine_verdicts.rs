//! One test per way in which evidence and message can meet, on a simulated clock.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::engine::Config;
use leasehound_core::evidence::{
    Evidence, LeaseContent, Loss, LossStage, ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::origin::Direction::{Egress, Ingress, Unknown};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{
    CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, PRIMARY, Packet, Sim, VIP, interfaces, lease,
};

const OBSERVED: Certainty = Certainty::Observed;
const INFERRED: Certainty = Certainty::Inferred;

fn ignored(cause: Cause, certainty: Certainty) -> Outcome {
    Outcome::Ignored { cause, certainty }
}

fn undetermined(missing: Missing) -> Outcome {
    Outcome::Undetermined { missing }
}

#[test]
fn a_lease_that_leaves_is_honoured_at_once() {
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(1)
        .gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
    assert_eq!(sim.verdicts()[0].latency.as_millis(), 1);
    assert_eq!(sim.verdicts()[0].server.as_ref().unwrap().pid, Some(812));
}

#[test]
fn a_reading_that_overtakes_the_frame_is_no_trap() {
    let mut sim = Sim::router();
    sim.grant();
    let sent = sim.at;
    sim.pass(1)
        .gone(LEASED)
        .pass(1)
        .see_at(sent, &Packet::release(VIP), ETH3, Ingress);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn naming_the_primary_address_is_ignored_once_the_lease_is_seen_to_stay() {
    let mut sim = Sim::router();
    sim.grant();
    // dhcp_release on the router: seen on lo, both ways, from the primary to itself.
    let tool = Packet {
        xid: 0,
        source: PRIMARY,
        destination_mac: [0; 6],
        ..Packet::release(PRIMARY)
    };
    sim.see(&tool, LO, Egress).see(&tool, LO, Ingress).pass(500);
    assert!(sim.verdicts().is_empty(), "too early to say");
    sim.still_there();
    assert_eq!(
        sim.outcomes(),
        [ignored(Cause::ServerIdOtherLocalAddress, OBSERVED)]
    );
    let verdict = sim.verdicts()[0];
    assert_eq!(verdict.origin.direction, Ingress);
    assert!(
        verdict
            .remedy
            .as_ref()
            .unwrap()
            .contains("changes the server id"),
        "the side effect is named"
    );
}

#[test]
fn without_a_reading_after_the_grace_the_packet_alone_speaks() {
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .pass(901)
        .pass(1001);
    assert_eq!(
        sim.outcomes(),
        [ignored(Cause::ServerIdOtherLocalAddress, INFERRED)]
    );
}

#[test]
fn a_right_release_whose_lease_stays_lacks_delivery() {
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(VIP), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Delivery)]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_rule_names_its_cause_when_the_lease_stays() {
    let other = [2, 9, 9, 9, 9, 9];
    let base = Packet::release(VIP);
    let rows: [(&str, Packet, Cause); 13] = [
        (
            "mac",
            Packet {
                destination_mac: [2, 5, 5, 5, 5, 5],
                ..base.clone()
            },
            Cause::FrameForOtherHost,
        ),
        (
            "zero",
            Packet {
                source: Ipv4Addr::UNSPECIFIED,
                ..base.clone()
            },
            Cause::SourceUnspecified,
        ),
        (
            "dst",
            Packet {
                destination: Ipv4Addr::new(172, 29, 101, 77),
                ..base.clone()
            },
            Cause::DestinationNotLocal,
        ),
        (
            "sum",
            Packet {
                udp_checksum: None,
                ..base.clone()
            },
            Cause::BadUdpChecksum,
        ),
        (
            "hlen",
            Packet {
                hlen: 17,
                ..base.clone()
            },
            Cause::Malformed,
        ),
        (
            "cookie",
            Packet {
                cookie: [99, 130, 83, 98],
                ..base.clone()
            },
            Cause::Malformed,
        ),
        (
            "50",
            Packet {
                requested: Some(LEASED),
                ..base.clone()
            },
            Cause::RequestedAddressInRelease,
        ),
        (
            "ciaddr",
            Packet {
                ciaddr: Ipv4Addr::UNSPECIFIED,
                ..base.clone()
            },
            Cause::ClientAddressMissing,
        ),
        (
            "no 54",
            Packet {
                server_id: None,
                ..base.clone()
            },
            Cause::ServerIdMissing,
        ),
        (
            "54 local",
            Packet {
                server_id: Some(PRIMARY),
                ..base.clone()
            },
            Cause::ServerIdOtherLocalAddress,
        ),
        (
            "54 foreign",
            Packet {
                server_id: Some(Ipv4Addr::BROADCAST),
                ..base.clone()
            },
            Cause::ServerIdForeign,
        ),
        (
            "chaddr",
            Packet {
                chaddr: other,
                ..base.clone()
            },
            Cause::ClientMismatch,
        ),
        (
            "decline without 50",
            Packet {
                requested: None,
                ..Packet::decline(VIP)
            },
            Cause::DeclineUnsupported,
        ),
    ];
    for (name, packet, cause) in rows {
        let mut sim = Sim::router();
        sim.grant().see(&packet, ETH3, Ingress).still_there();
        assert_eq!(sim.outcomes(), [ignored(cause, OBSERVED)], "{name}");
    }
}

#[test]
fn an_address_outside_every_subnet_has_no_range() {
    let mut sim = Sim::router();
    let packet = Packet {
        ciaddr: Ipv4Addr::new(10, 99, 0, 5),
        ..Packet::release(VIP)
    };
    sim.grant().see(&packet, ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [ignored(Cause::NoMatchingRange, INFERRED)]);
}

#[test]
fn client_identifiers_count_as_in_dnsmasq() {
    let id = |octet: u8| Some(vec![1, octet]);
    let kept = ignored(Cause::ClientMismatch, OBSERVED);
    let right = undetermined(Missing::Delivery);
    for (lease_id, packet_id, expected) in [
        (id(1), id(1), right),
        (id(1), id(2), kept),
        (id(1), None, right),
        (None, id(1), right),
    ] {
        let mut sim = Sim::router();
        sim.grant()
            .leased(lease(LEASED, CLIENT, lease_id.as_deref()))
            .pass(3000);
        sim.see(
            &Packet {
                client_id: packet_id.clone(),
                ..Packet::release(VIP)
            },
            ETH3,
            Ingress,
        )
        .still_there();
        assert_eq!(
            sim.outcomes(),
            [expected],
            "lease {lease_id:?}, packet {packet_id:?}"
        );
    }
}

#[test]
fn the_same_release_again_finds_no_lease() {
    let mut sim = Sim::router();
    let release = Packet::release(VIP);
    sim.grant()
        .see(&release, ETH3, Ingress)
        .pass(1)
        .gone(LEASED)
        .pass(50)
        .see(&release, ETH3, Ingress)
        .still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Honoured, ignored(Cause::LeaseAbsent, OBSERVED)]
    );
}

#[test]
fn of_two_releases_before_one_reading_the_first_right_one_gets_the_credit() {
    let mut sim = Sim::router();
    let wrong = Packet::release(PRIMARY);
    let right = Packet::release(VIP);
    sim.grant()
        .see(&wrong, ETH3, Ingress)
        .see(&right, ETH3, Ingress)
        .see(&right, ETH3, Ingress);
    sim.pass(1).gone(LEASED).still_there();
    // The number 1 is the REQUEST's.
    let mut verdicts: Vec<(u64, Outcome)> =
        sim.verdicts().iter().map(|v| (v.id, v.outcome)).collect();
    verdicts.sort_unstable();
    assert_eq!(
        verdicts,
        [
            (2, ignored(Cause::ServerIdOtherLocalAddress, INFERRED)),
            (3, Outcome::Honoured),
            (4, ignored(Cause::LeaseAbsent, OBSERVED))
        ]
    );
}

#[test]
fn the_database_beats_the_rules() {
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .pass(1)
        .gone(LEASED);
    assert!(
        sim.verdicts().is_empty(),
        "another message may turn up that did it"
    );
    sim.still_there();
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn after_a_restart_the_old_id_is_judged_by_the_new_one() {
    let mut sim = Sim::router();
    sim.grant().evidence(Evidence::ServerGone(DNSMASQ)).pass(10);
    let facts = ServerFacts {
        server: ServerRef(8),
        netns: NETNS,
        kind: ServerKind::Dnsmasq,
        pid: 900,
        started: sim.at,
        port: leasehound_core::evidence::PortUse::Shared,
        listens: leasehound_core::evidence::Listening::Udp,
    };
    sim.evidence(Evidence::Server(facts)).pass(100);
    let full = |sim: &mut Sim| {
        let update = leasehound_core::evidence::LeaseUpdate {
            server: Some(ServerRef(8)),
            kind: ServerKind::Dnsmasq,
            netns: NETNS,
            read_from: sim.at,
            read_until: sim.at,
            content: LeaseContent::Full(vec![lease(LEASED, CLIENT, None)]),
        };
        sim.evidence(Evidence::Leases(update));
    };
    full(&mut sim);
    sim.pass(100)
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(901);
    full(&mut sim);
    assert_eq!(
        sim.outcomes(),
        [undetermined(Missing::ServerId)],
        "nobody has seen the new id yet"
    );

    let another = Ipv4Addr::new(172, 29, 101, 21);
    sim.pass(3000).see(
        &Packet {
            chaddr: [2, 0, 0, 0, 9, 9],
            ..Packet::ack(PRIMARY, another)
        },
        ETH3,
        Egress,
    );
    sim.pass(1000)
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(901);
    full(&mut sim);
    assert_eq!(
        sim.outcomes()[1],
        ignored(Cause::ServerIdOtherLocalAddress, OBSERVED)
    );
}

#[test]
fn a_lease_that_ran_out_or_came_back_proves_nothing() {
    let mut sim = Sim::router();
    let mut short = lease(LEASED, CLIENT, None);
    short.expires = Some(Timestamp::from_secs(1006));
    sim.grant()
        .leased(short)
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(1000)
        .gone(LEASED)
        .pass(2000);
    assert_eq!(sim.outcomes(), [undetermined(Missing::UndisturbedLease)]);

    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(10);
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Egress)
        .still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::UndisturbedLease)]);
}

#[test]
fn what_is_missing_is_named() {
    // Nothing known at all.
    let mut sim = Sim::bare(Config {
        live_evidence: false,
        ..Config::default()
    });
    sim.see(&Packet::release(VIP), ETH3, Unknown).pass(901);
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
    // dnsmasq by flag, no database.
    let config = || Config {
        live_evidence: false,
        assumed_server: Some(ServerKind::Dnsmasq),
        ..Config::default()
    };
    let mut sim = Sim::bare(config());
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Unknown)
        .see(&Packet::release(VIP), ETH3, Unknown)
        .pass(901);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseDatabase)]);
    // The same with a broken rule: the ACK came from the address that 54 names.
    let mut sim = Sim::bare(config());
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Unknown)
        .see(&Packet::release(PRIMARY), ETH3, Unknown)
        .pass(901);
    assert_eq!(
        sim.outcomes(),
        [ignored(Cause::ServerIdOtherLocalAddress, INFERRED)]
    );
    // Nobody knows whose address 54 names.
    let mut sim = Sim::bare(config());
    let third = Ipv4Addr::new(172, 29, 101, 3);
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Unknown)
        .see(&Packet::release(third), ETH3, Unknown)
        .pass(901);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LocalAddresses)]);
}

#[test]
fn stopping_judges_what_is_open_and_invents_nothing() {
    let mut sim = Sim::router();
    sim.grant().see(&Packet::release(VIP), ETH3, Ingress).see(
        &Packet::release(PRIMARY),
        ETH3,
        Ingress,
    );
    sim.pass(5).read_nothing_new();
    sim.engine.finish(sim.at);
    sim.pass(0);
    assert_eq!(
        sim.outcomes(),
        [
            undetermined(Missing::Time),
            ignored(Cause::ServerIdOtherLocalAddress, INFERRED)
        ]
    );
    assert_eq!(sim.engine.open_count(), 0);
}

#[test]
fn a_loss_marks_what_it_may_have_touched() {
    let mut sim = Sim::router();
    sim.grant();
    sim.engine.handle_loss(
        sim.at,
        Loss {
            stage: LossStage::Ring,
            count: 3,
        },
    );
    sim.see(&Packet::release(VIP), ETH3, Ingress)
        .pass(1)
        .gone(LEASED);
    sim.pass(10_000)
        .evidence(interfaces())
        .grant()
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(1)
        .gone(LEASED);
    let loss: Vec<bool> = sim.verdicts().iter().map(|verdict| verdict.loss).collect();
    assert_eq!(loss, [true, false]);
}

#[test]
fn copies_of_one_message_count_once_and_a_repetition_counts_again() {
    let mut sim = Sim::router();
    let release = Packet::release(VIP);
    let bridge = leasehound_core::origin::InterfaceId(4);
    sim.grant()
        .see(&release, ETH3, Ingress)
        .see(&release, bridge, Ingress);
    sim.see(&release, ETH3, Ingress)
        .see(&release, bridge, Ingress)
        .still_there();
    assert_eq!(sim.verdicts().len(), 2);
}
