//! Hooks come and go: refusals, what a killed run leaves, interfaces that vanish. Needs
//! root, works in namespaces of its own.
#![cfg(feature = "ebpf")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: the panic is the report"
)]

mod net;

use leasehound::capture::ebpf::{AttachError, Capture, IngressMode, Options, name};
use leasehound_core::origin::Direction;
use net::{Pair, RELEASE, message, output, programs_on};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

fn load() -> Capture {
    Capture::load(&Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn releases(capture: &Capture) -> u64 {
    capture
        .statistics()
        .messages()
        .unwrap()
        .iter()
        .filter(|count| count.direction == Direction::Ingress && count.message_type == 7)
        .map(|count| count.count)
        .sum()
}

#[test]
fn refusals_say_what_to_do() {
    Pair::with(|pair| {
        let mut capture = load();
        let missing = capture.attach("nosuch0", 4711, IngressMode::Auto);
        assert!(
            matches!(missing, Err(AttachError::NoInterface { .. })),
            "{missing:?}"
        );
        let missing = capture.attach("nosuch0", 4711, IngressMode::Xdp);
        assert!(
            matches!(missing, Err(AttachError::NoInterface { .. })),
            "{missing:?}"
        );
        let native = capture.attach("lo", 1, IngressMode::Xdp);
        assert!(
            matches!(native, Err(AttachError::NoNativeXdp { .. })),
            "{native:?}"
        );
        let server = pair.server_ifindex;
        let mut other = load();
        other.attach("server0", server, IngressMode::Xdp).unwrap();
        for mode in [IngressMode::Xdp, IngressMode::XdpGeneric] {
            let busy = capture.attach("server0", server, mode);
            assert!(matches!(busy, Err(AttachError::XdpBusy { .. })), "{busy:?}");
        }
        let twice = other.attach("server0", server, IngressMode::Auto);
        assert!(
            matches!(twice, Err(AttachError::AlreadyAttached { .. })),
            "{twice:?}"
        );
        assert_eq!(capture.hooks().count(), 0);
    });
}

#[test]
fn filters_of_a_killed_run_go_at_the_next_start_and_others_stay() {
    Pair::with(|pair| {
        let server = pair.server_ifindex;
        output("tc", "qdisc add dev server0 clsact");
        // "0 octets match", as classic BPF: a filter that never says anything.
        let add = "filter add dev server0 ingress prio 7 bpf bytecode";
        net::run("tc", add.split(' ').chain(["1,6 0 0 0,"]));
        let mut killed = Command::new(env!("CARGO_BIN_EXE_leasehound"))
            .args(["run", "--ingress", "tc", "--interface", "server0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = leasehound::clock::now();
        while programs_on("server0").len() < 2 {
            assert_eq!(killed.try_wait().unwrap(), None);
            assert!(leasehound::clock::now().since(start).as_secs() < 20);
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(
            programs_on("server0"),
            [name::CLSACT_INGRESS, name::CLSACT_EGRESS]
        );

        let mut next = load();
        next.attach("server0", server, IngressMode::Auto).unwrap();
        for side in ["ingress", "egress"] {
            let left = output("tc", &format!("filter show dev server0 {side}"));
            assert!(!left.contains("leasehound"), "{left}");
        }
        pair.send(67, &message(RELEASE, 1));
        assert_eq!(releases(&next), 1);
        let others = output("tc", "filter show dev server0 ingress");
        assert!(others.contains("pref 7 bpf"), "{others}");
    });
}

#[test]
fn filters_of_a_living_run_stay() {
    Pair::with(|pair| {
        let server = pair.server_ifindex;
        let mut living = load();
        living.attach("server0", server, IngressMode::Tc).unwrap();
        let mut second = load();
        second.attach("server0", server, IngressMode::Auto).unwrap();
        pair.send(67, &message(RELEASE, 1));
        assert_eq!([releases(&living), releases(&second)], [1, 1]);

        drop((second, living));
        net::wait_until_clean("server0");
        let mut last = load();
        last.attach("server0", server, IngressMode::Tc).unwrap();
        pair.send(67, &message(RELEASE, 2));
        assert_eq!(releases(&last), 1);
    });
}

#[test]
fn a_name_that_passed_to_another_interface_is_not_watched_under_the_old_index() {
    Pair::with(|_| {
        for mode in [IngressMode::Auto, IngressMode::Tc, IngressMode::XdpGeneric] {
            output("ip", "link add old0 type veth peer name old1");
            let index = net::ifindex("old0");
            output("ip", "link set dev old0 name away0");
            output("ip", "link add old0 type veth peer name new1");
            let mut capture = load();
            let attached = capture.attach("old0", index, mode);
            assert!(
                matches!(attached, Err(AttachError::NoInterface { .. })),
                "{mode:?}: {attached:?}"
            );
            assert_eq!(capture.hooks().count(), 0);
            for interface in ["old0", "away0"] {
                net::wait_until_clean(interface);
                output("ip", &format!("link del {interface}"));
            }
        }
    });
}

#[test]
fn counters_of_an_interface_that_went_make_room() {
    Pair::with(|pair| {
        let server = pair.server_ifindex;
        let mut capture = load();
        capture.attach("lo", 1, IngressMode::Auto).unwrap();
        capture
            .attach("server0", server, IngressMode::Auto)
            .unwrap();
        let statistics = capture.statistics();
        let indexes = || -> BTreeSet<u32> {
            let messages = statistics.messages().unwrap();
            messages.iter().map(|count| count.ifindex).collect()
        };
        for round in 0..2 {
            pair.send(67, &message(RELEASE, round));
            pair.send_over_lo(&message(RELEASE, round));
        }
        assert_eq!(indexes(), BTreeSet::from([1, server]));
        capture.detach(server);
        net::wait_until_clean("server0");
        statistics.forget(server).unwrap();
        assert_eq!(indexes(), BTreeSet::from([1]));
        statistics.forget(server).unwrap();

        capture
            .attach("server0", server, IngressMode::Auto)
            .unwrap();
        pair.send(67, &message(RELEASE, 9));
        let counted = statistics.messages().unwrap();
        let anew = counted.iter().filter(|count| count.ifindex == server);
        assert_eq!(anew.map(|count| count.count).collect::<Vec<_>>(), [1]);
    });
}

#[test]
fn an_interface_can_come_back() {
    Pair::with(|pair| {
        let mut capture = load();
        for mode in [IngressMode::Auto, IngressMode::Tc, IngressMode::Xdp] {
            output("ip", "link add gone0 type veth peer name gone1");
            let ifindex = net::ifindex("gone0");
            capture.attach("gone0", ifindex, mode).unwrap();
            output("ip", "link del gone0");
            assert_eq!(capture.detach(ifindex), 2);
        }
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        pair.send(67, &message(RELEASE, 1));
        assert_eq!(releases(&capture), 1);
    });
}
