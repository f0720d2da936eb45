//! Databases with a past, and more than one of them.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::evidence::{Evidence, LeaseContent, LeaseUpdate, ServerKind, ServerRef};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::verdict::{Certainty, Outcome};
use support::{ETH3, LEASED, NETNS, Packet, Sim, VIP, lease};

/// Another server's database, in which nothing changes.
fn read_of_another_server(sim: &mut Sim) {
    let update = LeaseUpdate {
        server: Some(ServerRef(8)),
        kind: ServerKind::Dnsmasq,
        netns: NETNS,
        read_from: sim.at,
        read_until: sim.at,
        content: LeaseContent::Full(vec![]),
    };
    sim.evidence(Evidence::Leases(update));
}

#[test]
fn a_lease_that_the_server_took_back_before_is_absent() {
    // Both while the departure is remembered and when it no longer is.
    for later in [5_000, 200_000] {
        let mut sim = Sim::router();
        sim.grant().gone(LEASED).pass(later).read_nothing_new();
        sim.pass(1)
            .see(&Packet::release(VIP), ETH3, Ingress)
            .still_there();
        let absent = Outcome::Ignored {
            cause: Cause::LeaseAbsent,
            certainty: Certainty::Observed,
        };
        assert_eq!(sim.outcomes(), [absent], "{later} ms later");
    }
}

#[test]
fn a_reading_of_one_database_does_not_speak_for_the_other() {
    let mut sim = Sim::router();
    sim.grant();
    read_of_another_server(&mut sim);
    sim.see(&Packet::release(VIP), ETH3, Ingress).pass(901);
    read_of_another_server(&mut sim);
    assert_eq!(sim.outcomes(), []);
    sim.pass(10).gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

/// Given back, given out again and given back once more, all between two readings.
#[test]
fn each_release_of_a_busy_address_ended_its_own_lease() {
    let mut sim = Sim::router();
    sim.grant().see(&Packet::release(VIP), ETH3, Ingress);
    sim.pass(50).see(&Packet::ack(VIP, LEASED), ETH3, Egress);
    let again = Packet {
        xid: 7,
        ..Packet::release(VIP)
    };
    sim.pass(50).see(&again, ETH3, Ingress);
    sim.pass(50).gone(LEASED);
    sim.pass(1000).read_nothing_new();
    assert_eq!(sim.outcomes(), [Outcome::Honoured, Outcome::Honoured]);

    // The second time to somebody else, whose lease no reading had.
    let other = [2, 2, 0, 0, 0, 99];
    let mut sim = Sim::router();
    sim.grant().see(&Packet::release(VIP), ETH3, Ingress);
    let grant = Packet {
        chaddr: other,
        ..Packet::ack(VIP, LEASED)
    };
    sim.pass(50).see(&grant, ETH3, Egress);
    let theirs = Packet {
        chaddr: other,
        ..Packet::release(VIP)
    };
    sim.pass(50).see(&theirs, ETH3, Ingress);
    sim.pass(50).gone(LEASED);
    sim.pass(1000).read_nothing_new();
    assert_eq!(sim.outcomes(), [Outcome::Honoured, Outcome::Honoured]);

    // And with a reading for each: the frames of both come after those.
    let mut sim = Sim::router();
    sim.grant();
    let first = sim.at;
    sim.pass(20).leased(lease(LEASED, other, None));
    sim.pass(20).gone(LEASED);
    sim.see_at(first, &Packet::release(VIP), ETH3, Ingress);
    sim.pass(1000).read_nothing_new();
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}
