//! What came back.

use crate::lab::{
    Kernel, OWN, ack, inferred, init_reboot, missing, nak, observed, outcome, rebind, renew,
    verdict, watched,
};
use crate::support::{ETH3, LEASED, LO, PRIMARY, Packet, VIP};
use leasehound_core::cause::Cause;
use leasehound_core::message::MessageType;
use leasehound_core::origin::Direction::{Egress, Ingress, Unknown};
use leasehound_core::verdict::{ClientState, Missing, Outcome};
use std::net::Ipv4Addr;
use std::time::Duration;

#[test]
fn each_state_is_answered_by_an_ack() {
    let selecting = Packet {
        xid: 0x79,
        ..Packet::request(LEASED)
    };
    for (request, state) in [
        (renew(), ClientState::Renewing),
        (rebind(), ClientState::Rebinding),
        (init_reboot(), ClientState::InitReboot),
        (selecting, ClientState::Selecting),
    ] {
        let mut sim = watched();
        sim.asks(&request).pass(2);
        let ack = Packet {
            xid: request.xid,
            ..ack()
        };
        sim.answers(&ack).pass(299);
        assert!(sim.attempts().is_empty(), "more may come");
        let verdict = verdict(&mut sim);
        let after = Duration::from_millis(2);
        assert_eq!(verdict.outcome, Outcome::Answered { after });
        assert_eq!(verdict.state, Some(state));
        assert_eq!(verdict.message_type, MessageType::Request);
        assert_eq!(verdict.address, LEASED);
        assert_eq!(verdict.latency, Duration::from_millis(302));
    }
}

#[test]
fn an_ack_counts_wherever_it_is_seen() {
    for (interface, direction) in [
        (ETH3, Ingress),
        (ETH3, Unknown),
        (LO, Egress),
        (LO, Ingress),
    ] {
        let mut sim = watched();
        sim.asks(&renew()).see(&ack(), interface, direction);
        let after = Duration::ZERO;
        assert_eq!(outcome(&mut sim), Outcome::Answered { after });
    }
}

#[test]
fn a_reply_to_another_client_or_transaction_is_none() {
    let other_xid = Packet { xid: 1, ..ack() };
    let other_client = Packet {
        chaddr: [2, 2, 0, 0, 0, 9],
        ..ack()
    };
    // To an INFORM.
    let informed = Packet {
        yiaddr: Ipv4Addr::UNSPECIFIED,
        ..ack()
    };
    for reply in [other_xid, other_client, informed] {
        let mut sim = watched();
        sim.asks(&renew()).answers(&reply);
        assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
    }
}

#[test]
fn a_nak_refuses_with_its_text() {
    let mut sim = watched();
    sim.asks(&renew()).pass(1).answers(&nak(VIP));
    let verdict = verdict(&mut sim);
    let refused = Outcome::Refused {
        cause: Cause::Refused,
        after: Duration::from_millis(1),
    };
    assert_eq!(verdict.outcome, refused);
    let says = &verdict.evidence[0].says;
    assert!(
        says.contains("lease not found") && says.contains(&VIP.to_string()),
        "{says}"
    );
}

#[test]
fn an_ack_and_a_nak_of_two_servers_are_in_conflict() {
    for ack_first in [true, false] {
        let mut sim = watched();
        sim.asks(&rebind());
        let (one, other) = (ack(), nak(PRIMARY));
        let order = if ack_first {
            [&one, &other]
        } else {
            [&other, &one]
        };
        sim.answers(order[0]).pass(10).see(order[1], ETH3, Ingress);
        let verdict = verdict(&mut sim);
        assert_eq!(verdict.outcome.cause(), Some(Cause::ConflictingServers));
        assert!(matches!(verdict.outcome, Outcome::Refused { .. }));
        assert_eq!(verdict.evidence.len(), 2);
    }
}

#[test]
fn of_one_server_the_last_word_counts() {
    let mut sim = watched();
    sim.asks(&renew())
        .answers(&nak(VIP))
        .pass(10)
        .answers(&ack());
    let after = Duration::ZERO;
    assert_eq!(outcome(&mut sim), Outcome::Answered { after });
}

#[test]
fn an_ack_from_another_address_is_lost_only_if_it_comes_back() {
    let from_primary = Packet {
        source: PRIMARY,
        ..ack()
    };
    let mut sim = watched();
    sim.asks(&renew()).answers(&from_primary);
    let after = Duration::ZERO;
    assert_eq!(outcome(&mut sim), Outcome::Answered { after });

    let mut sim = watched();
    sim.asks(&renew())
        .answers(&from_primary)
        .pass(1)
        .unreachable(3, LEASED, &from_primary);
    assert_eq!(outcome(&mut sim), observed(Cause::ReplyFromOtherAddress));
}

#[test]
fn a_client_that_reads_frames_has_no_socket_and_is_answered_all_the_same() {
    let mut sim = watched();
    sim.asks(&renew())
        .answers(&ack())
        .pass(1)
        .unreachable(3, LEASED, &ack());
    assert!(matches!(outcome(&mut sim), Outcome::Answered { .. }));
}

#[test]
fn a_reply_that_is_dropped_or_never_leaves_is_lost() {
    let mut sim = watched();
    sim.asks(&renew())
        .offered(&renew(), OWN)
        .sent(&ack(), OWN)
        .dropped(&ack(), "NETFILTER_DROP", Some("nf_hook_slow"));
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, observed(Cause::ReplyLost));
    assert!(verdict.evidence[0].says.contains("NETFILTER_DROP"));

    let mut sim = watched();
    sim.asks(&renew()).sent(&ack(), OWN);
    assert_eq!(outcome(&mut sim), inferred(Cause::ReplyLost));
}
