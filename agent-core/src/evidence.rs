//! Facts from outside the packet, and the questions that ask for them.

use crate::configuration::ServerConfiguration;
use crate::delivery::{Delivery, KernelDrop, RawRead, SocketSurvey, Sources};
use crate::message::{ClientId, HardwareAddress, MacAddress};
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use std::net::Ipv4Addr;

/// A fact handed to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// All interfaces and their addresses as they are now; replaces what was known
    /// of the same namespace.
    Interfaces {
        /// The namespace that was looked at.
        netns: NetnsId,
        /// Its interfaces.
        interfaces: Vec<InterfaceFacts>,
    },
    /// A DHCP server process runs.
    Server(ServerFacts),
    /// A DHCP server process ended.
    ServerGone(ServerRef),
    /// A server's configuration was read; replaces what was known of it.
    Configuration(ServerConfiguration),
    /// A lease database was read.
    Leases(LeaseUpdate),
    /// How a lease database stands to what its server goes by; replaces what was said of
    /// the same one.
    Liveness(DatabaseLiveness),
    /// Who listens; replaces what was known of the same namespace.
    Sockets(SocketSurvey),
    /// A message passed between the kernel and a socket.
    Delivery(Delivery),
    /// The kernel dropped a message.
    Drop(KernelDrop),
    /// A process read a message from a raw socket.
    RawRead(RawRead),
    /// Which of the four above come at all, from now on.
    Sources(Sources),
    /// Some of them were lost: of which namespace is not known.
    FactsLost(Loss),
}

/// One interface and its IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// The handle used in origins.
    pub id: InterfaceId,
    /// `eth3`
    pub name: Box<str>,
    /// Whether it is a loopback device: packets for our own addresses show up here
    /// whichever interface owns the address.
    pub loopback: bool,
    /// Its hardware address, if it has an Ethernet one.
    pub mac: Option<MacAddress>,
    /// In kernel order: the first address of a subnet is the primary one.
    pub addresses: Vec<InterfaceAddress>,
}

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// 0 to 32.
    pub prefix_length: u8,
}

impl InterfaceAddress {
    /// Whether `other` is in this address's subnet.
    pub fn subnet_contains(self, other: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ other.to_bits()) & self.mask() == 0
    }

    /// The subnet-directed broadcast address; `None` for /31 and /32.
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        (self.prefix_length < 31)
            .then(|| Ipv4Addr::from_bits(self.address.to_bits() | !self.mask()))
    }

    /// The first address of the subnet.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The netmask.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask())
    }

    fn mask(self) -> u32 {
        let shift = 32_u32.saturating_sub(u32::from(self.prefix_length));
        u32::MAX.checked_shl(shift).unwrap_or(0)
    }
}

/// A handle for one server process, allotted by whoever feeds the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerRef(pub u32);

/// Which program a server is: what it checks and ignores follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerKind {
    /// dnsmasq
    Dnsmasq,
    /// ISC dhcpd
    IscDhcpd,
    /// Kea's kea-dhcp4
    Kea,
    /// busybox udhcpd
    Udhcpd,
    /// The server in systemd-networkd
    Networkd,
    /// CoreDHCP
    CoreDhcp,
    /// OVN's ovn-controller, which answers out of its flows and keeps no leases
    Ovn,
    /// Harvester's vm-dhcp-controller, which keeps its leases in Kubernetes objects
    Harvester,
    /// Not known; only what every server does may be assumed.
    Unknown,
}

impl ServerKind {
    /// All of them that are known.
    pub const KNOWN: [Self; 8] = [
        Self::Dnsmasq,
        Self::IscDhcpd,
        Self::Kea,
        Self::Udhcpd,
        Self::Networkd,
        Self::CoreDhcp,
        Self::Ovn,
        Self::Harvester,
    ];

    /// The known one that a word means.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::KNOWN.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word used in flags, events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::IscDhcpd => "isc_dhcpd",
            Self::Kea => "kea",
            Self::Udhcpd => "udhcpd",
            Self::Networkd => "systemd_networkd",
            Self::CoreDhcp => "coredhcp",
            Self::Ovn => "ovn",
            Self::Harvester => "harvester",
            Self::Unknown => "unknown",
        }
    }
}

/// How a server process takes its packets: what the kernel drops on the way to a UDP
/// socket means nothing to one that reads raw frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Listening {
    /// From UDP sockets only.
    Udp,
    /// From AF_PACKET sockets, which get their copy before the kernel's IP does.
    Raw,
    /// Not known.
    #[default]
    Unknown,
}

impl Listening {
    /// The word used in events and recordings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Raw => "raw",
            Self::Unknown => "unknown",
        }
    }
}

/// A server process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// The handle.
    pub server: ServerRef,
    /// The namespace it runs in.
    pub netns: NetnsId,
    /// Which program.
    pub kind: ServerKind,
    /// Its process id.
    pub pid: u32,
    /// When the process started: ids that it used before a restart do not count.
    pub started: Timestamp,
    /// Who else takes DHCP messages in its namespace.
    pub port: PortUse,
    /// How it takes its packets.
    pub listens: Listening,
}

/// Who holds UDP port 67 in a namespace. Servers that read raw frames hold it too, as a
/// fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortUse {
    /// This process alone: what a server of this host granted, it granted.
    Sole,
    /// Others too, or it could not be found out.
    Shared,
}

/// What a reading of a lease database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseUpdate {
    /// Whose database; `None` if only a file was named.
    pub server: Option<ServerRef>,
    /// The program whose format and habits it has.
    pub kind: ServerKind,
    /// The namespace that the leases belong to.
    pub netns: NetnsId,
    /// The reading began at this time: what was written before is in it.
    pub read_from: Timestamp,
    /// The reading ended at this time: what was written after is not in it.
    pub read_until: Timestamp,
    /// The content.
    pub content: LeaseContent,
}

/// Content of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseContent {
    /// Everything that is leased.
    Full(Vec<Lease>),
    /// What changed since the previous usable reading of the same database.
    Delta {
        /// New or changed leases.
        upserted: Vec<Lease>,
        /// Addresses that are leased no longer.
        removed: Vec<Ipv4Addr>,
    },
    /// Nothing usable.
    Unusable {
        /// In what way.
        problem: DatabaseProblem,
        /// One line for the operator.
        reason: Box<str>,
    },
}

/// Why a lease database says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DatabaseProblem {
    /// There is none, or none was found.
    Absent,
    /// It can't be read: rights, a mount, another host's.
    Unreadable,
    /// It is torn on every try, or no database of that kind.
    Damaged,
    /// It can be read, and is not what the server goes by: written never (dnsmasq
    /// `--leasefile-ro`) or seldom (udhcpd), or another file stands in its place.
    NotLive,
}

impl DatabaseProblem {
    /// The word used in events and recordings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unreadable => "unreadable",
            Self::Damaged => "damaged",
            Self::NotLive => "not_live",
        }
    }
}

/// How a lease database stands to what its server goes by. Told on every change; of one
/// that was never anything but live, nothing is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseLiveness {
    /// Whose; `None` if only a file was named.
    pub server: Option<ServerRef>,
    /// The program whose format it has.
    pub kind: ServerKind,
    /// The namespace that its leases belong to.
    pub netns: NetnsId,
    /// Its path, for people.
    pub name: Option<Box<str>>,
    /// How it stands.
    pub state: Liveness,
}

/// Whether what can be read is what the server goes by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Liveness {
    /// Not known: not read yet, or there is nothing to read.
    #[default]
    Unknown,
    /// It is.
    Live,
    /// It is, for it is read through the server's own descriptor: somebody replaced,
    /// moved or deleted the file, and its path shows a state that the server does not have.
    Replaced {
        /// One line for the operator.
        reason: Box<str>,
    },
    /// It is not; verdicts can't rest on it.
    NotLive {
        /// One line for the operator.
        reason: Box<str>,
    },
}

impl Liveness {
    /// The word used in recordings and on pages.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Live => "live",
            Self::Replaced { .. } => "replaced",
            Self::NotLive { .. } => "not_live",
        }
    }

    /// What is wrong, if anything is.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Unknown | Self::Live => None,
            Self::Replaced { reason } | Self::NotLive { reason } => Some(reason),
        }
    }

    /// Whether something is wrong.
    pub const fn is_bad(&self) -> bool {
        matches!(self, Self::Replaced { .. } | Self::NotLive { .. })
    }
}

/// One leased address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The client's hardware address; empty if the server stored none.
    pub hardware_address: HardwareAddress,
    /// The client identifier it is keyed on, if there is one.
    pub client_id: Option<ClientId>,
    /// When it ends by itself; `None` never (dnsmasq: expiry 0, ISC dhcpd: `never`, Kea: a
    /// lifetime of 2³² − 1).
    pub expires: Option<Timestamp>,
}

/// A question to the outside; the answer comes back as [`Evidence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvidenceRequest {
    /// Read the lease databases of this namespace now.
    Leases {
        /// The namespace.
        netns: NetnsId,
    },
    /// Look at the interfaces and addresses of this namespace now.
    Interfaces {
        /// The namespace.
        netns: NetnsId,
    },
    /// Look for server processes of this namespace now.
    Servers {
        /// The namespace.
        netns: NetnsId,
    },
    /// Look at who listens in this namespace now.
    Sockets {
        /// The namespace.
        netns: NetnsId,
    },
}

impl EvidenceRequest {
    /// The namespace that is asked about.
    pub const fn netns(self) -> NetnsId {
        match self {
            Self::Leases { netns }
            | Self::Interfaces { netns }
            | Self::Servers { netns }
            | Self::Sockets { netns } => netns,
        }
    }
}

/// Where samples were lost before they reached the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossStage {
    /// The sampling budget in the kernel was spent.
    Budget,
    /// The ring buffer was full.
    Ring,
    /// The channel to the engine was full.
    Channel,
    /// A sample could not be read.
    Decode,
}

impl LossStage {
    /// All stages, in the order that a sample passes them.
    pub const ALL: [Self; 4] = [Self::Budget, Self::Ring, Self::Channel, Self::Decode];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Ring => "ring",
            Self::Channel => "channel",
            Self::Decode => "decode",
        }
    }
}

/// Samples that were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Where.
    pub stage: LossStage,
    /// How many since the last report.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_arithmetic_at_the_edges() {
        let address = Ipv4Addr::new(10, 9, 0, 1);
        let wide = InterfaceAddress {
            address,
            prefix_length: 0,
        };
        assert!(wide.subnet_contains(Ipv4Addr::new(192, 0, 2, 1)));
        let host = InterfaceAddress {
            address,
            prefix_length: 32,
        };
        assert!(host.subnet_contains(address) && !host.subnet_contains(Ipv4Addr::new(10, 9, 0, 2)));
        assert_eq!(host.broadcast(), None);
        let usual = InterfaceAddress {
            address,
            prefix_length: 24,
        };
        assert_eq!(usual.broadcast(), Some(Ipv4Addr::new(10, 9, 0, 255)));
    }
}
