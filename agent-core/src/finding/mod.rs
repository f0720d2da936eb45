//! A diagnosis over many messages, or over none yet: what is wrong, whom it harms, and
//! what to do.

mod text;

use crate::cause::Cause;
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use crate::verdict::Ground;

/// One diagnosis, as it stands. It is put out again when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Counts up from 1 in the order the findings were opened.
    pub id: u64,
    /// What kind.
    pub kind: FindingKind,
    /// Whether it is new, changed or over.
    pub state: FindingState,
    /// When it came to this state.
    pub at: Timestamp,
    /// When it was opened.
    pub since: Timestamp,
    /// The namespace.
    pub netns: NetnsId,
    /// The interface, of a finding about one.
    pub interface: Option<InterfaceId>,
    /// Why, of a finding about messages that were not honoured for one cause.
    pub cause: Option<Cause>,
    /// One sentence.
    pub title: String,
    /// Messages that it was found by.
    pub cases: u64,
    /// Messages that could have been cases: those of the same kind on the interface.
    pub of: u64,
    /// What it rests on, strongest first.
    pub evidence: Vec<Ground>,
    /// What it costs: addresses leaked, what is left of the pool.
    pub damage: Option<String>,
    /// What to do.
    pub remedy: String,
    /// What that breaks.
    pub side_effect: Option<String>,
    /// How it came to where it stands, the oldest first; of a long history the middle is
    /// left out.
    pub history: Vec<FindingChange>,
}

impl Finding {
    /// The entry of the operator's book about it: its cause's, else its kind's.
    pub const fn entry(&self) -> &'static str {
        match self.cause {
            Some(cause) => cause.code(),
            None => self.kind.code(),
        }
    }
}

/// A change of a finding's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingChange {
    /// When.
    pub at: Timestamp,
    /// To what.
    pub state: FindingState,
    /// The cases until then.
    pub cases: u64,
}

impl FindingChange {
    /// Changes that are remembered of one finding.
    pub const MOST: usize = 32;
}

/// Kinds of findings. Codes are label and JSON values, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Several processes hold the wildcard address of port 67 and no device.
    WildcardSockets,
    /// A server bound to a device was followed by one that is bound to none.
    WildcardAfterDevice,
    /// The kernel gives unicasts for one server to another.
    UnicastsToWrongDaemon,
    /// Releases or declines are ignored, again and again for one cause.
    ReleasesIgnored,
    /// Requests to extend a lease are not answered, again and again for one cause.
    RenewalsUnanswered,
    /// A pool runs out of addresses.
    PoolExhaustion,
    /// Release tools of this host name an id that is not the server's: all that they send
    /// will be ignored.
    ReleaseToolIdMismatch,
    /// A range is reached only through a tag that a RELEASE can't carry.
    TagOnlyRange,
    /// A server's lease database is not what the server goes by.
    DatabaseNotLive,
    /// Leases of a range never end by themselves.
    InfiniteLeaseTime,
    /// The server goes by another id than when it granted leases that still stand.
    ServerIdChanged,
}

impl FindingKind {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 11] = [
        Self::WildcardSockets,
        Self::WildcardAfterDevice,
        Self::UnicastsToWrongDaemon,
        Self::ReleasesIgnored,
        Self::RenewalsUnanswered,
        Self::PoolExhaustion,
        Self::ReleaseToolIdMismatch,
        Self::TagOnlyRange,
        Self::DatabaseNotLive,
        Self::InfiniteLeaseTime,
        Self::ServerIdChanged,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::WildcardSockets => "wildcard_sockets",
            Self::WildcardAfterDevice => "wildcard_after_device",
            Self::UnicastsToWrongDaemon => "unicasts_to_wrong_daemon",
            Self::ReleasesIgnored => "releases_ignored",
            Self::RenewalsUnanswered => "renewals_unanswered",
            Self::PoolExhaustion => "pool_exhaustion",
            Self::ReleaseToolIdMismatch => "release_tool_id_mismatch",
            Self::TagOnlyRange => "tag_only_range",
            Self::DatabaseNotLive => "database_not_live",
            Self::InfiniteLeaseTime => "infinite_lease_time",
            Self::ServerIdChanged => "server_id_changed",
        }
    }

    /// From the stable code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            // Before any harm was seen.
            Self::WildcardSockets
            | Self::WildcardAfterDevice
            | Self::ReleaseToolIdMismatch
            | Self::TagOnlyRange
            | Self::DatabaseNotLive
            | Self::InfiniteLeaseTime
            | Self::ServerIdChanged => Severity::Warning,
            Self::UnicastsToWrongDaemon
            | Self::ReleasesIgnored
            | Self::RenewalsUnanswered
            | Self::PoolExhaustion => Severity::Critical,
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It will do harm.
    Warning,
    /// It does harm.
    Critical,
}

impl Severity {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where a finding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingState {
    /// It is new.
    Opened,
    /// More is known.
    Updated,
    /// It holds no more.
    Closed,
}

impl FindingState {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }
}
