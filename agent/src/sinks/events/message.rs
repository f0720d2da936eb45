//! The event `message`.

use super::SCHEMA;
use super::text::{OriginPart, Seconds, Text, Utc};
use super::verdict::ClientPart;
use crate::sinks::Family;
use crate::sinks::names::InterfaceName;
use leasehound_core::decode::v4::{Message4, Oddity};
use leasehound_core::engine::MessageSeen;
use leasehound_core::message::{MessageType, TransactionId};
use serde::{Serialize, Serializer};
use std::net::{Ipv4Addr, SocketAddrV4};

/// A [`MessageSeen`] as schema 1 writes it.
#[derive(Debug, Serialize)]
pub struct MessageEvent<'a> {
    schema: u32,
    time: Utc,
    kind: &'static str,
    /// Null for plain BOOTP.
    message_type: Option<&'static str>,
    /// Only for `request`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    family: &'static str,
    origin: OriginPart<'a>,
    source: Endpoint,
    destination: Endpoint,
    client: ClientPart<'a>,
    addresses: Addresses,
    transaction_id: Text<TransactionId>,
    server_id: Option<Ipv4Addr>,
    requested_address: Option<Ipv4Addr>,
    lease_seconds: Option<Seconds>,
    renewal_seconds: Option<Seconds>,
    rebinding_seconds: Option<Seconds>,
    relay_agent_information: bool,
    server_id_override: Option<Ipv4Addr>,
    error_text: Option<&'a str>,
    oddities: Oddities<'a>,
}

impl<'a> MessageEvent<'a> {
    /// The event for `seen`, on the interface that is called `name`.
    pub fn new(seen: &'a MessageSeen, name: &'a InterfaceName) -> Self {
        let message = &seen.message;
        Self {
            schema: SCHEMA,
            time: Utc(seen.at),
            kind: "message",
            message_type: message.message_type.map(MessageType::as_str),
            state: request_state(message, *seen.destination.ip()),
            family: Family::Ipv4.as_str(),
            origin: OriginPart::new(seen.origin, seen.vlan, name),
            source: Endpoint::new(seen.source),
            destination: Endpoint::new(seen.destination),
            client: ClientPart::new(message.hardware_address, message.client_id.as_ref()),
            addresses: Addresses {
                ciaddr: message.ciaddr,
                yiaddr: message.yiaddr,
                siaddr: message.siaddr,
                giaddr: message.giaddr,
            },
            transaction_id: Text(message.xid),
            server_id: message.server_id.map(|id| id.0),
            requested_address: message.requested_address,
            lease_seconds: message.lease_time.map(Seconds),
            renewal_seconds: message.renewal_time.map(Seconds),
            rebinding_seconds: message.rebinding_time.map(Seconds),
            relay_agent_information: message.relay_agent_information,
            server_id_override: message.server_id_override,
            error_text: message.error_text.as_deref(),
            oddities: Oddities(&message.oddities),
        }
    }
}

/// The client state behind a REQUEST (RFC 2131 §4.3.2 and §4.3.6 table 4). A relay
/// only ever sees what was broadcast, so a relayed one with 'ciaddr' is a rebind.
fn request_state(message: &Message4, destination: Ipv4Addr) -> Option<&'static str> {
    if message.message_type != Some(MessageType::Request) {
        return None;
    }
    if message.ciaddr.is_unspecified() {
        return Some(if message.server_id.is_some() {
            "selecting"
        } else {
            "init_reboot"
        });
    }
    let relayed = !message.giaddr.is_unspecified();
    Some(if relayed || destination.is_broadcast() {
        "rebinding"
    } else {
        "renewing"
    })
}

#[derive(Debug, Serialize)]
struct Endpoint {
    address: Ipv4Addr,
    port: u16,
}

impl Endpoint {
    fn new(socket: SocketAddrV4) -> Self {
        Self {
            address: *socket.ip(),
            port: socket.port(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Addresses {
    ciaddr: Ipv4Addr,
    yiaddr: Ipv4Addr,
    siaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
}

#[derive(Debug)]
struct Oddities<'a>(&'a [Oddity]);

impl Serialize for Oddities<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|oddity| oddity_code(*oddity)))
    }
}

/// The word for an oddity in events, and for `reason` of malformed messages.
pub const fn oddity_code(oddity: Oddity) -> &'static str {
    match oddity {
        Oddity::WrongCookie => "wrong_cookie",
        Oddity::HardwareAddressTooLong => "hardware_address_too_long",
        Oddity::OptionOverrun => "option_overrun",
        Oddity::RepeatedMessageType => "repeated_message_type",
        Oddity::Overload => "overload",
        Oddity::SplitOption => "split_option",
        Oddity::BadOptionLength => "bad_option_length",
        Oddity::MissingEnd => "missing_end",
        Oddity::Truncated => "truncated",
    }
}
