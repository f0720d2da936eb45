//! What dnsmasq's own configuration keeps from its leases: a lease is taken, dnsmasq is started
//! anew with another configuration, and the client gives it back, or wants it extended. The
//! agent hears of the lease from the database only; the lease file is the truth.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::matrix::CLIENT;
use leasehound_tests::router::{PRIMARY, Router, SECONDARY};
use leasehound_tests::scene::ANSWER_DEADLINE;
use leasehound_tests::verdict::evidence;
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;

const PHONES: &str = "--dhcp-vendorclass=set:phone,Cisco";
const FOR_PHONES: &str = "--dhcp-range=tag:phone,172.29.101.100,172.29.101.199,255.255.255.0,1h";
const STATIC_BESIDE: &str = "--dhcp-range=172.29.101.0,static,255.255.255.0";
const PROXY: &str = "--dhcp-range=172.29.101.0,proxy,255.255.255.0";
const ELSEWHERE: &str = "--dhcp-range=10.77.0.10,10.77.0.20,255.255.255.0,1h";

/// A lease that dnsmasq, started anew, has in its file.
struct Scene<'n> {
    _server: Dnsmasq,
    agent: Agent<'n>,
    files: &'n ServerFiles,
    client: Client,
    lease: Lease,
}

impl<'n> Scene<'n> {
    fn new(
        network: &'n Router,
        files: &'n ServerFiles,
        first: &[&str],
        then: &[&str],
    ) -> Result<Self> {
        let before = Dnsmasq::start(&network.router, files, first)?;
        let client = Client::new(network, CLIENT, None)?.of_class(b"Cisco Systems");
        let lease = client.obtain()?;
        before.stop()?;
        let server = Dnsmasq::start(&network.router, files, then)?;
        let agent = Agent::start(&network.router, &["--answer-deadline", ANSWER_DEADLINE])?;
        agent.knows(server.id())?;
        Ok(Self {
            _server: server,
            agent,
            files,
            client,
            lease,
        })
    }

    fn release(&self) -> Result<Value> {
        self.client.send(&self.client.release(self.lease))?;
        self.verdict()
    }

    fn verdict(&self) -> Result<Value> {
        let verdicts = self.agent.verdicts(1)?;
        verdicts.into_iter().next().context("no verdict")
    }

    fn renew(&self) -> Result<Value> {
        self.client.send(&self.client.renew(self.lease))?;
        let verdicts = self.agent.request_verdicts("renewing", 1)?;
        verdicts.into_iter().next().context("no verdict")
    }

    fn holds(&self) -> Result<bool> {
        self.files.holds(CLIENT, self.lease.address)
    }
}

fn ignored(scene: &Scene<'_>, cause: &str, says: &str) -> Result<()> {
    let verdict = scene.release()?;
    ensure!(
        scene.holds()?,
        "the lab is wrong about dnsmasq: the lease is gone"
    );
    let said = ["verdict", "cause", "certainty"].map(|field| text(&verdict, field));
    ensure!(said == ["ignored", cause, "observed"], "{verdict:#}");
    let configured = evidence(&verdict, "server_configuration");
    ensure!(configured.contains(says), "{configured}");
    ensure!(
        text(&verdict, "delivery") == "expected_daemon",
        "{verdict:#}"
    );
    Ok(())
}

fn unanswered(scene: &Scene<'_>, cause: &str) -> Result<()> {
    let verdict = scene.renew()?;
    let said = ["verdict", "cause"].map(|field| text(&verdict, field));
    ensure!(said == ["unanswered", cause], "{verdict:#}");
    Ok(())
}

fn kept_out(then: &[&str], cause: &str, says: &str) -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let scene = Scene::new(&network, &files, &[POOL], then)?;
    unanswered(&scene, cause)?;
    ignored(&scene, cause, says)
}

#[test]
fn the_interface_is_not_named() -> Result<()> {
    let says = "neither interface= nor listen-address= has eth3";
    kept_out(
        &[POOL, "--listen-address=127.0.0.1"],
        "interface_not_served",
        says,
    )
}

#[test]
fn the_interface_is_excepted() -> Result<()> {
    let says = "except-interface names eth3";
    kept_out(
        &[POOL, "--except-interface=eth3"],
        "interface_not_served",
        says,
    )
}

#[test]
fn the_interface_is_without_dhcp() -> Result<()> {
    let says = "no-dhcp-interface names eth3";
    kept_out(
        &[POOL, "--no-dhcp-interface=eth3"],
        "interface_not_served",
        says,
    )
}

#[test]
fn there_is_no_range_for_it() -> Result<()> {
    kept_out(
        &[ELSEWHERE],
        "no_matching_range",
        "no dhcp-range has 172.29.101.",
    )
}

#[test]
fn the_first_range_is_a_proxy() -> Result<()> {
    kept_out(
        &[PROXY, POOL],
        "proxy_dhcp_only",
        "makes it a proxy on eth3",
    )
}

#[test]
fn a_proxy_behind_a_range_keeps_nothing_out() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let scene = Scene::new(&network, &files, &[POOL], &[POOL, PROXY])?;
    let verdict = scene.release()?;
    ensure!(
        !scene.holds()?,
        "the lab is wrong about dnsmasq: the lease is there"
    );
    ensure!(text(&verdict, "verdict") == "honoured", "{verdict:#}");
    Ok(())
}

#[test]
fn the_interface_is_relayed() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let relay = ["--dhcp-relay=172.29.101.245,10.77.0.9", POOL];
    let scene = Scene::new(&network, &files, &[POOL], &relay)?;
    ignored(
        &scene,
        "interface_relayed",
        "dhcp-relay passes on what comes in on eth3",
    )
}

#[test]
fn a_range_that_only_a_tag_leads_to() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let tagged = [PHONES, FOR_PHONES];
    let scene = Scene::new(&network, &files, &tagged, &tagged)?;
    ignored(
        &scene,
        "no_matching_range",
        "the tag phone, which comes from option 60",
    )
}

/// The remedy.
#[test]
fn an_untagged_range_beside_it_lets_the_release_in() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let scene = Scene::new(
        &network,
        &files,
        &[PHONES, FOR_PHONES],
        &[PHONES, FOR_PHONES, STATIC_BESIDE],
    )?;
    let verdict = scene.release()?;
    ensure!(
        !scene.holds()?,
        "the lab is wrong about dnsmasq: the lease is there"
    );
    ensure!(text(&verdict, "verdict") == "honoured", "{verdict:#}");
    Ok(())
}

#[test]
fn the_id_is_known_before_any_reply_was_heard() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let served = [LISTEN_ON_SECONDARY, POOL];
    let mut scene = Scene::new(&network, &files, &served, &served)?;
    scene.lease.server_id = PRIMARY;
    ignored(
        &scene,
        "server_id_other_local_address",
        "it goes by 172.29.101.1 on eth3",
    )?;
    scene.lease.server_id = SECONDARY;
    scene.client.send(&scene.client.release(scene.lease))?;
    let verdicts = scene.agent.verdicts(2)?;
    let last = verdicts.last().context("no verdict")?;
    ensure!(
        !scene.holds()?,
        "the lab is wrong about dnsmasq: the lease is there"
    );
    ensure!(text(last, "verdict") == "honoured", "{last:#}");
    Ok(())
}

#[test]
fn a_configuration_that_was_changed_since_says_nothing() -> Result<()> {
    let (network, files) = (Router::new()?, ServerFiles::new()?);
    let path = files.path("lab.conf");
    std::fs::write(&path, "listen-address=127.0.0.1,172.29.101.1\n")?;
    let argument = format!("--conf-file={}", path.display());
    let served = [argument.as_str(), POOL];
    let before = Dnsmasq::start(&network.router, &files, &served)?;
    let client = Client::new(&network, CLIENT, None)?;
    let mut lease = client.obtain()?;
    before.stop()?;
    let server = Dnsmasq::start(&network.router, &files, &served)?;
    // Later than the process's start, by more than that is known to.
    let started = std::fs::metadata(format!("/proc/{}", server.id()))?.modified()?;
    wait_for("a later time to write at", PATIENCE, || {
        std::fs::write(&path, "interface=eth3\n")?;
        let written = std::fs::metadata(&path)?.modified()?;
        let later = written
            .duration_since(started)
            .is_ok_and(|by| by.as_millis() > 200);
        Ok(later.then_some(()))
    })?;
    let agent = Agent::start(&network.router, &[])?;
    agent.knows(server.id())?;
    lease.server_id = PRIMARY;
    client.send(&client.release(lease))?;
    let verdicts = agent.verdicts(1)?;
    let verdict = verdicts.first().context("no verdict")?;
    ensure!(
        files.holds(CLIENT, lease.address)?,
        "the lab is wrong about dnsmasq"
    );
    let said = ["verdict", "missing"].map(|field| text(verdict, field));
    ensure!(said == ["undetermined", "server_id"], "{verdict:#}");
    Ok(())
}
