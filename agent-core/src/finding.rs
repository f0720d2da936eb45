//! A diagnosis over many messages, or over none yet: what is wrong, whom it harms, and
//! what to do.

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
    /// One sentence.
    pub title: String,
    /// Messages that it was found by.
    pub cases: u64,
    /// Messages that could have been cases: those of the same kind on the interface.
    pub of: u64,
    /// What it rests on, strongest first.
    pub evidence: Vec<Ground>,
    /// What to do, with its side effect.
    pub remedy: String,
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
}

impl FindingKind {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 3] = [
        Self::WildcardSockets,
        Self::WildcardAfterDevice,
        Self::UnicastsToWrongDaemon,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::WildcardSockets => "wildcard_sockets",
            Self::WildcardAfterDevice => "wildcard_after_device",
            Self::UnicastsToWrongDaemon => "unicasts_to_wrong_daemon",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            // Before any harm was seen.
            Self::WildcardSockets | Self::WildcardAfterDevice => Severity::Warning,
            Self::UnicastsToWrongDaemon => Severity::Critical,
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
