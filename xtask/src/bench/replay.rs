//! How fast `replay` goes through a capture, beside the two programs that people use.

use super::report::{Figure, Section};
use super::{Bench, capture, median, version};
use crate::clock::Stopwatch;
use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// Rounds in which each program runs once.
const ROUNDS: usize = 3;
const AIM_RATE: f64 = 1e6;
const AIM_TSHARK: f64 = 15.0;

/// Generates the capture, then lets the three take turns on it.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    let file = bench.scratch.file("messages.pcap");
    let messages = capture::write(&file).context("writing a capture")?;
    let contenders: [(&str, Vec<OsString>); 3] = [
        (
            "leasehound replay",
            arguments(
                bench.binary,
                &["replay", "--server-kind", "dnsmasq"],
                &file,
                &[],
            ),
        ),
        (
            "tcpdump -r -n",
            arguments(Path::new("tcpdump"), &["-r"], &file, &["-n"]),
        ),
        (
            "tshark -r -T fields -e dhcp.option.dhcp",
            arguments(
                Path::new("tshark"),
                &["-r"],
                &file,
                &["-T", "fields", "-e", "dhcp.option.dhcp"],
            ),
        ),
    ];
    let mut rates: [Vec<f64>; 3] = Default::default();
    for _round in 0..ROUNDS {
        for ((_, words), rates) in contenders.iter().zip(&mut rates) {
            bench.interrupt.check()?;
            rates.push(f64::from(messages) / seconds(words)?);
        }
    }
    let [leasehound, tcpdump, tshark] = rates.map(|rates| median(&rates));
    let [ours, theirs, shark] = contenders.map(|(name, _)| name);
    let factor = leasehound / tshark;
    Ok(Section {
        title: "Replay",
        method: format!(
            "A generated capture of {messages} messages (DISCOVER, OFFER, REQUEST, ACK, RELEASE of \
             {} clients), each program on one processor (`taskset`), output to /dev/null, taking \
             turns, median of {ROUNDS} rounds. {}; {}.",
            messages / capture::PER_CLIENT,
            version("tcpdump", "--version")?,
            version("tshark", "--version")?
        ),
        figures: vec![
            Figure::aimed(
                ours,
                rate(leasehound),
                format!("≥ {}", rate(AIM_RATE)),
                leasehound >= AIM_RATE,
            ),
            Figure::plain(theirs, rate(tcpdump)),
            Figure::plain(shark, rate(tshark)),
            Figure::aimed(
                "leasehound, of tshark",
                format!("{factor:.1} ×"),
                format!("≥ {AIM_TSHARK} ×"),
                factor >= AIM_TSHARK,
            ),
            Figure::plain(
                "leasehound, of tcpdump",
                format!("{:.1} ×", leasehound / tcpdump),
            ),
        ],
    })
}

fn arguments(program: &Path, before: &[&str], file: &Path, after: &[&str]) -> Vec<OsString> {
    let mut words = vec![program.into()];
    words.extend(before.iter().map(OsString::from));
    words.push(file.into());
    words.extend(after.iter().map(OsString::from));
    words
}

/// How long the program takes from start to end.
fn seconds(words: &[OsString]) -> Result<f64> {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", "0"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let watch = Stopwatch::start();
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .context("starting taskset")?;
    let took = watch.elapsed();
    if !output.status.success() {
        bail!(
            "{words:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(took.as_secs_f64())
}

fn rate(messages: f64) -> String {
    if messages >= 1e6 {
        format!("{:.2} M messages/s", messages / 1e6)
    } else {
        format!("{:.0} k messages/s", messages / 1e3)
    }
}
