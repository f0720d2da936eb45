//! The redundant router of apache/cloudstack#10182: it serves on a virtual address that is a
//! secondary one of eth3, releases its guests' leases with `dhcp_release`, which names the
//! primary one, and its leases never end.

use crate::agent::{Agent, findings, parse, text};
use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, ServerFiles};
use crate::message::{Mac, option};
use crate::router::{PRIMARY, Router, SECONDARY};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Addresses of the pool: 172.29.101.100 to .149.
pub const SIZE: u64 = 50;

const RANGE: &str = "--dhcp-range=172.29.101.100,172.29.101.149,255.255.255.0,infinite";

/// The filter of apache/cloudstack#10183: the primary address too, which becomes the id.
const LISTEN_ON_BOTH: &str = "--listen-address=127.0.0.1,172.29.101.1,172.29.101.245";

/// A finding that depends on others' waiting closes within this.
const CLOSES_WITHIN: Duration = Duration::from_secs(45);

/// The router, its server, and the agent that watches it.
#[derive(Debug)]
pub struct Story<'n> {
    server: Option<Dnsmasq>,
    files: ServerFiles,
    network: &'n Router,
    /// The agent.
    pub agent: Agent<'n>,
    guests: u8,
}

/// A guest that is gone, and whose lease was to go.
#[derive(Debug)]
pub struct Guest {
    client: Client,
    /// What it had.
    pub lease: Lease,
}

impl<'n> Story<'n> {
    /// As CloudStack sets it up.
    pub fn begin(network: &'n Router) -> Result<Self> {
        let files = ServerFiles::new()?;
        let arguments = [LISTEN_ON_SECONDARY, RANGE];
        let server = Dnsmasq::start(&network.router, &files, &arguments)?;
        let agent = Agent::start(&network.router, &[])?;
        let story = Self {
            server: Some(server),
            files,
            network,
            agent,
            guests: 0,
        };
        story.gauge_becomes("leasehound_pool_addresses", SIZE)?;
        story.gauge_becomes("leasehound_pool_used_addresses", 0)?;
        Ok(story)
    }

    /// Starts the server anew with the primary address among those it listens on.
    pub fn listen_on_both(&mut self) -> Result<()> {
        self.server.take().context("no server runs")?.stop()?;
        let arguments = [LISTEN_ON_BOTH, RANGE];
        let server = Dnsmasq::start(&self.network.router, &self.files, &arguments)?;
        self.agent.knows(server.id())?;
        self.server = Some(server);
        Ok(())
    }

    /// A guest comes and gets an address.
    pub fn guest(&mut self) -> Result<Guest> {
        let client = self.next_client()?;
        let lease = client.obtain()?;
        Ok(Guest { client, lease })
    }

    /// A guest comes, and there is no address for it.
    pub fn guest_without_an_address(&mut self) -> Result<()> {
        const NONE_LEFT: &str = "no address available";
        let client = self.next_client()?;
        client.send(&client.discover())?;
        wait_for("dnsmasq to have no address", PATIENCE, || {
            let server = self.server.as_ref().context("no server runs")?;
            Ok(server.log().contains(NONE_LEFT).then_some(()))
        })
    }

    fn next_client(&mut self) -> Result<Client> {
        self.guests += 1;
        let mac = Mac([0x02, 0x02, 0x00, 0xd4, 0x01, self.guests]);
        Client::new(self.network, mac, None)
    }

    /// A guest is destroyed, and the router releases its lease with `dhcp_release`.
    pub fn destroy(&self, guest: &Guest) -> Result<()> {
        let address = guest.lease.address.to_string();
        let mac = guest.client.mac().to_string();
        let arguments = ["eth3", &address, &mac];
        self.network
            .router
            .run("dhcp_release", &arguments)
            .map(drop)
    }

    /// The lease is released by something that names a given id.
    pub fn release_naming(&self, guest: &Guest, id: Ipv4Addr) -> Result<()> {
        let mut frame = guest.client.release(guest.lease);
        frame.message.set(option::SERVER_ID, &id.octets());
        guest.client.send(&frame)
    }

    /// Leases in the server's file.
    pub fn leases(&self) -> Result<u64> {
        Ok(u64::try_from(self.files.leases()?.len())?)
    }

    /// Whether the server still has a guest's lease.
    pub fn holds(&self, guest: &Guest) -> Result<bool> {
        self.files.holds(guest.client.mac(), guest.lease.address)
    }

    /// Waits for the verdict on a guest's address with that number, from 1.
    pub fn verdict(&self, guest: &Guest, number: usize) -> Result<Value> {
        let address = guest.lease.address.to_string();
        wait_for("the verdict on a guest's release", PATIENCE, || {
            let mut verdicts = self.agent.verdicts(0)?;
            verdicts.retain(|verdict| text(verdict, "address") == address);
            Ok(verdicts.into_iter().nth(number.saturating_sub(1)))
        })
    }

    /// The sum over a metric's series, `None` if it has none yet.
    pub fn gauge(&self, metric: &str) -> Result<Option<f64>> {
        Ok(self.agent.metrics()?.sum(metric, &[], &[]).ok())
    }

    /// Waits until a metric has a value.
    pub fn gauge_becomes(&self, metric: &str, value: u64) -> Result<()> {
        let what = format!("{metric} to be {value}");
        let wanted = value.to_string();
        wait_for(&what, PATIENCE, || {
            let is = self.gauge(metric)?.map(|is| is.to_string());
            Ok((is.as_ref() == Some(&wanted)).then_some(()))
        })
    }

    /// All findings of a kind that were told of, in order.
    pub fn findings(&self, finding: &str) -> Result<Vec<Value>> {
        let mut told = findings(&parse(&self.agent.lines()?)?);
        told.retain(|event| text(event, "finding") == finding);
        Ok(told)
    }

    /// The findings of a kind that hold, as the API has them.
    pub fn open(&self, finding: &str) -> Result<Vec<Value>> {
        let page = self.agent.get("/api/v1/findings")?.body;
        let page: Value = serde_json::from_str(&page)?;
        let all = page.pointer("/findings").and_then(Value::as_array);
        let holds =
            |event: &&Value| text(event, "finding") == finding && text(event, "state") != "closed";
        Ok(all.into_iter().flatten().filter(holds).cloned().collect())
    }

    /// Waits until no finding of a kind holds, and gives the last word of each.
    pub fn closes(&self, finding: &str) -> Result<Vec<Value>> {
        let kind = format!("kind=\"{finding}\"");
        wait_for(&format!("{finding} to close"), CLOSES_WITHIN, || {
            let open = self
                .agent
                .metrics()?
                .count("leasehound_findings", &[&kind])?;
            Ok((open == 0).then_some(()))
        })?;
        let told = self.findings(finding)?;
        Ok(told
            .into_iter()
            .filter(|event| text(event, "state") == "closed")
            .collect())
    }
}

/// Checks what the finding about the release tool says.
pub fn names_the_cause_and_the_way_out(finding: &Value) -> Result<()> {
    let says = |field: &str, part: &str| -> Result<()> {
        let said = text(finding, field);
        ensure!(said.contains(part), "{field} has no {part:?}: {finding}");
        Ok(())
    };
    says("cause", "server_id_other_local_address")?;
    says("severity", "critical")?;
    says("interface", "eth3")?;
    says("title", &format!("releases on eth3 name {PRIMARY}"))?;
    says("title", &format!("the server is {SECONDARY}"))?;
    says("remedy", "name the id that the server uses")?;
    says("side_effect", "listen-address")?;
    says("side_effect", "offered to every client")?;
    says("side_effect", "#13194")?;
    says("runbook", "BOOK.md#server_id_other_local_address")
}
