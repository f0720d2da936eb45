//! A server's and a client's network namespace with a veth pair between them, and a watch
//! over the whole host. What other tests do meanwhile is told apart by transaction ids.

use super::space::{Space, output};
use leasehound::capture::delivery::{Delivery, Options};
use leasehound::capture::{CaptureEvent, DropSample, RawReadSample, SocketSample};
use leasehound::clock;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 50);

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const ACK: u8 = 5;
pub(crate) const RELEASE: u8 = 7;

/// server0 on 10.9.0.1/24 and client0 on 10.9.0.50/24.
pub(crate) struct World {
    pub(crate) server: Space,
    pub(crate) client: Space,
}

impl World {
    pub(crate) fn new() -> Self {
        let (server, client) = (Space::bare(), Space::bare());
        let namespace = server.run(|| File::open("/proc/thread-self/ns/net").unwrap());
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        client.run(move || {
            output(
                "ip",
                &format!("link add client0 type veth peer name server0 netns {path}"),
            );
        });
        for (space, device, address) in [(&server, "server0", SERVER), (&client, "client0", CLIENT)]
        {
            space.run(move || {
                output("ip", "link set lo up");
                output("ip", &format!("addr add {address}/24 dev {device}"));
                output("ip", &format!("link set {device} up"));
            });
        }
        Self { server, client }
    }
}

/// A transaction id that no other test has.
pub(crate) fn transaction() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (std::process::id() << 12) | (NEXT.fetch_add(1, Ordering::Relaxed) & 0xfff)
}

/// A DHCP message of a client (or an ACK of a server).
pub(crate) fn message(message_type: u8, transaction: u32) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[0] = if message_type == ACK { 2 } else { 1 };
    message[1] = 1;
    message[2] = 6;
    message[4..8].copy_from_slice(&transaction.to_be_bytes());
    message[12..16].copy_from_slice(&CLIENT.octets());
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    message.extend([99, 130, 83, 99, 53, 1, message_type, 54, 4]);
    message.extend(SERVER.octets());
    message.push(255);
    message.resize(300, 0);
    message
}

/// The transaction id in a packet without IP options.
fn transaction_of(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(32..36)?.try_into().ok()?))
}

/// What the loaded sentry reports, as it comes.
pub(crate) struct Watch {
    pub(crate) delivery: Delivery,
    seen: Vec<CaptureEvent>,
    events: mpsc::Receiver<CaptureEvent>,
    stop: oneshot::Sender<()>,
    reader: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn new(attach: impl FnOnce(&mut Delivery)) -> Self {
        let mut delivery =
            Delivery::load(&Options::default()).unwrap_or_else(|error| panic!("{error}"));
        attach(&mut delivery);
        let reader = delivery.take_reader().expect("the first call");
        assert!(delivery.take_reader().is_none());
        let (sender, events) = mpsc::channel(1 << 16);
        let (stop, stopped) = oneshot::channel::<()>();
        let reader = thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(reader.run(sender, async {
                    let _ = stopped.await;
                }))
                .unwrap();
        });
        Self {
            delivery,
            seen: Vec::new(),
            events,
            stop,
            reader,
        }
    }

    pub(crate) fn at_sockets() -> Self {
        Self::new(|delivery| {
            delivery
                .attach_cgroup()
                .unwrap_or_else(|error| panic!("{error}"));
        })
    }

    /// Waits until `count` of what `of` picks have come.
    pub(crate) fn wait<T>(
        &mut self,
        count: usize,
        of: impl Fn(&[CaptureEvent]) -> Vec<T>,
    ) -> Vec<T> {
        let start = clock::now();
        loop {
            let found = of(self.seen());
            if found.len() >= count {
                return found;
            }
            assert!(
                clock::now().since(start).as_secs() < 10,
                "{} of {count} in {:#?}",
                found.len(),
                self.seen
            );
            thread::yield_now();
        }
    }

    /// What has come so far.
    pub(crate) fn seen(&mut self) -> &[CaptureEvent] {
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        &self.seen
    }

    /// Detaches, and returns all that was seen.
    pub(crate) fn end(mut self) -> Vec<CaptureEvent> {
        self.delivery.detach_all();
        let _ = self.stop.send(());
        while let Some(event) = self.events.blocking_recv() {
            self.seen.push(event);
        }
        self.reader.join().unwrap();
        self.seen
    }
}

pub(crate) fn sockets(transaction: u32) -> impl Fn(&[CaptureEvent]) -> Vec<SocketSample> {
    move |events| {
        let of = |event: &CaptureEvent| match event {
            CaptureEvent::Socket(sample) => Some(sample.clone()),
            _ => None,
        };
        let is_ours = |sample: &SocketSample| transaction_of(&sample.packet) == Some(transaction);
        events.iter().filter_map(of).filter(is_ours).collect()
    }
}

pub(crate) fn drops(transaction: u32) -> impl Fn(&[CaptureEvent]) -> Vec<DropSample> {
    move |events| {
        let of = |event: &CaptureEvent| match event {
            CaptureEvent::Drop(sample) => Some(sample.clone()),
            _ => None,
        };
        let is_ours = |sample: &DropSample| transaction_of(&sample.packet) == Some(transaction);
        events.iter().filter_map(of).filter(is_ours).collect()
    }
}

pub(crate) fn reads(transaction: u32) -> impl Fn(&[CaptureEvent]) -> Vec<RawReadSample> {
    move |events| {
        let of = |event: &CaptureEvent| match event {
            CaptureEvent::RawRead(sample) => Some(sample.clone()),
            _ => None,
        };
        let is_ours = |sample: &RawReadSample| transaction_of(&sample.packet) == Some(transaction);
        events.iter().filter_map(of).filter(is_ours).collect()
    }
}
