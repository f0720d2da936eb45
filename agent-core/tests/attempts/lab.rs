//! Renewals, sockets and what the kernel says of them, for the simulated router.

use crate::support::{
    CLIENT, ETH3, LEASED, NETNS, PRIMARY, Packet, ROUTER_MAC, Sim, VIP, interfaces, lease,
};
use leasehound_core::cause::Cause;
use leasehound_core::delivery::{
    Delivery, Device, KernelDrop, ProcessFacts, ProcessKey, RawRead, SocketCookie, SocketFacts,
    SocketSurvey, Source, Sources, Takes, Way,
};
use leasehound_core::evidence::{Evidence, LeaseContent};
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::origin::InterfaceId;
use leasehound_core::verdict::{Certainty, Missing, Outcome, Verdict};
use std::net::Ipv4Addr;

/// The sockets of two daemons.
pub const OWN: SocketCookie = SocketCookie(0x89);
pub const OTHER: SocketCookie = SocketCookie(0x8a);
pub const RAW: SocketCookie = SocketCookie(0x90);
pub const BR101: InterfaceId = InterfaceId(5);

/// The REQUEST that extends the lease, to the server that granted it.
pub fn renew() -> Packet {
    Packet {
        ciaddr: LEASED,
        requested: None,
        server_id: None,
        source: LEASED,
        destination: VIP,
        destination_mac: ROUTER_MAC,
        xid: 0x77,
        ..Packet::request(LEASED)
    }
}

/// The same to all servers.
pub fn rebind() -> Packet {
    Packet {
        destination: Ipv4Addr::BROADCAST,
        destination_mac: [0xff; 6],
        ..renew()
    }
}

pub fn init_reboot() -> Packet {
    Packet {
        server_id: None,
        xid: 0x78,
        ..Packet::request(LEASED)
    }
}

pub fn ack() -> Packet {
    Packet {
        xid: 0x77,
        source: VIP,
        ..Packet::ack(VIP, LEASED)
    }
}

pub fn nak(server_id: Ipv4Addr) -> Packet {
    Packet {
        kind: 6,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        server_id: Some(server_id),
        lease_time: None,
        text: Some("lease not found"),
        source: server_id,
        destination: Ipv4Addr::BROADCAST,
        destination_mac: [0xff; 6],
        ..ack()
    }
}

pub fn process(pid: u32) -> ProcessFacts {
    ProcessFacts {
        key: ProcessKey {
            pid,
            start_ticks: u64::from(pid) * 100,
        },
        command: "dnsmasq".into(),
    }
}

/// A wildcard UDP socket of a process.
pub fn udp(cookie: SocketCookie, pid: u32) -> SocketFacts {
    SocketFacts {
        cookie,
        takes: Takes::Udp {
            address: Ipv4Addr::UNSPECIFIED,
        },
        device: None,
        process: Some(process(pid)),
        waiting: 0,
    }
}

pub fn raw(cookie: SocketCookie, pid: u32) -> SocketFacts {
    SocketFacts {
        takes: Takes::Frames,
        ..udp(cookie, pid)
    }
}

pub fn on(device: Device, socket: SocketFacts) -> SocketFacts {
    SocketFacts {
        device: Some(device),
        ..socket
    }
}

pub trait Kernel {
    fn listens(&mut self, sockets: Vec<SocketFacts>) -> &mut Self;
    fn offered(&mut self, packet: &Packet, socket: SocketCookie) -> &mut Self;
    fn sent(&mut self, packet: &Packet, socket: SocketCookie) -> &mut Self;
    fn dropped(&mut self, packet: &Packet, reason: &str, place: Option<&str>) -> &mut Self;
    fn read_raw(&mut self, packet: &Packet, pid: u32) -> &mut Self;
    fn unreachable(&mut self, code: u8, from: Ipv4Addr, packet: &Packet) -> &mut Self;
    fn granted_by(&mut self, socket: SocketCookie) -> &mut Self;
    fn asks(&mut self, packet: &Packet) -> &mut Self;
    fn answers(&mut self, packet: &Packet) -> &mut Self;
}

impl Kernel for Sim {
    fn listens(&mut self, sockets: Vec<SocketFacts>) -> &mut Self {
        let survey = SocketSurvey {
            netns: NETNS,
            taken: self.at,
            sockets,
            conflicts: vec![],
        };
        self.evidence(Evidence::Sockets(survey))
    }

    fn offered(&mut self, packet: &Packet, socket: SocketCookie) -> &mut Self {
        let delivery = delivery(self, packet, socket, Way::Offered);
        self.evidence(delivery)
    }

    fn sent(&mut self, packet: &Packet, socket: SocketCookie) -> &mut Self {
        let delivery = delivery(self, packet, socket, Way::Sent);
        self.evidence(delivery)
    }

    fn dropped(&mut self, packet: &Packet, reason: &str, place: Option<&str>) -> &mut Self {
        let bytes = packet.frame().split_off(14);
        self.evidence(Evidence::Drop(KernelDrop {
            seen: self.at,
            netns: NETNS,
            interface: Some(ETH3),
            reason: reason.into(),
            place: place.map(Into::into),
            packet_type: None,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            packet: bytes.into(),
        }))
    }

    fn read_raw(&mut self, packet: &Packet, pid: u32) -> &mut Self {
        let bytes = packet.frame().split_off(14);
        self.evidence(Evidence::RawRead(RawRead {
            seen: self.at,
            netns: NETNS,
            pid,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            packet: bytes.into(),
        }))
    }

    /// An ICMP error that quotes `packet` whole.
    fn unreachable(&mut self, code: u8, from: Ipv4Addr, packet: &Packet) -> &mut Self {
        let frame = packet.frame();
        let quoted = &frame[14..];
        let mut error = frame[..14].to_vec();
        let total = u16::try_from(28 + quoted.len()).unwrap().to_be_bytes();
        error.extend([0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 1, 0, 0]);
        error.extend(from.octets());
        error.extend(packet.source.octets());
        error.extend([3, code, 0, 0, 0, 0, 0, 0]);
        error.extend(quoted);
        let way = if packet.op == 2 { Ingress } else { Egress };
        self.see_frame(self.at, &error, ETH3, way, None)
    }

    /// REQUEST in, ACK out through `socket`, lease written.
    fn granted_by(&mut self, socket: SocketCookie) -> &mut Self {
        self.see(&Packet::request(LEASED), ETH3, Ingress);
        let ack = Packet::ack(VIP, LEASED).frame();
        self.see_frame(self.at, &ack, ETH3, Egress, Some(socket));
        self.pass(1).leased(lease(LEASED, CLIENT, None)).pass(5000);
        self.outputs.clear();
        self
    }

    fn asks(&mut self, packet: &Packet) -> &mut Self {
        self.see(packet, ETH3, Ingress)
    }

    fn answers(&mut self, packet: &Packet) -> &mut Self {
        self.see(packet, ETH3, Egress)
    }
}

fn delivery(sim: &Sim, packet: &Packet, socket: SocketCookie, way: Way) -> Evidence {
    let bytes = packet.frame().split_off(14);
    Evidence::Delivery(Delivery {
        seen: sim.at,
        netns: NETNS,
        interface: Some(ETH3),
        way,
        socket,
        bound: None,
        wire_length: u32::try_from(bytes.len()).unwrap(),
        packet: bytes.into(),
    })
}

/// A router on which everything is watched: one dnsmasq on all addresses, which granted
/// the lease.
pub fn watched() -> Sim {
    watched_with(vec![udp(OWN, 812)], OWN)
}

pub fn watched_with(sockets: Vec<SocketFacts>, granter: SocketCookie) -> Sim {
    let mut sim = Sim::router();
    sim.evidence(Evidence::Sources(Sources {
        deliveries: Source::On,
        drops: Source::On,
        raw_reads: Source::On,
        sockets: Source::On,
    }));
    sim.listens(sockets).granted_by(granter);
    sim
}

/// A host on which nothing serves and nothing is leased.
pub fn without_server() -> Sim {
    let mut sim = Sim::bare(leasehound_core::engine::Config::default());
    sim.evidence(interfaces());
    sim.evidence(Evidence::Sources(Sources {
        deliveries: Source::On,
        drops: Source::On,
        raw_reads: Source::On,
        sockets: Source::On,
    }));
    sim.listens(vec![]);
    sim
}

pub fn lost_database(sim: &mut Sim) {
    sim.read(LeaseContent::Full(vec![]));
}

/// Waits for the deadline and gives the only verdict.
pub fn verdict(sim: &mut Sim) -> Verdict {
    sim.pass(4000);
    let all = sim.attempts();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].clone()
}

pub fn outcome(sim: &mut Sim) -> Outcome {
    verdict(sim).outcome
}

pub fn observed(cause: Cause) -> Outcome {
    Outcome::Unanswered {
        why: Ok((cause, Certainty::Observed)),
    }
}

pub fn inferred(cause: Cause) -> Outcome {
    Outcome::Unanswered {
        why: Ok((cause, Certainty::Inferred)),
    }
}

pub fn missing(missing: Missing) -> Outcome {
    Outcome::Unanswered { why: Err(missing) }
}

pub const SERVERS: [Ipv4Addr; 2] = [VIP, PRIMARY];
