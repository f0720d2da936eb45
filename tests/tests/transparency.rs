//! No packet is changed, reordered or lost by any hook: numbered traffic of all kinds
//! crosses a bridge whose two ports the agent watches, and both ends are compared,
//! frame by frame and byte by byte.
//!
//! The taps are in other namespaces than the hooks, so what they see has passed the
//! hooks: a tap on the watched interface itself would sit before tc ingress.

use anyhow::{Context, Result, ensure};
use leasehound_tests::agent::Agent;
use leasehound_tests::capture::Capture;
use leasehound_tests::link::Link;
use leasehound_tests::message::Mac;
use leasehound_tests::netns::Namespace;
use leasehound_tests::router::connect;
use leasehound_tests::traffic::{
    DHCP_PER_ROUND, SINK, SOURCE, UNKNOWN_PER_ROUND, is_last, last, round,
};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

const ROUNDS: u16 = 150;
const TCP_BYTES: usize = 2 << 20;
const IN_TIME: Duration = Duration::from_secs(10);

/// The lab itself is faithful; without this the others would prove nothing.
#[test]
fn without_any_hook() -> Result<()> {
    let lab = Lab::new()?;
    lab.compare()
}

#[test]
fn hooks_of_choice() -> Result<()> {
    watched("auto")
}

#[test]
fn classic_tc_filters() -> Result<()> {
    watched("tc")
}

#[test]
fn native_xdp() -> Result<()> {
    watched("xdp")
}

#[test]
fn generic_xdp() -> Result<()> {
    watched("xdp-generic")
}

fn watched(ingress: &str) -> Result<()> {
    let lab = Lab::new()?;
    let mut agent = Agent::start(
        &lab.bridge,
        &["-i", "eth3", "-i", "eth4", "--ingress", ingress],
    )?;
    lab.compare()?;
    // Seen all the same: each message once on its way in. What goes to a DHCP port
    // without a message type behind the magic cookie counts too, as unknown.
    let page = agent.metrics()?;
    let metric = "leasehound_messages_total";
    let place = [
        r#"interface="eth3""#,
        r#"direction="ingress""#,
        r#"family="ipv4""#,
    ];
    let unknown = [&place[..], &[r#"message_type="unknown""#]].concat();
    let (all, unknown) = (page.count(metric, &place)?, page.count(metric, &unknown)?);
    let sent = |in_a_round: u64| u64::from(ROUNDS) * in_a_round;
    ensure!(
        (all - unknown, unknown) == (sent(DHCP_PER_ROUND), sent(UNKNOWN_PER_ROUND)),
        "{} messages and {} unknown ones sent, {} and {unknown} counted",
        sent(DHCP_PER_ROUND),
        sent(UNKNOWN_PER_ROUND),
        all - unknown,
    );
    let stopped = agent.stop()?;
    ensure!(
        stopped.status.success(),
        "the agent ended with {}",
        stopped.status
    );
    Ok(())
}

/// source eth0 — eth3 [bridge] eth4 — eth0 sink
struct Lab {
    source: Namespace,
    bridge: Namespace,
    sink: Namespace,
}

impl Lab {
    fn new() -> Result<Self> {
        let lab = Self {
            source: Namespace::new("source")?,
            bridge: Namespace::new("bridge")?,
            sink: Namespace::new("sink")?,
        };
        let port = |number| Mac([0x02, 0x02, 0x00, 0xd4, 0x02, number]);
        connect(&lab.bridge, "eth3", port(3), &lab.source, "eth0", SOURCE.0)?;
        connect(&lab.bridge, "eth4", port(4), &lab.sink, "eth0", SINK.0)?;
        // No multicast snooping: its queries are not ours.
        #[rustfmt::skip]
        lab.bridge.run("ip", &[
            "link", "add", "br0", "up", "type", "bridge", "stp_state", "0", "mcast_snooping", "0",
        ])?;
        bare(&lab.bridge)?;
        for port in ["eth3", "eth4"] {
            lab.bridge
                .run("ip", &["link", "set", port, "master", "br0"])?;
            as_on_a_wire(&lab.bridge, port)?;
        }
        for (end, mine, other) in [(&lab.source, SOURCE, SINK), (&lab.sink, SINK, SOURCE)] {
            as_on_a_wire(end, "eth0")?;
            end.run(
                "ip",
                &["addr", "add", &format!("{}/24", mine.1), "dev", "eth0"],
            )?;
            let (mac, address) = (other.0.to_string(), other.1.to_string());
            end.run(
                "ip",
                &["neigh", "add", &address, "lladdr", &mac, "dev", "eth0"],
            )?;
        }
        Ok(lab)
    }

    fn compare(&self) -> Result<()> {
        let mut taps = [
            Capture::start(&self.source, "eth0", &["-Q", "out"])?,
            Capture::start(&self.sink, "eth0", &["-Q", "in"])?,
            Capture::start(&self.sink, "eth0", &["-Q", "out"])?,
            Capture::start(&self.source, "eth0", &["-Q", "in"])?,
        ];
        on_one_cpu(|| {
            self.raw_frames()?;
            self.datagrams()?;
            self.streams()?;
            Link::open(&self.source, "eth0")?.send(&last(SOURCE.0, SINK.0))?;
            Link::open(&self.sink, "eth0")?.send(&last(SINK.0, SOURCE.0))
        })?;
        let [sent, received, sent_back, received_back] = &mut taps;
        let sent = sent.up_to(is_last)?;
        let kinds = round(0).len();
        ensure!(
            sent.len() > usize::from(ROUNDS) * kinds,
            "only {} frames sent",
            sent.len()
        );
        same(&sent, &received.up_to(is_last)?).context("from source to sink")?;
        same(&sent_back.up_to(is_last)?, &received_back.up_to(is_last)?)
            .context("from sink to source")
    }

    fn raw_frames(&self) -> Result<()> {
        let link = Link::open(&self.source, "eth0")?;
        (0..ROUNDS)
            .flat_map(round)
            .try_for_each(|frame| link.send(&frame))
    }

    /// Through the kernel's own stack, which fragments what is large.
    fn datagrams(&self) -> Result<()> {
        let to = self.sink.enter(|| UdpSocket::bind((SINK.1, 4242)))??;
        to.set_read_timeout(Some(IN_TIME))?;
        let from = self.source.enter(|| UdpSocket::bind((SOURCE.1, 0)))??;
        for size in (0..9000_usize).step_by(180) {
            let payload: Vec<u8> = (0_u8..=255).cycle().take(size).collect();
            from.send_to(&payload, (SINK.1, 4242))?;
            let mut buffer = vec![0; 10_000];
            let length = to.recv(&mut buffer).context("a datagram did not arrive")?;
            buffer.truncate(length);
            ensure!(buffer == payload, "a datagram of {size} bytes was changed");
        }
        Ok(())
    }

    /// As much each way, over one connection.
    fn streams(&self) -> Result<()> {
        let listener = self.sink.enter(|| TcpListener::bind((SINK.1, 4243)))??;
        let bytes: Vec<u8> = (0..TCP_BYTES)
            .map(|at| (at % 251).to_le_bytes()[0])
            .collect();
        let mut source = self.source.enter(|| connect_to(SINK.1))??;
        let (mut sink, _) = listener.accept()?;
        sink.set_read_timeout(Some(IN_TIME))?;
        for way in 0..2 {
            let (sender, receiver) = match way {
                0 => (&mut source, &mut sink),
                _ => (&mut sink, &mut source),
            };
            let mut arrived = vec![0; TCP_BYTES];
            std::thread::scope(|scope| {
                let sending = scope.spawn(|| sender.write_all(&bytes));
                receiver
                    .read_exact(&mut arrived)
                    .context("TCP bytes did not arrive")?;
                sending
                    .join()
                    .ok()
                    .context("sender panicked")?
                    .context("sending")
            })?;
            ensure!(arrived == bytes, "TCP bytes were changed");
        }
        Ok(())
    }
}

fn connect_to(address: Ipv4Addr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((address, 4243))?;
    stream.set_read_timeout(Some(IN_TIME))?;
    Ok(stream)
}

/// Keeps netfilter off the bridge: it would judge, defragment and drop what is IP. Its
/// settings exist only where its module is loaded.
fn bare(bridge: &Namespace) -> Result<()> {
    for family in ["iptables", "ip6tables", "arptables"] {
        let setting = format!("net/bridge/bridge-nf-call-{family}");
        if bridge.enter(|| Path::new("/proc/sys").join(&setting).exists())? {
            bridge.set(&format!("{setting}=0"))?;
        }
    }
    Ok(())
}

/// Segmentation and checksums are done before the tap, nothing is merged after it.
fn as_on_a_wire(namespace: &Namespace, interface: &str) -> Result<()> {
    #[rustfmt::skip]
    namespace.run("ethtool", &[
        "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off",
    ])?;
    Ok(())
}

/// One CPU, one backlog: what is sent in order is received in order, so that a
/// difference in order is the path's and not the scheduler's.
fn on_one_cpu(job: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut cpu = CpuSet::new();
                cpu.set(0)?;
                sched_setaffinity(Pid::from_raw(0), &cpu)?;
                job()
            })
            .join()
            .ok()
            .context("the sending thread panicked")?
    })
}

fn same(sent: &[Vec<u8>], received: &[Vec<u8>]) -> Result<()> {
    let split = |frames: &[Vec<u8>]| -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        frames.iter().cloned().partition(|frame| is_tcp(frame))
    };
    let ((mut sent_tcp, sent), (mut received_tcp, received)) = (split(sent), split(received));
    let differs = sent
        .iter()
        .zip(&received)
        .position(|(one, other)| one != other);
    if let Some(at) = differs {
        anyhow::bail!(
            "frame {at} differs:\n{:02x?}\n{:02x?}",
            sent.get(at),
            received.get(at)
        );
    }
    ensure!(
        sent.len() == received.len(),
        "{} frames of {} came",
        received.len(),
        sent.len()
    );
    // Timers and acknowledgements make TCP send from several contexts at once: the
    // streams were compared in order, the segments are compared as a set.
    sent_tcp.sort();
    received_tcp.sort();
    ensure!(sent_tcp == received_tcp, "TCP segments differ");
    Ok(())
}

fn is_tcp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&6)
}
