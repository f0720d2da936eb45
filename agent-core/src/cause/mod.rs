//! Why a message was not honoured: stable codes, and what an operator reads of them.

mod text;

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
    /// A DECLINE that the server can't use (no option 50).
    DeclineUnsupported,
    /// The lease belongs to another client.
    ClientMismatch,
    /// There is no such lease.
    LeaseAbsent,
}

impl Cause {
    /// All causes, in the order in which the rules run.
    pub const ALL: [Self; 14] = [
        Self::FrameForOtherHost,
        Self::SourceUnspecified,
        Self::DestinationNotLocal,
        Self::BadUdpChecksum,
        Self::Malformed,
        Self::RequestedAddressInRelease,
        Self::ClientAddressMissing,
        Self::NoMatchingRange,
        Self::ServerIdMissing,
        Self::ServerIdOtherLocalAddress,
        Self::ServerIdForeign,
        Self::DeclineUnsupported,
        Self::ClientMismatch,
        Self::LeaseAbsent,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::FrameForOtherHost => "frame_for_other_host",
            Self::SourceUnspecified => "source_unspecified",
            Self::DestinationNotLocal => "destination_not_local",
            Self::BadUdpChecksum => "bad_udp_checksum",
            Self::Malformed => "malformed",
            Self::RequestedAddressInRelease => "requested_address_in_release",
            Self::ClientAddressMissing => "client_address_missing",
            Self::NoMatchingRange => "no_matching_range",
            Self::ServerIdMissing => "server_id_missing",
            Self::ServerIdOtherLocalAddress => "server_id_other_local_address",
            Self::ServerIdForeign => "server_id_foreign",
            Self::DeclineUnsupported => "decline_unsupported",
            Self::ClientMismatch => "client_mismatch",
            Self::LeaseAbsent => "lease_absent",
        }
    }

    /// From the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    /// Whether an operator should hear of it. A release of a lease that is not there
    /// changes nothing: a retransmission, or a client that is late.
    pub const fn is_alarm(self) -> bool {
        !matches!(self, Self::LeaseAbsent)
    }
}
