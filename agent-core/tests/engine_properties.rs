//! What holds of the engine whatever it is handed, in whatever order.

#![expect(clippy::unwrap_used, reason = "a test: to panic is its way to fail")]

mod support;

use leasehound_core::engine::{Config, Engine, Output, PendingLimits};
use leasehound_core::evidence::{
    Evidence, InterfaceAddress, InterfaceFacts, Lease, LeaseContent, LeaseUpdate, Loss, LossStage,
    ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, PacketType, RawFrame, VlanStack};
use leasehound_core::message::MacAddress;
use leasehound_core::origin::{Direction, Hook, InterfaceId, Origin};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Outcome, Verdict};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;
use support::{CLIENT, DNSMASQ, ETH3, LEASED, LO, NETNS, PRIMARY, Packet, ROUTER_MAC, VIP, lease};

const ETH4: InterfaceId = InterfaceId(4);
const SECOND: ServerRef = ServerRef(8);
const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const ADDRESSES: [Ipv4Addr; 3] = [
    LEASED,
    Ipv4Addr::new(172, 29, 101, 21),
    Ipv4Addr::new(10, 4, 0, 20),
];
const CLIENTS: [[u8; 6]; 3] = [CLIENT, [2, 2, 0, 0, 0, 1], [2, 2, 0, 0, 0, 2]];
const IDS: [&[u8]; 2] = [&[1, 1], &[255, 9, 9]];
/// The longest way back that a late frame or a clock takes.
const LATEST: u64 = 20_000;

#[derive(Debug, Clone)]
enum Op {
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

fn packets() -> impl Strategy<Value = Packet> {
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

fn leases() -> impl Strategy<Value = Vec<Lease>> {
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

fn contents() -> impl Strategy<Value = LeaseContent> {
    prop_oneof![
        3 => leases().prop_map(LeaseContent::Full),
        // No address in both: a difference has none.
        3 => (leases(), any::<u8>()).prop_map(|(upserted, mask)| {
            let removed = ADDRESSES.into_iter().enumerate().filter(|(bit, address)| {
                mask >> bit & 1 == 1 && upserted.iter().all(|lease| lease.address != *address)
            });
            LeaseContent::Delta { removed: removed.map(|(_, address)| address).collect(), upserted }
        }),
        1 => Just(LeaseContent::Unusable { reason: "torn".into() }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
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
fn interfaces(variant: usize) -> Evidence {
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

fn tiny() -> Config {
    Config {
        pending: PendingLimits {
            open: 2,
            recent: 1,
            ..PendingLimits::default()
        },
        bindings: 1,
        exchanges: 1,
        server_ids: 1,
        ..Config::default()
    }
}

fn configs() -> impl Strategy<Value = Config> {
    let offline = |announced: Option<u64>| Config {
        live_evidence: false,
        assumed_server: Some(ServerKind::Dnsmasq),
        announced_reading: announced.map(Timestamp::from_secs),
        ..Config::default()
    };
    let instant = Config {
        grace: Duration::ZERO,
        reading_grace: Duration::ZERO,
        ..Config::default()
    };
    prop_oneof![
        4 => Just(Config { emit_messages: true, ..Config::default() }),
        2 => Just(tiny()),
        1 => Just(instant),
        1 => option::of(990..1050_u64).prop_map(offline),
    ]
}

/// What a database held and which addresses its readings found without their lease.
#[derive(Default)]
struct Shown {
    leases: BTreeMap<Ipv4Addr, Lease>,
    lacking: Vec<(Ipv4Addr, Timestamp)>,
}

impl Shown {
    fn read(&mut self, until: Timestamp, content: &LeaseContent) {
        let before = self.leases.clone();
        let upserted = match content {
            LeaseContent::Unusable { .. } => return,
            LeaseContent::Full(all) => {
                self.leases.clear();
                all
            }
            LeaseContent::Delta { upserted, removed } => {
                for address in removed {
                    self.leases.remove(address);
                }
                upserted
            }
        };
        self.leases
            .extend(upserted.iter().map(|lease| (lease.address, lease.clone())));
        let client = |lease: &Lease| (lease.hardware_address, lease.client_id.clone());
        for address in ADDRESSES {
            let now = self.leases.get(&address).map(client);
            let was = before.get(&address).map(client);
            if now.is_none() || was.is_some_and(|was| now.is_some_and(|now| now != was)) {
                self.lacking.push((address, until));
            }
        }
    }
}

/// Hands operations to an engine and watches the contract meanwhile.
struct Watched {
    engine: Engine,
    /// Whether timeouts come at once, as the contract wants them. A late frame is due
    /// before it comes: judged before or after the next reading, it may look different.
    prompt: bool,
    at: Timestamp,
    outputs: Vec<Output>,
    opened: u64,
    judged: BTreeSet<u64>,
    shown: BTreeMap<Option<ServerRef>, Shown>,
    /// The newest evidence of each kind, to say again.
    said: BTreeMap<String, Evidence>,
}

impl Watched {
    fn new(config: Config, prompt: bool) -> Self {
        Self {
            engine: Engine::new(config),
            prompt,
            at: Timestamp::from_secs(1000),
            outputs: vec![],
            opened: 0,
            judged: BTreeSet::new(),
            shown: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    fn apply(&mut self, op: &Op) {
        let millis = Duration::from_millis;
        match op {
            Op::Frame {
                packet,
                late,
                interface,
                direction,
                packet_type,
                damage,
                cut,
            } => {
                let mut bytes = packet.frame();
                let wire_length = u32::try_from(bytes.len()).unwrap();
                if let Some((index, flip)) = damage {
                    *index.get_mut(&mut bytes) ^= flip;
                }
                if let Some(index) = cut {
                    bytes.truncate(index.index(bytes.len()));
                }
                let origin = Origin {
                    interface: *interface,
                    direction: *direction,
                    hook: Hook::Tcx,
                };
                let frame = RawFrame {
                    link: LinkType::Ethernet,
                    bytes: &bytes,
                    wire_length,
                    vlan: VlanStack::default(),
                    packet_type: *packet_type,
                };
                let at = self.at.saturating_sub(millis(*late));
                self.engine.handle_frame(at, origin, &frame);
            }
            Op::Reading {
                server,
                lag,
                took,
                content,
            } => {
                let read_from = self.at.saturating_sub(millis(lag + took));
                let read_until = self.at.saturating_sub(millis(*lag));
                let shown = self.shown.entry(*server).or_default();
                shown.read(read_until, content);
                let update = LeaseUpdate {
                    server: *server,
                    kind: ServerKind::Dnsmasq,
                    netns: NETNS,
                    read_from,
                    read_until,
                    content: content.clone(),
                };
                self.say(format!("leases {server:?}"), Evidence::Leases(update));
            }
            Op::Interfaces(variant) => self.say("interfaces".to_owned(), interfaces(*variant)),
            Op::Started(server, ago) => {
                let facts = ServerFacts {
                    server: *server,
                    netns: NETNS,
                    kind: ServerKind::Dnsmasq,
                    pid: 800 + server.0,
                    started: self.at.saturating_sub(millis(*ago)),
                };
                self.say(format!("server {server:?}"), Evidence::Server(facts));
            }
            Op::Gone(server) => {
                self.said.remove(&format!("leases {:?}", Some(*server)));
                self.said.remove(&format!("server {server:?}"));
                self.shown.entry(Some(*server)).or_default().leases.clear();
                let gone = Evidence::ServerGone(*server);
                self.engine.handle_evidence(self.at, gone);
            }
            Op::Loss(count) => {
                let loss = Loss {
                    stage: LossStage::Ring,
                    count: *count,
                };
                self.engine.handle_loss(self.at, loss);
            }
            Op::Pass(time) => {
                self.at = self.at.saturating_add(millis(*time));
                self.timeout(self.at);
            }
            Op::Back(by) => self.timeout(self.at.saturating_sub(millis(*by))),
        }
        if self.prompt
            && self
                .engine
                .poll_timeout()
                .is_some_and(|next| next <= self.at)
        {
            self.timeout(self.at);
        }
        self.collect();
    }

    fn say(&mut self, what: String, evidence: Evidence) {
        self.engine.handle_evidence(self.at, evidence.clone());
        self.said.insert(what, evidence);
    }

    /// Says the newest facts once more: no new fact.
    fn repeat_itself(&mut self) {
        for evidence in self.said.values() {
            self.engine.handle_evidence(self.at, evidence.clone());
        }
        self.collect();
    }

    fn timeout(&mut self, now: Timestamp) {
        self.engine.handle_timeout(now);
        let next = self.engine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > now),
            "{next:?} is due at {now:?}"
        );
    }

    fn finish(mut self) -> Vec<Output> {
        self.engine.finish(self.at);
        self.collect();
        assert_eq!(self.engine.open_count(), 0);
        assert_eq!(self.engine.poll_timeout(), None);
        assert_eq!(
            self.judged.len() as u64,
            self.opened,
            "one verdict for each message"
        );
        self.outputs
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match &output {
                Output::Opened { .. } => self.opened += 1,
                Output::Verdict(verdict) => self.check(&verdict.clone()),
                _ => {}
            }
            self.outputs.push(output);
        }
        for usage in self.engine.table_usage() {
            assert!(usage.entries <= usage.capacity, "{usage:?}");
        }
        assert_eq!(
            self.engine.open_count() as u64 + self.judged.len() as u64,
            self.opened
        );
    }

    fn check(&mut self, verdict: &Verdict) {
        assert!(
            (1..=self.opened).contains(&verdict.id),
            "{verdict:?} before its message"
        );
        assert!(self.judged.insert(verdict.id), "{verdict:?} comes again");
        assert!(
            verdict.at >= verdict.seen && verdict.at <= self.at,
            "{verdict:?}"
        );
        if verdict.outcome == Outcome::Honoured {
            let mut lacking = self.shown.values().flat_map(|shown| &shown.lacking);
            assert!(
                lacking.any(|(address, until)| {
                    *address == verdict.address && *until >= verdict.seen
                }),
                "no reading after the message lacked the lease: {verdict:?}"
            );
        }
    }
}

fn run(config: &Config, prompt: bool, ops: &[Op]) -> Vec<Output> {
    let mut watched = Watched::new(config.clone(), prompt);
    for op in ops {
        watched.apply(op);
    }
    watched.finish()
}

fn outcomes(outputs: &[Output]) -> BTreeMap<u64, Outcome> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Verdict(verdict) => Some((verdict.id, verdict.outcome)),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_contract_holds_and_the_same_input_gives_the_same_output(config in configs(), prompt: bool, ops in vec(op(), 0..60)) {
        prop_assert_eq!(run(&config, prompt, &ops), run(&config, prompt, &ops));
    }

    #[test]
    fn facts_said_again_change_no_verdict(config in configs(), ops in vec((op(), any::<bool>()), 0..60)) {
        let mut once = Watched::new(config.clone(), true);
        let mut watched = Watched::new(config, true);
        for (op, again) in &ops {
            once.apply(op);
            watched.apply(op);
            // A reply may show that a message broke no rule. That counts with the next
            // fact, so both are given one.
            if matches!(op, Op::Frame { packet, .. } if packet.op == 2) {
                once.repeat_itself();
                watched.repeat_itself();
            }
            if *again {
                watched.repeat_itself();
            }
        }
        prop_assert_eq!(outcomes(&watched.finish()), outcomes(&once.finish()));
    }
}
