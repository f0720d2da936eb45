//! `cargo xtask bench`: the figures that the project promises, from one run on one
//! machine. `--write` puts them into docs/PERFORMANCE.md.

mod capture;
mod databases;
mod inventory;
mod leases;
mod machine;
mod memory;
mod programs;
mod replay;
mod report;
mod throughput;

use crate::interrupt::Interrupt;
use crate::lab::Scratch;
use crate::process;
use crate::project::{Profile, Project};
use crate::setup::{self, Need};
use crate::testing;
use anyhow::{Context as _, Result};
use report::Section;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What follows `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Write docs/PERFORMANCE.md; needs all parts
    #[arg(long, conflicts_with = "parts")]
    write: bool,
    /// A built `leasehound` to measure, instead of building one
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
}

/// One section of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Nanoseconds per packet of each eBPF program
    Programs,
    /// TCP throughput with and without the agent
    Throughput,
    /// Messages per second of `replay`, beside tshark and tcpdump
    Replay,
    /// Resident memory of `run`
    Memory,
    /// Milliseconds of a look at who listens in 200 network namespaces
    Inventory,
    /// Milliseconds and memory that 100,000 leases of each database take to load
    Leases,
}

const ALL: [Part; 6] = [
    Part::Programs,
    Part::Throughput,
    Part::Replay,
    Part::Memory,
    Part::Inventory,
    Part::Leases,
];

/// What every measurement needs.
struct Bench<'b> {
    project: &'b Project,
    binary: &'b Path,
    scratch: &'b Scratch,
    interrupt: &'b Interrupt,
}

/// Prints the figures part by part; a missed aim is told, not an error.
pub(crate) fn bench(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    testing::require_labs()?;
    setup::ensure(project, &[Need::Build, Need::Bench])?;
    let binary = match &arguments.agent {
        Some(path) => path.clone(),
        None => project.build_agent(Profile::Release)?,
    };
    let interrupt = Interrupt::install()?;
    let scratch = Scratch::new("leasehound-bench")?;
    let bench = Bench {
        project,
        binary: &binary,
        scratch: &scratch,
        interrupt: &interrupt,
    };
    let parts = if arguments.parts.is_empty() {
        ALL.to_vec()
    } else {
        arguments.parts.clone()
    };
    let machine = machine::describe()?;
    println!("{machine}");
    let mut sections: Vec<Section> = Vec::new();
    for part in parts {
        let section = match part {
            Part::Programs => programs::measure(&bench),
            Part::Throughput => throughput::measure(&bench),
            Part::Replay => replay::measure(&bench),
            Part::Memory => memory::measure(&bench),
            Part::Inventory => inventory::measure(&bench),
            Part::Leases => leases::measure(&bench),
        };
        let section = section.with_context(|| format!("measuring {part:?}"))?;
        println!("\n{}", section.text());
        sections.push(section);
    }
    if arguments.write {
        let path = project.root.join("docs/PERFORMANCE.md");
        fs::create_dir_all(project.root.join("docs")).context("creating docs")?;
        fs::write(&path, report::page(&machine, &sections))
            .with_context(|| format!("writing {}", path.display()))?;
        println!("\nwritten: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The middle of an odd number of figures, the mean of the middle two otherwise.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|at| sorted.get(at).copied());
    lower.map_or(f64::NAN, |lower| f64::midpoint(lower, upper))
}

/// The first line that a program prints about its version.
fn version(program: &str, argument: &str) -> Result<String> {
    let mut command = std::process::Command::new(program);
    let output = process::output(command.arg(argument), "asking for a version")?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(text.lines().next().unwrap_or(program).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
