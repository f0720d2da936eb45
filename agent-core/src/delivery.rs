//! What the kernel did with a message after the hooks saw it, and who could take it.
//!
//! A hook on an interface says that a message was there. Whether a server got it is
//! another matter: the socket layer picks one of several sockets, a firewall drops it,
//! nobody listens. These are the facts that tell; [`crate::trail`] joins them with
//! the messages.

use crate::frame::PacketType;
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use std::net::Ipv4Addr;

/// The kernel's own name for a socket (`SO_COOKIE`). Not used twice while the machine
/// runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketCookie(pub u64);

/// A process, and no other one that gets its id later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// Its process id, as the agent sees it.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: ticks from the machine's start to its own.
    pub start_ticks: u64,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Which one.
    pub key: ProcessKey,
    /// The name that the kernel keeps (`comm`), at most 15 octets.
    pub command: Box<str>,
}

/// All sockets of a namespace that DHCPv4 messages to a server can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSurvey {
    /// The namespace that was looked at.
    pub netns: NetnsId,
    /// When: what was opened or closed later is not in it.
    pub taken: Timestamp,
    /// The sockets, by cookie.
    pub sockets: Vec<SocketFacts>,
    /// Sockets that are in each other's way.
    pub conflicts: Vec<SocketConflict>,
}

impl SocketSurvey {
    /// Whether two surveys say the same but for when, and for what waits to be read.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let alike = |(a, b): (&SocketFacts, &SocketFacts)| {
            let waiting = a.waiting;
            *a == SocketFacts {
                waiting,
                ..b.clone()
            }
        };
        self.conflicts == other.conflicts
            && self.sockets.len() == other.sockets.len()
            && self.sockets.iter().zip(&other.sockets).all(alike)
    }
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFacts {
    /// Its name.
    pub cookie: SocketCookie,
    /// What it takes.
    pub takes: Takes,
    /// The device it is bound to, if to one.
    pub device: Option<Device>,
    /// The process that holds it; of several the one to be named. `None` where that
    /// could not be seen.
    pub process: Option<ProcessFacts>,
    /// Octets of memory that wait for the process to read them.
    pub waiting: u32,
}

/// What a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Takes {
    /// Datagrams to port 67.
    Udp {
        /// The local address it is bound to; 0.0.0.0 for all.
        address: Ipv4Addr,
    },
    /// Frames, before the kernel's IP layer has its say (`AF_PACKET`).
    Frames,
}

/// The device that a socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// One that is there.
    Interface(InterfaceId),
    /// An index that no interface has (any more).
    Gone,
}

/// Sockets of different processes of which some lose unicasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConflict {
    /// In what way.
    pub kind: SocketConflictKind,
    /// Their cookies, in the order in which they were bound.
    pub cookies: Vec<SocketCookie>,
}

/// How sockets are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketConflictKind {
    /// All on the wildcard address with no device: each unicast goes to one of them,
    /// whichever server was meant.
    Wildcards,
    /// The first one bound to a device, the second, later, to none: it gets all
    /// unicasts of the first.
    WildcardAfterDevice,
}

/// A message passed between the kernel and a UDP socket (cgroup_skb).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub seen: Timestamp,
    /// The namespace of the socket.
    pub netns: NetnsId,
    /// The device it came or went through: loopback for what this host sends itself.
    pub interface: Option<InterfaceId>,
    /// Which way.
    pub way: Way,
    /// The socket.
    pub socket: SocketCookie,
    /// The device the socket is bound to. Of a looped message's sender it is the
    /// interface that was meant.
    pub bound: Option<InterfaceId>,
    /// From the IP header on, as much as was kept.
    pub packet: Box<[u8]>,
    /// Length of the IP packet, in octets.
    pub wire_length: u32,
}

/// Which way a message passed a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The kernel offered it to the socket; whether it was read is not said.
    Offered,
    /// It was sent through the socket.
    Sent,
}

/// The kernel dropped a message (`kfree_skb`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelDrop {
    /// When.
    pub seen: Timestamp,
    /// In which namespace.
    pub netns: NetnsId,
    /// The device it was on, where that is known.
    pub interface: Option<InterfaceId>,
    /// `enum skb_drop_reason` without its prefix; empty where the kernel gives none.
    pub reason: Box<str>,
    /// The kernel function, where it could be named.
    pub place: Option<Box<str>>,
    /// The kernel's packet type, where known.
    pub packet_type: Option<PacketType>,
    /// From the IP header on, as much as was kept.
    pub packet: Box<[u8]>,
    /// Length of the IP packet, in octets.
    pub wire_length: u32,
}

/// A process read a message from a raw socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRead {
    /// When.
    pub seen: Timestamp,
    /// The namespace of its socket.
    pub netns: NetnsId,
    /// Its process id.
    pub pid: u32,
    /// From the IP header on, as much as was kept.
    pub packet: Box<[u8]>,
    /// Length of the IP packet, in octets.
    pub wire_length: u32,
}

/// Which of these facts come at all: where a source is off, their absence says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sources {
    /// [`Delivery`]
    pub deliveries: Source,
    /// [`KernelDrop`]
    pub drops: Source,
    /// [`RawRead`]
    pub raw_reads: Source,
    /// [`SocketSurvey`]
    pub sockets: Source,
}

/// Whether a source of facts works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Source {
    /// It does.
    On,
    /// It does not: a bare capture, a missing right, an older kernel.
    #[default]
    Off,
}

impl Source {
    /// Whether it works.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}
