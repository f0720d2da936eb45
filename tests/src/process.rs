//! Programs that a lab starts: run to the end, or kept until dropped.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::process::{Child, Command, ExitStatus};

/// Runs a program to its end; its stdout, or an error with what it complained of.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    finish(Command::new(program).args(arguments))
}

/// Runs a prepared command to its end; its stdout, or an error with its stderr.
pub fn finish(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.output().with_context(|| {
        format!("can't start `{shown}`: run `cargo xtask test`, it installs what labs need")
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}: {stdout}{stderr}", output.status);
    }
    Ok(stdout.into_owned())
}

/// The command as a person would type it.
pub fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // Writing to a String can't fail.
        let _ = write!(shown, " {}", argument.to_string_lossy());
    }
    shown
}

/// A running program, killed and waited for when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Keeps a child.
    pub const fn new(child: Child) -> Self {
        Self { child }
    }

    /// The child itself, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("waiting for a child")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).context("process id")?;
        kill(Pid::from_raw(id), signal).context("signalling a child")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("waiting for a child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
