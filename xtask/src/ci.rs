//! `cargo xtask ci`: all that must hold before a change lands, the first failure ends
//! it, and a table at the end says what took how long.

use crate::clock::{Stopwatch, spell};
use crate::process;
use crate::project::Project;
use crate::setup::{self, Need};
use crate::testing::{self, Group};
use crate::tidy;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The steps' names and times, in order.
struct Steps {
    done: Vec<(&'static str, Duration)>,
    total: Stopwatch,
}

/// Runs every step; needs no terminal and asks nothing.
pub(crate) fn ci(project: &Project) -> Result<ExitCode> {
    let mut steps = Steps {
        done: Vec::new(),
        total: Stopwatch::start(),
    };
    let outcome = all(project, &mut steps);
    steps.table();
    outcome.map(|()| ExitCode::SUCCESS)
}

fn all(project: &Project, steps: &mut Steps) -> Result<()> {
    steps.step("setup", || {
        testing::require_labs()?;
        setup::ensure(project, &[Need::Build, Need::Lint, Need::Demo, Need::Labs])
    })?;
    steps.step("format", || format(project))?;
    steps.step("tidy", || tidy::check(project))?;
    steps.step("clippy", || {
        clippy(project, &["--workspace"])?;
        clippy(
            project,
            &["--package", "leasehound", "--no-default-features"],
        )
    })?;
    steps.step("clippy, eBPF programs", || clippy_ebpf(project))?;
    for group in [Group::Unit, Group::Ebpf, Group::Labs] {
        steps.step(group.as_str(), || {
            let tally = testing::run(project, group, None)?;
            ensure!(tally.success, "{tally}");
            println!("{}: {tally}", group.as_str());
            Ok(())
        })?;
    }
    Ok(())
}

fn format(project: &Project) -> Result<()> {
    let mut command = project.cargo()?;
    command.args(["fmt", "--all", "--check"]);
    process::run(&mut command, "checking the format (`cargo fmt` repairs it)")?;
    for folder in ["agent-ebpf", "tests/fuzz"] {
        if let Some(manifest) = project.inner_workspace(folder) {
            let mut command = project.cargo()?;
            command
                .args(["fmt", "--check", "--manifest-path"])
                .arg(manifest);
            process::run(&mut command, "checking the format")?;
        }
    }
    Ok(())
}

fn clippy(project: &Project, selection: &[&str]) -> Result<()> {
    let mut command = project.cargo()?;
    command.arg("clippy").args(selection).args([
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    process::run(&mut command, "clippy")
}

/// The programs' library as the host tests build it, and the programs themselves.
fn clippy_ebpf(project: &Project) -> Result<()> {
    let manifest = project
        .inner_workspace("agent-ebpf")
        .context("agent-ebpf/Cargo.toml is missing")?;
    let mut host = clippy_inner(project, &manifest)?;
    host.args(["--lib", "--tests", "--", "-D", "warnings"]);
    process::run(&mut host, "clippy on the eBPF programs' library")?;
    let mut kernel = clippy_inner(project, &manifest)?;
    kernel
        .args(["--bins", "--release", "-Z", "build-std=core"])
        .args(["--target", "bpfel-unknown-none", "--", "-D", "warnings"])
        // For this call only: it would switch on unstable paths in ordinary crates.
        .env("RUSTC_BOOTSTRAP", "1");
    process::run(&mut kernel, "clippy on the eBPF programs")
}

fn clippy_inner(project: &Project, manifest: &Path) -> Result<Command> {
    let mut command = project.cargo()?;
    command
        .args(["clippy", "--locked", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", project.target.join("ebpf-host"));
    Ok(command)
}

impl Steps {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("==> {name}");
        let watch = Stopwatch::start();
        let outcome = work();
        self.done.push((name, watch.elapsed()));
        outcome.with_context(|| format!("step `{name}` failed"))
    }

    fn table(&self) {
        println!();
        for (name, took) in &self.done {
            println!("{name:<24} {:>12}", spell(*took));
        }
        println!("{:<24} {:>12}", "total", spell(self.total.elapsed()));
    }
}
