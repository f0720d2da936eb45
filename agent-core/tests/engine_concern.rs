//! Messages that are none of this host's servers' business raise no alarm.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::evidence::{DatabaseProblem, LeaseContent};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, ETH3, LEASED, LO, Packet, Sim, VIP, lease};

fn undetermined(missing: Missing) -> Outcome {
    Outcome::Undetermined { missing }
}

#[test]
fn messages_to_other_servers_raise_no_alarm() {
    let elsewhere = Ipv4Addr::new(198, 51, 100, 1);
    let their_lease = Ipv4Addr::new(198, 51, 100, 7);
    // Our own WAN client gives its lease back: seen leaving only.
    let mut sim = Sim::router();
    let ours = Packet {
        ciaddr: their_lease,
        source: their_lease,
        ..Packet::release(elsewhere)
    };
    sim.see(&ours, ETH3, Egress).still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
    // Routed through.
    let mut sim = Sim::router();
    sim.see(&ours, ETH3, Ingress)
        .see(&ours, LO, Egress)
        .still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
    // A broadcast DECLINE of another server's lease on our own segment.
    let mut sim = Sim::router();
    let theirs = Ipv4Addr::new(172, 29, 101, 9);
    sim.see(
        &Packet {
            source: theirs,
            ..Packet::ack(theirs, LEASED)
        },
        ETH3,
        Ingress,
    )
    .pass(5000);
    sim.see(&Packet::decline(theirs), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
}

#[test]
fn a_unicast_in_transit_that_names_no_server_is_not_ours() {
    let mut sim = Sim::router();
    let elsewhere = Ipv4Addr::new(198, 51, 100, 1);
    let transit = Packet {
        server_id: None,
        ciaddr: Ipv4Addr::new(198, 51, 100, 7),
        ..Packet::release(elsewhere)
    };
    sim.see(&transit, ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
}

#[test]
fn a_lease_that_a_peer_granted_last_is_the_peers() {
    let peer = Ipv4Addr::new(172, 29, 101, 9);
    let mut sim = Sim::router();
    sim.grant();
    // After a failover the peer renewed it; our own books still have it.
    sim.see(
        &Packet {
            source: peer,
            ..Packet::ack(peer, LEASED)
        },
        ETH3,
        Ingress,
    )
    .pass(5000);
    sim.see(&Packet::release(peer), ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [undetermined(Missing::Server)]);
}

#[test]
fn our_own_lease_given_back_to_an_address_that_moved_away_is_ours() {
    let mut sim = Sim::router();
    let moved = Ipv4Addr::new(172, 29, 101, 99);
    sim.grant()
        .see(
            &Packet {
                destination: moved,
                ..Packet::release(VIP)
            },
            ETH3,
            Ingress,
        )
        .still_there();
    let cause = Cause::DestinationNotLocal;
    assert_eq!(
        sim.outcomes(),
        [Outcome::Ignored {
            cause,
            certainty: Certainty::Observed
        }]
    );
}

#[test]
fn a_database_that_cannot_be_read_may_be_the_one_that_has_the_lease() {
    let mut sim = Sim::router();
    sim.leased(lease(LEASED, CLIENT, None))
        .read(LeaseContent::Unusable {
            problem: DatabaseProblem::Damaged,
            reason: "torn".into(),
        });
    let unknown = Ipv4Addr::new(172, 29, 101, 30);
    sim.pass(1000)
        .see(
            &Packet {
                ciaddr: unknown,
                ..Packet::release(VIP)
            },
            ETH3,
            Ingress,
        )
        .pass(901);
    sim.read(LeaseContent::Unusable {
        problem: DatabaseProblem::Damaged,
        reason: "torn".into(),
    })
    .pass(1001);
    assert_eq!(sim.outcomes(), [undetermined(Missing::LeaseDatabase)]);
}
