//! Sockets that take each other's unicasts, seen before any harm is done.
//!
//! A broadcast reaches every socket on its port; a unicast only one (kernel
//! `udp4_lib_lookup2`). With two servers on the wildcard address and no device it is a
//! matter of a hash (`SO_REUSEPORT`) or of who came last (`SO_REUSEADDR` only). A server
//! that is bound to a device loses its unicasts to one without that came later with
//! `SO_REUSEPORT`: the kernel stops at the first such group it meets, newest first.

use super::socket::{ListeningSocket, SocketKind};
use super::udp::DHCPV4_SERVER_PORT;
use std::collections::{BTreeMap, BTreeSet};

/// Sockets of different processes of which some lose unicasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WildcardConflict {
    /// In what way.
    pub kind: ConflictKind,
    /// The namespace of all of them, by inode.
    pub netns: u64,
    /// The UDP port of all of them.
    pub port: u16,
    /// Their cookies, in the order in which they were bound.
    pub cookies: Vec<u64>,
}

/// How sockets are in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// All on the wildcard address with no device: each unicast goes to one of them,
    /// whichever server was meant.
    Wildcards,
    /// The first one bound to a device, the second one, later, to none: it gets all
    /// unicasts of the first. For certain if its
    /// [`reuse_port`](ListeningSocket::reuse_port) is `Some(true)`; one known to be
    /// without is not listed.
    WildcardAfterDevice,
}

/// All conflicts among `sockets`, by namespace and port.
pub(super) fn find<'a>(
    sockets: impl Iterator<Item = &'a ListeningSocket>,
) -> Vec<WildcardConflict> {
    let mut conflicts = Vec::new();
    for ((netns, port), sockets) in by_port(sockets) {
        let (wildcards, bound): (Vec<_>, Vec<_>) = sockets
            .into_iter()
            .partition(|socket| socket.ifindex.is_none());
        let conflict = |kind, sockets: &[&ListeningSocket]| WildcardConflict {
            kind,
            netns,
            port,
            cookies: sockets.iter().map(|socket| socket.cookie).collect(),
        };
        if several_processes(&wildcards) {
            conflicts.push(conflict(ConflictKind::Wildcards, &wildcards));
        }
        for device in bound {
            for wildcard in &wildcards {
                let pair = [device, wildcard];
                if wildcard.is_later_than(device)
                    && wildcard.reuse_port != Some(false)
                    && several_processes(&pair)
                {
                    conflicts.push(conflict(ConflictKind::WildcardAfterDevice, &pair));
                }
            }
        }
    }
    conflicts
}

/// Cookies of the sockets of which it matters whether `SO_REUSEPORT` is set.
pub(super) fn in_question<'a>(sockets: impl Iterator<Item = &'a ListeningSocket>) -> BTreeSet<u64> {
    by_port(sockets)
        .into_values()
        .filter(|sockets| several_processes(sockets))
        .flatten()
        .map(|socket| socket.cookie)
        .collect()
}

/// The wildcard sockets that take packets of the DHCP version their port belongs to,
/// by namespace and port, oldest first.
fn by_port<'a>(
    sockets: impl Iterator<Item = &'a ListeningSocket>,
) -> BTreeMap<(u64, u16), Vec<&'a ListeningSocket>> {
    let mut by_port: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for socket in sockets {
        if let SocketKind::Udp {
            port,
            address,
            takes_ipv4,
            ..
        } = socket.kind
            && socket.is_wildcard()
            && (if port == DHCPV4_SERVER_PORT {
                takes_ipv4
            } else {
                address.is_ipv6()
            })
        {
            by_port
                .entry((socket.netns, port))
                .or_default()
                .push(socket);
        }
    }
    for sockets in by_port.values_mut() {
        sockets.sort_by_key(|socket| socket.order);
    }
    by_port
}

/// Whether two of them are known to have no process in common. Sockets of a process
/// that could not be seen accuse nobody.
fn several_processes(sockets: &[&ListeningSocket]) -> bool {
    let Some((first, others)) = sockets.split_first() else {
        return false;
    };
    let apart = |other: &&ListeningSocket| {
        !first.holders.is_empty()
            && !other.holders.is_empty()
            && first
                .holders
                .iter()
                .all(|holder| !other.holders.contains(holder))
    };
    others.iter().any(apart) || several_processes(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::process::ProcessId;
    use std::net::Ipv4Addr;

    /// Cookie, order and process are all `n`.
    fn socket(n: u32, ifindex: Option<u32>) -> ListeningSocket {
        ListeningSocket {
            cookie: n.into(),
            inode: n.into(),
            netns: 1,
            uid: Some(0),
            ifindex,
            kind: SocketKind::Udp {
                address: Ipv4Addr::UNSPECIFIED.into(),
                port: 67,
                takes_ipv4: true,
                connected: false,
            },
            drops: 0,
            receive_queue: 0,
            receive_buffer: 0,
            order: n,
            reuse_port: Some(true),
            holders: vec![ProcessId {
                pid: n,
                start_ticks: 1,
            }],
        }
    }

    fn kinds(sockets: &[ListeningSocket]) -> Vec<(ConflictKind, Vec<u64>)> {
        find(sockets.iter())
            .into_iter()
            .map(|conflict| (conflict.kind, conflict.cookies))
            .collect()
    }

    #[test]
    fn who_is_in_whose_way() {
        use ConflictKind::{WildcardAfterDevice, Wildcards};
        let wildcard = |n| socket(n, None);
        let device = |n| socket(n, Some(n));
        let cases = [
            (
                vec![wildcard(2), wildcard(1)],
                vec![(Wildcards, vec![1, 2])],
            ),
            (vec![device(1), device(2)], vec![]),
            (
                vec![wildcard(2), device(1)],
                vec![(WildcardAfterDevice, vec![1, 2])],
            ),
            (vec![device(2), wildcard(1)], vec![]),
            (vec![wildcard(1)], vec![]),
        ];
        for (sockets, expected) in cases {
            assert_eq!(kinds(&sockets), expected, "{sockets:?}");
        }
    }

    #[test]
    fn what_excuses_a_pair() {
        let changed = |change: fn(&mut ListeningSocket)| {
            let mut other = socket(2, None);
            change(&mut other);
            kinds(&[socket(1, None), other])
        };
        assert_eq!(changed(|_| {}).len(), 1);
        let same_process = changed(|other| {
            other.holders = vec![ProcessId {
                pid: 1,
                start_ticks: 1,
            }];
        });
        let unknown = changed(|other| other.holders.clear());
        let elsewhere = changed(|other| other.netns = 2);
        let one_address = changed(|other| {
            other.kind = SocketKind::Udp {
                address: Ipv4Addr::LOCALHOST.into(),
                port: 67,
                takes_ipv4: true,
                connected: false,
            };
        });
        for excused in [same_process, unknown, elsewhere, one_address] {
            assert_eq!(excused, []);
        }
    }

    #[test]
    fn a_later_wildcard_without_reuseport_takes_nothing_from_a_device() {
        let mut later = socket(2, None);
        for (reuse_port, conflicts) in [(Some(false), 0), (Some(true), 1), (None, 1)] {
            later.reuse_port = reuse_port;
            let found = kinds(&[socket(1, Some(5)), later.clone()]);
            assert_eq!(found.len(), conflicts, "{reuse_port:?}");
        }
    }
}
