//! One attempt and its messages: copies, retransmissions, ends.

use crate::lab::{
    Kernel, OWN, ack, inferred, missing, nak, outcome, rebind, renew, udp, verdict, watched,
};
use crate::support::{CLIENT, ETH3, LEASED, NETNS, Packet, Sim, VIP, interfaces};
use leasehound_core::cause::Cause;
use leasehound_core::engine::{Config, Output, PendingLimits};
use leasehound_core::evidence::EvidenceRequest;
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{Missing, Outcome};
use std::net::Ipv4Addr;
use std::time::Duration;

const TAP: InterfaceId = InterfaceId(9);

fn opened(sim: &Sim) -> usize {
    let opened = |output: &&Output| matches!(output, Output::Opened { .. });
    sim.outputs.iter().filter(opened).count()
}

fn duplicates(sim: &Sim) -> usize {
    let copies = |output: &&Output| matches!(output, Output::Duplicate { .. });
    sim.outputs.iter().filter(copies).count()
}

#[test]
fn what_is_sent_again_is_the_same_attempt() {
    let mut sim = watched();
    sim.asks(&renew())
        .pass(1500)
        .asks(&renew())
        .pass(1500)
        .asks(&renew());
    sim.answers(&ack()).pass(400);
    // The server saw the last but one too.
    sim.answers(&ack()).pass(100);
    assert_eq!((opened(&sim), duplicates(&sim)), (1, 0));
    let after = Duration::from_secs(3);
    assert_eq!(outcome(&mut sim), Outcome::Answered { after });
}

#[test]
fn an_unanswered_attempt_is_not_said_anew_for_each_message() {
    let mut sim = watched();
    for _ in 0..4 {
        sim.asks(&renew()).pass(15_000);
    }
    assert_eq!((opened(&sim), sim.attempts().len()), (1, 1));
    sim.pass(60_000).asks(&renew());
    assert_eq!(opened(&sim), 2, "a later renewal with the same xid");
}

#[test]
fn a_copy_at_another_place_is_the_same_message() {
    let mut sim = watched();
    sim.see(&renew(), TAP, Ingress)
        .pass(1)
        .see(&renew(), ETH3, Ingress);
    assert_eq!((opened(&sim), duplicates(&sim)), (1, 1));
    sim.answers(&ack()).see(&ack(), TAP, Egress).pass(400);
    sim.see(&renew(), InterfaceId(10), Egress);
    assert_eq!(
        (opened(&sim), duplicates(&sim)),
        (1, 2),
        "late, but no new one"
    );
    assert!(matches!(
        verdict(&mut sim).outcome,
        Outcome::Answered { .. }
    ));
}

#[test]
fn renewing_and_rebinding_are_two_attempts() {
    let mut sim = watched();
    sim.asks(&renew())
        .pass(4000)
        .asks(&rebind())
        .answers(&ack())
        .pass(400);
    let outcomes: Vec<Outcome> = sim.attempts().iter().map(|v| v.outcome).collect();
    let after = Duration::ZERO;
    assert_eq!(
        outcomes,
        [missing(Missing::Delivery), Outcome::Answered { after }]
    );
}

#[test]
fn a_refused_client_may_ask_again_at_once() {
    let mut sim = watched();
    sim.asks(&renew())
        .answers(&nak(VIP))
        .pass(400)
        .asks(&renew())
        .answers(&ack())
        .pass(400);
    assert_eq!((opened(&sim), sim.attempts().len()), (2, 2));
}

#[test]
fn a_lone_message_too_many_is_no_lost_reply() {
    let mut sim = watched();
    sim.asks(&renew()).answers(&ack()).pass(3000);
    sim.asks(&renew()).answers(&ack()).pass(60_000);
    for verdict in sim.attempts() {
        assert!(
            matches!(verdict.outcome, Outcome::Answered { .. }),
            "{verdict:?}"
        );
    }
    assert_eq!(sim.attempts().len(), 2);
}

#[test]
fn acks_that_a_client_does_not_heed_are_lost() {
    let mut sim = watched();
    for _ in 0..3 {
        sim.asks(&renew()).answers(&ack()).pass(4500);
    }
    let last = sim.attempts().last().unwrap().outcome;
    assert_eq!(last, inferred(Cause::ReplyLost));
    // And a renewal in its time is none of that, though its xid is the same.
    let mut sim = watched();
    for _ in 0..3 {
        sim.asks(&renew()).answers(&ack()).pass(1_800_000);
    }
    let answered = |outcome: Outcome| matches!(outcome, Outcome::Answered { .. });
    assert!(
        sim.attempts()
            .iter()
            .all(|verdict| answered(verdict.outcome))
    );
    assert_eq!(sim.attempts().len(), 3);
}

#[test]
fn a_client_of_this_host_and_what_passes_between_others_are_no_attempts() {
    let mut sim = watched();
    sim.see(&renew(), ETH3, Egress);
    let flooded = Packet {
        destination: Ipv4Addr::new(172, 29, 101, 77),
        destination_mac: [2, 9, 9, 9, 9, 9],
        ..renew()
    };
    sim.asks(&flooded).pass(5000);
    assert_eq!((opened(&sim), sim.attempts().len()), (0, 0));
}

#[test]
fn a_request_that_asks_for_nothing_is_malformed() {
    let mut sim = watched();
    let nothing = Packet {
        requested: None,
        server_id: None,
        ..Packet::request(LEASED)
    };
    sim.asks(&nothing).pass(5000);
    assert_eq!((opened(&sim), sim.attempts().len()), (0, 0));
    assert!(sim.outputs.iter().any(|output| matches!(
        output,
        Output::Malformed {
            reason: "request_without_address",
            ..
        }
    )));
}

#[test]
fn before_the_deadline_the_outside_is_asked() {
    let mut sim = watched();
    sim.asks(&renew()).pass(1999);
    let asked = |sim: &Sim| {
        let request = Output::Request(EvidenceRequest::Sockets { netns: NETNS });
        sim.outputs.contains(&request)
    };
    assert!(!asked(&sim));
    sim.pass(1);
    assert!(asked(&sim));
    // But not about what is answered.
    let mut sim = watched();
    sim.asks(&renew()).answers(&ack()).pass(5000);
    assert!(!asked(&sim));
}

#[test]
fn at_the_end_time_is_what_was_missing() {
    let mut sim = watched();
    sim.asks(&renew());
    assert_eq!(
        (sim.engine.open_request_count(), sim.engine.open_count()),
        (1, 0)
    );
    sim.engine.finish(sim.at);
    assert_eq!(sim.engine.poll_timeout(), None);
    assert_eq!(outcome_at_end(&mut sim), missing(Missing::Time));
    // What came back counts.
    let mut sim = watched();
    sim.asks(&renew()).answers(&ack());
    sim.engine.finish(sim.at);
    assert!(matches!(outcome_at_end(&mut sim), Outcome::Answered { .. }));
}

fn outcome_at_end(sim: &mut Sim) -> Outcome {
    sim.pass(0);
    let all = sim.attempts();
    assert_eq!(all.len(), 1);
    all[0].outcome
}

#[test]
fn the_table_is_bounded_and_who_must_go_is_judged() {
    let mut sim = Sim::bare(Config {
        pending: PendingLimits {
            open: 2,
            recent: 2,
            ..PendingLimits::default()
        },
        ..Config::default()
    });
    sim.evidence(interfaces()).listens(vec![udp(OWN, 812)]);
    for client in 0..10 {
        let mut chaddr = CLIENT;
        chaddr[5] = client;
        sim.asks(&Packet { chaddr, ..renew() });
    }
    assert_eq!(sim.engine.open_request_count(), 2);
    assert_eq!(sim.attempts().len(), 8);
    assert!(
        sim.attempts()
            .iter()
            .all(|v| v.outcome == missing(Missing::Time))
    );
    let usage = sim.engine.table_usage();
    let open = usage
        .iter()
        .find(|usage| usage.table == "open_attempts")
        .unwrap();
    assert_eq!((open.entries, open.evictions), (2, 8));
    sim.pass(5000);
    let ids: Vec<u64> = sim.attempts().iter().map(|v| v.id).collect();
    assert_eq!(ids, (1..=10).collect::<Vec<u64>>());
}

#[test]
fn a_lease_past_t2_is_counted_until_it_is_extended() {
    let mut sim = watched();
    // Of 3600 s, 3150.
    sim.pass(3_140_000);
    assert_eq!(sim.engine.leases_past_t2(NETNS), 0);
    sim.pass(10_000);
    assert_eq!(sim.engine.leases_past_t2(NETNS), 1);
    assert_eq!(sim.engine.counts().leases_past_t2, 1);
    sim.asks(&rebind()).answers(&ack()).pass(400);
    assert_eq!(sim.engine.leases_past_t2(NETNS), 0);
    // Of a lease that is gone from the database nobody waits for a renewal.
    let mut sim = watched();
    sim.gone(LEASED).pass(3_200_000);
    assert_eq!(sim.engine.leases_past_t2(NETNS), 0);
    assert_eq!(sim.engine.counts().leases_past_t2, 0);
}
