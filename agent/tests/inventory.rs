//! Who listens, with real sockets and servers in namespaces of the tests' own. Needs
//! root and dnsmasq, tcpdump, iproute2.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: the panic is the report"
)]

#[path = "inventory/space.rs"]
mod space;

use leasehound::clock;
use leasehound::inventory::{
    Changes, ConflictKind, DestroyWatch, Inventory, ListeningSocket, ProcessId, SocketKind,
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use space::{Child, Space, cookie, udp, udp_with, until};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn refreshed() -> Inventory {
    let mut inventory = Inventory::default();
    inventory.refresh().unwrap();
    inventory
}

/// The process that is named for a socket.
fn pid_of(socket: &ListeningSocket) -> Option<u32> {
    socket.process().map(|process| process.pid)
}

/// The conflicts of one namespace, with the pids of the sockets instead of cookies.
fn conflicts(inventory: &Inventory, space: &Space) -> Vec<(ConflictKind, Vec<u32>)> {
    inventory
        .wildcard_conflicts()
        .into_iter()
        .filter(|conflict| conflict.netns == space.inode && conflict.port == 67)
        .map(|conflict| {
            let pid = |cookie: &u64| pid_of(inventory.by_cookie(*cookie).unwrap()).unwrap();
            (conflict.kind, conflict.cookies.iter().map(pid).collect())
        })
        .collect()
}

/// The UDP socket on port 67 that a process holds, as soon as it does.
fn port_67_of(child: &Child) -> ListeningSocket {
    socket_of(child, |_| true)
}

/// The same, once it is bound to a device: dnsmasq does that after bind(2).
fn on_device_of(child: &Child) -> ListeningSocket {
    socket_of(child, |socket| socket.ifindex.is_some())
}

fn socket_of(child: &Child, ready: impl Fn(&ListeningSocket) -> bool) -> ListeningSocket {
    until("the server listens", || {
        let inventory = refreshed();
        inventory
            .sockets()
            .find(|socket| socket.port() == Some(67) && pid_of(socket) == Some(child.pid()))
            .filter(|socket| ready(socket))
            .cloned()
    })
}

#[test]
fn sockets_of_two_namespaces_and_all_about_them() {
    let (first, second) = (Space::new(), Space::new());
    let device = first.ifindex("bridge0");
    let on_device = first.run(|| udp_with(SocketAddr::from((ANY, 67)), Some("bridge0"), false));
    let on_address = second.run(|| udp(SocketAddr::from((Ipv4Addr::new(10, 9, 0, 1), 67))));
    let version_6 = second.run(|| udp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 547))));
    let other_port = second.run(|| udp(SocketAddr::from((ANY, 68))));
    let inventory = refreshed();

    let socket = inventory.by_cookie(cookie(&on_device)).unwrap();
    assert_eq!(socket.netns, first.inode);
    assert_eq!(socket.ifindex, Some(device));
    assert_eq!(socket.uid, Some(0));
    assert_eq!(socket.inode, space::inode(&on_device));
    assert_eq!((socket.drops, socket.receive_queue), (0, 0));
    assert!(socket.receive_buffer > 0);
    let SocketKind::Udp { address, port, .. } = socket.kind else {
        panic!("{socket:?}");
    };
    assert_eq!((address, port), (IpAddr::from(ANY), 67));
    let process = inventory.process(socket.process().unwrap()).unwrap();
    assert_eq!(process.id.pid, std::process::id());
    assert_eq!(process.executable, std::env::current_exe().ok());
    assert!(process.started < clock::now());
    assert!(process.cgroup.is_some());
    let netns = inventory.netns(socket.netns).unwrap();
    assert_eq!((netns.own, &netns.name), (false, &None));
    assert_ne!(process.netns, Some(netns.inode), "it lives elsewhere");

    let socket = inventory.by_cookie(cookie(&on_address)).unwrap();
    assert_eq!((socket.netns, socket.ifindex), (second.inode, None));
    assert!(!socket.is_wildcard());
    let socket = inventory.by_cookie(cookie(&version_6)).unwrap();
    assert_eq!((socket.netns, socket.port()), (second.inode, Some(547)));
    assert!(inventory.by_cookie(cookie(&other_port)).is_none());
    assert_eq!(
        inventory
            .sockets()
            .filter(|socket| socket.netns == second.inode)
            .count(),
        2
    );
}

#[test]
fn a_named_namespace_is_found_by_its_name_alone() {
    let named = space::Named::new(&format!("inv-{}", std::process::id()));
    // The socket is all that is in there: its process lives elsewhere.
    let socket = named.udp();
    let inventory = refreshed();
    let found = inventory.by_cookie(cookie(&socket)).unwrap();
    let netns = inventory.netns(found.netns).unwrap();
    assert_eq!(netns.name.as_deref(), Some(named.name()));
}

#[test]
fn what_waits_and_what_was_dropped() {
    let space = Space::new();
    let socket = space.run(|| udp(SocketAddr::from((ANY, 67))));
    socket.set_recv_buffer_size(0).unwrap();
    let sender = space.run(|| udp(SocketAddr::from((ANY, 0))));
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 67)).into();
    for _ in 0..20 {
        sender.send_to(&[0; 300], &to).unwrap();
    }
    let inventory = refreshed();
    let socket = inventory.by_cookie(cookie(&socket)).unwrap();
    assert!(socket.receive_queue > 0, "{socket:?}");
    assert!(socket.drops > 0, "{socket:?}");
}

#[test]
fn two_servers_with_novas_arguments_are_in_each_others_way() {
    let space = Space::new();
    let first = space.nova("bridge0");
    let socket = port_67_of(&first);
    assert!(socket.is_wildcard() && socket.ifindex.is_none());
    let second = space.nova("bridge1");
    port_67_of(&second);
    let inventory = refreshed();
    assert_eq!(
        conflicts(&inventory, &space),
        [(ConflictKind::Wildcards, vec![first.pid(), second.pid()])]
    );
    let known = inventory
        .processes()
        .find(|process| process.id.pid == first.pid())
        .unwrap();
    assert_eq!(&*known.comm, "dnsmasq");
    assert_eq!(known.netns, Some(space.inode));
}

#[test]
fn two_servers_on_their_own_devices_are_not() {
    let space = Space::new();
    let servers = [space.on_device("bridge0"), space.on_device("bridge1")];
    for (server, device) in servers.iter().zip(["bridge0", "bridge1"]) {
        assert_eq!(on_device_of(server).ifindex, Some(space.ifindex(device)));
    }
    assert_eq!(conflicts(&refreshed(), &space), []);
}

#[test]
fn a_wildcard_server_robs_one_on_a_device_only_if_it_came_later() {
    let space = Space::new();
    let on_device = space.on_device("bridge0");
    on_device_of(&on_device);
    let later = space.nova("bridge1");
    port_67_of(&later);
    assert_eq!(
        conflicts(&refreshed(), &space),
        [(
            ConflictKind::WildcardAfterDevice,
            vec![on_device.pid(), later.pid()]
        )]
    );

    let space = Space::new();
    let earlier = space.nova("bridge1");
    port_67_of(&earlier);
    let on_device = space.on_device("bridge0");
    on_device_of(&on_device);
    assert_eq!(conflicts(&refreshed(), &space), []);
}

#[test]
fn without_reuseport_a_later_wildcard_takes_nothing_from_a_device() {
    let space = Space::new();
    let on_device = space.on_device("bridge0");
    on_device_of(&on_device);
    let later = space.run(|| udp(SocketAddr::from((ANY, 67))));
    let mut inventory = refreshed();
    let reuse_port =
        |inventory: &Inventory| inventory.by_cookie(cookie(&later)).unwrap().reuse_port;
    assert_eq!(reuse_port(&inventory), Some(false));
    assert_eq!(conflicts(&inventory, &space), []);
    inventory.refresh().unwrap();
    assert_eq!(reuse_port(&inventory), Some(false), "it is remembered");
    let robber = space.run(|| udp_with(SocketAddr::from((ANY, 67)), None, true));
    inventory.refresh().unwrap();
    let found = conflicts(&inventory, &space);
    assert_eq!(
        found,
        [(
            ConflictKind::WildcardAfterDevice,
            vec![on_device.pid(), std::process::id()]
        )]
    );
    drop(robber);
}

/// ISC dhcpd's filter; `port` is 67 there.
fn filter(port: u32) -> [SockFilter; 11] {
    [
        SockFilter::new(0x28, 0, 0, 12),
        SockFilter::new(0x15, 0, 8, 0x0800),
        SockFilter::new(0x30, 0, 0, 23),
        SockFilter::new(0x15, 0, 6, 17),
        SockFilter::new(0x28, 0, 0, 20),
        SockFilter::new(0x45, 4, 0, 0x1fff),
        SockFilter::new(0xb1, 0, 0, 14),
        SockFilter::new(0x48, 0, 0, 16),
        SockFilter::new(0x15, 0, 1, port),
        SockFilter::new(0x06, 0, 0, u32::MAX),
        SockFilter::new(0x06, 0, 0, 0),
    ]
}

/// A raw socket for all protocols.
fn raw() -> Socket {
    let all = i32::from(3_u16.to_be());
    Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(all))).unwrap()
}

#[test]
fn a_raw_server_is_found_and_sniffers_and_clients_are_not() {
    let space = Space::new();
    let [server, client, unfiltered] = space.run(|| [raw(), raw(), raw()]);
    server.attach_filter(&filter(67)).unwrap();
    client.attach_filter(&filter(68)).unwrap();
    // Of this one the filter is a server's.
    let arguments = "-i bridge0 -U -w /dev/null ip and udp dst port 67";
    let sniffer = space.start("tcpdump", arguments);
    until("tcpdump has its filter", || {
        let sockets = space.run(|| space::output("ss", "-0 -b -n -p -H"));
        let pid = format!("pid={},", sniffer.pid());
        let (_, after) = sockets.split_once(&pid)?;
        after.contains("bpf filter (11)").then_some(())
    });
    let inventory = refreshed();
    let found: Vec<_> = inventory
        .sockets()
        .filter(|socket| socket.netns == space.inode)
        .map(|socket| (socket.cookie, socket.kind, pid_of(socket)))
        .collect();
    let kind = SocketKind::Packet {
        protocol: 3,
        cooked: false,
        instructions: 11,
    };
    assert_eq!(found, [(cookie(&server), kind, Some(std::process::id()))]);
    assert!(
        inventory
            .processes()
            .all(|process| process.id.pid != sniffer.pid())
    );
    drop(unfiltered);
}

#[test]
fn a_closed_socket_is_told_at_once_and_gone_after_a_refresh() {
    let space = Space::new();
    let socket = space.run(|| udp(SocketAddr::from((ANY, 67))));
    let cookie = cookie(&socket);
    let mut inventory = refreshed();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut watch = DestroyWatch::default();
        let followed = watch.follow(&inventory);
        assert!(followed.subscribed.contains(&space.inode));
        assert!(watch.follow(&inventory).subscribed.is_empty());
        drop(socket);
        let told = async { while !watch.destroyed().await.cookies.contains(&cookie) {} };
        tokio::time::timeout(Duration::from_secs(10), told)
            .await
            .unwrap();
        let changes = inventory.refresh().unwrap();
        assert!(changes.gone.iter().any(|socket| socket.cookie == cookie));
        assert!(inventory.by_cookie(cookie).is_none());
        // Nobody listens there any more: the watch must not keep the namespace.
        watch.follow(&inventory);
        let inode = space.inode;
        drop(space);
        until("the namespace ends", || {
            inventory.refresh().unwrap();
            inventory.netns(inode).is_none().then_some(())
        });
    });
}

#[test]
fn of_parent_and_child_the_parent_is_named_until_it_lets_go() {
    let space = Space::new();
    let socket = space.run(|| udp(SocketAddr::from((ANY, 67))));
    let cookie = cookie(&socket);
    let copy = OwnedFd::from(socket.try_clone().unwrap());
    let mut child = Child(
        Command::new("sleep")
            .arg("600")
            .stdin(Stdio::from(copy))
            .spawn()
            .unwrap(),
    );
    let mut inventory = refreshed();
    let found = inventory.by_cookie(cookie).unwrap();
    assert_eq!(pid_of(found), Some(std::process::id()));
    let holds = |process: &ProcessId| process.pid == child.pid();
    assert!(found.holders.iter().any(holds));

    drop(socket);
    let changes = until("the child is alone", || {
        let changes = inventory.refresh().unwrap();
        let found = inventory.by_cookie(cookie).unwrap();
        (pid_of(found) == Some(child.pid())).then_some(changes)
    });
    assert!(changes.changed.contains(&cookie));
    assert!(!changes.gone.iter().any(|socket| socket.cookie == cookie));

    child.end();
    let changes: Changes = inventory.refresh().unwrap();
    assert!(changes.gone.iter().any(|socket| socket.cookie == cookie));
    let pid = child.pid();
    assert!(
        changes
            .processes_gone
            .iter()
            .any(|process| process.id.pid == pid)
    );
    assert!(inventory.processes().all(|process| process.id.pid != pid));
}

#[test]
fn a_restarted_server_is_another_process() {
    let space = Space::new();
    let mut server = space.nova("bridge0");
    let before = port_67_of(&server);
    let mut inventory = refreshed();
    server.end();
    let again = space.nova("bridge0");
    port_67_of(&again);
    let changes = inventory.refresh().unwrap();
    assert!(
        changes
            .gone
            .iter()
            .any(|socket| socket.cookie == before.cookie)
    );
    let appeared = changes
        .appeared
        .iter()
        .filter_map(|cookie| inventory.by_cookie(*cookie))
        .find(|socket| socket.netns == space.inode)
        .unwrap();
    assert_ne!(appeared.process(), before.process());
    assert_eq!(pid_of(appeared), Some(again.pid()));
}

/// A namespace with a name: such a one is seen by everybody, and entered by few.
struct Named(String);

impl Named {
    fn new() -> Self {
        let name = format!("lh-named-{}", std::process::id());
        Self::ip("add", &name);
        Self(name)
    }

    fn ip(verb: &str, name: &str) {
        let status = std::process::Command::new("ip")
            .args(["netns", verb, name])
            .status();
        assert!(status.unwrap().success(), "ip netns {verb} {name}");
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        Self::ip("del", &self.0);
    }
}

#[test]
fn without_rights_the_rest_is_told_and_the_loss_named() {
    let space = Space::new();
    let socket = space.run(|| udp(SocketAddr::from((ANY, 67))));
    let named = Named::new();
    let report = space::as_nobody("look_without_rights");
    drop(named);
    assert!(
        report.contains("can't be entered (setns, CAP_SYS_ADMIN)"),
        "{report}"
    );
    assert!(report.contains("(CAP_SYS_PTRACE)"), "{report}");
    drop(socket);
}

/// By itself a look with all rights; run again as nobody by the test before.
#[test]
fn look_without_rights() {
    let mut inventory = Inventory::default();
    // A name in /run/netns shows a namespace to everybody; entering it is another thing.
    let changes = inventory.refresh().unwrap();
    assert!(inventory.namespaces().any(|netns| netns.own));
    println!("{}", changes.problems.join("\n"));
}
