//! A server that is never at rest: clients that renew hundreds of times a second, and others
//! that come, give their address back rightly or wrongly, and come again.

use crate::agent::{Stopped, text, verdicts};
use crate::client::{Client, Lease};
use crate::link::Link;
use crate::message::{Mac, option};
use crate::router::Router;
use crate::wait::{Deadline, Pace};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Renewals a second.
pub const RATE: u32 = 300;
/// Clients that renew.
pub const RENEWERS: u16 = 96;
/// RELEASEs in a second, half of them wrong.
const RELEASES: u32 = 8;

/// A RELEASE that was sent: from whom it said it was, for which address.
pub type Sent = (Mac, Ipv4Addr);

/// What a lab has done.
#[derive(Debug)]
pub struct Churn {
    /// RELEASEs that are right.
    pub right: Vec<Sent>,
    /// RELEASEs that name another client than the lease's.
    pub wrong: Vec<Sent>,
    /// Renewals that were sent.
    pub renewals: u64,
}

/// Runs it for so long against the server of a network whose pool has a few addresses
/// more than [`RENEWERS`].
pub fn churn(network: &Router, duration: Duration) -> Result<Churn> {
    let renewals = renewals(network)?;
    let link = network.client_link()?;
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (right, wrong) = std::thread::scope(|scope| {
        let renewing = scope.spawn(|| renew(&link, &renewals, &stop, &sent));
        let released = come_and_go(network, duration);
        stop.store(true, Ordering::SeqCst);
        let renewed = renewing
            .join()
            .map_err(|_| anyhow::anyhow!("renewing panicked"));
        renewed.and_then(|renewed| renewed).and(released)
    })?;
    Ok(Churn {
        right,
        wrong,
        renewals: sent.load(Ordering::SeqCst),
    })
}

/// Takes the leases, and gives two frames for each, which ask for different lease times:
/// a server writes each renewal down. The router knows the clients' MACs, for they answer
/// no ARP.
fn renewals(network: &Router) -> Result<Vec<[Vec<u8>; 2]>> {
    let mut all = Vec::new();
    for number in 0..RENEWERS {
        let mac = Mac::one_of_many(number);
        let client = Client::new(network, mac, None)?;
        let lease = client.obtain()?;
        let neighbour = lease.address.to_string();
        #[rustfmt::skip]
        network.router.run("ip", &[
            "neigh", "replace", &neighbour, "lladdr", &mac.to_string(), "dev", "eth3", "nud", "permanent",
        ])?;
        let asking = |seconds: u32| {
            let mut frame = client.renew(lease);
            frame
                .message
                .set(option::LEASE_TIME, &seconds.to_be_bytes());
            frame.encode()
        };
        all.push([asking(3000), asking(3500)]);
    }
    Ok(all)
}

fn renew(
    link: &Link,
    renewals: &[[Vec<u8>; 2]],
    stop: &AtomicBool,
    sent: &AtomicU64,
) -> Result<()> {
    let mut pace = Pace::of(RATE);
    for turn in 0.. {
        for [one, other] in renewals {
            if stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            pace.wait();
            link.send(if turn % 2 == 0 { one } else { other })?;
            sent.fetch_add(1, Ordering::SeqCst);
        }
    }
    Ok(())
}

fn come_and_go(network: &Router, duration: Duration) -> Result<(Vec<Sent>, Vec<Sent>)> {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    let end = Deadline::after(duration);
    let mut pace = Pace::of(RELEASES);
    let mut number = RENEWERS;
    while !end.passed() {
        number += 2;
        let (mac, nobody) = (Mac::one_of_many(number), Mac::one_of_many(number + 1));
        let client = Client::new(network, mac, None)?;
        let lease = obtain(&client).with_context(|| format!("client {number}"))?;
        pace.wait();
        let mut bent = client.release(lease);
        bent.message.set_client(nobody);
        client.send(&bent)?;
        wrong.push((nobody, lease.address));
        pace.wait();
        client.send(&client.release(lease))?;
        right.push((mac, lease.address));
    }
    Ok((right, wrong))
}

/// A server that writes to a slow disk loses packets at this rate: clients ask again.
fn obtain(client: &Client) -> Result<Lease> {
    client.obtain().or_else(|_| client.obtain())
}

/// What the verdicts said.
#[derive(Debug, Default)]
pub struct Tally {
    /// As the server did.
    pub agreed: usize,
    /// By what was missing.
    pub undetermined: BTreeMap<String, usize>,
}

/// Compares each verdict with what the server did; fails with the first that is wrong.
/// `honoured` tells of a RELEASE whether the server took the lease back.
pub fn compare(
    churn: &Churn,
    stopped: &Stopped,
    honoured: impl Fn(&Sent) -> bool,
) -> Result<Tally> {
    let mut said: BTreeMap<(String, String), Vec<&serde_json::Value>> = BTreeMap::new();
    let verdicts = verdicts(&stopped.events);
    for verdict in &verdicts {
        let mac = verdict.pointer("/client/hardware_address");
        let mac = mac.and_then(serde_json::Value::as_str).unwrap_or_default();
        let key = (mac.to_owned(), text(verdict, "address").to_owned());
        said.entry(key).or_default().push(verdict);
    }
    let mut tally = Tally::default();
    for sent in churn.right.iter().chain(&churn.wrong) {
        let key = (sent.0.to_string(), sent.1.to_string());
        let of_this = said.get(&key).map(Vec::as_slice).unwrap_or_default();
        let [verdict] = of_this else {
            anyhow::bail!("{} verdicts on the RELEASE of {key:?}", of_this.len());
        };
        let truth = honoured(sent);
        match text(verdict, "verdict") {
            "undetermined" => {
                let missing = text(verdict, "missing").to_owned();
                *tally.undetermined.entry(missing).or_default() += 1;
            }
            word => {
                let right = word == if truth { "honoured" } else { "ignored" };
                ensure!(
                    right,
                    "a wrong verdict, the lease was given back: {truth}: {verdict}"
                );
                tally.agreed += 1;
            }
        }
    }
    Ok(tally)
}
