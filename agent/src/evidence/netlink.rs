//! The kernel's own list of interfaces and addresses, and word of its changes.
//!
//! Speaks rtnetlink directly: `getifaddrs` names an address by its label, not by
//! its interface. Must never change anything: it only dumps and listens. A socket
//! belongs to the network namespace of the thread that opens it.

use super::interfaces::{KernelAddress, KernelLink};
use super::readiness::register;
use leasehound_core::message::MacAddress;
use rtnetlink::packet_core::{NetlinkBuffer, NlasIterator};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::unix::AsyncFd;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

const RTMGRP_LINK: u32 = 0x01;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

const ARPHRD_ETHER: u16 = 1;
const IFF_UP: u32 = 0x01;
const IFF_LOOPBACK: u32 = 0x08;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// A dump is cut into pieces of at most 32 KiB (`netlink_dump`).
const RECEIVE_BUFFER: usize = 64 * 1024;
/// A dump that the kernel marks as interrupted by a change is taken again.
const DUMP_TRIES: u32 = 5;

/// All links, and all addresses in the kernel's order: of one subnet, the primary
/// one comes first.
pub(super) fn dump() -> io::Result<(Vec<KernelLink>, Vec<KernelAddress>)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut links = Vec::new();
        let mut addresses = Vec::new();
        let whole_links = dump_one(RTM_GETLINK, |kind, payload| {
            if kind == RTM_NEWLINK {
                links.extend(link(payload));
            }
        })?;
        let whole_addresses = dump_one(RTM_GETADDR, |kind, payload| {
            if kind == RTM_NEWADDR {
                addresses.extend(address(payload));
            }
        })?;
        // After the last try the list is taken as it is: whatever changed under it
        // also wakes the watch, and that brings another dump.
        if (whole_links && whole_addresses) || tries == DUMP_TRIES {
            return Ok((links, addresses));
        }
    }
}

/// Wakes its owner when a link or an address of the namespace changed.
#[derive(Debug)]
pub(super) struct LinkWatch(AsyncFd<Socket>);

impl LinkWatch {
    /// Subscribes. Must be called inside a tokio runtime.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(
            0,
            RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        ))?;
        socket.set_non_blocking(true)?;
        Ok(Self(register(socket)?))
    }

    /// Waits for a change. What is queued is thrown away: only a fresh dump tells
    /// how things are. An overrun of the socket is a change too.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut any = false;
            let drained = ready.try_io(|socket| {
                let mut buffer = Vec::with_capacity(RECEIVE_BUFFER);
                loop {
                    buffer.clear();
                    match socket.get_ref().recv_from(&mut buffer, 0) {
                        Ok(_) => any = true,
                        Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                            any = true;
                        }
                        Err(error) => return Err::<(), _>(error),
                    }
                }
            });
            if any {
                return Ok(());
            }
            if let Ok(Err(error)) = drained {
                return Err(error);
            }
        }
    }
}

/// Sends one dump request and hands each message to `take`; false if the kernel
/// says that the dump is inconsistent.
fn dump_one(request: u16, mut take: impl FnMut(u16, &[u8])) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&dump_request(request), 0)?;
    let mut whole = true;
    let mut buffer = Vec::with_capacity(RECEIVE_BUFFER);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        if buffer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest).map_err(invalid)?;
            whole &= message.flags() & NLM_F_DUMP_INTR == 0;
            match message.message_type() {
                NLMSG_DONE => return Ok(whole),
                NLMSG_ERROR => return Err(error_of(message.payload())),
                kind => take(kind, message.payload()),
            }
            let length = usize::try_from(message.length()).map_err(invalid)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// `nlmsghdr` and an all-zero `rtgenmsg` that is padded to the size of `ifinfomsg`.
fn dump_request(kind: u16) -> Vec<u8> {
    let mut request = Vec::with_capacity(32);
    request.extend_from_slice(&32_u32.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend_from_slice(&1_u32.to_ne_bytes());
    request.resize(32, 0);
    request
}

fn error_of(payload: &[u8]) -> io::Error {
    let code = payload
        .first_chunk::<4>()
        .map_or(0, |code| i32::from_ne_bytes(*code));
    io::Error::from_raw_os_error(code.saturating_neg())
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// From `ifinfomsg` and its attributes; only the four facts that are needed are
/// looked at, so that an attribute of a newer kernel can't get in the way.
fn link(payload: &[u8]) -> Option<KernelLink> {
    let (header, attributes) = payload.split_first_chunk::<16>()?;
    let [_, _, kind0, kind1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let mut name = None;
    let mut mac = None;
    for attribute in NlasIterator::new(attributes).flatten() {
        match attribute.kind() {
            IFLA_IFNAME => {
                name = attribute
                    .value()
                    .split(|octet| *octet == 0)
                    .next()
                    .map(|name| String::from_utf8_lossy(name).into());
            }
            IFLA_ADDRESS => mac = attribute.value().first_chunk::<6>().copied(),
            _ => {}
        }
    }
    Some(KernelLink {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: name?,
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        mac: mac
            .filter(|_| u16::from_ne_bytes([kind0, kind1]) == ARPHRD_ETHER)
            .map(MacAddress),
    })
}

/// From `ifaddrmsg` and its attributes. On a point-to-point link IFA_ADDRESS is
/// the peer's; ours is IFA_LOCAL.
fn address(payload: &[u8]) -> Option<KernelAddress> {
    let (header, attributes) = payload.split_first_chunk::<8>()?;
    let [family, prefix_length, _, _, i0, i1, i2, i3] = *header;
    let mut local = None;
    let mut address = None;
    for attribute in NlasIterator::new(attributes).flatten() {
        match attribute.kind() {
            IFA_LOCAL => local = ip(family, attribute.value()),
            IFA_ADDRESS => address = ip(family, attribute.value()),
            _ => {}
        }
    }
    Some(KernelAddress {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        address: local.or(address)?,
        prefix_length,
    })
}

fn ip(family: u8, octets: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(*octets.first_chunk::<4>()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(*octets.first_chunk::<16>()?).into()),
        _ => None,
    }
}
