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

    /// The last lines of that, for a message.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        match lines.get(lines.len().saturating_sub(5)..) {
            Some([]) | None => "nothing on stderr".to_owned(),
            Some(last) => last.join(" | "),
        }
    }

    /// Fails with its last words if it ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("looking at a process")? {
            bail!(
                "{} ended early with {status}: {}",
                self.name,
                self.last_words()
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
