//! Records of every kind, for property tests.

use super::Record;
use crate::capture::CapturedFrame;
use leasehound_core::evidence::{
    DatabaseLiveness, DatabaseProblem, Evidence, InterfaceAddress, InterfaceFacts, Lease,
    LeaseContent, LeaseUpdate, Listening, Liveness, Loss, LossStage, PortUse, ServerFacts,
    ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, PacketType, VlanStack};
use leasehound_core::message::{ClientId, HardwareAddress, MacAddress};
use leasehound_core::origin::{Direction, Hook, InterfaceId, NetnsId, Origin};
use leasehound_core::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::Ipv4Addr;

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_nanos)
}

fn frame() -> impl Strategy<Value = CapturedFrame> {
    let origin = (
        0..4_u32,
        select(vec![
            Direction::Ingress,
            Direction::Egress,
            Direction::Unknown,
        ]),
        select(vec![Hook::Tcx, Hook::Clsact, Hook::Xdp, Hook::File]),
    );
    let link = select(vec![
        LinkType::Ethernet,
        LinkType::RawIp,
        LinkType::LinuxSll,
        LinkType::LinuxSll2,
    ]);
    let packet_type = option::of(select(vec![
        PacketType::Host,
        PacketType::Broadcast,
        PacketType::Multicast,
        PacketType::OtherHost,
        PacketType::Outgoing,
    ]));
    let vlan = (option::of(any::<u16>()), option::of(any::<u16>()));
    let bytes = vec(any::<u8>(), 0..80);
    // No socket has the cookie 0.
    let socket = option::of(1..=u64::MAX);
    let length = any::<u32>();
    (
        time(),
        origin,
        link,
        length,
        vlan,
        packet_type,
        bytes,
        socket,
    )
        .prop_map(
            |(
                at,
                (interface, direction, hook),
                link,
                wire_length,
                vlan,
                packet_type,
                bytes,
                socket,
            )| {
                CapturedFrame {
                    at,
                    origin: Origin {
                        interface: InterfaceId(interface),
                        direction,
                        hook,
                    },
                    link,
                    wire_length,
                    vlan: VlanStack {
                        outer: vlan.0,
                        inner: vlan.1,
                    },
                    packet_type,
                    socket,
                    bytes: bytes.into(),
                }
            },
        )
}

fn lease() -> impl Strategy<Value = Lease> {
    (
        any::<Ipv4Addr>(),
        any::<u8>(),
        vec(any::<u8>(), 0..=16),
        option::of(vec(any::<u8>(), 0..40)),
        option::of(time()),
    )
        .prop_map(|(address, kind, hardware, client_id, expires)| Lease {
            address,
            hardware_address: HardwareAddress::new(kind, &hardware),
            client_id: client_id.map(|octets| ClientId::new(&octets)),
            expires,
        })
}

fn kind() -> impl Strategy<Value = ServerKind> {
    select(vec![
        ServerKind::Dnsmasq,
        ServerKind::IscDhcpd,
        ServerKind::Kea,
        ServerKind::Unknown,
    ])
}

fn liveness() -> impl Strategy<Value = Evidence> {
    let state = prop_oneof![
        Just(Liveness::Live),
        "\\PC{0,30}".prop_map(|reason| Liveness::Replaced {
            reason: reason.into()
        }),
        "\\PC{0,30}".prop_map(|reason| Liveness::NotLive {
            reason: reason.into()
        }),
    ];
    (
        option::of(any::<u32>()),
        kind(),
        any::<u32>(),
        option::of("\\PC{0,30}"),
        state,
    )
        .prop_map(|(server, kind, netns, name, state)| {
            Evidence::Liveness(DatabaseLiveness {
                server: server.map(ServerRef),
                kind,
                netns: NetnsId(netns),
                name: name.map(Into::into),
                state,
            })
        })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let address =
        (any::<Ipv4Addr>(), 0..=32_u8).prop_map(|(address, prefix_length)| InterfaceAddress {
            address,
            prefix_length,
        });
    let interface = (
        0..4_u32,
        "\\PC{0,15}",
        any::<bool>(),
        option::of(any::<[u8; 6]>().prop_map(MacAddress)),
        vec(address, 0..3),
    )
        .prop_map(|(id, name, loopback, mac, addresses)| InterfaceFacts {
            id: InterfaceId(id),
            name: name.into(),
            loopback,
            mac,
            addresses,
        });
    let interfaces =
        (any::<u32>(), vec(interface, 0..3)).prop_map(|(netns, interfaces)| Evidence::Interfaces {
            netns: NetnsId(netns),
            interfaces,
        });
    let server = (any::<u32>(), any::<u32>(), kind(), any::<u32>(), time()).prop_map(
        |(server, netns, kind, pid, started)| {
            Evidence::Server(ServerFacts {
                server: ServerRef(server),
                netns: NetnsId(netns),
                kind,
                pid,
                started,
                port: if pid % 2 == 0 {
                    PortUse::Sole
                } else {
                    PortUse::Shared
                },
                listens: match pid % 3 {
                    0 => Listening::Udp,
                    1 => Listening::Raw,
                    _ => Listening::Unknown,
                },
            })
        },
    );
    let content = prop_oneof![
        vec(lease(), 0..4).prop_map(LeaseContent::Full),
        (vec(lease(), 0..3), vec(any::<Ipv4Addr>(), 0..3))
            .prop_map(|(upserted, removed)| LeaseContent::Delta { upserted, removed }),
        "\\PC{0,30}".prop_map(|reason| LeaseContent::Unusable {
            problem: DatabaseProblem::Damaged,
            reason: reason.into()
        }),
    ];
    let leases = (
        option::of(any::<u32>()),
        kind(),
        any::<u32>(),
        time(),
        time(),
        content,
    )
        .prop_map(|(server, kind, netns, read_from, read_until, content)| {
            Evidence::Leases(LeaseUpdate {
                server: server.map(ServerRef),
                kind,
                netns: NetnsId(netns),
                read_from,
                read_until,
                content,
            })
        });
    prop_oneof![
        interfaces,
        liveness(),
        server,
        any::<u32>().prop_map(|server| Evidence::ServerGone(ServerRef(server))),
        leases,
        super::strategies_delivery::evidence(),
    ]
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => (time(), frame()).prop_map(|(now, frame)| Record::Frame { now, frame }),
        3 => (time(), evidence()).prop_map(|(at, evidence)| Record::Evidence { at, evidence }),
        1 => (time(), select(LossStage::ALL.to_vec()), any::<u64>()).prop_map(
            |(at, stage, count)| Record::Loss { at, loss: Loss { stage, count } }
        ),
        1 => time().prop_map(Record::Timeout),
        1 => time().prop_map(Record::Finish),
    ]
}
