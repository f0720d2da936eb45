//! What a machine must have, and getting it: a fresh Debian with rustup and root
//! becomes one that builds and tests; any other machine is told what it lacks.
//!
//! Each thing is announced before it is installed. A machine that has all of it is
//! recognised by looking at files, in well under a second, and nothing is printed.

mod debian;
mod rust;
mod services;
mod tools;

use crate::project::Project;
use anyhow::{Result, bail};
use std::process::ExitCode;

/// What a task is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Build the agent with its eBPF programs.
    Build,
    /// Format and lint.
    Lint,
    /// Show the demonstration.
    Demo,
    /// Run labs with real servers.
    Labs,
    /// Measure.
    Bench,
}

impl Need {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Build, Self::Lint, Self::Demo, Self::Labs, Self::Bench];
}

/// One thing that a machine lacks and that could not be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    /// `bpf-linker 0.10.3 (links the eBPF programs)`
    what: String,
    /// What to type or where to look.
    remedy: String,
}

/// `cargo xtask setup`: all needs, and says so when nothing was left to do.
pub(crate) fn everything(project: &Project) -> Result<ExitCode> {
    ensure(project, &Need::ALL)?;
    println!("setup: everything is in place");
    Ok(ExitCode::SUCCESS)
}

/// Installs what is missing for `needs`. Fails with one line for each thing that
/// stays missing.
pub(crate) fn ensure(project: &Project, needs: &[Need]) -> Result<()> {
    let mut missing = rust::ensure(project, needs)?;
    let programs = debian::ensure(needs)?;
    let hint = (!programs.is_empty()).then(debian::hint).flatten();
    missing.extend(programs);
    if missing.is_empty() {
        return Ok(());
    }
    for Missing { what, remedy } in &missing {
        eprintln!("missing: {what}: {remedy}");
    }
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    match missing.len() {
        1 => bail!("one thing is missing: get it as said above, then call this again"),
        count => bail!("{count} things are missing: get them as said above, then call this again"),
    }
}

/// To stderr, for stdout belongs to the task's answer.
fn announce(what: &str) {
    eprintln!("setup: installing {what}");
}
