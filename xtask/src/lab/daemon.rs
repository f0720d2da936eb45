//! A program that runs beside the task and must not outlive it.

use crate::interrupt::Interrupt;
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running program; killed by its process id when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with stderr going to `log`, and stdout to the caller.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_path_buf(),
        })
    }

    /// Its process id: `ip netns exec` becomes the program it starts.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output; `None` the second time.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What it wrote to stderr so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Fails with its last words if it ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("looking at a process")? {
            bail!(
                "{} ended early with {status}: {}",
                self.name,
                tail(&self.log())
            );
        }
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub(crate) fn stop(&mut self, interrupt: &Interrupt, limit: Duration) -> Result<ExitStatus> {
        let mut command = Command::new("sh");
        command.args(["-c", "kill -TERM \"$0\"", &self.pid().to_string()]);
        crate::process::capture(&mut command, "stopping a program")?;
        let what = format!("end of {} after SIGTERM", self.name);
        interrupt.wait(&what, limit, || {
            self.child.try_wait().context("waiting for a process")
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; killing a waited-for child does nothing.
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            let _ended = self.child.wait();
        }
    }
}

/// The last lines, for a message.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(5);
    match lines.get(from..) {
        Some([]) | None => "it wrote nothing to stderr".to_owned(),
        Some(last) => last.join(" | "),
    }
}
