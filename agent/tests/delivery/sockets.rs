//! Packets at UDP sockets.

use super::space::{Child, Space, cookie, output, udp, udp_with, until};
use super::world::{
    ACK, CLIENT, DISCOVER, RELEASE, SERVER, Watch, World, message, sockets, transaction,
};
use leasehound::capture::Way;
use leasehound::capture::delivery::{CgroupScope, Delivery, Options};
use leasehound_core::origin::Hook;
use socket2::Socket;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn on(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::from((address, port))
}

fn server_socket(world: &World, device: Option<&'static str>) -> Socket {
    world
        .server
        .run(move || udp_with(on(ANY, 67), device, true))
}

fn client_socket(world: &World) -> Socket {
    world.client.run(|| {
        let socket = udp(on(CLIENT, 68));
        socket.set_broadcast(true).unwrap();
        socket
    })
}

fn send(socket: &Socket, to: SocketAddr, payload: &[u8]) {
    assert_eq!(socket.send_to(payload, &to.into()).unwrap(), payload.len());
}

#[test]
fn a_unicast_is_offered_to_one_socket_and_a_broadcast_to_each() {
    let world = World::new();
    let listeners = [server_socket(&world, None), server_socket(&world, None)];
    let cookies: BTreeSet<u64> = listeners.iter().map(cookie).collect();
    let client = client_socket(&world);
    let server_ifindex = world.server.ifindex("server0");
    let mut watch = Watch::at_sockets();
    let (unicast, broadcast) = (transaction(), transaction());
    send(&client, on(SERVER, 67), &message(RELEASE, unicast));
    send(
        &client,
        on(Ipv4Addr::BROADCAST, 67),
        &message(DISCOVER, broadcast),
    );
    // Sent and offered; sent and offered twice.
    watch.wait(2, sockets(unicast));
    watch.wait(3, sockets(broadcast));

    let events = watch.end();
    for (id, message_type, offers) in [(unicast, RELEASE, 1), (broadcast, DISCOVER, 2)] {
        let samples = sockets(id)(&events);
        let offered: Vec<_> = samples
            .iter()
            .filter(|sample| sample.way == Way::Offered)
            .collect();
        assert_eq!(offered.len(), offers);
        assert_eq!(samples.len(), offers + 1);
        let to: BTreeSet<u64> = offered.iter().map(|sample| sample.cookie).collect();
        assert_eq!(to.len(), offers);
        assert!(to.is_subset(&cookies));
        for sample in offered {
            assert_eq!(sample.ifindex, server_ifindex);
            assert_eq!(sample.bound_ifindex, None);
            assert_eq!(sample.wire_length, 328);
            assert_eq!(sample.packet.len(), 328);
            assert!(sample.packet.ends_with(&message(message_type, id)));
            let age = leasehound::clock::now().since(sample.at);
            assert!(age.as_secs() < 60, "taken {age:?} ago");
        }
    }
}

#[test]
fn one_attachment_sees_both_ends_of_a_reply() {
    let world = World::new();
    let server = server_socket(&world, Some("server0"));
    let client = client_socket(&world);
    let mut watch = Watch::at_sockets();
    let id = transaction();
    send(&server, on(CLIENT, 68), &message(ACK, id));
    let mut samples = watch.wait(2, sockets(id));
    samples.sort_by_key(|sample| sample.way == Way::Offered);
    let [sent, offered] = &samples[..] else {
        panic!("{samples:?}");
    };
    let server_ifindex = world.server.ifindex("server0");
    assert_eq!((sent.way, sent.cookie), (Way::Sent, cookie(&server)));
    assert_eq!(sent.ifindex, server_ifindex);
    assert_eq!(sent.bound_ifindex, Some(server_ifindex));
    assert_eq!(
        (offered.way, offered.cookie),
        (Way::Offered, cookie(&client))
    );
    assert_eq!(offered.ifindex, world.client.ifindex("client0"));
    assert_eq!(offered.bound_ifindex, None);
    assert_eq!(
        watch.delivery.attached().collect::<Vec<_>>(),
        [Hook::CgroupSkb]
    );
}

#[test]
fn a_looped_packet_tells_the_device_that_its_sender_is_bound_to() {
    let world = World::new();
    let server = server_socket(&world, None);
    let releaser = world
        .server
        .run(|| udp_with(on(ANY, 0), Some("server0"), false));
    let mut watch = Watch::at_sockets();
    let id = transaction();
    send(&releaser, on(SERVER, 67), &message(RELEASE, id));
    let mut samples = watch.wait(2, sockets(id));
    samples.sort_by_key(|sample| sample.way == Way::Offered);
    let [sent, offered] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!((sent.way, sent.cookie), (Way::Sent, cookie(&releaser)));
    assert_eq!(sent.bound_ifindex, Some(world.server.ifindex("server0")));
    assert_eq!(
        (offered.way, offered.cookie),
        (Way::Offered, cookie(&server))
    );
    // lo is the first device of each namespace.
    assert_eq!((sent.ifindex, offered.ifindex), (1, 1));
}

#[test]
fn other_ports_and_other_protocols_are_not_seen() {
    let world = World::new();
    let listener = world.server.run(|| udp(on(SERVER, 1_067)));
    let dhcp = server_socket(&world, None);
    let client = world.client.run(|| udp(on(CLIENT, 1_068)));
    let mut watch = Watch::at_sockets();
    let (other, id) = (transaction(), transaction());
    send(&client, on(SERVER, 1_067), &message(RELEASE, other));
    send(&client, on(SERVER, 67), &message(RELEASE, id));
    watch.wait(2, sockets(id));
    assert_eq!(sockets(other)(&watch.end()), []);
    drop((listener, dhcp));
}

/// A child cgroup, removed again.
struct Group(PathBuf);

impl Group {
    /// In the hierarchy that is mounted at `mount`.
    fn new(mount: &str) -> Self {
        let path = PathBuf::from(mount).join(format!("leasehound-test-{}", transaction()));
        fs::create_dir(&path)
            .unwrap_or_else(|error| panic!("{}: cgroups are needed: {error}", path.display()));
        Self(path)
    }

    /// Starts a server in there.
    fn dnsmasq(&self, space: &Space) -> Child {
        let script = format!(
            "echo $$ > {}/cgroup.procs && exec dnsmasq --keep-in-foreground --conf-file=/dev/null \
             --port=0 --pid-file= --user=root --dhcp-leasefile=/dev/null --leasefile-ro \
             --interface=server0 --bind-interfaces --dhcp-range=10.9.0.50,10.9.0.60",
            self.0.display()
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script]);
        space.run(move || Child(command.spawn().unwrap()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to let the last process go.
        for _ in 0..1_000 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::yield_now();
        }
        eprintln!("{} stays", self.0.display());
    }
}

/// What `ss` calls the socket on port 67.
fn cookie_of_port_67() -> Option<u64> {
    let sockets = output("ss", "-H -u -a -n -e sport = :67");
    let hexadecimal = sockets
        .split_whitespace()
        .find_map(|word| word.strip_prefix("sk:"))?;
    u64::from_str_radix(hexadecimal, 16).ok()
}

fn sees_a_server_in(mount: &str) {
    let world = World::new();
    let group = Group::new(mount);
    let server = group.dnsmasq(&world.server);
    let known = until("dnsmasq listens", || world.server.run(cookie_of_port_67));
    let client = client_socket(&world);
    let mut watch = Watch::at_sockets();
    let (release, discover) = (transaction(), transaction());
    send(&client, on(SERVER, 67), &message(RELEASE, release));
    send(
        &client,
        on(Ipv4Addr::BROADCAST, 67),
        &message(DISCOVER, discover),
    );
    let released = watch.wait(2, sockets(release));
    assert!(
        released
            .iter()
            .any(|sample| sample.way == Way::Offered && sample.cookie == known),
        "{released:?}"
    );
    // It pings the address before it offers it, unless somebody has it: then it stays
    // silent. Either way the message got there.
    let discovered = watch.wait(2, sockets(discover));
    assert!(
        discovered
            .iter()
            .any(|sample| sample.way == Way::Offered && sample.cookie == known),
        "{discovered:?}"
    );
    drop(server);
}

#[test]
fn a_server_in_a_child_cgroup_is_seen() {
    let mut watch = Watch::at_sockets();
    assert_eq!(watch.delivery.attach_cgroup().unwrap(), CgroupScope::Host);
    sees_a_server_in(mount_of("cgroup2", "").as_str());
    watch.end();
}

#[test]
fn where_only_a_part_of_the_hierarchy_can_be_seen_it_says_so() {
    let mount = mount_of("cgroup2", "");
    let group = Group::new(&mount);
    let path = group.0.display().to_string();
    // As in a container. Mounts belong to threads that asked for their own.
    let scope = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        output("mount", "--make-rprivate /");
        output("mount", &format!("--bind {path} {mount}"));
        let mut delivery = Delivery::load(&Options::default()).unwrap();
        delivery.attach_cgroup().unwrap()
    });
    assert_eq!(scope.join().unwrap(), CgroupScope::Part);
}

#[test]
fn a_server_in_a_v1_cgroup_is_seen() {
    sees_a_server_in(mount_of("cgroup", "pids").as_str());
}

/// Where a hierarchy is mounted.
fn mount_of(kind: &str, controller: &str) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|fields| fields[2] == kind && fields[3].contains(controller))
        .unwrap_or_else(|| panic!("no {kind} {controller} hierarchy is mounted:\n{mounts}"))[1]
        .to_owned()
}

#[test]
fn two_watches_see_the_same_and_each_goes_alone() {
    let world = World::new();
    let server = server_socket(&world, None);
    let client = client_socket(&world);
    let mut first = Watch::at_sockets();
    let mut second = Watch::at_sockets();
    let (both, one) = (transaction(), transaction());
    send(&client, on(SERVER, 67), &message(RELEASE, both));
    first.wait(2, sockets(both));
    second.wait(2, sockets(both));
    let events = first.end();
    send(&client, on(SERVER, 67), &message(RELEASE, one));
    second.wait(2, sockets(one));
    assert_eq!(sockets(one)(&events), []);
    drop(server);
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    let world = World::new();
    let server = server_socket(&world, None);
    let client = client_socket(&world);
    let watch = Watch::at_sockets();
    let tally = watch.delivery.tally();
    drop(watch);
    let count = || -> u64 {
        let samples = tally.samples().unwrap();
        samples.iter().map(|sampled| sampled.count).sum()
    };
    // Closing a link takes effect at once, unless another test is just starting a process:
    // until that one's `exec`, it holds a copy of every descriptor.
    until("messages are not sampled any more", || {
        let before = count();
        send(&client, on(SERVER, 67), &message(RELEASE, transaction()));
        (count() == before).then_some(())
    });
    drop(server);
}
