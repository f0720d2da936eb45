//! Sequences that once misled the engine, or nearly did.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::engine::{Config, Output};
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, Lease, LeaseContent, LeaseUpdate, Listening, PortUse, ServerFacts,
    ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::origin::Direction::{Egress, Ingress, Unknown};
use leasehound_core::origin::{Hook, InterfaceId, Origin};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, NETNS, PRIMARY, Packet, Sim, VIP, interfaces, lease};

fn observed(cause: Cause) -> Outcome {
    Outcome::Ignored {
        cause,
        certainty: Certainty::Observed,
    }
}

fn undetermined(missing: Missing) -> Outcome {
    Outcome::Undetermined { missing }
}

fn read(sim: &mut Sim, server: Option<u32>, content: LeaseContent) {
    let update = LeaseUpdate {
        server: server.map(ServerRef),
        kind: ServerKind::Dnsmasq,
        netns: NETNS,
        read_from: sim.at,
        read_until: sim.at,
        content,
    };
    sim.evidence(Evidence::Leases(update));
}

fn delta(upserted: Vec<Lease>, removed: Vec<Ipv4Addr>) -> LeaseContent {
    LeaseContent::Delta { upserted, removed }
}

fn dnsmasq(server: u32, pid: u32, started: u64) -> Evidence {
    let kind = ServerKind::Dnsmasq;
    let started = Timestamp::from_secs(started);
    Evidence::Server(ServerFacts {
        server: ServerRef(server),
        netns: NETNS,
        kind,
        pid,
        started,
        port: PortUse::Shared,
        listens: Listening::Udp,
    })
}

/// A grant through a relay in 10.50.0.0/24.
fn relayed(sim: &mut Sim, address: Ipv4Addr) {
    let giaddr = Ipv4Addr::new(10, 50, 0, 1);
    sim.see(
        &Packet {
            giaddr,
            ..Packet::request(address)
        },
        ETH3,
        Ingress,
    );
    let ack = Packet {
        giaddr,
        destination: giaddr,
        ..Packet::ack(VIP, address)
    };
    sim.see(&ack, ETH3, Egress).pass(1);
}

const FAR: Ipv4Addr = Ipv4Addr::new(10, 50, 0, 20);

fn release_of(address: Ipv4Addr) -> Packet {
    Packet {
        ciaddr: address,
        source: address,
        ..Packet::release(VIP)
    }
}

#[test]
fn a_named_file_that_finds_its_owner_leaves_no_dead_copy_behind() {
    let mut sim = Sim::bare(Config::default());
    sim.evidence(interfaces());
    let all = || LeaseContent::Full(vec![lease(LEASED, CLIENT, None)]);
    read(&mut sim, None, all());
    sim.pass(1000).evidence(dnsmasq(7, 812, 1001));
    read(&mut sim, Some(7), all());
    sim.pass(1000)
        .see(&Packet::request(LEASED), ETH3, Ingress)
        .see(&Packet::ack(VIP, LEASED), ETH3, Egress);
    sim.pass(5000)
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(5);
    read(&mut sim, Some(7), delta(vec![], vec![LEASED]));
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn that_there_was_no_server_once_is_forgotten_when_there_is_one() {
    let mut sim = Sim::bare(Config::default());
    sim.evidence(interfaces());
    let none = LeaseUpdate {
        server: None,
        kind: ServerKind::Unknown,
        netns: NETNS,
        read_from: sim.at,
        read_until: sim.at,
        content: LeaseContent::Unusable {
            problem: DatabaseProblem::Damaged,
            reason: "no server".into(),
        },
    };
    sim.evidence(Evidence::Leases(none))
        .pass(5000)
        .evidence(dnsmasq(7, 812, 1004));
    sim.read(LeaseContent::Full(vec![])).pass(5000);
    sim.see(&release_of(Ipv4Addr::new(172, 29, 101, 90)), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [observed(Cause::LeaseAbsent)]);
}

#[test]
fn a_relayed_subnet_has_a_range_though_it_is_no_local_one() {
    // Released twice.
    let mut sim = Sim::router();
    relayed(&mut sim, FAR);
    sim.leased(lease(FAR, CLIENT, None)).pass(5000);
    sim.see(&release_of(FAR), ETH3, Ingress).pass(5).gone(FAR);
    sim.pass(3000)
        .see(&release_of(FAR), ETH3, Ingress)
        .still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Honoured, observed(Cause::LeaseAbsent)]
    );
    // Gone long before.
    let mut sim = Sim::router();
    sim.leased(lease(FAR, CLIENT, None))
        .pass(5000)
        .gone(FAR)
        .pass(120_000)
        .read_nothing_new();
    sim.see(&release_of(FAR), ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [observed(Cause::LeaseAbsent)]);
    // No database at all, but another client's ACK.
    let mut sim = Sim::bare(Config::default());
    sim.evidence(interfaces()).evidence(dnsmasq(7, 812, 900));
    read(
        &mut sim,
        Some(7),
        LeaseContent::Unusable {
            problem: DatabaseProblem::Damaged,
            reason: "leasefile-ro".into(),
        },
    );
    sim.pass(1000);
    relayed(&mut sim, Ipv4Addr::new(10, 50, 0, 99));
    sim.pass(5000)
        .see(&release_of(FAR), ETH3, Ingress)
        .pass(901)
        .pass(1100);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseDatabase)]);
}

#[test]
fn what_was_cut_off_is_not_missing() {
    let config = Config {
        live_evidence: false,
        assumed_server: Some(ServerKind::Dnsmasq),
        ..Config::default()
    };
    let mut sim = Sim::bare(config);
    let frame = Packet::release(VIP).frame();
    // Ethernet, IP, UDP, the fixed header, option 53: the cut is before option 54.
    let cut = frame.get(..14 + 28 + 240 + 3).unwrap();
    let raw = RawFrame {
        link: LinkType::Ethernet,
        bytes: cut,
        wire_length: u32::try_from(frame.len()).unwrap(),
        vlan: VlanStack::default(),
        packet_type: None,
        socket: None,
    };
    let origin = Origin {
        interface: ETH3,
        direction: Unknown,
        hook: Hook::File,
    };
    sim.engine.handle_frame(sim.at, origin, &raw);
    sim.pass(2000);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseDatabase)]);
}

#[test]
fn an_old_entry_in_another_servers_books_hides_nothing() {
    let mut sim = Sim::router();
    sim.evidence(dnsmasq(3, 700, 800));
    read(
        &mut sim,
        Some(3),
        LeaseContent::Full(vec![lease(LEASED, CLIENT, None)]),
    );
    sim.grant()
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(5)
        .gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn an_ack_alone_is_no_lease_in_a_database() {
    // Restarted with an empty file within the grace.
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .pass(300);
    sim.evidence(Evidence::ServerGone(DNSMASQ)).pass(100);
    let now = sim.at.as_secs();
    sim.evidence(dnsmasq(8, 900, now));
    read(&mut sim, Some(8), LeaseContent::Full(vec![]));
    sim.pass(901);
    read(&mut sim, Some(8), delta(vec![], vec![]));
    sim.pass(1100);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseHistory)]);
    // Granted by a server of this host that keeps its books elsewhere.
    let mut sim = Sim::router();
    let theirs = Ipv4Addr::new(172, 29, 101, 60);
    sim.pass(10_000)
        .see(&Packet::request(theirs), ETH3, Ingress);
    sim.see(&Packet::ack(PRIMARY, theirs), ETH3, Egress)
        .pass(1500);
    sim.see(
        &Packet {
            server_id: Some(PRIMARY),
            ..release_of(theirs)
        },
        ETH3,
        Ingress,
    )
    .still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseHistory)]);
}

#[test]
fn a_lease_given_and_taken_between_two_readings_is_honoured_if_the_id_is_the_servers() {
    let mut sim = Sim::router();
    let quick = Ipv4Addr::new(172, 29, 101, 61);
    sim.grant().see(
        &Packet {
            chaddr: [2; 6],
            ..Packet::request(quick)
        },
        ETH3,
        Ingress,
    );
    sim.see(
        &Packet {
            chaddr: [2; 6],
            ..Packet::ack(VIP, quick)
        },
        ETH3,
        Egress,
    );
    sim.see(
        &Packet {
            chaddr: [2; 6],
            ..release_of(quick)
        },
        ETH3,
        Ingress,
    )
    .still_there();
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn the_only_server_of_a_namespace_granted_what_was_granted_there() {
    let mut sim = Sim::bare(Config::default());
    let started = Timestamp::from_secs(900);
    let (server, kind, port) = (ServerRef(7), ServerKind::Dnsmasq, PortUse::Sole);
    let facts = ServerFacts {
        server,
        netns: NETNS,
        kind,
        pid: 812,
        started,
        port,
        listens: Listening::Udp,
    };
    sim.evidence(interfaces()).evidence(Evidence::Server(facts));
    read(&mut sim, Some(7), LeaseContent::Full(vec![]));
    sim.pass(10).see(&Packet::request(LEASED), ETH3, Ingress);
    sim.see(&Packet::ack(VIP, LEASED), ETH3, Egress)
        .see(&Packet::release(VIP), ETH3, Ingress);
    sim.still_there();
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn an_expiry_long_past_is_no_expiry() {
    let mut sim = Sim::router();
    let mut odd = lease(LEASED, CLIENT, None);
    odd.expires = Some(Timestamp::from_secs(900));
    sim.leased(odd)
        .pass(5000)
        .see(&Packet::release(VIP), ETH3, Ingress)
        .pass(5)
        .gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

#[test]
fn a_client_that_changed_its_id_has_not_released() {
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .pass(200);
    let request = Packet {
        client_id: Some(vec![1, 2, 3]),
        xid: 99,
        ..Packet::request(LEASED)
    };
    sim.see(&request, ETH3, Ingress).see(
        &Packet {
            xid: 99,
            ..Packet::ack(VIP, LEASED)
        },
        ETH3,
        Egress,
    );
    sim.pass(5)
        .leased(lease(LEASED, CLIENT, Some(&[1, 2, 3])))
        .still_there();
    let certainty = Certainty::Inferred;
    let cause = Cause::ServerIdOtherLocalAddress;
    assert_eq!(sim.outcomes(), [Outcome::Ignored { cause, certainty }]);
}

#[test]
fn a_forwarded_ack_is_not_ours() {
    let (far, address) = (Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(172, 29, 101, 60));
    let ack = Packet {
        source: far,
        ..Packet::ack(far, address)
    };
    let release = Packet {
        ciaddr: address,
        source: address,
        ..Packet::release(far)
    };
    for seen_coming_in in [true, false] {
        let mut sim = Sim::router();
        if seen_coming_in {
            sim.see(&ack, InterfaceId(4), Ingress);
        }
        sim.see(&ack, ETH3, Egress)
            .pass(5000)
            .see(&release, ETH3, Ingress)
            .still_there();
        assert_eq!(
            sim.outcomes(),
            [undetermined(Missing::Server)],
            "{seen_coming_in}"
        );
    }
}

#[test]
fn a_standby_that_hears_the_active_nodes_traffic_stays_silent() {
    let mut sim = Sim::router();
    sim.leased(lease(LEASED, CLIENT, None)).pass(5000);
    let elsewhere = Ipv4Addr::new(172, 29, 101, 3);
    let flooded = Packet {
        destination_mac: [2, 0, 0, 0, 0, 9],
        ..Packet::release(elsewhere)
    };
    sim.see(&flooded, ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
}

#[test]
fn a_rogue_ack_hides_no_leak() {
    let mut sim = Sim::router();
    let rogue = Ipv4Addr::new(172, 29, 101, 66);
    sim.grant()
        .see(
            &Packet {
                source: rogue,
                ..Packet::ack(rogue, LEASED)
            },
            ETH3,
            Ingress,
        )
        .pass(3000);
    sim.see(&Packet::release(PRIMARY), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [observed(Cause::ServerIdOtherLocalAddress)]);
}

#[test]
fn a_zero_source_is_a_martian_at_a_directed_broadcast_too() {
    let mut sim = Sim::router();
    let release = Packet {
        source: Ipv4Addr::UNSPECIFIED,
        destination: Ipv4Addr::new(172, 29, 101, 255),
        destination_mac: [0xff; 6],
        ..Packet::release(VIP)
    };
    sim.grant().see(&release, ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [observed(Cause::SourceUnspecified)]);
}

#[test]
fn a_message_is_reported_where_it_was_counted() {
    let tap = InterfaceId(9);
    let mut sim = Sim::router();
    sim.grant()
        .see(&Packet::release(VIP), tap, Ingress)
        .see(&Packet::release(VIP), ETH3, Ingress);
    sim.pass(5).gone(LEASED);
    let opened = sim.outputs.iter().find_map(|output| match output {
        Output::Opened {
            origin,
            state: None,
            ..
        } => Some(origin.interface),
        _ => None,
    });
    assert_eq!(
        (opened, sim.verdicts()[0].origin.interface),
        (Some(tap), tap)
    );
}
