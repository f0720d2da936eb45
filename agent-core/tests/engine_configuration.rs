//! dnsmasq's configuration as evidence: what may rest on it, and what not.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::configuration::{ConfigurationLine, ServerConfiguration};
use leasehound_core::evidence::{Evidence, InterfaceAddress, InterfaceFacts};
use leasehound_core::finding::FindingKind;
use leasehound_core::origin::Direction::Ingress;
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{Certainty, GroundSource, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, NETNS, PRIMARY, Packet, Sim, VIP, interfaces, lease};

const RANGE: &str = "dhcp-range=172.29.101.100,172.29.101.254,255.255.255.0";
const WAN: InterfaceId = InterfaceId(9);

fn configuration(options: &str, not_understood: &[&str]) -> Evidence {
    let lines = options
        .split_ascii_whitespace()
        .map(|text| ConfigurationLine {
            origin: "command line".into(),
            number: 1,
            text: text.into(),
        });
    Evidence::Configuration(ServerConfiguration {
        server: DNSMASQ,
        netns: NETNS,
        pools: vec![],
        options: lines.collect(),
        not_understood: not_understood.iter().map(|line| (*line).into()).collect(),
    })
}

/// The lease is in the books, and no ACK was heard.
fn unheard(options: &str, not_understood: &[&str]) -> Sim {
    let mut sim = Sim::router();
    sim.leased(lease(LEASED, CLIENT, None))
        .evidence(configuration(options, not_understood))
        .pass(10);
    sim
}

fn ignored(cause: Cause) -> Outcome {
    Outcome::Ignored {
        cause,
        certainty: Certainty::Observed,
    }
}

#[test]
fn the_id_where_the_server_was_not_heard() {
    let vip_only = format!("listen-address=127.0.0.1,{VIP} {RANGE}");
    let mut sim = unheard(&vip_only, &[]);
    sim.see(&Packet::release(PRIMARY), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [ignored(Cause::ServerIdOtherLocalAddress)]);
    let told = sim.verdicts()[0].evidence.iter();
    assert!(
        told.map(|ground| ground.source)
            .any(|source| source == GroundSource::ServerConfiguration)
    );

    // Named right, and still there: then it is something else.
    let mut sim = unheard(&vip_only, &[]);
    sim.see(&Packet::release(VIP), ETH3, Ingress).still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::Delivery
        }]
    );

    let mut sim = unheard(&vip_only, &["x.conf 7: something new"]);
    sim.see(&Packet::release(PRIMARY), ETH3, Ingress)
        .still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::ServerId
        }]
    );
}

#[test]
fn an_ack_that_was_seen_goes_before_the_configuration() {
    let mut sim = Sim::router();
    sim.grant()
        .evidence(configuration(&format!("interface=eth3 {RANGE}"), &[]))
        .see(&Packet::release(VIP), ETH3, Ingress)
        .still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::Delivery
        }]
    );
}

#[test]
fn an_interface_that_is_not_served() {
    let elsewhere = format!("listen-address=127.0.0.1 {RANGE}");
    let mut sim = unheard(&elsewhere, &[]);
    sim.see(&Packet::release(VIP), ETH3, Ingress).still_there();
    assert_eq!(sim.outcomes(), [ignored(Cause::InterfaceNotServed)]);

    let mut sim = unheard(&elsewhere, &["x.conf 7: something new"]);
    sim.see(&Packet::release(VIP), ETH3, Ingress).still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::ServerId
        }]
    );

    // The database decides.
    let mut sim = unheard(&elsewhere, &[]);
    sim.see(&Packet::release(VIP), ETH3, Ingress)
        .pass(1)
        .gone(LEASED);
    sim.pass(1000).read_nothing_new();
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
}

/// Neighbours on the far side ask their own server, whose answers are not seen here.
#[test]
fn others_clients_on_an_interface_that_nobody_serves_raise_no_alarm() {
    let mut sim = unheard(&format!("interface=eth3 {RANGE}"), &[]);
    let Evidence::Interfaces {
        netns,
        mut interfaces,
    } = interfaces()
    else {
        panic!("interfaces are interfaces")
    };
    interfaces.push(InterfaceFacts {
        id: WAN,
        name: "wan".into(),
        loopback: false,
        mac: None,
        addresses: vec![InterfaceAddress {
            address: Ipv4Addr::new(203, 0, 113, 9),
            prefix_length: 24,
        }],
    });
    sim.evidence(Evidence::Interfaces { netns, interfaces });
    let neighbour = Packet {
        server_id: None,
        ..Packet::request(Ipv4Addr::new(203, 0, 113, 77))
    };
    sim.see(&neighbour, WAN, Ingress).pass(5000);
    let outcomes: Vec<Outcome> = sim
        .attempts()
        .iter()
        .map(|verdict| verdict.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Unanswered {
            why: Err(Missing::Server)
        }]
    );
}

#[test]
fn predictions_stand_as_long_as_what_they_rest_on() {
    let kinds = |sim: &Sim| -> Vec<FindingKind> {
        let all = sim.engine.predictions(NETNS).iter();
        all.map(|prediction| prediction.kind).collect()
    };
    let mut sim = unheard(&format!("listen-address=127.0.0.1,{VIP} {RANGE}"), &[]);
    assert_eq!(kinds(&sim), [FindingKind::ReleaseToolIdMismatch]);
    // The virtual address comes first now.
    let Evidence::Interfaces {
        netns,
        mut interfaces,
    } = interfaces()
    else {
        panic!("interfaces are interfaces")
    };
    interfaces[1].addresses.reverse();
    sim.evidence(Evidence::Interfaces { netns, interfaces });
    // Not at once: interfaces may change a thousand times a second.
    assert_eq!(kinds(&sim), [FindingKind::ReleaseToolIdMismatch]);
    sim.pass(990);
    assert_eq!(kinds(&sim), []);
    sim.pass(1000).evidence(support::interfaces());
    assert_eq!(
        kinds(&sim),
        [FindingKind::ReleaseToolIdMismatch],
        "the first one at once"
    );
    sim.evidence(Evidence::ServerGone(DNSMASQ));
    assert_eq!(kinds(&sim), []);
    assert!(sim.engine.configuration(DNSMASQ).is_none());
}

#[test]
fn leases_of_another_id_are_told_until_they_are_renewed() {
    let mut sim = Sim::router();
    sim.grant()
        .evidence(configuration(&format!("interface=eth3 {RANGE}"), &[]));
    let changed = |sim: &Sim| {
        let mut all = sim.engine.predictions(NETNS).iter();
        all.any(|prediction| prediction.kind == FindingKind::ServerIdChanged)
    };
    assert!(changed(&sim));
    sim.see(&Packet::request(LEASED), ETH3, Ingress);
    let direction = leasehound_core::origin::Direction::Egress;
    sim.see(&Packet::ack(PRIMARY, LEASED), ETH3, direction);
    assert!(sim.engine.poll_timeout().is_some());
    sim.pass(1000);
    assert!(!changed(&sim));
}

/// An address that left after the message was there when the server looked.
#[test]
fn addresses_that_come_and_go_make_it_uncertain() {
    let vip_only = format!("listen-address=127.0.0.1,{VIP} {RANGE}");
    let without_vip = || {
        let Evidence::Interfaces {
            netns,
            mut interfaces,
        } = interfaces()
        else {
            panic!("these are interfaces");
        };
        for facts in &mut interfaces {
            facts.addresses.retain(|own| own.address != VIP);
        }
        Evidence::Interfaces { netns, interfaces }
    };
    let mut sim = unheard(&vip_only, &[]);
    sim.see(&Packet::release(VIP), ETH3, Ingress)
        .pass(400)
        .evidence(without_vip())
        .still_there();
    let outcome = sim.outcomes()[0];
    assert_ne!(outcome.cause(), Some(Cause::InterfaceNotServed));

    // Long before it, it was gone for the server too.
    let mut sim = unheard(&vip_only, &[]);
    sim.evidence(without_vip())
        .pass(10)
        .see(&Packet::release(PRIMARY), ETH3, Ingress)
        .still_there();
    assert_eq!(sim.outcomes(), [ignored(Cause::InterfaceNotServed)]);
}
