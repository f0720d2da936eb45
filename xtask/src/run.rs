//! `cargo xtask run`: builds the agent and becomes it, so that signals and the exit
//! code are the agent's own.

use crate::process;
use crate::project::{Profile, Project};
use crate::setup::{self, Need};
use anyhow::{Context as _, Result, bail};
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// What follows `cargo xtask run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Flags of `leasehound run`, after `--`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    flags: Vec<OsString>,
}

/// Does not return if the agent could be started.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(project, &[Need::Build])?;
    let binary = project.build_agent(Profile::Release)?;
    let mut command = if process::is_root() {
        Command::new(&binary)
    } else if process::find("sudo").is_some() {
        eprintln!("xtask: watching packets needs root: starting leasehound through sudo");
        let mut sudo = Command::new("sudo");
        let kept = kept_variables();
        if !kept.is_empty() {
            sudo.arg(format!("--preserve-env={kept}"));
        }
        sudo.arg("--").arg(&binary);
        sudo
    } else {
        bail!(
            "watching packets needs root and there is no sudo: as root, run {} run",
            binary.display()
        );
    };
    let error = command.arg("run").args(&arguments.flags).exec();
    Err(error).with_context(|| format!("cannot start {}", binary.display()))
}

/// The agent's own settings, which sudo would drop.
fn kept_variables() -> String {
    env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("LEASEHOUND_") || name == "NO_COLOR")
        .collect::<Vec<_>>()
        .join(",")
}
