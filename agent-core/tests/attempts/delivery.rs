//! Requests that the kernel kept from their server.

use crate::lab::{
    BR101, Kernel, OTHER, OWN, RAW, ack, inferred, missing, observed, on, outcome, raw, rebind,
    renew, udp, verdict, watched, watched_with, without_server,
};
use crate::support::{CLIENT, ETH3, LEASED, LO, Packet, VIP, lease};
use leasehound_core::cause::Cause;
use leasehound_core::delivery::{Device, SocketFacts};
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::verdict::{DeliveryOutcome, GroundSource, Missing, Outcome};
use std::net::Ipv4Addr;

const UDP_RCV: Option<&str> = Some("__udp4_lib_rcv");

#[test]
fn the_kernels_reason_is_the_cause() {
    for (reason, cause) in [
        ("NETFILTER_DROP", Cause::FirewallDropped),
        ("IP_RPFILTER", Cause::ReversePathFiltered),
        ("OTHERHOST", Cause::FrameForOtherHost),
        ("NO_SOCKET", Cause::NoListener),
    ] {
        let mut sim = watched();
        sim.asks(&renew()).dropped(&renew(), reason, None);
        let verdict = verdict(&mut sim);
        assert_eq!(verdict.outcome, observed(cause));
        assert_eq!(verdict.evidence[0].source, GroundSource::KernelDrop);
        let no_socket = cause == Cause::NoListener;
        let delivery = if no_socket {
            DeliveryOutcome::NoSocket
        } else {
            DeliveryOutcome::Dropped
        };
        assert_eq!(verdict.delivery, Some(delivery));
        assert!(verdict.remedy.is_some() && verdict.outcome.is_alarm());
    }
}

#[test]
fn what_the_socket_refuses_comes_after_the_offer() {
    for (reason, cause) in [
        ("SOCKET_RCVBUFF", Cause::SocketOverflow),
        ("PROTO_MEM", Cause::SocketOverflow),
        ("UDP_CSUM", Cause::BadUdpChecksum),
    ] {
        let mut sim = watched();
        sim.asks(&renew())
            .offered(&renew(), OWN)
            .dropped(&renew(), reason, None);
        assert_eq!(outcome(&mut sim), observed(cause));
    }
}

#[test]
fn a_drop_of_another_copy_counts_for_nothing() {
    let mut sim = watched();
    sim.asks(&renew())
        .dropped(&renew(), "OTHERHOST", None)
        .offered(&renew(), OWN);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, missing(Missing::ServerConfiguration));
    assert_eq!(verdict.delivery, Some(DeliveryOutcome::ExpectedDaemon));
}

#[test]
fn a_source_of_zero_is_a_martian_and_other_martians_are_not_called_so() {
    let zero = Packet {
        source: Ipv4Addr::UNSPECIFIED,
        ..renew()
    };
    let mut sim = watched();
    sim.asks(&zero).dropped(&zero, "IP_INVALID_SOURCE", None);
    assert_eq!(outcome(&mut sim), observed(Cause::SourceUnspecified));
    let mut sim = watched();
    sim.asks(&zero);
    assert_eq!(outcome(&mut sim), inferred(Cause::SourceUnspecified));
    let mut sim = watched();
    sim.asks(&renew())
        .dropped(&renew(), "IP_INVALID_SOURCE", None);
    assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
}

#[test]
fn an_address_that_moved_away_is_not_local() {
    let gone = Ipv4Addr::new(172, 29, 101, 2);
    let asks_gone = Packet {
        destination: gone,
        ..renew()
    };
    // Granted under an id that is still here: the client asks another than it was told.
    let mut sim = watched();
    sim.asks(&asks_gone)
        .dropped(&asks_gone, "IP_INADDRERRORS", None);
    assert_eq!(outcome(&mut sim), observed(Cause::AskedWrongServer));
    // Granted under the id that moved.
    let mut sim = watched();
    sim.see(
        &Packet {
            server_id: Some(gone),
            ..ack()
        },
        ETH3,
        Egress,
    );
    sim.asks(&asks_gone)
        .dropped(&asks_gone, "IP_INADDRERRORS", None);
    assert_eq!(outcome(&mut sim), observed(Cause::DestinationNotLocal));
    // Forwarded, and nobody there.
    let mut sim = watched();
    sim.see(
        &Packet {
            server_id: Some(gone),
            ..ack()
        },
        ETH3,
        Egress,
    );
    sim.asks(&asks_gone)
        .see(&asks_gone, ETH3, Egress)
        .pass(3000)
        .unreachable(1, VIP, &asks_gone);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, observed(Cause::DestinationNotLocal));
    assert_eq!(verdict.evidence[0].source, GroundSource::Icmp);
}

#[test]
fn a_frame_for_another_host_is_told_by_its_mac() {
    let stale = Packet {
        destination_mac: [2, 9, 9, 9, 9, 9],
        ..renew()
    };
    let mut sim = watched();
    sim.asks(&stale);
    assert_eq!(outcome(&mut sim), inferred(Cause::FrameForOtherHost));
}

#[test]
fn a_wrong_checksum_is_seen_in_the_packet() {
    let wrong = Packet {
        udp_checksum: None,
        ..renew()
    };
    let mut sim = watched();
    sim.asks(&wrong).offered(&wrong, OWN);
    assert_eq!(outcome(&mut sim), inferred(Cause::BadUdpChecksum));
}

#[test]
fn nobody_listens_to_a_unicast_or_a_broadcast() {
    let mut sim = watched();
    sim.listens(vec![]);
    sim.asks(&renew())
        .dropped(&renew(), "NO_SOCKET", UDP_RCV)
        .unreachable(3, VIP, &renew());
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, observed(Cause::NoListener));
    assert!(
        verdict
            .evidence
            .iter()
            .any(|g| g.source == GroundSource::Icmp)
    );

    let mut sim = watched();
    sim.listens(vec![]);
    sim.asks(&rebind())
        .dropped(&rebind(), "NOT_SPECIFIED", UDP_RCV);
    assert_eq!(outcome(&mut sim), observed(Cause::NoListener));
    // Without a word from the kernel.
    let mut sim = watched();
    sim.asks(&renew()).pass(1).listens(vec![]);
    assert_eq!(outcome(&mut sim), observed(Cause::NoListener));
    // By the ICMP error alone.
    let mut sim = watched();
    sim.asks(&renew()).unreachable(3, VIP, &renew());
    assert_eq!(outcome(&mut sim), observed(Cause::NoListener));
}

#[test]
fn where_no_server_is_a_broadcast_is_nobodys_fault() {
    let mut sim = without_server();
    sim.asks(&rebind())
        .dropped(&rebind(), "NOT_SPECIFIED", UDP_RCV);
    assert_eq!(outcome(&mut sim), missing(Missing::Server));
}

#[test]
fn listeners_on_other_devices_are_named() {
    for device in [Device::Interface(BR101), Device::Gone] {
        let mut sim = watched();
        sim.listens(vec![on(device, udp(OWN, 812))]);
        sim.asks(&renew()).dropped(&renew(), "NO_SOCKET", UDP_RCV);
        let verdict = verdict(&mut sim);
        assert_eq!(verdict.outcome, observed(Cause::ListenerOnOtherDevice));
        assert!(verdict.evidence[1].says.contains("pid 812 (dnsmasq)"));
    }
    let mut sim = watched();
    let here = Device::Interface(ETH3);
    sim.listens(vec![on(here, udp(OWN, 812))]);
    sim.asks(&renew()).dropped(&renew(), "NO_SOCKET", UDP_RCV);
    assert_eq!(outcome(&mut sim), observed(Cause::NoListener));
}

#[test]
fn a_server_that_does_not_read_is_found_by_its_socket() {
    let told = |after: u64, octets: u32| {
        let mut sim = watched();
        sim.asks(&renew()).offered(&renew(), OWN).pass(after);
        let waiting = SocketFacts {
            waiting: octets,
            ..udp(OWN, 812)
        };
        sim.listens(vec![waiting]);
        outcome(&mut sim)
    };
    let overflow = observed(Cause::SocketOverflow);
    assert_eq!(told(101, 1280), overflow);
    assert_ne!(told(5, 1280), overflow, "it has just come");
    assert_eq!(told(5, 20_000), overflow, "more than has just come");
}

#[test]
fn the_wrong_daemon_is_named_with_the_right_one() {
    let sockets = || vec![udp(OWN, 812), on(Device::Interface(LO), udp(OTHER, 900))];
    let mut sim = watched_with(sockets(), OWN);
    sim.asks(&renew()).offered(&renew(), OTHER);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, observed(Cause::WrongDaemon));
    assert_eq!(verdict.delivery, Some(DeliveryOutcome::WrongDaemon));
    let says: Vec<&str> = verdict.evidence.iter().map(|g| g.says.as_str()).collect();
    assert!(says[0].contains("pid 900 (dnsmasq)") && says[1].contains("pid 812 (dnsmasq)"));
    let remedy = verdict.remedy.unwrap();
    assert!(
        remedy.contains("pid 812 (dnsmasq) interface=eth3"),
        "{remedy}"
    );
    assert!(
        remedy.contains("pid 900 (dnsmasq) interface=lo"),
        "{remedy}"
    );
    // It answered all the same.
    let mut sim = watched_with(sockets(), OWN);
    sim.asks(&renew()).offered(&renew(), OTHER).answers(&ack());
    assert!(matches!(outcome(&mut sim), Outcome::Answered { .. }));
}

#[test]
fn a_restarted_server_or_an_unknown_socket_is_no_wrong_daemon() {
    // The granter is gone, and its successor has the message.
    let mut sim = watched();
    sim.listens(vec![udp(OTHER, 900)]);
    sim.asks(&renew()).offered(&renew(), OTHER);
    assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
    // A pid that was used again is another process.
    let mut sim = watched();
    let mut again = udp(OTHER, 812);
    if let Some(process) = &mut again.process {
        process.key.start_ticks += 1;
    }
    sim.listens(vec![again, udp(RAW, 900)]);
    sim.asks(&renew()).offered(&renew(), OTHER);
    assert_eq!(outcome(&mut sim), missing(Missing::Server));
    // A socket that no survey had.
    let mut sim = watched();
    sim.asks(&renew()).offered(&renew(), OTHER);
    assert_eq!(outcome(&mut sim), missing(Missing::Server));
    // A broadcast is offered to all of them.
    let mut sim = watched_with(vec![udp(OWN, 812), udp(OTHER, 900)], OWN);
    sim.asks(&rebind())
        .offered(&rebind(), OTHER)
        .offered(&rebind(), OWN);
    assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
}

#[test]
fn a_drop_means_nothing_to_a_server_that_reads_frames() {
    let sockets = || vec![raw(RAW, 812), udp(OWN, 812)];
    for reason in [
        "NETFILTER_DROP",
        "IP_RPFILTER",
        "IP_INADDRERRORS",
        "NO_SOCKET",
    ] {
        let mut sim = watched_with(sockets(), RAW);
        sim.asks(&renew())
            .dropped(&renew(), reason, None)
            .read_raw(&renew(), 812)
            .answers(&ack());
        assert!(matches!(outcome(&mut sim), Outcome::Answered { .. }));
        let mut sim = watched_with(sockets(), RAW);
        sim.asks(&renew()).dropped(&renew(), reason, None);
        assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
        let mut sim = watched_with(sockets(), RAW);
        sim.asks(&renew())
            .dropped(&renew(), reason, None)
            .read_raw(&renew(), 812);
        assert_eq!(outcome(&mut sim), missing(Missing::ServerConfiguration));
    }
}

#[test]
fn on_loopback_a_server_that_reads_frames_gets_nothing() {
    let mut sim = watched_with(vec![raw(RAW, 812), udp(OWN, 812)], RAW);
    sim.see(&renew(), LO, Egress)
        .see(&renew(), LO, Ingress)
        .offered(&renew(), OWN);
    assert_eq!(outcome(&mut sim), observed(Cause::DiscardSocket));
    // And what also came by an interface it gets.
    let mut sim = watched_with(vec![raw(RAW, 812), udp(OWN, 812)], RAW);
    sim.asks(&renew()).offered(&renew(), OWN);
    assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
}

#[test]
fn fragments_are_lost_on_a_server_that_reads_frames() {
    let mut frame = renew().frame();
    frame[20] = 0x20; // more fragments
    for (sockets, expected) in [
        (vec![raw(RAW, 812)], inferred(Cause::Fragmented)),
        (vec![udp(RAW, 812)], missing(Missing::Delivery)),
    ] {
        let mut sim = watched_with(sockets, RAW);
        sim.see_frame(sim.at, &frame, ETH3, Ingress, None);
        assert_eq!(outcome(&mut sim), expected);
    }
}

#[test]
fn where_samples_were_lost_only_what_was_seen_counts() {
    let loss = Loss {
        stage: LossStage::Ring,
        count: 1,
    };
    let zero = Packet {
        source: Ipv4Addr::UNSPECIFIED,
        ..renew()
    };
    let mut sim = watched();
    sim.asks(&zero);
    sim.engine.handle_loss(sim.at, loss);
    let verdict = verdict(&mut sim);
    assert_eq!(verdict.outcome, missing(Missing::Delivery));
    assert!(verdict.loss);
    let mut sim = watched();
    sim.asks(&renew()).dropped(&renew(), "NETFILTER_DROP", None);
    sim.engine.handle_loss(sim.at, loss);
    assert_eq!(outcome(&mut sim), observed(Cause::FirewallDropped));
}

#[test]
fn without_a_source_of_facts_it_is_not_known() {
    let mut sim = crate::support::Sim::router();
    sim.leased(lease(LEASED, CLIENT, None)).asks(&renew());
    assert_eq!(outcome(&mut sim), missing(Missing::Delivery));
}
