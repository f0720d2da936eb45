//! Tells other leasehounds of the same network namespace that its clsact filters are in
//! use, and whether one of them does so.
//!
//! A clsact filter outlives its process, and looks the same whether that lives or not. An
//! abstract socket's name belongs to a network namespace and goes with its process
//! (unix(7), network_namespaces(7)): no file is left behind, and it works between
//! containers that share nothing but the namespace.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const PREFIX: &str = "leasehound.clsact.";

/// The unix sockets of the calling thread's network namespace.
const SOCKETS: &str = "/proc/thread-self/net/unix";

/// Claimants that one process id can have here: containers have their own ids.
const MOST: u32 = 64;

/// Held while clsact filters may be attached.
#[derive(Debug)]
pub(super) struct Claim {
    name: String,
    _socket: UnixDatagram,
}

impl Claim {
    /// Announces that filters of this process are, or will be, in the calling thread's
    /// namespace.
    pub(super) fn stake() -> io::Result<Self> {
        let pid = std::process::id();
        let mut refused = None;
        for number in 0..MOST {
            let name = format!("{PREFIX}{pid}.{number}");
            match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?) {
                Ok(socket) => {
                    return Ok(Self {
                        name,
                        _socket: socket,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    /// Whether no other claim stands in the calling thread's namespace. Two that are
    /// staked at the same time both see each other.
    pub(super) fn is_alone(&self) -> io::Result<bool> {
        // The kernel shows the name's leading NUL as @.
        let mark = format!("@{PREFIX}");
        let sockets = std::fs::read_to_string(SOCKETS)?;
        Ok(sockets
            .lines()
            .filter_map(|line| line.split_once(&mark))
            .all(|(_, rest)| self.name.strip_prefix(PREFIX) == Some(rest)))
    }
}
