//! The id that dnsmasq's configuration makes be expected is the one that it puts into option
//! 54 of its OFFERs and ACKs: told before any packet, then asked of the real server.

use anyhow::{Context, Result, ensure};
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::{Dnsmasq, ServerFiles};
use leasehound_tests::doctor::doctor;
use leasehound_tests::message::Mac;
use leasehound_tests::router::Router;
use std::net::Ipv4Addr;

const POOL: &str = "--dhcp-range=172.29.101.100,172.29.101.199,255.255.255.0,1h";
const PLAIN: &str = "--dhcp-range=172.29.101.100,172.29.101.199";
const OTHER: &str = "--dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h";

/// As in apache/cloudstack#10182: the virtual address is the second one.
const VIP_SECOND: &[&str] = &["172.29.101.245/24", "172.29.101.1/24"];
const VIP_FIRST: &[&str] = &["172.29.101.1/24", "172.29.101.245/24"];
const VIP_IN_OWN_LENGTH: &[&str] = &["172.29.101.245/32", "172.29.101.1/24"];
const OTHER_FIRST: &[&str] = &["10.77.0.1/24", "172.29.101.245/24", "172.29.101.1/24"];

struct Row {
    addresses: &'static [&'static str],
    arguments: &'static [&'static str],
    id: &'static str,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[PLAIN] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "--interface=eth3"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "--interface=eth*", "--bind-dynamic"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "--except-interface=lo", "--bind-interfaces"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.1", arguments: &[POOL, "--listen-address=127.0.0.1,172.29.101.1"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.1", arguments: &[PLAIN, "--listen-address=172.29.101.1", "--bind-interfaces"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "--listen-address=172.29.101.1,172.29.101.245"] },
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "-a", "172.29.101.245"] },
    // The name lets the primary address in.
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &[POOL, "-ieth3", "--listen-address=172.29.101.1"] },
    // And an exception keeps it out, but not what is listened on.
    Row { addresses: VIP_SECOND, id: "172.29.101.1", arguments: &[POOL, "--except-interface=eth3", "--listen-address=172.29.101.1"] },
    Row { addresses: VIP_FIRST, id: "172.29.101.1", arguments: &[POOL] },
    Row { addresses: VIP_FIRST, id: "172.29.101.245", arguments: &[POOL, "--listen-address=172.29.101.245"] },
    // The range's netmask decides what is in its subnet, not the address's.
    Row { addresses: VIP_IN_OWN_LENGTH, id: "172.29.101.245", arguments: &[POOL] },
    Row { addresses: VIP_IN_OWN_LENGTH, id: "172.29.101.1", arguments: &[POOL, "--listen-address=172.29.101.1"] },
    // The primary address is of another subnet.
    Row { addresses: OTHER_FIRST, id: "172.29.101.245", arguments: &[POOL] },
    Row { addresses: OTHER_FIRST, id: "172.29.101.245", arguments: &[POOL, "--listen-address=10.77.0.1"] },
    Row { addresses: OTHER_FIRST, id: "172.29.101.1", arguments: &[POOL, "--listen-address=172.29.101.1"] },
    // Of several that are listened on the last one of the interface goes before.
    Row { addresses: OTHER_FIRST, id: "172.29.101.1", arguments: &[POOL, "--listen-address=172.29.101.245,172.29.101.1"] },
    Row { addresses: OTHER_FIRST, id: "10.77.0.1", arguments: &[OTHER, "--listen-address=172.29.101.1"] },
    // Two subnets on one interface.
    Row { addresses: OTHER_FIRST, id: "172.29.101.245", arguments: &[POOL, OTHER] },
    Row { addresses: OTHER_FIRST, id: "10.77.0.1", arguments: &["--dhcp-range=tag:none,172.29.101.100,172.29.101.199", OTHER] },
    // A subnet that no address is of.
    Row { addresses: VIP_SECOND, id: "172.29.101.245", arguments: &["--shared-network=eth3,10.77.0.1", OTHER] },
    Row { addresses: VIP_SECOND, id: "172.29.101.1", arguments: &["--shared-network=172.29.101.1,10.77.0.1", OTHER] },
];

#[test]
fn the_id_that_is_expected_is_the_one_in_option_54() -> Result<()> {
    let network = Router::new()?;
    for (row, number) in ROWS.iter().zip(1..) {
        check(&network, row, number).with_context(|| {
            format!("row {number}: {:?} with {:?}", row.arguments, row.addresses)
        })?;
    }
    Ok(())
}

fn check(network: &Router, row: &Row, number: u8) -> Result<()> {
    let ip = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        network.router.run("ip", &arguments)
    };
    ip("addr flush dev eth3")?;
    for address in row.addresses {
        ip(&format!("addr add {address} dev eth3"))?;
    }
    let files = ServerFiles::new()?;
    let server = Dnsmasq::start(&network.router, &files, row.arguments)?;
    let told = doctor(&network.router, &[])?;
    ensure!(
        told.of("missing", "configuration").is_empty(),
        "not understood: {told:#?}"
    );

    let client = Client::new(network, Mac::client(number), None)?;
    let lease = client.obtain()?;
    let id: Ipv4Addr = row.id.parse()?;
    ensure!(
        lease.server_id == id,
        "the row is wrong about dnsmasq: {lease:?}"
    );

    let expected = told.ids(server.id(), "eth3")?;
    let of_the_lease = expected.iter().find(|(range, _)| {
        let first = range
            .split(',')
            .next()
            .and_then(|first| first.parse::<Ipv4Addr>().ok());
        first.is_some_and(|first| first.octets()[..3] == lease.address.octets()[..3])
    });
    let (_, told) = of_the_lease.with_context(|| format!("no id was told: {expected:?}"))?;
    ensure!(
        *told == lease.server_id,
        "told {told}, dnsmasq goes by {}",
        lease.server_id
    );
    Ok(())
}
