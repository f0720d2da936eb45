//! Packets that the kernel drops, and why.

use super::space::{Space, cookie, output, udp, udp_with, until};
use super::world::{
    ACK, CLIENT, DISCOVER, RELEASE, SERVER, Watch, World, drops, message, sockets, transaction,
};
use leasehound::capture::{DropSample, Way};
use leasehound_core::frame::PacketType;
use leasehound_core::origin::Hook;
use socket2::{Domain, Protocol, Socket, Type};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

/// An address of the server that it has lost.
const MOVED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn watch() -> Watch {
    Watch::new(|delivery| {
        delivery
            .attach_drops()
            .unwrap_or_else(|error| panic!("{error}"));
    })
}

fn client_socket(world: &World) -> Socket {
    world.client.run(|| {
        let socket = udp(SocketAddr::from((CLIENT, 68)));
        socket.set_broadcast(true).unwrap();
        socket
    })
}

fn send(socket: &Socket, to: Ipv4Addr, payload: &[u8]) {
    let to = SocketAddr::from((to, 67)).into();
    assert_eq!(socket.send_to(payload, &to).unwrap(), payload.len());
}

fn nft(space: &Space, rules: &str) {
    for rule in rules.lines() {
        let rule = rule.trim().to_owned();
        space.run(move || output_of("nft", &rule));
    }
}

/// nft takes its command in one piece.
fn output_of(program: &str, argument: &str) {
    let status = std::process::Command::new(program).arg(argument).status();
    assert!(status.unwrap().success(), "{program} {argument}");
}

/// Writes a setting of the namespace.
fn set(space: &Space, name: &'static str, value: &'static str) {
    space.run(move || fs::write(format!("/proc/sys/net/ipv4/{name}"), value).unwrap());
}

fn mac_of(space: &Space, device: &str) -> String {
    let command = format!("-o link show dev {device}");
    let link = space.run(move || output("ip", &command));
    let (_, rest) = link.split_once("link/ether ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

/// Lets the client send frames for `address` to the host with that MAC.
fn neighbour(world: &World, address: Ipv4Addr, mac: String) {
    world.client.run(move || {
        output(
            "ip",
            &format!("neigh replace {address} lladdr {mac} dev client0"),
        )
    });
}

/// The only drop of a message from the client to the server's namespace.
fn dropped(world: &World, to: Ipv4Addr, message_type: u8) -> DropSample {
    let client = client_socket(world);
    let mut watch = watch();
    let id = transaction();
    send(&client, to, &message(message_type, id));
    watch.wait(1, drops(id));
    let samples = drops(id)(&watch.end());
    let [sample] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(sample.netns_inode.map(u64::from), Some(world.server.inode));
    assert_eq!(sample.ifindex, Some(world.server.ifindex("server0")));
    assert!(sample.packet.ends_with(&message(message_type, id)));
    assert_eq!(sample.wire_length, 328);
    let age = leasehound::clock::now().since(sample.at);
    assert!(age.as_secs() < 60, "taken {age:?} ago");
    sample.clone()
}

#[test]
fn nobody_listens() {
    let world = World::new();
    let unicast = dropped(&world, SERVER, RELEASE);
    assert_eq!(&*unicast.reason, "NO_SOCKET");
    assert_eq!(unicast.place.as_deref(), Some("__udp4_lib_rcv"));
    assert_eq!(unicast.packet_type, Some(PacketType::Host));
    assert_eq!(unicast.cookie, None);
    // The sender's looped copy is noise.
    let broadcast = dropped(&world, Ipv4Addr::BROADCAST, DISCOVER);
    assert_eq!(&*broadcast.reason, "NOT_SPECIFIED");
    assert_eq!(broadcast.place.as_deref(), Some("__udp4_lib_rcv"));
    assert_eq!(broadcast.packet_type, Some(PacketType::Broadcast));
}

#[test]
fn a_firewall_drops_it() {
    for chain in [
        "ip t c { type filter hook input priority 0; }",
        "ip t c { type filter hook prerouting priority 0; }",
        "netdev t c { type filter hook ingress device server0 priority 0; }",
    ] {
        let world = World::new();
        let (family, _) = chain.split_once(' ').unwrap();
        nft(
            &world.server,
            &format!(
                "add table {family} t
                add chain {chain}
                add rule {family} t c udp dport 67 drop"
            ),
        );
        assert_eq!(
            &*dropped(&world, SERVER, RELEASE).reason,
            "NETFILTER_DROP",
            "{chain}"
        );
    }
}

#[test]
fn its_source_has_another_way_back() {
    let world = World::new();
    set(&world.server, "conf/all/rp_filter", "1");
    neighbour(&world, SERVER, mac_of(&world.server, "server0"));
    // To the server, the client's subnet is behind another device.
    world.server.run(|| {
        output("ip", "link add elsewhere type bridge");
        output("ip", "link set elsewhere up");
        output("ip", "route add 10.9.0.50/32 dev elsewhere");
    });
    assert_eq!(&*dropped(&world, SERVER, RELEASE).reason, "IP_RPFILTER");
}

#[test]
fn it_has_no_source() {
    let world = World::new();
    nft(
        &world.server,
        "add table netdev t
        add chain netdev t c { type filter hook ingress device server0 priority 0; }
        add rule netdev t c udp dport 67 ip saddr set 0.0.0.0",
    );
    assert_eq!(
        &*dropped(&world, SERVER, RELEASE).reason,
        "IP_INVALID_SOURCE"
    );
}

#[test]
fn its_destination_has_moved_away() {
    let world = World::new();
    neighbour(&world, MOVED, mac_of(&world.server, "server0"));
    assert_eq!(&*dropped(&world, MOVED, RELEASE).reason, "IP_INADDRERRORS");
}

#[test]
fn it_is_for_another_host() {
    let world = World::new();
    neighbour(&world, SERVER, "02:00:00:00:99:99".to_owned());
    let sample = dropped(&world, SERVER, RELEASE);
    assert_eq!(&*sample.reason, "OTHERHOST");
    assert_eq!(sample.packet_type, Some(PacketType::OtherHost));
}

#[test]
fn frames_for_other_hosts_are_not_all_reported_and_none_is_lost() {
    let world = World::new();
    neighbour(&world, SERVER, "02:00:00:00:99:99".to_owned());
    let client = client_socket(&world);
    let mut watch = watch();
    let tally = watch.delivery.tally();
    let (flood, other) = (transaction(), transaction());
    let start = leasehound::clock::now();
    for _ in 0..1_000 {
        send(&client, SERVER, &message(DISCOVER, flood));
    }
    let took = leasehound::clock::now().since(start);
    // Other drops have buckets of their own.
    send(&client, Ipv4Addr::BROADCAST, &message(DISCOVER, other));
    watch.wait(1, drops(other));
    let reported = drops(flood)(&watch.end()).len();
    // A burst of 100, and 50 per second.
    let most = 100 + usize::try_from(took.as_millis() / 20).unwrap() + 1;
    assert!((1..=most).contains(&reported), "{reported} in {took:?}");
    assert!(reported == 1_000 || tally.withheld().unwrap() > 0);
    for loss in tally.losses().unwrap() {
        assert_eq!(loss.count, 0, "{loss:?}");
    }
}

#[test]
fn the_socket_is_full() {
    let world = World::new();
    let server = world.server.run(|| {
        let socket = udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67)));
        socket.set_recv_buffer_size(1).unwrap();
        socket
    });
    // Made when it is first asked for.
    let known = cookie(&server);
    let client = client_socket(&world);
    let mut watch = watch();
    let id = transaction();
    for _ in 0..20 {
        send(&client, SERVER, &message(RELEASE, id));
    }
    let samples = watch.wait(1, drops(id));
    for sample in samples {
        assert_eq!(&*sample.reason, "SOCKET_RCVBUFF");
        assert_eq!(sample.netns_inode.map(u64::from), Some(world.server.inode));
        assert_eq!(sample.ifindex, Some(world.server.ifindex("server0")));
        assert_eq!(sample.cookie, Some(known));
    }
}

/// An IPv4 packet from the client to the server, with a wrong UDP checksum.
fn damaged(payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(28 + payload.len()).unwrap().to_be_bytes();
    let length = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0];
    packet.extend(CLIENT.octets());
    packet.extend(SERVER.octets());
    packet.extend([0, 68, 0, 67, length[0], length[1], 0x12, 0x34]);
    packet.extend(payload);
    packet
}

#[test]
fn its_checksum_is_wrong() {
    let world = World::new();
    let server = world
        .server
        .run(|| udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67))));
    server.set_nonblocking(true).unwrap();
    let raw = world
        .client
        .run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap());
    let mut watch = watch();
    watch.delivery.attach_cgroup().unwrap();
    let id = transaction();
    let to = SocketAddr::from((SERVER, 0)).into();
    raw.send_to(&damaged(&message(RELEASE, id)), &to).unwrap();
    // It was offered, and is found out when it is read.
    let mut samples = watch.wait(2, sockets(id));
    samples.retain(|sample| sample.way == Way::Offered);
    assert_eq!(samples[0].cookie, cookie(&server));
    assert_eq!(drops(id)(watch.seen()), []);
    let read = std::io::Read::read(&mut &server, &mut [0; 2_000]);
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    let samples = watch.wait(1, drops(id));
    assert_eq!(&*samples[0].reason, "UDP_CSUM");
    // In the socket's queue a packet has no device. No wrong one may come of that.
    assert_eq!((samples[0].netns_inode, samples[0].ifindex), (None, None));
}

#[test]
fn a_reply_is_dropped_on_its_way_out() {
    let world = World::new();
    nft(
        &world.server,
        "add table ip t
        add chain ip t c { type filter hook output priority 0; }
        add rule ip t c udp sport 67 drop",
    );
    let server = world
        .server
        .run(|| udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67))));
    let mut watch = watch();
    let id = transaction();
    let to = SocketAddr::from((CLIENT, 68)).into();
    let refused = server.send_to(&message(ACK, id), &to).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let samples = watch.wait(1, drops(id));
    let [sample] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(&*sample.reason, "NETFILTER_DROP");
    assert_eq!(sample.netns_inode.map(u64::from), Some(world.server.inode));
    assert_eq!(sample.ifindex, Some(world.server.ifindex("server0")));
}

#[test]
fn the_noise_of_a_healthy_network_is_not_heard() {
    let world = World::new();
    let server = world.server.run(|| {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67));
        let socket = udp_with(any, Some("server0"), false);
        socket.set_broadcast(true).unwrap();
        output(
            "ip",
            "neigh replace 10.9.0.51 lladdr 02:00:00:00:99:98 dev server0",
        );
        socket
    });
    let mac = mac_of(&world.client, "client0");
    world.server.run(move || {
        output(
            "ip",
            &format!("neigh replace {CLIENT} lladdr {mac} dev server0"),
        )
    });
    let (granted, flooded, release) = (transaction(), transaction(), transaction());
    let port_68 = |address: Ipv4Addr| SocketAddr::from((address, 68)).into();
    let reply = |id, to| {
        let payload = message(ACK, id);
        assert_eq!(
            server.send_to(&payload, &port_68(to)).unwrap(),
            payload.len()
        );
    };
    let mut watch = watch();
    // With an address and without one: the client reads its raw copy. To all, with the
    // copy for the server's own host; to it alone; and to its neighbour.
    for _ in 0..2 {
        reply(granted, Ipv4Addr::BROADCAST);
        reply(granted, CLIENT);
        reply(flooded, Ipv4Addr::new(10, 9, 0, 51));
        world.client.run(|| output("ip", "addr flush dev client0"));
    }
    world
        .client
        .run(|| output("ip", "addr add 10.9.0.50/24 dev client0"));
    let client = client_socket(&world);
    // What is delivered and read is no drop.
    send(&client, SERVER, &message(RELEASE, release));
    until("the server gets it", || {
        let mut room = [0; 2_000];
        let length = std::io::Read::read(&mut &server, &mut room).ok()?;
        (room[..length] == message(RELEASE, release)).then_some(())
    });
    // A drop that is heard, after all of these.
    drop(server);
    let heard = transaction();
    send(&client, SERVER, &message(RELEASE, heard));
    watch.wait(1, drops(heard));
    assert_eq!(
        watch.delivery.attached().collect::<Vec<_>>(),
        [Hook::KfreeSkb]
    );
    let events = watch.end();
    for id in [granted, flooded, release] {
        assert_eq!(drops(id)(&events), []);
    }
}
