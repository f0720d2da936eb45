//! What an engine may be handed: frames, readings, facts, times.

use crate::support::{
    CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, PRIMARY, Packet, ROUTER_MAC, VIP, lease,
};
use leasehound_core::evidence::{
    DatabaseProblem, Evidence, InterfaceAddress, InterfaceFacts, Lease, LeaseContent, ServerRef,
};
use leasehound_core::frame::PacketType;
use leasehound_core::message::MacAddress;
use leasehound_core::origin::{Direction, InterfaceId};
use leasehound_core::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::net::Ipv4Addr;

pub const ETH4: InterfaceId = InterfaceId(4);
pub const SECOND: ServerRef = ServerRef(8);
pub const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
pub const ADDRESSES: [Ipv4Addr; 3] = [
    LEASED,
    Ipv4Addr::new(172, 29, 101, 21),
    Ipv4Addr::new(10, 4, 0, 20),
];
pub const CLIENTS: [[u8; 6]; 3] = [CLIENT, [2, 2, 0, 0, 0, 1], [2, 2, 0, 0, 0, 2]];
pub const IDS: [&[u8]; 2] = [&[1, 1], &[255, 9, 9]];
/// The longest way back that a late frame or a clock takes.
pub const LATEST: u64 = 20_000;

#[derive(Debug, Clone)]
pub enum Op {
    Frame {
        packet: Packet,
        late: u64,
        interface: InterfaceId,
        direction: Direction,
        packet_type: Option<PacketType>,
        damage: Option<(Index, u8)>,
        cut: Option<Index>,
    },
    Reading {
        server: Option<ServerRef>,
        lag: u64,
        took: u64,
        content: LeaseContent,
    },
    Interfaces(usize),
    Started(ServerRef, u64),
    Gone(ServerRef),
    Loss(u64),
    Pass(u64),
    /// A timeout with a time that has been.
    Back(u64),
}

pub fn packets() -> impl Strategy<Value = Packet> {
    let kind = prop_oneof![4 => Just(7_u8), 2 => Just(4), 1 => Just(1), 1 => Just(2), 2 => Just(3), 3 => Just(5), 1 => 0..14_u8];
    let server_id = select(vec![
        None,
        Some(PRIMARY),
        Some(VIP),
        Some(VIP),
        Some(FOREIGN),
    ]);
    let id = option::weighted(0.3, select(IDS.map(<[u8]>::to_vec).to_vec()));
    let odd = (
        option::weighted(0.1, select(ADDRESSES.to_vec())),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
        option::weighted(0.1, 0..3600_u32),
    );
    let way = (
        select(vec![PRIMARY, VIP, VIP, FOREIGN, Ipv4Addr::BROADCAST]),
        select(vec![ROUTER_MAC, ROUTER_MAC, [0xff; 6], CLIENT]),
        select(vec![Some(0_u16), Some(0), None]),
    );
    let who = (select(CLIENTS.to_vec()), 0..3_u32, id);
    let address = select(ADDRESSES.to_vec());
    (kind, address, server_id, who, odd, way).prop_map(
        |(kind, address, server_id, (mac, xid, client_id), odd, way)| {
            let (requested, no_ciaddr, relayed, wrong_cookie, lease_time) = odd;
            let to_client = matches!(kind, 2 | 5 | 6);
            let base = match kind {
                4 => Packet::decline(VIP),
                2 | 5 | 6 => Packet::ack(VIP, address),
                1 | 3 => Packet::request(address),
                _ => Packet::release(VIP),
            };
            Packet {
                kind,
                xid,
                chaddr: mac,
                ciaddr: if no_ciaddr || base.kind != 7 {
                    base.ciaddr
                } else {
                    address
                },
                giaddr: if relayed { FOREIGN } else { base.giaddr },
                cookie: if wrong_cookie { [0; 4] } else { base.cookie },
                server_id,
                requested: if kind == 4 {
                    Some(address)
                } else {
                    requested.or(base.requested)
                },
                client_id,
                lease_time: if to_client {
                    lease_time.or(Some(3600))
                } else {
                    None
                },
                destination: if kind == 7 { way.0 } else { base.destination },
                destination_mac: if kind == 7 {
                    way.1
                } else {
                    base.destination_mac
                },
                udp_checksum: way.2,
                ..base
            }
        },
    )
}

pub fn leases() -> impl Strategy<Value = Vec<Lease>> {
    let one = (
        select(CLIENTS.to_vec()),
        option::of(select(IDS.to_vec())),
        option::weighted(0.3, 1000..1100_u64),
    );
    vec(option::of(one), 3).prop_map(|all| {
        let with_address = ADDRESSES.into_iter().zip(all);
        with_address
            .filter_map(|(address, held)| {
                let (mac, id, expires) = held?;
                Some(Lease {
                    expires: expires.map(Timestamp::from_secs),
                    ..lease(address, mac, id)
                })
            })
            .collect()
    })
}

pub fn contents() -> impl Strategy<Value = LeaseContent> {
    prop_oneof![
        3 => leases().prop_map(LeaseContent::Full),
        // No address in both: a difference has none.
        3 => (leases(), any::<u8>()).prop_map(|(upserted, mask)| {
            let removed = ADDRESSES.into_iter().enumerate().filter(|(bit, address)| {
                mask >> bit & 1 == 1 && upserted.iter().all(|lease| lease.address != *address)
            });
            LeaseContent::Delta { removed: removed.map(|(_, address)| address).collect(), upserted }
        }),
        1 => Just(LeaseContent::Unusable { problem: DatabaseProblem::Damaged, reason: "torn".into() }),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let direction = select(vec![
        Direction::Ingress,
        Direction::Ingress,
        Direction::Egress,
        Direction::Unknown,
    ]);
    let packet_type = option::weighted(0.3, select(vec![PacketType::Host, PacketType::OtherHost]));
    let late = prop_oneof![4 => Just(0), 1 => 1..50_u64, 1 => 0..LATEST];
    let frame = (
        packets(),
        late,
        select(vec![LO, ETH3, ETH3, ETH4]),
        direction,
        packet_type,
        option::weighted(0.1, (any::<Index>(), 1..=255_u8)),
        option::weighted(0.05, any::<Index>()),
    )
        .prop_map(
            |(packet, late, interface, direction, packet_type, damage, cut)| Op::Frame {
                packet,
                late,
                interface,
                direction,
                packet_type,
                damage,
                cut,
            },
        );
    let reading = (
        select(vec![Some(DNSMASQ), Some(DNSMASQ), Some(SECOND)]),
        prop_oneof![Just(0), 0..2000_u64],
        prop_oneof![Just(0), 0..30_u64],
        contents(),
    )
        .prop_map(|(server, lag, took, mut content)| {
            // Servers of one namespace share no address.
            let own = |address: &Ipv4Addr| (address == &ADDRESSES[2]) == (server == Some(SECOND));
            match &mut content {
                LeaseContent::Full(leases) => leases.retain(|lease| own(&lease.address)),
                LeaseContent::Delta { upserted, removed } => {
                    upserted.retain(|lease| own(&lease.address));
                    removed.retain(own);
                }
                LeaseContent::Unusable { .. } => {}
            }
            Op::Reading {
                server,
                lag,
                took,
                content,
            }
        });
    let servers = || select(vec![DNSMASQ, SECOND]);
    prop_oneof![
        8 => frame,
        5 => reading,
        1 => (0..4_usize).prop_map(Op::Interfaces),
        1 => (servers(), 0..5000_u64).prop_map(|(server, ago)| Op::Started(server, ago)),
        1 => servers().prop_map(Op::Gone),
        1 => (0..3_u64).prop_map(Op::Loss),
        5 => prop_oneof![0..3_u64, 0..1200_u64, 0..10_000_u64].prop_map(Op::Pass),
        1 => (1..LATEST).prop_map(Op::Back),
    ]
}

/// The host's interfaces, in some ways of being.
pub fn interfaces(variant: usize) -> Evidence {
    let address = |address, prefix_length| InterfaceAddress {
        address,
        prefix_length,
    };
    let device = |id, name: &str, mac, addresses: &[InterfaceAddress]| InterfaceFacts {
        id,
        name: name.into(),
        loopback: id == LO,
        mac: Some(MacAddress(mac)),
        addresses: addresses.to_vec(),
    };
    let lo = device(LO, "lo", [0; 6], &[address(Ipv4Addr::LOCALHOST, 8)]);
    let both = [address(PRIMARY, 24), address(VIP, 24)];
    let eth4 = device(
        ETH4,
        "eth4",
        [2, 0, 0, 0, 0, 4],
        &[address(Ipv4Addr::new(10, 4, 0, 1), 16)],
    );
    let interfaces = match variant {
        0 => vec![],
        1 => vec![lo, device(ETH3, "eth3", ROUTER_MAC, &both)],
        2 => vec![lo, device(ETH3, "eth3", ROUTER_MAC, &both[..1]), eth4],
        _ => vec![lo, device(ETH3, "eth3", ROUTER_MAC, &both), eth4],
    };
    Evidence::Interfaces {
        netns: NETNS,
        interfaces,
    }
}
