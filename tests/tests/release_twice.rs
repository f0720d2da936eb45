//! A RELEASE sent twice: the second finds nothing, and that is no alarm.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::matrix::{CLIENT, Expected, LATECOMER, agrees, only};
use leasehound_tests::router::Router;

#[test]
fn the_same_release_twice() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let agent = Agent::start(&network.router, &[]);
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    let release = client.release(lease);
    client.send(&release)?;
    client.send(&release)?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ensure!(
        !files.holds(CLIENT, lease.address)?,
        "dnsmasq kept the lease"
    );
    let log = server.log();
    ensure!(
        log.matches("unknown lease").count() == 1,
        "dnsmasq did not see the second"
    );

    let mut agent = agent?;
    let [first, second] = agent
        .verdicts(2)?
        .try_into()
        .ok()
        .context("more than two verdicts")?;
    // The second may be judged first: that there is no lease is known at once, that one
    // has left may take a reading more.
    let mut in_order = [first, second];
    in_order.sort_by_key(|verdict| verdict.get("id").and_then(serde_json::Value::as_u64));
    let [first, second] = in_order;
    agrees(&first, Expected::Honoured)?;
    agrees(&second, Expected::Ignored("lease_absent"))?;
    only(&agent.stop()?, 2)
}
