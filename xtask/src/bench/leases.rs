//! How long a lease database of each format takes to load, and how much memory.

use super::report::{Figure, Section};
use super::{Bench, databases, median};
use crate::process;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const LEASES: u32 = 100_000;
/// Rounds in which each database is loaded once.
const ROUNDS: usize = 5;
/// Milliseconds.
const AIM_TIME: f64 = 100.0;
/// Mebibytes.
const AIM_MEMORY: f64 = 20.0;

/// Writes a database of each format, then loads them in turns.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    let loader = build(bench)?;
    let mut databases = databases::all(LEASES)
        .into_iter()
        .map(|(name, format, text)| {
            let path = bench.scratch.file(&format!("{name}.leases"));
            #[expect(clippy::cast_precision_loss, reason = "some tens of millions")]
            let size = text.len() as f64 / f64::from(1 << 20);
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
            Ok(Database {
                name,
                format,
                path,
                size,
                milliseconds: Vec::new(),
                mebibytes: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for _round in 0..ROUNDS {
        for database in &mut databases {
            bench.interrupt.check()?;
            database.load(&loader)?;
        }
    }
    Ok(Section {
        title: "Lease databases",
        method: format!(
            "{LEASES} leases of each format, generated, each loaded from the page cache by a \
             process of its own with one thread, read in pieces of 64 KiB, in turns, median of \
             {ROUNDS} rounds. Time is the processor's (/proc/self/schedstat), reading and \
             sorting included. Memory is the peak VmHWM less the VmRSS before: what the leases \
             and the reading of them take."
        ),
        figures: databases.iter().flat_map(Database::figures).collect(),
    })
}

/// One database, and what it took.
struct Database {
    name: &'static str,
    format: &'static str,
    path: PathBuf,
    /// Mebibytes.
    size: f64,
    milliseconds: Vec<f64>,
    mebibytes: Vec<f64>,
}

impl Database {
    fn load(&mut self, loader: &Path) -> Result<()> {
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", "0"])
            .arg(loader)
            .arg(self.format)
            .arg(&self.path);
        let output = process::output(&mut command, "loading leases")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        let [leases, milliseconds, kibibytes] = numbers.as_slice() else {
            anyhow::bail!("the loader said {text:?} of {}", self.name);
        };
        ensure!(
            (*leases - f64::from(LEASES)).abs() < 0.5,
            "{leases} leases of {} loaded",
            self.name
        );
        self.milliseconds.push(*milliseconds);
        self.mebibytes.push(kibibytes / 1024.0);
        Ok(())
    }

    fn figures(&self) -> [Figure; 2] {
        let (time, memory) = (median(&self.milliseconds), median(&self.mebibytes));
        [
            Figure::aimed(
                format!("{}, {:.1} MiB: time", self.name, self.size),
                format!("{time:.0} ms"),
                format!("≤ {AIM_TIME} ms"),
                time <= AIM_TIME,
            ),
            Figure::aimed(
                format!("{}: memory", self.name),
                format!("{memory:.1} MiB"),
                format!("≤ {AIM_MEMORY} MiB"),
                memory <= AIM_MEMORY,
            ),
        ]
    }
}

/// The core's own loader, built as the agent is.
fn build(bench: &Bench<'_>) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--release", "--package", "leasehound-core"])
        .args(["--example", "lease_load"])
        .current_dir(&bench.project.root);
    process::output(&mut command, "building the loader of leases")?;
    Ok(bench
        .project
        .root
        .join("target/release/examples/lease_load"))
}
