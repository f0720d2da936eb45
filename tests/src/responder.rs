//! A small DHCP server of the labs' own, for the sockets that no real server opens any
//! more: 0.0.0.0:67 with SO_REUSEADDR alone and no device.
//!
//! It runs as the program `lab-responder`, a process of its own. Like dnsmasq it passes
//! over what arrives on another interface, without a word, and its lease file has
//! dnsmasq's format: the truth of the labs.

mod grants;
mod socket;

use crate::dnsmasq::ServerFiles;
use crate::message::Message;
use crate::netns::Namespace;
use crate::process::Running;
use crate::segment::Segment;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use grants::Grants;
use socket::ServerSocket;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const READY: &str = "ready";

/// What the program does: serves on `interface`, where its address is `address`, from
/// 10 to 249 in the same /24, until it is killed.
pub fn serve(interface: &str, address: Ipv4Addr, lease_file: &Path) -> Result<()> {
    let socket = ServerSocket::open(interface, address)?;
    let mut grants = Grants::new(address, lease_file)?;
    eprintln!("{READY}");
    loop {
        let Some(message) = socket.receive()? else {
            continue;
        };
        if let Some(reply) = grants.answer(&message)? {
            socket.send(&reply, destination(&message))?;
        }
    }
}

/// RFC 2131 §4.1, but broadcast to all without an address: that needs no ARP.
fn destination(message: &Message) -> Ipv4Addr {
    if message.ciaddr.is_unspecified() {
        Ipv4Addr::BROADCAST
    } else {
        message.ciaddr
    }
}

/// A running responder. Dropped, it is killed.
#[derive(Debug)]
pub struct Responder {
    running: Running,
    log: PathBuf,
}

impl Responder {
    /// Starts `program`, which is `lab-responder`, for a segment and waits until it takes
    /// packets.
    pub fn start(
        program: &str,
        router: &Namespace,
        segment: &Segment,
        files: &ServerFiles,
    ) -> Result<Self> {
        let log = files.path("responder.log");
        let mut command = Command::new(program);
        command
            .arg(segment.interface())
            .arg(segment.address().to_string())
            .arg(files.lease_file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).context("log of the responder")?);
        let running = router.spawn(&mut command)?;
        let mut responder = Self { running, log };
        wait_for("the responder to start", PATIENCE, || responder.started())?;
        Ok(responder)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    fn started(&mut self) -> Result<Option<()>> {
        let log = std::fs::read_to_string(&self.log)?;
        if let Some(status) = self.running.ended()? {
            bail!("the responder ended with {status}: {log}");
        }
        Ok(log.contains(READY).then_some(()))
    }
}
