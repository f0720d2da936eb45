//! What a packet that is not DHCP pays for each eBPF program, beside an empty one.

use super::Bench;
use super::capture::{tcp_frame, udp_frame};
use super::report::{Figure, Section};
use crate::clock::Stopwatch;
use crate::lab::{Netns, start_agent};
use crate::process;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A hook's program, and the empty one of its type.
const PROGRAMS: [(&str, &str); 5] = [
    ("leasehound_tcxi", "leasehound_nop"),
    ("leasehound_tcxo", "leasehound_nop"),
    ("leasehound_in", "leasehound_nop"),
    ("leasehound_out", "leasehound_nop"),
    ("leasehound_xdp", "leasehound_nopx"),
];

/// A hidden flag of `leasehound run`: loads the empty programs too.
const YARDSTICKS: &str = "--yardsticks";

/// Runs of a program in one go; at 10 ns each, 50 ms.
const REPEAT: u32 = 5_000_000;
/// Goes; the quickest counts, for everything else on the machine only adds.
const ROUNDS: usize = 9;
const AIM: f64 = 3.0;

/// Loads the programs by the agent and runs them by BPF_PROG_TEST_RUN.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    let namespace = Netns::new("leasehound-bench")?;
    let agent = start_agent(
        bench.binary,
        &[YARDSTICKS.to_owned()],
        &namespace,
        bench.scratch,
        bench.interrupt,
    )?;
    let mut figures = Vec::new();
    for (name, frame) in [("TCP", tcp_frame()), ("UDP", udp_frame())] {
        let file = bench.scratch.file(&format!("{name}.frame"));
        fs::write(&file, &frame).context("writing a frame")?;
        figures.extend(one_frame(bench, agent.pid(), name, frame.len(), &file)?);
    }
    Ok(Section {
        title: "eBPF programs on packets that are not DHCP",
        method: format!(
            "`bpftool prog run` (BPF_PROG_TEST_RUN) on a whole frame, {REPEAT} runs in one call; \
             wall time of the call over the runs, the quickest of {ROUNDS} calls that took turns \
             with the empty program of the same type. Both include the kernel's own loop."
        ),
        figures,
    })
}

fn one_frame(
    bench: &Bench<'_>,
    pid: u32,
    name: &str,
    octets: usize,
    file: &Path,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (program, empty) in PROGRAMS {
        let ids = (find(pid, program)?, find(pid, empty)?);
        let mut best = (f64::INFINITY, f64::INFINITY);
        for _round in 0..ROUNDS {
            bench.interrupt.check()?;
            best.0 = best.0.min(run(ids.0, file)?);
            best.1 = best.1.min(run(ids.1, file)?);
        }
        let more = best.0 - best.1;
        figures.push(Figure::aimed(
            format!("{program}, {name}, {octets} octets"),
            format!("{:.1} - {:.1} = {more:.1} ns", best.0, best.1),
            format!("≤ {AIM} ns over empty"),
            more <= AIM,
        ));
    }
    Ok(figures)
}

/// The id of the agent's program of that name.
fn find(pid: u32, name: &str) -> Result<u64> {
    let mut command = Command::new("bpftool");
    command.args(["--json", "prog", "show"]);
    let text = process::capture(&mut command, "listing programs")?;
    let all: Value = serde_json::from_str(&text).context("reading bpftool's list")?;
    let programs = all.as_array().map(Vec::as_slice).unwrap_or_default();
    programs
        .iter()
        .filter(|program| program.get("name").and_then(Value::as_str) == Some(name))
        .filter(|program| holds(program, pid))
        .filter_map(|program| program.get("id").and_then(Value::as_u64))
        .max()
        .with_context(|| format!("leasehound (pid {pid}) holds no program called {name}"))
}

/// Whether the process holds the program, as far as this bpftool can tell.
fn holds(program: &Value, pid: u32) -> bool {
    program
        .get("pids")
        .and_then(Value::as_array)
        .is_none_or(|holders| {
            holders
                .iter()
                .filter_map(|holder| holder.get("pid").and_then(Value::as_u64))
                .any(|holder| holder == u64::from(pid))
        })
}

/// Nanoseconds per run. The call's own wall time, because the kernel's figure is whole
/// nanoseconds.
fn run(id: u64, file: &Path) -> Result<f64> {
    let mut command = Command::new("bpftool");
    command
        .args(["prog", "run", "id", &id.to_string(), "data_in"])
        .arg(file)
        .args(["data_out", "/dev/null", "repeat", &REPEAT.to_string()]);
    let watch = Stopwatch::start();
    process::capture(&mut command, "running a program")?;
    Ok(watch.elapsed().as_secs_f64() * 1e9 / f64::from(REPEAT))
}
