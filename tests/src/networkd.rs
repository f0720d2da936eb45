//! A real systemd-networkd with its DHCP server, without a systemd: in a mount namespace of
//! its own, where /run/systemd is empty and /sys read-only, so that it waits for no udev.
//!
//! It keeps its leases in memory. The truth is what it does: it takes an address that is free
//! for whoever comes back to it, and none that is not.

use crate::client::{Client, Lease};
use crate::dnsmasq::ServerFiles;
use crate::message::{Mac, kind};
use crate::process::Running;
use crate::router::{PRIMARY, Router, SECONDARY};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

const PROGRAM: &str = "/lib/systemd/systemd-networkd";
const PRIVATE: &str = "mount -t tmpfs lab /run/systemd && mkdir -p /run/systemd/network \
     /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp && \
     cp \"$1\" /run/systemd/network/lab.network && chown -R systemd-network /run/systemd/netif && \
     mount -o remount,ro,bind /sys && exec \"$0\"";

/// Who asks for an address to learn whether it is free.
static NEXT_PROBE: AtomicU8 = AtomicU8::new(200);

/// A running systemd-networkd. Dropped, it is killed and its log is printed.
#[derive(Debug)]
pub struct Networkd {
    running: Running,
    log: PathBuf,
}

impl Networkd {
    /// Starts it on the router's eth3, where it goes by [`SECONDARY`], with the pool of the
    /// labs, and waits until it takes packets.
    pub fn start(network: &Router, files: &ServerFiles) -> Result<Self> {
        // It has to give the router its addresses by itself: over those that are there already
        // it may configure them again and again.
        network
            .router
            .run("ip", &["addr", "flush", "dev", "eth3"])?;
        let log = files.path("networkd.log");
        let configured = files.path("lab.network");
        let configuration = format!(
            "[Match]\nName=eth3\n\n[Network]\nAddress={PRIMARY}/24\nAddress={SECONDARY}/24\nDHCPServer=yes\n\
             LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\nKeepConfiguration=yes\n\n\
             [DHCPServer]\nServerAddress={SECONDARY}/24\nPoolOffset=100\nPoolSize=100\nEmitDNS=no\nEmitNTP=no\nEmitTimezone=no\n"
        );
        fs::write(&configured, configuration).context("configuration of systemd-networkd")?;
        let written = File::create(&log).context("log of systemd-networkd")?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec", PRIVATE])
            .arg(PROGRAM)
            .arg(configured)
            .env("SYSTEMD_LOG_LEVEL", "debug")
            .env("SYSTEMD_LOG_TARGET", "console")
            .stdin(Stdio::null())
            .stdout(written.try_clone()?)
            .stderr(written);
        let running = network.router.spawn(&mut command)?;
        let mut server = Self { running, log };
        wait_for("systemd-networkd to start", PATIENCE, || server.started())?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Whether somebody holds `address`: another client asks for it, as if it came back to
    /// it, and gets it if it is free.
    pub fn holds(&self, network: &Router, address: Ipv4Addr) -> Result<bool> {
        let probe = Mac::client(NEXT_PROBE.fetch_add(1, Ordering::Relaxed));
        let client = Client::new(network, probe, None)?;
        let lease = Lease {
            address,
            server_id: SECONDARY,
        };
        let asks = client.reboot(lease);
        client.send(&asks)?;
        // What the server does, it does in order.
        Client::new(network, Mac::client(199), None)?.obtain()?;
        let answers = client.answers(asks.message.xid)?;
        Ok(!answers
            .iter()
            .any(|answer| answer.kind() == Some(kind::ACK)))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log: {error}"))
    }

    fn started(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("systemd-networkd ended with {status}");
        }
        Ok(self.log().contains("DHCPv4 server: STARTED").then_some(()))
    }
}

impl Drop for Networkd {
    fn drop(&mut self) {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains("DHCP"));
        let lines: Vec<&str> = lines.collect();
        eprintln!(
            "--- systemd-networkd {}:\n{}",
            self.running.id(),
            lines.join("\n")
        );
    }
}
