//! REQUESTs and their replies: when an attempt begins, and when it is judged.

use super::{Engine, Output};
use crate::attempt::{Answer, Attempt, AttemptKey, AttemptStage, Reply, state_of};
use crate::decode::v4::Message4;
use crate::delivery::SocketCookie;
use crate::evidence::EvidenceRequest;
use crate::frame::Datagram;
use crate::host::Locality;
use crate::judge::attempt::{AttemptCase, judge};
use crate::message::{HardwareAddress, MessageType, TransactionId};
use crate::origin::{Direction, NetnsId, Origin};
use crate::release::{Carrier, Release, Sighting, Stage};
use crate::tables::{Table, TableUsage};
use crate::time::Timestamp;
use crate::trail::TrailKey;
use crate::verdict::{ClientState, Missing, Outcome, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a second server may take to contradict the first, and a client to say that
/// a reply did not find its socket.
const SETTLING: Duration = Duration::from_millis(300);

/// How long evidence may take once no reply came.
const ASKING: Duration = Duration::from_millis(300);

/// Within this time after its last send a judged attempt is still the same: clients
/// wait up to 64 s between two sends (RFC 2131 §4.1).
const SAME_ATTEMPT: Duration = Duration::from_secs(64);

/// The open attempts, and those that were judged lately.
#[derive(Debug)]
pub(super) struct Attempts {
    capacity: usize,
    open: BTreeMap<AttemptKey, Attempt>,
    by_deadline: BTreeSet<(Timestamp, AttemptKey)>,
    /// When each was sent last.
    judged: Table<AttemptKey, Timestamp>,
    evictions: u64,
}

impl Attempts {
    pub(super) fn new(capacity: usize, judged: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            open: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            judged: Table::new("judged_requests", judged),
            evictions: 0,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|(until, _)| *until)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn usage(&self) -> [TableUsage; 2] {
        let open = TableUsage {
            table: "open_requests",
            entries: self.open.len(),
            capacity: self.capacity,
            evictions: self.evictions,
        };
        [open, self.judged.usage()]
    }

    fn due(&self, now: Timestamp) -> Option<(Timestamp, AttemptKey)> {
        let first = self.by_deadline.first().copied();
        first.filter(|(until, _)| *until <= now)
    }

    fn insert(&mut self, key: AttemptKey, attempt: Attempt) {
        self.by_deadline.insert((attempt.stage.until(), key));
        self.open.insert(key, attempt);
    }

    fn remove(&mut self, key: AttemptKey) -> Option<Attempt> {
        let attempt = self.open.remove(&key)?;
        self.by_deadline.remove(&(attempt.stage.until(), key));
        Some(attempt)
    }

    fn wait(&mut self, key: AttemptKey, stage: AttemptStage) {
        if let Some(mut attempt) = self.remove(key) {
            attempt.stage = stage;
            self.insert(key, attempt);
        }
    }

    /// The open attempts of a transaction, whatever their state.
    fn of(
        &self,
        netns: NetnsId,
        xid: TransactionId,
        hardware_address: HardwareAddress,
    ) -> Vec<AttemptKey> {
        let key = |state| AttemptKey {
            netns,
            xid,
            hardware_address,
            state,
        };
        let all = ClientState::ALL.into_iter().map(key);
        all.filter(|key| self.open.contains_key(key)).collect()
    }
}

impl Engine {
    /// A REQUEST was seen.
    pub(super) fn request_seen(
        &mut self,
        at: Timestamp,
        origin: Origin,
        datagram: &Datagram<'_>,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        message: Message4,
    ) {
        let netns = self.host.netns_of(origin.interface);
        let Some(state) = state_of(&self.host, netns, &message, destination) else {
            return;
        };
        let key = AttemptKey {
            netns,
            xid: message.xid,
            hardware_address: message.hardware_address,
            state,
        };
        let sighting = Sighting {
            interface: origin.interface,
            direction: origin.direction,
        };
        self.relayed(key, origin, &message);
        let carrier = Carrier::of(datagram, (source, destination));
        if self.attempts.open.contains_key(&key) {
            self.sent_again(at, key, origin, sighting, carrier);
            return;
        }
        if let Some(last_sent) = self.attempts.judged.get_mut(&key)
            && at.since(*last_sent) <= SAME_ATTEMPT
        {
            *last_sent = at.max(*last_sent);
            return;
        }
        if !self.is_for_a_server_here(netns, origin, &carrier) {
            return;
        }
        self.open_attempt(at, key, origin, (datagram, carrier), message);
    }

    /// Only what comes in is for a server of this host. What leaves is a client's of our
    /// own, or passed on; what is between others is none of ours.
    fn is_for_a_server_here(&self, netns: NetnsId, origin: Origin, carrier: &Carrier) -> bool {
        if origin.direction == Direction::Egress {
            return false;
        }
        let mac = carrier.destination_mac.filter(|mac| !mac.is_group());
        let passing = mac.map(|mac| self.host.mac_locality(netns, mac));
        let elsewhere = self.host.locality(netns, carrier.destination) == Locality::Elsewhere
            && !self.host.is_broadcast(netns, carrier.destination);
        !(elsewhere && passing == Some(Locality::Elsewhere))
    }

    fn open_attempt(
        &mut self,
        at: Timestamp,
        key: AttemptKey,
        origin: Origin,
        (datagram, carrier): (&Datagram<'_>, Carrier),
        message: Message4,
    ) {
        if self.attempts.open.len() >= self.attempts.capacity {
            self.attempts.evictions += 1;
            let oldest = self.attempts.open.iter();
            let oldest = oldest.min_by_key(|(_, attempt)| attempt.message.id);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.conclude_attempt(oldest, true);
            }
        }
        let address = if message.ciaddr.is_unspecified() {
            message.requested_address.unwrap_or(message.ciaddr)
        } else {
            message.ciaddr
        };
        let due = at.saturating_add(self.config.answer);
        let message = Release {
            id: self.pending.next_id(),
            netns: key.netns,
            seen: at,
            origin,
            vlan: datagram.vlan,
            binding: self.bindings.get(key.netns, address).cloned(),
            message,
            carrier,
            sightings: smallvec::smallvec![Sighting {
                interface: origin.interface,
                direction: origin.direction,
            }],
            destination: self.host.locality(key.netns, carrier.destination),
            address,
            due,
            stage: Stage::Grace(due),
        };
        let attempt = Attempt {
            state: key.state,
            message,
            last_sent: at,
            relayed_by: None,
            replies: smallvec::SmallVec::new(),
            stage: AttemptStage::Waiting(due),
        };
        self.attempts.insert(key, attempt);
        self.outputs.push_back(Output::Opened {
            origin,
            message_type: MessageType::Request,
            state: Some(key.state),
        });
        if self.config.live_evidence && key.state == ClientState::Renewing {
            // Addresses move; who asks by broadcast does not mind.
            let netns = key.netns;
            let request = EvidenceRequest::Interfaces { netns };
            self.outputs.push_back(Output::Request(request));
        }
    }

    /// The same words at the same place are sent again; elsewhere, they are a copy.
    fn sent_again(
        &mut self,
        at: Timestamp,
        key: AttemptKey,
        origin: Origin,
        sighting: Sighting,
        carrier: Carrier,
    ) {
        let addressed_here = carrier
            .destination_mac
            .is_some_and(|mac| self.host.mac_locality(key.netns, mac) == Locality::Local);
        let Some(attempt) = self.attempts.open.get_mut(&key) else {
            return;
        };
        if attempt.message.sightings.contains(&sighting) {
            attempt.last_sent = attempt.last_sent.max(at);
            return;
        }
        attempt.message.sightings.push(sighting);
        if origin.direction == Direction::Ingress && addressed_here {
            // On a bridge, the one at the bridge's own interface is what the server gets.
            attempt.message.carrier = carrier;
        }
        self.outputs.push_back(Output::Duplicate { origin });
    }

    /// A relay agent of this host passed a REQUEST on to a server elsewhere.
    fn relayed(&mut self, key: AttemptKey, origin: Origin, message: &Message4) {
        let leaves = origin.direction == Direction::Egress;
        let by_us = self.host.locality(key.netns, message.giaddr) == Locality::Local;
        if !leaves || !by_us {
            return;
        }
        for open in self.attempts.of(key.netns, key.xid, key.hardware_address) {
            if let Some(attempt) = self.attempts.open.get_mut(&open) {
                attempt.relayed_by = Some(message.giaddr);
            }
        }
    }

    /// An ACK or NAK was seen, whichever way.
    pub(super) fn reply_seen(
        &mut self,
        at: Timestamp,
        origin: Origin,
        source: Ipv4Addr,
        message: &Message4,
        socket: Option<SocketCookie>,
    ) {
        let Some(answer) = Answer::of(message) else {
            return;
        };
        let netns = self.host.netns_of(origin.interface);
        let reply = Reply {
            at,
            answer,
            server_id: message.server_id,
            source,
            socket,
            text: message.error_text.clone(),
        };
        for key in self
            .attempts
            .of(netns, message.xid, message.hardware_address)
        {
            let Some(attempt) = self.attempts.open.get_mut(&key) else {
                continue;
            };
            let words = |one: &Reply| (one.answer, one.server_id);
            if attempt
                .replies
                .iter()
                .any(|known| words(known) == words(&reply))
            {
                continue;
            }
            attempt.replies.push(reply.clone());
            if attempt.replies.len() == 1 {
                let until = self.now.saturating_add(SETTLING);
                self.attempts.wait(key, AttemptStage::Settling(until));
            }
        }
    }

    /// The next attempt whose wait is over at `now` goes on, or is judged.
    pub(super) fn attempt_due(&mut self, now: Timestamp) {
        let Some((due, key)) = self.attempts.due(now) else {
            return;
        };
        self.now = self.now.max(due);
        let waiting = self
            .attempts
            .open
            .get(&key)
            .is_some_and(|attempt| matches!(attempt.stage, AttemptStage::Waiting(_)));
        if waiting && self.config.live_evidence {
            let until = self.now.saturating_add(ASKING);
            self.attempts.wait(key, AttemptStage::Asking(until));
            let netns = key.netns;
            for request in [
                EvidenceRequest::Sockets { netns },
                EvidenceRequest::Leases { netns },
                EvidenceRequest::Interfaces { netns },
            ] {
                self.outputs.push_back(Output::Request(request));
            }
        } else {
            self.conclude_attempt(key, false);
        }
    }

    /// The addresses of a namespace were looked at.
    pub(super) fn destinations_of_attempts(&mut self, netns: NetnsId) {
        for (key, attempt) in &mut self.attempts.open {
            if key.netns == netns {
                super::open::settle(&mut attempt.message, &self.host, self.now);
            }
        }
    }

    /// At the end: each attempt gets the verdict that can be given now.
    pub(super) fn judge_all_attempts(&mut self) {
        let mut open: Vec<(crate::release::ReleaseId, AttemptKey)> = self
            .attempts
            .open
            .iter()
            .map(|(key, attempt)| (attempt.message.id, *key))
            .collect();
        open.sort_unstable();
        for (_, key) in open {
            self.conclude_attempt(key, true);
        }
    }

    fn conclude_attempt(&mut self, key: AttemptKey, early: bool) {
        let Some(attempt) = self.attempts.remove(key) else {
            return;
        };
        self.attempts.judged.put(key, attempt.last_sent);
        let message = &attempt.message;
        let found = self.look_up(message);
        let database = found.database.and_then(|id| self.databases.get(id));
        let mut case = self.case(message, &found, database);
        let answered_through = attempt.replies.iter().find_map(|reply| reply.socket);
        if let Some(process) = answered_through.and_then(|socket| self.sockets.process(socket)) {
            // Whoever answered is the one that it was for.
            case.delivered.expected = Some(process.key.pid);
        }
        let trail = TrailKey::of(message.netns, &message.message).of_replies();
        let delivery = case.delivered.outcome();
        let judged = judge(&AttemptCase {
            attempt: &attempt,
            replies: self.trails.since(trail, message.seen),
            concern: self.concern(message, database),
            case: &case,
        });
        let server = Self::summary(&found);
        let (mut outcome, mut evidence, mut remedy) = judged;
        let undecided = attempt.replies.is_empty() && self.now < message.due;
        if early && undecided {
            let why = Err(Missing::Time);
            (outcome, evidence, remedy) = (Outcome::Unanswered { why }, Vec::new(), None);
        }
        let message = attempt.message;
        let verdict = Verdict {
            id: message.id.0,
            at: self.now.max(message.seen),
            seen: message.seen,
            message_type: MessageType::Request,
            state: Some(attempt.state),
            origin: message.origin,
            vlan: message.vlan,
            hardware_address: message.message.hardware_address,
            client_id: message.message.client_id,
            address: message.address,
            xid: message.message.xid,
            server_id: message.message.server_id,
            server,
            outcome,
            evidence,
            remedy,
            delivery,
            latency: self.now.since(message.seen),
            loss: self.lost_since(message.seen),
        };
        self.count_verdict(message.netns, &verdict, message.carrier.destination);
        self.outputs.push_back(Output::Verdict(Box::new(verdict)));
    }
}
