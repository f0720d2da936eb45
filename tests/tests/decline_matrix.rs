//! DECLINEs sent to a real dnsmasq 2.90: what it takes back is pruned.

use leasehound_tests::client::Lease;
use leasehound_tests::frame::Frame;
use leasehound_tests::matrix::{Expected, Kind, Row, check};
use leasehound_tests::message::option;
use leasehound_tests::router::PRIMARY;

fn decline(expected: Expected, bend: fn(&mut Frame, Lease)) -> anyhow::Result<()> {
    check(&Row {
        kind: Kind::Decline,
        client_id: None,
        bend,
        expected,
    })
}

#[test]
fn proper() -> anyhow::Result<()> {
    decline(Expected::Honoured, |_, _| ())
}

#[test]
fn no_server_id() -> anyhow::Result<()> {
    decline(Expected::Ignored("server_id_missing"), |frame, _| {
        frame.message.remove(option::SERVER_ID);
    })
}

#[test]
fn server_id_is_the_primary_address() -> anyhow::Result<()> {
    decline(
        Expected::Ignored("server_id_other_local_address"),
        |frame, _| {
            frame.message.set(option::SERVER_ID, &PRIMARY.octets());
        },
    )
}

#[test]
fn server_id_of_another_server() -> anyhow::Result<()> {
    decline(Expected::Ignored("server_id_foreign"), |frame, _| {
        frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
    })
}

#[test]
fn no_requested_address() -> anyhow::Result<()> {
    decline(Expected::Ignored("decline_unsupported"), |frame, _| {
        frame.message.remove(option::REQUESTED_ADDRESS);
    })
}

#[test]
fn address_of_another_lease() -> anyhow::Result<()> {
    decline(Expected::Ignored("client_mismatch"), |frame, bystander| {
        frame
            .message
            .set(option::REQUESTED_ADDRESS, &bystander.address.octets());
    })
}
