//! Messages that were not honoured for one reason at one place: when they are a finding,
//! and when it is over.
//!
//! Thresholds: one message opens a finding if its address leaked; else it takes three within
//! an hour. It is over when no case came for ten times the usual wait between cases (10 s to a
//! day; an hour after a single one), and either nothing that leaked by it is left, or three
//! went well since that show it is cured.

use crate::cause::Cause;
use crate::message::{HardwareAddress, MessageType, ServerId};
use crate::origin::{InterfaceId, NetnsId};
use crate::time::Timestamp;
use crate::verdict::Ground;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Cases without a leak that make a finding.
const ENOUGH: usize = 3;

/// Within so long.
const TOGETHER: Duration = Duration::from_hours(1);

/// Messages of the same kind that went well, after which they go well.
const CURED: u64 = 3;

/// How long a single case is remembered.
const SINGLE: Duration = Duration::from_hours(1);

/// Usual waits without a case after which no more is expected.
const WAITS: u32 = 10;

const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_hours(24);

/// Clients that are remembered of the cases of one kind.
const CLIENTS: usize = 64;

/// Cases of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CaseKey {
    pub(super) netns: NetnsId,
    pub(super) interface: InterfaceId,
    /// A release, a decline, or a request to extend a lease.
    pub(super) message_type: MessageType,
    pub(super) cause: Cause,
    /// The id that the messages name, where that is what is wrong.
    pub(super) named: Option<ServerId>,
}

/// What is remembered of them.
#[derive(Debug, Clone)]
pub(super) struct Cases {
    pub(super) since: Timestamp,
    last: Timestamp,
    pub(super) count: u64,
    /// Messages of the same kind, since the first case.
    pub(super) of: u64,
    /// What the last one rested on.
    pub(super) evidence: Vec<Ground>,
    /// The id that the server goes by, as the last one had it.
    pub(super) server_id: Option<ServerId>,
    /// Of the same kind, and went well since the last case.
    went_well: u64,
    clients: BTreeSet<HardwareAddress>,
    newest: VecDeque<Timestamp>,
    ripe: bool,
}

/// One case.
pub(super) struct Case {
    pub(super) seen: Timestamp,
    pub(super) client: HardwareAddress,
    pub(super) evidence: Vec<Ground>,
    pub(super) server_id: Option<ServerId>,
    /// Whether an address leaked by it.
    pub(super) leaked: bool,
}

impl Cases {
    /// None yet.
    pub(super) fn from(since: Timestamp) -> Self {
        Self {
            since,
            last: since,
            count: 0,
            of: 0,
            evidence: Vec::new(),
            server_id: None,
            went_well: 0,
            clients: BTreeSet::new(),
            newest: VecDeque::new(),
            ripe: false,
        }
    }

    /// One more.
    pub(super) fn add(&mut self, case: Case) {
        self.count += 1;
        self.of += 1;
        self.went_well = 0;
        self.last = self.last.max(case.seen);
        self.since = self.since.min(case.seen);
        self.evidence = case.evidence;
        self.server_id = case.server_id.or(self.server_id);
        if self.clients.len() < CLIENTS {
            self.clients.insert(case.client);
        }
        if self.newest.len() >= ENOUGH {
            self.newest.pop_front();
        }
        self.newest.push_back(case.seen);
        let together = self
            .newest
            .front()
            .is_some_and(|first| case.seen.since(*first) <= TOGETHER);
        self.ripe |= case.leaked || (self.newest.len() >= ENOUGH && together);
    }

    /// A message of the same kind, or of the same client, went well.
    pub(super) fn went_well(&mut self) {
        self.went_well += 1;
    }

    /// Whether a client had a case.
    pub(super) fn has(&self, client: HardwareAddress) -> bool {
        self.clients.contains(&client)
    }

    /// Whether they are a finding.
    pub(super) fn is_ripe(&self) -> bool {
        self.ripe
    }

    /// Whether no more is expected; `leaked` are those that are left.
    pub(super) fn are_over(&self, now: Timestamp, leaked: u64) -> bool {
        let cured = leaked == 0 || self.went_well >= CURED;
        now.since(self.last) >= self.quiet() && cured
    }

    fn quiet(&self) -> Duration {
        let waits = self.count.saturating_sub(1);
        let Some(usual) = u32::try_from(waits)
            .ok()
            .and_then(|waits| self.last.since(self.since).checked_div(waits))
        else {
            return SINGLE;
        };
        usual.saturating_mul(WAITS).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(seen: u64, leaked: bool) -> Case {
        Case {
            seen: Timestamp::from_secs(seen),
            client: HardwareAddress::ethernet([2, 0, 0, 0, 0, 1]),
            evidence: vec![],
            server_id: None,
            leaked,
        }
    }

    fn cases(times: &[u64]) -> Cases {
        let first = *times.first().unwrap();
        let mut cases = Cases::from(Timestamp::from_secs(first));
        for seen in times {
            cases.add(case(*seen, false));
        }
        cases
    }

    #[test]
    fn a_stray_message_is_no_finding_unless_it_leaked() {
        assert!(!cases(&[100]).is_ripe());
        assert!(!cases(&[100, 200]).is_ripe());
        assert!(cases(&[100, 200, 300]).is_ripe());
        assert!(!cases(&[0, 3000, 6001]).is_ripe(), "not within an hour");
        assert!(cases(&[0, 3000, 6001, 6002]).is_ripe());
        let mut leaked = Cases::from(Timestamp::from_secs(5));
        leaked.add(case(5, true));
        assert!(leaked.is_ripe());
    }

    #[test]
    fn it_is_over_after_ten_usual_waits() {
        let over = |cases: &Cases, at| cases.are_over(Timestamp::from_secs(at), 0);
        let often = cases(&[100, 101, 102]);
        assert!(!over(&often, 111) && over(&often, 112), "10 s at least");
        let seldom = cases(&[0, 3600]);
        assert!(!over(&seldom, 39_599) && over(&seldom, 39_600));
        let single = cases(&[0]);
        assert!(!over(&single, 3599) && over(&single, 3600));
        let rare = cases(&[0, 1_000_000]);
        assert!(over(&rare, 1_000_000 + 86_400));
    }

    #[test]
    fn while_something_is_leaked_it_takes_a_cure() {
        let mut cases = cases(&[100, 101, 102]);
        let late = Timestamp::from_secs(1_000_000);
        assert!(!cases.are_over(late, 1));
        for _ in 0..3 {
            cases.went_well();
        }
        assert!(cases.are_over(late, 1));
        assert!(!cases.are_over(Timestamp::from_secs(103), 1), "too soon");
        cases.add(case(1_000_000, false));
        assert!(!cases.are_over(Timestamp::from_secs(100_000_000), 1));
        assert_eq!((cases.count, cases.of), (4, 4));
    }
}
