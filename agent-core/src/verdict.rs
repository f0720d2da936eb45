//! What is said about a RELEASE or DECLINE, and on which grounds.

use crate::cause::Cause;
use crate::evidence::ServerKind;
use crate::frame::VlanStack;
use crate::message::{ClientId, HardwareAddress, MessageType, ServerId, TransactionId};
use crate::origin::Origin;
use crate::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;

/// One judged message. Exactly one comes for each RELEASE or DECLINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Counts up from 1 in the order the messages were seen.
    pub id: u64,
    /// When the verdict fell.
    pub at: Timestamp,
    /// When the message was seen.
    pub seen: Timestamp,
    /// Release or decline.
    pub message_type: MessageType,
    /// Where the message was seen.
    pub origin: Origin,
    /// Its VLAN tags.
    pub vlan: VlanStack,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// Option 61
    pub client_id: Option<ClientId>,
    /// The address that is given back: 'ciaddr' of a RELEASE, option 50 of a DECLINE.
    pub address: Ipv4Addr,
    /// 'xid'
    pub xid: TransactionId,
    /// Option 54
    pub server_id: Option<ServerId>,
    /// The server it is about, as far as known.
    pub server: Option<ServerSummary>,
    /// The verdict proper.
    pub outcome: Outcome,
    /// What it rests on, strongest first.
    pub evidence: Vec<Ground>,
    /// What to do, with its side effect; `None` where nothing needs doing.
    pub remedy: Option<String>,
    /// From message to verdict.
    pub latency: Duration,
    /// Samples were lost shortly before or meanwhile: something may be missing.
    pub loss: bool,
}

/// The server that a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSummary {
    /// Which program.
    pub kind: ServerKind,
    /// Its process, if it runs on this host.
    pub pid: Option<u32>,
    /// Ids seen in its OFFERs and ACKs for this subnet, newest first.
    pub server_ids: Vec<ServerId>,
}

/// The verdict proper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The lease left the server's database.
    Honoured,
    /// The server kept the lease, or had none to give up.
    Ignored {
        /// Why.
        cause: Cause,
        /// How sure that is.
        certainty: Certainty,
    },
    /// It can't be said.
    Undetermined {
        /// What would have told.
        missing: Missing,
    },
}

impl Outcome {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Ignored { .. } => "ignored",
            Self::Undetermined { .. } => "undetermined",
        }
    }
}

/// How an `ignored` is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The server's database showed it.
    Observed,
    /// The packet alone breaks a rule of the server.
    Inferred,
}

impl Certainty {
    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Inferred => "inferred",
        }
    }
}

/// What would have been needed for a verdict. Label values: never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// Which server program the message was for.
    Server,
    /// A lease database of that server, or a usable reading of it after the message.
    LeaseDatabase,
    /// A sign that the address was leased before the message.
    LeaseHistory,
    /// The addresses of the server's host: whether option 54 is one of them.
    LocalAddresses,
    /// Which id the server uses now: it was restarted, or no OFFER or ACK was seen.
    ServerId,
    /// The lease is still there and the packet is right: whether it reached the
    /// server was not seen.
    Delivery,
    /// The lease ended by its own time, or was granted anew, before it could be seen to leave.
    UndisturbedLease,
    /// The table of open releases was full, or the agent stopped.
    Time,
}

impl Missing {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 8] = [
        Self::Server,
        Self::LeaseDatabase,
        Self::LeaseHistory,
        Self::LocalAddresses,
        Self::ServerId,
        Self::Delivery,
        Self::UndisturbedLease,
        Self::Time,
    ];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::LeaseDatabase => "lease_database",
            Self::LeaseHistory => "lease_history",
            Self::LocalAddresses => "local_addresses",
            Self::ServerId => "server_id",
            Self::Delivery => "delivery",
            Self::UndisturbedLease => "undisturbed_lease",
            Self::Time => "time",
        }
    }
}

/// One piece of evidence behind a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Where it comes from.
    pub source: GroundSource,
    /// One clause, for the operator.
    pub says: String,
}

/// Kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroundSource {
    /// The message itself.
    Packet,
    /// OFFERs and ACKs seen earlier.
    AckHistory,
    /// The host's addresses.
    LocalAddresses,
    /// The server's lease database.
    LeaseDatabase,
    /// The server's process.
    ServerProcess,
}

impl GroundSource {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::AckHistory => "ack_history",
            Self::LocalAddresses => "local_addresses",
            Self::LeaseDatabase => "lease_database",
            Self::ServerProcess => "server_process",
        }
    }
}
