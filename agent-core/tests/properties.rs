//! Properties of frame, decode and lease, over input of every kind. etherparse and
//! dhcproto, where they are right, say what the right answer is.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test: to panic is its way to fail"
)]

#[path = "../../tests/fuzz/src"]
#[expect(unreachable_pub, reason = "a library's modules in the fuzz workspace")]
mod fuzz {
    pub mod dnsmasq_leases;
    pub mod frame;
    pub mod lease_log;
    pub mod v4_decode;
}

use dhcproto::v4::relay::{RelayAgentInformation, RelayInfo};
use dhcproto::v4::{self, DhcpOption, OptionCode, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable};
use fuzz::{dnsmasq_leases, frame, v4_decode};
use leasehound_core::decode::v4::{Message4, Oddity, decode};
use leasehound_core::evidence::Lease;
use leasehound_core::frame::{LinkType, RawFrame, UdpChecksum, VlanStack, parse};
use leasehound_core::lease;
use leasehound_core::message::{ClientId, HardwareAddress};
use leasehound_core::time::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn addresses() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn options() -> impl Strategy<Value = Vec<DhcpOption>> {
    let relay = (vec(any::<u8>(), 1..20), option::of(addresses())).prop_map(|(circuit, server)| {
        let mut relay = RelayAgentInformation::default();
        relay.insert(RelayInfo::AgentCircuitId(circuit));
        if let Some(server) = server {
            relay.insert(RelayInfo::ServerIdentifierOverride(server));
        }
        DhcpOption::RelayAgentInformation(relay)
    });
    let one = prop_oneof![
        (1..=9_u8).prop_map(|code| DhcpOption::MessageType(code.into())),
        addresses().prop_map(DhcpOption::ServerIdentifier),
        addresses().prop_map(DhcpOption::RequestedIpAddress),
        any::<u32>().prop_map(DhcpOption::AddressLeaseTime),
        any::<u32>().prop_map(DhcpOption::Renewal),
        any::<u32>().prop_map(DhcpOption::Rebinding),
        vec(any::<u8>(), 2..300).prop_map(DhcpOption::ClientIdentifier),
        "[a-z ]{1,300}".prop_map(DhcpOption::Message),
        "[a-z]{1,30}".prop_map(DhcpOption::Hostname),
        vec(any::<u8>(), 1..30)
            .prop_map(|data| DhcpOption::Unknown(UnknownOption::new(OptionCode::from(224), data))),
        relay,
    ];
    vec(one, 1..12)
}

prop_compose! {
    fn well_formed()(
        xid: u32,
        secs: u16,
        broadcast: bool,
        addresses in [addresses(), addresses(), addresses(), addresses()],
        chaddr in vec(any::<u8>(), 0..=16),
        options in options(),
    ) -> v4::Message {
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses;
        let mut message = v4::Message::new_with_id(xid, ciaddr, yiaddr, siaddr, giaddr, &chaddr);
        message.set_secs(secs);
        if broadcast {
            message.set_flags(v4::Flags::default().set_broadcast());
        }
        for option in options {
            message.opts_mut().insert(option);
        }
        message
    }
}

/// What dhcproto makes of a message, in our words.
fn by_dhcproto(payload: &[u8]) -> Message4 {
    let message = v4::Message::decode(&mut Decoder::new(payload)).unwrap();
    let mut expected = decode(&[0; 240], 240).unwrap();
    expected.oddities.clear();
    expected.op = message.opcode().into();
    expected.hlen = message.hlen();
    expected.xid.0 = message.xid();
    expected.secs = message.secs();
    expected.broadcast = message.flags().broadcast();
    expected.ciaddr = message.ciaddr();
    expected.yiaddr = message.yiaddr();
    expected.siaddr = message.siaddr();
    expected.giaddr = message.giaddr();
    expected.hardware_address = HardwareAddress::new(message.htype().into(), message.chaddr());
    for (code, option) in message.opts().iter() {
        expected.options.insert((*code).into());
        match option {
            DhcpOption::MessageType(code) => {
                let code = leasehound_core::message::MessageType::from_code((*code).into());
                expected.message_type = Some(code);
            }
            DhcpOption::ServerIdentifier(address) => {
                expected.server_id = Some(leasehound_core::message::ServerId(*address));
            }
            DhcpOption::RequestedIpAddress(address) => expected.requested_address = Some(*address),
            DhcpOption::AddressLeaseTime(time) => expected.lease_time = Some(seconds(*time)),
            DhcpOption::Renewal(time) => expected.renewal_time = Some(seconds(*time)),
            DhcpOption::Rebinding(time) => expected.rebinding_time = Some(seconds(*time)),
            DhcpOption::ClientIdentifier(id) => {
                expected.client_id = Some(ClientId::new(id));
                split_if_long(&mut expected, id.len());
            }
            DhcpOption::Message(text) => {
                expected.error_text = Some(text.as_str().into());
                split_if_long(&mut expected, text.len());
            }
            DhcpOption::RelayAgentInformation(relay) => {
                expected.relay_agent_information = true;
                expected.server_id_override = relay.iter().find_map(|(_, info)| match info {
                    RelayInfo::ServerIdentifierOverride(address) => Some(*address),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    expected
}

fn split_if_long(message: &mut Message4, length: usize) {
    if length > 255 && message.oddities.is_empty() {
        message.oddities.push(Oddity::SplitOption);
    }
}

fn seconds(count: u32) -> std::time::Duration {
    std::time::Duration::from_secs(count.into())
}

fn leases() -> impl Strategy<Value = Vec<Lease>> {
    let lease = (
        addresses(),
        any::<u8>(),
        vec(any::<u8>(), 0..=16),
        option::of(vec(any::<u8>(), 1..=255)),
        option::of(1..4_000_000_000_u64),
    )
        .prop_map(|(address, kind, mac, client_id, expires)| Lease {
            address,
            hardware_address: HardwareAddress::new(kind, &mac),
            client_id: client_id.map(|id| ClientId::new(&id)),
            expires: expires.map(Timestamp::from_secs),
        });
    btree_map(addresses(), lease, 0..20).prop_map(|leases| {
        leases
            .into_iter()
            .map(|(address, lease)| Lease { address, ..lease })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_octets_as_a_frame(input in vec(any::<u8>(), 0..120)) {
        frame::check(&input);
    }

    #[test]
    fn any_octets_as_a_message(head in vec(any::<u8>(), 230..245), options in vec(any::<u8>(), 0..300)) {
        v4_decode::check(&[head, options].concat());
    }

    #[test]
    fn any_octets_as_a_lease_file(input in "([0-9a-f:*. -]{0,20}\n?){0,20}") {
        dnsmasq_leases::check(input.as_bytes());
    }

    #[test]
    fn frames_agree_with_etherparse(
        ports in (any::<u16>(), 67..=68_u16),
        source in addresses(),
        destination in addresses(),
        vlan in option::of((0..4096_u16, 0..4096_u16)),
        payload in vec(any::<u8>(), 0..600),
        padding in 0..20_usize,
        damage in option::of((any::<prop::sample::Index>(), 1..=255_u8)),
    ) {
        let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
        let builder = match vlan {
            Some((outer, inner)) => builder
                .double_vlan(outer.try_into().unwrap(), inner.try_into().unwrap())
                .ipv4(source.octets(), destination.octets(), 64),
            None => builder.ipv4(source.octets(), destination.octets(), 64),
        }
        .udp(ports.0, ports.1);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &payload).unwrap();
        let payload_at = bytes.len() - payload.len();
        let mut sent = payload.clone();
        if let Some((index, flip)) = damage.filter(|_| !sent.is_empty()) {
            let index = index.index(sent.len());
            sent[index] ^= flip;
            bytes[payload_at + index] ^= flip;
        }
        bytes.resize(bytes.len() + padding, 0x55);
        let datagram = parse(&RawFrame {
            link: LinkType::Ethernet,
            bytes: &bytes,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            vlan: VlanStack::default(),
            packet_type: None,
            socket: None,
        })
        .unwrap();
        prop_assert_eq!(datagram.payload, &sent);
        prop_assert_eq!(datagram.source, IpAddr::V4(source));
        prop_assert_eq!(datagram.destination, IpAddr::V4(destination));
        prop_assert_eq!((datagram.source_port, datagram.destination_port), ports);
        prop_assert_eq!(datagram.vlan.outer, vlan.map(|tags| tags.0));
        prop_assert_eq!(datagram.vlan.inner, vlan.map(|tags| tags.1));
        if sent == payload {
            prop_assert_eq!(datagram.checksum(), UdpChecksum::Valid);
        } else {
            // A damaged one may happen to equal the bare pseudo-header sum.
            prop_assert!(datagram.checksum() != UdpChecksum::Valid);
        }
    }

    #[test]
    fn well_formed_messages_agree_with_dhcproto(message in well_formed()) {
        let payload = message.to_vec().unwrap();
        let decoded = decode(&payload, payload.len()).unwrap();
        prop_assert_eq!(decoded, by_dhcproto(&payload));
    }

    #[test]
    fn what_came_before_damage_survives(
        message in well_formed(),
        code in 1..=254_u8,
        missing in 1..=255_u8,
        tail in vec(any::<u8>(), 0..255),
    ) {
        let payload = message.to_vec().unwrap();
        let mut expected = decode(&payload, payload.len()).unwrap();
        expected.oddities.push(Oddity::OptionOverrun);
        let mut damaged = payload;
        prop_assert_eq!(damaged.pop(), Some(255));
        // An option that says more octets than there are.
        let tail = &tail[..tail.len().min(usize::from(255 - missing))];
        damaged.extend([code, u8::try_from(tail.len()).unwrap() + missing]);
        damaged.extend(tail);
        prop_assert_eq!(decode(&damaged, damaged.len()).unwrap(), expected);
    }

    #[test]
    fn leases_survive_dnsmasqs_format(leases in leases()) {
        let parsed = lease::dnsmasq::parse(dnsmasq_leases::written(&leases).as_bytes());
        prop_assert!(parsed.complete && parsed.damage.is_none());
        let last: std::collections::BTreeMap<_, _> =
            leases.into_iter().map(|lease| (lease.address, lease)).collect();
        prop_assert!(parsed.leases.iter().eq(last.values()));
    }

    #[test]
    fn a_difference_leads_from_one_reading_to_the_next(before in leases(), after in leases(), kept in 0..20_usize) {
        let mut previous: std::collections::BTreeMap<_, _> =
            before.into_iter().map(|lease| (lease.address, lease)).collect();
        let mut after = after;
        after.extend(previous.values().take(kept).cloned());
        let (upserted, removed) = lease::diff(&previous, &after);
        prop_assert!(upserted.iter().all(|lease| previous.get(&lease.address) != Some(lease)));
        for address in removed {
            prop_assert!(previous.remove(&address).is_some());
        }
        previous.extend(upserted.into_iter().map(|lease| (lease.address, lease)));
        let after = after.into_iter().map(|lease| (lease.address, lease)).collect();
        prop_assert_eq!(previous, after);
    }
}
