//! Servers that are no dnsmasq: ISC dhcpd and Kea.

use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use leasehound_tests::kea::{Kea, Sockets};
use leasehound_tests::message::Mac;
use leasehound_tests::router::{PRIMARY, Router};

const ON_SECONDARY: &[&str] = &["eth3/172.29.101.1"];

#[test]
fn dhcpd_grants_and_lets_go() -> anyhow::Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = IscDhcpd::start(&network.router, &files, &["eth3"], CONFIGURATION)?;
    let client = Client::new(&network, Mac::client(1), None)?;
    let lease = client.obtain()?;
    assert_eq!(lease.server_id, PRIMARY);
    assert!(server.holds(client.mac(), lease.address)?);
    client.send(&client.release(lease))?;
    Client::new(&network, Mac::client(2), None)?.obtain()?;
    assert!(!server.holds(client.mac(), lease.address)?);
    server.stop()
}

#[test]
fn kea_grants_and_lets_go() -> anyhow::Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Kea::start(&network.router, &files, ON_SECONDARY, Sockets::Raw)?;
    let client = Client::new(&network, Mac::client(1), None)?;
    let lease = client.obtain()?;
    assert!(server.holds(client.mac(), lease.address)?);
    client.send(&client.release(lease))?;
    Client::new(&network, Mac::client(2), None)?.obtain()?;
    assert!(!server.holds(client.mac(), lease.address)?);
    server.stop()
}

#[test]
fn kea_with_udp_sockets_serves_relays_only() -> anyhow::Result<()> {
    let network = Router::new()?;
    network
        .client
        .run("ip", &["addr", "add", "172.29.101.20/24", "dev", "eth0"])?;
    let files = ServerFiles::new()?;
    let server = Kea::start(&network.router, &files, ON_SECONDARY, Sockets::Udp)?;
    let client = Client::new(&network, Mac::client(1), None)?;
    let lease = client.obtain_through("172.29.101.20".parse()?, "172.29.101.1".parse()?)?;
    assert!(server.holds(client.mac(), lease.address)?);
    client.send(&client.release(lease))?;
    Client::new(&network, Mac::client(2), None)?
        .obtain_through("172.29.101.20".parse()?, "172.29.101.1".parse()?)?;
    assert!(!server.holds(client.mac(), lease.address)?);
    server.stop()
}
