//! From an attempt to its verdict.

use super::findings::Place;
use super::{Engine, Output};
use crate::attempt::{Attempt, AttemptId};
use crate::evidence::{ServerFacts, ServerKind};
use crate::judge::attempt_rules::{AttemptCase, Judgement, judge};
use crate::message::{MessageType, ServerId};
use crate::server::IdUse;
use crate::trail::TrailKey;
use crate::verdict::{DeliveryOutcome, ServerSummary, Verdict};

/// Ids listed with a verdict.
const LISTED_IDS: usize = 4;

/// What is said of an attempt.
struct Said {
    judgement: Judgement,
    delivery: Option<DeliveryOutcome>,
    server: Option<ServerSummary>,
}

impl Engine {
    /// Gives an open attempt its verdict.
    pub(super) fn judge_attempt(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get(id) else {
            return;
        };
        let said = self.say(attempt);
        let judged = self.as_judged(attempt, said.judgement.outcome);
        let Some(attempt) = self.attempts.judged(id, judged) else {
            return;
        };
        let verdict = Verdict {
            id: id.0,
            at: self.now.max(attempt.seen),
            seen: attempt.seen,
            message_type: MessageType::Request,
            state: Some(attempt.key.state),
            origin: attempt.origin,
            vlan: attempt.vlan,
            hardware_address: attempt.key.hardware_address,
            client_id: attempt.message.client_id,
            address: attempt.address,
            xid: attempt.key.xid,
            server_id: attempt.message.server_id,
            server: said.server,
            outcome: said.judgement.outcome,
            evidence: said.judgement.grounds,
            remedy: said.judgement.remedy,
            delivery: said.delivery,
            latency: self.now.since(attempt.seen),
            loss: self.says_loss(attempt.seen, said.judgement.outcome, said.delivery),
        };
        let (netns, destination) = (attempt.key.netns, attempt.carrier.destination);
        let place = Place {
            netns,
            segment: attempt.origin.interface,
            destination,
            leaked: false,
        };
        self.count_verdict(&verdict, &place);
        self.outputs.push_back(Output::Verdict(Box::new(verdict)));
    }

    fn say(&self, attempt: &Attempt) -> Said {
        let netns = attempt.key.netns;
        let key = TrailKey::of(netns, &attempt.message);
        let steps = self.trails.since(key, attempt.seen);
        let reply_steps = self.trails.since(key.of_replies(), attempt.seen);
        let subnet = self.host.subnet_key(netns, attempt.address);
        let ids = self.servers.ids(netns, subnet);
        let databases: Vec<_> = self.databases.of(netns).collect();
        let lost = self.lost_since(attempt.seen) || self.facts_lost_since(attempt.seen);
        let mut case = AttemptCase {
            attempt,
            host: &self.host,
            sockets: &self.sockets,
            sources: self.sources,
            kind: ServerKind::Unknown,
            configured: None,
            server_here: self.servers.processes(netns).next().is_some(),
            steps: &steps,
            reply_steps: &reply_steps,
            ids: &ids,
            databases: &databases,
            lost,
        };
        let pid = case.expected().map(|process| process.key.pid);
        let (kind, pid) = self.server_of(attempt, pid);
        case.kind = kind;
        let mut processes = self.servers.processes(netns);
        let server = processes.find(|facts| Some(facts.pid) == pid);
        case.configured = server.and_then(|facts| self.configured_as(facts.server, attempt.seen));
        Said {
            judgement: judge(&case, attempt.due <= self.now),
            delivery: case.delivery(),
            server: summary(kind, pid, &ids),
        }
    }

    /// The program and the process: of the socket that answered, else of the process that
    /// was to, else of the only server there is.
    fn server_of(&self, attempt: &Attempt, expected: Option<u32>) -> (ServerKind, Option<u32>) {
        let netns = attempt.key.netns;
        let socket = attempt.last_reply().and_then(|reply| reply.socket);
        let answered = socket.and_then(|socket| self.sockets.process(socket));
        let pid = answered.map(|process| process.key.pid).or(expected);
        let mut all = self.servers.processes(netns);
        let facts = match pid {
            Some(pid) => all.find(|facts| facts.pid == pid),
            None => all.next().filter(|_| all.next().is_none()),
        };
        let kind = facts.map(|facts: &ServerFacts| facts.kind);
        let kind = kind.filter(|kind| *kind != ServerKind::Unknown);
        let databases = || {
            let mut kinds = self.databases.of(netns).map(|database| database.kind);
            kinds
                .next()
                .filter(|first| kinds.all(|kind| kind == *first))
        };
        let told = self.told_kind(attempt.origin.interface);
        let kind = told
            .filter(|_| answered.is_none())
            .or(kind)
            .or_else(|| databases().filter(|_| pid.is_none()))
            .or(self.config.assumed_server);
        let pid = pid.or(facts.map(|facts| facts.pid));
        (kind.unwrap_or(ServerKind::Unknown), pid)
    }

    /// Counts the leases whose T2 has passed. Those that are no more in any database are
    /// none, though nobody released them.
    pub(super) fn count_past_t2(&mut self) {
        for (netns, address) in self.bindings.advance(self.now) {
            let mut databases = self.databases.of(netns).filter(|db| db.is_up()).peekable();
            let read = databases.peek().is_some();
            if read && !databases.any(|db| db.present(address).is_some()) {
                self.bindings.not_overdue(netns, address);
            } else {
                self.counts.leases_past_t2 += 1;
            }
        }
    }
}

fn summary(kind: ServerKind, pid: Option<u32>, ids: &[IdUse]) -> Option<ServerSummary> {
    let listed = ids.iter().take(LISTED_IDS).map(|id| id.server_id);
    let server_ids: Vec<ServerId> = listed.collect();
    let known = kind != ServerKind::Unknown || pid.is_some() || !server_ids.is_empty();
    known.then_some(ServerSummary {
        kind,
        pid,
        server_ids,
    })
}
