//! Databases with a past, and more than one of them.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::evidence::{Evidence, LeaseContent, LeaseUpdate, ServerKind, ServerRef};
use leasehound_core::origin::Direction::Ingress;
use leasehound_core::verdict::{Certainty, Outcome};
use support::{ETH3, LEASED, NETNS, Packet, Sim, VIP};

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
