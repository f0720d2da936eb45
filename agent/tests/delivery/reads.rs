//! Packets that a process reads from a packet socket.

use super::space::{udp, until};
use super::world::{ACK, CLIENT, RELEASE, SERVER, Watch, World, message, reads, transaction};
use leasehound_core::origin::Hook;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

/// Every device, every protocol, both ways: what ISC dhcpd asks for.
fn packet_socket(world: &World) -> Socket {
    let all = Protocol::from(i32::from(3_u16.to_be()));
    world.server.run(move || {
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    })
}

/// Reads from a socket until `payload` comes.
fn read_until(mut socket: &Socket, payload: &[u8]) {
    until("the message comes", || {
        let mut room = [0; 2_048];
        let length = socket.read(&mut room).ok()?;
        room[..length].ends_with(payload).then_some(())
    });
}

fn watch() -> Watch {
    Watch::new(|delivery| {
        delivery
            .attach_raw_reads()
            .unwrap_or_else(|error| panic!("{error}"));
    })
}

fn client_socket(world: &World) -> Socket {
    world.client.run(|| udp(SocketAddr::from((CLIENT, 68))))
}

fn server_socket(world: &World) -> Socket {
    world.server.run(|| {
        let socket = udp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 67)));
        socket.set_nonblocking(true).unwrap();
        socket
    })
}

fn send(socket: &Socket, to: Ipv4Addr, port: u16, payload: &[u8]) {
    let to = SocketAddr::from((to, port)).into();
    assert_eq!(socket.send_to(payload, &to).unwrap(), payload.len());
}

#[test]
fn a_raw_reader_is_named() {
    let world = World::new();
    let server = server_socket(&world);
    let client = client_socket(&world);
    let raw = packet_socket(&world);
    let mut watch = watch();
    let (reply, release) = (transaction(), transaction());
    // Its own host's replies, of which it gets a copy, too, are of no interest.
    send(&server, CLIENT, 68, &message(ACK, reply));
    send(&client, SERVER, 67, &message(RELEASE, release));
    thread::Builder::new()
        .name("raw reader".to_owned())
        .spawn(move || read_until(&raw, &message(RELEASE, release)))
        .unwrap()
        .join()
        .unwrap();
    watch.wait(1, reads(release));
    let events = watch.end();
    let samples = reads(release)(&events);
    let [sample] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!(sample.pid, std::process::id());
    assert_eq!(&*sample.command, "raw reader");
    assert_eq!(sample.wire_length, 328);
    assert!(sample.packet.ends_with(&message(RELEASE, release)));
    let age = leasehound::clock::now().since(sample.at);
    assert!(age.as_secs() < 60, "taken {age:?} ago");
    assert_eq!(reads(reply)(&events), []);
}

#[test]
fn it_comes_and_goes_while_the_others_stay() {
    let world = World::new();
    let _server = server_socket(&world);
    let client = client_socket(&world);
    let raw = packet_socket(&world);
    let mut watch = watch();
    watch.delivery.attach_cgroup().unwrap();
    watch.delivery.attach_drops().unwrap();
    for _ in 0..3 {
        let attached: Vec<_> = watch.delivery.attached().collect();
        assert_eq!(
            attached,
            [Hook::CgroupSkb, Hook::KfreeSkb, Hook::ConsumeSkb]
        );
        let id = transaction();
        send(&client, SERVER, 67, &message(RELEASE, id));
        read_until(&raw, &message(RELEASE, id));
        watch.wait(1, reads(id));
        watch.delivery.detach_raw_reads();
        let attached: Vec<_> = watch.delivery.attached().collect();
        assert_eq!(attached, [Hook::CgroupSkb, Hook::KfreeSkb]);
        watch.delivery.attach_raw_reads().unwrap();
    }
}

#[test]
fn what_a_udp_socket_reads_or_nobody_is_not_read_raw() {
    let world = World::new();
    let server = server_socket(&world);
    let client = client_socket(&world);
    let (closed, raw) = (packet_socket(&world), packet_socket(&world));
    let mut watch = watch();
    let (unread, read) = (transaction(), transaction());
    send(&client, SERVER, 67, &message(RELEASE, unread));
    read_until(&server, &message(RELEASE, unread));
    // With the message in its queue.
    drop(closed);
    // The other one reads both.
    send(&client, SERVER, 67, &message(RELEASE, read));
    assert_eq!(reads(unread)(watch.seen()), []);
    read_until(&raw, &message(RELEASE, read));
    watch.wait(1, reads(read));
    let events = watch.end();
    assert_eq!(reads(unread)(&events).len(), 1);
    assert_eq!(reads(read)(&events).len(), 1);
}
