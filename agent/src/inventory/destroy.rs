//! The kernel's word that a UDP socket is no more (`SKNLGRP_INET_UDP_DESTROY`, Linux
//! 4.4).
//!
//! One netlink socket for each namespace in which a server listens. Such a socket keeps
//! its namespace alive: so it is closed with the last server there, and namespaces
//! without servers are not watched. Raw sockets are not told; a server that has one
//! has a UDP socket as well, and they go together.

use super::Inventory;
use super::diag::{RECEIVE_BUFFER, SOCK_DIAG_BY_FAMILY, cookie_at, messages};
use super::namespaces;
use super::udp::COOKIE;
use crate::evidence::readiness::register;
use rtnetlink::sys::protocols::NETLINK_SOCK_DIAG;
use rtnetlink::sys::{Socket, SocketAddr};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use tokio::io::unix::AsyncFd;

const SKNLGRP_INET_UDP_DESTROY: u32 = 2;
const SKNLGRP_INET6_UDP_DESTROY: u32 = 4;
const GROUPS: u32 = 1 << (SKNLGRP_INET_UDP_DESTROY - 1) | 1 << (SKNLGRP_INET6_UDP_DESTROY - 1);

/// Watches the namespaces in which servers listen.
#[derive(Debug, Default)]
pub struct DestroyWatch {
    watched: BTreeMap<u64, AsyncFd<Socket>>,
}

/// What [`DestroyWatch::follow`] did.
#[derive(Debug, Default)]
pub struct Followed {
    /// Namespaces watched from now on, by inode. A socket may have been destroyed
    /// between the refresh and this: if there are any, refresh once more.
    pub subscribed: Vec<u64>,
    /// Namespaces that can't be watched: there only refreshes tell.
    pub unwatched: Vec<Unwatched>,
}

/// A namespace in which the kernel's notices can't be heard.
#[derive(Debug, thiserror::Error)]
#[error("closed sockets of network namespace {netns} are noticed late: {reason}")]
pub struct Unwatched {
    /// Its inode.
    pub netns: u64,
    /// Why. `PermissionDenied` if it can't be entered.
    #[source]
    pub reason: io::Error,
}

/// What the kernel told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// Cookies of UDP sockets that are no more. Those of other ports are among them:
    /// the port is forgotten by then.
    pub cookies: Vec<u64>,
    /// Notices were lost, or a watch broke: refresh, whatever `cookies` says.
    pub incomplete: bool,
}

impl DestroyWatch {
    /// Watches exactly the namespaces in which `inventory` has a UDP socket. Must be
    /// called inside a tokio runtime, in the agent's own namespace, after every
    /// refresh: a namespace that is watched can't end.
    pub fn follow(&mut self, inventory: &Inventory) -> Followed {
        let wanted = inventory.places_with_servers();
        self.watched.retain(|netns, _| wanted.contains_key(netns));
        let places: Vec<_> = wanted
            .into_iter()
            .filter(|(netns, _)| !self.watched.contains_key(netns))
            .map(|(_, place)| place)
            .collect();
        let mut followed = Followed::default();
        if places.is_empty() {
            return followed;
        }
        let answers = match namespaces::visit(&places, |_| subscribe()) {
            Ok(answers) => answers,
            Err(error) => {
                let kind = error.kind();
                let unwatched = |place: &&namespaces::Place| Unwatched {
                    netns: place.netns.inode,
                    reason: io::Error::from(kind),
                };
                followed.unwatched = places.iter().map(unwatched).collect();
                return followed;
            }
        };
        for (place, answer) in places.iter().zip(answers) {
            let netns = place.netns.inode;
            match answer.map(|entered| entered.flatten().and_then(register)) {
                None => {}
                Some(Ok(socket)) => {
                    self.watched.insert(netns, socket);
                    followed.subscribed.push(netns);
                }
                Some(Err(reason)) => followed.unwatched.push(Unwatched { netns, reason }),
            }
        }
        followed
    }

    /// Waits for notices; for ever if nothing is watched. Losing this future loses no
    /// notice.
    pub async fn destroyed(&mut self) -> Destroyed {
        poll_fn(|context| {
            let mut destroyed = Destroyed::default();
            self.watched.retain(|_, socket| {
                let alive = drain(socket, context, &mut destroyed);
                destroyed.incomplete |= alive.is_err();
                alive.is_ok()
            });
            if destroyed == Destroyed::default() {
                return Poll::Pending;
            }
            Poll::Ready(destroyed)
        })
        .await
    }
}

/// In the calling thread's namespace.
fn subscribe() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind(&SocketAddr::new(0, GROUPS))?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Takes all that waits in `socket`, and arranges to be woken by the next.
fn drain(
    socket: &AsyncFd<Socket>,
    context: &mut Context<'_>,
    destroyed: &mut Destroyed,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Poll::Ready(ready) = socket.poll_read_ready(context) {
        let mut ready = ready?;
        buffer.clear();
        buffer.reserve(RECEIVE_BUFFER);
        match ready.try_io(|socket| socket.get_ref().recv_from(&mut buffer, 0)) {
            Ok(Ok(_)) => take(&buffer, destroyed),
            Ok(Err(error)) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                destroyed.incomplete = true;
            }
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
    Ok(())
}

/// Each notice is an `inet_diag_msg`.
fn take(datagram: &[u8], destroyed: &mut Destroyed) {
    for message in messages(datagram) {
        match message {
            Ok((SOCK_DIAG_BY_FAMILY, payload)) => {
                destroyed.cookies.extend(cookie_at(payload, COOKIE));
            }
            Ok(_) => {}
            Err(_) => destroyed.incomplete = true,
        }
    }
}
