//! Programs that people run: udhcpc and dhclient on the client, dhcp_release on the
//! router, each against a real dnsmasq.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles, WHOLE_INTERFACE};
use leasehound_tests::matrix::{CLIENT, Expected, LATECOMER, agrees, only};
use leasehound_tests::message::Mac;
use leasehound_tests::programs::Program;
use leasehound_tests::router::{CLIENT_MAC, PRIMARY, Router, SECONDARY};
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::net::Ipv4Addr;

#[test]
fn udhcpc_releases_when_it_ends() -> Result<()> {
    let lab = Lab::new()?;
    let _server = lab.serve(LISTEN_ON_SECONDARY)?;
    let agent = Agent::start(&lab.network.router, &[]);
    let udhcpc = Program::udhcpc(&lab.network.client, &lab.files)?;
    let address = lab.leased_to(CLIENT_MAC)?;
    ensure!(
        udhcpc.address(&lab.network.client)? == address,
        "it set another"
    );
    udhcpc.release(&lab.network.client)?;
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
    let dhclient = Program::dhclient(&lab.network.client, &lab.files)?;
    let address = lab.leased_to(CLIENT_MAC)?;
    ensure!(
        dhclient.address(&lab.network.client)? == address,
        "it set another"
    );
    dhclient.release(&lab.network.client)?;
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

    fn leased_to(&self, client: Mac) -> Result<Ipv4Addr> {
        let client = client.to_string();
        wait_for("a lease in the lease file", PATIENCE, || {
            let leases = self.files.leases()?;
            let held = leases.iter().find(|lease| lease.hardware_address == client);
            Ok(held.map(|lease| lease.address))
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
