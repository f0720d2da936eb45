//! The router of issue 10182: one interface, the guest network's address as its second
//! one, and dnsmasq told to listen on that second address only.

use crate::interrupt::Interrupt;
use crate::lab::{Daemon, Netns, Scratch};
use crate::process;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The guest interface.
pub(super) const INTERFACE: &str = "eth3";
/// What the kernel takes for the interface's own address, and `dhcp_release` for the server's.
pub(super) const PRIMARY: &str = "172.29.101.245";
/// What dnsmasq goes by, because it may listen here only.
pub(super) const SECONDARY: &str = "172.29.101.1";
/// The client's hardware address.
const CLIENT_MAC: &str = "02:02:00:d4:00:4f";
/// dnsmasq's range, around the address of the report.
const RANGE: &str = "172.29.101.246,172.29.101.254,255.255.255.0,1h";
/// Programs start and answer within a second on a fast machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Namespaces, link and server; all gone when dropped.
pub(super) struct Router {
    // Before the namespaces, so that it is stopped before they go.
    server: Daemon,
    lease_file: PathBuf,
    inside: Netns,
    client: Netns,
}

/// Who got which address.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Hardware address.
    pub(super) mac: String,
    /// What dnsmasq leased to it.
    pub(super) address: String,
}

/// What was called to give the lease back, and how that ended.
#[derive(Debug, Clone)]
pub(super) struct Release {
    /// As one would type it.
    pub(super) command: String,
    /// Its exit status.
    pub(super) status: String,
}

impl Router {
    /// Builds the network and starts dnsmasq on it.
    pub(super) fn build(scratch: &Scratch, interrupt: &Interrupt) -> Result<Self> {
        let inside = Netns::new("leasehound-demo-router")?;
        let client = Netns::new("leasehound-demo-client")?;
        inside.link(INTERFACE, &client, "eth0")?;
        for address in [PRIMARY, SECONDARY] {
            inside.ip(&["address", "add", &format!("{address}/24"), "dev", INTERFACE])?;
        }
        client.ip(&["link", "set", "eth0", "address", CLIENT_MAC])?;
        let lease_file = scratch.file("dnsmasq.leases");
        let mut command = inside.command("dnsmasq");
        command
            .args(server_flags())
            // Not the machine's own configuration, and no DNS.
            .args(["--conf-file=/dev/null", "--keep-in-foreground", "--port=0"])
            .args(["--user=root", "--no-ping", "--log-dhcp", "--log-facility=-"])
            .arg(format!(
                "--pid-file={}",
                scratch.file("dnsmasq.pid").display()
            ))
            .arg(format!("--dhcp-leasefile={}", lease_file.display()));
        let mut server = Daemon::start("dnsmasq", command, &scratch.file("dnsmasq.log"))?;
        interrupt.wait("started dnsmasq", PATIENCE, || {
            server.check()?;
            Ok(server.log().contains("started, version").then_some(()))
        })?;
        Ok(Self {
            server,
            lease_file,
            inside,
            client,
        })
    }

    /// Where the server and `dhcp_release` run.
    pub(super) fn namespace(&self) -> &Netns {
        &self.inside
    }

    /// The server's process id.
    pub(super) fn server_pid(&self) -> u32 {
        self.server.pid()
    }

    /// Lets a real client get a lease.
    pub(super) fn lease_to_client(&mut self, interrupt: &Interrupt) -> Result<Client> {
        self.server.check()?;
        let mut command = self.client.command("udhcpc");
        command
            .args(["-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1"])
            // The script that would set the address: nothing rests on it here.
            .args(["-s", "/bin/true"]);
        let output = process::output(&mut command, "asking for a lease")?;
        if !output.status.success() {
            bail!(
                "udhcpc got no lease: {} | dnsmasq: {}",
                String::from_utf8_lossy(&output.stderr).trim(),
                self.server.log().trim()
            );
        }
        let address = interrupt.wait("lease in dnsmasq's file", PATIENCE, || {
            let text = fs::read_to_string(&self.lease_file).unwrap_or_default();
            Ok(text.lines().find_map(|line| {
                let mut fields = line.split_whitespace().skip(1);
                (fields.next()? == CLIENT_MAC).then_some(())?;
                fields.next().map(str::to_owned)
            }))
        })?;
        Ok(Client {
            mac: CLIENT_MAC.to_owned(),
            address,
        })
    }

    /// Gives the lease back as CloudStack's router does.
    pub(super) fn release(&self, client: &Client) -> Result<Release> {
        let arguments = [INTERFACE, &client.address, &client.mac];
        let mut command = self.inside.command("dhcp_release");
        let output = process::output(command.args(arguments), "releasing the lease")?;
        Ok(Release {
            command: format!("dhcp_release {}", arguments.join(" ")),
            status: output.status.to_string(),
        })
    }

    /// The lease as it stands in dnsmasq's file.
    pub(super) fn lease_line(&self, address: &str) -> Result<Option<String>> {
        let text = fs::read_to_string(&self.lease_file)
            .with_context(|| format!("reading {}", self.lease_file.display()))?;
        Ok(text
            .lines()
            .find(|line| line.split_whitespace().nth(2) == Some(address))
            .map(str::to_owned))
    }
}

/// The flags that matter, as the story shows them.
pub(super) fn server_flags() -> [String; 2] {
    [
        format!("--listen-address=127.0.0.1,{SECONDARY}"),
        format!("--dhcp-range={RANGE}"),
    ]
}
