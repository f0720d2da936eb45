//! What is known of a socket that DHCP messages can reach.

use super::process::ProcessId;
use std::net::IpAddr;

/// A socket that a DHCP server may listen on. One process may have several: ISC
/// dhcpd and Kea have a raw one and a UDP one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningSocket {
    /// The kernel's own name for it: what `bpf_get_socket_cookie` gives and `ss -e`
    /// prints as `sk:`. Never reused while the machine runs.
    pub cookie: u64,
    /// As in `socket:[inode]` of `/proc/PID/fd`.
    pub inode: u64,
    /// The namespace it was opened in, by its inode: see [`super::Netns`].
    pub netns: u64,
    /// Who opened it; `None` if the kernel does not say.
    pub uid: Option<u32>,
    /// The interface it is bound to.
    pub ifindex: Option<u32>,
    /// What it takes.
    pub kind: SocketKind,
    /// Packets dropped because its receive buffer was full, or its checksum wrong;
    /// counts over the socket's life.
    pub drops: u32,
    /// Bytes of memory that wait for the process to read them.
    pub receive_queue: u32,
    /// The most that `receive_queue` may grow to, in bytes.
    pub receive_buffer: u32,
    /// Rank among the sockets of its port, address family and namespace: the greater
    /// was bound later. Not comparable between two refreshes.
    pub order: u32,
    /// Whether `SO_REUSEPORT` is set. Looked up only where several processes share
    /// a port, since it must be asked of the socket itself; `None` if it was not, or
    /// could not.
    pub reuse_port: Option<bool>,
    /// The processes that hold it, the one to be named first: see
    /// [`ListeningSocket::process`].
    pub holders: Vec<ProcessId>,
}

impl ListeningSocket {
    /// The process to be named for this socket. Of several the oldest, a parent
    /// before its children; but not process 1, which only holds what it hands to a
    /// service.
    pub fn process(&self) -> Option<ProcessId> {
        self.holders.first().copied()
    }

    /// Whether it is a UDP socket that is bound to no one address and has no peer.
    pub fn is_wildcard(&self) -> bool {
        matches!(
            self.kind,
            SocketKind::Udp { address, connected: false, .. } if address.is_unspecified()
        )
    }

    /// Whether it was bound after `other`; false if the kernel keeps no order between
    /// the two.
    pub(super) fn is_later_than(&self, other: &Self) -> bool {
        let family = |socket: &Self| match socket.kind {
            SocketKind::Udp { address, port, .. } => Some((address.is_ipv4(), port)),
            SocketKind::Packet { .. } => None,
        };
        self.netns == other.netns && family(self) == family(other) && self.order > other.order
    }

    /// The UDP port; `None` for a raw socket.
    pub fn port(&self) -> Option<u16> {
        match self.kind {
            SocketKind::Udp { port, .. } => Some(port),
            SocketKind::Packet { .. } => None,
        }
    }

    /// Whether all stays as it was but the counters.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.inode == other.inode
            && self.netns == other.netns
            && self.ifindex == other.ifindex
            && self.kind == other.kind
            && self.holders == other.holders
    }
}

/// What a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// A UDP socket on port 67 or 547.
    Udp {
        /// The local address it is bound to.
        address: IpAddr,
        /// The local port.
        port: u16,
        /// Whether IPv4 packets reach it: an IPv6 socket without `IPV6_V6ONLY`
        /// takes them too.
        takes_ipv4: bool,
        /// Whether it has a peer: then it takes packets from nobody else.
        connected: bool,
    },
    /// An `AF_PACKET` socket whose filter looks like a DHCP server's.
    Packet {
        /// The Ethernet protocol it is bound to; 3 is `ETH_P_ALL`.
        protocol: u16,
        /// Whether its packets begin at the IP header (`SOCK_DGRAM`).
        cooked: bool,
        /// Length of its classic filter, in instructions.
        instructions: u16,
    },
}
