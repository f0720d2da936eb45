//! What `doctor` says will fail, said before a packet flows; then it fails with the real
//! dnsmasq and dhcp_release, and what `doctor` says to do helps.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles, WHOLE_INTERFACE};
use leasehound_tests::doctor::{Told, doctor};
use leasehound_tests::matrix::{CLIENT, LATECOMER};
use leasehound_tests::router::{PRIMARY, Router, SECONDARY};
use serde_json::Value;

const PHONES: &str = "--dhcp-vendorclass=set:phone,Cisco";
const FOR_PHONES: &str = "--dhcp-range=tag:phone,172.29.101.100,172.29.101.199,255.255.255.0,1h";
const STATIC_BESIDE: &str = "--dhcp-range=172.29.101.0,static,255.255.255.0";
const FOR_EVER: &str = "--dhcp-range=172.29.101.100,172.29.101.199,255.255.255.0,infinite";

fn addresses(network: &Router, addresses: &[&str]) -> Result<()> {
    network
        .router
        .run("ip", &["addr", "flush", "dev", "eth3"])?;
    for address in addresses {
        network
            .router
            .run("ip", &["addr", "add", address, "dev", "eth3"])?;
    }
    Ok(())
}

/// Whether dhcp_release, as people run it, ends the lease. That another client gets its own
/// afterwards shows that the server has read what came before.
fn released(network: &Router, files: &ServerFiles, lease: Lease) -> Result<bool> {
    let (address, mac) = (lease.address.to_string(), CLIENT.to_string());
    ensure!(
        files.holds(CLIENT, lease.address)?,
        "there is no lease to release"
    );
    network
        .router
        .run("dhcp_release", &["eth3", &address, &mac])?;
    Client::new(network, LATECOMER, None)?
        .of_class(b"Cisco")
        .obtain()?;
    Ok(!files.holds(CLIENT, lease.address)?)
}

fn obtain(network: &Router) -> Result<Lease> {
    Client::new(network, CLIENT, None)?
        .of_class(b"Cisco")
        .obtain()
}

fn says(item: &Value, what: &str, field: &str) -> Result<()> {
    ensure!(
        text(item, field).contains(what),
        "no \"{what}\" in {field}: {item:#}"
    );
    Ok(())
}

/// The virtual address is the id, and tools name the primary one.
fn mismatch(told: &Told) -> Result<()> {
    let found = told.only_finding("release_tool_id_mismatch")?;
    says(found, "every dhcp_release on eth3", "says")?;
    says(found, "it names 172.29.101.245 as the server", "says")?;
    says(found, "goes by 172.29.101.1", "says")?;
    says(found, "cloudstack#10183", "side_effect")?;
    says(found, "172.29.101.245 the prefix length 32", "remedy")?;
    ensure!(text(found, "interface") == "eth3", "{found:#}");
    Ok(())
}

#[test]
fn a_tool_that_names_another_id_and_the_order_of_addresses_as_the_way_out() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let _server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    mismatch(&doctor(&network.router, &[])?)?;
    let lease = obtain(&network)?;
    ensure!(!released(&network, &files, lease)?, "it was honoured");

    addresses(&network, &["172.29.101.1/24", "172.29.101.245/24"])?;
    doctor(&network.router, &[])?.healthy()?;
    ensure!(released(&network, &files, lease)?, "it was ignored");
    Ok(())
}

#[test]
fn a_tool_that_names_another_id_and_prefix_lengths_as_the_way_out() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let _server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    mismatch(&doctor(&network.router, &[])?)?;
    let lease = obtain(&network)?;
    addresses(&network, &["172.29.101.245/32", "172.29.101.1/24"])?;
    doctor(&network.router, &[])?.healthy()?;
    ensure!(released(&network, &files, lease)?, "it was ignored");
    Ok(())
}

/// And what that does to every client: another id.
#[test]
fn a_tool_that_names_another_id_and_both_listened_on_as_the_way_out() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    mismatch(&doctor(&network.router, &[])?)?;
    ensure!(obtain(&network)?.server_id == SECONDARY);
    server.stop()?;
    let both = "--listen-address=127.0.0.1,172.29.101.1,172.29.101.245";
    let _server = Dnsmasq::start(&network.router, &files, &[both, POOL])?;
    doctor(&network.router, &[])?.healthy()?;
    let lease = obtain(&network)?;
    ensure!(lease.server_id == PRIMARY, "the side effect: {lease:?}");
    ensure!(released(&network, &files, lease)?, "it was ignored");
    Ok(())
}

#[test]
fn a_range_that_only_a_tag_leads_to() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let server = Dnsmasq::start(
        &network.router,
        &files,
        &[WHOLE_INTERFACE, PHONES, FOR_PHONES],
    )?;
    let told = doctor(&network.router, &[])?;
    let found = told.only_finding("tag_only_range")?;
    says(found, "the tag phone, which comes from option 60", "says")?;
    says(found, &STATIC_BESIDE["--".len()..], "remedy")?;
    let lease = obtain(&network)?;
    ensure!(!released(&network, &files, lease)?, "it was honoured");

    server.stop()?;
    let with = [WHOLE_INTERFACE, PHONES, FOR_PHONES, STATIC_BESIDE];
    let _server = Dnsmasq::start(&network.router, &files, &with)?;
    doctor(&network.router, &[])?.healthy()?;
    ensure!(released(&network, &files, lease)?, "it was ignored");
    Ok(())
}

#[test]
fn leases_that_never_end() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let _server = Dnsmasq::start(&network.router, &files, &[WHOLE_INTERFACE, FOR_EVER])?;
    let told = doctor(&network.router, &[])?;
    let found = told.only_finding("infinite_lease_time")?;
    ensure!(
        text(found, "subject") == "172.29.101.100,172.29.101.199",
        "{found:#}"
    );
    let lease = obtain(&network)?;
    ensure!(files.expiry(lease.address)? == 0, "it ends");
    Ok(())
}

#[test]
fn a_server_that_writes_no_lease_file() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let with = [WHOLE_INTERFACE, POOL, "--leasefile-ro"];
    let _server = Dnsmasq::start(&network.router, &files, &with)?;
    let told = doctor(&network.router, &[])?;
    let found = told.only_finding("database_not_live")?;
    says(found, "is not what dnsmasq", "says")?;
    obtain(&network)?;
    let written = std::fs::read_to_string(files.lease_file()).unwrap_or_default();
    ensure!(!written.contains(&CLIENT.to_string()), "it wrote {written}");
    Ok(())
}

#[test]
fn a_lease_file_that_was_replaced() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let _server = Dnsmasq::start(&network.router, &files, &[WHOLE_INTERFACE, POOL])?;
    let lease = obtain(&network)?;
    doctor(&network.router, &[])?.healthy()?;
    let edited = files.path("edited");
    std::fs::write(&edited, "")?;
    std::fs::rename(&edited, files.lease_file())?;
    let told = doctor(&network.router, &[])?;
    let found = told.only_finding("database_not_live")?;
    says(found, &files.lease_file().display().to_string(), "says")?;
    // The edit came to nothing: the server goes on with the lease.
    ensure!(obtain(&network)?.address == lease.address);
    ensure!(
        !files.holds(CLIENT, lease.address)?,
        "the path shows what the server does"
    );
    Ok(())
}

#[test]
fn leases_that_were_granted_under_another_id() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let events = files.path("events");
    let path = events.to_str().context("a path in UTF-8")?;
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let lease = {
        let mut agent = Agent::with_events(&network.router, path, &["--messages"])?;
        let lease = obtain(&network)?;
        agent.stop()?;
        lease
    };
    server.stop()?;
    let _server = Dnsmasq::start(&network.router, &files, &[WHOLE_INTERFACE, POOL])?;
    // A lease file does not say under which id its leases were granted.
    doctor(&network.router, &[])?.healthy()?;
    let told = doctor(&network.router, &["--events", path])?;
    let found = told.only_finding("server_id_changed")?;
    says(found, "1 lease on eth3 was granted by 172.29.101.1", "says")?;
    says(found, "goes by 172.29.101.245 now", "says")?;

    let client = Client::new(&network, CLIENT, None)?;
    client.send(&client.release(lease))?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ensure!(files.holds(CLIENT, lease.address)?, "it was honoured");
    // Once renewed it goes by the new id.
    let lease = obtain(&network)?;
    client.send(&client.release(lease))?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ensure!(!files.holds(CLIENT, lease.address)?, "it was ignored");
    Ok(())
}

/// `run` tells the same while it goes on, and takes it back once it holds no more.
#[test]
fn run_tells_a_changed_id_and_closes_it_once_leases_are_renewed() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let agent = Agent::start(&network.router, &[])?;
    agent.knows(server.id())?;
    let found = agent.findings("release_tool_id_mismatch")?;
    ensure!(text(&found[0], "state") == "opened", "{found:#?}");
    obtain(&network)?;
    server.stop()?;
    let _server = Dnsmasq::start(&network.router, &files, &[WHOLE_INTERFACE, POOL])?;
    let opened = agent.findings("server_id_changed")?;
    ensure!(text(&opened[0], "state") == "opened", "{opened:#?}");
    obtain(&network)?;
    leasehound_tests::wait::wait_for(
        "the finding to close",
        leasehound_tests::wait::PATIENCE,
        || {
            let all = agent.findings("server_id_changed")?;
            let closed = all.iter().any(|event| text(event, "state") == "closed");
            Ok(closed.then_some(()))
        },
    )?;
    let tools = agent.findings("release_tool_id_mismatch")?;
    let last = tools.last().context("no finding")?;
    ensure!(text(last, "state") == "closed", "{tools:#?}");
    Ok(())
}
