//! How much memory a running agent occupies.

use super::Bench;
use super::report::{Figure, Section};
use crate::lab::{Daemon, Netns, PORT, start_agent};
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

const LEASES: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(30);
/// Mebibytes.
const AIM_IDLE: f64 = 20.0;
const AIM_LEASES: f64 = 30.0;

/// First with nothing to do, then beside a dnsmasq that has given away many addresses.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    let idle = {
        let namespace = network()?;
        let agent = start_agent(
            bench.binary,
            &[],
            &namespace.0,
            bench.scratch,
            bench.interrupt,
        )?;
        resident(agent.pid())?
    };
    let namespace = network()?;
    let file = bench.scratch.file("many.leases");
    fs::write(&file, leases()?).context("writing leases")?;
    let server = serve(bench, &namespace.0, &file)?;
    let agent = start_agent(
        bench.binary,
        &[],
        &namespace.0,
        bench.scratch,
        bench.interrupt,
    )?;
    bench.interrupt.wait("metric of all leases", PATIENCE, || {
        let page = namespace.0.http_get(PORT, "/metrics")?.unwrap_or_default();
        Ok(page
            .lines()
            .filter(|line| line.starts_with("leasehound_lease_database_entries"))
            .any(|line| line.ends_with(&format!(" {LEASES}")))
            .then_some(()))
    })?;
    let full = resident(agent.pid())?;
    drop(server);
    Ok(Section {
        title: "Resident memory of `run`",
        method: format!(
            "VmRSS, and its peak VmHWM, from /proc: once ready in a namespace with lo and one \
             interface, and once the metrics show all {LEASES} leases of a dnsmasq there."
        ),
        figures: vec![
            figure("idle", idle, AIM_IDLE),
            figure(&format!("{LEASES} leases"), full, AIM_LEASES),
        ],
    })
}

fn figure(what: &str, (now, peak): (f64, f64), aim: f64) -> Figure {
    Figure::aimed(
        what,
        format!("{now:.1} MiB (peak {peak:.1})"),
        format!("≤ {aim} MiB"),
        now <= aim,
    )
}

/// The router's namespace first; the other holds the far end of its link.
fn network() -> Result<(Netns, Netns)> {
    let router = Netns::new("leasehound-bench-router")?;
    let client = Netns::new("leasehound-bench-client")?;
    router.link("eth0", &client, "eth0")?;
    router.ip(&["address", "add", "10.0.0.1/16", "dev", "eth0"])?;
    Ok((router, client))
}

fn serve(bench: &Bench<'_>, namespace: &Netns, leases: &Path) -> Result<Daemon> {
    let mut command = namespace.command("dnsmasq");
    command
        .args(["--conf-file=/dev/null", "--keep-in-foreground", "--port=0"])
        .args(["--user=root", "--interface=eth0", "--log-facility=-"])
        .args(["--dhcp-range=10.0.1.0,10.0.254.254,255.255.0.0,12h"])
        .arg("--dhcp-lease-max=60000")
        .arg(format!(
            "--pid-file={}",
            bench.scratch.file("dnsmasq.pid").display()
        ))
        .arg(format!("--dhcp-leasefile={}", leases.display()));
    let mut server = Daemon::start("dnsmasq", command, &bench.scratch.file("dnsmasq.log"))?;
    bench.interrupt.wait("started dnsmasq", PATIENCE, || {
        server.check()?;
        Ok(server.log().contains("started, version").then_some(()))
    })?;
    Ok(server)
}

/// A lease file as dnsmasq writes it, with leases that never end.
fn leases() -> Result<String> {
    let mut text = String::new();
    for n in 0..LEASES {
        let [_, a, b, c] = (n + 256).to_be_bytes();
        writeln!(
            text,
            "0 02:00:00:{a:02x}:{b:02x}:{c:02x} 10.{a}.{b}.{c} host-{n} \
             01:02:00:00:{a:02x}:{b:02x}:{c:02x}"
        )?;
    }
    Ok(text)
}

/// VmRSS and VmHWM in mebibytes.
fn resident(pid: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("reading the status of process {pid}"))?;
    let field = |name: &str| {
        status
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| {
                value
                    .trim()
                    .trim_end_matches("kB")
                    .trim()
                    .parse::<f64>()
                    .ok()
            })
            .map(|kibibytes| kibibytes / 1024.0)
            .with_context(|| format!("/proc/{pid}/status has no {name}"))
    };
    Ok((field("VmRSS")?, field("VmHWM")?))
}
