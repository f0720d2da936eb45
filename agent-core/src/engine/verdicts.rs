//! From an opened message to its verdict.

use super::findings::Place;
use super::{Engine, Output};
use crate::accounts::Touched;
use crate::binding::Granter;
use crate::database::{Database, DatabaseId};
use crate::evidence::{EvidenceRequest, LeaseContent, LeaseUpdate, ServerRef};
use crate::judge::decide::{Circumstances, Decision, Phase, decide};
use crate::judge::lease_state::{LeaseState, lease_state};
use crate::judge::rules;
use crate::message::{MessageType, ServerId};
use crate::origin::NetnsId;
use crate::release::{Release, ReleaseId, Stage};
use crate::verdict::{DeliveryOutcome, Ground, Outcome, ServerSummary, Verdict};
use std::collections::BTreeSet;
use std::time::Duration;

/// A loss this long before a message may still have cost evidence about it.
const LOSS_MEMORY: Duration = Duration::from_secs(2);

/// Departed leases are kept this long past the newest time seen.
const DEPARTED_MEMORY: Duration = Duration::from_mins(1);

/// What a verdict says beside the message.
struct Conclusion {
    outcome: Outcome,
    evidence: Vec<Ground>,
    remedy: Option<String>,
    server: Option<ServerSummary>,
    delivery: Option<DeliveryOutcome>,
    state: LeaseState,
}

impl Engine {
    /// The wait of a message is over.
    pub(super) fn timed_out(&mut self, id: ReleaseId) {
        let Some(release) = self.pending.get(id) else {
            return;
        };
        let netns = release.netns;
        let proven = self.proven(release);
        let wait = self.config.live_evidence && !proven && matches!(release.stage, Stage::Grace(_));
        if !wait {
            self.judge(id, Phase::Last);
            return;
        }
        let until = self.now.saturating_add(self.config.reading_grace);
        if let Some(mut release) = self.pending.remove(id) {
            release.stage = Stage::Reading(until);
            self.pending.insert(release);
        }
        for request in [
            EvidenceRequest::Leases { netns },
            EvidenceRequest::Sockets { netns },
        ] {
            self.outputs.push_back(Output::Request(request));
        }
    }

    /// Whether each database of the namespace that can be read was read after the
    /// server had its time. Of two servers, either may have the lease.
    fn proven(&self, release: &Release) -> bool {
        let read = self
            .databases
            .of(release.netns)
            .all(|db| db.last.is_none_or(|last| last.from >= release.due));
        // Whether the server reads its socket shows only in a survey of then.
        let surveyed = !self.sources.sockets.is_on()
            || self
                .sockets
                .taken(release.netns)
                .is_none_or(|taken| taken >= release.due);
        read && surveyed
    }

    /// A lease database was read.
    pub(super) fn leases_read(&mut self, update: LeaseUpdate) {
        let netns = update.netns;
        let usable = !matches!(update.content, LeaseContent::Unusable { .. });
        let id = DatabaseId {
            netns,
            server: update.server,
        };
        let granted = self.granted_here(&update);
        let touched = Touched::by(&update);
        let was_up = self.databases.get(id).is_some_and(Database::is_up);
        self.databases.update(update);
        if was_up != self.databases.get(id).is_some_and(Database::is_up) {
            self.accounts.turned();
        }
        self.accounts
            .read(netns, &touched, &self.databases, self.now);
        if let Some(database) = self.databases.get_mut(id) {
            for server_id in granted {
                database.vouch(server_id);
            }
        }
        if usable {
            self.judge_waiting(netns);
        }
        let oldest_open = self
            .pending
            .iter()
            .next()
            .map_or(self.now, |release| release.seen);
        let before = oldest_open.min(self.now).saturating_sub(DEPARTED_MEMORY);
        for (netns, address, gone) in self.databases.forget_departed_before(before) {
            let binding = self.bindings.get(netns, address);
            // Not granted again: the database has shown that nothing is bound.
            if binding.is_some_and(|binding| binding.acked < gone) {
                self.bindings.ended(netns, address);
            }
        }
    }

    /// Judges what the databases of a namespace tell enough about by now. To be called
    /// after each fact, so that it does not depend on the next one when a fact counts.
    pub(super) fn judge_waiting(&mut self, netns: NetnsId) {
        if self.databases.of(netns).all(|db| db.last.is_none()) {
            return;
        }
        let touched = self.pending.iter().filter(|release| release.netns == netns);
        let told: Vec<(ReleaseId, Phase)> = touched
            .filter_map(|release| {
                let waits = matches!(release.stage, Stage::Reading(_));
                if waits && self.proven(release) {
                    return Some((release.id, Phase::Last));
                }
                let mut databases = self.databases.of(netns);
                let left = databases.any(|db| {
                    db.departed_by(release.address, release.claimant())
                        .is_some()
                });
                left.then_some((release.id, Phase::Early))
            })
            .collect();
        for (id, phase) in told {
            self.judge(id, phase);
        }
    }

    /// A server ended, and its database with it: what waited for a reading of that one
    /// may know enough from the others.
    pub(super) fn server_gone(&mut self, server: ServerRef) {
        let was_in = self.servers.process(server).map(|facts| facts.netns);
        self.servers.ended(server);
        self.configurations.forget(server);
        let went = self.databases.server_gone(server);
        self.accounts.server_gone(server, &self.databases, self.now);
        if let Some(netns) = went {
            self.judge_waiting(netns);
        }
        if let Some(netns) = was_in {
            self.predict(netns);
        }
    }

    /// The ids of those ACKs of this host whose leases a reading now shows.
    fn granted_here(&self, update: &LeaseUpdate) -> BTreeSet<ServerId> {
        let (LeaseContent::Full(leases)
        | LeaseContent::Delta {
            upserted: leases, ..
        }) = &update.content
        else {
            return BTreeSet::new();
        };
        let granted = leases.iter().filter_map(|lease| {
            let binding = self.bindings.get(update.netns, lease.address)?;
            let ours =
                binding.granted_by == Granter::ThisHost && binding.acked <= update.read_until;
            (ours && binding.hardware_address == lease.hardware_address)
                .then_some(binding.server_id)
        });
        granted.collect()
    }

    /// Judges everything that is open.
    pub(super) fn judge_all_open(&mut self) {
        for id in self.pending.ids() {
            self.judge(id, Phase::Stopping);
        }
    }

    /// Whether samples were lost shortly before a time, or since.
    pub(super) fn lost_since(&self, seen: crate::time::Timestamp) -> bool {
        self.last_loss
            .is_some_and(|lost| lost >= seen.saturating_sub(LOSS_MEMORY))
    }

    /// Whether facts of what the kernel did with messages were lost since then.
    pub(super) fn facts_lost_since(&self, seen: crate::time::Timestamp) -> bool {
        self.last_fact_loss
            .is_some_and(|lost| lost >= seen.saturating_sub(LOSS_MEMORY))
    }

    /// Whether a verdict has to say that something may be missing. A lost fact can't
    /// change one that went well, nor one that knows what became of its message.
    pub(super) fn says_loss(
        &self,
        seen: crate::time::Timestamp,
        outcome: Outcome,
        delivery: Option<DeliveryOutcome>,
    ) -> bool {
        let went_well = matches!(outcome, Outcome::Honoured | Outcome::Answered { .. });
        let open = !went_well && delivery.is_none();
        self.lost_since(seen) || (open && self.facts_lost_since(seen))
    }

    pub(super) fn judge(&mut self, id: ReleaseId, phase: Phase) {
        let Some(release) = self.pending.get(id) else {
            return;
        };
        let found = self.look_up(release);
        let database = found.database.and_then(|id| self.databases.get(id));
        let case = self.case(release, &found, database);
        let state = lease_state(release, database, self.context(release, found.process));
        let breach = rules::first_breach(&case);
        let circumstances = Circumstances {
            state,
            phase,
            concern: self.concern(release, database),
            rival: breach.is_some() && self.has_rival(release, state),
        };
        let Decision::Now {
            outcome,
            grounds,
            remedy,
        } = decide(&case, breach, circumstances)
        else {
            return;
        };
        let conclusion = Conclusion {
            outcome,
            evidence: grounds,
            remedy,
            server: Self::summary(&found),
            delivery: case.delivered.outcome(),
            state,
        };
        let database_of = found.database;
        self.conclude(id, conclusion, database_of);
    }

    fn conclude(&mut self, id: ReleaseId, conclusion: Conclusion, database: Option<DatabaseId>) {
        let Conclusion {
            outcome,
            evidence,
            remedy,
            server,
            delivery,
            state,
        } = conclusion;
        let Some(release) = self.pending.remove(id) else {
            return;
        };
        let leaked = self.note_leak(&release, outcome, state, database);
        let segment = self.segment(&release);
        if outcome == Outcome::Honoured {
            if let Some(database) = database.and_then(|id| self.databases.get_mut(id)) {
                database.credit(release.address, release.claimant());
            }
            let key = (release.netns, release.address);
            let granted_since = self
                .bindings
                .get(key.0, key.1)
                .is_some_and(|binding| binding.acked > release.seen);
            if !granted_since {
                self.bindings.ended(key.0, key.1);
                self.honoured.put(key, id.0);
            }
        }
        let verdict = Verdict {
            id: id.0,
            at: self.now.max(release.seen),
            seen: release.seen,
            message_type: release.message.message_type.unwrap_or(MessageType::Release),
            state: None,
            origin: release.origin,
            vlan: release.vlan,
            hardware_address: release.message.hardware_address,
            client_id: release.message.client_id,
            address: release.address,
            xid: release.message.xid,
            server_id: release.message.server_id,
            server,
            outcome,
            evidence,
            remedy,
            delivery,
            latency: self.now.since(release.seen),
            loss: self.says_loss(release.seen, outcome, delivery),
        };
        let (netns, destination) = (release.netns, release.carrier.destination);
        let place = Place {
            netns,
            segment,
            destination,
            leaked,
        };
        self.count_verdict(&verdict, &place);
        self.outputs.push_back(Output::Verdict(Box::new(verdict)));
    }
}
