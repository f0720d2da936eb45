//! DHCPv4 payload → [`Message4`] and the [`Oddity`]s met on the way (RFC 2131 §2,
//! RFC 2132, RFC 3396).
//!
//! What dnsmasq would find in a message, damaged or not, is found here (rfc2131.c
//! `option_find`): the first option with enough octets counts, in the option field,
//! then in 'file', then in 'sname'. Never panics; allocates only for option 56, a
//! split option, and a client identifier of more than 24 octets.
//!
//! The fixed header is dhcproto's. Its option iterator says neither where it stopped
//! nor why, and reads no overloaded field, so the options are walked here.

mod options;
mod reader;

pub use options::OptionCodes;

use crate::message::{ClientId, HardwareAddress, MessageType, ServerId, TransactionId};
use smallvec::SmallVec;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A BOOTP/DHCPv4 message: the fixed header and the options that a verdict can
/// rest on. Addresses are as on the wire; 0.0.0.0 where the sender left them empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message4 {
    /// 'op': 1 BOOTREQUEST, 2 BOOTREPLY.
    pub op: u8,
    /// 'hlen' as sent; [`HardwareAddress`] holds at most 16 octets of it.
    pub hlen: u8,
    /// 'xid'
    pub xid: TransactionId,
    /// 'secs'
    pub secs: u16,
    /// The BROADCAST flag of 'flags'.
    pub broadcast: bool,
    /// 'ciaddr'
    pub ciaddr: Ipv4Addr,
    /// 'yiaddr'
    pub yiaddr: Ipv4Addr,
    /// 'siaddr'
    pub siaddr: Ipv4Addr,
    /// 'giaddr'
    pub giaddr: Ipv4Addr,
    /// 'chaddr' with 'htype'
    pub hardware_address: HardwareAddress,
    /// Option 53; `None` is plain BOOTP.
    pub message_type: Option<MessageType>,
    /// Option 54, if it has its four octets.
    pub server_id: Option<ServerId>,
    /// Option 50
    pub requested_address: Option<Ipv4Addr>,
    /// Option 61
    pub client_id: Option<ClientId>,
    /// Option 51; `u32::MAX` seconds is for ever (RFC 2131 §3.3).
    pub lease_time: Option<Duration>,
    /// Option 58
    pub renewal_time: Option<Duration>,
    /// Option 59
    pub rebinding_time: Option<Duration>,
    /// Option 82 is there.
    pub relay_agent_information: bool,
    /// Option 82 sub-option 11 (RFC 5107).
    pub server_id_override: Option<Ipv4Addr>,
    /// Option 56, as text with everything unprintable replaced.
    pub error_text: Option<Box<str>>,
    /// Which options are there, whatever is in them.
    pub options: OptionCodes,
    /// What was wrong or unusual, in the order met; each kind once.
    pub oddities: SmallVec<[Oddity; 2]>,
}

/// A departure from the RFCs that the message survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// The magic cookie is not 99.130.83.99 (RFC 2131 §3).
    WrongCookie,
    /// 'hlen' > 16: longer than 'chaddr' (RFC 2131 §2).
    HardwareAddressTooLong,
    /// An option runs past the end of its field; what follows was searched all the same.
    OptionOverrun,
    /// Option 53 comes more than once; the first counts.
    RepeatedMessageType,
    /// Option 52: options in 'file' or 'sname' (RFC 2132 §9.3).
    Overload,
    /// Option 56, 61 or 82 in several parts (RFC 3396). Put together where the part
    /// before is full (255 octets); otherwise the first counts, as for dnsmasq.
    SplitOption,
    /// An option whose length its definition forbids (54 with two octets, say).
    BadOptionLength,
    /// No end option (255).
    MissingEnd,
    /// Not all of the payload was captured.
    Truncated,
}

/// Why a payload is no DHCPv4 message at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDhcp4 {
    /// Shorter than the fixed header (236 octets), so a server drops it.
    #[error("{length} octets are too few for a BOOTP header (236)")]
    TooShort {
        /// Octets there were.
        length: usize,
    },
    /// The sender's message may have been whole, but the capture ends inside the
    /// fixed header.
    #[error("only {captured} octets were captured, too few for a BOOTP header (236)")]
    CutShort {
        /// Octets that were captured.
        captured: usize,
    },
}

/// Decodes a BOOTP/DHCPv4 message. `full_length` is the payload's length by the UDP
/// header; it is more than `payload.len()` if not all was captured.
///
/// Only a message without a whole fixed header is refused; everything else is
/// decoded as far as it goes, and what was wrong with it is in
/// [`Message4::oddities`].
pub fn decode(payload: &[u8], full_length: usize) -> Result<Message4, NotDhcp4> {
    reader::read(payload, full_length)
}

#[cfg(test)]
mod tests;
