//! Databases that are not what the server goes by: no verdict rests on one.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::database::Databases;
use leasehound_core::engine::Config;
use leasehound_core::evidence::{
    DatabaseLiveness, DatabaseProblem, Evidence, Lease, LeaseContent, LeaseUpdate, Liveness,
    ServerKind, ServerRef,
};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use support::{CLIENT, ETH3, LEASED, NETNS, PRIMARY, Packet, Sim, VIP, interfaces, lease};

const NOT_LIVE: Outcome = Outcome::Undetermined {
    missing: Missing::DatabaseNotLive,
};
const OTHER: [u8; 6] = [2, 2, 0, 0xd4, 0, 0x50];
/// Seconds since 1970 at which the tests begin: a lease file has times of this century.
const BEGIN: u64 = 1_800_000_000;

fn unusable(problem: DatabaseProblem) -> LeaseContent {
    LeaseContent::Unusable {
        problem,
        reason: "dnsmasq never writes its leases (leasefile-ro)".into(),
    }
}

#[test]
fn a_database_that_is_not_live_is_what_is_missing() {
    for (problem, missing) in [
        (DatabaseProblem::NotLive, Missing::DatabaseNotLive),
        (DatabaseProblem::Absent, Missing::LeaseDatabase),
        (DatabaseProblem::Unreadable, Missing::LeaseDatabase),
        (DatabaseProblem::Damaged, Missing::LeaseDatabase),
    ] {
        let mut sim = Sim::router();
        sim.grant().see(&Packet::release(VIP), ETH3, Ingress);
        sim.pass(5).read(unusable(problem));
        sim.pass(901).read(unusable(problem));
        sim.pass(1100);
        let [verdict] = sim.verdicts()[..] else {
            panic!("not one verdict for {problem:?}");
        };
        let stale = problem != DatabaseProblem::NotLive;
        assert_eq!(verdict.outcome, Outcome::Undetermined { missing });
        // What it said before counts still, if it was the server's own.
        let says = &verdict.evidence[0].says;
        assert_eq!(says.contains("older than the message"), stale, "{says}");
    }
}

#[test]
fn what_the_packet_proves_needs_no_database() {
    let mut sim = Sim::router();
    sim.read(unusable(DatabaseProblem::NotLive));
    sim.see(&Packet::request(LEASED), ETH3, Ingress)
        .see(&Packet::ack(VIP, LEASED), ETH3, Egress)
        .pass(5000)
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .pass(901)
        .pass(1100);
    let ignored = Outcome::Ignored {
        cause: Cause::ServerIdOtherLocalAddress,
        certainty: Certainty::Inferred,
    };
    assert_eq!(sim.outcomes(), [ignored]);
}

fn named(sim: &mut Sim, content: LeaseContent) {
    let update = LeaseUpdate {
        server: None,
        kind: ServerKind::Dnsmasq,
        netns: NETNS,
        read_from: sim.at,
        read_until: sim.at,
        content,
    };
    sim.evidence(Evidence::Leases(update));
}

/// A file that was named by hand holds `leases`, and the server acknowledges a lease that
/// is given back a minute later; then the file is read again, unchanged.
fn against(leases: Vec<Lease>) -> Vec<Outcome> {
    let mut sim = Sim::bare(Config::default());
    sim.at = Timestamp::from_secs(BEGIN);
    sim.evidence(interfaces());
    named(&mut sim, LeaseContent::Full(leases));
    sim.see(&Packet::request(LEASED), ETH3, Ingress)
        .see(&Packet::ack(VIP, LEASED), ETH3, Egress)
        .pass(60_000);
    let unchanged = || LeaseContent::Delta {
        upserted: vec![],
        removed: vec![],
    };
    named(&mut sim, unchanged());
    sim.see(&Packet::release(VIP), ETH3, Ingress).pass(901);
    named(&mut sim, unchanged());
    sim.pass(1100);
    sim.outcomes()
}

#[test]
fn a_file_that_contradicts_the_servers_ack_is_another_hosts() {
    let expiring = |client, after: u64| Lease {
        expires: Some(Timestamp::from_secs(BEGIN + after)),
        ..lease(LEASED, client, None)
    };
    assert_eq!(against(vec![]), [NOT_LIVE], "never had the lease");
    assert_eq!(
        against(vec![expiring(OTHER, 3600)]),
        [NOT_LIVE],
        "another client"
    );
    assert_eq!(
        against(vec![expiring(CLIENT, 1200)]),
        [NOT_LIVE],
        "an old copy"
    );
    // As far as can be seen it is the server's own: the message may not have arrived.
    let delivery = Outcome::Undetermined {
        missing: Missing::Delivery,
    };
    assert_eq!(against(vec![expiring(CLIENT, 3601)]), [delivery]);
    // Built for hosts without a clock, dnsmasq writes lengths.
    let length = Lease {
        expires: Some(Timestamp::from_secs(3600)),
        ..lease(LEASED, CLIENT, None)
    };
    assert_eq!(against(vec![length]), [delivery]);
}

#[test]
fn what_is_wrong_stands_until_it_is_right_or_the_server_ends() {
    let mut databases = Databases::default();
    let mut tell = |server: Option<u32>, state: Liveness| {
        databases.set_liveness(DatabaseLiveness {
            server: server.map(ServerRef),
            kind: ServerKind::Dnsmasq,
            netns: NETNS,
            name: Some("/x".into()),
            state,
        });
        let servers: Vec<_> = databases.liveness(NETNS).map(|told| told.server).collect();
        servers
    };
    let reason = || "somebody replaced it".into();
    assert_eq!(tell(Some(7), Liveness::Live), []);
    let replaced = tell(Some(7), Liveness::Replaced { reason: reason() });
    assert_eq!(replaced, [Some(ServerRef(7))]);
    assert_eq!(tell(Some(7), Liveness::Live), []);
    assert_eq!(tell(None, Liveness::NotLive { reason: reason() }), [None]);
    // The named file has found its owner.
    assert_eq!(tell(Some(8), Liveness::Live), []);
    tell(Some(8), Liveness::NotLive { reason: reason() });
    databases.server_gone(ServerRef(8));
    assert_eq!(databases.liveness(NETNS).count(), 0);
}
