//! What became of each hook: attached, detached, or why not.

use leasehound_core::origin::{Hook, InterfaceId};
use leasehound_core::time::Timestamp;

/// How a hook is attached. Label values: never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookMode {
    /// tcx or clsact, packets towards this host.
    Ingress,
    /// tcx or clsact, packets away from this host.
    Egress,
    /// XDP in the driver.
    Native,
    /// XDP in the network stack.
    Generic,
}

impl HookMode {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// Why a hook could not be attached. Label values: never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttachFailure {
    /// No right to load or attach (EPERM, EACCES).
    Permission,
    /// The kernel or the driver has no such hook.
    Unsupported,
    /// Another program has the place (EBUSY, EEXIST).
    Occupied,
    /// The interface went away (ENODEV).
    InterfaceGone,
    /// The verifier refused the program.
    Rejected,
    /// Anything else.
    Other,
}

impl AttachFailure {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 6] = [
        Self::Permission,
        Self::Unsupported,
        Self::Occupied,
        Self::InterfaceGone,
        Self::Rejected,
        Self::Other,
    ];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Unsupported => "unsupported",
            Self::Occupied => "occupied",
            Self::InterfaceGone => "interface_gone",
            Self::Rejected => "rejected",
            Self::Other => "other",
        }
    }
}

/// What a hook is in now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    /// It sees packets.
    Attached,
    /// It was taken off, by the agent or with its interface.
    Detached,
    /// It never was on.
    Failed {
        /// The kind of failure.
        reason: AttachFailure,
        /// One line for the operator: what was wanted, what was found, what to do.
        detail: String,
    },
}

impl HookState {
    /// The word used in events.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Detached => "detached",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A change of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookReport {
    /// When it changed.
    pub at: Timestamp,
    /// The interface.
    pub interface: InterfaceId,
    /// Which hook.
    pub hook: Hook,
    /// How.
    pub mode: HookMode,
    /// What it is in now.
    pub state: HookState,
}
