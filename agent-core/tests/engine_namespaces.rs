//! Namespaces of one host do not get in each other's way.

mod support;

use leasehound_core::evidence::{Evidence, InterfaceFacts};
use leasehound_core::message::MacAddress;
use leasehound_core::origin::Direction::{Egress, Ingress};
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::verdict::Outcome;
use support::{CLIENT, ETH3, LEASED, Packet, Sim, VIP, lease};

/// The client's end of the link, in a namespace of its own.
const ETH0: InterfaceId = InterfaceId(9);

#[test]
fn a_reply_that_comes_in_at_the_client_was_not_only_forwarded_by_the_server() {
    let mut sim = Sim::router();
    sim.evidence(Evidence::Interfaces {
        netns: NetnsId(1),
        interfaces: vec![InterfaceFacts {
            id: ETH0,
            name: "eth0".into(),
            loopback: false,
            mac: Some(MacAddress(CLIENT)),
            addresses: vec![],
        }],
    });
    let (request, ack) = (Packet::request(LEASED), Packet::ack(VIP, LEASED));
    // Answered twice: the second ACK leaves when the first has come in elsewhere.
    sim.see(&request, ETH0, Egress).see(&request, ETH3, Ingress);
    for _ in 0..2 {
        sim.see(&ack, ETH3, Egress).see(&ack, ETH0, Ingress);
    }
    sim.pass(1).leased(lease(LEASED, CLIENT, None)).pass(5000);
    let summaries = |netns| sim.engine.server_summaries(netns);
    let [(interface, server)] = &summaries(NetnsId(0))[..] else {
        panic!("one server");
    };
    assert_eq!(*interface, Some(ETH3));
    assert_eq!(server.server_ids.len(), 1, "its own ACKs count");
    assert!(summaries(NetnsId(1)).is_empty());

    let release = Packet::release(VIP);
    sim.see(&release, ETH3, Ingress).gone(LEASED).pass(1000);
    assert!(
        matches!(sim.outcomes()[..], [Outcome::Honoured]),
        "{:?}",
        sim.outcomes()
    );
}
