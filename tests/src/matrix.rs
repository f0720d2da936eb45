//! One row of a matrix: a RELEASE or DECLINE, bent in one way, what a real server does with
//! it, and what the agent says.

use crate::agent::{Agent, Stopped, text, verdicts};
use crate::client::{Client, Lease};
use crate::dnsmasq::ServerFiles;
use crate::frame::Frame;
use crate::message::Mac;
use crate::metrics::Page;
use crate::program::{Program, Server};
use crate::router::Router;
use crate::verdict::evidence;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::Ipv4Addr;

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
    /// The lease is still there, and why can't be seen.
    Kept,
    /// It ends the other client's lease, which it names.
    EndsOther,
}

/// What a row has to bend its message with.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// Another client's lease.
    pub bystander: Lease,
    /// The address of the router that the server does not go by.
    pub other_address: Ipv4Addr,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// Which message.
    pub kind: Kind,
    /// Option 61 with which the lease was taken.
    pub client_id: Option<&'static [u8]>,
    /// What is done to a proper message.
    pub bend: fn(&mut Frame, Scene),
}

/// Runs a row against a server. dnsmasq serves on the secondary address, as do all that can
/// be told to.
///
/// The server's books are looked at first, so that a row that is itself wrong about the server
/// says so whatever the agent thinks.
pub fn check(row: &Row, program: Program, expected: Expected) -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Server::start(program, &network, &files)?;
    let agent = Agent::start(&network.router, &[]);
    let client = Client::new(&network, CLIENT, row.client_id)?;
    let lease = program.obtain(&client)?;
    let own = program.id();
    ensure!(
        lease.server_id == own,
        "the server's id is {}",
        lease.server_id
    );
    let scene = Scene {
        bystander: program.obtain(&Client::new(&network, BYSTANDER, None)?)?,
        other_address: program.other_address(),
    };
    let mut frame = match row.kind {
        Kind::Release => client.release(lease),
        Kind::Decline => client.decline(lease),
    };
    (row.bend)(&mut frame, scene);
    client.send(&frame)?;
    program.obtain(&Client::new(&network, LATECOMER, None)?)?;

    let held = server.holds(&network, &files, CLIENT, lease.address)?;
    ensure!(
        held == (expected != Expected::Honoured),
        "{program:?} does otherwise: expected {expected:?}, the lease is {}",
        if held { "still there" } else { "gone" }
    );
    let other = server.holds(&network, &files, BYSTANDER, scene.bystander.address)?;
    ensure!(
        other == (expected != Expected::EndsOther),
        "{program:?} does otherwise: expected {expected:?}, the other lease is there: {other}"
    );
    eprintln!("--- the server does as expected");

    let mut agent = agent?;
    let [verdict] = agent
        .verdicts(1)?
        .try_into()
        .ok()
        .context("more than one verdict")?;
    says(&verdict, program, expected)?;
    if program.shows_releases() {
        counted(&agent.metrics()?, row, expected)?;
    }
    only(&agent.stop()?, 1)
}

/// Whether a verdict says what is expected, of the server that it is about: where the
/// database does not show it, it says so.
pub fn says(verdict: &Value, program: Program, expected: Expected) -> Result<()> {
    let kind = verdict.pointer("/server/kind").and_then(Value::as_str);
    ensure!(kind == Some(program.word()), "wrong server: {verdict}");
    if let (false, Expected::Honoured | Expected::Kept) = (program.shows_releases(), expected) {
        let said = (text(verdict, "verdict"), text(verdict, "missing"));
        ensure!(
            said.0 == "undetermined" && UNSEEN.contains(&said.1),
            "more than can be known: {verdict}"
        );
        return Ok(());
    }
    if let (false, Expected::Ignored(_)) = (program.shows_releases(), expected) {
        let seen = !evidence(verdict, "kernel_drop").is_empty();
        let inferred = text(verdict, "certainty") == "inferred";
        ensure!(inferred || seen, "as if it had been seen: {verdict}");
    }
    agrees(verdict, expected)
}

/// What is missing where a server's database does not show releases: there is none, or it is
/// another than the one that the server goes by.
const UNSEEN: [&str; 2] = ["lease_database", "database_not_live"];

/// Whether the counters say the same as the verdict.
fn counted(page: &Page, row: &Row, expected: Expected) -> Result<()> {
    let plural = match row.kind {
        Kind::Release => "releases",
        Kind::Decline => "declines",
    };
    let total = page.count(&format!("leasehound_{plural}_total"), &[])?;
    let ignored = format!("leasehound_{plural}_ignored_total");
    let all_ignored = page.count(&ignored, &[])?;
    ensure!(total == 1, "{total} {plural} counted");
    match expected {
        Expected::Honoured | Expected::EndsOther | Expected::Kept => {
            ensure!(all_ignored == 0, "{all_ignored} ignored counted");
        }
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
        Expected::Honoured | Expected::EndsOther => {
            ensure!(said == ("honoured", ""), "not honoured: {verdict}");
        }
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
        Expected::Kept => ensure!(
            said == ("undetermined", ""),
            "more than can be known: {verdict}"
        ),
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

/// One module for each row, one test in it for each server, in the order of the columns.
/// `|frame|` or `|frame, scene|` bends a proper message.
#[macro_export]
macro_rules! matrix_rows {
    ($kind:ident: $($name:ident $(($id:expr))? : |$frame:ident $(, $scene:ident)?| $bend:block
        => $dnsmasq:expr, $dhcpd:expr, $kea_raw:expr, $kea_udp:expr, $udhcpd:expr, $networkd:expr;)*) => {$(
        mod $name {
            use super::*;
            use $crate::kea::Sockets;
            use $crate::matrix::{Kind, Row, check};
            use $crate::program::Program;

            const fn row() -> Row {
                #[allow(unused_mut, unused_assignments, reason = "a row may name a client-id")]
                let mut client_id: Option<&'static [u8]> = None;
                $(client_id = Some($id);)?
                Row {
                    kind: Kind::$kind,
                    client_id,
                    bend: |$frame, _scene| {
                        $(let $scene = _scene;)?
                        $bend
                    },
                }
            }

            #[test]
            fn dnsmasq() -> anyhow::Result<()> {
                check(&row(), Program::Dnsmasq, $dnsmasq)
            }

            #[test]
            fn dhcpd() -> anyhow::Result<()> {
                check(&row(), Program::Dhcpd, $dhcpd)
            }

            #[test]
            fn kea_raw() -> anyhow::Result<()> {
                check(&row(), Program::Kea(Sockets::Raw), $kea_raw)
            }

            #[test]
            fn kea_udp() -> anyhow::Result<()> {
                check(&row(), Program::Kea(Sockets::Udp), $kea_udp)
            }

            #[test]
            fn udhcpd() -> anyhow::Result<()> {
                check(&row(), Program::Udhcpd, $udhcpd)
            }

            #[test]
            fn networkd() -> anyhow::Result<()> {
                check(&row(), Program::Networkd, $networkd)
            }
        }
    )*};
}
