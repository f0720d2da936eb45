//! Nothing is lost silently: each place where a sample can be lost is made to lose
//! some. Its counter shows it, the message counters still hold exactly what was sent,
//! and a verdict formed meanwhile says `loss`.
//!
//! That a sample which cannot be read counts as lost at `decode` is shown where the
//! reader's inputs can be had, in the agent's own test of its capture.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, parse, replay, text, verdicts};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::frame::{Frame, ipv4_header};
use leasehound_tests::link::Link;
use leasehound_tests::matrix::only;
use leasehound_tests::message::{Mac, Message, kind, option};
use leasehound_tests::metrics::Page;
use leasehound_tests::router::{PRIMARY, ROUTER_MAC, Router};
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

const STORM: u32 = 200;

/// The ring is full because nobody reads it; the part reserved for RELEASEs is not.
#[test]
fn a_full_ring() -> Result<()> {
    let lab = Lab::new()?;
    let recording = lab.files.path("recording");
    let recording = recording.to_str().context("path")?;
    let arguments = ["--ring-size", "4", "--record", recording];
    let mut agent = Agent::start(&lab.network.router, &arguments)?;
    let (client, lease) = lab.client(1)?;
    agent.signal(Signal::SIGSTOP)?;
    lab.storm()?;
    client.send(&client.release(lease))?;
    lab.read_by_the_server(lease, 1)?;
    agent.signal(Signal::SIGCONT)?;
    shows(&mut agent, "ring", &[("honoured", lease)])?;
    // A replay knows of the loss too.
    let replayed = replay(&[recording, "--format", "json"])?;
    let again = verdicts(&replayed.events);
    ensure!(again == agent.verdicts(1)?, "replayed: {again:?}");
    Ok(())
}

/// The reader finds more than the channel to the engine holds. The RELEASE that is sent
/// as soon as a counter shows it must know of it, though it is judged at once.
#[test]
fn a_full_channel() -> Result<()> {
    let lab = Lab::new()?;
    let mut agent = Agent::start(&lab.network.router, &["--channel-depth", "8"])?;
    let (client, lease) = lab.client(1)?;
    agent.signal(Signal::SIGSTOP)?;
    lab.storm()?;
    agent.signal(Signal::SIGCONT)?;
    wait_for("samples lost in the channel", PATIENCE, || {
        Ok((lost(&agent.metrics()?, "channel")? > 0).then_some(()))
    })?;
    client.send(&client.release(lease))?;
    shows(&mut agent, "channel", &[("honoured", lease)])
}

/// DISCOVERs spend their budget, RELEASEs have one of their own.
#[test]
fn a_spent_budget() -> Result<()> {
    let lab = Lab::new()?;
    let mut agent = Agent::start(&lab.network.router, &["--sample-rate", "1"])?;
    let mut held = Vec::new();
    for number in 1..=4 {
        held.push(lab.client(number)?);
    }
    lab.storm()?;
    let mut expected = Vec::new();
    for (number, (client, lease)) in held.iter().enumerate() {
        let mut release = client.release(*lease);
        let honoured = number % 2 == 0;
        if !honoured {
            release.message.set(option::SERVER_ID, &PRIMARY.octets());
        }
        client.send(&release)?;
        expected.push((if honoured { "honoured" } else { "ignored" }, *lease));
    }
    shows(&mut agent, "budget", &expected)
}

/// What is no message is counted as such, and is neither a loss nor a release.
#[test]
fn what_cannot_be_decoded() -> Result<()> {
    const SHORT: usize = 7;
    let lab = Lab::new()?;
    let mut agent = Agent::start(&lab.network.router, &[])?;
    let (client, lease) = lab.client(1)?;
    let link = lab.network.client_link()?;
    let damaged = damaged(&client.release(lease))?;
    for _ in 0..SHORT {
        link.send(&damaged)?;
    }
    client.send(&client.release(lease))?;
    let verdicts = agent.verdicts(1)?;
    let [verdict] = &verdicts[..] else {
        anyhow::bail!("{} verdicts", verdicts.len());
    };
    ensure!(text(verdict, "verdict") == "honoured", "{verdict}");
    ensure!(said_loss(verdict) == Some(false), "{verdict}");
    let page = agent.metrics()?;
    let malformed = page.count(
        "leasehound_malformed_messages_total",
        &[r#"interface="eth3""#],
    )?;
    ensure!(malformed == u64::try_from(SHORT)?, "{malformed} malformed");
    let unknown = page.count(
        "leasehound_messages_total",
        &[r#"interface="eth3""#, r#"message_type="unknown""#],
    )?;
    ensure!(unknown == u64::try_from(SHORT)?, "{unknown} unknown");
    balanced(&page)?;
    only(&agent.stop()?, 1)
}

/// A RELEASE of which only the first 100 octets are there, in sound headers.
fn damaged(release: &Frame) -> Result<Vec<u8>> {
    const PAYLOAD: usize = 100;
    let whole = release.encode();
    let (link, payload) = (whole.get(..14), whole.get(42..42 + PAYLOAD));
    let length = u16::try_from(8 + PAYLOAD)?;
    let ports = [release.source_port, release.destination_port, length, 0];
    Ok([
        link.context("frame")?,
        &ipv4_header(release.source, release.destination, 17, 8 + PAYLOAD),
        &ports.map(u16::to_be_bytes).concat(),
        payload.context("frame")?,
    ]
    .concat())
}

struct Lab {
    // Dropped first: it prints its log, which is among the files.
    server: Dnsmasq,
    files: ServerFiles,
    network: Router,
    link: Link,
}

impl Lab {
    fn new() -> Result<Self> {
        let network = Router::new()?;
        let files = ServerFiles::new()?;
        let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
        let link = network.client_link()?;
        Ok(Self {
            server,
            files,
            network,
            link,
        })
    }

    fn client(&self, number: u8) -> Result<(Client, Lease)> {
        let client = Client::new(&self.network, Mac::client(number), None)?;
        let lease = client.obtain()?;
        Ok((client, lease))
    }

    /// DISCOVERs that no server answers, for they come from a relay it has no range for.
    fn storm(&self) -> Result<()> {
        let from = Mac::client(77);
        for xid in 0..STORM {
            let mut discover = Message::request(kind::DISCOVER, xid, from);
            discover.giaddr = [192, 0, 2, 1].into();
            let mut frame = Frame::broadcast(from, discover);
            frame.to = ROUTER_MAC;
            frame.destination = PRIMARY;
            self.link.send(&frame.encode())?;
        }
        Ok(())
    }

    /// Waits until the server has acted on `count` RELEASEs.
    fn read_by_the_server(&self, lease: Lease, count: usize) -> Result<()> {
        let line = format!("DHCPRELEASE(eth3) {}", lease.address);
        wait_for("dnsmasq to read the RELEASE", PATIENCE, || {
            Ok((self.server.log().matches(&line).count() >= count).then_some(()))
        })
    }
}

/// The loss is in its counter and its event, the messages are all counted, and each
/// verdict is right and says `loss`.
fn shows(agent: &mut Agent<'_>, stage: &str, expected: &[(&str, Lease)]) -> Result<()> {
    let verdicts = agent.verdicts(expected.len())?;
    for (said, lease) in expected {
        let address = lease.address.to_string();
        let verdict = verdicts
            .iter()
            .find(|verdict| text(verdict, "address") == address)
            .with_context(|| format!("no verdict on {address}"))?;
        ensure!(text(verdict, "verdict") == *said, "not {said}: {verdict}");
        ensure!(said_loss(verdict) == Some(true), "no loss: {verdict}");
    }
    let page = agent.metrics()?;
    let lost = lost(&page, stage)?;
    ensure!(lost > 0, "no sample lost at {stage}");
    let exact = [
        (
            "discover",
            u64::from(STORM) + u64::try_from(expected.len())?,
        ),
        ("release", u64::try_from(expected.len())?),
    ];
    for (message_type, sent) in exact {
        let message_type = format!("message_type=\"{message_type}\"");
        let counted = page.count(
            "leasehound_messages_total",
            &[
                r#"interface="eth3""#,
                r#"direction="ingress""#,
                &message_type,
            ],
        )?;
        ensure!(counted == sent, "{message_type}: {counted}, sent {sent}");
    }
    let releases = page.count("leasehound_releases_total", &[])?;
    ensure!(releases == exact[1].1, "{releases} releases");
    balanced(&page)?;
    let told = |events: &[Value]| -> u64 {
        let of_stage =
            |event: &&Value| text(event, "kind") == "loss" && text(event, "stage") == stage;
        let count = |event: &Value| event.get("count").and_then(Value::as_u64);
        events.iter().filter(of_stage).filter_map(count).sum()
    };
    wait_for("events that tell of each lost sample", PATIENCE, || {
        Ok((told(&parse(&agent.lines()?)?) == lost).then_some(()))
    })?;
    only(&agent.stop()?, expected.len())
}

fn said_loss(verdict: &Value) -> Option<bool> {
    verdict.get("loss").and_then(Value::as_bool)
}

fn lost(page: &Page, stage: &str) -> Result<u64> {
    page.count(
        "leasehound_samples_lost_total",
        &[&format!("stage=\"{stage}\"")],
    )
}

/// Each message was either sampled or lost before the ring; each release has a verdict.
fn balanced(page: &Page) -> Result<()> {
    let messages = page.count("leasehound_messages_total", &[])?;
    // The hooks that see the whole host count no messages.
    let frames = "hook=\"tcx\"";
    let sampled = page.count("leasehound_samples_total", &[frames])?;
    let lost = |stage: &str| {
        let stage = format!("stage=\"{stage}\"");
        page.count("leasehound_samples_lost_total", &[frames, &stage])
    };
    let lost_early = lost("budget")? + lost("ring")?;
    ensure!(
        messages == sampled + lost_early,
        "{messages} messages, {sampled} sampled, {lost_early} lost"
    );
    let releases = page.count("leasehound_releases_total", &[])?;
    let mut judged = 0;
    for outcome in ["honoured", "ignored", "undetermined"] {
        // A kind of verdict that was never given may have no series.
        let metric = format!("leasehound_releases_{outcome}_total");
        judged += page.count(&metric, &[]).unwrap_or(0);
    }
    ensure!(releases == judged, "{releases} releases, {judged} judged");
    Ok(())
}
