//! The labs' own DHCP client: it takes leases like any other, and builds the RELEASE
//! and DECLINE that a test then bends.

use crate::frame::{Checksum, Frame, reply_in};
use crate::link::{Link, Way};
use crate::message::{BROADCAST_FLAG, Mac, Message, kind, option};
use crate::router::{CLIENT_MAC, ROUTER_MAC, Router};
use crate::wait::{Deadline, PATIENCE};
use anyhow::{Context, Result};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT_XID: AtomicU32 = AtomicU32::new(0x1ea5_0001);

/// A client on the link. Several may share it, each with its own MAC.
#[derive(Debug)]
pub struct Client {
    link: Link,
    mac: Mac,
    server_mac: Mac,
    identifier: Option<Vec<u8>>,
    class: Option<Vec<u8>>,
    flags: u16,
}

/// What a client was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Option 54 of the ACK.
    pub server_id: Ipv4Addr,
}

impl Client {
    /// A client with a MAC of its own and, if given, option 61.
    pub fn new(network: &Router, mac: Mac, client_id: Option<&[u8]>) -> Result<Self> {
        let mut client = Self::on(network.client_link()?, mac, ROUTER_MAC);
        client.identifier = client_id.map(<[u8]>::to_vec);
        Ok(client)
    }

    /// A client on any link; its unicasts go to `server_mac`.
    pub const fn on(link: Link, mac: Mac, server_mac: Mac) -> Self {
        Self {
            link,
            mac,
            server_mac,
            identifier: None,
            class: None,
            flags: 0,
        }
    }

    /// The same client, but one that asks for replies by broadcast until it has an
    /// address (RFC 2131 §4.1).
    #[must_use]
    pub const fn hearing_broadcasts_only(mut self) -> Self {
        self.flags = BROADCAST_FLAG;
        self
    }

    /// The same client, but one that names its vendor class (option 60) while it asks for a
    /// lease, and not when it gives it back.
    #[must_use]
    pub fn of_class(mut self, class: &[u8]) -> Self {
        self.class = Some(class.to_vec());
        self
    }

    /// Its MAC.
    pub const fn mac(&self) -> Mac {
        self.mac
    }

    /// The DISCOVER of a client that has nothing: broadcast.
    pub fn discover(&self) -> Frame {
        Frame::broadcast(self.mac, self.request(kind::DISCOVER))
    }

    /// DISCOVER, OFFER, REQUEST, ACK.
    pub fn obtain(&self) -> Result<Lease> {
        self.obtain_by(|message| Frame::broadcast(self.mac, message))
    }

    /// The same through a relay agent at `relay`, an address of the client's namespace.
    pub fn obtain_through(&self, relay: Ipv4Addr, server: Ipv4Addr) -> Result<Lease> {
        self.obtain_by(|message| self.relayed(message, relay, server))
    }

    /// The same, and the relay agent has its own address put into option 54 (RFC 5107).
    pub fn obtain_overriding(&self, relay: Ipv4Addr, server: Ipv4Addr) -> Result<Lease> {
        self.obtain_by(|mut message| {
            message.set(option::RELAY_AGENT, &server_id_override(relay));
            self.relayed(message, relay, server)
        })
    }

    fn relayed(&self, mut message: Message, relay: Ipv4Addr, server: Ipv4Addr) -> Frame {
        message.giaddr = relay;
        Frame {
            to: self.server_mac,
            from: CLIENT_MAC,
            source: relay,
            destination: server,
            source_port: 67,
            destination_port: 67,
            checksum: Checksum::Right,
            message,
        }
    }

    /// A message as the relay agent hands it on.
    pub fn through(&self, frame: Frame, relay: Ipv4Addr, server: Ipv4Addr) -> Frame {
        self.relayed(frame.message, relay, server)
    }

    fn obtain_by(&self, carry: impl Fn(Message) -> Frame) -> Result<Lease> {
        let discover = self.request(kind::DISCOVER);
        let xid = discover.xid;
        self.send(&carry(discover))?;
        let offer = self.reply(xid, kind::OFFER)?;
        let server = offer
            .address(option::SERVER_ID)
            .context("OFFER without option 54")?;
        let mut request = self.request(kind::REQUEST);
        request.xid = xid;
        request.set(option::REQUESTED_ADDRESS, &offer.yiaddr.octets());
        request.set(option::SERVER_ID, &server.octets());
        self.send(&carry(request))?;
        let ack = self.reply(xid, kind::ACK)?;
        Ok(Lease {
            address: ack.yiaddr,
            server_id: ack
                .address(option::SERVER_ID)
                .context("ACK without option 54")?,
        })
    }

    /// The RELEASE that RFC 2131 §4.4.6 asks for: unicast to the server.
    pub fn release(&self, lease: Lease) -> Frame {
        let mut message = self.request(kind::RELEASE);
        message.flags = 0;
        message.ciaddr = lease.address;
        message.set(option::SERVER_ID, &lease.server_id.octets());
        self.unicast(lease, message)
    }

    /// The REQUEST of a client in RENEWING (RFC 2131 §4.3.2): unicast to the server, the
    /// address in 'ciaddr', neither option 50 nor 54.
    pub fn renew(&self, lease: Lease) -> Frame {
        let mut message = self.request(kind::REQUEST);
        message.flags = 0;
        message.ciaddr = lease.address;
        self.unicast(lease, message)
    }

    /// The same in REBINDING: broadcast.
    pub fn rebind(&self, lease: Lease) -> Frame {
        let mut frame = self.renew(lease);
        frame.to = Mac::BROADCAST;
        frame.destination = Ipv4Addr::BROADCAST;
        frame
    }

    /// The REQUEST of a client in INIT-REBOOT: broadcast, the address in option 50 alone.
    pub fn reboot(&self, lease: Lease) -> Frame {
        let mut message = self.request(kind::REQUEST);
        message.set(option::REQUESTED_ADDRESS, &lease.address.octets());
        Frame::broadcast(self.mac, message)
    }

    /// The DECLINE of RFC 2131 §4.4.4: broadcast, the address in option 50.
    pub fn decline(&self, lease: Lease) -> Frame {
        let mut message = self.request(kind::DECLINE);
        message.set(option::REQUESTED_ADDRESS, &lease.address.octets());
        message.set(option::SERVER_ID, &lease.server_id.octets());
        Frame::broadcast(self.mac, message)
    }

    /// Sends a frame as it stands.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        self.send_bytes(&frame.encode())
    }

    /// Sends any bytes as a frame.
    pub fn send_bytes(&self, frame: &[u8]) -> Result<()> {
        self.link.send(frame)
    }

    /// ACKs and NAKs of a transaction that have arrived, in order. What arrived before
    /// is taken off the link.
    ///
    /// A server reads its socket in order: after a whole exchange of another client that
    /// began later, what is not here does not come.
    pub fn answers(&self, xid: u32) -> Result<Vec<Message>> {
        let mut answers = Vec::new();
        while let Some(bytes) = self.link.arrived()? {
            answers.extend(reply_in(&bytes).filter(|message| {
                message.xid == xid && matches!(message.kind(), Some(kind::ACK | kind::NAK))
            }));
        }
        Ok(answers)
    }

    fn unicast(&self, lease: Lease, message: Message) -> Frame {
        Frame {
            to: self.server_mac,
            from: self.mac,
            source: lease.address,
            destination: lease.server_id,
            source_port: 68,
            destination_port: 67,
            checksum: Checksum::Right,
            message,
        }
    }

    fn request(&self, kind: u8) -> Message {
        let xid = NEXT_XID.fetch_add(1, Ordering::Relaxed);
        let mut message = Message::request(kind, xid, self.mac);
        message.flags = self.flags;
        if let Some(id) = &self.identifier {
            message.set(option::CLIENT_ID, id);
        }
        let asks = matches!(kind, kind::DISCOVER | kind::REQUEST);
        if let Some(class) = self.class.as_ref().filter(|_| asks) {
            message.set(option::VENDOR_CLASS, class);
        }
        message
    }

    fn reply(&self, xid: u32, kind: u8) -> Result<Message> {
        let deadline = Deadline::after(PATIENCE);
        while let Some((way, bytes)) = self.link.receive(deadline)? {
            if way != Way::In {
                continue;
            }
            if let Some(message) = reply_in(&bytes)
                && message.xid == xid
                && message.kind() == Some(kind)
            {
                return Ok(message);
            }
        }
        anyhow::bail!("the server sent no message of type {kind} to {}", self.mac)
    }
}

/// Option 82 with its sub-option 11 alone.
pub fn server_id_override(id: Ipv4Addr) -> Vec<u8> {
    [&[11, 4][..], &id.octets()].concat()
}
