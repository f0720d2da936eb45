//! The protocol's identifiers as types, each named and bounded as in its RFC.

use smallvec::SmallVec;
use std::fmt;
use std::net::Ipv4Addr;

/// 'xid': "a random number chosen by the client" (RFC 2131 §2). Tools such as
/// `dhcp_release` send 0, so it never identifies a RELEASE by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the group bit is set (multicast, and broadcast with it).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// 'chaddr' cut to 'hlen' (RFC 2131 §2), at most 16 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress {
    /// 'htype', an ARP hardware type (RFC 1700); 1 is Ethernet.
    pub kind: u8,
    length: u8,
    octets: [u8; 16],
}

impl HardwareAddress {
    /// From 'htype' and the address; octets past the sixteenth are left off.
    pub fn new(kind: u8, address: &[u8]) -> Self {
        let mut octets = [0; 16];
        let mut length = 0;
        for (slot, octet) in octets.iter_mut().zip(address) {
            *slot = *octet;
            length += 1;
        }
        Self {
            kind,
            length,
            octets,
        }
    }

    /// From an Ethernet address.
    pub fn ethernet(mac: [u8; 6]) -> Self {
        Self::new(1, &mac)
    }

    /// The octets that 'hlen' covers.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.length))
            .unwrap_or(&self.octets)
    }
}

impl fmt::Display for HardwareAddress {
    /// Lower-case, colon-separated; the type comes first unless it is Ethernet, as
    /// in dnsmasq's lease file (`06-aa:bb:…`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != 1 {
            write!(f, "{:02x}-", self.kind)?;
        }
        write_hex(f, self.as_bytes())
    }
}

/// The client identifier, option 61 (RFC 2132 §9.14), type octet included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(SmallVec<[u8; 24]>);

impl ClientId {
    /// From the option's data, as it stands.
    pub fn new(data: &[u8]) -> Self {
        Self(SmallVec::from_slice(data))
    }

    /// The option's data.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether dnsmasq takes two identifiers for the same one. Of an identifier that is
    /// split over several options (RFC 3396) it keeps the first, of at most 255 octets
    /// (rfc2131.c `option_find()`, lease.c `lease_set_hwaddr()`; 2.90, tried).
    pub fn is_same_to_dnsmasq(&self, other: &Self) -> bool {
        self.0.iter().take(255).eq(other.0.iter().take(255))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The server identifier, option 54 (RFC 2132 §9.7): what a client copies from the
/// OFFER or ACK, and what a server compares. Not the source address of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub Ipv4Addr);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// DHCPv4 message type, option 53 (RFC 2132 §9.6 and its successors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// 1
    Discover,
    /// 2
    Offer,
    /// 3
    Request,
    /// 4
    Decline,
    /// 5
    Ack,
    /// 6
    Nak,
    /// 7
    Release,
    /// 8
    Inform,
    /// 9 (RFC 3203)
    ForceRenew,
    /// 10 to 13 (RFC 4388), and what came later.
    Other(u8),
}

impl MessageType {
    /// From option 53's octet.
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            9 => Self::ForceRenew,
            other => Self::Other(other),
        }
    }

    /// The word used in events and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Offer => "offer",
            Self::Request => "request",
            Self::Decline => "decline",
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::Release => "release",
            Self::Inform => "inform",
            Self::ForceRenew => "forcerenew",
            Self::Other(_) => "other",
        }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            f.write_str(":")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_address_prints_as_operators_write_it() {
        assert_eq!(
            HardwareAddress::ethernet([2, 2, 0, 0xd4, 0, 0x4f]).to_string(),
            "02:02:00:d4:00:4f"
        );
        assert_eq!(
            HardwareAddress::new(6, &[0xaa, 0xbb]).to_string(),
            "06-aa:bb"
        );
        assert_eq!(HardwareAddress::new(1, &[7; 20]).as_bytes().len(), 16);
    }
}
