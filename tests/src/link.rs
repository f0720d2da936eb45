//! Raw Ethernet frames on one interface (AF_PACKET).

use crate::netns::Namespace;
use crate::wait::Deadline;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, recvfrom,
    send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// `PACKET_OUTGOING` of linux/if_packet.h
const OUTGOING: u8 = 4;
/// The most that can come in one piece: an unsegmented offload frame.
const LARGEST: usize = 65_536 + 64;
/// How often a deadline is looked at while nothing arrives.
const TICK: Duration = Duration::from_millis(20);

/// Which way a frame went at an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// A packet socket on one interface. It hears all frames, those for others too.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
}

impl Link {
    /// Opens `interface` of `namespace`. Frames from now on are heard.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        namespace
            .enter(|| Self::open_here(interface))?
            .with_context(|| format!("packet socket on {interface} of {}", namespace.name()))
    }

    fn open_here(interface: &str) -> Result<Self> {
        let address = getifaddrs()?
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .context("no such interface")?;
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )?;
        bind(socket.as_raw_fd(), &address)?;
        let tick = TimeVal::new(0, i64::try_from(TICK.as_micros())?);
        setsockopt(&socket, sockopt::ReceiveTimeout, &tick)?;
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20))?;
        Ok(Self { socket })
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = send(self.socket.as_raw_fd(), frame, MsgFlags::empty()).context("sending")?;
        anyhow::ensure!(sent == frame.len(), "{sent} of {} bytes sent", frame.len());
        Ok(())
    }

    /// The next frame, either way; `None` when the deadline passes first.
    pub fn receive(&self, deadline: Deadline) -> Result<Option<(Way, Vec<u8>)>> {
        let mut buffer = vec![0; LARGEST];
        loop {
            let last = deadline.passed();
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Ok((length, from)) => {
                    buffer.truncate(length);
                    let out = from.is_some_and(|from| from.pkttype() == OUTGOING);
                    return Ok(Some((if out { Way::Out } else { Way::In }, buffer)));
                }
                Err(Errno::EAGAIN | Errno::EINTR) if last => return Ok(None),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error).context("receiving"),
            }
        }
    }

    /// The next frame, either way, if one has come already.
    pub fn arrived(&self) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; LARGEST];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error).context("receiving"),
            }
        }
    }
}
