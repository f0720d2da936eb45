//! `cargo xtask demo`: Apache CloudStack issue 10182 on a throw-away router. Its virtual
//! router gives back leases by `dhcp_release`, dnsmasq never lets go, and nobody says so
//! but leasehound.

mod agent;
mod event;
mod router;
mod story;

use crate::interrupt::Interrupt;
use crate::lab::Scratch;
use crate::project::{Profile, Project};
use crate::setup::{self, Need};
use crate::testing;
use agent::Agent;
use anyhow::Result;
use event::Event;
use router::Router;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use story::Story;

/// dnsmasq answers within milliseconds and the agent's verdict falls within a second or
/// two; the rest is for slow machines.
const VERDICT: Duration = Duration::from_secs(20);

/// What follows `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A built `leasehound` to watch with, instead of building one
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The story as a person reads it
    Text,
    /// leasehound's events, one JSON object a line
    Json,
}

/// Succeeds only if the verdict is the right one.
pub(crate) fn demo(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    testing::require_labs()?;
    let binary = if let Some(path) = &arguments.agent {
        setup::ensure(project, &[Need::Demo])?;
        path.clone()
    } else {
        setup::ensure(project, &[Need::Build, Need::Demo])?;
        project.build_agent(Profile::Release)?
    };
    let interrupt = Interrupt::install()?;
    // Declared first, dropped last: the programs' files outlive the programs.
    let scratch = Scratch::new("leasehound-demo")?;
    let echo = arguments.format == Format::Json;
    let story = Story::new(!echo);

    let mut router = Router::build(&scratch, &interrupt)?;
    story.router(&router);
    let mut agent = Agent::start(&binary, echo, router.namespace(), &scratch, &interrupt)?;
    story.agent(&agent);

    let client = router.lease_to_client(&interrupt)?;
    story.client(&client);
    let release = router.release(&client)?;
    story.release(&release);

    let verdict = agent.await_event("verdict on the release", VERDICT, &interrupt, |event| {
        event.is_release_verdict(&client.address)
    })?;
    let metrics = agent::release_metrics(router.namespace(), &verdict, &interrupt)?;
    agent.stop(&interrupt)?;
    story.verdict(&verdict);
    story.lease_file(router.lease_line(&client.address)?.as_deref());
    story.metrics(&metrics);
    Ok(judge(&verdict, &metrics))
}

/// Prints why not, to stderr, where the answer is not the expected one.
fn judge(verdict: &Event, metrics: &[String]) -> ExitCode {
    let mut objections = verdict.objections();
    if !metrics.iter().any(|line| counts_the_release(line)) {
        objections.push("no metric counts the ignored release".to_owned());
    }
    for objection in &objections {
        eprintln!("xtask: not what this demonstration must show: {objection}");
    }
    if objections.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn counts_the_release(line: &str) -> bool {
    line.starts_with("leasehound_releases_ignored_total{")
        && line.contains(&format!("cause=\"{}\"", event::CAUSE))
        && line.ends_with(" 1")
}
