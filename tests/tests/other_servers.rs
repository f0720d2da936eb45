//! What ISC dhcpd 4.4.3 and Kea 2.2 do to their lease files, and the agent that follows
//! these.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use leasehound_tests::kea::Kea;
use leasehound_tests::matrix::Expected::Honoured;
use leasehound_tests::matrix::{BYSTANDER, CLIENT, agrees, only};
use leasehound_tests::router::Router;
use leasehound_tests::wait::{PATIENCE, wait_for};

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
