//! `cargo xtask test`: unit tests, the eBPF programs' host tests, and the labs with
//! real servers; nothing is left out without the summary saying so.

mod tally;

use crate::clock::{Stopwatch, spell};
use crate::process;
use crate::project::{Profile, Project};
use crate::setup::{self, Need};
use anyhow::{Result, bail, ensure};
use std::path::Path;
use std::process::{Command, ExitCode};
pub(crate) use tally::Tally;

/// Labs start servers and wait on them; more at once make their deadlines a lottery.
const LAB_THREADS: &str = "--test-threads=2";

/// What follows `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Leave out the labs, which need root and real servers
    #[arg(long)]
    no_labs: bool,
}

/// A set of tests that one cargo call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Unit and documentation tests of all packages.
    Unit,
    /// The eBPF programs' pure parts, on the host.
    Ebpf,
    /// Real servers in network namespaces.
    Labs,
}

impl Group {
    /// The word in summaries.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unit => "unit tests",
            Self::Ebpf => "eBPF host tests",
            Self::Labs => "labs",
        }
    }
}

/// Runs what was asked for and ends with one line that sums it up.
pub(crate) fn test(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let groups: &[Group] = if arguments.no_labs {
        setup::ensure(project, &[Need::Build])?;
        &[Group::Unit, Group::Ebpf]
    } else {
        require_labs()?;
        setup::ensure(project, &[Need::Build, Need::Labs])?;
        &[Group::Unit, Group::Ebpf, Group::Labs]
    };
    let watch = Stopwatch::start();
    let mut sum = Tally::default();
    let mut failed: Vec<&str> = Vec::new();
    for group in groups {
        let outcome = run(project, *group, arguments.filter.as_deref())?;
        if !outcome.success {
            failed.push(group.as_str());
        }
        sum.add(&outcome);
    }
    println!(
        "\ntests: {sum}, in {}{}",
        spell(watch.elapsed()),
        if arguments.no_labs {
            "; the labs were left out (--no-labs)"
        } else {
            ""
        }
    );
    if let Some(filter) = &arguments.filter {
        ensure!(
            sum.ran() > 0 || !failed.is_empty(),
            "no test's name contains `{filter}`"
        );
    }
    if !failed.is_empty() {
        bail!("tests failed: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Labs that cannot run are an error, never a silent success.
pub(crate) fn require_labs() -> Result<()> {
    let lacking = process::lacking_capabilities();
    if !process::is_root() {
        bail!(
            "the labs make network namespaces: run as root, or leave them out with `test --no-labs`"
        );
    }
    if !lacking.is_empty() {
        bail!(
            "the labs need {}, which this container or shell lacks: start it privileged, or \
             leave them out with `test --no-labs`",
            lacking.join(", ")
        );
    }
    Ok(())
}

/// Runs one group to its end; an `Err` means that it could not even be started.
pub(crate) fn run(project: &Project, group: Group, filter: Option<&str>) -> Result<Tally> {
    let mut command = match group {
        Group::Unit => {
            let mut command = cargo_test(project)?;
            command.args(["--workspace", "--exclude", "leasehound-tests"]);
            command
        }
        Group::Ebpf => {
            let Some(manifest) = project.inner_workspace("agent-ebpf") else {
                bail!("agent-ebpf/Cargo.toml is missing, and with it the eBPF host tests");
            };
            ebpf_host(project, &manifest)?
        }
        Group::Labs => {
            let binary = project.build_agent(Profile::Dev)?;
            let mut command = cargo_test(project)?;
            command
                .args(["--package", "leasehound-tests"])
                .env("LEASEHOUND_BIN", binary);
            command
        }
    };
    command.args(filter);
    if group == Group::Labs {
        command.args(["--", LAB_THREADS]);
    }
    tally::watch(&mut command, group.as_str())
}

fn cargo_test(project: &Project) -> Result<Command> {
    let mut command = project.cargo()?;
    command.args(["test", "--no-fail-fast"]);
    Ok(command)
}

fn ebpf_host(project: &Project, manifest: &Path) -> Result<Command> {
    let mut command = cargo_test(project)?;
    command
        .args(["--lib", "--manifest-path"])
        .arg(manifest)
        // Its own build directory: another lock file, other features.
        .env("CARGO_TARGET_DIR", project.target.join("ebpf-host"));
    Ok(command)
}
