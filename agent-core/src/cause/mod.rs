//! Why a message was not honoured: stable codes, and what an operator reads of them.

mod text;
mod text_configuration;
mod text_delivery;
mod text_request;
mod text_server;

pub use text::Explanation;

/// A cause. Codes are label values, JSON values and headings of the operator's book;
/// a new one may be added, none is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The frame was for another machine's MAC.
    FrameForOtherHost,
    /// IP source 0.0.0.0 to a unicast destination.
    SourceUnspecified,
    /// The IP destination is no address of this host.
    DestinationNotLocal,
    /// The UDP checksum is wrong.
    BadUdpChecksum,
    /// A packet filter dropped it.
    FirewallDropped,
    /// The reverse path filter dropped it.
    ReversePathFiltered,
    /// The only listeners are bound to other devices.
    ListenerOnOtherDevice,
    /// Nobody listens on that address and port.
    NoListener,
    /// The kernel gave the message to another process than the one that granted the lease.
    WrongDaemon,
    /// It reached only a socket from which its server throws everything away.
    DiscardSocket,
    /// The server does not read its socket, or not fast enough.
    SocketOverflow,
    /// It came in fragments, and the server reads raw frames.
    Fragmented,
    /// The interface is relayed to a server elsewhere.
    InterfaceRelayed,
    /// The server does not serve the interface.
    InterfaceNotServed,
    /// Another server gives out the addresses there; this one only tells PXE clients what to boot.
    ProxyDhcpOnly,
    /// 'op', 'hlen', cookie or size that a server refuses.
    Malformed,
    /// Option 50 in a RELEASE.
    RequestedAddressInRelease,
    /// 'ciaddr' is empty.
    ClientAddressMissing,
    /// The address is in no range that the server serves.
    NoMatchingRange,
    /// Option 54 is missing.
    ServerIdMissing,
    /// Option 54 is another address of the server's host.
    ServerIdOtherLocalAddress,
    /// Option 54 is another server's.
    ServerIdForeign,
    /// Option 54 is the relay agent's (RFC 5107), and the message does not go by the relay.
    ServerIdOverride,
    /// dnsmasq compares the id of another subnet of the interface.
    DeclineOnOtherSubnet,
    /// A DECLINE that the server can't use: without option 50, or of any kind.
    DeclineUnsupported,
    /// The server does nothing with such a message, by design.
    UnsupportedByServer,
    /// The lease belongs to another client.
    ClientMismatch,
    /// There is no such lease.
    LeaseAbsent,
    /// It was honoured, though its record is kept.
    KeptByPolicy,
    /// A DHCPNAK.
    Refused,
    /// One server acknowledged, another refused.
    ConflictingServers,
    /// Option 50 or 54 in a REQUEST that extends a lease.
    ForbiddenOptions,
    /// The client asked another address than the one of the server that granted the lease.
    AskedWrongServer,
    /// The lease is another server's.
    LeaseOfOtherServer,
    /// The server knows no such lease, and says nothing.
    SilentForUnknownLease,
    /// The ACK came from another address than the client asked.
    ReplyFromOtherAddress,
    /// The ACK did not get out, or did not arrive.
    ReplyLost,
}

impl Cause {
    /// All causes, in the order in which the rules run.
    pub const ALL: [Self; 37] = [
        Self::FrameForOtherHost,
        Self::SourceUnspecified,
        Self::DestinationNotLocal,
        Self::BadUdpChecksum,
        Self::FirewallDropped,
        Self::ReversePathFiltered,
        Self::ListenerOnOtherDevice,
        Self::NoListener,
        Self::WrongDaemon,
        Self::DiscardSocket,
        Self::SocketOverflow,
        Self::Fragmented,
        Self::InterfaceRelayed,
        Self::InterfaceNotServed,
        Self::ProxyDhcpOnly,
        Self::Malformed,
        Self::RequestedAddressInRelease,
        Self::ClientAddressMissing,
        Self::NoMatchingRange,
        Self::ServerIdMissing,
        Self::ServerIdOtherLocalAddress,
        Self::ServerIdForeign,
        Self::ServerIdOverride,
        Self::DeclineOnOtherSubnet,
        Self::DeclineUnsupported,
        Self::UnsupportedByServer,
        Self::ClientMismatch,
        Self::LeaseAbsent,
        Self::KeptByPolicy,
        Self::Refused,
        Self::ConflictingServers,
        Self::ForbiddenOptions,
        Self::AskedWrongServer,
        Self::LeaseOfOtherServer,
        Self::SilentForUnknownLease,
        Self::ReplyFromOtherAddress,
        Self::ReplyLost,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::FrameForOtherHost => "frame_for_other_host",
            Self::SourceUnspecified => "source_unspecified",
            Self::DestinationNotLocal => "destination_not_local",
            Self::BadUdpChecksum => "bad_udp_checksum",
            Self::FirewallDropped => "firewall_dropped",
            Self::ReversePathFiltered => "reverse_path_filtered",
            Self::ListenerOnOtherDevice => "listener_on_other_device",
            Self::NoListener => "no_listener",
            Self::WrongDaemon => "wrong_daemon",
            Self::DiscardSocket => "discard_socket",
            Self::SocketOverflow => "socket_overflow",
            Self::Fragmented => "fragmented",
            Self::InterfaceRelayed => "interface_relayed",
            Self::InterfaceNotServed => "interface_not_served",
            Self::ProxyDhcpOnly => "proxy_dhcp_only",
            Self::Malformed => "malformed",
            Self::RequestedAddressInRelease => "requested_address_in_release",
            Self::ClientAddressMissing => "client_address_missing",
            Self::NoMatchingRange => "no_matching_range",
            Self::ServerIdMissing => "server_id_missing",
            Self::ServerIdOtherLocalAddress => "server_id_other_local_address",
            Self::ServerIdForeign => "server_id_foreign",
            Self::ServerIdOverride => "server_id_override",
            Self::DeclineOnOtherSubnet => "decline_on_other_subnet",
            Self::DeclineUnsupported => "decline_unsupported",
            Self::UnsupportedByServer => "unsupported_by_server",
            Self::ClientMismatch => "client_mismatch",
            Self::LeaseAbsent => "lease_absent",
            Self::KeptByPolicy => "kept_by_policy",
            Self::Refused => "refused",
            Self::ConflictingServers => "conflicting_servers",
            Self::ForbiddenOptions => "forbidden_options",
            Self::AskedWrongServer => "asked_wrong_server",
            Self::LeaseOfOtherServer => "lease_of_other_server",
            Self::SilentForUnknownLease => "silent_for_unknown_lease",
            Self::ReplyFromOtherAddress => "reply_from_other_address",
            Self::ReplyLost => "reply_lost",
        }
    }

    /// From the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// Whether a RELEASE or DECLINE may be ignored for it.
    pub const fn befalls_releases(self) -> bool {
        !matches!(
            self,
            Self::Refused
                | Self::ConflictingServers
                | Self::ForbiddenOptions
                | Self::AskedWrongServer
                | Self::LeaseOfOtherServer
                | Self::SilentForUnknownLease
                | Self::ReplyFromOtherAddress
                | Self::ReplyLost
                | Self::KeptByPolicy
        )
    }

    /// Whether a REQUEST may go unanswered for it.
    pub const fn befalls_requests(self) -> bool {
        matches!(
            self,
            Self::FrameForOtherHost
                | Self::SourceUnspecified
                | Self::DestinationNotLocal
                | Self::BadUdpChecksum
                | Self::FirewallDropped
                | Self::ReversePathFiltered
                | Self::ListenerOnOtherDevice
                | Self::NoListener
                | Self::WrongDaemon
                | Self::DiscardSocket
                | Self::SocketOverflow
                | Self::Fragmented
                | Self::InterfaceRelayed
                | Self::InterfaceNotServed
                | Self::ProxyDhcpOnly
                | Self::NoMatchingRange
                | Self::ForbiddenOptions
                | Self::AskedWrongServer
                | Self::LeaseOfOtherServer
                | Self::SilentForUnknownLease
                | Self::ReplyFromOtherAddress
                | Self::ReplyLost
        )
    }

    /// Whether an operator should hear of it. A release of a lease that is not there
    /// changes nothing: a retransmission, or a client that is late. What other servers, or
    /// other segments, have to answer is not ours to complain about. And a server that does
    /// nothing with RELEASEs by design frees its addresses in another way.
    pub const fn is_alarm(self) -> bool {
        !matches!(
            self,
            Self::LeaseAbsent
                | Self::KeptByPolicy
                | Self::UnsupportedByServer
                | Self::LeaseOfOtherServer
                | Self::InterfaceRelayed
        )
    }
}
