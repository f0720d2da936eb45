//! A BOOTP/DHCP message of which every byte can be set, right or wrong.

use std::fmt;
use std::net::Ipv4Addr;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// One of very many simulated clients, none of which [`client`](Self::client) gives.
    pub const fn one_of_many(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        Self([0x02, 0x02, 0x00, 0xd5, high, low])
    }

    /// The simulated client number `number`.
    pub const fn client(number: u8) -> Self {
        Self([0x02, 0x02, 0x00, 0xd4, 0x01, number])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.map(|byte| format!("{byte:02x}"));
        f.write_str(&pairs.join(":"))
    }
}

/// Option 53, and its values (RFC 2132 §9.6).
pub mod kind {
    /// DHCPDISCOVER
    pub const DISCOVER: u8 = 1;
    /// DHCPOFFER
    pub const OFFER: u8 = 2;
    /// DHCPREQUEST
    pub const REQUEST: u8 = 3;
    /// DHCPDECLINE
    pub const DECLINE: u8 = 4;
    /// DHCPACK
    pub const ACK: u8 = 5;
    /// DHCPNAK
    pub const NAK: u8 = 6;
    /// DHCPRELEASE
    pub const RELEASE: u8 = 7;
}

/// Option codes that the labs use (RFC 2132).
pub mod option {
    /// Subnet mask
    pub const SUBNET_MASK: u8 = 1;
    /// Requested IP address
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Lease time, in seconds
    pub const LEASE_TIME: u8 = 51;
    /// DHCP message type
    pub const MESSAGE_TYPE: u8 = 53;
    /// Server identifier
    pub const SERVER_ID: u8 = 54;
    /// Vendor class identifier
    pub const VENDOR_CLASS: u8 = 60;
    /// Client identifier
    pub const CLIENT_ID: u8 = 61;
    /// Relay agent information (RFC 3046)
    pub const RELAY_AGENT: u8 = 82;
    /// End of the options
    pub const END: u8 = 255;
}

/// The BROADCAST bit of 'flags' (RFC 2131 §2): reply to 255.255.255.255.
pub const BROADCAST_FLAG: u16 = 0x8000;

/// RFC 2131 §3
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Smaller messages were refused by old BOOTP servers (RFC 1542 §2.1).
const SMALLEST: usize = 300;

/// A message as its fields stand on the wire (RFC 2131 §2).
#[derive(Debug, Clone)]
pub struct Message {
    /// 1: request, 2: reply
    pub op: u8,
    /// Length of the hardware address
    pub hlen: u8,
    /// Transaction id
    pub xid: u32,
    /// [`BROADCAST_FLAG`], or 0
    pub flags: u16,
    /// Client address
    pub ciaddr: Ipv4Addr,
    /// 'your' address
    pub yiaddr: Ipv4Addr,
    /// Relay agent's address
    pub giaddr: Ipv4Addr,
    /// Client hardware address, padded
    pub chaddr: [u8; 16],
    /// The magic cookie
    pub cookie: [u8; 4],
    /// Code and value, in order; END is added
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// A request of the given type from a client.
    pub fn request(kind: u8, xid: u32, client: Mac) -> Self {
        let mut message = Self {
            op: 1,
            hlen: 6,
            xid,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: [0; 16],
            cookie: COOKIE,
            options: vec![(option::MESSAGE_TYPE, vec![kind])],
        };
        message.set_client(client);
        message
    }

    /// Puts a MAC into 'chaddr'.
    pub fn set_client(&mut self, client: Mac) {
        self.chaddr = [0; 16];
        for (to, from) in self.chaddr.iter_mut().zip(client.0) {
            *to = from;
        }
    }

    /// Sets an option, in its old place or at the end.
    pub fn set(&mut self, code: u8, value: &[u8]) {
        match self.options.iter_mut().find(|(known, _)| *known == code) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.options.push((code, value.to_vec())),
        }
    }

    /// Removes an option.
    pub fn remove(&mut self, code: u8) {
        self.options.retain(|(known, _)| *known != code);
    }

    /// The value of an option.
    pub fn get(&self, code: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|(known, _)| *known == code)?;
        Some(&found.1)
    }

    /// The value of an option that is an address.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.get(code)?.try_into().ok()?;
        Some(bytes.into())
    }

    /// The value of option 53.
    pub fn kind(&self) -> Option<u8> {
        self.get(option::MESSAGE_TYPE)?.first().copied()
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, self.hlen, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend([0; 2]); // secs
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.extend([0; 64 + 128]); // sname, file
        bytes.extend(self.cookie);
        for (code, value) in &self.options {
            bytes.push(*code);
            // A lab that needs more than 255 bytes splits them itself (RFC 3396).
            bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
            bytes.extend(value.iter().take(usize::from(u8::MAX)));
        }
        bytes.push(option::END);
        bytes.resize(bytes.len().max(SMALLEST), 0);
        bytes
    }

    /// Reads what a sane server sent; `None` if it is too short.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let address = |at: usize| -> Option<Ipv4Addr> {
            let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(octets.into())
        };
        let mut message = Self {
            op: *bytes.first()?,
            hlen: *bytes.get(2)?,
            xid: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
            flags: u16::from_be_bytes(bytes.get(10..12)?.try_into().ok()?),
            ciaddr: address(12)?,
            yiaddr: address(16)?,
            giaddr: address(24)?,
            chaddr: bytes.get(28..44)?.try_into().ok()?,
            cookie: bytes.get(236..240)?.try_into().ok()?,
            options: Vec::new(),
        };
        let mut rest = bytes.get(240..)?;
        while let [code, tail @ ..] = rest {
            match code {
                0 => rest = tail,
                &option::END => break,
                _ => {
                    let (length, tail) = tail.split_first()?;
                    let (value, tail) = tail.split_at_checked(usize::from(*length))?;
                    message.options.push((*code, value.to_vec()));
                    rest = tail;
                }
            }
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut message = Message::request(kind::RELEASE, 7, Mac::client(1));
        message.flags = BROADCAST_FLAG;
        message.ciaddr = Ipv4Addr::new(172, 29, 101, 100);
        message.set(option::SERVER_ID, &[172, 29, 101, 1]);
        let bytes = message.encode();
        assert_eq!(bytes.len(), SMALLEST);
        let again = Message::decode(&bytes).unwrap();
        assert_eq!(again.kind(), Some(kind::RELEASE));
        assert_eq!(again.flags, message.flags);
        assert_eq!(again.ciaddr, message.ciaddr);
        assert_eq!(again.options, message.options);
        assert_eq!(
            again.address(option::SERVER_ID),
            Some(Ipv4Addr::new(172, 29, 101, 1))
        );
    }
}
