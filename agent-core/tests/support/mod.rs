//! A simulated router for the engine's tests: frames are built here, time is a number.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each test file uses its own part, and a test's way to fail is to panic"
)]

use leasehound_core::delivery::SocketCookie;
use leasehound_core::engine::{Config, Engine, Output};
use leasehound_core::evidence::{
    Evidence, InterfaceAddress, InterfaceFacts, Lease, LeaseContent, LeaseUpdate, Listening,
    ServerFacts, ServerKind, ServerRef,
};
use leasehound_core::frame::{LinkType, RawFrame, VlanStack};
use leasehound_core::message::{ClientId, HardwareAddress, MacAddress};
use leasehound_core::origin::{Direction, Hook, InterfaceId, NetnsId, Origin};
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Outcome, Verdict};
use std::net::Ipv4Addr;
use std::time::Duration;

pub const PRIMARY: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 245);
pub const VIP: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 1);
pub const LEASED: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 20);
pub const CLIENT: [u8; 6] = [2, 2, 0, 0xd4, 0, 0x4f];
pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const LO: InterfaceId = InterfaceId(1);
pub const ETH3: InterfaceId = InterfaceId(3);
pub const NETNS: NetnsId = NetnsId(0);
pub const DNSMASQ: ServerRef = ServerRef(7);

/// One DHCPv4 message with everything that a test may want to bend.
#[derive(Debug, Clone)]
pub struct Packet {
    pub kind: u8,
    pub op: u8,
    pub hlen: u8,
    pub xid: u32,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 6],
    pub cookie: [u8; 4],
    pub server_id: Option<Ipv4Addr>,
    pub requested: Option<Ipv4Addr>,
    pub client_id: Option<Vec<u8>>,
    pub lease_time: Option<u32>,
    /// Option 56.
    pub text: Option<&'static str>,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    pub udp_checksum: Option<u16>,
}

impl Packet {
    pub fn release(server_id: Ipv4Addr) -> Self {
        Self {
            kind: 7,
            op: 1,
            hlen: 6,
            xid: 0x1234,
            ciaddr: LEASED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: CLIENT,
            cookie: [99, 130, 83, 99],
            server_id: Some(server_id),
            requested: None,
            client_id: None,
            lease_time: None,
            text: None,
            source: LEASED,
            destination: server_id,
            source_mac: CLIENT,
            destination_mac: ROUTER_MAC,
            udp_checksum: Some(0),
        }
    }

    pub fn decline(server_id: Ipv4Addr) -> Self {
        Self {
            kind: 4,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            requested: Some(LEASED),
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::BROADCAST,
            destination_mac: [0xff; 6],
            ..Self::release(server_id)
        }
    }

    pub fn ack(server_id: Ipv4Addr, yiaddr: Ipv4Addr) -> Self {
        Self {
            kind: 5,
            op: 2,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr,
            lease_time: Some(3600),
            source: PRIMARY,
            destination: yiaddr,
            source_mac: ROUTER_MAC,
            destination_mac: CLIENT,
            ..Self::release(server_id)
        }
    }

    pub fn request(requested: Ipv4Addr) -> Self {
        Self {
            kind: 3,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            requested: Some(requested),
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::BROADCAST,
            destination_mac: [0xff; 6],
            ..Self::release(VIP)
        }
    }

    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, self.hlen, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend([0; 4]);
        for address in [self.ciaddr, self.yiaddr, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(236, 0);
        bytes.extend(self.cookie);
        bytes.extend([53, 1, self.kind]);
        for (code, address) in [(54, self.server_id), (50, self.requested)] {
            if let Some(address) = address {
                bytes.extend([code, 4]);
                bytes.extend(address.octets());
            }
        }
        // RFC 3396: what does not fit into one option goes on in the next.
        for part in self.client_id.iter().flat_map(|id| id.chunks(255)) {
            bytes.extend([61, u8::try_from(part.len()).unwrap()]);
            bytes.extend(part);
        }
        if let Some(seconds) = self.lease_time {
            bytes.extend([51, 4]);
            bytes.extend(seconds.to_be_bytes());
        }
        if let Some(text) = self.text {
            bytes.extend([56, u8::try_from(text.len()).unwrap()]);
            bytes.extend(text.bytes());
        }
        bytes.push(255);
        bytes
    }

    pub fn frame(&self) -> Vec<u8> {
        let payload = self.payload();
        let (sport, dport) = if self.op == 2 { (67, 68) } else { (68, 67) };
        let mut frame = Vec::new();
        frame.extend(self.destination_mac);
        frame.extend(self.source_mac);
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(28 + payload.len()).unwrap().to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend(self.source.octets());
        frame.extend(self.destination.octets());
        frame.extend(u16::to_be_bytes(sport));
        frame.extend(u16::to_be_bytes(dport));
        frame.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
        frame.extend(self.udp_checksum.unwrap_or(0xdead).to_be_bytes());
        frame.extend(payload);
        frame
    }
}

/// The engine with CloudStack's router around it.
pub struct Sim {
    pub engine: Engine,
    pub at: Timestamp,
    pub outputs: Vec<Output>,
    /// The program of the one server.
    pub kind: ServerKind,
}

impl Sim {
    /// The router of the release matrix: eth3 with a primary and a virtual address,
    /// dnsmasq identifying as the virtual one, nothing leased.
    pub fn router() -> Self {
        Self::router_of(ServerKind::Dnsmasq, Listening::Udp)
    }

    /// The same with another server.
    pub fn router_of(kind: ServerKind, listens: Listening) -> Self {
        let mut sim = Self::bare(Config::default());
        sim.kind = kind;
        sim.evidence(interfaces());
        sim.evidence(Evidence::Server(ServerFacts {
            server: DNSMASQ,
            netns: NETNS,
            kind,
            pid: 812,
            started: Timestamp::from_secs(900),
            port: leasehound_core::evidence::PortUse::Shared,
            listens,
        }));
        sim.read(LeaseContent::Full(vec![]));
        sim
    }

    /// An engine that knows nothing.
    pub fn bare(config: Config) -> Self {
        Self {
            engine: Engine::new(config),
            at: Timestamp::from_secs(1000),
            outputs: vec![],
            kind: ServerKind::Dnsmasq,
        }
    }

    pub fn pass(&mut self, millis: u64) -> &mut Self {
        self.at = self.at.saturating_add(Duration::from_millis(millis));
        self.engine.handle_timeout(self.at);
        self.collect();
        self
    }

    pub fn see(
        &mut self,
        packet: &Packet,
        interface: InterfaceId,
        direction: Direction,
    ) -> &mut Self {
        self.see_at(self.at, packet, interface, direction)
    }

    pub fn see_at(
        &mut self,
        at: Timestamp,
        packet: &Packet,
        interface: InterfaceId,
        direction: Direction,
    ) -> &mut Self {
        self.see_frame(at, &packet.frame(), interface, direction, None)
    }

    pub fn see_frame(
        &mut self,
        at: Timestamp,
        bytes: &[u8],
        interface: InterfaceId,
        direction: Direction,
        socket: Option<SocketCookie>,
    ) -> &mut Self {
        let frame = RawFrame {
            link: LinkType::Ethernet,
            bytes,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            vlan: VlanStack::default(),
            packet_type: None,
            socket,
        };
        self.engine.handle_frame(
            at,
            Origin {
                interface,
                direction,
                hook: Hook::Tcx,
            },
            &frame,
        );
        self.collect();
        self
    }

    pub fn evidence(&mut self, evidence: Evidence) -> &mut Self {
        self.engine.handle_evidence(self.at, evidence);
        self.collect();
        self
    }

    /// A reading of the server's database that begins and ends now.
    pub fn read(&mut self, content: LeaseContent) -> &mut Self {
        let update = LeaseUpdate {
            server: Some(DNSMASQ),
            kind: self.kind,
            netns: NETNS,
            read_from: self.at,
            read_until: self.at,
            content,
        };
        self.evidence(Evidence::Leases(update))
    }

    pub fn read_nothing_new(&mut self) -> &mut Self {
        self.read(LeaseContent::Delta {
            upserted: vec![],
            removed: vec![],
        })
    }

    pub fn gone(&mut self, address: Ipv4Addr) -> &mut Self {
        self.read(LeaseContent::Delta {
            upserted: vec![],
            removed: vec![address],
        })
    }

    pub fn leased(&mut self, lease: Lease) -> &mut Self {
        self.read(LeaseContent::Delta {
            upserted: vec![lease],
            removed: vec![],
        })
    }

    /// REQUEST in, ACK out, lease written and read: `LEASED` belongs to `CLIENT`.
    pub fn grant(&mut self) -> &mut Self {
        self.see(&Packet::request(LEASED), ETH3, Direction::Ingress);
        self.see(&Packet::ack(VIP, LEASED), ETH3, Direction::Egress);
        self.pass(1).leased(lease(LEASED, CLIENT, None)).pass(5000)
    }

    /// The grace passes, and a reading shows no change.
    pub fn still_there(&mut self) -> &mut Self {
        self.pass(901).read_nothing_new()
    }

    /// Those on RELEASEs and DECLINEs.
    pub fn verdicts(&self) -> Vec<&Verdict> {
        let all = self.all_verdicts().into_iter();
        all.filter(|verdict| verdict.state.is_none()).collect()
    }

    /// Those on REQUESTs.
    pub fn attempts(&self) -> Vec<&Verdict> {
        let all = self.all_verdicts().into_iter();
        all.filter(|verdict| verdict.state.is_some()).collect()
    }

    pub fn all_verdicts(&self) -> Vec<&Verdict> {
        let verdict = |output: &'_ Output| matches!(output, Output::Verdict(_));
        let verdicts = self.outputs.iter().filter(|output| verdict(output));
        verdicts
            .filter_map(|o| {
                if let Output::Verdict(v) = o {
                    Some(&**v)
                } else {
                    None
                }
            })
            .collect()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.verdicts()
            .iter()
            .map(|verdict| verdict.outcome)
            .collect()
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.outputs.push(output);
        }
    }
}

pub fn interfaces() -> Evidence {
    let address = |address, prefix_length| InterfaceAddress {
        address,
        prefix_length,
    };
    Evidence::Interfaces {
        netns: NETNS,
        interfaces: vec![
            InterfaceFacts {
                id: LO,
                name: "lo".into(),
                loopback: true,
                mac: Some(MacAddress([0; 6])),
                addresses: vec![address(Ipv4Addr::LOCALHOST, 8)],
            },
            InterfaceFacts {
                id: ETH3,
                name: "eth3".into(),
                loopback: false,
                mac: Some(MacAddress(ROUTER_MAC)),
                addresses: vec![address(PRIMARY, 24), address(VIP, 24)],
            },
        ],
    }
}

pub fn lease(address: Ipv4Addr, mac: [u8; 6], client_id: Option<&[u8]>) -> Lease {
    Lease {
        address,
        hardware_address: HardwareAddress::ethernet(mac),
        client_id: client_id.map(ClientId::new),
        expires: Some(Timestamp::from_secs(100_000)),
    }
}
