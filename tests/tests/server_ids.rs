//! Which ids a server goes by, where it has more than one: Kea's rules for option 54, relays
//! that put their own address there (RFC 5107, dnsmasq's dhcp-proxy), and a dnsmasq that
//! serves two subnets on one interface. The servers' lease databases are the truth.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::client::{Client, Lease, server_id_override};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles, WHOLE_INTERFACE};
use leasehound_tests::frame::Frame;
use leasehound_tests::kea::{Kea, Sockets, lab_subnets};
use leasehound_tests::matrix::Expected::{self, Honoured, Ignored};
use leasehound_tests::matrix::{BYSTANDER, CLIENT, LATECOMER, agrees, only};
use leasehound_tests::message::option;
use leasehound_tests::program::RELAY;
use leasehound_tests::router::{PRIMARY, Router, SECONDARY};
use leasehound_tests::scene::truth;
use leasehound_tests::verdict::verdict_on;
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// An id that is nobody's address.
const CONFIGURED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ID_FOREIGN: Expected = Ignored("server_id_foreign");
const ID_LOCAL: Expected = Ignored("server_id_other_local_address");

/// A network whose client has the relay agent's address too.
fn network_with_relay() -> Result<Router> {
    let network = Router::new()?;
    let relay = format!("{RELAY}/24");
    network
        .client
        .run("ip", &["addr", "add", &relay, "dev", "eth0"])?;
    Ok(network)
}

/// Waits until the agent has read this many leases: a lease that ends before it was ever read
/// leaves no trace.
fn read(agent: &Result<Agent<'_>>, leases: u64) -> Result<()> {
    let Ok(agent) = agent else { return Ok(()) };
    wait_for("the agent to read the lease", PATIENCE, || {
        let page = agent.metrics()?;
        let read = page.count("leasehound_lease_database_entries", &[]);
        Ok((read.ok() == Some(leases)).then_some(()))
    })
}

/// A RELEASE that names `id`, to a Kea that listens on these addresses.
fn kea(
    sockets: Sockets,
    listens: &[Ipv4Addr],
    subnets: &Value,
    id: Option<Ipv4Addr>,
    expected: Expected,
) -> Result<()> {
    let network = network_with_relay()?;
    let files = ServerFiles::new()?;
    let interfaces: Vec<String> = listens.iter().map(|on| format!("eth3/{on}")).collect();
    let interfaces: Vec<&str> = interfaces.iter().map(String::as_str).collect();
    let server = Kea::start_with(&network.router, &files, &interfaces, sockets, subnets)?;
    let agent = Agent::start(&network.router, &[]);
    let obtain = |client: &Client| match sockets {
        Sockets::Raw => client.obtain(),
        Sockets::Udp => client.obtain_through(RELAY, SECONDARY),
    };
    let client = Client::new(&network, CLIENT, None)?;
    let lease = obtain(&client)?;
    read(&agent, 1)?;
    let mut frame = client.release(Lease {
        server_id: SECONDARY,
        ..lease
    });
    match id {
        Some(id) => frame.message.set(option::SERVER_ID, &id.octets()),
        None => frame.message.remove(option::SERVER_ID),
    }
    client.send(&frame)?;
    obtain(&Client::new(&network, LATECOMER, None)?)?;
    let held = server.holds(CLIENT, lease.address)?;
    truth(held == (expected != Honoured), || {
        format!("expected {expected:?}, but the lease is there: {held}")
    })?;
    let mut agent = agent?;
    agrees(&verdict_on(&agent, frame.message.xid)?, expected)?;
    only(&agent.stop()?, 1)
}

/// The subnet of the labs with an id of its own.
fn configured() -> Value {
    let mut subnets = lab_subnets();
    if let Some(subnet) = subnets.pointer_mut("/0").and_then(Value::as_object_mut) {
        let data = json!([{ "name": "dhcp-server-identifier", "data": CONFIGURED }]);
        subnet.insert("option-data".to_owned(), data);
    }
    subnets
}

/// One test for each row and way to listen.
macro_rules! rows {
    ($($name:ident: $listens:expr, $subnets:expr, $id:expr => $expected:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn raw() -> Result<()> {
                kea(Sockets::Raw, $listens, &$subnets, $id, $expected)
            }

            #[test]
            fn udp() -> Result<()> {
                kea(Sockets::Udp, $listens, &$subnets, $id, $expected)
            }
        }
    )*};
}

rows! {
    kea_without_an_id: &[SECONDARY], lab_subnets(), None => Honoured;
    kea_by_an_address_that_it_listens_on: &[SECONDARY], lab_subnets(), Some(SECONDARY) => Honoured;
    kea_by_an_address_that_it_does_not_listen_on: &[SECONDARY], lab_subnets(), Some(PRIMARY)
        => ID_LOCAL;
    kea_by_each_of_its_addresses: &[SECONDARY, PRIMARY], lab_subnets(), Some(PRIMARY) => Honoured;
    kea_by_the_other_of_its_addresses: &[PRIMARY, SECONDARY], lab_subnets(), Some(SECONDARY)
        => Honoured;
    kea_by_an_id_that_is_configured: &[SECONDARY], configured(), Some(CONFIGURED) => Honoured;
    kea_by_its_address_beside_an_id_that_is_configured: &[SECONDARY], configured(), Some(SECONDARY)
        => Honoured;
    kea_by_neither_where_an_id_is_configured: &[SECONDARY], configured(), Some(PRIMARY) => ID_LOCAL;
    kea_by_another_servers_id: &[SECONDARY], configured(), Some(Ipv4Addr::new(192, 0, 2, 67))
        => ID_FOREIGN;
}

/// How a client behind a relay took its lease.
#[derive(Debug, Clone, Copy)]
enum Override {
    /// Option 82, sub-option 11.
    SubOption,
    /// dnsmasq's `--dhcp-proxy`.
    Proxy,
}

/// A RELEASE to a dnsmasq that put the relay's address into option 54.
fn relayed(by: Override, bend: fn(&Client, Frame) -> Frame, expected: Expected) -> Result<()> {
    let network = network_with_relay()?;
    let files = ServerFiles::new()?;
    let mut arguments = vec![LISTEN_ON_SECONDARY, POOL];
    if matches!(by, Override::Proxy) {
        arguments.push("--dhcp-proxy");
    }
    let _server = Dnsmasq::start(&network.router, &files, &arguments)?;
    let agent = Agent::start(&network.router, &[]);
    let client = Client::new(&network, CLIENT, None)?;
    let lease = match by {
        Override::SubOption => client.obtain_overriding(RELAY, SECONDARY)?,
        Override::Proxy => client.obtain_through(RELAY, SECONDARY)?,
    };
    truth(lease.server_id == RELAY, || {
        format!("no override: {lease:?}")
    })?;
    read(&agent, 1)?;
    let mut straight = client.release(lease);
    straight.destination = SECONDARY;
    let frame = bend(&client, straight);
    client.send(&frame)?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    let held = files.holds(CLIENT, lease.address)?;
    truth(held == (expected != Honoured), || {
        format!("expected {expected:?}, but the lease is there: {held}")
    })?;
    let mut agent = agent?;
    agrees(&verdict_on(&agent, frame.message.xid)?, expected)?;
    only(&agent.stop()?, 1)
}

fn through_the_relay(client: &Client, frame: Frame) -> Frame {
    client.through(frame, RELAY, SECONDARY)
}

fn with_the_sub_option(_client: &Client, mut frame: Frame) -> Frame {
    let option = server_id_override(RELAY);
    frame.message.set(option::RELAY_AGENT, &option);
    frame
}

fn naming_the_server(_client: &Client, mut frame: Frame) -> Frame {
    frame.message.set(option::SERVER_ID, &SECONDARY.octets());
    frame
}

#[test]
fn past_the_relay_of_a_proxy() -> Result<()> {
    relayed(
        Override::Proxy,
        |_, frame| frame,
        Ignored("server_id_override"),
    )
}

#[test]
fn through_the_relay_of_a_proxy() -> Result<()> {
    relayed(Override::Proxy, through_the_relay, Honoured)
}

#[test]
fn past_the_relay_of_a_proxy_by_the_servers_own_id() -> Result<()> {
    relayed(Override::Proxy, naming_the_server, Honoured)
}

#[test]
fn without_the_sub_option() -> Result<()> {
    relayed(
        Override::SubOption,
        |_, frame| frame,
        Ignored("server_id_override"),
    )
}

#[test]
fn through_the_relay_without_the_sub_option() -> Result<()> {
    relayed(
        Override::SubOption,
        through_the_relay,
        Ignored("server_id_override"),
    )
}

#[test]
fn with_the_sub_option_alone() -> Result<()> {
    relayed(Override::SubOption, with_the_sub_option, Honoured)
}

/// dnsmasq compares a DECLINE with the id of one subnet only: of two proper DECLINEs on one
/// interface it honours one. Which, its lease file says.
#[test]
fn a_decline_on_each_of_two_subnets() -> Result<()> {
    let network = Router::new()?;
    network
        .router
        .run("ip", &["addr", "add", "172.29.102.1/24", "dev", "eth3"])?;
    let files = ServerFiles::new()?;
    let hosts = [(CLIENT, "172.29.101.150"), (BYSTANDER, "172.29.102.150")];
    let hosts = hosts.map(|(mac, address)| format!("--dhcp-host={mac},{address}"));
    let [here, there] = &hosts;
    let other_pool = "--dhcp-range=172.29.102.100,172.29.102.199,255.255.255.0,1h";
    let arguments = [
        WHOLE_INTERFACE,
        POOL,
        other_pool,
        here.as_str(),
        there.as_str(),
    ];
    let _server = Dnsmasq::start(&network.router, &files, &arguments)?;
    let agent = Agent::start(&network.router, &[]);
    let clients = [CLIENT, BYSTANDER];
    let clients = clients.map(|mac| Client::new(&network, mac, None));
    let mut sent = Vec::new();
    for client in clients {
        let client = client?;
        let lease = client.obtain()?;
        sent.push((client, lease));
    }
    let ids: Vec<Ipv4Addr> = sent.iter().map(|(_, lease)| lease.server_id).collect();
    truth(ids == [PRIMARY, Ipv4Addr::new(172, 29, 102, 1)], || {
        format!("{ids:?}")
    })?;
    read(&agent, 2)?;
    let mut outcomes = Vec::new();
    for (client, lease) in &sent {
        let frame = client.decline(*lease);
        client.send(&frame)?;
        Client::new(&network, LATECOMER, None)?.obtain()?;
        let held = files.holds(client.mac(), lease.address)?;
        outcomes.push((frame.message.xid, held));
    }
    let held = outcomes.iter().filter(|(_, held)| *held).count();
    truth(held == 1, || format!("{held} of two DECLINEs were dropped"))?;
    let mut agent = agent?;
    for (xid, held) in outcomes {
        let expected = if held {
            Ignored("decline_on_other_subnet")
        } else {
            Honoured
        };
        agrees(&verdict_on(&agent, xid)?, expected)?;
    }
    let stopped = agent.stop()?;
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    only(&stopped, 2).context("as many verdicts as DECLINEs")
}
