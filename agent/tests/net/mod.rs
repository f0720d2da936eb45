//! Two anonymous network namespaces and a veth pair between them. They end with the
//! thread: nothing is left behind, whatever a test does.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests: the panic is the report"
)]

use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::time::Duration;

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const ACK: u8 = 5;
pub(crate) const RELEASE: u8 = 7;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 50);

/// A client namespace and a server namespace; the thread is in the server's.
pub(crate) struct Pair {
    pub(crate) server_ifindex: u32,
    client: UdpSocket,
    dhcp: UdpSocket,
    other: UdpSocket,
}

impl Pair {
    pub(crate) fn with(test: impl FnOnce(&Pair) + Send + 'static) {
        // A thread of its own: namespaces belong to threads, and this one must not be
        // used for another test afterwards.
        let result = std::thread::spawn(move || test(&Pair::new())).join();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }

    fn new() -> Self {
        let client_ns = enter_new();
        output(
            "ip",
            "link add client0 mtu 9000 type veth peer name server0 mtu 9000",
        );
        let server_ns = enter_new();
        enter(&client_ns);
        let path = format!("/proc/{}/fd/{}", std::process::id(), server_ns.as_raw_fd());
        output("ip", &format!("link set server0 netns {path}"));
        output("ip", &format!("addr add {CLIENT}/24 dev client0"));
        output("ip", "link set client0 up");
        let client = socket(0);
        enter(&server_ns);
        output("ip", "link set lo up");
        output("ip", &format!("addr add {SERVER}/24 dev server0"));
        output("ip", "link set server0 up");
        Self {
            server_ifindex: ifindex("server0"),
            client,
            dhcp: socket(67),
            other: socket(9),
        }
    }

    /// Sends to the server and waits until it has arrived there unchanged.
    pub(crate) fn send(&self, port: u16, payload: &[u8]) {
        self.client.send_to(payload, (SERVER, port)).unwrap();
        receive(if port == 67 { &self.dhcp } else { &self.other }, payload);
    }

    /// Sends from the server to the client and waits until it has arrived.
    pub(crate) fn answer(&self, payload: &[u8]) {
        let SocketAddr::V4(client) = self.client.local_addr().unwrap() else {
            panic!("an IPv4 socket");
        };
        self.dhcp.send_to(payload, (CLIENT, client.port())).unwrap();
        receive(&self.client, payload);
    }

    /// Cookie of the server's socket.
    pub(crate) fn server_cookie(&self) -> u64 {
        rustix::net::sockopt::socket_cookie(&self.dhcp).unwrap()
    }

    /// Pings the client, and waits for its answer.
    pub(crate) fn ping() {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket
            .connect(&SocketAddr::from((CLIENT, 0)).into())
            .unwrap();
        socket.send(&[8, 0, 0xf7, 0xff, 0, 0, 0, 0]).unwrap();
        let mut answer = [0; 64];
        let length = std::io::Read::read(&mut &socket, &mut answer).expect("an echo reply");
        assert_eq!((length, answer[20]), (28, 0));
    }

    /// Sends to a port of the server on which nobody listens, and waits until its kernel has
    /// said so.
    pub(crate) fn send_in_vain(&self, port: u16, payload: &[u8]) {
        let socket = self.client.try_clone().unwrap();
        socket.connect((SERVER, port)).unwrap();
        socket.send(payload).unwrap();
        let error = socket.recv(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    /// Sends as `dhcp_release` does on the server's own host.
    pub(crate) fn send_over_lo(&self, payload: &[u8]) {
        self.other.send_to(payload, (SERVER, 67)).unwrap();
        receive(&self.dhcp, payload);
    }
}

/// Names of the programs on an interface, as the kernel itself tells them: at XDP, at
/// tcx and at clsact, in this order, ingress before egress.
pub(crate) fn programs_on(interface: &str) -> Vec<String> {
    let mut names = Vec::new();
    let link = output("ip", &format!("link show dev {interface}"));
    names.extend(words_after(&link, "name"));
    for side in [TcAttachType::Ingress, TcAttachType::Egress] {
        let (_, programs) = SchedClassifier::query_tcx(interface, side).unwrap();
        let name = |program: &ProgramInfo| program.name_as_str().unwrap().to_owned();
        names.extend(programs.iter().map(name));
    }
    for side in ["ingress", "egress"] {
        let filters = output("tc", &format!("filter show dev {interface} {side}"));
        names.extend(words_after(&filters, "name"));
    }
    names
}

/// Waits until no program is on an interface. Closing a link takes effect at once,
/// unless another test is just starting a process: until that one's `exec`, it holds a
/// copy of every descriptor.
pub(crate) fn wait_until_clean(interface: &str) {
    let start = leasehound::clock::now();
    loop {
        let programs = programs_on(interface);
        if programs.is_empty() {
            return;
        }
        let waited = leasehound::clock::now().since(start);
        assert!(waited.as_secs() < 10, "{interface} still has {programs:?}");
    }
}

fn words_after(text: &str, key: &str) -> Vec<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| pair[0] == key)
        .map(|pair| pair[1].to_owned())
        .collect()
}

fn socket(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

fn receive(socket: &UdpSocket, payload: &[u8]) {
    let mut buffer = [0; 9000];
    let (length, _) = socket.recv_from(&mut buffer).expect("the datagram arrives");
    assert_eq!(&buffer[..length], payload);
}

fn enter_new() -> File {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root (CAP_SYS_ADMIN)");
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn enter(namespace: &File) {
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
}

/// A DHCP message with `message_type`, and `mark` as its transaction.
pub(crate) fn message(message_type: u8, mark: u8) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[0] = if message_type == ACK { 2 } else { 1 };
    message[1] = 1;
    message[2] = 6;
    message[4] = mark;
    message[12..16].copy_from_slice(&CLIENT.octets());
    message[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    message.extend([99, 130, 83, 99, 53, 1, message_type, 54, 4]);
    message.extend(SERVER.octets());
    message.push(255);
    message.resize(300, 0);
    message
}

pub(crate) fn ifindex(interface: &str) -> u32 {
    let link = output("ip", &format!("-o link show dev {interface}"));
    link.split(':').next().unwrap().parse().unwrap()
}

/// Runs a program in this thread's namespace.
pub(crate) fn output(program: &str, arguments: &str) -> String {
    run(program, arguments.split_whitespace())
}

/// The same, for arguments with blanks in them.
pub(crate) fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut command = Command::new(program);
    let output = command
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
