//! Two DHCP servers on one host, each for a bridge of its own: where a unicast goes is
//! decided by how the two opened their sockets. First what really happens to every RENEW,
//! REBIND and RELEASE, then what the agent says of it.

mod lab;
mod words;

use crate::agent::{Agent, findings};
use crate::netns::Namespace;
use anyhow::{Context, Result, ensure};
pub use lab::{Arrives, Daemon, Kind, Lab, Outcome, Step};
use std::net::Ipv4Addr;
pub use words::{agrees, found};

/// The agent's flags: it gives an answer up sooner than it would by itself.
pub const FLAGS: [&str; 2] = ["--answer-deadline", "1.5"];

/// Two servers, in the order of their start, and what comes of it.
#[derive(Debug)]
pub struct Row {
    /// How the servers of br100 and br101 open their sockets.
    pub kinds: [Kind; 2],
    /// Which unicasts reach the right one of them.
    pub arrives: [Arrives; 2],
    /// The finding that the agent has before there is any packet.
    pub warning: Option<&'static str>,
}

/// Runs a row: the truth is looked at first, so that a row that is itself wrong says so
/// whatever the agent thinks.
pub fn check(row: &Row) -> Result<()> {
    let router = Namespace::new("router")?;
    let mut lab = Lab::start(&router, row.kinds)?;
    let databases = lab.databases()?;
    let flags: Vec<&str> = FLAGS
        .into_iter()
        .chain(databases.iter().map(String::as_str))
        .collect();
    let agent = Agent::start(&router, &flags);
    let warned = listen(&agent, |agent| {
        row.warning.map(|name| agent.findings(name)).transpose()
    });
    lab.obtain_all()?;

    let renewed = lab.renew_all()?;
    as_expected(row, &renewed)?;
    let count = renewed.len();
    let renewals = listen(&agent, |agent| agent.request_verdicts("renewing", count));
    let rebound = lab.rebind_all()?;
    ensure!(
        rebound.iter().all(|outcome| outcome.arrived),
        "a broadcast went astray: {rebound:?}"
    );
    let rebinds = listen(&agent, |agent| agent.request_verdicts("rebinding", count));
    let released = lab.release_all()?;
    as_expected(row, &released)?;
    for (renewal, release) in renewed.iter().zip(&released) {
        ensure!(
            renewal.arrived == release.arrived,
            "not one way for one client: {renewal:?} {release:?}"
        );
    }

    let mut agent = agent?;
    agrees(&lab, &renewed, &heard(renewals)?)?;
    agrees(&lab, &rebound, &heard(rebinds)?)?;
    agrees(&lab, &released, &agent.verdicts(count)?)?;
    let unicasts = [renewed, released].concat();
    if unicasts.iter().any(|outcome| !outcome.arrived) {
        agent.findings("unicasts_to_wrong_daemon")?;
    }
    if let Some(before) = heard(warned)? {
        ensure!(!before.is_empty(), "no warning before the first packet");
    }
    let stopped = agent.stop()?;
    words::whole(&stopped, count)?;
    found(&lab, &findings(&stopped.events), &unicasts, row.warning)
}

/// Asks the agent while the lab goes on; what it says is looked at after the truth.
pub fn listen<'n, T>(
    agent: &Result<Agent<'n>>,
    ask: impl FnOnce(&Agent<'n>) -> Result<T>,
) -> Option<Result<T>> {
    agent.as_ref().ok().map(ask)
}

/// What [`listen`] heard.
pub fn heard<T>(said: Option<Result<T>>) -> Result<T> {
    said.context("the agent did not start")?
}

/// Whether what happened is what the row says.
pub fn as_expected(row: &Row, outcomes: &[Outcome]) -> Result<()> {
    let of = |index: usize| outcomes.iter().filter(move |outcome| outcome.home == index);
    let missed = |outcome: &&Outcome| !outcome.arrived;
    for (index, arrives) in row.arrives.into_iter().enumerate() {
        let astray: Vec<Ipv4Addr> = of(index).filter(missed).map(|one| one.address).collect();
        let all = of(index).count();
        let right = match arrives {
            Arrives::Always => astray.is_empty(),
            Arrives::Never => astray.len() == all,
            Arrives::ByChance => true,
        };
        ensure!(
            right,
            "br10{index}: {} of {all} astray: {astray:?}",
            astray.len()
        );
    }
    if row.arrives.contains(&Arrives::ByChance) {
        let astray = outcomes.iter().filter(missed).count();
        ensure!(
            astray > 0 && astray < outcomes.len(),
            "no lottery: {astray} of {} astray",
            outcomes.len()
        );
    }
    Ok(())
}
