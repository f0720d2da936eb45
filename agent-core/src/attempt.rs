//! One attempt of a client to get or keep a lease by REQUEST: its sends, and the replies.

use crate::decode::v4::Message4;
use crate::delivery::SocketCookie;
use crate::host::Host;
use crate::message::{HardwareAddress, MessageType, ServerId, TransactionId};
use crate::origin::NetnsId;
use crate::release::Release;
use crate::time::Timestamp;
use crate::verdict::ClientState;
use smallvec::SmallVec;
use std::net::Ipv4Addr;

/// What the sends of one attempt have in common. Clients keep the xid while they send
/// again (RFC 2131 §4.1), and may keep it from one state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// Namespaces have their own wires.
    pub netns: NetnsId,
    /// 'xid'
    pub xid: TransactionId,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// What the client is doing.
    pub state: ClientState,
}

/// An open attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What the client is doing.
    pub state: ClientState,
    /// The first send: what it said, and where it was seen.
    pub message: Release,
    /// When it was sent last.
    pub last_sent: Timestamp,
    /// The relay agent of this host that passed it on.
    pub relayed_by: Option<Ipv4Addr>,
    /// Replies that were seen, each once.
    pub replies: SmallVec<[Reply; 1]>,
    /// What it waits for.
    pub stage: AttemptStage,
}

/// A reply to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// When it was first seen.
    pub at: Timestamp,
    /// What it says.
    pub answer: Answer,
    /// Option 54.
    pub server_id: Option<ServerId>,
    /// IP source.
    pub source: Ipv4Addr,
    /// The socket that it was sent through, where that was seen.
    pub socket: Option<SocketCookie>,
    /// Option 56.
    pub text: Option<Box<str>>,
}

/// What a reply says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// DHCPACK
    Ack,
    /// DHCPNAK
    Nak,
}

/// What an open attempt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptStage {
    /// For a reply, until then.
    Waiting(Timestamp),
    /// For a second reply, or a sign that the first did not arrive, until then.
    Settling(Timestamp),
    /// For the evidence that was asked for when no reply came, until then.
    Asking(Timestamp),
}

impl AttemptStage {
    /// When the wait ends.
    pub const fn until(self) -> Timestamp {
        match self {
            Self::Waiting(until) | Self::Settling(until) | Self::Asking(until) => until,
        }
    }
}

/// The state in which a client sends such a REQUEST (RFC 2131 §4.3.2); `None` if it
/// names no address at all. Option 50 or 54 beside a 'ciaddr' is against the rules, and
/// leaves the state as it is.
pub fn state_of(
    host: &Host,
    netns: NetnsId,
    message: &Message4,
    destination: Ipv4Addr,
) -> Option<ClientState> {
    if !message.ciaddr.is_unspecified() {
        // What a relay agent passes on was broadcast to it.
        let direct = message.giaddr.is_unspecified() && !host.is_broadcast(netns, destination);
        return Some(if direct {
            ClientState::Renewing
        } else {
            ClientState::Rebinding
        });
    }
    if message.server_id.is_some() {
        return Some(ClientState::Selecting);
    }
    message.requested_address?;
    Some(ClientState::InitReboot)
}

/// Whether a REQUEST that extends a lease carries an option that it must not.
pub fn forbidden_option(state: ClientState, message: &Message4) -> Option<u8> {
    match state {
        ClientState::Selecting | ClientState::InitReboot => None,
        ClientState::Renewing | ClientState::Rebinding if message.server_id.is_some() => Some(54),
        ClientState::Renewing | ClientState::Rebinding => message.requested_address.map(|_| 50),
    }
}

impl Answer {
    /// Of an ACK or a NAK.
    pub fn of(message: &Message4) -> Option<Self> {
        match message.message_type {
            Some(MessageType::Ack) => Some(Self::Ack),
            Some(MessageType::Nak) => Some(Self::Nak),
            _ => None,
        }
    }

    /// The message's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "DHCPACK",
            Self::Nak => "DHCPNAK",
        }
    }
}
