//! Servers that write to their lease databases without a rest, and are watched: no verdict
//! may rest on half a file. What the server's own log says of each RELEASE is the truth.

use anyhow::{Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::churn::{Churn, RATE, Sent, churn, compare};
use leasehound_tests::dnsmasq::{Dnsmasq, ServerFiles, WHOLE_INTERFACE};
use leasehound_tests::isc_dhcpd::{CONFIGURATION, IscDhcpd};
use leasehound_tests::kea::Kea;
use leasehound_tests::router::Router;
use leasehound_tests::wait::{PATIENCE, wait_for};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long dnsmasq, which rewrites its file in place, is kept busy.
const A_MINUTE: Duration = Duration::from_mins(1);
/// How long the others are, which append.
const A_WHILE: Duration = Duration::from_secs(15);
/// Four addresses more than there are clients that renew.
const POOL: &str = "--dhcp-range=172.29.101.100,172.29.101.199,255.255.255.0,1h";

/// Watches the churn, and holds each verdict against what the server logged: the lines that
/// say that it took a lease back contain each of `line` of that RELEASE.
fn watched(
    network: &Router,
    duration: Duration,
    log: impl Fn() -> String,
    taken_back: impl Fn(&str) -> Option<(String, String)>,
) -> Result<()> {
    let mut agent = Agent::start(&network.router, &[])?;
    let done: Churn = churn(network, duration)?;
    let all = u64::try_from(done.right.len() + done.wrong.len())?;
    wait_for("all verdicts", PATIENCE, || {
        let page = agent.metrics()?;
        let count = |of: &str| page.count(&format!("leasehound_releases_{of}total"), &[]);
        let judged = count("honoured_")? + count("ignored_")? + count("undetermined_")?;
        Ok((judged >= all).then_some(()))
    })?;
    let stopped = agent.stop()?;
    let log = log();
    let honoured: BTreeSet<(String, String)> = log.lines().filter_map(&taken_back).collect();
    let key = |sent: &Sent| (sent.0.to_string(), sent.1.to_string());
    // The lab itself: the server did what such a RELEASE deserves, if it read it. One whose
    // disk is slow loses some.
    let right = done
        .right
        .iter()
        .filter(|sent| honoured.contains(&key(sent)));
    ensure!(
        right.count() * 10 >= done.right.len() * 9,
        "the server lost too many RELEASEs"
    );
    let wrong = done
        .wrong
        .iter()
        .filter(|sent| honoured.contains(&key(sent)));
    ensure!(wrong.count() == 0, "a wrong RELEASE was honoured");
    let least = u64::from(RATE) * duration.as_secs() * 9 / 10;
    ensure!(done.renewals >= least, "only {} renewals", done.renewals);

    let tally = compare(&done, &stopped, |sent| honoured.contains(&key(sent)))?;
    eprintln!("{} renewals, {all} RELEASEs: {tally:?}", done.renewals);
    ensure!(
        tally.agreed * 10 >= (done.right.len() + done.wrong.len()) * 9,
        "too few verdicts: {tally:?}"
    );
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}

/// `… DHCPRELEASE(eth3) 172.29.101.150 02:02:00:d5:00:60`, and nothing behind it.
fn by_dnsmasq(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once("DHCPRELEASE(eth3) ")?;
    match rest.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [address, mac] => Some((mac.to_owned(), address.to_owned())),
        _ => None,
    }
}

/// `DHCPRELEASE of 172.29.101.150 from 02:02:00:d5:00:60 via eth3 (found)`
fn by_dhcpd(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once("DHCPRELEASE of ")?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let found = words.contains(&"(found)");
    match words[..] {
        [address, "from", mac, ..] if found => Some((mac.to_owned(), address.to_owned())),
        _ => None,
    }
}

/// `… DHCP4_RELEASE [hwtype=1 02:02:00:d5:00:60], cid=[no info], tid=0x7: address
/// 172.29.101.150 was released properly.`
fn by_kea(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.split_once("DHCP4_RELEASE [hwtype=1 ")?;
    let (mac, rest) = rest.split_once(']')?;
    let (_, rest) = rest.split_once(": address ")?;
    let (address, _) = rest.split_once(" was released properly")?;
    Some((mac.to_owned(), address.to_owned()))
}

#[test]
fn dnsmasq_rewrites_its_file_300_times_a_second() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::in_memory()?;
    let server = Dnsmasq::start(&network.router, &files, &[WHOLE_INTERFACE, POOL])?;
    watched(&network, A_MINUTE, || server.log(), by_dnsmasq)
}

#[test]
fn dhcpd_appends_300_times_a_second() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::in_memory()?;
    let server = IscDhcpd::start(&network.router, &files, &["eth3"], CONFIGURATION)?;
    watched(&network, A_WHILE, || server.log(), by_dhcpd)
}

#[test]
fn kea_appends_300_times_a_second_and_cleans_up() -> Result<()> {
    let network = Router::new()?;
    let files = ServerFiles::in_memory()?;
    let interfaces = ["eth3/172.29.101.1"];
    let server = Kea::start_cleaning(&network.router, &files, &interfaces, 2)?;
    watched(&network, A_WHILE, || server.log(), by_kea)
}
