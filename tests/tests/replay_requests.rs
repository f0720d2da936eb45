//! What `replay` says of REQUESTs in a capture, and how it ends.

use anyhow::{Context as _, Result, ensure};
use leasehound_tests::agent;
use leasehound_tests::capture::pcap_of;
use leasehound_tests::frame::{Checksum, Frame};
use leasehound_tests::message::{Mac, Message, kind, option};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

const SERVER: Ipv4Addr = Ipv4Addr::new(172, 29, 101, 1);
const ROUTER: Mac = Mac([2, 2, 0, 0xd4, 0, 1]);

/// Two clients renew, a second apart; the first is answered two seconds after it asked, the
/// second never.
fn capture() -> Vec<u8> {
    let renew = |last: u8| {
        let client = Mac([2, 2, 0, 0xd4, 0, last]);
        let mut message = Message::request(kind::REQUEST, last.into(), client);
        message.ciaddr = Ipv4Addr::new(172, 29, 101, last);
        Frame {
            to: ROUTER,
            from: client,
            source: message.ciaddr,
            destination: SERVER,
            source_port: 68,
            destination_port: 67,
            checksum: Checksum::Right,
            message,
        }
    };
    let (first, second) = (renew(51), renew(52));
    let mut ack = first.message.clone();
    ack.op = 2;
    ack.yiaddr = ack.ciaddr;
    ack.set(option::MESSAGE_TYPE, &[kind::ACK]);
    ack.set(option::SERVER_ID, &SERVER.octets());
    ack.set(option::LEASE_TIME, &3600_u32.to_be_bytes());
    let ack = Frame {
        to: first.from,
        from: ROUTER,
        source: SERVER,
        destination: first.source,
        source_port: 67,
        destination_port: 68,
        checksum: Checksum::Right,
        message: ack,
    };
    // One a second; the last one only tells that time went on.
    let again = renew(52);
    let frames = [&first, &second, &ack, &again, &again, &again, &again];
    pcap_of(&frames.map(Frame::encode))
}

fn replay(file: &Path, flags: &[&str]) -> Result<Output> {
    Command::new(agent::program()?)
        .arg("replay")
        .arg(file)
        .args(flags)
        .output()
        .context("starting replay")
}

#[test]
fn requests_are_printed_and_decide_the_exit_code_as_asked() -> Result<()> {
    let files = tempfile::tempdir()?;
    let file = files.path().join("renewals.pcap");
    std::fs::write(&file, capture())?;
    let table = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();

    let plain = replay(&file, &[])?;
    ensure!(plain.status.code() == Some(0), "{plain:?}");
    let said = table(&plain);
    ensure!(
        said.contains("1 answered, 0 refused, 1 unanswered"),
        "{said}"
    );
    ensure!(
        said.contains("172.29.101.52") && !said.contains("172.29.101.51"),
        "{said}"
    );

    let all = table(&replay(&file, &["--answered"])?);
    ensure!(
        all.contains("172.29.101.51") && all.contains("answered"),
        "{all}"
    );

    for (flags, code) in [
        (&["--fail-on", "ignored"][..], 0),
        (&["--fail-on", "unanswered"], 3),
        (&["--fail-on", "ignored,unanswered"], 3),
    ] {
        let output = replay(&file, flags)?;
        ensure!(output.status.code() == Some(code), "{flags:?}: {output:?}");
    }

    // The answer came after two seconds.
    let hasty = table(&replay(&file, &["--answer-deadline", "1.5"])?);
    ensure!(
        hasty.contains("0 answered, 0 refused, 2 unanswered"),
        "{hasty}"
    );
    Ok(())
}
