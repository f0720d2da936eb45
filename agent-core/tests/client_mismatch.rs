//! Whose lease it is, and what a sender is told whose lease it is not.

#![expect(clippy::panic, reason = "a test: to panic is its way to fail")]

mod support;

use leasehound_core::cause::Cause;
use leasehound_core::evidence::{Lease, LeaseContent};
use leasehound_core::origin::Direction::Ingress;
use leasehound_core::verdict::{Certainty, Missing, Outcome};
use std::net::Ipv4Addr;
use support::{CLIENT, ETH3, LEASED, Packet, Sim, VIP, lease};

const OTHER: [u8; 6] = [2, 2, 0, 0xd4, 0, 0x50];
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 33);
const MISMATCH: Outcome = Outcome::Ignored {
    cause: Cause::ClientMismatch,
    certainty: Certainty::Observed,
};

/// The outcome and remedy for a RELEASE of `LEASED` while the database has `leases`.
fn released(leases: Vec<Lease>, mac: [u8; 6], id: Option<&[u8]>) -> (Outcome, String) {
    let mut sim = Sim::router();
    sim.grant().read(LeaseContent::Full(leases)).pass(3000);
    let packet = Packet {
        chaddr: mac,
        client_id: id.map(<[u8]>::to_vec),
        ..Packet::release(VIP)
    };
    sim.see(&packet, ETH3, Ingress).still_there();
    let [verdict] = sim.verdicts()[..] else {
        panic!("one verdict, not {:?}", sim.verdicts());
    };
    (verdict.outcome, verdict.remedy.clone().unwrap_or_default())
}

#[test]
fn another_client_id_is_told_the_one_of_the_lease() {
    let leases = vec![lease(LEASED, CLIENT, Some(&[1, 1]))];
    assert_eq!(
        released(leases, CLIENT, Some(&[1, 2])),
        (
            MISMATCH,
            "The lease is keyed on client-id 01:01: send that one \
             (`dhcp_release IF 172.29.101.20 02:02:00:d4:00:4f 01:01`)."
                .to_owned()
        )
    );
}

#[test]
fn another_hardware_address_is_told_the_one_of_the_lease() {
    let keyless = vec![lease(LEASED, CLIENT, None)];
    for id in [None, Some(&[1, 2][..])] {
        assert_eq!(
            released(keyless.clone(), OTHER, id),
            (
                MISMATCH,
                "The lease has no client-id, so it is found by its hardware address, \
                 02:02:00:d4:00:4f: send that one (`dhcp_release IF 172.29.101.20 02:02:00:d4:00:4f`)."
                    .to_owned()
            )
        );
    }
    let (outcome, remedy) = released(vec![lease(LEASED, CLIENT, Some(&[1, 1]))], OTHER, None);
    assert_eq!(outcome, MISMATCH);
    assert!(
        remedy.starts_with(
            "Send the hardware address that the lease has, 02:02:00:d4:00:4f, or its client-id 01:01"
        ),
        "{remedy}"
    );
}

#[test]
fn another_clients_address_is_left_to_that_client() {
    let leases = vec![
        lease(LEASED, CLIENT, Some(&[1, 1])),
        lease(ELSEWHERE, OTHER, Some(&[1, 2])),
    ];
    let (outcome, remedy) = released(leases, OTHER, Some(&[1, 2]));
    assert_eq!(outcome, MISMATCH);
    assert!(
        remedy.contains("name its own address, 172.29.101.33"),
        "{remedy}"
    );
    let (_, remedy) = released(
        vec![lease(LEASED, CLIENT, Some(&[1, 1]))],
        OTHER,
        Some(&[1, 2]),
    );
    assert!(
        remedy.starts_with("172.29.101.20 is another client's, and the sender has no lease"),
        "{remedy}"
    );
}

/// dnsmasq 2.90 keeps the first 255 octets of an identifier in several options.
#[test]
fn of_a_long_identifier_the_first_option_counts() {
    let long: Vec<u8> = (0..300_u16).map(|octet| octet.to_le_bytes()[0]).collect();
    let kept = |id: &[u8]| vec![lease(LEASED, OTHER, Some(id))];
    let (outcome, _) = released(kept(&long[..255]), CLIENT, Some(&long));
    assert_eq!(
        outcome,
        Outcome::Undetermined {
            missing: Missing::Delivery
        }
    );
    let (outcome, _) = released(kept(&long[..254]), CLIENT, Some(&long));
    assert_eq!(outcome, MISMATCH);
}
