//! What is said about a RELEASE, DECLINE or REQUEST, and on which grounds.

use crate::cause::Cause;
use crate::evidence::ServerKind;
use crate::frame::VlanStack;
use crate::message::{ClientId, HardwareAddress, MessageType, ServerId, TransactionId};
use crate::origin::Origin;
use crate::time::Timestamp;
use std::net::Ipv4Addr;
use std::time::Duration;

/// One judged message. Exactly one comes for each RELEASE or DECLINE, and one for each
/// attempt of a client to get or keep a lease by REQUEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Counts up from 1 in the order the messages were seen.
    pub id: u64,
    /// When the verdict fell.
    pub at: Timestamp,
    /// When the message was seen.
    pub seen: Timestamp,
    /// Release, decline or request.
    pub message_type: MessageType,
    /// The client's state, of a REQUEST.
    pub state: Option<ClientState>,
    /// Where the message was seen.
    pub origin: Origin,
    /// Its VLAN tags.
    pub vlan: VlanStack,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// Option 61
    pub client_id: Option<ClientId>,
    /// The address that it is about: 'ciaddr' of a RELEASE and of a REQUEST that has one,
    /// else option 50.
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
    /// What became of the message in the kernel, where that was seen.
    pub delivery: Option<DeliveryOutcome>,
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
    /// The REQUEST was acknowledged.
    Answered {
        /// How long after the attempt's first message.
        after: Duration,
    },
    /// The REQUEST was refused.
    Refused {
        /// [`Cause::Refused`], or why it was refused though it was also acknowledged.
        cause: Cause,
        /// How long after the attempt's first message.
        after: Duration,
    },
    /// No reply to the REQUEST reached its client.
    Unanswered {
        /// Why, or what would have told.
        why: Result<(Cause, Certainty), Missing>,
    },
}

/// What a client is doing when it sends a REQUEST (RFC 2131 §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientState {
    /// It takes an OFFER: option 54 names the server, option 50 the address.
    Selecting,
    /// It comes back and asks for the address it had: option 50, no option 54.
    InitReboot,
    /// It extends its lease, asking the server that granted it: 'ciaddr', unicast.
    Renewing,
    /// It extends its lease, asking any server: 'ciaddr', broadcast.
    Rebinding,
}

impl ClientState {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 4] = [
        Self::Selecting,
        Self::InitReboot,
        Self::Renewing,
        Self::Rebinding,
    ];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Selecting => "selecting",
            Self::InitReboot => "init_reboot",
            Self::Renewing => "renewing",
            Self::Rebinding => "rebinding",
        }
    }
}

/// What became of a message in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryOutcome {
    /// It was offered to a socket of the server that it is for.
    ExpectedDaemon,
    /// It was offered to sockets of other processes only.
    WrongDaemon,
    /// No socket took it.
    NoSocket,
    /// It was dropped on the way.
    Dropped,
}

impl DeliveryOutcome {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 4] = [
        Self::ExpectedDaemon,
        Self::WrongDaemon,
        Self::NoSocket,
        Self::Dropped,
    ];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpectedDaemon => "expected_daemon",
            Self::WrongDaemon => "wrong_daemon",
            Self::NoSocket => "no_socket",
            Self::Dropped => "dropped",
        }
    }
}

impl Outcome {
    /// The word used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::Ignored { .. } => "ignored",
            Self::Undetermined { .. } => "undetermined",
            Self::Answered { .. } => "answered",
            Self::Refused { .. } => "refused",
            Self::Unanswered { .. } => "unanswered",
        }
    }

    /// Why it was not honoured, refused or not answered.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Ignored { cause, .. }
            | Self::Refused { cause, .. }
            | Self::Unanswered {
                why: Ok((cause, _)),
            } => Some(cause),
            Self::Honoured
            | Self::Undetermined { .. }
            | Self::Answered { .. }
            | Self::Unanswered { why: Err(_) } => None,
        }
    }

    /// How that is known.
    pub const fn certainty(self) -> Option<Certainty> {
        match self {
            Self::Ignored { certainty, .. }
            | Self::Unanswered {
                why: Ok((_, certainty)),
            } => Some(certainty),
            // The NAK was seen.
            Self::Refused { .. } => Some(Certainty::Observed),
            Self::Honoured
            | Self::Undetermined { .. }
            | Self::Answered { .. }
            | Self::Unanswered { why: Err(_) } => None,
        }
    }

    /// Whether an operator should hear of it.
    pub const fn is_alarm(self) -> bool {
        match self.cause() {
            Some(cause) => cause.is_alarm(),
            None => false,
        }
    }

    /// What would have told more.
    pub const fn missing(self) -> Option<Missing> {
        match self {
            Self::Undetermined { missing } | Self::Unanswered { why: Err(missing) } => {
                Some(missing)
            }
            _ => None,
        }
    }
}

/// How an `ignored` is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The server's database showed it, or the kernel said what it did.
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
    /// A database that the server goes by: the one there is it never or seldom writes, or
    /// it is not that server's.
    DatabaseNotLive,
    /// A sign that the address was leased before the message.
    LeaseHistory,
    /// The addresses of the server's host: whether option 54 is one of them.
    LocalAddresses,
    /// Which id the server uses now: it was restarted, or no OFFER or ACK was seen.
    ServerId,
    /// The packet is right: whether it reached the server was not seen.
    Delivery,
    /// It reached the server and breaks no rule that is known: the server's
    /// configuration would tell more.
    ServerConfiguration,
    /// The lease ended by its own time, or was granted anew, before it could be seen to leave.
    UndisturbedLease,
    /// The table of open releases was full, or the agent stopped.
    Time,
}

impl Missing {
    /// All, for metrics that must exist at 0.
    pub const ALL: [Self; 10] = [
        Self::Server,
        Self::LeaseDatabase,
        Self::DatabaseNotLive,
        Self::LeaseHistory,
        Self::LocalAddresses,
        Self::ServerId,
        Self::Delivery,
        Self::ServerConfiguration,
        Self::UndisturbedLease,
        Self::Time,
    ];

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::LeaseDatabase => "lease_database",
            Self::DatabaseNotLive => "database_not_live",
            Self::LeaseHistory => "lease_history",
            Self::LocalAddresses => "local_addresses",
            Self::ServerId => "server_id",
            Self::Delivery => "delivery",
            Self::ServerConfiguration => "server_configuration",
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
    /// Which socket, and so which process, the kernel gave the message to.
    Delivery,
    /// Where and why the kernel dropped it.
    KernelDrop,
    /// An ICMP error that quotes it.
    Icmp,
    /// Who listens.
    SocketInventory,
    /// What was sent in answer.
    Reply,
    /// What the server was told to do.
    ServerConfiguration,
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
            Self::Delivery => "delivery",
            Self::KernelDrop => "kernel_drop",
            Self::Icmp => "icmp",
            Self::SocketInventory => "socket_inventory",
            Self::Reply => "reply",
            Self::ServerConfiguration => "server_configuration",
        }
    }
}
