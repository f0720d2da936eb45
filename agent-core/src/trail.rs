//! What the kernel did with each message: joined from facts that come by another way
//! than the frames, before them or after.

use crate::decode::v4::Message4;
use crate::delivery::SocketCookie;
use crate::message::{HardwareAddress, TransactionId};
use crate::origin::{InterfaceId, NetnsId};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Facts kept of one message: a few sockets, drops and errors each.
const EVENTS: usize = 32;

/// Messages of the same words that are told apart.
const STARTS: usize = 8;

/// The hooks see a message before the kernel's other layers do, all by one clock; its
/// distance to wall time is measured anew for each batch.
const SLACK: Duration = Duration::from_millis(1);

/// What a message and the facts about it have in common, an ICMP error's cut quotation
/// included: no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailKey {
    /// Namespaces have their own sockets.
    pub netns: NetnsId,
    /// 'xid'
    pub xid: TransactionId,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// 'ciaddr'; of replies it is of no use, and left 0.0.0.0.
    pub ciaddr: Ipv4Addr,
    /// Whether it goes from server to client.
    pub reply: bool,
}

impl TrailKey {
    /// The key of a message.
    pub fn of(netns: NetnsId, message: &Message4) -> Self {
        let reply = message.op == 2;
        Self {
            netns,
            xid: message.xid,
            hardware_address: message.hardware_address,
            ciaddr: if reply {
                Ipv4Addr::UNSPECIFIED
            } else {
                message.ciaddr
            },
            reply,
        }
    }

    /// The key of the replies to a message.
    #[must_use]
    pub const fn of_replies(self) -> Self {
        Self {
            ciaddr: Ipv4Addr::UNSPECIFIED,
            reply: true,
            ..self
        }
    }
}

/// One thing that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The kernel offered it to a UDP socket.
    Offered {
        /// Which.
        socket: SocketCookie,
        /// Through which device.
        interface: Option<InterfaceId>,
    },
    /// It was sent through a UDP socket of this host.
    Sent {
        /// Which.
        socket: SocketCookie,
        /// The device that socket is bound to.
        bound: Option<InterfaceId>,
    },
    /// A process read it from a raw socket.
    Read {
        /// Which.
        pid: u32,
    },
    /// The kernel dropped it.
    Dropped {
        /// `enum skb_drop_reason` without its prefix; empty where the kernel gives none.
        reason: Box<str>,
        /// The kernel function.
        place: Option<Box<str>>,
        /// On which device.
        interface: Option<InterfaceId>,
    },
    /// An ICMP error came back, or was sent, that quotes it.
    Unreachable {
        /// In words.
        what: &'static str,
        /// Who says so.
        from: Ipv4Addr,
    },
}

#[derive(Debug, Clone, Default)]
struct Trail {
    /// When messages of these words were seen.
    starts: SmallVec<[Timestamp; 2]>,
    /// Of a message in a capture there are none: no room is kept for them.
    steps: Vec<Step>,
}

/// The trails of recent messages.
#[derive(Debug)]
pub struct Trails(Table<TrailKey, Trail>);

impl Trails {
    /// Room for the trails of `capacity` messages; the least recently touched goes first.
    pub fn new(capacity: usize) -> Self {
        Self(Table::new("trails", capacity))
    }

    /// Something happened to a message, seen already or not.
    pub fn step(&mut self, key: TrailKey, step: Step) {
        let trail = self.0.entry(key);
        if trail.steps.len() >= EVENTS {
            trail.steps.remove(0);
        }
        trail.steps.push(step);
    }

    /// A message was seen: what follows is its own, until the next of the same words.
    pub fn start(&mut self, key: TrailKey, seen: Timestamp) {
        let trail = self.0.entry(key);
        if trail.starts.contains(&seen) {
            return;
        }
        if trail.starts.len() >= STARTS {
            trail.starts.remove(0);
        }
        trail.starts.push(seen);
        trail.starts.sort_unstable();
    }

    /// What happened to the message that was seen at `seen`, in order of time.
    pub fn of(&self, key: TrailKey, seen: Timestamp) -> Vec<&Step> {
        let Some(trail) = self.0.peek(&key) else {
            return Vec::new();
        };
        let next = trail.starts.iter().find(|start| **start > seen);
        let from = seen.saturating_sub(SLACK);
        let until = next.map_or(Timestamp::MAX, |next| next.saturating_sub(SLACK));
        let mut steps: Vec<&Step> = trail
            .steps
            .iter()
            .filter(|step| step.at >= from && step.at < until)
            .collect();
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// What happened to messages of these words from `seen` on: an attempt's
    /// retransmissions are all its own.
    pub fn since(&self, key: TrailKey, seen: Timestamp) -> Vec<&Step> {
        let from = seen.saturating_sub(SLACK);
        let trail = self.0.peek(&key);
        let steps = trail.into_iter().flat_map(|trail| &trail.steps);
        let mut steps: Vec<&Step> = steps.filter(|step| step.at >= from).collect();
        steps.sort_by_key(|step| step.at);
        steps
    }

    /// How full the table is.
    pub fn usage(&self) -> TableUsage {
        self.0.usage()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(xid: u32) -> TrailKey {
        TrailKey {
            netns: NetnsId(0),
            xid: TransactionId(xid),
            hardware_address: HardwareAddress::ethernet([2; 6]),
            ciaddr: Ipv4Addr::new(10, 0, 0, 9),
            reply: false,
        }
    }

    fn read(at: u64, pid: u32) -> Step {
        Step {
            at: Timestamp::from_nanos(at),
            what: What::Read { pid },
        }
    }

    fn pids(steps: &[&Step]) -> Vec<u32> {
        let pid = |step: &&Step| match step.what {
            What::Read { pid } => pid,
            _ => 0,
        };
        steps.iter().map(pid).collect()
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn messages_of_the_same_words_keep_their_own_steps() {
        let mut trails = Trails::new(4);
        let at = |ms: u64| Timestamp::from_nanos(ms * MS);
        // The first step overtakes the frame that it belongs to.
        trails.step(key(0), read(100 * MS, 1));
        trails.start(key(0), at(100));
        trails.step(key(0), read(102 * MS, 2));
        trails.start(key(0), at(400));
        trails.step(key(0), read(401 * MS, 3));
        assert_eq!(pids(&trails.of(key(0), at(100))), [1, 2]);
        assert_eq!(pids(&trails.of(key(0), at(400))), [3]);
        assert_eq!(pids(&trails.since(key(0), at(100))), [1, 2, 3]);
        assert!(trails.of(key(1), at(100)).is_empty());
    }

    #[test]
    fn a_trail_is_bounded() {
        let mut trails = Trails::new(1);
        for at in 0..100 {
            trails.step(key(0), read(at, 1));
            trails.start(key(0), Timestamp::from_nanos(at * 10 * MS));
        }
        let steps = trails.since(key(0), Timestamp::ZERO);
        assert_eq!(steps.len(), EVENTS);
        trails.start(key(1), Timestamp::ZERO);
        assert_eq!(trails.usage().evictions, 1);
    }
}
