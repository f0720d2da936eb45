//! What the figures were measured on. No date and no name: they say nothing about speed.

use anyhow::{Context as _, Result};
use std::fs;
use std::thread;

/// `Intel Xeon ..., 2 threads, 7.8 GiB, Linux 6.18.0`
pub(super) fn describe() -> Result<String> {
    let cpu = field("/proc/cpuinfo", "model name")?;
    let memory = field("/proc/meminfo", "MemTotal")?;
    let kibibytes: f64 = memory
        .trim_end_matches("kB")
        .trim()
        .parse()
        .context("reading the amount of memory")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("reading osrelease")?;
    let threads = thread::available_parallelism().context("counting processors")?;
    Ok(format!(
        "{cpu}, {threads} threads, {:.1} GiB, Linux {}",
        kibibytes / 1024.0 / 1024.0,
        kernel.trim()
    ))
}

fn field(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        ))
}
