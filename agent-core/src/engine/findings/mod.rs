//! Many verdicts, or what stands there without any, become one diagnosis.
//!
//! Here is the table of what is open; what may become a finding, and when it is over, is
//! said in a file for each sort. None is opened on what a restart or a single stray message
//! explains.

mod astray;
mod cases;
mod damage;
mod exhaustion;
mod ignored;
mod predicted;
mod sockets;
mod span;

pub(super) use ignored::Place;

use super::{Engine, Output};
use crate::cause::Cause;
use crate::delivery::{SocketConflictKind, SocketCookie};
use crate::finding::{Finding, FindingChange, FindingKind, FindingState};
use crate::message::MessageType;
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use crate::verdict::Ground;
use astray::Unicasts;
use cases::{CaseKey, Cases};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Open findings; beyond that the host has other worries.
const MOST: usize = 1024;

/// What is open is looked at anew so often, and so is what changes.
const REVIEW: Duration = Duration::from_secs(1);

/// Cases that are no finding yet are looked at so often: they have only to be forgotten.
const IDLE_REVIEW: Duration = Duration::from_mins(1);

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Conflict(NetnsId, SocketConflictKind, Vec<SocketCookie>),
    WrongDaemon(NetnsId, InterfaceId),
    Cases(CaseKey),
    Exhaustion(NetnsId, Ipv4Addr),
    Predicted(NetnsId, FindingKind, Option<InterfaceId>, Box<str>),
}

/// The findings that are open, and what may become one.
#[derive(Debug, Default)]
pub(super) struct Findings {
    last_id: u64,
    open: BTreeMap<Subject, Open>,
    /// Conflicts that do not stand long enough yet, and since when.
    young: BTreeMap<Subject, Timestamp>,
    /// Unicasts judged on an interface.
    unicasts: BTreeMap<(NetnsId, InterfaceId), Unicasts>,
    /// Messages that were not honoured, by cause.
    cases: BTreeMap<CaseKey, Cases>,
    /// Pools of which it changed whether they run out, and since when.
    turning: BTreeMap<(NetnsId, Ipv4Addr), Timestamp>,
    review: Option<Timestamp>,
    /// The accounts at the last review.
    generation: u64,
}

#[derive(Debug)]
struct Open {
    finding: Finding,
    /// How much damage was told of last.
    told: u64,
}

/// What is to be said.
struct Draft {
    kind: FindingKind,
    netns: NetnsId,
    interface: Option<InterfaceId>,
    cause: Option<Cause>,
    since: Timestamp,
    title: String,
    cases: u64,
    of: u64,
    evidence: Vec<Ground>,
    damage: Option<String>,
    /// A number that tells how much damage there is: the finding is put out again when it
    /// doubles, and when there is none left.
    amount: u64,
    remedy: String,
    side_effect: Option<String>,
}

impl Draft {
    /// A finding with the one text of its kind.
    fn of(kind: FindingKind, (netns, interface): (NetnsId, Option<InterfaceId>)) -> Self {
        let text = kind.explanation();
        Self {
            kind,
            netns,
            interface,
            cause: None,
            since: Timestamp::ZERO,
            title: String::new(),
            cases: 0,
            of: 0,
            evidence: Vec::new(),
            damage: None,
            amount: 0,
            remedy: text.remedy.to_owned(),
            side_effect: text.side_effect.map(str::to_owned),
        }
    }

    /// The same with the text of a cause.
    fn because(self, cause: Cause) -> Self {
        let text = cause.explanation();
        Self {
            cause: Some(cause),
            remedy: text.remedy.to_owned(),
            side_effect: text.side_effect.map(str::to_owned),
            ..self
        }
    }
}

impl Findings {
    /// When a young conflict is old enough, or a review is due.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let ripe = self.young.values().min().copied();
        let ripe = ripe.map(|since| since.saturating_add(sockets::CONFLICT_STANDS));
        [ripe, self.review].into_iter().flatten().min()
    }

    /// Nothing more will be looked at.
    fn rest(&mut self) {
        self.review = None;
    }

    /// Whatever changed is to be looked at soon.
    fn review_soon(&mut self, now: Timestamp) {
        let soon = now.saturating_add(REVIEW);
        self.review = Some(self.review.map_or(soon, |review| review.min(soon)));
    }
}

impl Engine {
    /// The findings that are open.
    pub fn open_findings(&self) -> Vec<&Finding> {
        let open = self.findings.open.values();
        let mut open: Vec<&Finding> = open.map(|open| &open.finding).collect();
        open.sort_by_key(|finding| finding.id);
        open
    }

    /// Brings up to date what depends on time, leaks and pools.
    pub(super) fn review_findings(&mut self) {
        let generation = self.accounts.generation();
        if generation != self.findings.generation {
            self.findings.generation = generation;
            self.findings.review_soon(self.now);
        }
        if self.findings.review.is_none_or(|due| due > self.now) {
            return;
        }
        self.findings.review = None;
        let ledger = self.ledger();
        self.review_cases(&ledger);
        self.review_pools(&ledger);
        self.review_astray(&ledger);
        let findings = &mut self.findings;
        let is_live = |subject: &Subject| match subject {
            Subject::Cases(_) | Subject::Exhaustion(..) | Subject::WrongDaemon(..) => true,
            Subject::Conflict(..) | Subject::Predicted(..) => false,
        };
        if !findings.turning.is_empty() || findings.open.keys().any(is_live) {
            findings.review_soon(self.now);
        } else if !findings.cases.is_empty() {
            findings.review = Some(self.now.saturating_add(IDLE_REVIEW));
        }
    }

    /// Opens a finding or brings it up to date. An update is put out each time that cases
    /// or damage have doubled, and when no damage is left: the latest word is always in
    /// [`Self::open_findings`].
    fn put(&mut self, subject: Subject, draft: Draft) {
        let at = self.now;
        if let Some(open) = self.findings.open.get_mut(&subject) {
            let finding = &mut open.finding;
            let more_cases = draft.cases > finding.cases && draft.cases.is_power_of_two();
            let worse = draft.amount >= open.told.saturating_mul(2).max(1);
            let none_left = draft.amount == 0 && open.told > 0;
            let other = (draft.cases, draft.amount) == (0, 0) && finding.title != draft.title;
            (finding.cases, finding.of) = (draft.cases, draft.of);
            (finding.title, finding.evidence) = (draft.title, draft.evidence);
            (finding.remedy, finding.side_effect) = (draft.remedy, draft.side_effect);
            (finding.damage, finding.cause) = (draft.damage, draft.cause);
            if more_cases || worse || none_left || other {
                open.told = draft.amount;
                change(finding, FindingState::Updated, at);
                let finding = Box::new(finding.clone());
                self.outputs.push_back(Output::Finding(finding));
            }
            return;
        }
        if self.findings.open.len() >= MOST {
            return;
        }
        self.findings.last_id += 1;
        let mut finding = Finding {
            id: self.findings.last_id,
            kind: draft.kind,
            state: FindingState::Opened,
            at,
            since: draft.since,
            netns: draft.netns,
            interface: draft.interface,
            cause: draft.cause,
            title: draft.title,
            cases: draft.cases,
            of: draft.of,
            evidence: draft.evidence,
            damage: draft.damage,
            remedy: draft.remedy,
            side_effect: draft.side_effect,
            history: Vec::new(),
        };
        change(&mut finding, FindingState::Opened, at);
        self.outputs
            .push_back(Output::Finding(Box::new(finding.clone())));
        let told = draft.amount;
        self.findings.open.insert(subject, Open { finding, told });
    }

    fn close(&mut self, subject: &Subject) {
        let Some(Open { mut finding, .. }) = self.findings.open.remove(subject) else {
            return;
        };
        change(&mut finding, FindingState::Closed, self.now);
        self.outputs.push_back(Output::Finding(Box::new(finding)));
    }

    fn is_open(&self, subject: &Subject) -> bool {
        self.findings.open.contains_key(subject)
    }

    /// The last word of what is open, where more is known than was put out.
    pub(super) fn last_words(&mut self) {
        for open in self.findings.open.values_mut() {
            let finding = &mut open.finding;
            let told = finding.history.last().map(|change| change.cases);
            if told != Some(finding.cases) {
                change(finding, FindingState::Updated, self.now);
                let finding = Box::new(finding.clone());
                self.outputs.push_back(Output::Finding(finding));
            }
        }
        self.findings.rest();
    }

    /// What an interface is called.
    fn name_of(&self, interface: InterfaceId) -> &str {
        let facts = self.host.interface(interface);
        facts.map_or("?", |facts| &facts.name)
    }
}

/// Notes a change of state; of a long history the middle goes.
fn change(finding: &mut Finding, state: FindingState, at: Timestamp) {
    (finding.state, finding.at) = (state, at);
    if finding.history.len() >= FindingChange::MOST {
        finding.history.remove(1);
    }
    finding.history.push(FindingChange {
        at,
        state,
        cases: finding.cases,
    });
}

/// "releases", "declines"
const fn plural(message_type: MessageType) -> &'static str {
    match message_type {
        MessageType::Release => "releases",
        MessageType::Decline => "declines",
        _ => "requests",
    }
}
