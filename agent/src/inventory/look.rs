//! Puts together what the namespaces answered. Where one refuses, what was known of it
//! stays, and the refusal is named; one line for all that refuse alike.

use super::InventoryError;
use super::diag::Diag;
use super::namespaces::Netns;
use super::socket::ListeningSocket;
use super::{packet, udp};
use std::collections::BTreeMap;
use std::io;

/// What one namespace answered.
pub(super) struct Answer {
    udp: io::Result<Vec<ListeningSocket>>,
    packet: io::Result<Vec<ListeningSocket>>,
}

/// Asks the namespace that the calling thread is in; gives the buffer back.
pub(super) fn ask(netns: u64, buffer: Vec<u8>) -> io::Result<(Answer, Vec<u8>)> {
    let mut diag = Diag::open(buffer)?;
    let answer = Answer {
        udp: udp::dump(&mut diag, netns),
        packet: packet::dump(&mut diag, netns),
    };
    Ok((answer, diag.into_buffer()))
}

/// A look at all namespaces.
pub(super) struct Look<'a> {
    before: &'a BTreeMap<u64, ListeningSocket>,
    /// What is there, by cookie.
    pub(super) sockets: BTreeMap<u64, ListeningSocket>,
    closed: Refusals,
    without_udp: Refusals,
    without_packet: Refusals,
}

impl<'a> Look<'a> {
    pub(super) fn new(before: &'a BTreeMap<u64, ListeningSocket>) -> Self {
        Self {
            before,
            sockets: BTreeMap::new(),
            closed: Refusals::default(),
            without_udp: Refusals::default(),
            without_packet: Refusals::default(),
        }
    }

    /// `answer`: the outer error if it can't be entered, the inner one if it can't be
    /// asked at all.
    pub(super) fn take(
        &mut self,
        netns: &Netns,
        answer: io::Result<io::Result<Answer>>,
    ) -> Result<(), InventoryError> {
        let Answer { udp, packet } = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer {
                packet: Err(io::Error::from(error.kind())),
                udp: Err(error),
            },
            Err(error) => {
                self.keep(netns, |_| true);
                self.closed.add(error);
                return Ok(());
            }
        };
        match udp {
            Ok(sockets) => self.add(sockets),
            Err(error) if netns.own => return Err(InventoryError::SockDiag(error)),
            Err(error) => {
                self.keep(netns, |socket| socket.port().is_some());
                self.without_udp.add(error);
            }
        }
        match packet {
            Ok(sockets) => self.add(sockets),
            Err(error) => {
                self.keep(netns, |socket| socket.port().is_none());
                self.without_packet.add(error);
            }
        }
        Ok(())
    }

    /// One line for each kind of refusal.
    pub(super) fn problems(&mut self) -> impl Iterator<Item = String> {
        [
            self.closed
                .line("can't be entered (setns, CAP_SYS_ADMIN): the servers in them are not seen"),
            self.without_udp
                .line("don't list their UDP sockets: the servers in them are not seen"),
            self.without_packet.line(
                "don't list their raw sockets (CONFIG_PACKET_DIAG, packet_diag): ISC dhcpd and \
                 Kea pass for servers that listen on UDP",
            ),
        ]
        .into_iter()
        .flatten()
    }

    fn add(&mut self, sockets: Vec<ListeningSocket>) {
        let by_cookie = sockets.into_iter().map(|socket| (socket.cookie, socket));
        self.sockets.extend(by_cookie);
    }

    /// Keeps what was known; the holders are looked up again.
    fn keep(&mut self, netns: &Netns, which: impl Fn(&ListeningSocket) -> bool) {
        let kept = self
            .before
            .values()
            .filter(|socket| socket.netns == netns.inode && which(socket))
            .map(|socket| ListeningSocket {
                holders: Vec::new(),
                ..socket.clone()
            })
            .collect();
        self.add(kept);
    }
}

/// How many namespaces refused, and the first reason.
#[derive(Default)]
struct Refusals {
    count: usize,
    first: Option<io::Error>,
}

impl Refusals {
    fn add(&mut self, error: io::Error) {
        self.count += 1;
        self.first.get_or_insert(error);
    }

    fn line(&self, loss: &str) -> Option<String> {
        let error = self.first.as_ref()?;
        Some(format!("{} network namespaces {loss}: {error}", self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::socket::SocketKind;
    use std::net::Ipv4Addr;

    fn netns(inode: u64, own: bool) -> Netns {
        Netns {
            inode,
            name: None,
            own,
        }
    }

    fn socket(cookie: u64, kind: SocketKind) -> ListeningSocket {
        ListeningSocket {
            cookie,
            inode: cookie,
            netns: 2,
            uid: None,
            ifindex: None,
            kind,
            drops: 0,
            receive_queue: 0,
            receive_buffer: 0,
            order: 0,
            reuse_port: None,
            holders: Vec::new(),
        }
    }

    fn known() -> BTreeMap<u64, ListeningSocket> {
        let udp = SocketKind::Udp {
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: 67,
            takes_ipv4: true,
            connected: false,
        };
        let packet = SocketKind::Packet {
            protocol: 3,
            cooked: false,
            instructions: 11,
        };
        BTreeMap::from([(1, socket(1, udp)), (2, socket(2, packet))])
    }

    fn refusal() -> io::Error {
        io::Error::from(io::ErrorKind::PermissionDenied)
    }

    #[test]
    fn what_refuses_keeps_what_was_known_and_is_named_once() {
        let known = known();
        let mut look = Look::new(&known);
        look.take(&netns(2, false), Err(refusal())).unwrap();
        look.take(&netns(3, false), Err(refusal())).unwrap();
        assert_eq!(look.sockets.len(), 2);
        let problems: Vec<_> = look.problems().collect();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("2 network namespaces can't be entered"));
    }

    #[test]
    fn without_packet_diag_the_udp_sockets_are_still_fresh() {
        let known = known();
        let mut look = Look::new(&known);
        let answer = Answer {
            udp: Ok(Vec::new()),
            packet: Err(refusal()),
        };
        look.take(&netns(2, false), Ok(Ok(answer))).unwrap();
        assert_eq!(look.sockets.keys().copied().collect::<Vec<_>>(), [2]);
        assert!(look.problems().any(|line| line.contains("packet_diag")));
    }

    #[test]
    fn an_own_namespace_that_lists_no_udp_sockets_is_an_error() {
        let known = known();
        let mut look = Look::new(&known);
        let taken = look.take(&netns(2, true), Ok(Err(refusal())));
        assert!(matches!(taken, Err(InventoryError::SockDiag(_))));
    }
}
