//! What the kernel said of messages, for property tests.

use leasehound_core::delivery::{
    Delivery, Device, KernelDrop, ProcessFacts, ProcessKey, RawRead, SocketConflict,
    SocketConflictKind, SocketCookie, SocketFacts, SocketSurvey, Source, Sources, Takes, Way,
};
use leasehound_core::evidence::{Evidence, Loss, LossStage};
use leasehound_core::frame::PacketType;
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::Ipv4Addr;

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_nanos)
}

fn interface() -> impl Strategy<Value = Option<InterfaceId>> {
    option::of(any::<u32>().prop_map(InterfaceId))
}

fn packet() -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..60).prop_map(Into::into)
}

fn socket() -> impl Strategy<Value = SocketFacts> {
    let takes = option::of(any::<Ipv4Addr>())
        .prop_map(|udp| udp.map_or(Takes::Frames, |address| Takes::Udp { address }));
    let device = option::of(
        option::of(any::<u32>())
            .prop_map(|id| id.map_or(Device::Gone, |id| Device::Interface(InterfaceId(id)))),
    );
    let process = option::of((any::<u32>(), any::<u64>(), "\\PC{0,15}").prop_map(
        |(pid, start_ticks, command)| ProcessFacts {
            key: ProcessKey { pid, start_ticks },
            command: command.into(),
        },
    ));
    (any::<u64>(), takes, device, process, any::<u32>()).prop_map(
        |(cookie, takes, device, process, waiting)| SocketFacts {
            cookie: SocketCookie(cookie),
            takes,
            device,
            process,
            waiting,
        },
    )
}

fn conflict() -> impl Strategy<Value = SocketConflict> {
    let kind = select(vec![
        SocketConflictKind::Wildcards,
        SocketConflictKind::WildcardAfterDevice,
    ]);
    (kind, vec(any::<u64>().prop_map(SocketCookie), 0..3))
        .prop_map(|(kind, cookies)| SocketConflict { kind, cookies })
}

fn survey() -> impl Strategy<Value = Evidence> {
    let parts = (
        any::<u32>(),
        time(),
        vec(socket(), 0..3),
        vec(conflict(), 0..2),
    );
    parts.prop_map(|(netns, taken, sockets, conflicts)| {
        Evidence::Sockets(SocketSurvey {
            netns: NetnsId(netns),
            taken,
            sockets,
            conflicts,
        })
    })
}

fn delivery() -> impl Strategy<Value = Evidence> {
    let way = select(vec![Way::Offered, Way::Sent]);
    let place = (any::<u32>(), interface(), interface());
    (time(), place, way, any::<u64>(), packet(), any::<u32>()).prop_map(
        |(seen, (netns, interface, bound), way, socket, packet, wire_length)| {
            Evidence::Delivery(Delivery {
                seen,
                netns: NetnsId(netns),
                interface,
                way,
                socket: SocketCookie(socket),
                bound,
                packet,
                wire_length,
            })
        },
    )
}

fn dropped() -> impl Strategy<Value = Evidence> {
    let packet_type = option::of(select(vec![
        PacketType::Host,
        PacketType::Broadcast,
        PacketType::Multicast,
        PacketType::OtherHost,
        PacketType::Outgoing,
    ]));
    let why = ("[A-Z_]{0,20}", option::of("[a-z0-9_]{1,30}"), packet_type);
    let place = (any::<u32>(), interface());
    (time(), place, why, packet(), any::<u32>()).prop_map(
        |(seen, (netns, interface), (reason, place, packet_type), packet, wire_length)| {
            Evidence::Drop(KernelDrop {
                seen,
                netns: NetnsId(netns),
                interface,
                reason: reason.into(),
                place: place.map(Into::into),
                packet_type,
                packet,
                wire_length,
            })
        },
    )
}

fn read() -> impl Strategy<Value = Evidence> {
    (time(), any::<u32>(), any::<u32>(), packet(), any::<u32>()).prop_map(
        |(seen, netns, pid, packet, wire_length)| {
            Evidence::RawRead(RawRead {
                seen,
                netns: NetnsId(netns),
                pid,
                packet,
                wire_length,
            })
        },
    )
}

fn sources() -> impl Strategy<Value = Evidence> {
    let source = |on| if on { Source::On } else { Source::Off };
    any::<[bool; 4]>().prop_map(move |[deliveries, drops, raw_reads, sockets]| {
        Evidence::Sources(Sources {
            deliveries: source(deliveries),
            drops: source(drops),
            raw_reads: source(raw_reads),
            sockets: source(sockets),
        })
    })
}

fn lost() -> impl Strategy<Value = Evidence> {
    (select(LossStage::ALL.to_vec()), any::<u64>())
        .prop_map(|(stage, count)| Evidence::FactsLost(Loss { stage, count }))
}

pub(super) fn evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![survey(), delivery(), dropped(), read(), sources(), lost()]
}
