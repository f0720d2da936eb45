//! The evidence task against a real dnsmasq, in a network namespace of its own.
//! Needs root, iproute2, dnsmasq and dhcp_release.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy allows these in test functions only, not in what they call"
)]

use leasehound::clock;
use leasehound::evidence::{EVIDENCE_QUEUE, EvidenceConfig, EvidenceTask, REQUEST_QUEUE};
use leasehound_core::evidence::{
    Evidence, EvidenceRequest, LeaseContent, LeaseUpdate, ServerFacts,
};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use nix::sched::{CloneFlags, unshare};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const NOTHING: [Ipv4Addr; 0] = [];
const HERE: NetnsId = NetnsId(0);
const DEADLINE: Duration = Duration::from_secs(20);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the body on a thread of its own with a network namespace of its own, which
/// ends with the thread.
fn in_namespace(body: impl AsyncFnOnce() + Send + 'static) {
    let done = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace needs CAP_SYS_ADMIN");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(body());
    })
    .join();
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let status = Command::new(words.next().unwrap())
        .args(words)
        .status()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    assert!(status.success(), "{line}: {status}");
}

fn dnsmasq(program: &str, options: &[&str]) -> Running {
    let child = Command::new(program)
        .args([
            "--conf-file=/dev/null",
            "--keep-in-foreground",
            "--pid-file=",
        ])
        .args(["--user=root", "--bind-dynamic", "--interface=s0"])
        .args(options)
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    Running(child)
}

/// A daemon, ended by the id in its file.
struct Daemon(u32);

impl Daemon {
    fn wait_for(pid_file: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(pid_file).ok()?;
        text.trim().parse().ok().map(Self)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
}

fn dhcp_server(leases: &Path) -> Running {
    dnsmasq(
        "dnsmasq",
        &[
            "--port=0",
            "--dhcp-range=10.77.0.10,10.77.0.200,1h",
            &format!("--dhcp-leasefile={}", leases.display()),
        ],
    )
}

fn lease_lines(lasts: &[u8]) -> String {
    let expires = clock::now().as_secs() + 3000;
    lasts
        .iter()
        .map(|last| format!("{expires} 02:00:00:00:00:{last:02x} 10.77.0.{last} * *\n"))
        .collect::<Vec<_>>()
        .concat()
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

/// The queue that the engine would read.
struct Inbox(mpsc::Receiver<(Timestamp, Evidence)>);

impl Inbox {
    /// The first thing that `wanted` takes; what comes before it is left out.
    async fn until<T>(&mut self, what: &str, wanted: impl Fn(Evidence) -> Option<T>) -> T {
        let found = timeout(DEADLINE, async {
            loop {
                let (_, evidence) = self.0.recv().await.expect("the task ended");
                if let Some(found) = wanted(evidence) {
                    return found;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {what} came"))
    }

    async fn server(&mut self) -> ServerFacts {
        self.until("server", |evidence| match evidence {
            Evidence::Server(facts) => Some(facts),
            _ => None,
        })
        .await
    }

    async fn leases(&mut self) -> LeaseUpdate {
        self.until("lease update", |evidence| match evidence {
            Evidence::Leases(update) => Some(update),
            _ => None,
        })
        .await
    }
}

fn full(update: &LeaseUpdate) -> Vec<Ipv4Addr> {
    let LeaseContent::Full(leases) = &update.content else {
        panic!("not in full: {update:?}");
    };
    leases.iter().map(|lease| lease.address).collect()
}

fn removed(update: &LeaseUpdate) -> Vec<Ipv4Addr> {
    let LeaseContent::Delta { removed, .. } = &update.content else {
        panic!("no delta: {update:?}");
    };
    removed.clone()
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: each step needs the one before"
)]
fn a_server_its_leases_and_its_addresses() {
    in_namespace(async || {
        run("ip link set lo up");
        run("ip link add s0 type veth peer name c0");
        run("ip link set c0 up");
        run("ip link set s0 up");
        run("ip address add 10.77.0.5/24 dev s0");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.leases");
        std::fs::write(&file, lease_lines(&[50, 51, 52, 53])).unwrap();

        // Neither serves DHCP: one answers DNS only, one is not dnsmasq at all.
        let _dns_only = dnsmasq("dnsmasq", &["--port=5353"]);
        let false_name = directory.path().join("dnsmasq");
        std::fs::copy("/bin/sleep", &false_name).unwrap();
        let _sleep = Running(Command::new(&false_name).arg("600").spawn().unwrap());

        let (ask, requests) = mpsc::channel(REQUEST_QUEUE);
        let (evidence, inbox) = mpsc::channel(EVIDENCE_QUEUE);
        let mut inbox = Inbox(inbox);
        let mut task = EvidenceTask::new(&EvidenceConfig::default(), requests, evidence).unwrap();
        let status = task.status();
        let interfaces = task.interfaces();
        let initial = task.initial().await.unwrap();
        assert!(
            matches!(&*initial, [(_, Evidence::Interfaces { interfaces, .. })] if interfaces.len() == 3),
            "{initial:?}"
        );
        let task = tokio::spawn(task.run());

        // No database at all is an answer too.
        ask.send(EvidenceRequest::Leases { netns: HERE })
            .await
            .unwrap();
        let none = inbox.leases().await;
        assert!(matches!(none.content, LeaseContent::Unusable { .. }));

        // A server that starts is found, with what its file holds.
        let before = clock::now();
        let process = dhcp_server(&file);
        let server = inbox.server().await;
        assert_eq!(server.pid, process.0.id());
        let margin = Duration::from_millis(50);
        assert!(server.started.saturating_add(margin) >= before);
        assert!(server.started <= clock::now());
        let mut update = inbox.leases().await;
        if matches!(update.content, LeaseContent::Unusable { .. }) {
            // Seen between opening the socket and opening the file.
            update = inbox.leases().await;
        }
        assert_eq!(update.server, Some(server.server));
        assert_eq!(full(&update), [50, 51, 52, 53].map(address));

        // A release takes the lease out, and nobody has to ask.
        run("dhcp_release s0 10.77.0.51 02:00:00:00:00:33");
        assert_eq!(removed(&inbox.leases().await), [address(51)]);

        // A question is answered by a reading that began after it.
        let asked = clock::now();
        for _ in 0..10 {
            ask.send(EvidenceRequest::Leases { netns: HERE })
                .await
                .unwrap();
        }
        let answer = inbox.leases().await;
        assert!(answer.read_from >= asked && answer.read_until >= answer.read_from);
        assert_eq!(removed(&answer), NOTHING);

        // The path is replaced under the server: what it really has is still seen.
        std::fs::write(directory.path().join("new"), lease_lines(&[60])).unwrap();
        std::fs::rename(directory.path().join("new"), &file).unwrap();
        run("dhcp_release s0 10.77.0.53 02:00:00:00:00:35");
        let update = inbox
            .until("removal", |evidence| match evidence {
                Evidence::Leases(update) if !removed(&update).is_empty() => Some(update),
                _ => None,
            })
            .await;
        assert_eq!(removed(&update), [address(53)]);
        let database = status.borrow().databases[0].clone();
        assert_eq!((database.entries, database.up), (2, true));
        assert_eq!(database.path.as_deref(), Some(&*file));

        // Addresses come in the kernel's order.
        run("ip address add 10.77.0.1/24 dev s0");
        let addresses = inbox
            .until("second address", |evidence| {
                let Evidence::Interfaces { interfaces, .. } = evidence else {
                    return None;
                };
                let s0 = interfaces.into_iter().find(|found| &*found.name == "s0")?;
                (s0.addresses.len() == 2).then_some(s0.addresses)
            })
            .await;
        assert_eq!(addresses[0].address, address(5));
        assert_eq!(addresses[1].address, address(1));
        assert!(
            interfaces
                .borrow()
                .iter()
                .any(|found| found.addresses.len() == 2)
        );

        // A restart is another server, whose leases come in full.
        drop(process);
        let gone = inbox
            .until("end of the server", |evidence| match evidence {
                Evidence::ServerGone(gone) => Some(gone),
                _ => None,
            })
            .await;
        assert_eq!(gone, server.server);
        let process = dhcp_server(&file);
        let next = inbox.server().await;
        assert_eq!(next.pid, process.0.id());
        assert!(next.server != server.server && next.started > server.started);
        let update = inbox
            .until("leases in full", |evidence| match evidence {
                Evidence::Leases(update) => {
                    matches!(update.content, LeaseContent::Full(_)).then_some(update)
                }
                _ => None,
            })
            .await;
        assert_eq!(
            (full(&update), update.server),
            (vec![address(60)], Some(next.server))
        );

        // What was asked before the end is answered.
        ask.send(EvidenceRequest::Leases { netns: HERE })
            .await
            .unwrap();
        drop(ask);
        assert_eq!(removed(&inbox.leases().await), NOTHING);
        task.await.unwrap();
        assert_eq!(inbox.0.recv().await, None);

        // A task that starts beside a running server has it all at once.
        let (_ask, requests) = mpsc::channel(REQUEST_QUEUE);
        let (evidence, _inbox) = mpsc::channel(EVIDENCE_QUEUE);
        let mut task = EvidenceTask::new(&EvidenceConfig::default(), requests, evidence).unwrap();
        let initial = task.initial().await.unwrap();
        let [
            (_, Evidence::Interfaces { .. }),
            (_, Evidence::Server(found)),
            (_, Evidence::Configuration(read)),
            (_, Evidence::Leases(update)),
        ] = &*initial
        else {
            panic!("{initial:?}");
        };
        assert_eq!(found.pid, process.0.id());
        assert_eq!((read.server, read.pools.len()), (found.server, 1));
        assert_eq!(full(update), [address(60)]);
    });
}

/// dnsmasq opens its socket, goes into the background and starts a second process
/// that runs scripts as root.
#[test]
fn of_a_servers_processes_the_one_that_serves() {
    in_namespace(async || {
        run("ip link set lo up");
        run("ip link add s0 type veth peer name c0");
        run("ip link set c0 up");
        run("ip link set s0 up");
        run("ip address add 10.77.0.5/24 dev s0");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("y.leases");
        let pid_file = directory.path().join("pid");
        std::fs::write(&file, lease_lines(&[50])).unwrap();

        let (_ask, requests) = mpsc::channel(REQUEST_QUEUE);
        let (evidence, inbox) = mpsc::channel(EVIDENCE_QUEUE);
        let mut inbox = Inbox(inbox);
        let mut task = EvidenceTask::new(&EvidenceConfig::default(), requests, evidence).unwrap();
        task.initial().await.unwrap();
        let mut status = task.status();
        let task = tokio::spawn(task.run());

        run(&format!(
            "dnsmasq --conf-file=/dev/null --port=0 --interface=s0 --bind-dynamic --user=root \
             --dhcp-range=10.77.0.10,10.77.0.200,1h --dhcp-script=/bin/true \
             --dhcp-leasefile={} --pid-file={}",
            file.display(),
            pid_file.display()
        ));
        let daemon =
            Daemon::wait_for(&pid_file).expect("dnsmasq writes its id before it forks off");
        let only_the_daemon = status.wait_for(|status| {
            let pids: Vec<u32> = status.servers.iter().map(|server| server.pid).collect();
            pids == [daemon.0] && status.databases.iter().all(|database| database.up)
        });
        timeout(DEADLINE, only_the_daemon)
            .await
            .expect("the daemon is found")
            .unwrap();
        run("dhcp_release s0 10.77.0.50 02:00:00:00:00:32");
        let gone = inbox
            .until("removal", |evidence| match evidence {
                Evidence::Leases(LeaseUpdate {
                    content: LeaseContent::Delta { removed, .. },
                    ..
                }) if !removed.is_empty() => Some(removed),
                _ => None,
            })
            .await;
        assert_eq!(gone, [address(50)]);
        drop(daemon);
        inbox
            .until("end of the daemon", |evidence| {
                matches!(evidence, Evidence::ServerGone(_)).then_some(())
            })
            .await;
        drop(inbox);
        task.await.unwrap();
    });
}
