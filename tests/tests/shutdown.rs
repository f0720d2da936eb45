//! However the agent ends, nothing is forgotten and nothing stays behind.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, text, verdicts};
use leasehound_tests::client::Client;
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::hooks::{attached, filters, has_clsact};
use leasehound_tests::matrix::{CLIENT, only};
use leasehound_tests::message::option;
use leasehound_tests::netns::Namespace;
use leasehound_tests::router::{PRIMARY, Router};
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;

#[test]
fn sigterm_right_after_a_release_still_yields_its_verdict() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let _server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let mut agent = Agent::start(&network.router, &[])?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    let mut release = client.release(lease);
    release.message.set(option::SERVER_ID, &PRIMARY.octets());
    client.send(&release)?;
    let stopped = agent.stop()?;
    only(&stopped, 1)?;
    for verdict in verdicts(&stopped.events) {
        ensure!(
            text(&verdict, "address") == lease.address.to_string(),
            "{verdict}"
        );
        ensure!(
            text(&verdict, "verdict") != "honoured",
            "dnsmasq kept it: {verdict}"
        );
    }
    ensure!(
        attached(&network.router)?.is_empty(),
        "hooks stayed after SIGTERM"
    );
    Ok(())
}

#[test]
fn killed_with_tcx_links() -> Result<()> {
    killed("auto")
}

#[test]
fn killed_with_native_xdp() -> Result<()> {
    killed("xdp")
}

#[test]
fn killed_with_generic_xdp() -> Result<()> {
    killed("xdp-generic")
}

/// Links die with the process: nothing is left to clean up.
fn killed(ingress: &str) -> Result<()> {
    let network = Router::new()?;
    let router = &network.router;
    let mut agent = Agent::start(router, &["-i", "eth3", "--ingress", ingress])?;
    ensure!(!attached(router)?.is_empty(), "ready without a hook");
    agent.signal(Signal::SIGKILL)?;
    agent.ended()?;
    wait_for("the kernel to sever the links", PATIENCE, || {
        Ok(attached(router)?.is_empty().then_some(()))
    })?;
    let (ingress, egress) = both_sides(router)?;
    ensure!(
        ingress.is_empty() && egress.is_empty(),
        "{ingress:?} {egress:?}"
    );
    Ok(())
}

/// A classic filter survives its owner; the next start removes it, and only it.
#[test]
fn killed_with_classic_filters() -> Result<()> {
    let network = Router::new()?;
    let router = &network.router;
    router.run("tc", &["qdisc", "add", "dev", "eth3", "clsact"])?;
    #[rustfmt::skip]
    router.run("tc", &[
        "filter", "add", "dev", "eth3", "ingress", "protocol", "ip", "prio", "7",
        "u32", "match", "ip", "dst", "192.0.2.1/32", "flowid", "1:1",
    ])?;
    let arguments = ["-i", "eth3", "--ingress", "tc"];
    let mut first = Agent::start(router, &arguments)?;
    let fresh = both_sides(router)?;
    ensure!(!fresh.0.is_empty(), "ready without an ingress filter");
    first.signal(Signal::SIGKILL)?;
    first.ended()?;
    ensure!(
        both_sides(router)?.0 == fresh.0,
        "the lab is wrong: the filter died with its owner"
    );

    let mut second = Agent::start(router, &arguments)?;
    let renewed = both_sides(router)?;
    ensure!(
        renewed.0.len() == fresh.0.len() && renewed.1.len() == fresh.1.len(),
        "stale filters stayed: {renewed:?}"
    );
    second.stop()?;
    let (ingress, egress) = both_sides(router)?;
    ensure!(
        ingress.is_empty() && egress.is_empty(),
        "{ingress:?} {egress:?}"
    );
    ensure!(
        has_clsact(router, "eth3")?,
        "the qdisc is gone, and others use it"
    );
    let others = router.run("tc", &["filter", "show", "dev", "eth3", "ingress"])?;
    ensure!(others.contains("u32"), "another's filter is gone: {others}");
    Ok(())
}

fn both_sides(namespace: &Namespace) -> Result<(Vec<String>, Vec<String>)> {
    Ok((
        filters(namespace, "eth3", "ingress")?,
        filters(namespace, "eth3", "egress")?,
    ))
}
