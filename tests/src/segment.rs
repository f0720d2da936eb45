//! A subnet of a router with clients on it: 10.0.N.0/24, of which the router has .1 and
//! its server gives out the addresses from .10 on.

use crate::client::{Client, Lease};
use crate::link::Link;
use crate::message::Mac;
use crate::netns::Namespace;
use crate::router::connect;
use anyhow::{Context, Result};
use std::net::Ipv4Addr;

/// The client that asks last: its lease proves that a server has read, and acted on,
/// whatever came before.
const LATECOMER: u8 = 250;

/// One subnet. The namespaces of its clients go with it.
#[derive(Debug)]
pub struct Segment {
    number: u8,
    interface: String,
    ports: Vec<Namespace>,
}

impl Segment {
    /// Subnet `number` behind a bridge `interface` with that many ports, each with a
    /// namespace of clients.
    pub fn bridged(router: &Namespace, interface: &str, number: u8, ports: usize) -> Result<Self> {
        let mac = router_mac(number).to_string();
        #[rustfmt::skip]
        router.run("ip", &["link", "add", interface, "address", &mac, "type", "bridge"])?;
        let ports = (0..ports)
            .map(|port| {
                let name = format!("{interface}p{port}");
                let namespace = wire(router, &name, number, u8::try_from(port)?)?;
                router.run("ip", &["link", "set", &name, "master", interface])?;
                Ok(namespace)
            })
            .collect::<Result<_>>()?;
        Self::up(router, interface, number, ports)
    }

    /// Subnet `number` on a macvlan device `interface` above a link to one namespace.
    pub fn macvlan(router: &Namespace, interface: &str, number: u8) -> Result<Self> {
        let parent = format!("{interface}up");
        let port = wire(router, &parent, number, 0)?;
        // Else it answers ARP for the address above with a MAC of its own, and unicasts
        // pass the macvlan device by.
        router.set(&format!("net/ipv4/conf/{parent}/arp_ignore=1"))?;
        let mac = router_mac(number).to_string();
        #[rustfmt::skip]
        router.run("ip", &[
            "link", "add", interface, "link", &parent, "address", &mac,
            "type", "macvlan", "mode", "bridge",
        ])?;
        Self::up(router, interface, number, vec![port])
    }

    fn up(router: &Namespace, interface: &str, number: u8, ports: Vec<Namespace>) -> Result<Self> {
        let segment = Self {
            number,
            interface: interface.to_owned(),
            ports,
        };
        router.run("ip", &["link", "set", interface, "up"])?;
        segment.address_arrives(router)?;
        Ok(segment)
    }

    /// The router's device here.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The router's address here.
    pub const fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.number, 1)
    }

    /// The range that a server gives out here, as dnsmasq's option.
    pub fn range(&self) -> String {
        let number = self.number;
        format!("--dhcp-range=10.0.{number}.10,10.0.{number}.249,255.255.255.0,1h")
    }

    /// The namespace behind a port. Its device is eth0.
    pub fn port(&self, port: usize) -> Result<&Namespace> {
        self.ports
            .get(port)
            .with_context(|| format!("{} has no port {port}", self.interface))
    }

    /// The MAC of eth0 behind a port.
    pub fn port_mac(&self, port: usize) -> Result<Mac> {
        Ok(port_mac(self.number, u8::try_from(port)?))
    }

    /// The simulated client `number`, behind one of the first `ports` ports.
    pub fn client(&self, number: u8, ports: usize) -> Result<Client> {
        let mac = Mac([0x02, 0x02, 0x00, 0xd5, self.number, number]);
        let link = Link::open(self.port(usize::from(number) % ports)?, "eth0")?;
        Ok(Client::on(link, mac, router_mac(self.number)))
    }

    /// Tells the router where a client is, as ARP would: simulated clients answer none.
    pub fn resolve(&self, router: &Namespace, client: &Client, lease: Lease) -> Result<()> {
        let (address, mac) = (lease.address.to_string(), client.mac().to_string());
        #[rustfmt::skip]
        router.run("ip", &[
            "neighbour", "replace", &address, "lladdr", &mac, "dev", &self.interface,
            "nud", "permanent",
        ])?;
        Ok(())
    }

    /// Returns when the servers here have read all that was sent before.
    pub fn settle(&self) -> Result<()> {
        self.client(LATECOMER, 1)?.obtain().map(drop)
    }

    /// The router loses its address here, and with it all that it knows of neighbours.
    pub fn address_leaves(&self, router: &Namespace) -> Result<()> {
        self.change_address(router, "delete")
    }

    /// The router gets its address.
    pub fn address_arrives(&self, router: &Namespace) -> Result<()> {
        self.change_address(router, "add")
    }

    fn change_address(&self, router: &Namespace, verb: &str) -> Result<()> {
        let address = format!("{}/24", self.address());
        router.run("ip", &["address", verb, &address, "dev", &self.interface])?;
        Ok(())
    }
}

/// A link from the router's `name` to eth0 of a new namespace.
fn wire(router: &Namespace, name: &str, number: u8, port: u8) -> Result<Namespace> {
    let clients = Namespace::new(&format!("{name}-clients"))?;
    let near = Mac([0x02, 0x02, 0x00, 0xd7, number, port]);
    connect(router, name, near, &clients, "eth0", port_mac(number, port))?;
    Ok(clients)
}

const fn router_mac(number: u8) -> Mac {
    Mac([0x02, 0x02, 0x00, 0xd4, number, 0])
}

const fn port_mac(number: u8, port: u8) -> Mac {
    Mac([0x02, 0x02, 0x00, 0xd6, number, port])
}
