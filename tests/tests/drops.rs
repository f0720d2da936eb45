//! A RELEASE and a RENEW that never reach a real dnsmasq 2.90: what stands in the way is
//! taken off again, and a later client's exchange proves what the server knew of them.

use anyhow::{Result, anyhow, ensure};
use leasehound_tests::agent::text;
use leasehound_tests::client::Client;
use leasehound_tests::counters::Counter;
use leasehound_tests::dnsmasq::{LISTEN_ON_SECONDARY, POOL, WHOLE_INTERFACE};
use leasehound_tests::drops::{Attempt, Reason, Row, Witness, check};
use leasehound_tests::ear::{Ear, Icmp};
use leasehound_tests::firewall::Place;
use leasehound_tests::frame::Checksum;
use leasehound_tests::matrix::LATECOMER;
use leasehound_tests::message::{Mac, option};
use leasehound_tests::router::Router;
use leasehound_tests::scene::{Scene, truth};
use leasehound_tests::verdict::{counted, evidence, only_one_alarm, verdict_on};
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;

/// Two tests for each row.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident: $row:expr;)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            #[test]
            fn release() -> Result<()> {
                check(Attempt::Release, &$row)
            }

            #[test]
            fn renewal() -> Result<()> {
                check(Attempt::Renewal, &$row)
            }
        }
    )*};
}

const NOBODY: Mac = Mac::client(99);
/// Who has taken over an address of the router.
const HEIR: Mac = Mac::client(98);

/// Nothing in the way, nothing bent: what a row does not change.
const PLAIN: Row = Row {
    server: &[LISTEN_ON_SECONDARY, POOL],
    obstruct: |_| Ok(()),
    bend: |_| (),
    clear: |_| Ok(()),
    witness: Witness::None,
    reason: Reason::None,
    icmp: None,
    outcome: None,
    state: "renewing",
    cause: "",
};

const NO_PORT: Witness = Witness::Counter(Counter::Snmp("Udp", "NoPorts"));

const NOBODY_LISTENS: Row = Row {
    obstruct: |scene| scene.end_server(),
    clear: |scene| scene.restart_server(),
    witness: NO_PORT,
    reason: Reason::InVerdict("NO_SOCKET"),
    icmp: Some(Icmp::PortUnreachable),
    outcome: Some("no_socket"),
    cause: "no_listener",
    ..PLAIN
};

const FIREWALL: Row = Row {
    clear: |scene| scene.lift_firewall(),
    witness: Witness::Firewall,
    reason: Reason::InVerdict("NETFILTER_DROP"),
    outcome: Some("dropped"),
    cause: "firewall_dropped",
    ..PLAIN
};

const MOVED: Row = Row {
    obstruct: |scene| scene.ip("addr delete 172.29.101.1/24 dev eth3"),
    clear: |scene| scene.ip("addr add 172.29.101.1/24 dev eth3"),
    cause: "destination_not_local",
    ..PLAIN
};

rows! {
    nobody_listens_unicast: NOBODY_LISTENS;
    nobody_listens_broadcast: Row {
        bend: |frame| {
            frame.to = Mac::BROADCAST;
            frame.destination = Ipv4Addr::BROADCAST;
        },
        witness: Witness::Counter(Counter::Snmp("Udp", "IgnoredMulti")),
        reason: Reason::InVerdict("NOT_SPECIFIED"),
        icmp: None,
        state: "rebinding",
        ..NOBODY_LISTENS
    };
    /// dnsmasq 2.90 tries to bind anew and fails, for it has given up root by then.
    bound_to_a_dead_interface: Row {
        server: &[WHOLE_INTERFACE, "--bind-interfaces", POOL],
        obstruct: |scene| scene.recreate_link(),
        cause: "listener_on_other_device",
        ..NOBODY_LISTENS
    };
    bound_to_another_interface: Row {
        obstruct: |scene| {
            scene.second_link()?;
            scene.replace_server(&[
                "--interface=eth9",
                "--bind-interfaces",
                "--dhcp-range=172.29.109.100,172.29.109.199,255.255.255.0,1h",
            ])
        },
        cause: "listener_on_other_device",
        ..NOBODY_LISTENS
    };

    firewall_at_input: Row {
        obstruct: |scene| scene.firewall(Place::Input, "udp dport 67"),
        ..FIREWALL
    };
    firewall_at_prerouting: Row {
        obstruct: |scene| scene.firewall(Place::Prerouting, "udp dport 67"),
        ..FIREWALL
    };
    /// It stands behind tcx and clsact, so the message is seen.
    firewall_at_netdev_ingress: Row {
        obstruct: |scene| scene.firewall(Place::Ingress("eth3"), "udp dport 67"),
        ..FIREWALL
    };

    reverse_path_filter: Row {
        obstruct: |scene| {
            scene.second_link()?;
            scene.ip(&format!("route add {}/32 dev eth9", scene.lease.address))?;
            scene.network.router.set("net/ipv4/conf/eth3/rp_filter=1")
        },
        clear: |scene| {
            scene.network.router.set("net/ipv4/conf/eth3/rp_filter=0")?;
            scene.ip(&format!("route delete {}/32", scene.lease.address))
        },
        witness: Witness::Counter(Counter::Netstat("TcpExt", "IPReversePathFilter")),
        reason: Reason::InVerdict("IP_RPFILTER"),
        outcome: Some("dropped"),
        cause: "reverse_path_filtered",
        ..PLAIN
    };
    source_unspecified: Row {
        bend: |frame| frame.source = Ipv4Addr::UNSPECIFIED,
        reason: Reason::InVerdict("IP_INVALID_SOURCE"),
        outcome: Some("dropped"),
        cause: "source_unspecified",
        ..PLAIN
    };

    address_moved_away: Row {
        witness: Witness::Counter(Counter::Snmp("Ip", "InAddrErrors")),
        reason: Reason::InVerdict("IP_INADDRERRORS"),
        outcome: Some("dropped"),
        ..MOVED
    };
    address_moved_away_and_forwarded_to_its_new_owner: Row {
        obstruct: |scene| {
            (MOVED.obstruct)(scene)?;
            scene.network.router.set("net/ipv4/ip_forward=1")?;
            scene.ip(&format!("neigh replace 172.29.101.1 lladdr {HEIR} dev eth3 nud permanent"))
        },
        clear: |scene| {
            scene.network.router.set("net/ipv4/ip_forward=0")?;
            scene.ip("neigh delete 172.29.101.1 dev eth3")?;
            (MOVED.clear)(scene)
        },
        witness: Witness::Counter(Counter::Snmp("Ip", "ForwDatagrams")),
        icmp: Some(Icmp::Redirect),
        ..MOVED
    };
    /// The kernel gives up looking for the new owner three seconds later.
    address_moved_away_and_forwarded_to_nobody: Row {
        obstruct: |scene| {
            (MOVED.obstruct)(scene)?;
            scene.network.router.set("net/ipv4/ip_forward=1")
        },
        clear: |scene| {
            scene.network.router.set("net/ipv4/ip_forward=0")?;
            (MOVED.clear)(scene)
        },
        witness: Witness::Counter(Counter::Snmp("Ip", "ForwDatagrams")),
        reason: Reason::Late("NEIGH_FAILED"),
        icmp: Some(Icmp::HostUnreachable),
        ..MOVED
    };
    /// Such frames are also flooded by healthy switches, so the drop alone counts nothing.
    frame_for_another_mac: Row {
        bend: |frame| frame.to = NOBODY,
        witness: Witness::Counter(Counter::OtherHost("eth3")),
        cause: "frame_for_other_host",
        ..PLAIN
    };

    stopped_server_with_a_full_buffer: Row {
        obstruct: |scene| {
            let dropped = || OVERFLOW.read(&scene.network.router);
            scene.signal(Signal::SIGSTOP)?;
            scene.overflow(dropped)
        },
        clear: |scene| scene.signal(Signal::SIGCONT),
        witness: Witness::Counter(OVERFLOW),
        reason: Reason::Amid("SOCKET_RCVBUFF"),
        cause: "socket_overflow",
        ..PLAIN
    };
    /// The socket is offered the message; the reader finds out.
    wrong_udp_checksum: Row {
        bend: |frame| frame.checksum = Checksum::Wrong,
        witness: Witness::Counter(Counter::Snmp("Udp", "InCsumErrors")),
        reason: Reason::InVerdict("UDP_CSUM"),
        cause: "bad_udp_checksum",
        ..PLAIN
    };
}

const OVERFLOW: Counter = Counter::Snmp("Udp", "RcvbufErrors");

/// The server renewed the lease, and the client does not know.
#[test]
fn an_ack_dropped_at_output() -> Result<()> {
    /// Shorter than the pool's hour: the new lease is told from the old one without a clock.
    const TEN_MINUTES: u32 = 600;

    let network = Router::new()?;
    let mut scene = Scene::new(&network, PLAIN.server)?;
    let until = scene.files.expiry(scene.lease.address)?;
    scene.firewall(Place::Output, "udp sport 67")?;
    let mut frame = scene.client.renew(scene.lease);
    frame
        .message
        .set(option::LEASE_TIME, &TEN_MINUTES.to_be_bytes());
    let mut ear = Ear::open(&network)?;
    scene.client.send(&frame)?;
    wait_for("the ACK to be dropped", PATIENCE, || {
        Ok((scene.firewalled()? == 1).then_some(()))
    })?;
    scene.lift_firewall()?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ear.until_acknowledged(LATECOMER)?;
    let answers = ear.answers(frame.message.xid);
    truth(answers.is_empty(), || {
        format!("answers of type {answers:?}")
    })?;
    let now_until = scene.files.expiry(scene.lease.address)?;
    truth(now_until < until, || "the lease was not renewed".to_owned())?;
    eprintln!("--- the kernel and the server do as expected");

    let agent = scene.agent.as_mut().map_err(|error| anyhow!("{error:#}"))?;
    let verdict = verdict_on(agent, frame.message.xid)?;
    let said = (text(&verdict, "verdict"), text(&verdict, "cause"));
    ensure!(said == ("unanswered", "reply_lost"), "{verdict}");
    let drop = evidence(&verdict, "kernel_drop");
    ensure!(drop.contains("NETFILTER_DROP"), "{verdict}");
    let reason = "reason=\"netfilter_drop\"";
    counted(agent, "leasehound_kernel_drops_total", reason, |count| {
        count == 1
    })?;
    only_one_alarm(agent)
}
