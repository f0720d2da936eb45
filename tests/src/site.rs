//! A router with one segment and one healthy server, of any kind, and the clients there.

use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, ServerFiles};
use crate::frame::Frame;
use crate::isc_dhcpd::IscDhcpd;
use crate::kea::{Kea, Sockets};
use crate::message::{Mac, kind};
use crate::netns::Namespace;
use crate::segment::Segment;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::net::{Ipv4Addr, UdpSocket};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// dnsmasq on a bridge, a wildcard socket.
    Dnsmasq,
    /// ISC dhcpd on a macvlan device, raw sockets.
    IscDhcpd,
    /// Kea on a bridge, raw sockets.
    Kea,
}

#[derive(Debug)]
enum Server {
    Dnsmasq(Dnsmasq),
    IscDhcpd(IscDhcpd),
    Kea(Kea),
}

/// A client and what it holds.
#[derive(Debug)]
pub struct Member {
    /// The client.
    pub client: Client,
    /// Its lease.
    pub lease: Lease,
}

/// All of it.
#[derive(Debug)]
pub struct Site {
    // Dropped first: it prints its log, which is among the files.
    server: Option<Server>,
    files: ServerFiles,
    kind: Kind,
    /// Clients with a lease.
    pub members: Vec<Member>,
    /// Their subnet.
    pub segment: Segment,
    /// A relay agent's socket, so that what is sent to it finds somebody.
    relay: Option<UdpSocket>,
    /// Where the server runs.
    pub router: Namespace,
}

impl Site {
    /// Subnet `number` and its server. Behind its device are that many ports.
    pub fn start(kind: Kind, number: u8, ports: usize) -> Result<Self> {
        let router = Namespace::new("router")?;
        let segment = match kind {
            Kind::IscDhcpd => Segment::macvlan(&router, "mv0", number)?,
            Kind::Dnsmasq | Kind::Kea => Segment::bridged(&router, "br0", number, ports)?,
        };
        let mut site = Self {
            server: None,
            files: ServerFiles::new()?,
            kind,
            members: Vec::new(),
            segment,
            relay: None,
            router,
        };
        site.serve()?;
        Ok(site)
    }

    /// Where programs may put their files.
    pub const fn files(&self) -> &ServerFiles {
        &self.files
    }

    /// Client `number` takes a lease; an odd one has replies broadcast.
    pub fn obtain(&mut self, number: u8, ports: usize) -> Result<()> {
        let mut client = self.segment.client(number, ports)?;
        if number % 2 == 1 {
            client = client.hearing_broadcasts_only();
        }
        let lease = client.obtain()?;
        self.admit(client, lease)
    }

    /// Client `number` takes a lease through a relay agent behind the first port.
    pub fn obtain_relayed(&mut self, number: u8) -> Result<()> {
        let relay = Ipv4Addr::from(u32::from(self.segment.address()) + 4);
        if self.relay.is_none() {
            let port = self.segment.port(0)?;
            #[rustfmt::skip]
            port.run("ip", &["address", "add", &format!("{relay}/24"), "dev", "eth0"])?;
            self.relay = Some(port.enter(|| UdpSocket::bind((relay, 67)))??);
        }
        let client = self.segment.client(number, 1)?;
        let lease = client.obtain_through(relay, self.segment.address())?;
        self.admit(client, lease)
    }

    /// Every client sends one REQUEST, every third of them twice; all must be answered
    /// by an ACK for its address.
    pub fn request_all(&self, request: fn(&Client, Lease) -> Frame) -> Result<()> {
        let mut sent = Vec::new();
        for (number, Member { client, lease }) in self.members.iter().enumerate() {
            let frame = request(client, *lease);
            client.send(&frame)?;
            if number % 3 == 0 {
                client.send(&frame)?;
            }
            sent.push(frame.message.xid);
        }
        self.segment.settle()?;
        for (Member { client, lease }, xid) in self.members.iter().zip(sent) {
            let answers = client.answers(xid)?;
            let acknowledged = answers
                .iter()
                .all(|answer| (answer.kind(), answer.yiaddr) == (Some(kind::ACK), lease.address));
            ensure!(
                !answers.is_empty() && acknowledged,
                "{:?} has {answers:?} for {lease:?}",
                self.kind
            );
        }
        Ok(())
    }

    /// Whether the server says that a client holds an address.
    pub fn holds(&self, client: Mac, address: Ipv4Addr) -> Result<bool> {
        match self.server.as_ref().context("no server")? {
            Server::Dnsmasq(_) => self.files.holds(client, address),
            Server::IscDhcpd(dhcpd) => dhcpd.holds(client, address),
            Server::Kea(kea) => kea.holds(client, address),
        }
    }

    /// Ends the server and starts it anew on the same leases.
    pub fn restart(&mut self) -> Result<()> {
        match self.server.take().context("no server")? {
            Server::Dnsmasq(dnsmasq) => dnsmasq.stop()?,
            Server::IscDhcpd(dhcpd) => dhcpd.stop()?,
            Server::Kea(kea) => kea.stop()?,
        }
        self.serve()
    }

    /// The router's address goes and comes back while nobody sends.
    pub fn lose_address_for_a_while(&self) -> Result<()> {
        self.segment.address_leaves(&self.router)?;
        self.segment.address_arrives(&self.router)?;
        for Member { client, lease } in &self.members {
            self.segment.resolve(&self.router, client, *lease)?;
        }
        Ok(())
    }

    fn admit(&mut self, client: Client, lease: Lease) -> Result<()> {
        self.segment.resolve(&self.router, &client, lease)?;
        self.members.push(Member { client, lease });
        Ok(())
    }

    fn serve(&mut self) -> Result<()> {
        let (router, files, segment) = (&self.router, &self.files, &self.segment);
        let device = segment.interface();
        let [a, b, c, _] = segment.address().octets();
        let net = format!("{a}.{b}.{c}");
        self.server = Some(match self.kind {
            Kind::Dnsmasq => {
                let interface = format!("--interface={device}");
                let arguments = [interface.as_str(), &segment.range()];
                Server::Dnsmasq(Dnsmasq::start(router, files, &arguments)?)
            }
            Kind::IscDhcpd => {
                let configuration = format!(
                    "authoritative;\nping-check false;\nddns-update-style none;\n\
                     default-lease-time 3600;\nmax-lease-time 3600;\n\
                     subnet {net}.0 netmask 255.255.255.0 {{ range {net}.10 {net}.249; }}\n"
                );
                Server::IscDhcpd(IscDhcpd::start(router, files, &[device], &configuration)?)
            }
            Kind::Kea => {
                let subnets = json!([{
                    "id": 1,
                    "subnet": format!("{net}.0/24"),
                    "pools": [{ "pool": format!("{net}.10 - {net}.249") }],
                }]);
                Server::Kea(Kea::start_with(
                    router,
                    files,
                    &[device],
                    Sockets::Raw,
                    &subnets,
                )?)
            }
        });
        Ok(())
    }
}
