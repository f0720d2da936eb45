//! `cargo xtask book`: writes docs/BOOK.md from the texts in the code. A test of the agent
//! says when that is due.

use crate::project::{Profile, Project};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::process::{Command, ExitCode};

/// Builds the agent and keeps what it prints.
pub(crate) fn book(project: &Project) -> Result<ExitCode> {
    let agent = project.build_agent(Profile::Dev)?;
    let output = Command::new(&agent)
        .args(["explain", "--all"])
        .output()
        .with_context(|| format!("cannot start {}", agent.display()))?;
    ensure!(output.status.success(), "explain: {}", output.status);
    let path = project.root.join("docs/BOOK.md");
    fs::write(&path, output.stdout).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}
