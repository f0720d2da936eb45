//! Network namespaces with servers in them, for the tests of the inventory. They end
//! with their owner.

use nix::sched::{CloneFlags, setns, unshare};
use socket2::{Domain, Socket, Type};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

type Job = Box<dyn FnOnce() + Send>;

/// A namespace, kept by a thread that does what it is told there.
pub(crate) struct Space {
    pub(crate) inode: u64,
    jobs: Option<Sender<Job>>,
    keeper: Option<JoinHandle<()>>,
    leases: TempDir,
}

impl Space {
    /// With lo, and bridge0 and bridge1 on 10.0.0.1/24 and 10.0.1.1/24, all up.
    pub(crate) fn new() -> Self {
        let space = Self::bare();
        space.run(|| {
            output("ip", "link set lo up");
            output("ip", "addr add 10.9.0.1/24 dev lo");
            for n in 0..2 {
                output("ip", &format!("link add bridge{n} type bridge"));
                output("ip", &format!("addr add 10.0.{n}.1/24 dev bridge{n}"));
                output("ip", &format!("link set bridge{n} up"));
            }
        });
        space
    }

    /// With nothing in it.
    pub(crate) fn bare() -> Self {
        let (jobs, to_do) = channel::<Job>();
        let keeper = thread::spawn(move || {
            for job in to_do {
                job();
            }
        });
        let mut space = Self {
            inode: 0,
            jobs: Some(jobs),
            keeper: Some(keeper),
            leases: TempDir::new().unwrap(),
        };
        space.inode = space.run(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
                panic!("this test needs root (CAP_SYS_ADMIN): {error}");
            });
            fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
        });
        space
    }

    /// Does something in there.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let job = Box::new(move || {
            let _ = answer.send(job());
        });
        self.jobs.as_ref().unwrap().send(job).unwrap();
        answered.recv().unwrap()
    }

    pub(crate) fn ifindex(&self, device: &'static str) -> u32 {
        let link = self.run(move || output("ip", &format!("-o link show dev {device}")));
        link.split(':').next().unwrap().parse().unwrap()
    }

    /// Starts a program in there.
    pub(crate) fn start(&self, program: &str, arguments: &str) -> Child {
        let mut command = Command::new(program);
        command
            .args(arguments.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.run(move || Child(command.spawn().unwrap()))
    }

    /// A dnsmasq as OpenStack nova starts it for one device.
    pub(crate) fn nova(&self, device: &'static str) -> Child {
        let n = &device[6..];
        let choice = format!("--listen-address=10.0.{n}.1 --except-interface=lo");
        self.dnsmasq(n, &choice)
    }

    /// A dnsmasq that is told its device.
    pub(crate) fn on_device(&self, device: &'static str) -> Child {
        self.dnsmasq(&device[6..], &format!("--interface={device}"))
    }

    fn dnsmasq(&self, n: &str, choice: &str) -> Child {
        let leases = self.leases.path().join(n);
        self.start(
            "dnsmasq",
            &format!(
                "--keep-in-foreground --conf-file=/dev/null --port=0 --pid-file= --user=root \
                 --dhcp-leasefile={} --dhcp-range=10.0.{n}.50,10.0.{n}.60 --bind-interfaces \
                 {choice}",
                leases.display()
            ),
        )
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A namespace that has a name, and nobody in it.
pub(crate) struct Named(String);

impl Named {
    pub(crate) fn new(name: &str) -> Self {
        output("ip", &format!("netns add {name}"));
        Self(name.to_owned())
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// A socket on port 67 in there, opened by a thread that has left.
    pub(crate) fn udp(&self) -> Socket {
        let path = format!("/run/netns/{}", self.0);
        let visitor = thread::spawn(move || {
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
            udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67)))
        });
        visitor.join().unwrap()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// A process that ends with its owner.
pub(crate) struct Child(pub(crate) process::Child);

impl Child {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// A bound UDP socket that allows others beside it by `SO_REUSEADDR`.
pub(crate) fn udp(address: SocketAddr) -> Socket {
    udp_with(address, None, false)
}

pub(crate) fn udp_with(address: SocketAddr, device: Option<&str>, reuse_port: bool) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(reuse_port).unwrap();
    socket.bind_device(device.map(str::as_bytes)).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

/// The kernel's name for a socket, as the socket's owner is told it.
pub(crate) fn cookie(socket: &Socket) -> u64 {
    rustix::net::sockopt::socket_cookie(socket).unwrap()
}

pub(crate) fn inode(socket: &Socket) -> u64 {
    File::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap()))
        .metadata()
        .unwrap()
        .ino()
}

/// Tries until there is something, for at most 10 s.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = leasehound::clock::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        let waited = leasehound::clock::now().since(start);
        assert!(waited.as_secs() < 10, "in vain: {what}");
        thread::yield_now();
    }
}

/// Runs an ignored test of this file as a user without rights; what it prints.
pub(crate) fn as_nobody(test: &str) -> String {
    // The program may lie where only root can go.
    let place = TempDir::new().unwrap();
    let program = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    output("chmod", &format!("755 {}", place.path().display()));
    let output = Command::new(&program)
        .args(["--exact", test, "--nocapture"])
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Runs a program in this thread's namespace.
pub(crate) fn output(program: &str, arguments: &str) -> String {
    let mut command = Command::new(program);
    let output = command
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
