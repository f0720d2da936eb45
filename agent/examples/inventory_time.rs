//! How long a look at 200 network namespaces takes, each with a process that holds UDP
//! port 67: prints milliseconds. Needs root; makes its own namespaces.
//!
//! `cargo run --release -p leasehound --no-default-features --example inventory_time`
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be taken has to stop"
)]

use leasehound::clock;
use leasehound::inventory::Inventory;
use nix::sched::{CloneFlags, unshare};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const NAMESPACES: usize = 200;
const LOOKS: usize = 21;

fn main() {
    let mut servers: Vec<Child> = (0..NAMESPACES).map(|_| server()).collect();
    let mut inventory = Inventory::default();
    let mut millis: Vec<f64> = (0..LOOKS).map(|_| look(&mut inventory)).collect();
    for server in &mut servers {
        server.kill().unwrap();
        server.wait().unwrap();
    }
    millis.sort_by(f64::total_cmp);
    let sockets = inventory.sockets().count();
    let median = millis.get(LOOKS / 2).unwrap();
    let worst = millis.last().unwrap();
    println!("{sockets} sockets: median {median:.1} ms, worst {worst:.1} ms");
}

fn look(inventory: &mut Inventory) -> f64 {
    let start = clock::monotonic_nanos();
    inventory.refresh().unwrap();
    Duration::from_nanos(clock::monotonic_nanos() - start).as_secs_f64() * 1e3
}

/// A process in a namespace of its own that holds the socket as its input.
fn server() -> Child {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap();
        let input = Stdio::from(OwnedFd::from(socket));
        Command::new("sleep")
            .arg("600")
            .stdin(input)
            .spawn()
            .unwrap()
    });
    made.join().unwrap()
}
