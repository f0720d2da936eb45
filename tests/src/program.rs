//! Any server of the labs on the router of [`Router`], which program it ever is.

use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use crate::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use crate::kea::{Kea, Sockets};
use crate::message::Mac;
use crate::networkd::Networkd;
use crate::router::{PRIMARY, Router, SECONDARY};
use crate::udhcpd::Udhcpd;
use anyhow::Result;
use std::net::Ipv4Addr;

/// The relay of clients whose server hears unicasts only.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 20);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// dnsmasq
    Dnsmasq,
    /// ISC dhcpd
    Dhcpd,
    /// Kea
    Kea(Sockets),
    /// busybox udhcpd
    Udhcpd,
    /// systemd-networkd
    Networkd,
}

impl Program {
    /// The id that it goes by in these labs.
    pub const fn id(self) -> Ipv4Addr {
        match self {
            Self::Dhcpd => PRIMARY,
            _ => SECONDARY,
        }
    }

    /// The router's other address.
    pub const fn other_address(self) -> Ipv4Addr {
        match self {
            Self::Dhcpd => SECONDARY,
            _ => PRIMARY,
        }
    }

    /// Its word in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Dhcpd => "isc_dhcpd",
            Self::Kea(_) => "kea",
            Self::Udhcpd => "udhcpd",
            Self::Networkd => "systemd_networkd",
        }
    }

    /// Whether its lease database shows a release as soon as it happened.
    pub const fn shows_releases(self) -> bool {
        !matches!(self, Self::Udhcpd | Self::Networkd)
    }

    /// A lease, by whatever way it hears clients.
    pub fn obtain(self, client: &Client) -> Result<Lease> {
        match self {
            Self::Kea(Sockets::Udp) => client.obtain_through(RELAY, self.id()),
            _ => client.obtain(),
        }
    }
}

/// A running one.
#[derive(Debug)]
pub enum Server {
    /// With its files, which hold its leases.
    Dnsmasq(Dnsmasq),
    /// dhcpd
    Dhcpd(IscDhcpd),
    /// kea-dhcp4
    Kea(Kea),
    /// udhcpd
    Udhcpd(Udhcpd),
    /// systemd-networkd
    Networkd(Networkd),
}

impl Server {
    /// Starts it with the pool of the labs on the router's eth3.
    pub fn start(program: Program, network: &Router, files: &ServerFiles) -> Result<Self> {
        let router = &network.router;
        if program == Program::Kea(Sockets::Udp) {
            let relay = format!("{RELAY}/24");
            network
                .client
                .run("ip", &["addr", "add", &relay, "dev", "eth0"])?;
        }
        Ok(match program {
            Program::Dnsmasq => {
                Self::Dnsmasq(Dnsmasq::start(router, files, &[LISTEN_ON_SECONDARY, POOL])?)
            }
            Program::Dhcpd => {
                Self::Dhcpd(IscDhcpd::start(router, files, &["eth3"], CONFIGURATION)?)
            }
            Program::Kea(sockets) => {
                let on = format!("eth3/{}", program.id());
                Self::Kea(Kea::start(router, files, &[&on], sockets)?)
            }
            Program::Udhcpd => Self::Udhcpd(Udhcpd::start(router, files, "eth3", program.id())?),
            Program::Networkd => Self::Networkd(Networkd::start(network, files)?),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        match self {
            Self::Dnsmasq(server) => server.id(),
            Self::Dhcpd(server) => server.id(),
            Self::Kea(server) => server.id(),
            Self::Udhcpd(server) => server.id(),
            Self::Networkd(server) => server.id(),
        }
    }

    /// Whether `client` holds `address`, by the server's own books, or where it has none, by
    /// what it does.
    pub fn holds(
        &self,
        network: &Router,
        files: &ServerFiles,
        client: Mac,
        address: Ipv4Addr,
    ) -> Result<bool> {
        match self {
            Self::Dnsmasq(_) => files.holds(client, address),
            Self::Dhcpd(server) => server.holds(client, address),
            Self::Kea(server) => server.holds(client, address),
            Self::Udhcpd(server) => server.holds(client, address),
            Self::Networkd(server) => server.holds(network, address),
        }
    }
}
