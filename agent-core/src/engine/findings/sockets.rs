//! Sockets that are in each other's way, before any packet. They have to stand so for a
//! while: a restart explains a moment.

use super::{Draft, MOST, Subject};
use crate::delivery::{SocketConflict, SocketConflictKind, SocketCookie};
use crate::engine::Engine;
use crate::finding::FindingKind;
use crate::host::Host;
use crate::judge::delivered::name_of;
use crate::judge::ground;
use crate::origin::NetnsId;
use crate::sockets::Sockets;
use crate::time::Timestamp;
use crate::verdict::GroundSource;
use std::collections::BTreeSet;
use std::time::Duration;

/// A server that is restarted may open its socket before the old one is closed.
pub(super) const CONFLICT_STANDS: Duration = Duration::from_secs(1);

impl Engine {
    /// Sockets of a namespace were looked at.
    pub(in crate::engine) fn conflicts_seen(&mut self, netns: NetnsId) {
        let now = self.now;
        let subject = |conflict: &SocketConflict| {
            Subject::Conflict(netns, conflict.kind, conflict.cookies.clone())
        };
        let there: BTreeSet<Subject> = self.sockets.conflicts(netns).iter().map(subject).collect();
        self.findings
            .young
            .retain(|subject, _| !subject.is_conflict_in(netns) || there.contains(subject));
        for subject in &there {
            if !self.findings.open.contains_key(subject) && self.findings.young.len() < MOST {
                self.findings.young.entry(subject.clone()).or_insert(now);
            }
        }
        let over: Vec<Subject> = self
            .findings
            .open
            .keys()
            .filter(|subject| subject.is_over(netns, &there, &self.sockets))
            .cloned()
            .collect();
        for subject in over {
            if let Subject::WrongDaemon(netns, interface) = subject {
                self.findings.unicasts.remove(&(netns, interface));
            }
            self.close(&subject);
        }
        self.open_what_stands();
    }

    /// Opens what has stood long enough.
    pub(in crate::engine) fn open_what_stands(&mut self) {
        let now = self.now;
        let old = |_: &Subject, since: &mut Timestamp| since.saturating_add(CONFLICT_STANDS) <= now;
        let ripe: Vec<(Subject, Timestamp)> = self.findings.young.extract_if(.., old).collect();
        for (subject, since) in ripe {
            let Subject::Conflict(netns, kind, cookies) = &subject else {
                continue;
            };
            let names = Names::of(&self.sockets, &self.host, *netns);
            let draft = Draft {
                since,
                ..conflict(*kind, &names, cookies)
            };
            self.put(subject, draft);
        }
    }
}

impl Subject {
    fn is_conflict_in(&self, netns: NetnsId) -> bool {
        matches!(self, Self::Conflict(of, ..) if *of == netns)
    }

    /// A conflict ends with one of its sockets. Unicasts cannot go astray where no two
    /// sockets are in each other's way and each server has its own.
    fn is_over(&self, netns: NetnsId, there: &BTreeSet<Self>, sockets: &Sockets) -> bool {
        match self {
            Self::Conflict(of, ..) => *of == netns && !there.contains(self),
            Self::WrongDaemon(of, _) => {
                let mut unbound = sockets.udp(*of).filter(|socket| socket.device.is_none());
                let one =
                    unbound.next().is_none() || (there.is_empty() && unbound.next().is_none());
                *of == netns && one
            }
            Self::Cases(_) | Self::Exhaustion(..) | Self::Predicted(..) => false,
        }
    }
}

struct Names<'a> {
    sockets: &'a Sockets,
    host: &'a Host,
    netns: NetnsId,
}

impl<'a> Names<'a> {
    fn of(sockets: &'a Sockets, host: &'a Host, netns: NetnsId) -> Self {
        Self {
            sockets,
            host,
            netns,
        }
    }

    fn name(&self, socket: SocketCookie) -> String {
        match self.sockets.process(socket) {
            Some(process) => name_of(self.sockets, self.host, self.netns, process),
            None => "a process that could not be seen".to_owned(),
        }
    }
}

fn conflict(kind: SocketConflictKind, names: &Names<'_>, cookies: &[SocketCookie]) -> Draft {
    let holders: Vec<String> = cookies.iter().map(|cookie| names.name(*cookie)).collect();
    let listed = holders.join(", ");
    let (kind, title) = match kind {
        SocketConflictKind::Wildcards => (
            FindingKind::WildcardSockets,
            format!(
                "{} servers hold 0.0.0.0:67 with no device: each unicast goes to one of them, whichever was meant",
                holders.len()
            ),
        ),
        SocketConflictKind::WildcardAfterDevice => (
            FindingKind::WildcardAfterDevice,
            "a server that is bound to no device was started after one that is bound to one, and takes its unicasts"
                .to_owned(),
        ),
    };
    Draft {
        title,
        evidence: vec![ground(
            GroundSource::SocketInventory,
            format!("in the order in which they were bound: {listed}"),
        )],
        ..Draft::of(kind, (names.netns, None))
    }
}
