//! What a client hears: answers, ICMP errors, and what was forwarded to its end.

use crate::frame::reply_in;
use crate::link::{Link, Way};
use crate::message::{Mac, Message, kind};
use crate::router::Router;
use crate::wait::{Deadline, PATIENCE};
use anyhow::{Result, bail};
use std::net::Ipv4Addr;

/// An ICMP error about a DHCP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icmp {
    /// Type 3, code 3 (RFC 792)
    PortUnreachable,
    /// Type 3, code 1
    HostUnreachable,
    /// Type 5
    Redirect,
    /// Any other.
    Other(u8, u8),
}

/// The client's end of the link, listened to.
#[derive(Debug)]
pub struct Ear {
    link: Link,
    heard: Vec<Vec<u8>>,
}

impl Ear {
    /// Listens from now on.
    pub fn open(network: &Router) -> Result<Self> {
        Ok(Self {
            link: network.client_link()?,
            heard: Vec::new(),
        })
    }

    /// Listens until `client` has its ACK: whatever was sent before has come by then.
    pub fn until_acknowledged(&mut self, client: Mac) -> Result<()> {
        self.until("an ACK", |frame| {
            reply_in(frame).is_some_and(|reply| {
                reply.kind() == Some(kind::ACK) && reply.chaddr.starts_with(&client.0)
            })
        })
    }

    /// Listens until an ICMP error about a message from `source` to port 67 comes.
    pub fn until_error(&mut self, source: Ipv4Addr, wanted: Icmp) -> Result<()> {
        if self.errors(source).contains(&wanted) {
            return Ok(());
        }
        self.until("an ICMP error", |frame| {
            error_in(frame, source) == Some(wanted)
        })
    }

    /// The types of the server's answers to `xid` so far: RFC 2132 §9.6.
    pub fn answers(&self, xid: u32) -> Vec<u8> {
        let of_it = |reply: &Message| reply.xid == xid;
        let replies = self.heard.iter().filter_map(|frame| reply_in(frame));
        replies
            .filter(of_it)
            .filter_map(|reply| reply.kind())
            .collect()
    }

    /// The ICMP errors so far about a message from `source` to port 67.
    pub fn errors(&self, source: Ipv4Addr) -> Vec<Icmp> {
        let errors = self
            .heard
            .iter()
            .filter_map(|frame| error_in(frame, source));
        errors.collect()
    }

    /// Whether a message of `xid` has come to this end: somebody forwarded it here.
    pub fn forwarded(&self, xid: u32) -> bool {
        self.heard.iter().any(|frame| {
            let message = frame.get(42..).and_then(Message::decode);
            message.is_some_and(|message| (message.op, message.xid) == (1, xid))
        })
    }

    fn until(&mut self, what: &str, mut last: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let deadline = Deadline::after(PATIENCE);
        while let Some((way, frame)) = self.link.receive(deadline)? {
            if way == Way::In {
                let found = last(&frame);
                self.heard.push(frame);
                if found {
                    return Ok(());
                }
            }
        }
        bail!("waited in vain for {what} at the client")
    }
}

/// The ICMP error in a frame that quotes a message from `source` to port 67 (RFC 792).
fn error_in(frame: &[u8], source: Ipv4Addr) -> Option<Icmp> {
    const UDP: u8 = 17;
    let packet = frame
        .strip_prefix(frame.get(..12)?)?
        .strip_prefix(&[0x08, 0x00])?;
    let icmp = packet.get(20..).filter(|_| packet.get(9) == Some(&1))?;
    let quoted = icmp.get(8..)?;
    let about_it = quoted.get(9) == Some(&UDP)
        && quoted.get(12..16)? == source.octets()
        && quoted.get(22..24)? == 67_u16.to_be_bytes();
    if !about_it {
        return None;
    }
    Some(match (*icmp.first()?, *icmp.get(1)?) {
        (3, 3) => Icmp::PortUnreachable,
        (3, 1) => Icmp::HostUnreachable,
        (5, _) => Icmp::Redirect,
        (kind, code) => Icmp::Other(kind, code),
    })
}
