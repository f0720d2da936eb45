//! RELEASEs and DECLINEs sent to real servers that are no dnsmasq: ISC dhcpd 4.4.3, and
//! Kea 2.2 with raw and with UDP sockets. Their lease databases are the truth, and the
//! agent has to agree with them and name the cause.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::frame::{Checksum, Frame};
use leasehound_tests::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use leasehound_tests::kea::{Kea, Sockets};
use leasehound_tests::matrix::Expected::{self, Honoured, Ignored};
use leasehound_tests::matrix::{BYSTANDER, CLIENT, Kind, LATECOMER, agrees, only};
use leasehound_tests::message::{Mac, option};
use leasehound_tests::router::{Router, SECONDARY};
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::net::Ipv4Addr;

const NOBODY: Mac = Mac::client(99);
const SOME_ID: &[u8] = b"\x00some client";
const OTHER_ID: &[u8] = b"\x00other client";
/// Where the client's namespace has a relay agent.
const RELAY: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Dhcpd,
    Kea(Sockets),
}

enum Server {
    Dhcpd(IscDhcpd),
    Kea(Kea),
}

impl Server {
    fn start(program: Program, network: &Router, files: &ServerFiles) -> Result<Self> {
        let router = &network.router;
        Ok(match program {
            Program::Dhcpd => {
                Self::Dhcpd(IscDhcpd::start(router, files, &["eth3"], CONFIGURATION)?)
            }
            Program::Kea(sockets) => {
                Self::Kea(Kea::start(router, files, &["eth3/172.29.101.1"], sockets)?)
            }
        })
    }

    fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        match self {
            Self::Dhcpd(server) => server.holds(client, address),
            Self::Kea(server) => server.holds(client, address),
        }
    }
}

/// A lease, by whatever way the server hears clients.
fn obtain(program: Program, client: &Client) -> Result<Lease> {
    match program {
        Program::Kea(Sockets::Udp) => client.obtain_through(RELAY, SECONDARY),
        Program::Kea(Sockets::Raw) | Program::Dhcpd => client.obtain(),
    }
}

/// `client_id` is option 61 with which the lease was taken, `bend` what is done to a
/// proper message; its second lease is another client's.
fn check(
    program: Program,
    kind: Kind,
    client_id: Option<&[u8]>,
    expected: Expected,
    bend: impl FnOnce(&mut Frame, Lease),
) -> Result<()> {
    let network = Router::new()?;
    let relay = format!("{RELAY}/24");
    let client_namespace = &network.client;
    client_namespace.run("ip", &["addr", "add", &relay, "dev", "eth0"])?;
    let files = ServerFiles::new()?;
    let server = Server::start(program, &network, &files)?;
    let mut agent = Agent::start(&network.router, &[])?;
    let client = Client::new(&network, CLIENT, client_id)?;
    let lease = obtain(program, &client)?;
    let bystander = obtain(program, &Client::new(&network, BYSTANDER, None)?)?;
    let mut frame = match kind {
        Kind::Release => client.release(lease),
        Kind::Decline => client.decline(lease),
    };
    bend(&mut frame, bystander);
    client.send(&frame)?;
    obtain(program, &Client::new(&network, LATECOMER, None)?)?;

    let held = server.holds(CLIENT, lease.address)?;
    ensure!(
        held == (expected != Honoured),
        "the server does otherwise: expected {expected:?}, the lease is {}",
        if held { "still there" } else { "gone" }
    );
    ensure!(
        server.holds(BYSTANDER, bystander.address)?,
        "another client's lease is gone"
    );
    let verdicts = agent.verdicts(1)?;
    let [verdict] = verdicts.as_slice() else {
        anyhow::bail!("more than one verdict");
    };
    agrees(verdict, expected)?;
    let named = verdict
        .pointer("/server/kind")
        .and_then(|kind| kind.as_str());
    let wanted = match program {
        Program::Dhcpd => "isc_dhcpd",
        Program::Kea(_) => "kea",
    };
    ensure!(
        named.context("no server named")? == wanted,
        "wrong server: {verdict}"
    );
    only(&agent.stop()?, 1)
}

/// One test for each row.
macro_rules! rows {
    ($($rows:ident ($program:expr, $kind:ident) {
        $($name:ident $(($id:expr))? : |$frame:ident $(, $other:ident)?| $bend:block => $expected:expr;)*
    })*) => {$(
        mod $rows {
            use super::*;
            $(
                #[test]
                fn $name() -> Result<()> {
                    #[allow(unused_mut, unused_assignments, reason = "a row may name a client-id")]
                    let mut client_id: Option<&[u8]> = None;
                    $(client_id = Some($id);)?
                    check($program, Kind::$kind, client_id, $expected, |$frame, _bystander| {
                        $(let $other = _bystander;)?
                        $bend
                    })
                }
            )*
        }
    )*};
}

rows! {
    dhcpd_release (Program::Dhcpd, Release) {
        proper: |_frame| {} => Honoured;
        from_an_ephemeral_port: |frame| { frame.source_port = 40_123 } => Honoured;
        server_id_of_another_server: |frame| {
            frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
        } => Honoured;
        server_id_is_another_local_address: |frame| {
            frame.message.set(option::SERVER_ID, &SECONDARY.octets());
        } => Honoured;
        no_server_id: |frame| { frame.message.remove(option::SERVER_ID) } => Honoured;
        requested_address_present: |frame| {
            let address = frame.message.ciaddr.octets();
            frame.message.set(option::REQUESTED_ADDRESS, &address);
        } => Honoured;
        source_unspecified: |frame| { frame.source = Ipv4Addr::UNSPECIFIED } => Honoured;
        destination_is_no_address_of_the_router: |frame| {
            frame.destination = Ipv4Addr::new(172, 29, 101, 77);
        } => Honoured;
        no_client_address: |frame| { frame.message.ciaddr = Ipv4Addr::UNSPECIFIED }
            => Ignored("client_address_missing");
        other_hardware_address: |frame| { frame.message.set_client(NOBODY) }
            => Ignored("client_mismatch");
        address_of_another_lease: |frame, bystander| { frame.message.ciaddr = bystander.address }
            => Ignored("client_mismatch");
        other_client_id_same_hardware_address(SOME_ID): |frame| {
            frame.message.set(option::CLIENT_ID, OTHER_ID);
        } => Honoured;
        same_client_id_other_hardware_address(SOME_ID): |frame| { frame.message.set_client(NOBODY) }
            => Ignored("client_mismatch");
        wrong_udp_checksum: |frame| { frame.checksum = Checksum::Wrong } => Ignored("bad_udp_checksum");
        zero_udp_checksum: |frame| { frame.checksum = Checksum::Zero } => Honoured;
        wrong_magic_cookie: |frame| { frame.message.cookie = [99, 130, 83, 98] } => Ignored("malformed");
        hardware_address_too_long: |frame| { frame.message.hlen = 17 } => Ignored("malformed");
    }
    dhcpd_decline (Program::Dhcpd, Decline) {
        proper: |_frame| {} => Honoured;
        server_id_of_another_server: |frame| {
            frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
        } => Honoured;
        no_requested_address: |frame| { frame.message.remove(option::REQUESTED_ADDRESS) }
            => Ignored("decline_unsupported");
    }
    kea_raw_release (Program::Kea(Sockets::Raw), Release) {
        proper: |_frame| {} => Honoured;
        server_id_of_another_server: |frame| {
            frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
        } => Ignored("server_id_foreign");
        no_server_id: |frame| { frame.message.remove(option::SERVER_ID) } => Honoured;
        requested_address_present: |frame| {
            let address = frame.message.ciaddr.octets();
            frame.message.set(option::REQUESTED_ADDRESS, &address);
        } => Honoured;
        source_unspecified: |frame| { frame.source = Ipv4Addr::UNSPECIFIED } => Honoured;
        destination_is_no_address_of_the_router: |frame| {
            frame.destination = Ipv4Addr::new(172, 29, 101, 77);
        } => Ignored("destination_not_local");
        no_client_address: |frame| { frame.message.ciaddr = Ipv4Addr::UNSPECIFIED }
            => Ignored("client_address_missing");
        other_hardware_address: |frame| { frame.message.set_client(NOBODY) }
            => Ignored("client_mismatch");
        address_of_another_lease: |frame, bystander| { frame.message.ciaddr = bystander.address }
            => Ignored("client_mismatch");
        other_client_id_same_hardware_address(SOME_ID): |frame| {
            frame.message.set(option::CLIENT_ID, OTHER_ID);
        } => Ignored("client_mismatch");
        same_client_id_other_hardware_address(SOME_ID): |frame| { frame.message.set_client(NOBODY) }
            => Honoured;
        client_id_missing_while_the_lease_has_one(SOME_ID): |frame| {
            frame.message.remove(option::CLIENT_ID);
        } => Honoured;
        wrong_udp_checksum: |frame| { frame.checksum = Checksum::Wrong } => Honoured;
        wrong_magic_cookie: |frame| { frame.message.cookie = [99, 130, 83, 98] } => Ignored("malformed");
        hardware_address_too_long: |frame| { frame.message.hlen = 17 } => Ignored("malformed");
    }
    kea_raw_decline (Program::Kea(Sockets::Raw), Decline) {
        proper: |_frame| {} => Honoured;
        server_id_of_another_server: |frame| {
            frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
        } => Ignored("server_id_foreign");
        no_server_id: |frame| { frame.message.remove(option::SERVER_ID) } => Honoured;
        no_requested_address: |frame| { frame.message.remove(option::REQUESTED_ADDRESS) }
            => Ignored("decline_unsupported");
        address_of_another_lease: |frame, bystander| {
            let address = bystander.address.octets();
            frame.message.set(option::REQUESTED_ADDRESS, &address);
        } => Ignored("client_mismatch");
    }
    kea_udp_release (Program::Kea(Sockets::Udp), Release) {
        proper: |_frame| {} => Honoured;
        no_server_id: |frame| { frame.message.remove(option::SERVER_ID) } => Honoured;
        server_id_of_another_server: |frame| {
            frame.message.set(option::SERVER_ID, &[192, 0, 2, 67]);
        } => Ignored("server_id_foreign");
        source_unspecified: |frame| { frame.source = Ipv4Addr::UNSPECIFIED }
            => Ignored("source_unspecified");
        wrong_udp_checksum: |frame| { frame.checksum = Checksum::Wrong } => Ignored("bad_udp_checksum");
        other_hardware_address: |frame| { frame.message.set_client(NOBODY) }
            => Ignored("client_mismatch");
    }
}

/// dhcpd compares a DECLINE with nothing: whoever sends it, the address is abandoned.
#[test]
fn dhcpd_lets_anybody_decline_an_address() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = IscDhcpd::start(&network.router, &files, &["eth3"], CONFIGURATION)?;
    let mut agent = Agent::start(&network.router, &[])?;
    let client = Client::new(&network, CLIENT, None)?;
    let own = client.obtain()?;
    let other = Client::new(&network, BYSTANDER, None)?.obtain()?;
    client.send(&client.decline(other))?;
    let verdicts = agent.verdicts(1)?;
    agrees(verdicts.first().context("no verdict")?, Honoured)?;
    ensure!(!server.holds(BYSTANDER, other.address)?, "not abandoned");
    ensure!(server.holds(CLIENT, own.address)?, "abandoned");
    only(&agent.stop()?, 1)
}

/// A dhcpd that starts writes a new lease file and puts it in the place of the old one.
#[test]
fn the_lease_file_of_a_dhcpd_that_was_restarted_is_followed() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let start = || IscDhcpd::start(&network.router, &files, &["eth3"], CONFIGURATION);
    let server = start()?;
    let mut agent = Agent::start(&network.router, &[])?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    let stays = Client::new(&network, BYSTANDER, None)?.obtain()?;
    server.stop()?;
    let server = start()?;
    seen_by(&agent, server.id())?;
    client.send(&client.release(lease))?;
    let verdicts = agent.verdicts(1)?;
    agrees(verdicts.first().context("no verdict")?, Honoured)?;
    ensure!(!server.holds(CLIENT, lease.address)?, "still there");
    ensure!(server.holds(BYSTANDER, stays.address)?, "gone");
    only(&agent.stop()?, 1)
}

/// The clean-up leaves an empty memfile and the leases in another file.
#[test]
fn the_files_of_a_kea_that_cleans_up_are_followed() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Kea::start_cleaning(&network.router, &files, &["eth3/172.29.101.1"], 1)?;
    let mut agent = Agent::start(&network.router, &[])?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    Client::new(&network, BYSTANDER, None)?.obtain()?;
    let cleaned = files.path("kea-leases4.csv.2");
    wait_for("the clean-up of Kea", PATIENCE, || {
        let text = std::fs::read_to_string(&cleaned).unwrap_or_default();
        Ok(text.contains(&lease.address.to_string()).then_some(()))
    })?;
    client.send(&client.release(lease))?;
    let verdicts = agent.verdicts(1)?;
    agrees(verdicts.first().context("no verdict")?, Honoured)?;
    wait_for("the other lease alone", PATIENCE, || {
        let entries = agent
            .metrics()?
            .count("leasehound_lease_database_entries", &[])?;
        Ok((entries == 1).then_some(()))
    })?;
    drop(server);
    only(&agent.stop()?, 1)
}

/// Waits until the agent lists a server process.
fn seen_by(agent: &Agent<'_>, pid: u32) -> Result<()> {
    let wanted = format!("\"pid\":{pid},");
    wait_for("the agent to find the server", PATIENCE, || {
        let servers = agent.get("/api/v1/servers")?.body;
        Ok(servers.contains(&wanted).then_some(()))
    })
}
