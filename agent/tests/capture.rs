//! Live capture against a real kernel: needs root, works in namespaces of its own.
#![cfg(feature = "ebpf")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: the panic is the report"
)]

mod net;

use leasehound::capture::ebpf::{
    Budget, Capture, Family, HookMode, IngressMode, MessageCount, Options, name,
};
use leasehound::capture::{CaptureEvent, CapturedFrame};
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::frame::PacketType;
use leasehound_core::origin::{Direction, Hook, InterfaceId};
use net::{ACK, DISCOVER, Pair, RELEASE, message, programs_on, wait_until_clean};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const HANDLE: InterfaceId = InterfaceId(7);

fn load(options: Options) -> Capture {
    Capture::load(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads everything that the ring holds, as at shutdown, through a channel of `depth`.
fn drain(capture: &mut Capture) -> Vec<CaptureEvent> {
    let reader = capture.take_reader().expect("the first call");
    net::block_on(async move {
        let (sender, mut receiver) = mpsc::channel(4);
        let run = reader.run(Arc::new(|_| Some(HANDLE)), sender, async {});
        let collect = async {
            let mut events = Vec::new();
            while let Some(event) = receiver.recv().await {
                events.push(event);
            }
            events
        };
        let (result, events) = tokio::join!(run, collect);
        result.unwrap();
        events
    })
}

fn frames(events: &[CaptureEvent]) -> Vec<&CapturedFrame> {
    events
        .iter()
        .filter_map(|event| match event {
            CaptureEvent::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect()
}

fn losses(events: &[CaptureEvent]) -> Vec<Loss> {
    events
        .iter()
        .filter_map(|event| match event {
            CaptureEvent::Loss(loss) => Some(*loss),
            _ => None,
        })
        .collect()
}

fn lost(capture: &Capture, stage: LossStage) -> u64 {
    capture
        .statistics()
        .losses()
        .unwrap()
        .iter()
        .filter(|loss| loss.stage == stage)
        .map(|loss| loss.count)
        .sum()
}

fn counted(capture: &Capture, direction: Direction, message_type: u8) -> u64 {
    capture
        .statistics()
        .messages()
        .unwrap()
        .iter()
        .filter(|count| count.direction == direction && count.message_type == message_type)
        .map(|count| count.count)
        .sum()
}

fn watches_a_veth(
    mode: IngressMode,
    [ingress, egress]: [HookMode; 2],
    programs: [&'static str; 2],
) {
    Pair::with(move |pair| {
        let mut capture = load(Options::default());
        let hooks = capture
            .attach("server0", pair.server_ifindex, mode)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            hooks.iter().map(|hook| hook.mode).collect::<Vec<_>>(),
            [ingress, egress]
        );
        assert_eq!(programs_on("server0"), programs);

        for round in 0..40_u8 {
            pair.send(67, &message(RELEASE, round));
            pair.send(67, &message(DISCOVER, round));
            pair.send(9, &[round; 300]);
            pair.answer(&message(ACK, round));
        }

        let expected = |direction, mode: HookMode, message_type| MessageCount {
            ifindex: pair.server_ifindex,
            direction,
            hook: mode.hook(),
            family: Family::V4,
            message_type,
            count: 40,
        };
        let mut counts = vec![
            expected(Direction::Ingress, ingress, 1),
            expected(Direction::Ingress, ingress, 7),
            expected(Direction::Egress, egress, 5),
        ];
        counts.sort_unstable();
        assert_eq!(capture.statistics().messages().unwrap(), counts);

        capture.detach_all();
        wait_until_clean("server0");
        pair.send(67, &message(RELEASE, 99));

        let events = drain(&mut capture);
        assert_eq!(losses(&events), []);
        let frames = frames(&events);
        assert_eq!(frames.len(), 120);
        let first = frames[0];
        assert_eq!(first.origin.interface, HANDLE);
        assert_eq!(first.origin.direction, Direction::Ingress);
        assert_eq!(first.origin.hook, ingress.hook());
        assert_eq!(first.wire_length as usize, first.bytes.len());
        assert!(first.bytes.ends_with(&message(RELEASE, 0)));
        let expected_type = match ingress.hook() {
            Hook::Xdp => None,
            _ => Some(PacketType::Host),
        };
        assert_eq!(first.packet_type, expected_type);
        let age = leasehound::clock::now().since(first.at);
        assert!(age.as_secs() < 60, "taken {age:?} ago");
        let outgoing = frames
            .iter()
            .filter(|frame| frame.packet_type == Some(PacketType::Outgoing))
            .count();
        assert_eq!(outgoing, 40);
        let samples: u64 = capture
            .statistics()
            .samples()
            .unwrap()
            .iter()
            .map(|sampled| sampled.count)
            .sum();
        assert_eq!(samples, 120);
    });
}

#[test]
fn a_reply_names_its_socket() {
    Pair::with(|pair| {
        let mut capture = load(Options::default());
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        pair.send(67, &message(RELEASE, 0));
        pair.answer(&message(ACK, 0));
        capture.detach_all();
        let events = drain(&mut capture);
        let sockets: Vec<_> = frames(&events)
            .iter()
            .map(|frame| (frame.origin.direction, frame.socket))
            .collect();
        let expected = [
            (Direction::Ingress, None),
            (Direction::Egress, Some(pair.server_cookie())),
        ];
        assert_eq!(sockets, expected);
    });
}

#[test]
fn an_unreachable_port_is_sampled_and_other_icmp_is_not() {
    for mode in [IngressMode::Auto, IngressMode::Tc] {
        Pair::with(move |pair| {
            let mut capture = load(Options::default());
            capture
                .attach("server0", pair.server_ifindex, mode)
                .unwrap();
            Pair::ping();
            pair.send_in_vain(1_000, &message(RELEASE, 1));
            pair.send_in_vain(68, &message(RELEASE, 2));
            capture.detach_all();

            let counts = capture.statistics().messages().unwrap();
            let counted: Vec<_> = counts
                .iter()
                .map(|count| (count.direction, count.message_type, count.count))
                .collect();
            assert_eq!(counted, [(Direction::Ingress, RELEASE, 1)]);
            let events = drain(&mut capture);
            assert_eq!(losses(&events), []);
            let frames = frames(&events);
            assert_eq!(frames.len(), 2, "{frames:?}");
            let [message, error] = frames[..] else {
                panic!("{frames:?}");
            };
            assert!(message.bytes.ends_with(&net::message(RELEASE, 2)));
            assert_eq!(error.origin.direction, Direction::Egress);
            // Protocol ICMP; port unreachable; and the datagram from its IP header.
            assert_eq!(error.bytes[23], 1);
            assert_eq!(error.bytes[34..36], [3, 3]);
            assert_eq!(error.bytes[42 + 22..42 + 24], 68_u16.to_be_bytes());
        });
    }
}

#[test]
fn tcx_on_a_veth() {
    watches_a_veth(
        IngressMode::Auto,
        [HookMode::Tcx; 2],
        [name::TCX_INGRESS, name::TCX_EGRESS],
    );
}

#[test]
fn clsact_on_a_veth() {
    watches_a_veth(
        IngressMode::Tc,
        [HookMode::Clsact; 2],
        [name::CLSACT_INGRESS, name::CLSACT_EGRESS],
    );
}

#[test]
fn native_xdp_on_a_veth() {
    watches_a_veth(
        IngressMode::Xdp,
        [HookMode::XdpNative, HookMode::Tcx],
        [name::XDP, name::TCX_EGRESS],
    );
}

#[test]
fn generic_xdp_on_a_veth() {
    watches_a_veth(
        IngressMode::XdpGeneric,
        [HookMode::XdpGeneric, HookMode::Tcx],
        [name::XDP, name::TCX_EGRESS],
    );
}

#[test]
fn loopback_sees_both_ways() {
    Pair::with(|pair| {
        let mut capture = load(Options::default());
        capture.attach("lo", 1, IngressMode::Auto).unwrap();
        pair.send_over_lo(&message(RELEASE, 1));
        let at_egress = counted(&capture, Direction::Egress, 7);
        let at_ingress = counted(&capture, Direction::Ingress, 7);
        assert_eq!((at_egress, at_ingress), (1, 1));
        assert_eq!(capture.detach(1), 2);
        wait_until_clean("lo");
        capture.attach("lo", 1, IngressMode::XdpGeneric).unwrap();
        pair.send_over_lo(&message(RELEASE, 2));
        let events = drain(&mut capture);
        let hooks: Vec<_> = frames(&events)
            .iter()
            .map(|frame| (frame.origin.direction, frame.origin.hook))
            .collect();
        assert_eq!(
            hooks,
            [
                (Direction::Egress, Hook::Tcx),
                (Direction::Ingress, Hook::Tcx),
                (Direction::Egress, Hook::Tcx),
                (Direction::Ingress, Hook::Xdp),
            ]
        );
    });
}

#[test]
fn messages_of_all_sizes_are_captured_whole_up_to_2048_octets() {
    Pair::with(|pair| {
        for mode in [IngressMode::Auto, IngressMode::Xdp] {
            let mut capture = load(Options::default());
            capture
                .attach("server0", pair.server_ifindex, mode)
                .unwrap();
            let sizes = [0, 1, 240, 469, 470, 471, 1400, 2005, 2006, 2007, 8000];
            for size in sizes {
                let mut payload = message(RELEASE, 3);
                payload.resize(size, 0);
                pair.send(67, &payload);
            }
            capture.detach_all();
            let events = drain(&mut capture);
            let seen: Vec<_> = frames(&events)
                .iter()
                .map(|frame| (frame.wire_length as usize, frame.bytes.len()))
                .collect();
            let expected: Vec<_> = sizes
                .iter()
                .map(|size| (size + 42, (size + 42).min(2048)))
                .collect();
            assert_eq!(seen, expected, "{mode:?}");
        }
    });
}

#[test]
fn a_full_ring_is_counted_and_the_counters_stay_exact() {
    Pair::with(|pair| {
        let mut capture = load(Options {
            ring_bytes: 4096,
            ..Options::default()
        });
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        for round in 0..200 {
            pair.send(67, &message(DISCOVER, round));
            pair.send(67, &message(RELEASE, round));
        }
        capture.detach_all();
        assert_eq!(counted(&capture, Direction::Ingress, 7), 200);
        assert_eq!(counted(&capture, Direction::Ingress, 1), 200);
        let in_ring = lost(&capture, LossStage::Ring);
        let events = drain(&mut capture);
        let frames = frames(&events);
        assert_eq!(frames.len() as u64 + in_ring, 400);
        // 4096 octets hold seven. The second half was not for DISCOVER.
        let discovers = frames
            .iter()
            .filter(|frame| frame.bytes.get(284) == Some(&DISCOVER))
            .count();
        assert_eq!((frames.len(), discovers), (7, 2));
        assert_eq!(
            losses(&events),
            [Loss {
                stage: LossStage::Ring,
                count: in_ring
            }]
        );
    });
}

#[test]
fn a_spent_budget_spares_releases() {
    Pair::with(|pair| {
        let mut capture = load(Options {
            budget: Budget {
                per_second: [1_000_000, 0, 0],
                burst: [1_000, 0, 5],
            },
            ..Options::default()
        });
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        for round in 0..100 {
            pair.send(67, &message(DISCOVER, round));
            pair.send(67, &message(RELEASE, round));
        }
        capture.detach_all();
        assert_eq!(counted(&capture, Direction::Ingress, 1), 100);
        assert_eq!(lost(&capture, LossStage::Budget), 95);
        let events = drain(&mut capture);
        assert_eq!(frames(&events).len(), 105);
    });
}

#[test]
fn a_full_channel_and_unknown_interfaces_are_counted() {
    Pair::with(|pair| {
        let mut capture = load(Options::default());
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        for round in 0..100 {
            pair.send(67, &message(RELEASE, round));
        }
        pair.send_over_lo(&message(RELEASE, 0));
        capture.attach("lo", 1, IngressMode::Auto).unwrap();
        pair.send_over_lo(&message(RELEASE, 0));
        let server = pair.server_ifindex;
        let reader = capture.take_reader().unwrap();
        let statistics = capture.statistics();
        let events = net::block_on(async move {
            let (sender, mut receiver) = mpsc::channel(10);
            let (stop, stopped) = oneshot::channel::<()>();
            let lookup = Arc::new(move |ifindex| (ifindex == server).then_some(HANDLE));
            let reading = tokio::spawn(reader.run(lookup, sender, async {
                // Dropped or sent, both end it.
                let _ = stopped.await;
            }));
            // One batch is all there is, and nobody receives before it is through.
            while statistics
                .losses()
                .unwrap()
                .iter()
                .all(|loss| loss.count == 0)
            {
                tokio::task::yield_now().await;
            }
            let mut events = Vec::new();
            while let Ok(event) = receiver.try_recv() {
                events.push(event);
            }
            drop(stop);
            while let Some(event) = receiver.recv().await {
                events.push(event);
            }
            reading.await.unwrap().unwrap();
            events
        });
        assert_eq!(frames(&events).len(), 10);
        assert_eq!(lost(&capture, LossStage::Channel), 90);
        assert_eq!(lost(&capture, LossStage::Decode), 2);
        let mut told = losses(&events);
        told.sort_by_key(|loss| loss.stage);
        assert_eq!(
            told,
            [
                Loss {
                    stage: LossStage::Channel,
                    count: 90
                },
                Loss {
                    stage: LossStage::Decode,
                    count: 2
                }
            ]
        );
        // The 100, and on lo one on its way out and in.
        let counts = capture.statistics().messages().unwrap();
        assert_eq!(counts.iter().map(|count| count.count).sum::<u64>(), 102);
    });
}

#[test]
fn frames_arrive_while_it_runs() {
    Pair::with(|pair| {
        let mut capture = load(Options::default());
        capture
            .attach("server0", pair.server_ifindex, IngressMode::Auto)
            .unwrap();
        let reader = capture.take_reader().unwrap();
        assert!(capture.take_reader().is_none());
        net::block_on(async {
            let (sender, mut receiver) = mpsc::channel(1024);
            let reading = tokio::spawn(reader.run(
                Arc::new(|_| Some(HANDLE)),
                sender,
                std::future::pending(),
            ));
            for round in 0..20 {
                // Nothing is there yet: the reader sleeps until the kernel wakes it.
                tokio::task::yield_now().await;
                assert!(receiver.try_recv().is_err());
                pair.send(67, &message(RELEASE, round));
                let event = tokio::time::timeout(Duration::from_secs(10), receiver.recv())
                    .await
                    .expect("the reader is woken");
                let Some(CaptureEvent::Frame(frame)) = event else {
                    panic!("{event:?}");
                };
                assert!(frame.bytes.ends_with(&message(RELEASE, round)));
            }
            // Nobody listens any longer: the reader ends by itself.
            drop(receiver);
            pair.send(67, &message(RELEASE, 0));
            reading.await.unwrap().unwrap();
        });
    });
}
