//! What a host offers, told before anything fails; and `run` with fewer rights than root.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{program, text};
use leasehound_tests::dnsmasq::{Dnsmasq, POOL, ServerFiles};
use leasehound_tests::router::Router;
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;
use std::fs::File;
use std::process::{Command, Output, Stdio};

/// What the kernel's hooks need, and nothing else.
const HOOK_RIGHTS: &str = "+bpf,+net_admin,+perfmon";

fn doctor(network: &Router, wrapper: &[&str]) -> Result<(Vec<Value>, Option<i32>)> {
    let program = program()?;
    // Not `ip netns exec`: it hides the cgroup hierarchy behind a /sys of its own.
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/run/netns/{}", network.router.name()))
        .args(wrapper)
        .arg(&program)
        .args(["doctor", "--format", "json"]);
    let Output { status, stdout, .. } = command.output().context("doctor")?;
    let lines = String::from_utf8(stdout)?;
    eprintln!("{lines}");
    let items = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    Ok((items, status.code()))
}

fn of<'i>(items: &'i [Value], state: &str, what: &str) -> Vec<&'i str> {
    let wanted = |item: &&Value| text(item, "state") == state && text(item, "what") == what;
    let says = |item: &'i Value| text(item, "says");
    items.iter().filter(wanted).map(says).collect()
}

fn only(rights: &str) -> Vec<String> {
    let sets = ["--bounding-set", "--inh-caps", "--ambient-caps"];
    let flags = sets.map(|set| format!("{set}=-all,{rights}"));
    [&["setpriv".to_owned()], &flags[..2]].concat()
}

#[test]
fn two_servers_in_each_others_way_are_found_before_any_packet() -> Result<()> {
    let network = Router::new()?;
    let (files, others) = (ServerFiles::new()?, ServerFiles::new()?);
    let nova = ["--bind-interfaces", "--except-interface=lo", POOL];
    let with = |address: &'static str| [&nova[..], &[address]].concat();
    let one = Dnsmasq::start(
        &network.router,
        &files,
        &with("--listen-address=172.29.101.245"),
    )?;
    let (items, _) = doctor(&network, &[])?;
    let ours = |says: &&str, server: &Dnsmasq| says.contains(&format!("pid {} (", server.id()));
    let listening = of(&items, "ok", "listener");
    ensure!(
        listening.iter().any(|says| ours(says, &one)),
        "{listening:?}"
    );
    let before = of(&items, "finding", "wildcard_sockets");
    ensure!(!before.iter().any(|says| ours(says, &one)), "{before:?}");

    let two = Dnsmasq::start(
        &network.router,
        &others,
        &with("--listen-address=172.29.101.1"),
    )?;
    let (items, code) = doctor(&network, &[])?;
    let found = of(&items, "finding", "wildcard_sockets");
    ensure!(
        found
            .iter()
            .any(|says| ours(says, &one) && ours(says, &two)),
        "{found:?}"
    );
    ensure!(code == Some(3), "exit code {code:?}");
    Ok(())
}

#[test]
fn a_missing_right_is_named_with_what_it_costs() -> Result<()> {
    let network = Router::new()?;
    let wrapper = only(HOOK_RIGHTS);
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let (items, _) = doctor(&network, &wrapper)?;
    for held in ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] {
        ensure!(of(&items, "ok", held).len() == 1, "{held} is not held");
    }
    for (lacking, costs) in [
        ("CAP_SYS_PTRACE", "which process holds a socket"),
        ("CAP_SYS_ADMIN", "network namespaces"),
        ("CAP_SYSLOG", "consume_skb"),
        ("CAP_DAC_READ_SEARCH", "lease_database"),
    ] {
        let says = of(&items, "missing", lacking);
        ensure!(
            says.iter().any(|says| says.contains(costs)),
            "{lacking}: {says:?}"
        );
    }
    for hook in ["interface hooks", "cgroup_skb", "kfree_skb"] {
        ensure!(of(&items, "ok", hook).len() == 1, "{hook} is not to be had");
    }
    let raw = of(&items, "missing", "consume_skb");
    ensure!(
        raw.iter().any(|says| says.contains("CAP_SYSLOG")),
        "{raw:?}"
    );
    Ok(())
}

/// It watches all the same, and says in a line each what it lacks.
#[test]
fn run_does_with_the_rights_of_its_hooks() -> Result<()> {
    let network = Router::new()?;
    let log = tempfile::NamedTempFile::new()?;
    let wrapper = only(HOOK_RIGHTS);
    let (first, rest) = wrapper.split_first().context("a wrapper")?;
    let mut command = Command::new(first);
    command
        .args(rest)
        .arg(program()?)
        .args(["run", "--listen", "127.0.0.1:10547"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log.path())?);
    let mut running = network.router.spawn(&mut command)?;
    let said = || std::fs::read_to_string(log.path()).unwrap_or_default();
    let listen = "127.0.0.1:10547".parse()?;
    wait_for("the agent to be ready", PATIENCE, || {
        if let Some(status) = running.ended()? {
            anyhow::bail!("the agent ended with {status}: {}", said());
        }
        let answer = leasehound_tests::http::get(&network.router, listen, "/readyz").ok();
        Ok(answer
            .is_some_and(|answer| answer.status == 200)
            .then_some(()))
    })?;
    wait_for("a line on what is lacking", PATIENCE, || {
        Ok(said().contains("CAP_SYS_PTRACE").then_some(()))
    })?;
    let page = leasehound_tests::http::get(&network.router, listen, "/metrics")?.body;
    for hook in ["cgroup_skb", "kfree_skb"] {
        let line = format!(
            "leasehound_hook_attached{{netns=\"\",interface=\"\",hook=\"{hook}\",mode=\"host\"}} 1"
        );
        ensure!(page.contains(&line), "{line}: {}", said());
    }
    Ok(())
}
