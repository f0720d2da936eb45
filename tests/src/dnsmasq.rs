//! A real dnsmasq, and its lease file: the truth of the labs.

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
use tempfile::TempDir;

/// The filter of apache/cloudstack#10182: the virtual address only.
pub const LISTEN_ON_SECONDARY: &str = "--listen-address=127.0.0.1,172.29.101.1";
/// The filter under which the id is the primary address.
pub const WHOLE_INTERFACE: &str = "--interface=eth3";
/// The pool of the labs: 172.29.101.100 to .199.
pub const POOL: &str = "--dhcp-range=172.29.101.100,172.29.101.199,255.255.255.0,1h";

/// Where a server keeps its files. It outlives a restart.
#[derive(Debug)]
pub struct ServerFiles {
    directory: TempDir,
}

impl ServerFiles {
    /// An empty directory.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir()?;
        Ok(Self { directory })
    }

    /// An empty directory in memory: a server that syncs hundreds of times a second would
    /// wait for a busy disk, and not hear its clients meanwhile.
    pub fn in_memory() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir_in("/dev/shm")
            .context("a directory in /dev/shm")?;
        Ok(Self { directory })
    }

    /// Something in that directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The lease file.
    pub fn lease_file(&self) -> PathBuf {
        self.path("dnsmasq.leases")
    }

    /// The leases in the lease file, without the line of the DUID.
    pub fn leases(&self) -> Result<Vec<LeaseLine>> {
        let text = std::fs::read_to_string(self.lease_file()).context("lease file")?;
        text.lines()
            .filter(|line| !line.starts_with("duid "))
            .map(LeaseLine::parse)
            .collect()
    }

    /// Whether `client` holds `address`.
    pub fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        let client = client.to_string();
        let held = |lease: &LeaseLine| lease.address == address && lease.hardware_address == client;
        Ok(self.leases()?.iter().any(held))
    }

    /// When the lease of `address` ends, in Unix time.
    pub fn expiry(&self, address: Ipv4Addr) -> Result<u64> {
        let leases = self.leases()?;
        let lease = leases.iter().find(|lease| lease.address == address);
        Ok(lease
            .with_context(|| format!("no lease of {address}"))?
            .expiry)
    }
}

/// One line of the lease file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseLine {
    /// When it ends, in Unix time.
    pub expiry: u64,
    /// Its hardware address, as written there.
    pub hardware_address: String,
    /// The leased address.
    pub address: Ipv4Addr,
    /// The client-id, as written there; `*` for none.
    pub client_id: String,
}

impl LeaseLine {
    fn parse(line: &str) -> Result<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [expiry, hardware_address, address, _name, client_id] = fields.as_slice() else {
            bail!("lease file has the line {line:?}");
        };
        Ok(Self {
            expiry: expiry
                .parse()
                .with_context(|| format!("lease line {line:?}"))?,
            hardware_address: (*hardware_address).to_owned(),
            address: address
                .parse()
                .with_context(|| format!("lease line {line:?}"))?,
            client_id: (*client_id).to_owned(),
        })
    }
}

/// A running dnsmasq. Dropped, it is killed and its log is printed.
#[derive(Debug)]
pub struct Dnsmasq {
    running: Running,
    log: PathBuf,
}

impl Dnsmasq {
    /// Starts it as a DHCP server only, with nothing from the host's configuration, and
    /// waits until it takes packets.
    pub fn start(namespace: &Namespace, files: &ServerFiles, arguments: &[&str]) -> Result<Self> {
        let spawn = |command: &mut Command| namespace.spawn(command);
        Self::start_by(spawn, Command::new("dnsmasq"), files, arguments)
    }

    /// The same by way of `command`, a `dnsmasq` or what becomes one when given its
    /// arguments, and `spawn`, which starts it.
    pub fn start_by(
        spawn: impl FnOnce(&mut Command) -> Result<Running>,
        mut command: Command,
        files: &ServerFiles,
        arguments: &[&str],
    ) -> Result<Self> {
        let log = files.path("dnsmasq.log");
        let written = File::create(&log).context("log of dnsmasq")?;
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--log-facility=-",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--port=0",
                "--no-ping",
                "--log-dhcp",
            ])
            .arg(option("--pid-file", &files.path("dnsmasq.pid")))
            .arg(option("--dhcp-leasefile", &files.lease_file()))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written);
        let running = spawn(&mut command)?;
        let mut server = Self { running, log };
        wait_for("dnsmasq to start", PATIENCE, || server.started())?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
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

    /// It logs its ranges after it has bound its socket; from then on packets queue.
    fn started(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("dnsmasq ended with {status}");
        }
        Ok(self.log().contains("DHCP, IP range").then_some(()))
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        eprintln!("--- dnsmasq {}:\n{}", self.running.id(), self.log());
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
