//! The kernel's counters of messages, and what they are called.

use crate::sinks::Family;
use leasehound_core::message::MessageType;
use leasehound_core::origin::{Direction, Hook, InterfaceId};

/// What one counter of the kernel counts. Two counters may share a series: hooks are
/// not told apart there, nor are message types that no server here answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageKey {
    /// The interface.
    pub interface: InterfaceId,
    /// Which way.
    pub direction: Direction,
    /// The hook that counted.
    pub hook: Hook,
    /// DHCPv4 or DHCPv6.
    pub family: Family,
    /// The protocol's number; 0 for a message without one.
    pub message_type: u8,
}

/// A counter as it reads now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTotal {
    /// Which.
    pub key: MessageKey,
    /// How many since it exists.
    pub total: u64,
}

/// The label for a message type: option 53 (RFC 2132 §9.6), or 'msg-type' (RFC 8415
/// §7.3). Plain BOOTP, which has no type, is `bootp`; what is not listed is `other`.
pub const fn message_type_label(family: Family, message_type: u8) -> &'static str {
    match (family, message_type) {
        (Family::Ipv4, 0) => "unknown",
        (Family::Ipv4, code) => MessageType::from_code(code).as_str(),
        (Family::Ipv6, 1) => "solicit",
        (Family::Ipv6, 2) => "advertise",
        (Family::Ipv6, 3) => "request",
        (Family::Ipv6, 4) => "confirm",
        (Family::Ipv6, 5) => "renew",
        (Family::Ipv6, 6) => "rebind",
        (Family::Ipv6, 7) => "reply",
        (Family::Ipv6, 8) => "release",
        (Family::Ipv6, 9) => "decline",
        (Family::Ipv6, 10) => "reconfigure",
        (Family::Ipv6, 11) => "information_request",
        (Family::Ipv6, 12) => "relay_forw",
        (Family::Ipv6, 13) => "relay_repl",
        (Family::Ipv6, _) => "other",
    }
}
