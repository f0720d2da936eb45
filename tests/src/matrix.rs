//! One row of the matrix: a RELEASE or DECLINE, bent in one way, what dnsmasq really
//! does with it, and what the agent says.

use crate::agent::{Agent, Stopped, text, verdicts};
use crate::client::{Client, Lease};
use crate::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use crate::frame::Frame;
use crate::message::Mac;
use crate::metrics::Page;
use crate::router::{Router, SECONDARY};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The client whose lease is at stake.
pub const CLIENT: Mac = Mac::client(1);
/// A client with a lease that must outlive every row.
pub const BYSTANDER: Mac = Mac::client(2);
/// A client that asks afterwards: its ACK proves that the server has read, and acted
/// on, whatever came before.
pub const LATECOMER: Mac = Mac::client(3);

/// Which message the row sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// DHCPRELEASE
    Release,
    /// DHCPDECLINE
    Decline,
}

/// What the server does, and so what the agent has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The lease is gone.
    Honoured,
    /// The lease is still there, for this cause.
    Ignored(&'static str),
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// Which message.
    pub kind: Kind,
    /// Option 61 with which the lease was taken.
    pub client_id: Option<&'static [u8]>,
    /// What is done to a proper message; the second lease is the bystander's.
    pub bend: fn(&mut Frame, Lease),
    /// What comes of it.
    pub expected: Expected,
}

/// Runs a row against a dnsmasq that serves on the secondary address.
///
/// The lease file is looked at first, so that a row that is itself wrong about dnsmasq
/// says so whatever the agent thinks.
pub fn check(row: &Row) -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let _server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let agent = Agent::start(&network.router, &[]);
    let client = Client::new(&network, CLIENT, row.client_id)?;
    let lease = client.obtain()?;
    ensure!(
        lease.server_id == SECONDARY,
        "the server's id is {}",
        lease.server_id
    );
    let bystander = Client::new(&network, BYSTANDER, None)?.obtain()?;
    let mut frame = match row.kind {
        Kind::Release => client.release(lease),
        Kind::Decline => client.decline(lease),
    };
    (row.bend)(&mut frame, bystander);
    client.send(&frame)?;
    Client::new(&network, LATECOMER, None)?.obtain()?;

    let held = files.holds(CLIENT, lease.address)?;
    let expected = row.expected;
    ensure!(
        held == (expected != Expected::Honoured),
        "dnsmasq does otherwise: expected {expected:?}, the lease is {}",
        if held { "still there" } else { "gone" }
    );
    ensure!(
        files.holds(BYSTANDER, bystander.address)?,
        "another client's lease is gone"
    );

    let mut agent = agent?;
    let [verdict] = agent
        .verdicts(1)?
        .try_into()
        .ok()
        .context("more than one verdict")?;
    agrees(&verdict, expected)?;
    counted(&agent.metrics()?, row)?;
    only(&agent.stop()?, 1)
}

/// Whether the counters say the same as the verdict.
fn counted(page: &Page, row: &Row) -> Result<()> {
    let plural = match row.kind {
        Kind::Release => "releases",
        Kind::Decline => "declines",
    };
    let total = page.count(&format!("leasehound_{plural}_total"), &[])?;
    let ignored = format!("leasehound_{plural}_ignored_total");
    let all_ignored = page.count(&ignored, &[])?;
    ensure!(total == 1, "{total} {plural} counted");
    match row.expected {
        Expected::Honoured => ensure!(all_ignored == 0, "{all_ignored} ignored counted"),
        Expected::Ignored(cause) => {
            let for_cause = page.count(&ignored, &[&format!("cause=\"{cause}\"")])?;
            ensure!(
                (all_ignored, for_cause) == (1, 1),
                "{for_cause} of {all_ignored} for {cause}"
            );
        }
    }
    // A scrape before the first ignored one must have shown the others at 0.
    for cause in ["server_id_other_local_address", "lease_absent"] {
        page.count(&ignored, &[&format!("cause=\"{cause}\"")])?;
    }
    Ok(())
}

/// Whether a verdict says what is expected.
pub fn agrees(verdict: &Value, expected: Expected) -> Result<()> {
    let said = (text(verdict, "verdict"), text(verdict, "cause"));
    match expected {
        Expected::Honoured => ensure!(said == ("honoured", ""), "not honoured: {verdict}"),
        Expected::Ignored(cause) => {
            ensure!(
                said == ("ignored", cause),
                "not ignored for {cause}: {verdict}"
            );
            let alarm = verdict.get("alarm").and_then(Value::as_bool);
            ensure!(
                alarm == Some(cause != "lease_absent"),
                "wrong alarm: {verdict}"
            );
        }
    }
    ensure!(
        verdict.get("loss").and_then(Value::as_bool) == Some(false),
        "loss: {verdict}"
    );
    Ok(())
}

/// Whether a stopped agent gave `count` verdicts, no more, and went in peace.
pub fn only(stopped: &Stopped, count: usize) -> Result<()> {
    let given = verdicts(&stopped.events);
    ensure!(
        given.len() == count,
        "{} verdicts instead of {count}",
        given.len()
    );
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}
