//! The responder's one socket.

use crate::message::Message;
use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn,
    bind, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const LARGEST: usize = 1500;

/// UDP, 0.0.0.0:67, SO_REUSEADDR without SO_REUSEPORT, bound to no device: what arrives
/// elsewhere than on its interface is read, and passed over.
#[derive(Debug)]
pub(super) struct ServerSocket {
    socket: OwnedFd,
    index: i32,
    address: Ipv4Addr,
}

impl ServerSocket {
    /// Packets queue from now on. Replies leave by `interface`, from `address`.
    pub(super) fn open(interface: &str, address: Ipv4Addr) -> Result<Self> {
        let index = i32::try_from(if_nametoindex(interface).context("no such interface")?)?;
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        setsockopt(&socket, sockopt::Broadcast, &true)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        let wildcard = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT);
        bind(socket.as_raw_fd(), &SockaddrIn::from(wildcard)).context("port 67")?;
        Ok(Self {
            socket,
            index,
            address,
        })
    }

    /// Waits for a packet; `None` if it came elsewhere or is no DHCP.
    pub(super) fn receive(&self) -> Result<Option<Message>> {
        let mut buffer = [0; LARGEST];
        let mut control = cmsg_space!(in_pktinfo);
        let mut pieces = [IoSliceMut::new(&mut buffer)];
        let (length, here) = {
            let fd = self.socket.as_raw_fd();
            let received =
                recvmsg::<SockaddrIn>(fd, &mut pieces, Some(&mut control), MsgFlags::empty())
                    .context("receiving")?;
            let here = received.cmsgs()?.any(|control| {
                matches!(control, ControlMessageOwned::Ipv4PacketInfo(info)
                    if info.ipi_ifindex == self.index)
            });
            (received.bytes, here)
        };
        if !here {
            return Ok(None);
        }
        Ok(buffer.get(..length).and_then(Message::decode))
    }

    /// Sends a reply to a client.
    pub(super) fn send(&self, reply: &Message, destination: Ipv4Addr) -> Result<()> {
        let info = in_pktinfo {
            ipi_ifindex: self.index,
            ipi_spec_dst: in_addr {
                s_addr: u32::from_ne_bytes(self.address.octets()),
            },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let bytes = reply.encode();
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            &[ControlMessage::Ipv4PacketInfo(&info)],
            MsgFlags::empty(),
            Some(&SockaddrIn::from(SocketAddrV4::new(
                destination,
                CLIENT_PORT,
            ))),
        )
        .with_context(|| format!("sending to {destination}"))?;
        Ok(())
    }
}
