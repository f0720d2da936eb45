//! Servers that never honour a RELEASE, known by their process or by the flag. The real ones
//! do not run here: the labs' own responder stands in for Harvester's agent under its name. What
//! these labs show is how the agent comes to know the program, and that a RELEASE for it
//! raises no alarm.

use anyhow::{Result, ensure};
use leasehound_tests::agent::{Agent, text};
use leasehound_tests::dnsmasq::ServerFiles;
use leasehound_tests::metrics::Page;
use leasehound_tests::netns::Namespace;
use leasehound_tests::responder::Responder;
use leasehound_tests::segment::Segment;
use leasehound_tests::verdict::verdict_on;
use serde_json::Value;

const LAB_RESPONDER: &str = env!("CARGO_BIN_EXE_lab-responder");

/// A RELEASE to the responder, started under `name`; the agent's verdict.
fn release(name: &str, flags: &[&str]) -> Result<(Value, Page)> {
    let router = Namespace::new("router")?;
    let segment = Segment::bridged(&router, "br0", 7, 1)?;
    let files = ServerFiles::new()?;
    let program = files.path(name);
    std::fs::copy(LAB_RESPONDER, &program)?;
    let program = program.to_string_lossy();
    let _server = Responder::start(&program, &router, &segment, &files)?;
    let agent = Agent::start(&router, flags)?;
    let client = segment.client(1, 1)?;
    let lease = client.obtain()?;
    let frame = client.release(lease);
    client.send(&frame)?;
    segment.settle()?;
    let verdict = verdict_on(&agent, frame.message.xid)?;
    Ok((verdict, agent.metrics()?))
}

fn is_no_alarm(verdict: &Value, page: &Page) -> Result<()> {
    let said = (text(verdict, "verdict"), text(verdict, "cause"));
    ensure!(said == ("ignored", "unsupported_by_server"), "{verdict}");
    let alarm = verdict.get("alarm").and_then(Value::as_bool);
    ensure!(alarm == Some(false), "an alarm: {verdict}");
    let kind = verdict.pointer("/server/kind").and_then(Value::as_str);
    ensure!(kind == Some("harvester"), "another server: {verdict}");
    let counted = page.count(
        "leasehound_releases_ignored_total",
        &["cause=\"unsupported_by_server\""],
    )?;
    ensure!(counted == 1, "counted {counted} times");
    Ok(())
}

#[test]
fn by_its_process() -> Result<()> {
    let (verdict, page) = release("vm-dhcp-agent", &[])?;
    is_no_alarm(&verdict, &page)
}

#[test]
fn by_the_flag() -> Result<()> {
    let (verdict, page) = release("some-server", &["--server-kind", "br*=harvester"])?;
    is_no_alarm(&verdict, &page)
}

#[test]
fn by_the_flag_for_all_interfaces() -> Result<()> {
    let (verdict, page) = release("some-server", &["--server-kind", "harvester"])?;
    is_no_alarm(&verdict, &page)
}

#[test]
fn by_nothing() -> Result<()> {
    let (verdict, _) = release("some-server", &["--server-kind", "tap*=harvester"])?;
    let said = (text(&verdict, "verdict"), text(&verdict, "missing"));
    ensure!(said == ("undetermined", "server"), "{verdict}");
    Ok(())
}
