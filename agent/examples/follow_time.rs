//! What it takes to follow one change in a lease database of 100,000 leases: prints the
//! processor's time, the time until the engine would know, and how many octets were read.
//! Needs root, dnsmasq and dhcp_release; makes its own network namespace.
//!
//! `cargo run --release -p leasehound --no-default-features --example follow_time`
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot be taken has to stop"
)]

use leasehound::clock;
use leasehound::evidence::snapshot::LeaseDatabaseSpec;
use leasehound::evidence::{EVIDENCE_QUEUE, EvidenceConfig, EvidenceTask, REQUEST_QUEUE};
use leasehound_core::evidence::{Evidence, LeaseContent};
use leasehound_core::lease::Format;
use leasehound_core::time::Timestamp;
use nix::sched::{CloneFlags, unshare};
use nix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;

const LEASES: u32 = 100_000;
const CHANGES: u32 = 21;
const FAR: u64 = 4_000_000_000;

fn main() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for line in [
        "ip link set lo up",
        "ip link add s0 type veth peer name c0",
        "ip link set c0 up",
        "ip link set s0 up",
        "ip address add 10.0.0.1/8 dev s0",
    ] {
        run(line);
    }
    runtime.block_on(rewritten());
    // A server that can't be seen: files that are named are then taken as its own.
    let _socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap();
    runtime.block_on(rewritten_by_a_stranger());
    runtime.block_on(appended(Format::IscDhcpd));
    runtime.block_on(appended(Format::Kea));
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a01_0000 + number)
}

fn mac(number: u32) -> String {
    let [_, one, two, three] = number.to_be_bytes();
    format!("02:00:00:{one:02x}:{two:02x}:{three:02x}")
}

/// dnsmasq writes all of its file for each change. It is asked whether it slept meanwhile.
async fn rewritten() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let file = directory.path().join("dnsmasq.leases");
    std::fs::write(&file, dnsmasq_file()).unwrap();
    let _server = dnsmasq(&file);
    let mut lab = Lab::start(Vec::new()).await;
    let release = |number| {
        let line = format!("dhcp_release s0 {} {}", address(number), mac(number));
        run(&line);
    };
    lab.measure("dnsmasq", release).await;
}

/// The same by a process that can't be seen: it writes that one lease was extended.
async fn rewritten_by_a_stranger() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("dnsmasq.leases");
    let text = dnsmasq_file();
    std::fs::write(&path, &text).unwrap();
    let named = LeaseDatabaseSpec {
        format: Format::Dnsmasq,
        path: path.clone(),
    };
    let mut lab = Lab::start(vec![named]).await;
    let extend = |number| {
        let line = |expires: u64| format!("{expires} {} {} * *\n", mac(number), address(number));
        let text = text.replacen(&line(FAR), &line(FAR + u64::from(number)), 1);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).truncate(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    lab.measure("dnsmasq, which can't be asked", extend).await;
}

fn dnsmasq_file() -> String {
    let mut text = String::new();
    for number in 0..LEASES {
        writeln!(text, "{FAR} {} {} * *", mac(number), address(number)).unwrap();
    }
    text
}

/// It takes a minute or two of the processor to read as many leases at its start.
fn dnsmasq(leases: &Path) -> Ended {
    let server = Command::new("dnsmasq")
        .args(["--conf-file=/dev/null", "--keep-in-foreground", "--port=0"])
        .args([
            "--user=root",
            "--interface=s0",
            "--bind-interfaces",
            "--pid-file=",
        ])
        .args([
            "--dhcp-lease-max=200000",
            "--dhcp-range=10.1.0.0,10.3.255.254,255.0.0.0,1h",
        ])
        .arg(format!("--dhcp-leasefile={}", leases.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Ended(server)
}

/// ISC dhcpd and Kea append to theirs.
async fn appended(format: Format) {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("leases");
    let mut text = match format {
        Format::Kea => "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n".to_owned(),
        _ => String::new(),
    };
    for number in 0..LEASES {
        text.push_str(&record(format, number, true));
    }
    std::fs::write(&path, text).unwrap();
    let named = LeaseDatabaseSpec {
        format,
        path: path.clone(),
    };
    let mut lab = Lab::start(vec![named]).await;
    lab.measure(format.as_str(), |number| {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(record(format, number, false).as_bytes())
            .unwrap();
    })
    .await;
}

fn record(format: Format, number: u32, leased: bool) -> String {
    let (address, mac) = (address(number), mac(number));
    if format == Format::Kea {
        let lifetime = if leased { 3600 } else { 0 };
        return format!("{address},{mac},,{lifetime},{FAR},1,0,0,,0,\n");
    }
    let state = if leased { "active" } else { "free" };
    format!(
        "lease {address} {{\n  starts 4 2026/11/26 08:00:00;\n  ends never;\n  binding state {state};\n  \
         hardware ethernet {mac};\n}}\n"
    )
}

struct Lab {
    inbox: mpsc::Receiver<(Timestamp, Evidence)>,
    // Its end is the task's.
    _ask: mpsc::Sender<leasehound_core::evidence::EvidenceRequest>,
}

impl Lab {
    /// Reads everything once, and says what that took.
    async fn start(lease_databases: Vec<LeaseDatabaseSpec>) -> Self {
        let (ask, requests) = mpsc::channel(REQUEST_QUEUE);
        let (evidence, mut inbox) = mpsc::channel(EVIDENCE_QUEUE);
        let config = EvidenceConfig {
            lease_databases,
            ..EvidenceConfig::default()
        };
        let mut task = EvidenceTask::new(&config, requests, evidence).unwrap();
        let begin = Meter::now();
        let all = |content: &LeaseContent| matches!(content, LeaseContent::Full(leases) if leases.len() == LEASES as usize);
        let initial = task.initial().await.unwrap();
        let mut complete = initial.iter().any(
            |(_, evidence)| matches!(evidence, Evidence::Leases(update) if all(&update.content)),
        );
        begin.say("first reading");
        tokio::spawn(task.run());
        while !complete {
            if let (_, Evidence::Leases(update)) = inbox.recv().await.unwrap() {
                complete = all(&update.content);
            }
        }
        Self { inbox, _ask: ask }
    }

    /// Changes one lease after the other.
    async fn measure(&mut self, name: &str, change: impl Fn(u32)) {
        let mut latencies = Vec::new();
        let mut cost = (Duration::ZERO, 0);
        for turn in 0..CHANGES {
            // In the middle of the file.
            let number = LEASES / 2 + turn * 7;
            change(number);
            let begin = Meter::now();
            loop {
                let (_, evidence) = self.inbox.recv().await.unwrap();
                if let Evidence::Leases(update) = evidence
                    && let LeaseContent::Delta { removed, upserted } = update.content
                    && (removed.contains(&address(number))
                        || upserted
                            .iter()
                            .any(|lease| lease.address == address(number)))
                {
                    break;
                }
            }
            let (wall, processor, octets) = begin.passed();
            latencies.push(wall);
            cost = (cost.0 + processor, cost.1 + octets);
        }
        latencies.sort();
        let median = latencies.get(latencies.len() / 2).unwrap().as_secs_f64() * 1e3;
        let processor = cost.0.as_secs_f64() * 1e3 / f64::from(CHANGES);
        println!(
            "{name}: one change of {LEASES} leases: known after {median:.1} ms (median), {processor:.2} ms of the processor, {} octets read",
            cost.1 / u64::from(CHANGES)
        );
    }
}

struct Meter {
    wall: u64,
    processor: Duration,
    octets: u64,
}

impl Meter {
    fn now() -> Self {
        let processor = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
        let io = std::fs::read_to_string("/proc/self/io").unwrap();
        let octets = io
            .lines()
            .find_map(|line| line.strip_prefix("rchar: "))
            .unwrap();
        Self {
            wall: clock::monotonic_nanos(),
            processor: processor.into(),
            octets: octets.parse().unwrap(),
        }
    }

    fn passed(&self) -> (Duration, Duration, u64) {
        let now = Self::now();
        (
            Duration::from_nanos(now.wall - self.wall),
            now.processor.saturating_sub(self.processor),
            now.octets - self.octets,
        )
    }

    fn say(&self, what: &str) {
        let (wall, processor, octets) = self.passed();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "{what}: {:.1} ms, {:.1} ms of the processor, {octets} octets read",
            millis(wall),
            millis(processor)
        );
    }
}

/// A process that ends with the measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    assert!(command.args(words).status().unwrap().success(), "{line}");
}
