//! What the kernel did with a RELEASE decides why it was not honoured, and raises no
//! false alarm.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::delivery::{
    Delivery, Device, KernelDrop, ProcessFacts, ProcessKey, SocketConflict, SocketConflictKind,
    SocketCookie, SocketFacts, SocketSurvey, Source, Sources, Takes, Way,
};
use leasehound_core::engine::Output;
use leasehound_core::evidence::Evidence;
use leasehound_core::finding::{FindingKind, FindingState};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::origin::{Hook, Origin};
use leasehound_core::verdict::{Certainty, DeliveryOutcome, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, Packet, Sim, VIP, lease};

const OURS: SocketCookie = SocketCookie(0x89);
const OTHER: SocketCookie = SocketCookie(0x8a);
const RAW: SocketCookie = SocketCookie(0x8b);
/// The pid that `Sim::router` gives its dnsmasq.
const SERVER: u32 = 812;
const NEIGHBOUR: u32 = 813;

fn socket(cookie: SocketCookie, pid: u32, takes: Takes, device: Option<Device>) -> SocketFacts {
    SocketFacts {
        cookie,
        takes,
        device,
        process: Some(ProcessFacts {
            key: ProcessKey {
                pid,
                start_ticks: 1,
            },
            command: "dnsmasq".into(),
        }),
        waiting: 0,
    }
}

const ALL: Takes = Takes::Udp {
    address: Ipv4Addr::UNSPECIFIED,
};

fn survey(sim: &Sim, sockets: Vec<SocketFacts>, conflicts: Vec<SocketConflict>) -> Evidence {
    Evidence::Sockets(SocketSurvey {
        netns: NETNS,
        taken: sim.at,
        sockets,
        conflicts,
    })
}

/// Two wildcard sockets, and all sources on.
fn watched(sockets: Vec<SocketFacts>) -> Sim {
    let mut sim = Sim::router();
    let on = Source::On;
    sim.evidence(Evidence::Sources(Sources {
        deliveries: on,
        drops: on,
        raw_reads: on,
        sockets: on,
    }));
    let evidence = survey(&sim, sockets, vec![]);
    sim.evidence(evidence);
    sim
}

fn see_from(sim: &mut Sim, packet: &Packet, socket: SocketCookie) {
    let bytes = packet.frame();
    let frame = RawFrame {
        link: LinkType::Ethernet,
        bytes: &bytes,
        wire_length: u32::try_from(bytes.len()).unwrap(),
        vlan: VlanStack::default(),
        packet_type: None,
        socket: Some(socket),
    };
    let origin = Origin {
        interface: ETH3,
        direction: Egress,
        hook: Hook::Tcx,
    };
    sim.engine.handle_frame(sim.at, origin, &frame);
}

fn grant_through(sim: &mut Sim, socket: SocketCookie) {
    sim.see(&Packet::request(LEASED), ETH3, Ingress);
    see_from(sim, &Packet::ack(VIP, LEASED), socket);
    sim.pass(1).leased(lease(LEASED, CLIENT, None)).pass(5000);
}

fn ip(packet: &Packet) -> Box<[u8]> {
    packet.frame()[14..].into()
}

fn offered(sim: &Sim, packet: &Packet, socket: SocketCookie) -> Evidence {
    let packet = ip(packet);
    Evidence::Delivery(Delivery {
        seen: sim.at,
        netns: NETNS,
        interface: Some(ETH3),
        way: Way::Offered,
        socket,
        bound: None,
        wire_length: u32::try_from(packet.len()).unwrap(),
        packet,
    })
}

fn dropped(sim: &Sim, packet: &Packet, reason: &str, place: Option<&str>) -> Evidence {
    let packet = ip(packet);
    Evidence::Drop(KernelDrop {
        seen: sim.at,
        netns: NETNS,
        interface: Some(ETH3),
        reason: reason.into(),
        place: place.map(Into::into),
        packet_type: None,
        wire_length: u32::try_from(packet.len()).unwrap(),
        packet,
    })
}

fn ignored(cause: Cause) -> Outcome {
    Outcome::Ignored {
        cause,
        certainty: Certainty::Observed,
    }
}

fn resurvey(sim: &mut Sim, sockets: Vec<SocketFacts>) {
    let evidence = survey(sim, sockets, vec![]);
    sim.evidence(evidence);
}

/// A RELEASE comes, something is known of it, the lease stays.
fn stays(sim: &mut Sim, sockets: &[SocketFacts], facts: &[Evidence]) -> Outcome {
    sim.see(&Packet::release(VIP), ETH3, Ingress);
    for fact in facts {
        sim.evidence(fact.clone());
    }
    sim.pass(901);
    resurvey(sim, sockets.to_vec());
    sim.read_nothing_new();
    let [outcome] = sim.outcomes()[..] else {
        panic!("{:?}", sim.outcomes());
    };
    outcome
}

#[test]
fn a_unicast_that_another_daemon_got() {
    let sockets = vec![
        socket(OURS, SERVER, ALL, None),
        socket(OTHER, NEIGHBOUR, ALL, None),
    ];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    let astray = offered(&sim, &Packet::release(VIP), OTHER);
    assert_eq!(
        stays(&mut sim, &sockets, &[astray]),
        ignored(Cause::WrongDaemon)
    );
    let verdict = sim.verdicts()[0];
    assert_eq!(verdict.delivery, Some(DeliveryOutcome::WrongDaemon));
    let says: Vec<&str> = verdict.evidence.iter().map(|g| &*g.says).collect();
    assert!(says.iter().any(|says| says.contains("pid 812")), "{says:?}");
    assert!(says.iter().any(|says| says.contains("pid 813")), "{says:?}");
    let finding = sim.outputs.iter().find_map(|output| match output {
        Output::Finding(finding) => Some(finding),
        _ => None,
    });
    let finding = finding.unwrap();
    assert_eq!(finding.kind, FindingKind::UnicastsToWrongDaemon);
    assert_eq!((finding.cases, finding.of), (1, 1));
    assert!(
        finding.title.contains("172.29.101.1 on eth3"),
        "{}",
        finding.title
    );
}

#[test]
fn the_right_daemon_got_it_and_kept_the_lease() {
    let sockets = vec![socket(OURS, SERVER, ALL, None)];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    let right = offered(&sim, &Packet::release(VIP), OURS);
    assert_eq!(
        stays(&mut sim, &sockets, &[right]),
        Outcome::Undetermined {
            missing: Missing::ServerConfiguration
        }
    );
}

#[test]
fn a_socket_that_nobody_reads() {
    let sockets = vec![socket(OURS, SERVER, ALL, None)];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    let right = offered(&sim, &Packet::release(VIP), OURS);
    let mut stuck = sockets;
    stuck[0].waiting = 768;
    assert_eq!(
        stays(&mut sim, &stuck, &[right]),
        ignored(Cause::SocketOverflow)
    );
}

/// The release was read at once; what waits when it is looked is somebody else's.
#[test]
fn a_message_that_comes_while_it_is_looked_is_no_overflow() {
    let sockets = vec![socket(OURS, SERVER, ALL, None)];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    sim.see(&Packet::release(VIP), ETH3, Ingress);
    sim.evidence(offered(&sim, &Packet::release(VIP), OURS));
    sim.pass(901);
    let other = Packet {
        chaddr: [2, 9, 9, 9, 9, 9],
        ..Packet::request(Ipv4Addr::new(172, 29, 101, 77))
    };
    sim.evidence(offered(&sim, &other, OURS));
    let mut busy = sockets;
    busy[0].waiting = 1280;
    resurvey(&mut sim, busy);
    sim.read_nothing_new();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::ServerConfiguration
        }]
    );
}

#[test]
fn nothing_is_concluded_of_a_socket_that_is_not_known() {
    let sockets = vec![socket(OURS, SERVER, ALL, None)];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    let unknown = offered(&sim, &Packet::release(VIP), SocketCookie(0xdead));
    assert_eq!(
        stays(&mut sim, &sockets, &[unknown]),
        Outcome::Undetermined {
            missing: Missing::Delivery
        }
    );
}

#[test]
fn a_restarted_server_is_no_other_one() {
    let mut sim = watched(vec![socket(OTHER, SERVER, ALL, None)]);
    // Granted through a socket of a process that is gone.
    resurvey(&mut sim, vec![socket(OURS, 700, ALL, None)]);
    grant_through(&mut sim, OURS);
    let sockets = vec![socket(OTHER, SERVER, ALL, None)];
    resurvey(&mut sim, sockets.clone());
    let new = offered(&sim, &Packet::release(VIP), OTHER);
    let outcome = stays(&mut sim, &sockets, &[new]);
    assert_eq!(
        outcome,
        Outcome::Undetermined {
            missing: Missing::ServerConfiguration
        }
    );
}

#[test]
fn drops_name_their_cause() {
    let udp = vec![socket(OURS, SERVER, ALL, None)];
    for (reason, place, cause) in [
        (
            "NETFILTER_DROP",
            Some("nf_hook_slow"),
            Cause::FirewallDropped,
        ),
        ("IP_RPFILTER", None, Cause::ReversePathFiltered),
        ("SOCKET_RCVBUFF", None, Cause::SocketOverflow),
    ] {
        let mut sim = watched(udp.clone());
        grant_through(&mut sim, OURS);
        let fact = dropped(&sim, &Packet::release(VIP), reason, place);
        assert_eq!(stays(&mut sim, &udp, &[fact]), ignored(cause), "{reason}");
        let verdict = sim.verdicts()[0];
        assert!(
            verdict.evidence.iter().any(|g| g.says.contains(reason)),
            "{:?}",
            verdict.evidence
        );
        assert_eq!(verdict.delivery, Some(DeliveryOutcome::Dropped));
    }
}

#[test]
fn no_socket_and_why() {
    let gone = vec![socket(OURS, SERVER, ALL, Some(Device::Gone))];
    let mut sim = watched(gone.clone());
    grant_through(&mut sim, OURS);
    let fact = dropped(&sim, &Packet::release(VIP), "NO_SOCKET", None);
    assert_eq!(
        stays(&mut sim, &gone, &[fact]),
        ignored(Cause::ListenerOnOtherDevice)
    );
    let mut sim = watched(vec![socket(OURS, SERVER, ALL, None)]);
    grant_through(&mut sim, OURS);
    // The server is killed, its database with it.
    sim.evidence(Evidence::ServerGone(DNSMASQ));
    resurvey(&mut sim, vec![]);
    let fact = dropped(&sim, &Packet::release(VIP), "NO_SOCKET", None);
    sim.see(&Packet::release(VIP), ETH3, Ingress)
        .evidence(fact)
        .pass(901)
        .pass(2000);
    assert_eq!(sim.outcomes(), [ignored(Cause::NoListener)]);
}

#[test]
fn a_server_of_raw_frames_does_not_mind_what_the_ip_layer_drops() {
    let raw = vec![
        socket(RAW, SERVER, Takes::Frames, Some(Device::Interface(ETH3))),
        socket(OURS, SERVER, ALL, None),
    ];
    let mut sim = watched(raw.clone());
    grant_through(&mut sim, RAW);
    let fact = dropped(&sim, &Packet::release(VIP), "NETFILTER_DROP", None);
    sim.see(&Packet::release(VIP), ETH3, Ingress)
        .evidence(fact)
        .pass(10)
        .gone(LEASED);
    assert_eq!(sim.outcomes(), [Outcome::Honoured]);
    // And where it did keep the lease, the drop is not why.
    let mut sim = watched(raw.clone());
    grant_through(&mut sim, RAW);
    let fact = dropped(&sim, &Packet::release(VIP), "NETFILTER_DROP", None);
    assert!(matches!(
        stays(&mut sim, &raw, &[fact]),
        Outcome::Undetermined { .. }
    ));
    // Through loopback it reaches the socket that nobody listens to.
    let mut sim = watched(raw);
    grant_through(&mut sim, RAW);
    sim.see(&Packet::release(VIP), LO, Ingress).pass(901);
    sim.read_nothing_new();
    sim.pass(2000);
    assert_eq!(sim.outcomes(), [ignored(Cause::DiscardSocket)]);
}

#[test]
fn a_fact_that_overtakes_its_frame_counts() {
    let sockets = vec![socket(OURS, SERVER, ALL, None)];
    let mut sim = watched(sockets.clone());
    grant_through(&mut sim, OURS);
    let fact = dropped(&sim, &Packet::release(VIP), "NETFILTER_DROP", None);
    sim.evidence(fact);
    assert_eq!(
        stays(&mut sim, &sockets, &[]),
        ignored(Cause::FirewallDropped)
    );
}

fn findings(sim: &Sim) -> Vec<(FindingKind, FindingState)> {
    let found = |output: &Output| match output {
        Output::Finding(finding) => Some((finding.kind, finding.state)),
        _ => None,
    };
    sim.outputs.iter().filter_map(found).collect()
}

#[test]
fn sockets_in_each_others_way_are_found_before_any_packet() {
    let both = vec![
        socket(OURS, SERVER, ALL, None),
        socket(OTHER, NEIGHBOUR, ALL, None),
    ];
    let conflict = SocketConflict {
        kind: SocketConflictKind::Wildcards,
        cookies: vec![OURS, OTHER],
    };
    let mut sim = watched(vec![]);
    let evidence = survey(&sim, both.clone(), vec![conflict.clone()]);
    sim.evidence(evidence).pass(500);
    assert_eq!(findings(&sim), [], "a restart may look like that");
    sim.pass(600);
    let opened = (FindingKind::WildcardSockets, FindingState::Opened);
    assert_eq!(findings(&sim), [opened]);
    assert_eq!(sim.engine.open_findings().len(), 1);
    resurvey(&mut sim, both[..1].to_vec());
    let closed = (FindingKind::WildcardSockets, FindingState::Closed);
    assert_eq!(findings(&sim), [opened, closed]);
    assert!(sim.engine.open_findings().is_empty());
    // One that goes again in time is none.
    let mut sim = watched(vec![]);
    let evidence = survey(&sim, both.clone(), vec![conflict]);
    sim.evidence(evidence).pass(500);
    resurvey(&mut sim, both[..1].to_vec());
    sim.pass(5000);
    assert_eq!(findings(&sim), []);
}

#[test]
fn without_the_sources_all_is_as_before() {
    let mut sim = Sim::router();
    sim.grant();
    sim.see(&Packet::release(VIP), ETH3, Ingress).still_there();
    assert_eq!(
        sim.outcomes(),
        [Outcome::Undetermined {
            missing: Missing::Delivery
        }]
    );
}
