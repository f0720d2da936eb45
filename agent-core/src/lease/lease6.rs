//! IPv6 leases as databases hold them: counted, not judged.

use crate::time::Timestamp;
use smallvec::SmallVec;
use std::fmt;
use std::net::Ipv6Addr;

/// A DHCP unique identifier (RFC 8415 §11), at most 130 octets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duid(SmallVec<[u8; 24]>);

impl Duid {
    /// From the option's data, as it stands.
    pub fn new(data: &[u8]) -> Self {
        Self(SmallVec::from_slice(data))
    }

    /// The option's data.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Duid {
    /// Lower-case, colon-separated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for octet in &self.0 {
            write!(f, "{separator}{octet:02x}")?;
            separator = ":";
        }
        Ok(())
    }
}

/// What kind of identity association a lease belongs to (RFC 8415 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Association {
    /// IA_NA, a lasting address.
    NonTemporary,
    /// IA_TA, an address for a while (RFC 8981).
    Temporary,
    /// IA_PD, a prefix.
    Prefix,
}

/// One leased IPv6 address or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease6 {
    /// The address, or where the prefix begins.
    pub address: Ipv6Addr,
    /// 128 for an address.
    pub prefix_length: u8,
    /// Address or prefix.
    pub association: Association,
    /// The identity association's number, chosen by the client.
    pub iaid: u32,
    /// The client; empty if the server stored none.
    pub duid: Duid,
    /// When its valid lifetime ends; `None` never.
    pub expires: Option<Timestamp>,
}
