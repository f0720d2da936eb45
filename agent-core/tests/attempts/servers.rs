//! Requests that reached a server, or were another one's.

use crate::lab::{
    Kernel, OWN, SERVERS, ack, inferred, init_reboot, lost_database, missing, observed, outcome,
    rebind, renew, udp, verdict, watched, without_server,
};
use crate::support::{ETH3, LEASED, NETNS, PRIMARY, Packet, Sim, VIP, interfaces};
use leasehound_core::cause::Cause;
use leasehound_core::engine::Config;
use leasehound_core::evidence::{Evidence, LeaseContent, LeaseUpdate, ServerKind};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{Missing, Outcome};
use std::net::Ipv4Addr;

const FOREIGN: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 99);

fn select(server: Ipv4Addr) -> Packet {
    Packet {
        server_id: Some(server),
        xid: 0x79,
        ..Packet::request(LEASED)
    }
}

#[test]
fn what_another_server_was_chosen_for_is_no_alarm() {
    let mut sim = watched();
    sim.asks(&select(FOREIGN)).offered(&select(FOREIGN), OWN);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, inferred(Cause::LeaseOfOtherServer));
    assert!(!verdict.outcome.is_alarm() && verdict.remedy.is_none());
    // It was heard on the segment.
    let mut sim = watched();
    let offer = Packet {
        kind: 2,
        ..Packet::ack(FOREIGN, LEASED)
    };
    sim.see(&offer, ETH3, Ingress).asks(&select(FOREIGN));
    assert_eq!(outcome(&mut sim), observed(Cause::LeaseOfOtherServer));
    // Either address of this host is ours to answer.
    for server in SERVERS {
        let mut sim = watched();
        sim.asks(&select(server)).offered(&select(server), OWN);
        assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
    }
}

#[test]
fn a_lease_that_another_host_granted_is_its_own_to_extend() {
    for request in [rebind(), init_reboot()] {
        let mut sim = without_server();
        let theirs = Packet {
            source: FOREIGN,
            ..Packet::ack(FOREIGN, LEASED)
        };
        sim.see(&theirs, ETH3, Ingress).pass(5000);
        sim.asks(&request)
            .dropped(&request, "NOT_SPECIFIED", Some("__udp4_lib_rcv"));
        assert_eq!(outcome(&mut sim), observed(Cause::LeaseOfOtherServer));
    }
}

#[test]
fn a_router_between_client_and_server_is_not_to_blame() {
    let far = Packet {
        destination: Ipv4Addr::new(192, 0, 2, 1),
        ..renew()
    };
    let mut sim = without_server();
    sim.asks(&far).see(&far, InterfaceId(4), Egress);
    assert_eq!(outcome(&mut sim), missing(Missing::Server));
}

#[test]
fn a_relayed_request_is_for_the_relays_server() {
    let relayed = Packet {
        giaddr: PRIMARY,
        destination: Ipv4Addr::new(192, 0, 2, 1),
        ..init_reboot()
    };
    let mut sim = without_server();
    sim.asks(&init_reboot())
        .see(&relayed, InterfaceId(4), Egress);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, observed(Cause::InterfaceRelayed));
    assert!(!verdict.outcome.is_alarm());
}

#[test]
fn a_server_that_knows_no_lease_keeps_silent() {
    for request in [renew(), rebind(), init_reboot()] {
        let mut sim = watched();
        lost_database(&mut sim);
        sim.pass(10).asks(&request).offered(&request, OWN);
        assert_eq!(outcome(&mut sim), observed(Cause::SilentForUnknownLease));
    }
    // It has the lease.
    let mut sim = watched();
    sim.asks(&rebind()).offered(&rebind(), OWN);
    assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
    // It was not seen to get the message.
    let mut sim = watched();
    lost_database(&mut sim);
    sim.pass(10).asks(&rebind());
    assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
}

#[test]
fn options_that_a_renewal_must_not_have_are_named_where_the_server_is_not_known() {
    let forbidden = Packet {
        server_id: Some(VIP),
        requested: Some(LEASED),
        ..renew()
    };
    let mut sim = Sim::bare(Config::default());
    sim.evidence(interfaces()).listens(vec![udp(OWN, 812)]);
    sim.asks(&forbidden).offered(&forbidden, OWN);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, inferred(Cause::ForbiddenOptions));
    // dnsmasq does not mind.
    let mut sim = watched();
    sim.asks(&forbidden).offered(&forbidden, OWN);
    assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
}

#[test]
fn a_database_that_was_read_before_the_ack_does_not_know_better() {
    let mut sim = watched();
    let read_before = LeaseUpdate {
        server: Some(crate::support::DNSMASQ),
        kind: ServerKind::Dnsmasq,
        netns: NETNS,
        read_from: sim.at,
        read_until: sim.at,
        content: LeaseContent::Full(vec![]),
    };
    sim.evidence(Evidence::Leases(read_before));
    sim.pass(1).see(&Packet { xid: 5, ..ack() }, ETH3, Egress);
    sim.asks(&rebind()).offered(&rebind(), OWN);
    assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
}

#[test]
fn a_verdict_names_the_server_it_is_about() {
    let mut sim = watched();
    sim.asks(&renew()).answers(&ack());
    let verdict = verdict(&mut sim);
    assert!(matches!(verdict.outcome, Outcome::Answered { .. }));
    let server = verdict.server.unwrap();
    assert_eq!((server.kind, server.pid), (ServerKind::Dnsmasq, Some(812)));
}
