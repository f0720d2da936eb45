//! Control groups that vanish with their guard, in the unified hierarchy and in one of
//! version 1.

use crate::process::run;
use crate::wait::{PATIENCE, wait_for};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Mounts `$1` with type `$2` and options `$3` where no other process sees it; what
/// follows is run there.
const MOUNTED: &str = r#"mount -t "$2" -o "$3" leasehound-lab "$1" || exit 9; "#;
/// How long the kernel may take over the end of a hierarchy.
const MOMENT: Duration = Duration::from_millis(500);

/// Makes the group `$4`; one that can mark its sockets does.
const MAKE: &str = r#"mkdir "$1/$4" || exit; mark="$1/$4/net_cls.classid"
[ ! -e "$mark" ] || echo 0x10001 > "$mark""#;
/// Enters the group `$4`, and becomes what is named after it.
const ENTER: &str = r#"echo $$ > "$1/$4/cgroup.procs" && shift 4 && exec "$@""#;

/// A hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hierarchy {
    /// Version 2
    Unified,
    /// Version 1 with the controller that marks sockets, and so once stood in the way of
    /// programs at version 2.
    NetCls,
    /// Version 1 without a controller.
    Named,
}

impl Hierarchy {
    const fn mount(self) -> (&'static str, &'static str) {
        match self {
            Self::Unified => ("cgroup2", "rw"),
            Self::NetCls => ("cgroup", "net_cls"),
            Self::Named => ("cgroup", "none,name=leasehound-lab"),
        }
    }

    /// Whether it is in force: every process is in one of its groups then.
    fn exists(self) -> Result<bool> {
        let controllers = match self {
            Self::Unified => "",
            Self::NetCls => "net_cls",
            Self::Named => "name=leasehound-lab",
        };
        let groups = std::fs::read_to_string("/proc/self/cgroup")?;
        let mut lines = groups.lines();
        Ok(lines.any(|line| line.split(':').nth(1) == Some(controllers)))
    }
}

/// A child of the root of a hierarchy.
#[derive(Debug)]
pub struct Group {
    hierarchy: Hierarchy,
    made_hierarchy: bool,
    place: TempDir,
    name: String,
}

impl Group {
    /// Makes one. An error where the kernel does not know the hierarchy, or has its
    /// controller elsewhere.
    pub fn new(hierarchy: Hierarchy) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = tempfile::Builder::new()
            .prefix("leasehound-lab-")
            .tempdir()?;
        let group = Self {
            hierarchy,
            made_hierarchy: !hierarchy.exists()?,
            place,
            name: format!("leasehound-lab-{}-{number}", std::process::id()),
        };
        group
            .there(MAKE)
            .with_context(|| format!("control group in {hierarchy:?}"))?;
        Ok(group)
    }

    /// A command that is in this group once it runs `program`, under the same process id.
    pub fn launcher(&self, program: &str) -> Command {
        let (kind, options) = self.hierarchy.mount();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .args([&format!("{MOUNTED}{ENTER}"), "sh"])
            .arg(self.place.path())
            .args([kind, options, &self.name, program]);
        command
    }

    /// Whether a process is in it, as /proc has it.
    pub fn has(&self, process: u32) -> Result<bool> {
        let groups = std::fs::read_to_string(PathBuf::from(format!("/proc/{process}/cgroup")))?;
        Ok(groups
            .lines()
            .any(|line| line.ends_with(&format!("/{}", self.name))))
    }

    fn there(&self, script: &str) -> Result<String> {
        let (kind, options) = self.hierarchy.mount();
        let place = self.place.path().to_str().context("path")?;
        #[rustfmt::skip]
        let output = run("unshare", &[
            "--mount", "--propagation", "private", "sh", "-c", &format!("{MOUNTED}{script}"),
            "sh", place, kind, options, &self.name,
        ]);
        output
    }

    fn remove(&self) -> Result<()> {
        self.there(r#"[ ! -d "$1/$4" ] || rmdir "$1/$4""#)?;
        if !self.made_hierarchy {
            return Ok(());
        }
        // A hierarchy ends a moment after its last mount, if it has no groups by then; and
        // a group lives on for a moment after it is removed.
        wait_for("the hierarchy to end", PATIENCE, || {
            self.there("true")?;
            let gone = || Ok((!self.hierarchy.exists()?).then_some(()));
            Ok(wait_for("this mount's end", MOMENT, gone).ok())
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("left behind: {error:#}");
        }
    }
}
