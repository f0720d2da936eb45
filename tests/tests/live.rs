//! The agent follows its host: interfaces, addresses and servers that come and go while
//! it runs; and it answers who asks it.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, parse, program, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::frame::Frame;
use leasehound_tests::matrix::{CLIENT, Expected, LATECOMER, agrees, only};
use leasehound_tests::message::{Mac, option};
use leasehound_tests::netns::Namespace;
use leasehound_tests::router::{CLIENT_MAC, PRIMARY, ROUTER_MAC, Router, SECONDARY, connect};
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;

/// The agent is there first; link, address, server and a second address come later, and
/// the link goes again.
#[test]
fn an_interface_and_a_server_that_come_later() -> Result<()> {
    let network = Router {
        router: Namespace::new("router")?,
        client: Namespace::new("client")?,
    };
    let mut agent = Agent::start(&network.router, &[])?;
    link(&network)?;
    address(&network, SECONDARY)?;
    hooks(&agent, "attached")?;
    let files = ServerFiles::new()?;
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    found(&agent, &server)?;

    let honoured = released(&network, CLIENT, |_| ())?;
    address(&network, PRIMARY)?;
    let ignored = released(&network, LATECOMER, |frame| {
        frame.message.set(option::SERVER_ID, &PRIMARY.octets());
    })?;
    agent.verdicts(2)?;
    agrees(&on(&agent, honoured)?, Expected::Honoured)?;
    agrees(
        &on(&agent, ignored)?,
        Expected::Ignored("server_id_other_local_address"),
    )?;
    for verdict in agent.verdicts(2)? {
        let origin = verdict.get("origin").context("origin")?;
        ensure!(text(origin, "interface") == "eth3", "{verdict}");
    }

    network.router.run("ip", &["link", "delete", "eth3"])?;
    hooks(&agent, "detached")?;
    let page = agent.metrics()?;
    let verdicts = page.count(
        "leasehound_releases_honoured_total",
        &[r#"interface="eth3""#],
    )?;
    ensure!(verdicts == 1, "the counters left with the interface");
    only(&agent.stop()?, 2)
}

/// Ready means that a hook sees packets; alive it is without.
#[test]
fn readiness_follows_the_hooks() -> Result<()> {
    let network = Router::new()?;
    let mut agent = Agent::start(&network.router, &["-i", "eth3"])?;
    network.router.run("ip", &["link", "delete", "eth3"])?;
    ready(&agent, 503)?;
    ensure!(agent.get("/healthz")?.status == 200, "it does live");
    link(&network)?;
    ready(&agent, 200)?;
    ensure!(agent.stop()?.status.success(), "it ended badly");
    Ok(())
}

#[test]
fn a_server_that_is_restarted() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let mut agent = Agent::start(&network.router, &[])?;
    let arguments = [LISTEN_ON_SECONDARY, POOL];
    let first = Dnsmasq::start(&network.router, &files, &arguments)?;
    found(&agent, &first)?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    first.stop()?;
    let second = Dnsmasq::start(&network.router, &files, &arguments)?;
    found(&agent, &second)?;
    client.send(&client.release(lease))?;
    agent.verdicts(1)?;
    let verdict = on(&agent, lease)?;
    agrees(&verdict, Expected::Honoured)?;
    let pid = verdict.pointer("/server/pid").and_then(Value::as_u64);
    ensure!(pid == Some(second.id().into()), "another server: {verdict}");
    only(&agent.stop()?, 1)
}

/// Without a database nothing says that a lease is gone; that a rule is broken, the
/// packet says alone.
#[test]
fn a_server_that_keeps_no_lease_file() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let arguments = [LISTEN_ON_SECONDARY, POOL, "--leasefile-ro"];
    let _server = Dnsmasq::start(&network.router, &files, &arguments)?;
    let mut agent = Agent::start(&network.router, &[])?;
    let proper = released(&network, CLIENT, |_| ())?;
    let bent = released(&network, LATECOMER, |frame| {
        frame.message.remove(option::SERVER_ID);
    })?;
    agent.verdicts(2)?;
    let verdict = on(&agent, proper)?;
    ensure!(
        (text(&verdict, "verdict"), text(&verdict, "missing"))
            == ("undetermined", "database_not_live"),
        "{verdict}"
    );
    let verdict = on(&agent, bent)?;
    agrees(&verdict, Expected::Ignored("server_id_missing"))?;
    ensure!(text(&verdict, "certainty") == "inferred", "{verdict}");
    only(&agent.stop()?, 2)
}

/// Where the server is not found, its database can be named: here it runs in another
/// namespace than the agent, which watches the clients' end of the link.
#[test]
fn a_lease_database_named_by_hand() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let _server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let database = format!("dnsmasq:{}", files.lease_file().display());
    let mut agent = Agent::start(&network.client, &["-i", "eth0", "--lease-db", &database])?;
    let client = Client::new(&network, CLIENT, None)?;
    let lease = client.obtain()?;
    // No server of this host granted it: only the database tells whose lease it is.
    wait_for("the lease to be read", PATIENCE, || {
        let page = agent.metrics()?;
        let entries = page.count("leasehound_lease_database_entries", &[]);
        Ok(entries.is_ok_and(|entries| entries == 1).then_some(()))
    })?;
    client.send(&client.release(lease))?;
    agent.verdicts(1)?;
    agrees(&on(&agent, lease)?, Expected::Honoured)?;
    only(&agent.stop()?, 1)?;
    drop(agent);

    let mut agent = Agent::start(&network.client, &["-i", "eth0"])?;
    let lease = released(&network, LATECOMER, |_| ())?;
    agent.verdicts(1)?;
    let verdict = on(&agent, lease)?;
    ensure!(text(&verdict, "verdict") == "undetermined", "{verdict}");
    only(&agent.stop()?, 1)
}

#[test]
fn who_asks_is_answered() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::new()?;
    let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
    let mut agent = Agent::start(&network.router, &[])?;
    let lease = released(&network, CLIENT, |frame| {
        frame.message.set(option::SERVER_ID, &PRIMARY.octets());
    })?;
    agent.verdicts(1)?;
    let verdict = on(&agent, lease)?;
    found(&agent, &server)?;

    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/nowhere", 404)] {
        let answer = agent.get(path)?;
        ensure!(answer.status == status, "{path}: {}", answer.status);
    }
    let listed = json(&agent, "/api/v1/verdicts")?;
    let first = listed.pointer("/verdicts/0").context("no verdict")?;
    ensure!(*first == verdict, "{first}\nis not the event\n{verdict}");
    wait_for("the server's id", PATIENCE, || {
        let servers = json(&agent, "/api/v1/servers")?;
        let id = servers.pointer("/servers/0/server_ids/0");
        let id = id.and_then(Value::as_str);
        Ok((id == Some(&SECONDARY.to_string())).then_some(()))
    })?;
    let hooks = json(&agent, "/api/v1/hooks")?;
    let hooks = hooks.pointer("/hooks").and_then(Value::as_array);
    let attached = |hook: &&Value| text(hook, "state") == "attached";
    let attached = hooks.into_iter().flatten().filter(attached).count();
    ensure!(attached == 4, "{attached} hooks on lo and eth3");

    let page = agent.get("/")?.body;
    let page = ["&quot;\"", "&#39;'", "&#x27;'", "&lt;<", "&gt;>", "&amp;&"]
        .iter()
        .fold(page, |page, pair| {
            let (escaped, plain) = pair.split_at(pair.len() - 1);
            page.replace(escaped, plain)
        });
    let remedy = text(&verdict, "remedy");
    ensure!(!remedy.is_empty(), "no remedy: {verdict}");
    let address = lease.address.to_string();
    for part in [remedy, &address, "ignored", "dnsmasq", "eth3"] {
        ensure!(page.contains(part), "the page has no {part:?}:\n{page}");
    }
    only(&agent.stop()?, 1)
}

#[test]
fn interfaces_are_listed() -> Result<()> {
    let network = Router::new()?;
    let binary = program()?;
    let binary = binary.to_str().context("path")?;
    let list = |namespace: &Namespace, more: &[&str]| -> Result<Vec<Value>> {
        let arguments = [&["interfaces", "--format", "json"][..], more].concat();
        let lines = namespace.run(binary, &arguments)?;
        parse(&lines.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let watched = |listed: &[Value]| -> Vec<String> {
        let wanted = |row: &&Value| row.get("watched") == Some(&Value::Bool(true));
        let name = |row: &Value| text(row, "interface").to_owned();
        listed.iter().filter(wanted).map(name).collect()
    };
    let here = list(&network.router, &[])?;
    ensure!(watched(&here) == ["lo", "eth3"], "{here:?}");
    let eth3 = here.get(1).context("eth3")?;
    let addresses = serde_json::json!([format!("{PRIMARY}/24"), format!("{SECONDARY}/24")]);
    ensure!(eth3.get("addresses") == Some(&addresses), "{eth3}");
    ensure!(text(eth3, "mac") == ROUTER_MAC.to_string(), "{eth3}");
    // eth0 has no address.
    let there = list(&network.client, &[])?;
    ensure!(watched(&there) == ["lo"], "{there:?}");
    let chosen = list(&network.client, &["-i", "/^eth/"])?;
    ensure!(watched(&chosen) == ["eth0"], "{chosen:?}");
    let table = network.router.run(binary, &["interfaces"])?;
    ensure!(table.lines().count() == 3, "{table}");
    Ok(())
}

#[test]
fn causes_are_explained() -> Result<()> {
    let binary = program()?;
    let binary = binary.to_str().context("path")?;
    let explain = |cause: &[&str]| {
        leasehound_tests::process::run(binary, &[&["explain"][..], cause].concat())
    };
    let listed = explain(&[])?;
    ensure!(listed.lines().count() >= 13, "{listed}");
    for line in listed.lines() {
        let (code, title) = line.split_once(' ').context("cause without a title")?;
        let page = explain(&[code])?;
        for part in [
            code,
            title.trim(),
            "What happened",
            "How it is detected",
            "What to do",
            "Sources",
        ] {
            ensure!(page.contains(part), "{code}: no {part:?} in\n{page}");
        }
        let body = |line: &&str| line.starts_with("  ") && !line.starts_with("  - ");
        let widest = page.lines().filter(body).map(|line| line.chars().count());
        ensure!(widest.max().is_some_and(|widest| widest <= 80), "{page}");
    }
    Ok(())
}

fn link(network: &Router) -> Result<()> {
    let (router, client) = (&network.router, &network.client);
    connect(router, "eth3", ROUTER_MAC, client, "eth0", CLIENT_MAC)
}

fn address(network: &Router, address: std::net::Ipv4Addr) -> Result<()> {
    let address = format!("{address}/24");
    let arguments = ["addr", "add", &address, "dev", "eth3"];
    network.router.run("ip", &arguments)?;
    Ok(())
}

/// A client takes a lease and gives it back, in some way.
fn released(network: &Router, mac: Mac, bend: fn(&mut Frame)) -> Result<Lease> {
    let client = Client::new(network, mac, None)?;
    let lease = client.obtain()?;
    let mut frame = client.release(lease);
    bend(&mut frame);
    client.send(&frame)?;
    Ok(lease)
}

/// The verdict on a lease.
fn on(agent: &Agent<'_>, lease: Lease) -> Result<Value> {
    let address = lease.address.to_string();
    let mut verdicts = agent.verdicts(1)?.into_iter();
    verdicts
        .find(|verdict| text(verdict, "address") == address)
        .with_context(|| format!("no verdict on {address}"))
}

/// Waits until both hooks of eth3 are said to be in a state.
fn hooks(agent: &Agent<'_>, state: &str) -> Result<()> {
    wait_for("events of eth3's hooks", PATIENCE, || {
        let events = parse(&agent.lines()?)?;
        let told = |event: &&Value| {
            text(event, "kind") == "hook"
                && text(event, "interface") == "eth3"
                && text(event, "state") == state
        };
        Ok((events.iter().filter(told).count() == 2).then_some(()))
    })
}

/// Waits until a server is known and its lease file is read.
fn found(agent: &Agent<'_>, server: &Dnsmasq) -> Result<()> {
    wait_for("the agent to find the server", PATIENCE, || {
        let servers = json(agent, "/api/v1/servers")?;
        let servers = servers.pointer("/servers").and_then(Value::as_array);
        let pid = |row: &Value| row.get("pid").and_then(Value::as_u64);
        let known = servers
            .into_iter()
            .flatten()
            .any(|row| pid(row) == Some(server.id().into()));
        let up = agent
            .metrics()?
            .count("leasehound_lease_database_up", &[r#"kind="dnsmasq""#]);
        Ok((known && up.is_ok_and(|up| up == 1)).then_some(()))
    })
}

fn ready(agent: &Agent<'_>, status: u16) -> Result<()> {
    wait_for("a change of readiness", PATIENCE, || {
        Ok((agent.get("/readyz")?.status == status).then_some(()))
    })
}

fn json(agent: &Agent<'_>, path: &str) -> Result<Value> {
    let answer = agent.get(path)?;
    ensure!(answer.status == 200, "{path}: {}", answer.status);
    serde_json::from_str(&answer.body).with_context(|| format!("{path}: {}", answer.body))
}
