//! One row of the drops: a message that something keeps from the server, what the kernel
//! and the server really do, and what the agent says.

use crate::agent::{Agent, parse, text};
use crate::client::Client;
use crate::counters::Counter;
use crate::frame::Frame;
use crate::matrix::{CLIENT, LATECOMER};
use crate::renewal::{Ear, Icmp, renewal};
use crate::router::Router;
use crate::scene::{Scene, truth};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Which message the row sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// DHCPRELEASE
    Release,
    /// DHCPREQUEST by a client with an address, sent as the row says.
    Renewal,
}

/// Where the kernel itself counts the packet that the row loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// One of its counters.
    Counter(Counter),
    /// The rule of the row's firewall.
    Firewall,
    /// Nowhere in this namespace.
    None,
}

/// What the agent has to know of the drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The kernel's reason, in the evidence of the verdict and counted.
    InVerdict(&'static str),
    /// Counted, but too late for a verdict.
    Late(&'static str),
    /// None: the packet was not dropped, or in a way that healthy networks know too.
    None,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// dnsmasq's arguments.
    pub server: &'static [&'static str],
    /// Puts something in the way; the lease is granted by then.
    pub obstruct: fn(&mut Scene<'_>) -> Result<()>,
    /// What is done to a proper message.
    pub bend: fn(&mut Frame),
    /// Takes away what was in the way.
    pub clear: fn(&mut Scene<'_>) -> Result<()>,
    /// Who knows that it was lost.
    pub witness: Witness,
    /// The kernel's reason.
    pub reason: Reason,
    /// The ICMP error that the client gets.
    pub icmp: Option<Icmp>,
    /// Where the messages go to, by `leasehound_deliveries_total`; none if not judged here.
    pub outcome: Option<&'static str>,
    /// The client's state that a REQUEST of this row shows.
    pub state: &'static str,
    /// The cause.
    pub cause: &'static str,
}

/// Runs a row. The kernel's counters, the client's end and the lease file are looked at
/// first, so that a row that is itself wrong says so whatever the agent thinks.
pub fn check(attempt: Attempt, row: &Row) -> Result<()> {
    let network = Router::new()?;
    let mut scene = Scene::new(&network, row.server)?;
    (row.obstruct)(&mut scene)?;
    let mut frame = match attempt {
        Attempt::Release => scene.client.release(scene.lease),
        Attempt::Renewal => renewal(&scene.client, scene.lease),
    };
    (row.bend)(&mut frame);
    let mut ear = Ear::open(&network)?;
    let before = count(&scene, row.witness)?;
    scene.client.send(&frame)?;
    lost(&scene, row.witness, before)?;
    if let Some(icmp) = row.icmp {
        ear.until_error(frame.source, icmp)?;
    }
    (row.clear)(&mut scene)?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ear.until_acknowledged(LATECOMER)?;
    unheard(&scene, &ear, &frame, row)?;
    eprintln!("--- the kernel and the server do as expected");

    let Scene {
        mut agent, lease, ..
    } = scene;
    let agent = agent
        .as_mut()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let verdict = verdict_on(agent, frame.message.xid)?;
    let word = match attempt {
        Attempt::Release => "ignored",
        Attempt::Renewal => "unanswered",
    };
    ensure!(text(&verdict, "verdict") == word, "not {word}: {verdict}");
    if attempt == Attempt::Renewal {
        ensure!(
            text(&verdict, "state") == row.state,
            "not {}: {verdict}",
            row.state
        );
    }
    ensure!(
        text(&verdict, "cause") == row.cause,
        "not for {}: {verdict}",
        row.cause
    );
    ensure!(
        text(&verdict, "address") == lease.address.to_string(),
        "{verdict}"
    );
    told(agent, &verdict, row)?;
    only_one_alarm(agent)
}

/// The kernel's word for the drop, the ICMP error, and the counters.
fn told(agent: &Agent<'_>, verdict: &Value, row: &Row) -> Result<()> {
    if let Reason::InVerdict(reason) = row.reason {
        ensure!(
            evidence(verdict, "kernel_drop").contains(reason),
            "no {reason}: {verdict}"
        );
    }
    if let (Some(Icmp::PortUnreachable), Reason::InVerdict(_)) = (row.icmp, row.reason) {
        let says = evidence(verdict, "icmp");
        ensure!(says.contains("port unreachable"), "no ICMP: {verdict}");
    }
    if row.icmp.is_none() {
        ensure!(
            evidence(verdict, "icmp").is_empty(),
            "ICMP of its own: {verdict}"
        );
    }
    if let Reason::InVerdict(reason) | Reason::Late(reason) = row.reason {
        let label = format!("reason=\"{}\"", reason.to_lowercase());
        counted(agent, "leasehound_kernel_drops_total", &label)?;
    }
    if let Some(outcome) = row.outcome {
        let label = format!("outcome=\"{outcome}\"");
        counted(agent, "leasehound_deliveries_total", &label)?;
    }
    Ok(())
}

fn counted(agent: &Agent<'_>, metric: &str, label: &str) -> Result<()> {
    wait_for(&format!("{metric} with {label} to be 1"), PATIENCE, || {
        Ok((agent.metrics()?.count(metric, &[label])? == 1).then_some(()))
    })
}

fn count(scene: &Scene<'_>, witness: Witness) -> Result<u64> {
    match witness {
        Witness::Counter(counter) => counter.read(&scene.network.router),
        Witness::Firewall => scene.firewalled(),
        Witness::None => Ok(0),
    }
}

/// Waits for the kernel to count the loss.
fn lost(scene: &Scene<'_>, witness: Witness, before: u64) -> Result<()> {
    if witness == Witness::None {
        return Ok(());
    }
    let now = wait_for(
        &format!("the kernel to count it as {witness:?}"),
        PATIENCE,
        || {
            let now = count(scene, witness)?;
            Ok((now != before).then_some(now))
        },
    )?;
    truth(now == before + 1, || {
        format!("{witness:?} went from {before} to {now}")
    })
}

/// Whether the server never acted on the message, and the client heard no more than this.
fn unheard(scene: &Scene<'_>, ear: &Ear, frame: &Frame, row: &Row) -> Result<()> {
    let answers = ear.answers(frame.message.xid);
    truth(answers.is_empty(), || {
        format!("answers of type {answers:?}")
    })?;
    let errors = ear.errors(frame.source);
    truth(row.icmp.is_some() || errors.is_empty(), || {
        format!("ICMP: {errors:?}")
    })?;
    let held = scene.files.holds(CLIENT, scene.lease.address)?;
    truth(held, || "the lease is gone".to_owned())
}

/// The verdict on the message with this transaction id, waited for.
pub fn verdict_on(agent: &Agent<'_>, xid: u32) -> Result<Value> {
    let xid = format!("{xid:08x}");
    wait_for("the agent's verdict", PATIENCE, || {
        let events = parse(&agent.lines()?)?;
        let ours = |event: &&Value| {
            text(event, "kind") == "verdict" && text(event, "transaction_id") == xid
        };
        Ok(events.iter().find(ours).cloned())
    })
}

/// Whether a verdict says that a REQUEST got its ACK.
fn answered(event: &Value) -> bool {
    text(event, "verdict") == "answered"
}

/// Stops the agent: nothing but the one message was ignored, unanswered or undetermined.
fn only_one_alarm(agent: &mut Agent<'_>) -> Result<()> {
    let stopped = agent.stop()?;
    let bad: Vec<&Value> = stopped
        .events
        .iter()
        .filter(|event| text(event, "kind") == "verdict")
        .filter(|event| !answered(event) && text(event, "verdict") != "honoured")
        .collect();
    ensure!(bad.len() == 1, "{} messages were lost: {bad:#?}", bad.len());
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}

/// What the evidence from one source says; empty if there is none.
pub fn evidence(verdict: &Value, source: &str) -> String {
    let all = verdict.get("evidence").and_then(Value::as_array);
    let of_it = |item: &&Value| text(item, "source") == source;
    let says = all.into_iter().flatten().filter(of_it);
    let says: Vec<&str> = says.map(|item| text(item, "says")).collect();
    says.join("; ")
}

/// An ACK that never leaves the router: the server renewed the lease, the client does not
/// know.
pub fn reply_lost() -> Result<()> {
    use crate::dnsmasq::{LISTEN_ON_SECONDARY, POOL};
    use crate::firewall::Place;
    use crate::renewal::expiry;
    /// Shorter than the pool's hour: the new lease is told from the old one without a clock.
    const TEN_MINUTES: u32 = 600;
    /// IP Address Lease Time (RFC 2132 §9.2)
    const LEASE_TIME: u8 = 51;

    let network = Router::new()?;
    let mut scene = Scene::new(&network, &[LISTEN_ON_SECONDARY, POOL])?;
    let lease_file = || std::fs::read_to_string(scene.files.lease_file()).context("lease file");
    let until = expiry(&lease_file()?, scene.lease.address)?;
    scene.firewall(Place::Output, "udp sport 67")?;
    let mut frame = renewal(&scene.client, scene.lease);
    frame.message.set(LEASE_TIME, &TEN_MINUTES.to_be_bytes());
    let mut ear = Ear::open(&network)?;
    scene.client.send(&frame)?;
    lost(&scene, Witness::Firewall, 0)?;
    scene.lift_firewall()?;
    Client::new(&network, LATECOMER, None)?.obtain()?;
    ear.until_acknowledged(LATECOMER)?;
    let answers = ear.answers(frame.message.xid);
    truth(answers.is_empty(), || {
        format!("answers of type {answers:?}")
    })?;
    let file = std::fs::read_to_string(scene.files.lease_file()).context("lease file")?;
    let now_until = expiry(&file, scene.lease.address)?;
    truth(now_until < until, || {
        format!("the lease was not renewed: {file}")
    })?;
    eprintln!("--- the kernel and the server do as expected");

    let agent = scene
        .agent
        .as_mut()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let verdict = verdict_on(agent, frame.message.xid)?;
    let said = (text(&verdict, "verdict"), text(&verdict, "cause"));
    ensure!(said == ("unanswered", "reply_lost"), "{verdict}");
    ensure!(
        evidence(&verdict, "kernel_drop").contains("NETFILTER_DROP"),
        "{verdict}"
    );
    counted(
        agent,
        "leasehound_kernel_drops_total",
        "reason=\"netfilter_drop\"",
    )?;
    only_one_alarm(agent)
}
