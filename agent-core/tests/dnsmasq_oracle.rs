//! The engine against a model of dnsmasq: the model keeps the lease database and says
//! what becomes of each message and why; the engine sees the messages and the database.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: to panic is its way to fail"
)]

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::verdict::{Missing, Outcome};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use support::{CLIENT, ETH3, LEASED, PRIMARY, Packet, ROUTER_MAC, Sim, VIP, lease};

const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 5);
const ADDRESSES: [Ipv4Addr; 3] = [
    LEASED,
    Ipv4Addr::new(172, 29, 101, 21),
    Ipv4Addr::new(172, 29, 101, 22),
];
const MACS: [[u8; 6]; 3] = [CLIENT, [2, 2, 0, 0, 0, 1], [2, 2, 0, 0, 0, 2]];
const IDS: [&[u8]; 3] = [&[1, 1], &[255, 9, 9], &[1, 1, 1]];

type Id = Option<Vec<u8>>;

/// dnsmasq with one range, 172.29.101.0/24, that goes by the name of `VIP`.
#[derive(Default)]
struct Dnsmasq {
    leases: BTreeMap<Ipv4Addr, ([u8; 6], Id)>,
}

/// What becomes of a RELEASE or DECLINE.
#[derive(Debug, PartialEq)]
enum Fate {
    Ends,
    Dropped(Cause),
    /// "unknown lease": that of the client, if it has one, is another.
    UnknownLease,
}

impl Dnsmasq {
    /// lease.c `lease_find_by_client()`.
    fn lease_of(&self, mac: [u8; 6], id: &Id) -> Option<Ipv4Addr> {
        let mut leases = self.leases.iter();
        let by_id = leases.find(|(_, (_, key))| id.is_some() && key == id);
        let mut leases = self.leases.iter();
        by_id
            .or_else(|| {
                leases.find(|(_, (holder, key))| (key.is_none() || id.is_none()) && *holder == mac)
            })
            .map(|(address, _)| *address)
    }

    /// Linux up to the socket, then rfc2131.c `dhcp_reply()`.
    fn fate(&self, packet: &Packet) -> Fate {
        let local = [PRIMARY, VIP].contains(&packet.destination);
        let broadcast = packet.destination.is_broadcast();
        if packet.destination_mac != ROUTER_MAC && packet.destination_mac[0] & 1 == 0 && local {
            return Fate::Dropped(Cause::FrameForOtherHost);
        }
        if packet.source.is_unspecified() && !broadcast {
            return Fate::Dropped(Cause::SourceUnspecified);
        }
        if !local && !broadcast {
            return Fate::Dropped(Cause::DestinationNotLocal);
        }
        if packet.udp_checksum != Some(0) {
            return Fate::Dropped(Cause::BadUdpChecksum);
        }
        if packet.op != 1 || packet.hlen > 16 || packet.cookie != [99, 130, 83, 99] {
            return Fate::Dropped(Cause::Malformed);
        }
        let decline = packet.kind == 4;
        let ciaddr = if packet.requested.is_some() {
            Ipv4Addr::UNSPECIFIED
        } else {
            packet.ciaddr
        };
        if !decline && ciaddr.octets()[..3] != [172, 29, 101] {
            return Fate::Dropped(match packet.requested {
                Some(_) => Cause::RequestedAddressInRelease,
                None if packet.ciaddr.is_unspecified() => Cause::ClientAddressMissing,
                None => Cause::NoMatchingRange,
            });
        }
        match packet.server_id {
            None => return Fate::Dropped(Cause::ServerIdMissing),
            Some(VIP) => {}
            Some(PRIMARY) => return Fate::Dropped(Cause::ServerIdOtherLocalAddress),
            Some(_) => return Fate::Dropped(Cause::ServerIdForeign),
        }
        let named = if decline {
            packet.requested
        } else {
            Some(ciaddr)
        };
        let Some(named) = named else {
            return Fate::Dropped(Cause::DeclineUnsupported);
        };
        if self.lease_of(packet.chaddr, &packet.client_id) == Some(named) {
            Fate::Ends
        } else {
            Fate::UnknownLease
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Lease { client: usize, address: Ipv4Addr },
    Message(Packet),
}

fn steps() -> impl Strategy<Value = Step> {
    let client = (0..3_usize, select(ADDRESSES.to_vec()));
    let message = (
        prop::bool::weighted(0.2),
        (
            0..3_usize,
            prop::bool::weighted(0.9),
            prop::bool::weighted(0.15),
        ),
        prop_oneof![
            12 => select(ADDRESSES.to_vec()).prop_map(Some),
            1 => Just(Some(OUTSIDE)),
            1 => Just(None),
        ],
        prop_oneof![
            8 => Just(Some(VIP)),
            1 => Just(Some(PRIMARY)),
            1 => Just(Some(FOREIGN)),
            1 => Just(None),
        ],
        (
            option::weighted(
                0.05,
                select(vec![PRIMARY, VIP, FOREIGN, Ipv4Addr::BROADCAST]),
            ),
            prop::bool::weighted(0.04),
            prop::bool::weighted(0.04),
            prop::bool::weighted(0.04),
            prop::bool::weighted(0.04),
        ),
        (
            prop::bool::weighted(0.04),
            prop::bool::weighted(0.04),
            prop::bool::weighted(0.04),
        ),
    )
        .prop_map(
            |(decline, (client, with_id, other_mac), address, server_id, way, odd)| {
                let (destination, wrong_mac, no_source, bad_sum, with_requested) = way;
                let (wrong_op, long_hlen, wrong_cookie) = odd;
                let (mac, id) = client_of(client);
                let base = if decline {
                    Packet::decline(VIP)
                } else {
                    Packet::release(VIP)
                };
                let named = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
                Step::Message(Packet {
                    op: if wrong_op { 2 } else { 1 },
                    hlen: if long_hlen { 17 } else { 6 },
                    cookie: if wrong_cookie { [1; 4] } else { base.cookie },
                    chaddr: if other_mac { [2, 9, 9, 9, 9, 9] } else { mac },
                    client_id: id.filter(|_| with_id),
                    ciaddr: if decline { base.ciaddr } else { named },
                    requested: if decline {
                        address
                    } else {
                        with_requested.then_some(LEASED)
                    },
                    server_id,
                    source: if no_source {
                        Ipv4Addr::UNSPECIFIED
                    } else {
                        base.source
                    },
                    destination: destination.unwrap_or(if decline {
                        base.destination
                    } else {
                        VIP
                    }),
                    destination_mac: if wrong_mac {
                        [2, 7, 7, 7, 7, 7]
                    } else {
                        base.destination_mac
                    },
                    udp_checksum: if bad_sum { None } else { Some(0) },
                    ..base
                })
            },
        );
    prop_oneof![
        1 => client.prop_map(|(client, address)| Step::Lease { client, address }),
        2 => message,
    ]
}

/// The first client has no client identifier; the others have one each.
fn client_of(number: usize) -> ([u8; 6], Id) {
    let id = (number > 0).then(|| IDS[number].to_vec());
    (MACS[number], id)
}

struct Router {
    sim: Sim,
    dnsmasq: Dnsmasq,
    xid: u32,
}

impl Router {
    fn lease(&mut self, client: usize, address: Ipv4Addr) {
        let (mac, id) = client_of(client);
        let own = self.dnsmasq.lease_of(mac, &id);
        let taken = self.dnsmasq.leases.contains_key(&address);
        if taken && own != Some(address) {
            return;
        }
        self.xid += 1;
        let request = Packet {
            xid: self.xid,
            chaddr: mac,
            client_id: id.clone(),
            ..Packet::request(address)
        };
        let ack = Packet {
            xid: self.xid,
            chaddr: mac,
            ..Packet::ack(VIP, address)
        };
        self.sim
            .see(&request, ETH3, Ingress)
            .see(&ack, ETH3, Egress);
        self.sim.pass(1);
        if let Some(own) = own {
            self.dnsmasq.leases.remove(&own);
            self.sim.gone(own);
        }
        self.sim
            .leased(lease(address, mac, id.as_deref()))
            .pass(5000);
        self.dnsmasq.leases.insert(address, (mac, id));
    }

    /// Sends a message and checks what the engine says of it.
    fn judge(&mut self, packet: &Packet) -> Result<(), TestCaseError> {
        self.xid += 1;
        let packet = Packet {
            xid: self.xid,
            ..packet.clone()
        };
        let named = if packet.kind == 4 {
            packet.requested.unwrap_or(Ipv4Addr::UNSPECIFIED)
        } else {
            packet.ciaddr
        };
        let fate = self.dnsmasq.fate(&packet);
        self.sim.see(&packet, ETH3, Ingress).pass(1);
        if fate == Fate::Ends {
            self.dnsmasq.leases.remove(&named);
            self.sim.gone(named);
        } else {
            self.sim.read_nothing_new();
        }
        self.sim.still_there().pass(5000);
        let outcome = *self.sim.outcomes().last().unwrap();
        let leased = self.dnsmasq.leases.contains_key(&named);
        prop_assert_eq!(
            outcome == Outcome::Honoured,
            fate == Fate::Ends,
            "{:?} for {:?}: {:?}",
            outcome,
            fate,
            packet
        );
        let cause = match fate {
            Fate::Ends => return Ok(()),
            Fate::Dropped(cause) => cause,
            Fate::UnknownLease if leased => Cause::ClientMismatch,
            Fate::UnknownLease => Cause::LeaseAbsent,
        };
        let theirs = Outcome::Undetermined {
            missing: Missing::Server,
        };
        // On its way to another server, about a lease that nobody here knows.
        let transit = packet.destination == FOREIGN
            && (packet.server_id.is_none() || packet.destination_mac != ROUTER_MAC);
        if outcome == theirs && (transit || !leased && packet.server_id == Some(FOREIGN)) {
            return Ok(());
        }
        // Of a DECLINE outside of all subnets the engine can't tell the server's id: ids
        // go by subnet. What it says instead is as true.
        let other_subnet = !leased && named.octets()[..3] != [172, 29, 101];
        let about_id = matches!(
            cause,
            Cause::ServerIdForeign | Cause::ServerIdOtherLocalAddress
        );
        let cause = match outcome {
            Outcome::Ignored { cause: said, .. } if other_subnet && about_id => {
                let instead = if packet.requested.is_none() {
                    Cause::DeclineUnsupported
                } else {
                    Cause::LeaseAbsent
                };
                prop_assert!([cause, instead].contains(&said), "{:?}: {:?}", said, packet);
                said
            }
            _ => cause,
        };
        prop_assert!(
            matches!(outcome, Outcome::Ignored { cause: said, .. } if said == cause),
            "{:?} where dnsmasq had {:?}: {:?}",
            outcome,
            cause,
            packet
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn verdicts_are_what_dnsmasq_did(steps in vec(steps(), 0..30)) {
        let mut router = Router {
            sim: Sim::router(),
            dnsmasq: Dnsmasq::default(),
            xid: 0,
        };
        router.lease(0, LEASED);
        for step in &steps {
            match step {
                Step::Lease { client, address } => router.lease(*client, *address),
                Step::Message(packet) => router.judge(packet)?,
            }
        }
    }
}
