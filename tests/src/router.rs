//! The network of the labs: a router whose eth3 faces the clients.

use crate::link::Link;
use crate::message::Mac;
use crate::netns::Namespace;
use crate::process::run;
use anyhow::Result;
use std::net::Ipv4Addr;

/// The router's primary address on eth3.
pub const PRIMARY: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 245);
/// Its secondary one: the virtual address that a redundant router serves on.
pub const SECONDARY: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 1);
/// The MAC of eth3.
pub const ROUTER_MAC: Mac = Mac([0x02, 0x02, 0x00, 0xd4, 0x00, 0x01]);
/// The MAC of the client's eth0. Simulated clients have others.
pub const CLIENT_MAC: Mac = Mac([0x02, 0x02, 0x00, 0xd4, 0x00, 0x4f]);

/// A router and a client namespace with one link: `eth3` in the router, `eth0` at the
/// client, which has no address.
#[derive(Debug)]
pub struct Router {
    /// Where the server and the agent run.
    pub router: Namespace,
    /// Where clients run.
    pub client: Namespace,
}

impl Router {
    /// A router as in apache/cloudstack#10182: [`PRIMARY`] and [`SECONDARY`] on eth3.
    pub fn new() -> Result<Self> {
        let router = Namespace::new("router")?;
        let client = Namespace::new("client")?;
        connect(&router, "eth3", ROUTER_MAC, &client, "eth0", CLIENT_MAC)?;
        for address in [PRIMARY, SECONDARY] {
            router.run(
                "ip",
                &["addr", "add", &format!("{address}/24"), "dev", "eth3"],
            )?;
        }
        Ok(Self { router, client })
    }

    /// The client's end of the link, for raw frames.
    pub fn client_link(&self) -> Result<Link> {
        Link::open(&self.client, "eth0")
    }
}

/// Joins two namespaces by a veth pair whose ends are up.
pub fn connect(
    left: &Namespace,
    left_name: &str,
    left_mac: Mac,
    right: &Namespace,
    right_name: &str,
    right_mac: Mac,
) -> Result<()> {
    let (left_mac, right_mac) = (left_mac.to_string(), right_mac.to_string());
    #[rustfmt::skip]
    run("ip", &[
        "link", "add", left_name, "address", &left_mac, "netns", left.name(), "type", "veth",
        "peer", "name", right_name, "address", &right_mac, "netns", right.name(),
    ])?;
    left.run("ip", &["link", "set", left_name, "up"])?;
    right.run("ip", &["link", "set", right_name, "up"])?;
    Ok(())
}
