//! The same engine live and offline: a recording replays to the same bytes, a bare
//! capture to the same verdicts as far as packets and a lease file can tell.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::{Agent, replay, text, verdicts};
use leasehound_tests::capture::Capture;
use leasehound_tests::client::{Client, Lease};
use leasehound_tests::dnsmasq::{Dnsmasq, LISTEN_ON_SECONDARY, POOL, ServerFiles};
use leasehound_tests::frame::Frame;
use leasehound_tests::matrix::only;
use leasehound_tests::message::{Mac, option};
use leasehound_tests::router::{PRIMARY, Router};
use leasehound_tests::wait::{PATIENCE, wait_for};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::Path;

/// What is done to the RELEASE of the client of that number.
const BENDS: [fn(&mut Frame); 5] = [
    |_| (),
    |frame| frame.message.remove(option::SERVER_ID),
    |frame| frame.message.set(option::SERVER_ID, &PRIMARY.octets()),
    |frame| frame.message.ciaddr = Ipv4Addr::UNSPECIFIED,
    |frame| frame.message.set_client(Mac::client(99)),
];

#[test]
fn a_recording_replays_to_the_same_bytes() -> Result<()> {
    let lab = Lab::new()?;
    let recording = lab.files.path("recording");
    let recording = recording.to_str().context("path")?;
    let mut agent = Agent::start(&lab.network.router, &["--record", recording])?;
    for (number, bend) in (1..).zip(BENDS) {
        let (client, lease) = lab.client(number)?;
        lab.release(&client, lease, bend)?;
    }
    agent.verdicts(BENDS.len())?;
    let live = agent.stop()?;
    only(&live, BENDS.len())?;
    let replayed = replay(&[recording, "--format", "json"])?;
    ensure!(
        replayed.status.success(),
        "replay ended with {}",
        replayed.status
    );
    let (live, replayed) = (verdict_lines(&live.lines), verdict_lines(&replayed.lines));
    ensure!(
        live == replayed,
        "live:\n{}\nreplayed:\n{}",
        live.join("\n"),
        replayed.join("\n")
    );
    Ok(())
}

#[test]
fn a_capture_on_all_interfaces_with_a_snapshot() -> Result<()> {
    bare_capture("any")
}

#[test]
fn a_capture_on_the_interface_with_a_snapshot() -> Result<()> {
    bare_capture("eth3")
}

/// Three RELEASEs before the snapshot, two after it.
fn bare_capture(interface: &str) -> Result<()> {
    let lab = Lab::new()?;
    let mut capture = Capture::start(&lab.network.router, interface, &[])?;
    let mut held = Vec::new();
    for number in 1..=5 {
        held.push(lab.client(number)?);
    }
    let [one, two, three, four, five] = &held[..] else {
        anyhow::bail!("five clients");
    };
    lab.release(&two.0, two.1, |frame| {
        frame.message.remove(option::SERVER_ID);
    })?;
    lab.release(&three.0, three.1, |frame| {
        frame.message.set(option::SERVER_ID, &PRIMARY.octets());
    })?;
    lab.release(&one.0, one.1, |_| ())?;
    let snapshot = lab.snapshot()?;
    lab.release(&four.0, four.1, |_| ())?;
    lab.release(&five.0, five.1, |frame| {
        frame.message.remove(option::SERVER_ID);
    })?;
    lab.last_frame(&mut capture)?;

    let file = capture.file();
    let file = file.to_str().context("path")?;
    let database = format!("dnsmasq:{snapshot}");
    let arguments = [
        file,
        "--format",
        "json",
        "--server-kind",
        "dnsmasq",
        "--lease-db",
        &database,
    ];
    let replayed = replay(&arguments)?;
    ensure!(
        replayed.status.success(),
        "replay ended with {}",
        replayed.status
    );
    let given = verdicts(&replayed.events);
    ensure!(given.len() == 5, "{} verdicts instead of 5", given.len());
    let on = |lease: Lease| said(&given, lease);
    ensure!(on(one.1)? == ("honoured", "", ""), "{:?}", on(one.1)?);
    ensure!(
        on(two.1)? == ("ignored", "server_id_missing", ""),
        "{:?}",
        on(two.1)?
    );
    // That .245 is the router's too is in the packets: its ACKs come from there.
    ensure!(
        on(three.1)? == ("ignored", "server_id_other_local_address", ""),
        "{:?}",
        on(three.1)?
    );
    ensure!(
        on(four.1)? == ("undetermined", "", "lease_database"),
        "{:?}",
        on(four.1)?
    );
    ensure!(
        on(five.1)? == ("ignored", "server_id_missing", ""),
        "{:?}",
        on(five.1)?
    );

    // Without the snapshot only what the packets alone tell stays.
    let replayed = replay(&[file, "--format", "json", "--server-kind", "dnsmasq"])?;
    let given = verdicts(&replayed.events);
    let on = |lease: Lease| said(&given, lease);
    ensure!(
        on(one.1)? == ("undetermined", "", "lease_database"),
        "{:?}",
        on(one.1)?
    );
    ensure!(
        on(two.1)? == ("ignored", "server_id_missing", ""),
        "{:?}",
        on(two.1)?
    );

    let failing: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--fail-on", "ignored"])
        .collect();
    let code = replay(&failing)?.status.code();
    ensure!(code == Some(3), "--fail-on ignored ends with {code:?}");
    Ok(())
}

fn said(verdicts: &[Value], lease: Lease) -> Result<(&str, &str, &str)> {
    let address = lease.address.to_string();
    let verdict = verdicts
        .iter()
        .find(|verdict| text(verdict, "address") == address)
        .with_context(|| format!("no verdict on {address}"))?;
    Ok((
        text(verdict, "verdict"),
        text(verdict, "cause"),
        text(verdict, "missing"),
    ))
}

fn verdict_lines(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| line.contains(r#""kind":"verdict""#))
        .cloned()
        .collect()
}

struct Lab {
    // Dropped first: it prints its log, which is among the files.
    _server: Dnsmasq,
    files: ServerFiles,
    network: Router,
}

impl Lab {
    fn new() -> Result<Self> {
        let network = Router::new()?;
        let files = ServerFiles::new()?;
        let server = Dnsmasq::start(&network.router, &files, &[LISTEN_ON_SECONDARY, POOL])?;
        Ok(Self {
            network,
            files,
            _server: server,
        })
    }

    fn client(&self, number: u8) -> Result<(Client, Lease)> {
        let client = Client::new(&self.network, Mac::client(number), None)?;
        let lease = client.obtain()?;
        Ok((client, lease))
    }

    fn release(&self, client: &Client, lease: Lease, bend: fn(&mut Frame)) -> Result<()> {
        let mut frame = client.release(lease);
        bend(&mut frame);
        client.send(&frame)?;
        // Its ACK says that the server has acted on the RELEASE.
        self.client(50)?;
        Ok(())
    }

    /// A copy of the lease file, with its time, that is younger than all packets so far.
    ///
    /// File times move in ticks of the kernel's timer: only one that is later than that
    /// of a file written after the packets is surely later than they were.
    fn snapshot(&self) -> Result<String> {
        let mark = self.files.path("mark");
        std::fs::write(&mark, "")?;
        let mark = modified(&mark)?;
        let mut latecomers = 100..;
        wait_for("a younger lease file", PATIENCE, || {
            self.client(latecomers.next().context("latecomers")?)?;
            Ok((modified(&self.files.lease_file())? > mark).then_some(()))
        })?;
        let copy = self.files.path("snapshot");
        let copy = copy.to_str().context("path")?;
        let original = self.files.lease_file();
        leasehound_tests::process::run(
            "cp",
            &[
                "--preserve=timestamps",
                original.to_str().context("path")?,
                copy,
            ],
        )?;
        Ok(copy.to_owned())
    }

    /// Sends a frame that ends the capture, and waits for it there.
    fn last_frame(&self, capture: &mut Capture) -> Result<()> {
        let client = Mac::client(98);
        let frame = leasehound_tests::traffic::last(client, Mac::BROADCAST);
        self.network.client_link()?.send(&frame)?;
        let marker = leasehound_tests::traffic::LAST;
        // The header differs with the kind of capture; the type is in each.
        capture.up_to(|packet| {
            packet.len() < 80 && packet.windows(2).take(16).any(|pair| pair == marker)
        })?;
        Ok(())
    }
}

fn modified(path: &Path) -> Result<std::time::SystemTime> {
    Ok(std::fs::metadata(path)?.modified()?)
}
