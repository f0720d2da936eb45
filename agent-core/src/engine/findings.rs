//! Many verdicts, or the sockets alone, become one diagnosis.
//!
//! Never opens a finding on what a restart explains: sockets have to stand in each
//! other's way for a while.

use super::{Engine, Output};
use crate::delivery::{SocketConflict, SocketConflictKind, SocketCookie};
use crate::finding::{Finding, FindingKind, FindingState};
use crate::host::Host;
use crate::judge::delivered::name_of;
use crate::judge::ground;
use crate::origin::{InterfaceId, NetnsId};
use crate::sockets::Sockets;
use crate::time::Timestamp;
use crate::verdict::{DeliveryOutcome, Ground, GroundSource, Outcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A server that is restarted may open its socket before the old one is closed.
const CONFLICT_STANDS: Duration = Duration::from_secs(1);

/// Open findings; beyond that the host has other worries.
const MOST: usize = 1024;

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Conflict(NetnsId, SocketConflictKind, Vec<SocketCookie>),
    WrongDaemon(NetnsId, InterfaceId),
}

/// The findings that are open, and what may become one.
#[derive(Debug, Default)]
pub(super) struct Findings {
    last_id: u64,
    open: BTreeMap<Subject, Finding>,
    /// Conflicts that do not stand long enough yet, and since when.
    young: BTreeMap<Subject, Timestamp>,
    /// Unicasts judged on an interface.
    unicasts: BTreeMap<(NetnsId, InterfaceId), Unicasts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Unicasts {
    judged: u64,
    astray: u64,
    /// Of those that went astray, the ones that came to nothing.
    fruitless: u64,
}

impl Findings {
    /// When a young conflict is old enough.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let since = self.young.values().min()?;
        Some(since.saturating_add(CONFLICT_STANDS))
    }

    /// What is open, by its number.
    pub(super) fn open(&self) -> impl Iterator<Item = &Finding> {
        self.open.values()
    }
}

impl Engine {
    /// The findings that are open.
    pub fn open_findings(&self) -> Vec<&Finding> {
        let mut open: Vec<&Finding> = self.findings.open().collect();
        open.sort_by_key(|finding| finding.id);
        open
    }

    /// Sockets of a namespace were looked at.
    pub(super) fn conflicts_seen(&mut self, netns: NetnsId) {
        let now = self.now;
        let subject = |conflict: &SocketConflict| {
            Subject::Conflict(netns, conflict.kind, conflict.cookies.clone())
        };
        let there: BTreeSet<Subject> = self.sockets.conflicts(netns).iter().map(subject).collect();
        self.findings
            .young
            .retain(|subject, _| !subject.is_in(netns) || there.contains(subject));
        for subject in &there {
            if !self.findings.open.contains_key(subject) && self.findings.young.len() < MOST {
                self.findings.young.entry(subject.clone()).or_insert(now);
            }
        }
        let over: Vec<Subject> = self
            .findings
            .open
            .keys()
            .filter(|subject| subject.is_in(netns) && subject.is_over(&there, &self.sockets))
            .cloned()
            .collect();
        for subject in over {
            self.close(&subject);
        }
        self.open_what_stands();
    }

    /// Opens what has stood long enough.
    pub(super) fn open_what_stands(&mut self) {
        let now = self.now;
        let old = |_: &Subject, since: &mut Timestamp| since.saturating_add(CONFLICT_STANDS) <= now;
        let ripe: Vec<(Subject, Timestamp)> = self.findings.young.extract_if(.., old).collect();
        for (subject, since) in ripe {
            let Subject::Conflict(netns, kind, cookies) = &subject else {
                continue;
            };
            let draft = conflict(
                *kind,
                &Names::of(&self.sockets, &self.host, *netns),
                cookies,
            );
            let (netns, kind) = (*netns, finding_kind(*kind));
            self.put(subject, kind, (netns, None), since, draft, (0, 0));
        }
    }

    /// A verdict fell: unicasts that go astray are one finding for each interface.
    pub(super) fn count_verdict(
        &mut self,
        netns: NetnsId,
        verdict: &Verdict,
        destination: Ipv4Addr,
    ) {
        let Some(delivery) = verdict.delivery else {
            return;
        };
        if self.host.is_broadcast(netns, destination) {
            return;
        }
        let interface = verdict.origin.interface;
        let key = (netns, interface);
        if self.findings.unicasts.len() >= MOST && !self.findings.unicasts.contains_key(&key) {
            return;
        }
        let unicasts = self.findings.unicasts.entry(key).or_default();
        unicasts.judged += 1;
        if delivery != DeliveryOutcome::WrongDaemon {
            return;
        }
        unicasts.astray += 1;
        let fine = matches!(
            verdict.outcome,
            Outcome::Honoured | Outcome::Answered { .. }
        );
        unicasts.fruitless += u64::from(!fine);
        let Unicasts {
            judged,
            astray,
            fruitless,
        } = *unicasts;
        let name = self
            .host
            .interface(interface)
            .map_or("?", |facts| &facts.name);
        let draft = Draft {
            title: format!(
                "unicasts to {destination} on {name} reach another server than the one that granted the lease: \
                 {astray} of {judged} went astray, {fruitless} of them were not honoured or not answered"
            ),
            evidence: verdict
                .evidence
                .iter()
                .filter(|ground| ground.source == GroundSource::Delivery)
                .cloned()
                .collect(),
            remedy: ONE_INTERFACE_EACH.to_owned(),
        };
        let subject = Subject::WrongDaemon(netns, interface);
        let kind = FindingKind::UnicastsToWrongDaemon;
        let since = verdict.seen;
        self.put(
            subject,
            kind,
            (netns, Some(interface)),
            since,
            draft,
            (astray, judged),
        );
    }

    /// Opens a finding or brings it up to date. An update is put out each time that the
    /// cases have doubled: the latest word is always in [`Self::open_findings`].
    fn put(
        &mut self,
        subject: Subject,
        kind: FindingKind,
        (netns, interface): (NetnsId, Option<InterfaceId>),
        since: Timestamp,
        draft: Draft,
        (cases, of): (u64, u64),
    ) {
        let at = self.now;
        if let Some(finding) = self.findings.open.get_mut(&subject) {
            (finding.cases, finding.of, finding.at) = (cases, of, at);
            finding.state = FindingState::Updated;
            (finding.title, finding.evidence) = (draft.title, draft.evidence);
            if cases.is_power_of_two() {
                let finding = Box::new(finding.clone());
                self.outputs.push_back(Output::Finding(finding));
            }
            return;
        }
        if self.findings.open.len() >= MOST {
            return;
        }
        self.findings.last_id += 1;
        let finding = Finding {
            id: self.findings.last_id,
            kind,
            state: FindingState::Opened,
            at,
            since,
            netns,
            interface,
            cause: None,
            title: draft.title,
            cases,
            of,
            evidence: draft.evidence,
            damage: None,
            remedy: draft.remedy,
            side_effect: None,
        };
        self.outputs
            .push_back(Output::Finding(Box::new(finding.clone())));
        self.findings.open.insert(subject, finding);
    }

    fn close(&mut self, subject: &Subject) {
        let Some(mut finding) = self.findings.open.remove(subject) else {
            return;
        };
        if let Subject::WrongDaemon(netns, interface) = subject {
            self.findings.unicasts.remove(&(*netns, *interface));
        }
        finding.state = FindingState::Closed;
        finding.at = self.now;
        self.outputs.push_back(Output::Finding(Box::new(finding)));
    }
}

impl Subject {
    fn is_in(&self, netns: NetnsId) -> bool {
        match self {
            Self::Conflict(of, ..) | Self::WrongDaemon(of, _) => *of == netns,
        }
    }

    /// A conflict ends with one of its sockets. Unicasts cannot go astray where no two
    /// sockets are in each other's way and each server has its own.
    fn is_over(&self, there: &BTreeSet<Self>, sockets: &Sockets) -> bool {
        match self {
            Self::Conflict(..) => !there.contains(self),
            Self::WrongDaemon(netns, _) => {
                let mut unbound = sockets.udp(*netns).filter(|socket| socket.device.is_none());
                unbound.next().is_none() || (there.is_empty() && unbound.next().is_none())
            }
        }
    }
}

struct Draft {
    title: String,
    evidence: Vec<Ground>,
    remedy: String,
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

const fn finding_kind(kind: SocketConflictKind) -> FindingKind {
    match kind {
        SocketConflictKind::Wildcards => FindingKind::WildcardSockets,
        SocketConflictKind::WildcardAfterDevice => FindingKind::WildcardAfterDevice,
    }
}

const ONE_INTERFACE_EACH: &str = "Give each dnsmasq exactly one interface= (with bind-interfaces or bind-dynamic), \
     not listen-address= alone: then its socket is bound to that device, and the kernel gives it the unicasts that \
     arrive there. Mind: an interface that no dnsmasq names is then served by none.";

fn conflict(kind: SocketConflictKind, names: &Names<'_>, cookies: &[SocketCookie]) -> Draft {
    let holders: Vec<String> = cookies.iter().map(|cookie| names.name(*cookie)).collect();
    let listed = holders.join(", ");
    let title = match kind {
        SocketConflictKind::Wildcards => format!(
            "{} servers hold 0.0.0.0:67 with no device: each unicast goes to one of them, whichever was meant",
            holders.len()
        ),
        SocketConflictKind::WildcardAfterDevice => {
            "a server that is bound to no device was started after one that is bound to one, and takes its unicasts"
                .to_owned()
        }
    };
    Draft {
        title,
        evidence: vec![ground(
            GroundSource::SocketInventory,
            format!("in the order in which they were bound: {listed}"),
        )],
        remedy: ONE_INTERFACE_EACH.to_owned(),
    }
}
