//! A real udhcpd (busybox), and what it writes when it is told to: the truth of the labs.

use crate::dnsmasq::ServerFiles;
use crate::message::Mac;
use crate::netns::Namespace;
use crate::process::Running;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::fs::{self, File, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `struct dyn_lease`: the time left, the address, the MAC, a host name, padding.
const ENTRY: usize = 36;
/// When the file was written.
const HEAD: usize = 8;

/// A running udhcpd. Dropped, it is killed and its log is printed.
#[derive(Debug)]
pub struct Udhcpd {
    running: Running,
    log: PathBuf,
    lease_file: PathBuf,
    /// Linked to the lease file once that is written whole.
    written: PathBuf,
}

impl Udhcpd {
    /// Starts it on one interface, which it binds its socket to, with the pool of the labs
    /// and `id` as its server identifier, and waits until it takes packets.
    pub fn start(
        namespace: &Namespace,
        files: &ServerFiles,
        interface: &str,
        id: Ipv4Addr,
    ) -> Result<Self> {
        let log = files.path("udhcpd.log");
        let lease_file = files.path("udhcpd.leases");
        let written = files.path("udhcpd.written");
        let notify = files.path("written.sh");
        let script = format!("#!/bin/sh\nexec ln \"$1\" {}\n", written.display());
        fs::write(&notify, script).context("notify_file of udhcpd")?;
        fs::set_permissions(&notify, Permissions::from_mode(0o755))?;
        let configured = files.path("udhcpd.conf");
        let configuration = format!(
            "start 172.29.101.100\nend 172.29.101.199\nmax_leases 100\ninterface {interface}\n\
             lease_file {}\nnotify_file {}\npidfile {}\noption subnet 255.255.255.0\noption lease 3600\n",
            lease_file.display(),
            notify.display(),
            files.path("udhcpd.pid").display(),
        );
        fs::write(&configured, configuration).context("configuration of udhcpd")?;
        // It complains of a file that is not there, and reads one that is empty.
        File::options()
            .create(true)
            .append(true)
            .open(&lease_file)
            .context("lease file of udhcpd")?;
        let written_log = File::create(&log).context("log of udhcpd")?;
        let mut command = Command::new("udhcpd");
        command
            // In the foreground, talkative, and without a long ARP ping before each OFFER.
            .args(["-f", "-vv", "-a", "1", "-I"])
            .arg(id.to_string())
            .arg(configured)
            .stdin(Stdio::null())
            .stdout(written_log.try_clone()?)
            .stderr(written_log);
        let running = namespace.spawn(&mut command)?;
        let mut server = Self {
            running,
            log,
            lease_file,
            written,
        };
        wait_for("udhcpd to start", PATIENCE, || server.started())?;
        Ok(server)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Where its leases are, now and then.
    pub fn lease_file(&self) -> &Path {
        &self.lease_file
    }

    /// Whether `client` holds `address`. It is told to write its file, and that is read.
    pub fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        let file = self.write()?;
        let entries = file.get(HEAD..).context("lease file of udhcpd")?;
        ensure!(entries.len() % ENTRY == 0, "{} octets", file.len());
        let mut entries = entries.chunks_exact(ENTRY);
        Ok(entries.any(|entry| {
            let left = entry.get(..4) != Some(&[0; 4]);
            let of = entry.get(4..8) == Some(&address.octets());
            left && of && entry.get(8..14) == Some(&client.0)
        }))
    }

    fn write(&self) -> Result<Vec<u8>> {
        if self.written.exists() {
            fs::remove_file(&self.written)?;
        }
        self.running.signal(Signal::SIGUSR1)?;
        wait_for("udhcpd to write its leases", PATIENCE, || {
            Ok(self.written.exists().then_some(()))
        })?;
        fs::read(&self.written).context("lease file of udhcpd")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("no log: {error}"))
    }

    /// Ends it at once, so that it writes nothing.
    pub fn kill(mut self) -> Result<()> {
        self.running.signal(Signal::SIGKILL)?;
        self.running.wait()?;
        Ok(())
    }

    /// What it says before it opens its socket, and before it waits for it.
    fn started(&mut self) -> Result<Option<()>> {
        if let Some(status) = self.running.ended()? {
            bail!("udhcpd ended with {status}: {}", self.log());
        }
        let table = format!("/proc/{}/net/udp", self.running.id());
        let table = fs::read_to_string(table).unwrap_or_default();
        Ok(table.contains("00000000:0043 ").then_some(()))
    }
}

impl Drop for Udhcpd {
    fn drop(&mut self) {
        eprintln!("--- udhcpd {}:\n{}", self.running.id(), self.log());
    }
}
