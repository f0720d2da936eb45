//! Starting `leasehound run` in a namespace.

use super::{Daemon, Netns, Scratch};
use crate::interrupt::Interrupt;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// Where its pages are, on the namespace's loopback.
pub(crate) const PORT: u16 = 10547;
/// Loading and attaching the programs takes well under a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts it with `flags` after `run --listen ...` and waits until it says it is ready.
pub(crate) fn start_agent(
    binary: &Path,
    flags: &[String],
    namespace: &Netns,
    scratch: &Scratch,
    interrupt: &Interrupt,
) -> Result<Daemon> {
    let mut command = namespace.command(binary);
    command.args(agent_flags()).args(flags);
    let mut daemon = Daemon::start("leasehound", command, &scratch.file("leasehound.log"))?;
    interrupt.wait("answer 200 from leasehound's /readyz", PATIENCE, || {
        daemon.check()?;
        let answer = namespace.http_get(PORT, "/readyz")?.unwrap_or_default();
        Ok(is_ok(&answer).then_some(()))
    })?;
    Ok(daemon)
}

/// What every call begins with.
pub(crate) fn agent_flags() -> [String; 3] {
    [
        "run".to_owned(),
        "--listen".to_owned(),
        format!("127.0.0.1:{PORT}"),
    ]
}

fn is_ok(answer: &str) -> bool {
    let status = answer.lines().next().unwrap_or_default();
    status.split_whitespace().nth(1) == Some("200")
}
