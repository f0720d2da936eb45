//! The release matrix: every way in which a RELEASE is known to differ, sent to a real
//! dnsmasq 2.90 under `listen-address=127.0.0.1,172.29.101.1`. Its lease file is the
//! truth, and the agent has to agree with it and name the cause.

use leasehound_tests::frame::Checksum;
use leasehound_tests::matrix::{Expected, Kind, Row, check};
use leasehound_tests::message::{Mac, option};
use leasehound_tests::router::PRIMARY;
use std::net::Ipv4Addr;

/// One test for each row. `|frame|` or `|frame, bystander|` bends a proper RELEASE.
macro_rules! rows {
    ($($name:ident $(($id:expr))? : |$frame:ident $(, $other:ident)?| $bend:block => $expected:expr;)*) => {$(
        #[test]
        fn $name() -> anyhow::Result<()> {
            #[allow(unused_mut, unused_assignments, reason = "a row may name a client-id")]
            let mut client_id: Option<&'static [u8]> = None;
            $(client_id = Some($id);)?
            check(&Row {
                kind: Kind::Release,
                client_id,
                bend: |$frame, _bystander| {
                    $(let $other = _bystander;)?
                    $bend
                },
                expected: $expected,
            })
        }
    )*};
}

use Expected::{Honoured, Ignored};

const NOBODY: Mac = Mac::client(99);
const SOME_ID: &[u8] = b"\x00some client";
const OTHER_ID: &[u8] = b"\x00other client";

rows! {
    proper: |_frame| {} => Honoured;
    ephemeral_source_port: |frame| { frame.source_port = 40_123 } => Honoured;

    no_server_id: |frame| { frame.message.remove(option::SERVER_ID) }
        => Ignored("server_id_missing");
    server_id_is_the_primary_address: |frame| {
        frame.message.set(option::SERVER_ID, &PRIMARY.octets());
    } => Ignored("server_id_other_local_address");
    sent_to_the_primary_address_with_the_right_server_id: |frame| {
        frame.destination = PRIMARY;
    } => Honoured;
    server_id_is_all_ones: |frame| {
        frame.message.set(option::SERVER_ID, &[255; 4]);
    } => Ignored("server_id_foreign");

    requested_address_present: |frame| {
        let address = frame.message.ciaddr.octets();
        frame.message.set(option::REQUESTED_ADDRESS, &address);
    } => Ignored("requested_address_in_release");
    no_client_address: |frame| { frame.message.ciaddr = Ipv4Addr::UNSPECIFIED }
        => Ignored("client_address_missing");
    no_client_address_but_a_requested_one: |frame| {
        let address = frame.message.ciaddr.octets();
        frame.message.ciaddr = Ipv4Addr::UNSPECIFIED;
        frame.message.set(option::REQUESTED_ADDRESS, &address);
    } => Ignored("requested_address_in_release");
    address_of_another_lease: |frame, bystander| { frame.message.ciaddr = bystander.address }
        => Ignored("client_mismatch");
    address_out_of_every_range: |frame| { frame.message.ciaddr = Ipv4Addr::new(10, 99, 0, 5) }
        => Ignored("no_matching_range");

    other_hardware_address_without_client_id: |frame| { frame.message.set_client(NOBODY) }
        => Ignored("client_mismatch");
    other_source_mac_only: |frame| { frame.from = NOBODY } => Honoured;
    same_client_id_other_hardware_address(SOME_ID): |frame| { frame.message.set_client(NOBODY) }
        => Honoured;
    other_client_id_same_hardware_address(SOME_ID): |frame| {
        frame.message.set(option::CLIENT_ID, OTHER_ID);
    } => Ignored("client_mismatch");
    client_id_missing_while_the_lease_has_one(SOME_ID): |frame| {
        frame.message.remove(option::CLIENT_ID);
    } => Honoured;
    client_id_while_the_lease_has_none: |frame| {
        frame.message.set(option::CLIENT_ID, SOME_ID);
    } => Honoured;

    source_unspecified_to_the_unicast_address: |frame| { frame.source = Ipv4Addr::UNSPECIFIED }
        => Ignored("source_unspecified");
    source_off_the_subnet: |frame| { frame.source = Ipv4Addr::new(192, 0, 2, 9) } => Honoured;
    broadcast_from_the_clients_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::BROADCAST;
    } => Honoured;
    broadcast_from_the_unspecified_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::BROADCAST;
        frame.source = Ipv4Addr::UNSPECIFIED;
    } => Honoured;
    directed_broadcast_from_the_clients_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::new(172, 29, 101, 255);
    } => Honoured;
    directed_broadcast_from_the_unspecified_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::new(172, 29, 101, 255);
        frame.source = Ipv4Addr::UNSPECIFIED;
    } => Ignored("source_unspecified");
    destination_is_no_address_of_the_router: |frame| {
        frame.destination = Ipv4Addr::new(172, 29, 101, 77);
    } => Ignored("destination_not_local");
    frame_for_another_mac: |frame| { frame.to = NOBODY } => Ignored("frame_for_other_host");

    wrong_udp_checksum: |frame| { frame.checksum = Checksum::Wrong } => Ignored("bad_udp_checksum");
    zero_udp_checksum: |frame| { frame.checksum = Checksum::Zero } => Honoured;

    relay_address_set: |frame| { frame.message.giaddr = Ipv4Addr::new(172, 29, 101, 200) }
        => Honoured;
    relay_agent_information_appended: |frame| {
        frame.message.set(option::RELAY_AGENT, b"\x01\x04eth3");
    } => Honoured;

    wrong_magic_cookie: |frame| { frame.message.cookie = [99, 130, 83, 98] } => Ignored("malformed");
    hardware_address_too_long: |frame| { frame.message.hlen = 17 } => Ignored("malformed");
}
