//! One agent, several network namespaces: whose verdict is whose, and what comes and
//! goes while it runs.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, replay, text};
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::frame::Frame;
use leasehound_tests::hooks::attached;
use leasehound_tests::matrix::{CLIENT, only};
use leasehound_tests::message::option;
use leasehound_tests::netns::Namespace;
use leasehound_tests::process::run;
use leasehound_tests::router::{PRIMARY, Router};
use leasehound_tests::wait::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A network with its server: all of them have the same addresses and the same client.
struct Site {
    // Dropped first: it prints its log, which is among the files.
    server: Dnsmasq,
    files: ServerFiles,
    network: Router,
}

impl Site {
    fn new() -> Result<Self> {
        let network = Router::new()?;
        let files = ServerFiles::new()?;
        let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
        Ok(Self {
            server,
            files,
            network,
        })
    }

    fn name(&self) -> &str {
        self.network.router.name()
    }

    /// Takes a lease and gives it back as the client of every site does, to the bit.
    fn release(&self, bend: fn(&mut Frame)) -> Result<Lease> {
        let client = Client::new(&self.network, CLIENT, None)?;
        let lease = client.obtain()?;
        let mut frame = client.release(lease);
        frame.message.xid = 0;
        bend(&mut frame);
        client.send(&frame)?;
        Ok(lease)
    }
}

fn name_the_primary(frame: &mut Frame) {
    frame.message.set(option::SERVER_ID, &PRIMARY.octets());
}

#[test]
fn the_same_addresses_in_two_namespaces() -> Result<()> {
    let (a, b) = (Site::new()?, Site::new()?);
    let home = Namespace::new("agent")?;
    let recording = a.files.path("recording");
    let recording = recording.to_str().context("path")?;
    let path = format!("/run/netns/{}", b.name());
    #[rustfmt::skip]
    let mut agent = Agent::start(&home, &[
        "--netns", a.name(), "--netns", b.name(), "--netns", &path, "--record", recording,
    ])?;
    ensure!(attached(&home)?.is_empty(), "its own was not asked for");
    let ignored = a.release(name_the_primary)?;
    let honoured = b.release(|_| ())?;
    ensure!(
        ignored.address == honoured.address,
        "the lab is wrong: {ignored:?} and {honoured:?} do not overlap"
    );

    let verdicts = agent.verdicts(2)?;
    let of_a = of(&verdicts, a.name())?;
    let said = (text(of_a, "verdict"), text(of_a, "cause"));
    ensure!(
        said == ("ignored", "server_id_other_local_address"),
        "{of_a}"
    );
    ensure!(server_pid(of_a) == Some(a.server.id().into()), "{of_a}");
    let of_b = of(&verdicts, b.name())?;
    ensure!(text(of_b, "verdict") == "honoured", "{of_b}");
    ensure!(server_pid(of_b) == Some(b.server.id().into()), "{of_b}");
    ensure!(a.files.holds(CLIENT, ignored.address)?, "dnsmasq let it go");
    ensure!(!b.files.holds(CLIENT, honoured.address)?, "dnsmasq kept it");

    let page = agent.metrics()?;
    for (site, ignored) in [(&a, 1), (&b, 0)] {
        let netns = format!("netns=\"{}\"", site.name());
        let labels = [netns.as_str(), "interface=\"eth3\""];
        let count = |metric| page.count(metric, &labels);
        ensure!(count("leasehound_releases_total")? == 1, "{netns}");
        ensure!(
            count("leasehound_releases_ignored_total")? == ignored,
            "{netns}"
        );
        let type_label = "message_type=\"release\"";
        let counted = page.count(
            "leasehound_messages_total",
            &[&netns, type_label, "direction=\"ingress\""],
        )?;
        ensure!(counted == 1, "{counted} counted in {netns}");
        // Brought up to date now and then.
        wait_for("the number of leases", PATIENCE, || {
            let leases = agent
                .metrics()?
                .count("leasehound_lease_database_entries", &[&netns])?;
            Ok((leases == ignored).then_some(()))
        })?;
    }

    let live = agent.stop()?;
    only(&live, 2)?;
    let replayed = replay(&[recording, "--format", "json"])?;
    let (live, replayed) = (verdict_lines(&live.lines), verdict_lines(&replayed.lines));
    ensure!(live == replayed, "live: {live:#?}\nreplayed: {replayed:#?}");
    Ok(())
}

#[test]
fn killed_in_namespaces_of_others_it_leaves_nothing() -> Result<()> {
    let (a, b) = (Router::new()?, Router::new()?);
    let home = Namespace::new("agent")?;
    #[rustfmt::skip]
    let mut agent = Agent::start(&home, &[
        "--netns", a.router.name(), "--netns", b.router.name(), "-i", "eth3",
    ])?;
    let routers = [&a.router, &b.router];
    for router in routers {
        ensure!(!attached(router)?.is_empty(), "ready without a hook");
    }
    agent.signal(Signal::SIGKILL)?;
    agent.ended()?;
    for router in routers {
        wait_for("the kernel to sever the links", PATIENCE, || {
            Ok(attached(router)?.is_empty().then_some(()))
        })?;
    }
    Ok(())
}

/// A classic filter is taken off where it is, not where its interface's number also is.
#[test]
fn classic_filters_are_removed_in_their_own_namespace() -> Result<()> {
    let (a, b) = (Router::new()?, Router::new()?);
    let (mine, theirs) = (&a.router, &b.router);
    let arguments = ["-i", "eth3", "--ingress", "tc"];
    let mut other = Agent::start(theirs, &arguments)?;
    let before = attached(theirs)?;
    let home = Namespace::new("agent")?;
    let named = [&arguments[..], &["--netns", mine.name()]].concat();
    let mut agent = Agent::start(&home, &named)?;
    ensure!(!attached(mine)?.is_empty(), "ready without a filter");
    agent.stop()?;
    ensure!(attached(mine)?.is_empty(), "filters stayed");
    ensure!(attached(theirs)? == before, "another's filter is gone");
    other.stop()?;
    Ok(())
}

#[test]
fn all_follows_names_as_they_come_and_go() -> Result<()> {
    let home = Namespace::new("agent")?;
    let site = Site::new()?;
    let recording = site.files.path("recording");
    let recording = recording.to_str().context("path")?;
    let mut agent = Agent::start_with_names(&home, &["--netns", "all", "--record", recording])?;
    ensure!(
        attached(&site.network.router)?.is_empty(),
        "the lab is wrong: the agent sees names of others"
    );
    for round in 1..=2 {
        agent.name("late", site.server.id())?;
        hooks(&agent, "attached", round)?;
        // Who serves may be found out after the hooks are on.
        wait_for("the server to be known", PATIENCE, || {
            let entries = agent
                .metrics()?
                .count("leasehound_servers", &["netns=\"late\""]);
            Ok((entries.is_ok_and(|servers| servers == 1)).then_some(()))
        })?;
        site.release(name_the_primary)?;
        let verdicts = agent.verdicts(round)?;
        let verdict = verdicts.last().context("verdict")?;
        let origin = verdict.get("origin").context("origin")?;
        ensure!(text(origin, "netns") == "late", "{verdict}");
        ensure!(
            server_pid(verdict) == Some(site.server.id().into()),
            "{verdict}"
        );
        agent.forget("late")?;
        hooks(&agent, "detached", round)?;
        ensure!(
            attached(&site.network.router)?.is_empty(),
            "hooks stay in a namespace that is let go"
        );
    }
    // Let go for good: the namespace dies with its last user, and its link with it.
    let Site {
        server,
        files: _files,
        network,
    } = site;
    drop(server);
    let Router { router, client } = network;
    drop(router);
    wait_for("the namespace to die", PATIENCE, || {
        let links = client.run("ip", &["-o", "link", "show"])?;
        Ok((!links.contains("eth0")).then_some(()))
    })?;
    let live = agent.stop()?;
    only(&live, 2)?;
    let replayed = replay(&[recording, "--format", "json"])?;
    let (live, replayed) = (verdict_lines(&live.lines), verdict_lines(&replayed.lines));
    ensure!(live == replayed, "live: {live:#?}\nreplayed: {replayed:#?}");
    Ok(())
}

#[test]
fn a_name_that_is_not_there_is_a_usage_error() -> Result<()> {
    let there = Namespace::new("there")?;
    let program = leasehound_tests::agent::program()?;
    for command in ["run", "interfaces"] {
        let output = std::process::Command::new(&program)
            .args([command, "--netns", "lhlab-not-there"])
            .output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(2), "{}: {said}", output.status);
        ensure!(
            said.starts_with("leasehound: no network namespace \"lhlab-not-there\": there are "),
            "{said}"
        );
        ensure!(
            said.contains(there.name()) && said.lines().count() == 1,
            "{said}"
        );
    }
    let program = program.to_str().context("path")?;
    let listed = run(program, &["interfaces", "--netns", there.name()])?;
    ensure!(listed.contains(there.name()), "{listed}");
    Ok(())
}

/// Waits until eth3 of the namespace "late" changed `state` that many times, both ways.
fn hooks(agent: &Agent<'_>, state: &str, times: usize) -> Result<()> {
    wait_for("eth3 to be followed", PATIENCE, || {
        let of_it = |line: &&String| {
            ["\"hook\"", "\"late\"", "\"eth3\"", &format!("{state:?}")]
                .iter()
                .all(|part| line.contains(part))
        };
        let count = agent.lines()?.iter().filter(of_it).count();
        Ok((count == 2 * times).then_some(()))
    })
}

fn of<'v>(verdicts: &'v [Value], netns: &str) -> Result<&'v Value> {
    let here = |verdict: &&Value| {
        let origin = verdict.get("origin");
        origin.is_some_and(|origin| text(origin, "netns") == netns)
    };
    verdicts
        .iter()
        .find(here)
        .with_context(|| format!("no verdict of {netns} in {verdicts:#?}"))
}

fn server_pid(verdict: &Value) -> Option<u64> {
    verdict.get("server")?.get("pid")?.as_u64()
}

fn verdict_lines(lines: &[String]) -> Vec<String> {
    let verdict = |line: &&String| line.contains(r#""kind":"verdict""#);
    lines.iter().filter(verdict).cloned().collect()
}
