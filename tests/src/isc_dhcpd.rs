//! A real ISC dhcpd, and its lease file: the truth of the labs.

use crate::dnsmasq::ServerFiles;
use crate::message::Mac;
use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The pool of the labs: 172.29.101.100 to .199, without a ping before each OFFER.
pub const CONFIGURATION: &str = "\
authoritative;
ping-check false;
ddns-update-style none;
default-lease-time 3600;
max-lease-time 3600;
subnet 172.29.101.0 netmask 255.255.255.0 { range 172.29.101.100 172.29.101.199; }
";

/// A running dhcpd. Dropped, it is killed and its log is printed.
#[derive(Debug)]
pub struct IscDhcpd {
    running: Running,
    log: PathBuf,
    lease_file: PathBuf,
}

impl IscDhcpd {
    /// Starts it on `interfaces` with nothing from the host's configuration, and waits
    /// until it takes packets. The lease file stays in `files` over a restart.
    pub fn start(
        namespace: &Namespace,
        files: &ServerFiles,
        interfaces: &[&str],
        configuration: &str,
    ) -> Result<Self> {
        let log = files.path("dhcpd.log");
        let lease_file = files.path("dhcpd.leases");
        let written = File::create(&log).context("log of dhcpd")?;
        let configured = files.path("dhcpd.conf");
        std::fs::write(&configured, configuration).context("configuration of dhcpd")?;
        // It refuses to start without one.
        File::options()
            .create(true)
            .append(true)
            .open(&lease_file)
            .context("lease file of dhcpd")?;
        let mut command = Command::new("dhcpd");
        command
            .args(["-4", "-d", "--no-pid"])
            .arg("-cf")
            .arg(configured)
            .arg("-lf")
            .arg(&lease_file)
            .args(interfaces)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written);
        let running = namespace.spawn(&mut command)?;
        let mut server = Self {
            running,
            log,
            lease_file,
        };
        wait_for("dhcpd to start", PATIENCE, || server.started())?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Where its leases are.
    pub fn lease_file(&self) -> &Path {
        &self.lease_file
    }

    /// Whether `client` holds `address`: the last block for the address is active and
    /// has the client's MAC.
    pub fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        let text = std::fs::read_to_string(&self.lease_file).context("lease file of dhcpd")?;
        let head = format!("lease {address} {{");
        let mac = format!("hardware ethernet {client};");
        Ok(text.rsplit_once(&head).is_some_and(|(_, rest)| {
            let block = rest.split_once("\n}").map_or(rest, |(block, _)| block);
            let mut lines = block.lines().map(str::trim);
            lines.clone().any(|line| line == "binding state active;")
                && lines.any(|line| line == mac)
        }))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log: {error}"))
    }

    /// Ends it in an orderly way.
    pub fn stop(mut self) -> Result<()> {
        self.running.signal(Signal::SIGTERM)?;
        self.running.wait()?;
        Ok(())
    }

    /// The last it says before it waits for packets; its sockets are open by then.
    fn started(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("dhcpd ended with {status}");
        }
        Ok(self.log().contains("Server starting service").then_some(()))
    }
}

impl Drop for IscDhcpd {
    fn drop(&mut self) {
        eprintln!("--- dhcpd {}:\n{}", self.running.id(), self.log());
    }
}
