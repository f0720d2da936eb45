//! The release matrix: every way in which a RELEASE is known to differ, sent to real
//! servers: dnsmasq 2.90 under `listen-address=127.0.0.1,172.29.101.1`, ISC dhcpd 4.4.3, Kea
//! 2.2 with raw and with UDP sockets, udhcpd of busybox 1.35, systemd-networkd 252. Their
//! lease databases are the truth, and the agent has to agree with them and name the cause.

use leasehound_tests::frame::Checksum;
use leasehound_tests::matrix::Expected;
use leasehound_tests::matrix_rows;
use leasehound_tests::message::{Mac, option};
use std::net::Ipv4Addr;

use Expected::{Honoured, Ignored, Kept};

const NOBODY: Mac = Mac::client(99);
const SOME_ID: &[u8] = b"\x00some client";
const OTHER_ID: &[u8] = b"\x00other client";

const ID_FOREIGN: Expected = Ignored("server_id_foreign");
const ID_LOCAL: Expected = Ignored("server_id_other_local_address");
const ID_MISSING: Expected = Ignored("server_id_missing");
const ADDRESS_MISSING: Expected = Ignored("client_address_missing");
const MISMATCH: Expected = Ignored("client_mismatch");
const UNSPECIFIED: Expected = Ignored("source_unspecified");
const CHECKSUM: Expected = Ignored("bad_udp_checksum");
const MALFORMED: Expected = Ignored("malformed");
const OPTION_50: Expected = Ignored("requested_address_in_release");
const NOT_LOCAL: Expected = Ignored("destination_not_local");
const OTHER_HOST: Expected = Ignored("frame_for_other_host");
const NO_RANGE: Expected = Ignored("no_matching_range");
/// Kea hears what is for its own address: with UDP sockets unicasts alone, with raw ones
/// 255.255.255.255 too.
const UNHEARD: Expected = Ignored("no_listener");

// dnsmasq, dhcpd, Kea raw, Kea udp, udhcpd, networkd
matrix_rows! { Release:
    proper: |_frame| {}
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;
    ephemeral_source_port: |frame| { frame.source_port = 40_123 }
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;

    no_server_id: |frame| { frame.message.remove(option::SERVER_ID) }
        => ID_MISSING, Honoured, Honoured, Honoured, ID_MISSING, Honoured;
    server_id_is_another_local_address: |frame, scene| {
        frame.message.set(option::SERVER_ID, &scene.other_address.octets());
    } => ID_LOCAL, Honoured, ID_LOCAL, ID_LOCAL, ID_LOCAL, Honoured;
    server_id_of_another_server: |frame| {
        frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
    } => ID_FOREIGN, Honoured, ID_FOREIGN, ID_FOREIGN, ID_FOREIGN, Honoured;
    sent_to_another_local_address_with_the_right_server_id: |frame, scene| {
        frame.destination = scene.other_address;
    } => Honoured, Honoured, UNHEARD, UNHEARD, Honoured, Honoured;
    server_id_is_all_ones: |frame| {
        frame.message.set(option::SERVER_ID, &[255; 4]);
    } => ID_FOREIGN, Honoured, ID_FOREIGN, ID_FOREIGN, ID_FOREIGN, Honoured;

    requested_address_present: |frame| {
        let address = frame.message.ciaddr.octets();
        frame.message.set(option::REQUESTED_ADDRESS, &address);
    } => OPTION_50, Honoured, Honoured, Honoured, Honoured, Honoured;
    no_client_address: |frame| { frame.message.ciaddr = Ipv4Addr::UNSPECIFIED }
        => ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING;
    no_client_address_but_a_requested_one: |frame| {
        let address = frame.message.ciaddr.octets();
        frame.message.ciaddr = Ipv4Addr::UNSPECIFIED;
        frame.message.set(option::REQUESTED_ADDRESS, &address);
    } => OPTION_50, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING, ADDRESS_MISSING;
    address_of_another_lease: |frame, scene| { frame.message.ciaddr = scene.bystander.address }
        => MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH;
    address_out_of_every_range: |frame| { frame.message.ciaddr = Ipv4Addr::new(10, 99, 0, 5) }
        => NO_RANGE, Ignored("lease_absent"), Ignored("lease_absent"), Ignored("lease_absent"), Kept, Kept;

    other_hardware_address_without_client_id: |frame| { frame.message.set_client(NOBODY) }
        => MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH;
    other_source_mac_only: |frame| { frame.from = NOBODY }
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;
    same_client_id_other_hardware_address(SOME_ID): |frame| { frame.message.set_client(NOBODY) }
        => Honoured, MISMATCH, Honoured, Honoured, MISMATCH, Honoured;
    other_client_id_same_hardware_address(SOME_ID): |frame| {
        frame.message.set(option::CLIENT_ID, OTHER_ID);
    } => MISMATCH, Honoured, MISMATCH, MISMATCH, Honoured, MISMATCH;
    client_id_missing_while_the_lease_has_one(SOME_ID): |frame| {
        frame.message.remove(option::CLIENT_ID);
    } => Honoured, Honoured, Honoured, Honoured, Honoured, MISMATCH;
    client_id_while_the_lease_has_none: |frame| {
        frame.message.set(option::CLIENT_ID, SOME_ID);
    } => Honoured, Honoured, Honoured, Honoured, Honoured, MISMATCH;

    source_unspecified_to_the_unicast_address: |frame| { frame.source = Ipv4Addr::UNSPECIFIED }
        => UNSPECIFIED, Honoured, Honoured, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED;
    source_off_the_subnet: |frame| { frame.source = Ipv4Addr::new(192, 0, 2, 9) }
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;
    broadcast_from_the_clients_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::BROADCAST;
    } => Honoured, Honoured, Honoured, UNHEARD, Honoured, Honoured;
    broadcast_from_the_unspecified_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::BROADCAST;
        frame.source = Ipv4Addr::UNSPECIFIED;
    } => Honoured, Honoured, Honoured, UNHEARD, Honoured, Honoured;
    directed_broadcast_from_the_clients_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::new(172, 29, 101, 255);
    } => Honoured, Honoured, UNHEARD, UNHEARD, Honoured, Honoured;
    directed_broadcast_from_the_unspecified_address: |frame| {
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::new(172, 29, 101, 255);
        frame.source = Ipv4Addr::UNSPECIFIED;
    } => UNSPECIFIED, Honoured, UNHEARD, UNSPECIFIED, UNSPECIFIED, UNSPECIFIED;
    destination_is_no_address_of_the_router: |frame| {
        frame.destination = Ipv4Addr::new(172, 29, 101, 77);
    } => NOT_LOCAL, Honoured, NOT_LOCAL, NOT_LOCAL, NOT_LOCAL, NOT_LOCAL;
    frame_for_another_mac: |frame| { frame.to = NOBODY }
        => OTHER_HOST, Honoured, Honoured, OTHER_HOST, OTHER_HOST, OTHER_HOST;

    wrong_udp_checksum: |frame| { frame.checksum = Checksum::Wrong }
        => CHECKSUM, CHECKSUM, Honoured, CHECKSUM, CHECKSUM, CHECKSUM;
    zero_udp_checksum: |frame| { frame.checksum = Checksum::Zero }
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;

    relay_address_set: |frame| { frame.message.giaddr = Ipv4Addr::new(172, 29, 101, 200) }
        => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;
    relay_agent_information_appended: |frame| {
        frame.message.set(option::RELAY_AGENT, b"\x01\x04eth3");
    } => Honoured, Honoured, Honoured, Honoured, Honoured, Honoured;

    wrong_magic_cookie: |frame| { frame.message.cookie = [99, 130, 83, 98] }
        => MALFORMED, MALFORMED, MALFORMED, MALFORMED, MALFORMED, MALFORMED;
    hardware_address_too_long: |frame| { frame.message.hlen = 17 }
        => MALFORMED, MALFORMED, MALFORMED, MALFORMED, MALFORMED, MALFORMED;
}
