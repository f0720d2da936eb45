//! One row of the drops: a message that something keeps from the server, what the kernel
//! and the server really do, and what the agent says.

use crate::agent::{Agent, text};
use crate::client::Client;
use crate::counters::Counter;
use crate::ear::{Ear, Icmp};
use crate::frame::Frame;
use crate::matrix::{CLIENT, LATECOMER};
use crate::router::Router;
use crate::scene::{Scene, truth};
use crate::verdict::{counted, evidence, only_one_alarm, verdict_on};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Result, ensure};
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
    /// The same, but other packets fell to it too.
    Amid(&'static str),
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
        Attempt::Renewal => scene.client.renew(scene.lease),
    };
    (row.bend)(&mut frame);
    let mut ear = Ear::open(&network)?;
    let before = count(&scene, row.witness)?;
    scene.client.send(&frame)?;
    lost(&scene, row.witness, before)?;
    if let Some(icmp) = row.icmp {
        ear.until_error(frame.source, icmp)?;
    }
    // The obstacle stands until the agent has judged: it has to name what was in the way.
    let verdict = match &scene.agent {
        Ok(agent) => verdict_on(agent, frame.message.xid),
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
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
    let verdict = verdict?;
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
    if let Reason::InVerdict(reason) | Reason::Amid(reason) = row.reason {
        let drop = evidence(verdict, "kernel_drop");
        ensure!(drop.contains(reason), "no {reason}: {verdict}");
    }
    let icmp = evidence(verdict, "icmp");
    match row.icmp {
        None => ensure!(icmp.is_empty(), "ICMP of its own: {verdict}"),
        Some(Icmp::PortUnreachable) => {
            ensure!(icmp.contains("port unreachable"), "no ICMP: {verdict}");
        }
        // A redirect is no error, and the host is found unreachable after the verdict.
        Some(_) => {}
    }
    let drops = |reason: &str, wanted: fn(u64) -> bool| {
        let label = format!("reason=\"{}\"", reason.to_lowercase());
        counted(agent, "leasehound_kernel_drops_total", &label, wanted)
    };
    match row.reason {
        Reason::InVerdict(reason) | Reason::Late(reason) => drops(reason, |count| count == 1)?,
        Reason::Amid(reason) => drops(reason, |count| count >= 1)?,
        Reason::None => {}
    }
    if let Some(outcome) = row.outcome {
        let label = format!("outcome=\"{outcome}\"");
        counted(agent, "leasehound_deliveries_total", &label, |count| {
            count == 1
        })?;
    }
    Ok(())
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
