//! What TCP loses to the agent's default hooks on a veth, the quickest link there is.

use super::report::{Figure, Section};
use super::{Bench, median, version};
use crate::lab::{Daemon, Netns, start_agent};
use crate::process;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::thread;
use std::time::Duration;

const ROUTER: &str = "192.0.2.1";
const CLIENT: &str = "192.0.2.2";
/// One with and one without the agent each.
const PAIRS: usize = 11;
const SECONDS: &str = "2";
const AIM: f64 = 98.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// Two namespaces, a stream between them, and the agent in one of them or not.
pub(super) fn measure(bench: &Bench<'_>) -> Result<Section> {
    let router = Netns::new("leasehound-bench-router")?;
    let client = Netns::new("leasehound-bench-client")?;
    router.link("eth0", &client, "eth0")?;
    for (namespace, address) in [(&router, ROUTER), (&client, CLIENT)] {
        namespace.ip(&["address", "add", &format!("{address}/24"), "dev", "eth0"])?;
    }
    let mut command = router.command("iperf3");
    command.args(["--server", "--bind", ROUTER]);
    let mut server = Daemon::start("iperf3", command, &bench.scratch.file("iperf3.log"))?;
    bench.interrupt.wait("listening iperf3", PATIENCE, || {
        server.check()?;
        let sockets = process::capture(
            router.command("cat").arg("/proc/net/tcp"),
            "looking at sockets",
        )?;
        // 5201 in hexadecimal, listening.
        Ok(sockets
            .lines()
            .any(|line| line.contains(":1451 ") && line.contains(" 0A "))
            .then_some(()))
    })?;

    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        bench.interrupt.check()?;
        // Taking turns in who goes first, so that a drift of the machine cancels out.
        let (bare, watched) = if pair % 2 == 0 {
            let bare = stream(&client)?;
            (bare, watched_stream(bench, &router, &client)?)
        } else {
            let watched = watched_stream(bench, &router, &client)?;
            (stream(&client)?, watched)
        };
        without.push(bare);
        with.push(watched);
        ratios.push(100.0 * watched / bare);
    }
    let ratio = median(&ratios);
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    Ok(Section {
        title: "TCP over a veth",
        method: format!(
            "{}, one stream of {SECONDS} s between two namespaces, {PAIRS} pairs taking turns, \
             medians; sender and receiver each on a processor of their own; the agent watches the \
             receiver's end with its default hooks (ingress and egress) and the whole host with \
             cgroup_skb and kfree_skb.",
            version("iperf3", "--version")?
        ),
        figures: vec![
            Figure::plain("without leasehound", gigabits(median(&without))),
            Figure::plain("with leasehound", gigabits(median(&with))),
            Figure::aimed(
                "with, of without (median of the pairs)",
                format!("{ratio:.1} %"),
                format!("≥ {AIM} %"),
                ratio >= AIM,
            ),
            Figure::plain(
                "least and most of the pairs",
                format!("{least:.1} to {most:.1} %"),
            ),
        ],
    })
}

fn watched_stream(bench: &Bench<'_>, router: &Netns, client: &Netns) -> Result<f64> {
    let mut agent = start_agent(bench.binary, &[], router, bench.scratch, bench.interrupt)?;
    let measured = stream(client)?;
    agent.stop(bench.interrupt, PATIENCE)?;
    Ok(measured)
}

/// Bits per second that arrived.
fn stream(client: &Netns) -> Result<f64> {
    let mut command = client.command("iperf3");
    command.args([
        "--client", ROUTER, "--time", SECONDS, "--omit", "1", "--json",
    ]);
    // Wandering between processors changes the figure by half.
    if thread::available_parallelism().is_ok_and(|threads| threads.get() > 1) {
        command.args(["--affinity", "0,1"]);
    }
    let text = process::capture(&mut command, "measuring TCP")?;
    let result: Value = serde_json::from_str(&text).context("reading iperf3's result")?;
    result
        .pointer("/end/sum_received/bits_per_second")
        .and_then(Value::as_f64)
        .context("iperf3's result has no bits_per_second")
}

fn gigabits(bits: f64) -> String {
    format!("{:.2} Gbit/s", bits / 1e9)
}
