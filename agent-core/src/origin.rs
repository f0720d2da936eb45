//! Where a frame was seen.

/// A handle for one interface of one network namespace, allotted by whoever feeds
/// the engine and explained to it by [`crate::evidence::InterfaceFacts`].
///
/// Not the kernel's ifindex: that one is reused, and equal in two namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

/// A handle for one network namespace, allotted by whoever feeds the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NetnsId(pub u32);

/// Which way a frame passed the hook, seen from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards this host.
    Ingress,
    /// Away from this host.
    Egress,
    /// A capture file that does not say.
    Unknown,
}

impl Direction {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Unknown => "unknown",
        }
    }
}

/// The hook, or the file, that a frame came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// A tcx link.
    Tcx,
    /// A classic filter on the clsact qdisc.
    Clsact,
    /// XDP, native or generic.
    Xdp,
    /// cgroup_skb on the root of the cgroup v2 hierarchy: packets at UDP sockets. No frame
    /// comes from here.
    CgroupSkb,
    /// The kernel's tracepoint for dropped packets. No frame comes from here.
    KfreeSkb,
    /// The kernel's tracepoint for packets that were used up. No frame comes from here.
    ConsumeSkb,
    /// A capture file.
    File,
}

impl Hook {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::Xdp => "xdp",
            Self::CgroupSkb => "cgroup_skb",
            Self::KfreeSkb => "kfree_skb",
            Self::ConsumeSkb => "consume_skb",
            Self::File => "file",
        }
    }
}

/// Where a frame was seen: interface (and with it the namespace), direction, hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The interface.
    pub interface: InterfaceId,
    /// Ingress or egress.
    pub direction: Direction,
    /// The hook.
    pub hook: Hook,
}
