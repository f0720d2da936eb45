//! Network namespaces that vanish with their guard.

use crate::process::{Running, finish, run};
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with lo up and a name of its own, deleted when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one; `role` is the end of its name.
    pub fn new(role: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lhlab-{}-{number}-{role}", std::process::id());
        run("ip", &["netns", "add", &name]).context("labs need root and iproute2")?;
        let namespace = Self { name };
        namespace.run("ip", &["link", "set", "lo", "up"])?;
        for setting in [
            // The laboratory's ground state, whatever the host has as default.
            "net/ipv4/conf/all/rp_filter=0",
            "net/ipv4/conf/default/rp_filter=0",
            "net/ipv4/ip_forward=0",
            // No neighbour discovery of its own accord: silence but for the test.
            "net/ipv6/conf/all/disable_ipv6=1",
            "net/ipv6/conf/default/disable_ipv6=1",
        ] {
            namespace.set(setting)?;
        }
        Ok(namespace)
    }

    /// As `ip netns` lists it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a program in it to its end; its stdout, or an error with its stderr.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.enter(|| finish(Command::new(program).args(arguments)))?
    }

    /// Starts a program in it.
    pub fn spawn(&self, command: &mut Command) -> Result<Running> {
        let shown = crate::process::show(command);
        let child = self.enter(|| command.spawn())?.with_context(|| {
            format!("can't start `{shown}`: run `cargo xtask test`, it installs what labs need")
        })?;
        Ok(Running::new(child))
    }

    /// Starts a program in it with a given process id, which must be free. The program is
    /// started anew until it has it, so it has to end by itself with any other.
    pub fn spawn_as(&self, id: u32, command: &mut Command) -> Result<Running> {
        const LAST: &str = "/proc/sys/kernel/ns_last_pid";
        let shown = crate::process::show(command);
        let before = (id - 1).to_string();
        wait_for(&format!("`{shown}` to be process {id}"), PATIENCE, || {
            // Written by the thread that forks: a thread too takes an id.
            let child = self.enter(|| {
                std::fs::write(LAST, &before).with_context(|| {
                    format!("{LAST}: needs a kernel with CONFIG_CHECKPOINT_RESTORE")
                })?;
                command
                    .spawn()
                    .with_context(|| format!("can't start `{shown}`"))
            })??;
            let mut running = Running::new(child);
            if running.id() == id {
                return Ok(Some(running));
            }
            running.wait()?;
            Ok(None)
        })
    }

    /// Runs `job` on a thread that is in this namespace. Sockets made there, and
    /// children started there, stay in it.
    pub fn enter<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace =
            File::open(self.path()).with_context(|| format!("network namespace {}", self.name))?;
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    setns(&namespace, CloneFlags::CLONE_NEWNET).context("setns")?;
                    Ok(job())
                })
                .join()
                .map_err(|_| anyhow!("a thread in {} panicked", self.name))?
        })
    }

    /// Sets `path=value` below /proc/sys.
    pub fn set(&self, setting: &str) -> Result<()> {
        let (path, value) = setting
            .split_once('=')
            .with_context(|| format!("`{setting}` has no ="))?;
        // /proc/sys/net shows the namespace of the thread that opens it.
        self.enter(|| std::fs::write(format!("/proc/sys/{path}"), value))?
            .with_context(|| format!("setting {setting} in {}", self.name))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run("ip", &["netns", "delete", &self.name]) {
            eprintln!("left behind: {error:#}");
        }
    }
}
