//! ISC dhcpd and Kea: what their own rules say where it differs from dnsmasq's, on a
//! simulated clock. The labs show the same with the real servers.

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::evidence::{Lease, Listening, ServerKind};
use leasehound_core::origin::Direction::Ingress;
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, ETH3, LEASED, PRIMARY, Packet, Sim, VIP, lease};

const RAW: [(ServerKind, Listening); 4] = [
    (ServerKind::IscDhcpd, Listening::Raw),
    (ServerKind::IscDhcpd, Listening::Unknown),
    (ServerKind::Kea, Listening::Raw),
    (ServerKind::Kea, Listening::Unknown),
];

#[expect(clippy::indexing_slicing, reason = "its length is asserted")]
fn stays(kind: ServerKind, listens: Listening, packet: &Packet) -> Outcome {
    let mut sim = Sim::router_of(kind, listens);
    sim.grant().see(packet, ETH3, Ingress).still_there();
    let outcomes = sim.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes[0]
}

fn cause(outcome: Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Ignored { cause, .. } => Some(cause),
        _ => None,
    }
}

#[test]
fn the_path_to_a_udp_socket_means_nothing_to_a_raw_server() {
    let from_nowhere = Packet {
        source: Ipv4Addr::UNSPECIFIED,
        ..Packet::release(VIP)
    };
    for (kind, listens) in RAW {
        assert_eq!(
            stays(kind, listens, &from_nowhere),
            Outcome::Undetermined {
                missing: Missing::Delivery
            },
            "{kind:?} {listens:?}"
        );
    }
    let over_udp = stays(ServerKind::Kea, Listening::Udp, &from_nowhere);
    assert_eq!(cause(over_udp), Some(Cause::SourceUnspecified));
}

#[test]
fn a_lease_that_stays_is_never_blamed_on_an_id_that_is_not_compared() {
    for named in [PRIMARY, Ipv4Addr::new(192, 0, 2, 67)] {
        let outcome = stays(
            ServerKind::IscDhcpd,
            Listening::Raw,
            &Packet::release(named),
        );
        assert_eq!(
            outcome,
            Outcome::Undetermined {
                missing: Missing::Delivery
            }
        );
    }
    let raw = Listening::Raw;
    let local = stays(ServerKind::Kea, raw, &Packet::release(PRIMARY));
    assert_eq!(cause(local), None);
    let foreign = Packet {
        server_id: Some(Ipv4Addr::new(192, 0, 2, 67)),
        ..Packet::release(VIP)
    };
    assert_eq!(
        cause(stays(ServerKind::Kea, raw, &foreign)),
        Some(Cause::ServerIdForeign)
    );
}

#[test]
fn a_lease_that_had_run_out_was_none() {
    for (kind, listens) in RAW {
        let mut sim = Sim::router_of(kind, listens);
        sim.grant();
        let past = Lease {
            expires: Some(sim.at),
            ..lease(LEASED, CLIENT, None)
        };
        sim.pass(10)
            .leased(past)
            .pass(5000)
            .see(&Packet::release(VIP), ETH3, Ingress)
            .still_there();
        assert_eq!(
            sim.outcomes(),
            [Outcome::Ignored {
                cause: Cause::LeaseAbsent,
                certainty: Certainty::Observed
            }],
            "{kind:?}"
        );
    }
}

#[test]
fn a_lease_that_runs_out_meanwhile_proves_nothing() {
    for (kind, listens) in RAW {
        let mut sim = Sim::router_of(kind, listens);
        sim.grant();
        let soon = Lease {
            expires: Some(Timestamp::from_nanos(sim.at.as_nanos() + 5_500_000_000)),
            ..lease(LEASED, CLIENT, None)
        };
        sim.leased(soon)
            .pass(5000)
            .see(&Packet::release(VIP), ETH3, Ingress)
            .still_there();
        assert_eq!(
            sim.outcomes(),
            [Outcome::Undetermined {
                missing: Missing::UndisturbedLease
            }],
            "{kind:?}"
        );
    }
}
