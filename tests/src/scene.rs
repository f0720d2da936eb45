//! A client's lease at a real dnsmasq on the router, an agent that watches, and what a
//! test may put between the two.

use crate::agent::Agent;
use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, ServerFiles};
use crate::firewall::{Firewall, Place};
use crate::frame::ipv4_header;
use crate::matrix::CLIENT;
use crate::message::Mac;
use crate::router::{CLIENT_MAC, PRIMARY, ROUTER_MAC, Router, SECONDARY, connect};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the agent waits for an answer here: `--answer-deadline`.
pub const ANSWER_DEADLINE: &str = "1.5";

/// The network, the server and the client whose lease is at stake.
#[derive(Debug)]
pub struct Scene<'n> {
    // Dropped first: it prints its log, which is among the files.
    server: Option<Dnsmasq>,
    arguments: &'static [&'static str],
    firewall: Option<Firewall>,
    /// The agent, or why it does not run: looked at when the truth is known.
    pub agent: Result<Agent<'n>>,
    /// The network.
    pub network: &'n Router,
    /// The server's files.
    pub files: ServerFiles,
    /// The client.
    pub client: Client,
    /// Its lease.
    pub lease: Lease,
}

impl<'n> Scene<'n> {
    /// Starts dnsmasq with `arguments` and takes the lease. The router knows the client's
    /// MAC, for the client answers no ARP.
    pub fn new(network: &'n Router, arguments: &'static [&'static str]) -> Result<Self> {
        let files = ServerFiles::new()?;
        let server = Dnsmasq::start(&network.router, &files, arguments)?;
        let agent = Agent::start(&network.router, &["--answer-deadline", ANSWER_DEADLINE]);
        let client = Client::new(network, CLIENT, None)?;
        let lease = client.obtain()?;
        let scene = Self {
            server: Some(server),
            arguments,
            firewall: None,
            agent,
            network,
            files,
            client,
            lease,
        };
        scene.know_the_client()?;
        Ok(scene)
    }

    /// Runs `ip` on the router.
    pub fn ip(&self, arguments: &str) -> Result<()> {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        self.network.router.run("ip", &arguments).map(drop)
    }

    /// The server's process.
    pub fn server_pid(&self) -> Result<u32> {
        Ok(self.server.as_ref().context("no server runs")?.id())
    }

    /// What the server has logged since it was last started.
    pub fn server_log(&self) -> String {
        self.server.as_ref().map_or_else(String::new, Dnsmasq::log)
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.server_pid()?)?;
        kill(Pid::from_raw(id), signal).context("signalling dnsmasq")
    }

    /// Ends the server in an orderly way; its lease file stays.
    pub fn end_server(&mut self) -> Result<()> {
        self.server.take().context("no server runs")?.stop()
    }

    /// Ends the server and starts one with other arguments on the same lease file.
    pub fn replace_server(&mut self, arguments: &[&str]) -> Result<()> {
        self.server = None;
        let router = &self.network.router;
        self.server = Some(Dnsmasq::start(router, &self.files, arguments)?);
        Ok(())
    }

    /// Starts the server anew as it was at first.
    pub fn restart_server(&mut self) -> Result<()> {
        self.replace_server(self.arguments)
    }

    /// Drops what `matching`, an expression of nft, describes.
    pub fn firewall(&mut self, place: Place, matching: &str) -> Result<()> {
        self.firewall = Some(Firewall::drop(&self.network.router, place, matching)?);
        Ok(())
    }

    /// How many packets the firewall has dropped.
    pub fn firewalled(&self) -> Result<u64> {
        let firewall = self.firewall.as_ref().context("no firewall")?;
        firewall.dropped(&self.network.router)
    }

    /// Takes the firewall away.
    pub fn lift_firewall(&mut self) -> Result<()> {
        let firewall = self.firewall.take().context("no firewall")?;
        firewall.lift(&self.network.router)
    }

    /// A second link between the two, `eth9` at either end, with an address on the router.
    pub fn second_link(&self) -> Result<()> {
        let (router, client) = (&self.network.router, &self.network.client);
        connect(
            router,
            "eth9",
            Mac::client(91),
            client,
            "eth9",
            Mac::client(92),
        )?;
        self.ip("addr add 172.29.109.1/24 dev eth9")
    }

    /// Deletes the link and makes one that differs in nothing but its indexes.
    pub fn recreate_link(&mut self) -> Result<()> {
        self.ip("link delete eth3")?;
        let (router, client) = (&self.network.router, &self.network.client);
        connect(router, "eth3", ROUTER_MAC, client, "eth0", CLIENT_MAC)?;
        for address in [PRIMARY, SECONDARY] {
            self.ip(&format!("addr add {address}/24 dev eth3"))?;
        }
        self.know_the_client()?;
        self.client = Client::new(self.network, CLIENT, None)?;
        self.agent_follows("eth3");
        Ok(())
    }

    /// Sends datagrams to port 67 that are no DHCP until the kernel throws one away.
    pub fn overflow(&self, dropped: impl Fn() -> Result<u64>) -> Result<()> {
        // Far more than any default of net.core.rmem_default holds.
        const MOST: usize = 20_000;
        let frame = self.junk();
        let before = dropped()?;
        for _ in 0..MOST {
            self.client.send_bytes(&frame)?;
            if dropped()? > before {
                return Ok(());
            }
        }
        Err(anyhow!("the buffer took {MOST} datagrams"))
    }

    fn junk(&self) -> Vec<u8> {
        const PAYLOAD: [u8; 1400] = [0; 1400];
        let mut udp = vec![0x12, 0x34, 0, 67];
        udp.extend(
            u16::try_from(8 + PAYLOAD.len())
                .unwrap_or_default()
                .to_be_bytes(),
        );
        udp.extend([0, 0]);
        udp.extend(PAYLOAD);
        let mut frame = Vec::new();
        frame.extend(ROUTER_MAC.0);
        frame.extend(CLIENT.0);
        frame.extend([0x08, 0x00]);
        let (source, destination) = (self.lease.address, self.lease.server_id);
        frame.extend(ipv4_header(source, destination, 17, udp.len()));
        frame.extend(udp);
        frame
    }

    fn know_the_client(&self) -> Result<()> {
        let address = self.lease.address;
        self.ip(&format!(
            "neigh replace {address} lladdr {CLIENT} dev eth3 nud permanent"
        ))
    }

    /// Waits until the agent has its hooks on an interface that was made anew. Where it
    /// fails to, that is told when the truth is known.
    fn agent_follows(&mut self, interface: &str) {
        const BOTH_WAYS_TWICE: usize = 4;
        let Ok(agent) = &self.agent else { return };
        let name = format!("{interface:?}");
        let followed = wait_for("the agent to follow the new interface", PATIENCE, || {
            let lines = agent.lines()?;
            let attached = |line: &&String| {
                let parts = ["\"hook\"", "\"attached\"", name.as_str()];
                parts.iter().all(|part| line.contains(part))
            };
            Ok((lines.iter().filter(attached).count() >= BOTH_WAYS_TWICE).then_some(()))
        });
        if let Err(error) = followed {
            self.agent = Err(error);
        }
    }
}

/// Whether something that must be so for a lab to mean anything is so.
pub fn truth(holds: bool, says: impl FnOnce() -> String) -> Result<()> {
    ensure!(
        holds,
        "the lab is wrong about the kernel or the server: {}",
        says()
    );
    Ok(())
}
