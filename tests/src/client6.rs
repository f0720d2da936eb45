//! The labs' own DHCPv6 client (RFC 8415): one identity association, and no more than a
//! server needs to grant, renew and take back what is in it.

use crate::netns::Namespace;
use crate::wait::{Deadline, PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use nix::net::if_::if_nametoindex;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static NEXT: AtomicU32 = AtomicU32::new(0x1e_a500);

/// All_DHCP_Relay_Agents_and_Servers
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const TICK: Duration = Duration::from_millis(20);

/// Message types (RFC 8415 §7.3).
mod kind {
    pub(super) const SOLICIT: u8 = 1;
    pub(super) const ADVERTISE: u8 = 2;
    pub(super) const REQUEST: u8 = 3;
    pub(super) const RENEW: u8 = 5;
    pub(super) const REPLY: u8 = 7;
    pub(super) const RELEASE: u8 = 8;
    pub(super) const DECLINE: u8 = 9;
}

/// Option codes (RFC 8415 §21).
mod option {
    pub(super) const CLIENT_ID: u16 = 1;
    pub(super) const SERVER_ID: u16 = 2;
    pub(super) const IA_NA: u16 = 3;
    pub(super) const ADDRESS: u16 = 5;
    pub(super) const ELAPSED_TIME: u16 = 8;
    pub(super) const IA_PD: u16 = 25;
    pub(super) const PREFIX: u16 = 26;
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// IA_NA
    Address,
    /// IA_PD
    Prefix,
}

/// What a client was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The address, or where the prefix begins.
    pub address: Ipv6Addr,
    /// 128 for an address.
    pub prefix_length: u8,
    /// Seconds.
    pub valid_lifetime: u32,
    /// The server's DUID.
    pub server: Vec<u8>,
}

/// A client on an interface. Several may be there, one after the other: each has port 546
/// for itself.
#[derive(Debug)]
pub struct Client6 {
    socket: UdpSocket,
    servers: SocketAddrV6,
    duid: Vec<u8>,
    iaid: u32,
    wish: Wish,
}

impl Client6 {
    /// A client on `interface`, which has a link-local address.
    pub fn new(
        namespace: &Namespace,
        interface: &str,
        duid: &[u8],
        iaid: u32,
        wish: Wish,
    ) -> Result<Self> {
        let index = namespace.enter(|| if_nametoindex(interface))?;
        let index = index.context("no such interface")?;
        // A program that is being started elsewhere in this process has it for a moment.
        let socket = wait_for("port 546", PATIENCE, || {
            let bound = namespace.enter(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 546)))?;
            match bound {
                Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
                bound => Ok(Some(bound?)),
            }
        })?;
        socket.set_read_timeout(Some(TICK))?;
        Ok(Self {
            socket,
            servers: SocketAddrV6::new(SERVERS, 547, 0, index),
            duid: duid.to_vec(),
            iaid,
            wish,
        })
    }

    /// SOLICIT, ADVERTISE, REQUEST, REPLY.
    pub fn obtain(&self) -> Result<Grant> {
        let advertise = self.ask(kind::SOLICIT, None, kind::ADVERTISE)?;
        let offered = self.grant_in(&advertise)?;
        let reply = self.ask(kind::REQUEST, Some(&offered), kind::REPLY)?;
        self.grant_in(&reply)
    }

    /// RENEW, REPLY.
    pub fn renew(&self, grant: &Grant) -> Result<Grant> {
        let reply = self.ask(kind::RENEW, Some(grant), kind::REPLY)?;
        self.grant_in(&reply)
    }

    /// RELEASE, REPLY.
    pub fn release(&self, grant: &Grant) -> Result<()> {
        self.ask(kind::RELEASE, Some(grant), kind::REPLY).map(drop)
    }

    /// DECLINE, REPLY.
    pub fn decline(&self, grant: &Grant) -> Result<()> {
        self.ask(kind::DECLINE, Some(grant), kind::REPLY).map(drop)
    }

    fn ask(&self, kind: u8, grant: Option<&Grant>, answer: u8) -> Result<Vec<u8>> {
        let xid = NEXT.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
        let [_, head @ ..] = xid.to_be_bytes();
        let mut message = vec![kind];
        message.extend(head);
        put(&mut message, option::CLIENT_ID, &self.duid);
        put(&mut message, option::ELAPSED_TIME, &[0, 0]);
        let mut association = self.iaid.to_be_bytes().to_vec();
        association.extend([0; 8]);
        if let Some(grant) = grant {
            put(&mut message, option::SERVER_ID, &grant.server);
            let mut inner = [0; 8].to_vec();
            match self.wish {
                Wish::Address => {
                    inner.splice(0..0, grant.address.octets());
                    put(&mut association, option::ADDRESS, &inner);
                }
                Wish::Prefix => {
                    inner.push(grant.prefix_length);
                    inner.extend(grant.address.octets());
                    put(&mut association, option::PREFIX, &inner);
                }
            }
        }
        put(&mut message, self.association(), &association);
        self.socket.send_to(&message, self.servers)?;
        let deadline = Deadline::after(PATIENCE);
        let mut buffer = [0; 2048];
        while !deadline.passed() {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let reply = buffer.get(..length).unwrap_or_default();
                    if let [reply_kind, a, b, c, options @ ..] = reply
                        && *reply_kind == answer
                        && [*a, *b, *c] == head
                    {
                        return Ok(options.to_vec());
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error).context("receiving"),
            }
        }
        bail!("no DHCPv6 server answered a message of type {kind}")
    }

    const fn association(&self) -> u16 {
        match self.wish {
            Wish::Address => option::IA_NA,
            Wish::Prefix => option::IA_PD,
        }
    }

    fn grant_in(&self, options: &[u8]) -> Result<Grant> {
        let server = find(options, option::SERVER_ID).context("no server identifier")?;
        let association = find(options, self.association()).context("no association")?;
        let inner = association.get(12..).context("a short association")?;
        let octets =
            |octets: &[u8]| -> Option<Ipv6Addr> { Some(<[u8; 16]>::try_from(octets).ok()?.into()) };
        let lifetime = |octets: &[u8]| Some(u32::from_be_bytes(octets.try_into().ok()?));
        let grant = match self.wish {
            Wish::Address => find(inner, option::ADDRESS).and_then(|lease| {
                let (address, rest) = lease.split_at_checked(16)?;
                Some((octets(address)?, 128, lifetime(rest.get(4..8)?)?))
            }),
            Wish::Prefix => find(inner, option::PREFIX).and_then(|lease| {
                let address = octets(lease.get(9..25)?)?;
                Some((address, *lease.get(8)?, lifetime(lease.get(4..8)?)?))
            }),
        };
        let (address, prefix_length, valid_lifetime) =
            grant.with_context(|| format!("nothing granted: {inner:02x?}"))?;
        Ok(Grant {
            address,
            prefix_length,
            valid_lifetime,
            server: server.to_vec(),
        })
    }
}

fn put(message: &mut Vec<u8>, code: u16, value: &[u8]) {
    message.extend(code.to_be_bytes());
    message.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend(value);
}

fn find(mut options: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [a, b, c, d, rest @ ..] = options {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let (value, rest) = rest.split_at_checked(length)?;
        if u16::from_be_bytes([*a, *b]) == wanted {
            return Some(value);
        }
        options = rest;
    }
    None
}
