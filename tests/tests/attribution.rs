//! Which process took a message: wherever it lives, and whatever its id was before.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, parse, text};
use leasehound_tests::cgroup::{Group, Hierarchy};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::counters::Counter;
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::ear::{Ear, Icmp};
use leasehound_tests::matrix::{CLIENT, LATECOMER};
use leasehound_tests::message::kind;
use leasehound_tests::netns::Namespace;
use leasehound_tests::router::Router;
use leasehound_tests::scene::{ANSWER_DEADLINE, truth};
use leasehound_tests::verdict::{evidence, verdict_on};
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;
use std::process::{Command, Stdio};

const ARGUMENTS: &[&str] = &[LISTEN_ON_SECONDARY, POOL];

#[test]
fn daemons_in_other_network_namespaces() -> Result<()> {
    let (one, other) = (Router::new()?, Router::new()?);
    let (files, other_files) = (ServerFiles::new()?, ServerFiles::new()?);
    let server = Dnsmasq::start(&one.router, &files, ARGUMENTS)?;
    let other_server = Dnsmasq::start(&other.router, &other_files, ARGUMENTS)?;
    let home = Namespace::new("agent")?;
    #[rustfmt::skip]
    let agent = Agent::start(&home, &[
        "--netns", one.router.name(), "--netns", other.router.name(),
        "--answer-deadline", ANSWER_DEADLINE,
    ]);
    let first = renew_and_release(&one, &files, None)?;
    let second = renew_and_release(&other, &other_files, None)?;

    let agent = agent?;
    attributed(&agent, &first, server.id())?;
    attributed(&agent, &second, other_server.id())?;
    nobody_else(agent, 4)
}

#[test]
fn daemon_in_a_child_of_the_unified_hierarchy() -> Result<()> {
    in_a_group(&Group::new(Hierarchy::Unified)?)
}

/// A kernel without hierarchies of version 1 has no such daemon either.
#[test]
fn daemon_in_a_version_1_hierarchy() -> Result<()> {
    match Group::new(Hierarchy::NetCls).or_else(|_| Group::new(Hierarchy::Named)) {
        Ok(group) => in_a_group(&group),
        Err(error) => {
            let known = std::fs::read_to_string("/proc/filesystems")?;
            let version_1 = known.lines().any(|line| line == "nodev\tcgroup");
            ensure!(!version_1, "version 1 is there: {error:#}");
            eprintln!("--- this kernel has no control groups of version 1: {error:#}");
            Ok(())
        }
    }
}

#[test]
fn restart_between_two_packets() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let before = Dnsmasq::start(&network.router, &files, ARGUMENTS)?;
    let agent = watch(&network);
    let lease = obtain(&network)?;
    before.stop()?;
    let server = Dnsmasq::start(&network.router, &files, ARGUMENTS)?;
    let xids = renew_and_release(&network, &files, Some(lease))?;

    let agent = agent?;
    attributed(&agent, &xids, server.id())?;
    nobody_else(agent, 2)
}

#[test]
fn restart_under_the_same_process_id() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let before = Dnsmasq::start(&network.router, &files, ARGUMENTS)?;
    let id = before.id();
    let agent = watch(&network);
    let lease = obtain(&network)?;
    before.stop()?;
    let spawn = |command: &mut Command| network.router.spawn_as(id, command);
    let server = Dnsmasq::start_by(spawn, only_as(id, "dnsmasq"), &files, ARGUMENTS)?;
    truth(server.id() == id, || {
        format!("{} and not {id}", server.id())
    })?;
    let xids = renew_and_release(&network, &files, Some(lease))?;

    let agent = agent?;
    attributed(&agent, &xids, id)?;
    nobody_else(agent, 2)
}

/// The id of the server that granted the lease is there, but it is no server any more.
#[test]
fn process_id_that_another_program_has_by_now() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let before = Dnsmasq::start(&network.router, &files, ARGUMENTS)?;
    let id = before.id();
    let agent = watch(&network);
    let lease = obtain(&network)?;
    before.stop()?;
    let mut sleeper = only_as(id, "sleep");
    sleeper.arg("infinity").stdin(Stdio::null());
    let sleeper = network.router.spawn_as(id, &mut sleeper)?;
    truth(sleeper.id() == id, || {
        format!("{} and not {id}", sleeper.id())
    })?;

    let unheard = Counter::Snmp("Udp", "NoPorts");
    let before = unheard.read(&network.router)?;
    let client = Client::new(&network, CLIENT, None)?;
    let mut ear = Ear::open(&network)?;
    let (renew, release) = (client.renew(lease), client.release(lease));
    client.send(&renew)?;
    client.send(&release)?;
    wait_for("the kernel to find nobody", PATIENCE, || {
        Ok((unheard.read(&network.router)? == before + 2).then_some(()))
    })?;
    ear.until_error(lease.address, Icmp::PortUnreachable)?;
    truth(files.holds(CLIENT, lease.address)?, || {
        "the lease is gone".to_owned()
    })?;
    eprintln!("--- the kernel and the server do as expected");

    let mut agent = agent?;
    for (xid, word) in [
        (renew.message.xid, "unanswered"),
        (release.message.xid, "ignored"),
    ] {
        let verdict = verdict_on(&agent, xid)?;
        let said = (text(&verdict, "verdict"), text(&verdict, "cause"));
        ensure!(said == (word, "no_listener"), "{verdict}");
        let delivery = evidence(&verdict, "delivery");
        ensure!(
            !delivery.contains(&id.to_string()),
            "delivered to a sleeper: {verdict}"
        );
    }
    ensure!(agent.stop()?.status.success(), "{}", agent.log());
    Ok(())
}

/// Runs a server in a control group and looks whom the agent names.
fn in_a_group(group: &Group) -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let spawn = |command: &mut Command| network.router.spawn(command);
    let server = Dnsmasq::start_by(spawn, group.launcher("dnsmasq"), &files, ARGUMENTS)?;
    truth(group.has(server.id())?, || {
        format!("{} is not in {group:?}", server.id())
    })?;
    let agent = watch(&network);
    let xids = renew_and_release(&network, &files, None)?;

    let agent = agent?;
    attributed(&agent, &xids, server.id())?;
    nobody_else(agent, 2)
}

fn watch(network: &Router) -> Result<Agent<'_>> {
    Agent::start(&network.router, &["--answer-deadline", ANSWER_DEADLINE])
}

/// A shell that becomes `program`, if it has that process id.
fn only_as(id: u32, program: &str) -> Command {
    const ONLY: &str = r#"[ $$ = "$0" ] && exec "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", ONLY, &id.to_string(), program]);
    command
}

/// The transaction ids of a client's RENEW and RELEASE.
#[derive(Debug)]
struct Attempts {
    renew: u32,
    release: u32,
}

/// Takes a lease; the router knows the client's MAC from then on.
fn obtain(network: &Router) -> Result<Lease> {
    let lease = Client::new(network, CLIENT, None)?.obtain()?;
    let (address, mac) = (lease.address.to_string(), CLIENT.to_string());
    #[rustfmt::skip]
    network.router.run("ip", &[
        "neigh", "replace", &address, "lladdr", &mac, "dev", "eth3", "nud", "permanent",
    ])?;
    Ok(lease)
}

/// Renews a lease and gives it back, both of which the server has to do.
fn renew_and_release(
    network: &Router,
    files: &ServerFiles,
    lease: Option<Lease>,
) -> Result<Attempts> {
    let lease = lease.map_or_else(|| obtain(network), Ok)?;
    let client = Client::new(network, CLIENT, None)?;
    let mut ear = Ear::open(network)?;
    let renew = client.renew(lease);
    client.send(&renew)?;
    ear.until_acknowledged(CLIENT)?;
    let answers = ear.answers(renew.message.xid);
    truth(answers == [kind::ACK], || {
        format!("answers of type {answers:?}")
    })?;
    let release = client.release(lease);
    client.send(&release)?;
    Client::new(network, LATECOMER, None)?.obtain()?;
    truth(!files.holds(CLIENT, lease.address)?, || {
        "the lease is still there".to_owned()
    })?;
    eprintln!("--- the server does as expected");
    Ok(Attempts {
        renew: renew.message.xid,
        release: release.message.xid,
    })
}

/// Whether both verdicts say that it went well, and that `server` did it.
fn attributed(agent: &Agent<'_>, attempts: &Attempts, server: u32) -> Result<()> {
    for (xid, word) in [(attempts.renew, "answered"), (attempts.release, "honoured")] {
        let verdict = verdict_on(agent, xid)?;
        ensure!(text(&verdict, "verdict") == word, "not {word}: {verdict}");
        let pid = verdict.pointer("/server/pid").and_then(Value::as_u64);
        ensure!(pid == Some(server.into()), "not by {server}: {verdict}");
    }
    Ok(())
}

/// Whether the agent never named another daemon, or none, and ended in peace.
fn nobody_else(mut agent: Agent<'_>, unicasts: u64) -> Result<()> {
    let page = agent.metrics()?;
    let deliveries = |outcome: &str| {
        page.count(
            "leasehound_deliveries_total",
            &[&format!("outcome=\"{outcome}\"")],
        )
    };
    let expected = deliveries("expected_daemon")?;
    ensure!(
        expected >= unicasts,
        "{expected} of {unicasts} unicasts reached their daemon"
    );
    for outcome in ["wrong_daemon", "no_socket", "dropped"] {
        let count = deliveries(outcome)?;
        ensure!(count == 0, "{count} times {outcome}");
    }
    let stopped = agent.stop()?;
    let events = parse(&stopped.lines)?;
    let misled = events.iter().find(|event| {
        // The labs' server goes by its second address: that is found, rightly.
        let is_of_the_lab = text(event, "finding") == "release_tool_id_mismatch";
        ["wrong_daemon", "no_listener"].contains(&text(event, "cause"))
            || (text(event, "kind") == "finding" && !is_of_the_lab)
    });
    ensure!(misled.is_none(), "misled: {misled:?}");
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}
