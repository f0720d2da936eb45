//! Hooks come and go: refusals, what a killed run leaves, interfaces that vanish. Needs
//! root, works in namespaces of its own.
#![cfg(feature = "ebpf")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: the panic is the report"
)]

mod net;

use leasehound::capture::ebpf::{AttachError, Capture, IngressMode, Options};
use leasehound_core::origin::Direction;
use net::{Pair, RELEASE, message, output};

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
        let mut killed = load();
        killed.attach("server0", server, IngressMode::Tc).unwrap();
        // What SIGKILL leaves of it.
        std::mem::forget(killed);
        let left = output("tc", "filter show dev server0 ingress");
        assert!(left.contains("leasehound_in"), "{left}");

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
