//! Programs that people run: udhcpc and dhclient on the client, dhcp_release on the
//! router, each against a real dnsmasq.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles, WHOLE_INTERFACE};
use leasehound_tests::matrix::{CLIENT, Expected, LATECOMER, agrees, only};
use leasehound_tests::message::Mac;
use leasehound_tests::process::Running;
use leasehound_tests::router::{CLIENT_MAC, PRIMARY, Router, SECONDARY};
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Sets the address that udhcpc was given.
const UDHCPC_SCRIPT: &str = r#"#!/bin/sh
case "$1" in
deconfig) ip -4 addr flush dev "$interface" ;;
bound|renew) ip addr replace "$ip/${mask:-24}" dev "$interface" ;;
esac
"#;

/// The same for dhclient.
const DHCLIENT_SCRIPT: &str = r#"#!/bin/sh
case "$reason" in
BOUND|RENEW|REBIND|REBOOT) ip addr replace "$new_ip_address/24" dev "$interface" ;;
EXPIRE|FAIL|RELEASE|STOP) ip -4 addr flush dev "$interface" ;;
esac
"#;

#[test]
fn udhcpc_releases_when_it_ends() -> Result<()> {
    let lab = Lab::new()?;
    let _server = lab.serve(LISTEN_ON_SECONDARY)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let script = lab.script("udhcpc.script", UDHCPC_SCRIPT)?;
    let mut udhcpc = lab.on_client(
        Command::new("udhcpc")
            .args(["-f", "-R", "-i", "eth0", "-s"])
            .arg(script),
    )?;
    let address = lab.leased_to(CLIENT_MAC)?;
    lab.configured(address)?;
    udhcpc.signal(Signal::SIGTERM)?;
    udhcpc.wait()?;
    ensure!(
        !lab.still_holds(CLIENT_MAC, address)?,
        "dnsmasq kept the lease"
    );
    says(agent, Expected::Honoured)
}

#[test]
fn dhclient_releases_on_demand() -> Result<()> {
    let lab = Lab::new()?;
    let _server = lab.serve(LISTEN_ON_SECONDARY)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let script = lab.script("dhclient.script", DHCLIENT_SCRIPT)?;
    let dhclient = |mode: &str| {
        let mut command = Command::new("dhclient");
        command.args([mode, "-v", "-cf", "/dev/null"]);
        command.arg("-sf").arg(&script);
        command.arg("-lf").arg(lab.files.path("dhclient.leases"));
        command.arg("-pf").arg(lab.files.path("dhclient.pid"));
        command.arg("eth0");
        command
    };
    let _dhclient = lab.on_client(&mut dhclient("-d"))?;
    let address = lab.leased_to(CLIENT_MAC)?;
    lab.configured(address)?;
    let ended = lab.on_client(&mut dhclient("-r"))?.wait()?;
    ensure!(ended.success(), "dhclient -r ended with {ended}");
    ensure!(
        !lab.still_holds(CLIENT_MAC, address)?,
        "dnsmasq kept the lease"
    );
    says(agent, Expected::Honoured)
}

#[test]
fn dhcp_release_names_the_primary_address_and_is_ignored() -> Result<()> {
    let lab = Lab::new()?;
    let _server = lab.serve(LISTEN_ON_SECONDARY)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let lease = Client::new(&lab.network, CLIENT, None)?.obtain()?;
    ensure!(lease.server_id == SECONDARY);
    lab.dhcp_release(CLIENT, lease.address)?;
    ensure!(
        lab.still_holds(CLIENT, lease.address)?,
        "dnsmasq gave the lease up"
    );
    says(agent, Expected::Ignored("server_id_other_local_address"))
}

#[test]
fn dhcp_release_is_honoured_where_the_primary_address_is_the_id() -> Result<()> {
    let lab = Lab::new()?;
    let _server = lab.serve(WHOLE_INTERFACE)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let lease = Client::new(&lab.network, CLIENT, None)?.obtain()?;
    ensure!(lease.server_id == PRIMARY);
    lab.dhcp_release(CLIENT, lease.address)?;
    ensure!(
        !lab.still_holds(CLIENT, lease.address)?,
        "dnsmasq kept the lease"
    );
    says(agent, Expected::Honoured)
}

#[test]
fn a_lease_from_before_the_configuration_changed_names_the_old_id() -> Result<()> {
    let lab = Lab::new()?;
    let before = lab.serve(LISTEN_ON_SECONDARY)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let client = Client::new(&lab.network, CLIENT, None)?;
    let lease = client.obtain()?;
    ensure!(lease.server_id == SECONDARY);
    before.stop()?;
    let _after = lab.serve(WHOLE_INTERFACE)?;
    let other = Client::new(&lab.network, Mac::client(4), None)?.obtain()?;
    ensure!(other.server_id == PRIMARY);
    client.send(&client.release(lease))?;
    ensure!(
        lab.still_holds(CLIENT, lease.address)?,
        "dnsmasq gave the lease up"
    );
    says(agent, Expected::Ignored("server_id_other_local_address"))
}

struct Lab {
    network: Router,
    files: ServerFiles,
}

impl Lab {
    fn new() -> Result<Self> {
        Ok(Self {
            network: Router::new()?,
            files: ServerFiles::new()?,
        })
    }

    fn serve(&self, filter: &str) -> Result<Dnsmasq> {
        Dnsmasq::start(&self.network.router, &self.files, &[filter, POOL])
    }

    fn script(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.files.path(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    fn on_client(&self, command: &mut Command) -> Result<Running> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.network.client.spawn(command)
    }

    fn leased_to(&self, client: Mac) -> Result<Ipv4Addr> {
        let client = client.to_string();
        wait_for("a lease in the lease file", PATIENCE, || {
            let leases = self.files.leases()?;
            let held = leases.iter().find(|lease| lease.hardware_address == client);
            Ok(held.map(|lease| lease.address))
        })
    }

    /// A client releases by unicast only once its own address is set.
    fn configured(&self, address: Ipv4Addr) -> Result<()> {
        wait_for("the client to set its address", PATIENCE, || {
            let shown = self
                .network
                .client
                .run("ip", &["-4", "addr", "show", "dev", "eth0"])?;
            Ok(shown.contains(&format!("inet {address}/")).then_some(()))
        })
    }

    fn dhcp_release(&self, client: Mac, address: Ipv4Addr) -> Result<()> {
        let (address, client) = (address.to_string(), client.to_string());
        self.network
            .router
            .run("dhcp_release", &["eth3", &address, &client])?;
        Ok(())
    }

    /// The truth, once the server has served a client that came later.
    fn still_holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        Client::new(&self.network, LATECOMER, None)?.obtain()?;
        self.files.holds(client, address)
    }
}

fn says(agent: Result<Agent<'_>>, expected: Expected) -> Result<()> {
    let mut agent = agent?;
    let [verdict] = agent
        .verdicts(1)?
        .try_into()
        .ok()
        .context("more than one verdict")?;
    agrees(&verdict, expected)?;
    if expected != Expected::Honoured {
        ensure!(text(&verdict, "certainty") == "observed", "{verdict}");
    }
    only(&agent.stop()?, 1)
}
