//! A REQUEST is seen, sent again, answered, or left without an answer.

use super::attempt_table::Judged;
use super::{Engine, Output};
use crate::attempt::{
    Attempt, AttemptId, AttemptKey, PassedOn, Reply, ReplyKind, UNHEEDED, address_of, is_copy,
    state_of,
};
use crate::decode::v4::{Message4, Oddity};
use crate::delivery::SocketCookie;
use crate::evidence::EvidenceRequest;
use crate::exchange::ExchangeKey;
use crate::frame::{Datagram, PacketType};
use crate::host::Locality;
use crate::message::MessageType;
use crate::origin::{Direction, NetnsId, Origin};
use crate::release::{Carrier, Sighting};
use crate::time::Timestamp;
use crate::trail::TrailKey;
use std::net::Ipv4Addr;
use std::time::Duration;

/// After the first reply: another server's, an ICMP error about it, the kernel's word
/// that it was dropped, all come within milliseconds.
const SETTLE: Duration = Duration::from_millis(300);

/// Clients that get no answer send again within a minute, and then less often (RFC 2131
/// §4.4.5); some use one xid for all their renewals, the next of which comes later.
const SENT_AGAIN: Duration = Duration::from_mins(1);

/// What a message with a known key is.
enum Seen {
    /// A further copy.
    Copy,
    /// A new message of the same attempt, or of one that has its verdict.
    Again,
    /// The first of a new attempt; so many messages before it did not heed an ACK.
    First { unheeded: u32 },
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
        let carrier = Carrier {
            source,
            destination,
            destination_mac: datagram.destination_mac,
            packet_type: datagram.packet_type,
            checksum: datagram.checksum(),
            fragment: datagram.fragment,
        };
        if message.op != 1 || self.is_between_others(netns, &carrier) {
            return;
        }
        let broadcast = self.host.is_broadcast(netns, destination) || destination.is_multicast();
        let Some(state) = state_of(&message, broadcast) else {
            return self.request_without_address(origin, &message);
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
        match self.recognise(key, at, sighting) {
            Seen::Copy => {
                self.outputs.push_back(Output::Duplicate { origin });
                self.attempt_copy_seen(key, origin, sighting, carrier, &message);
            }
            Seen::Again => self.trails.start(TrailKey::of(netns, &message), at),
            // A client of this host, or on its way to another.
            Seen::First { .. } if origin.direction == Direction::Egress => {}
            Seen::First { unheeded } => {
                self.open_attempt(at, origin, datagram, key, carrier, message, unheeded);
            }
        }
    }

    /// Flooded or mirrored: neither the MAC nor the IP destination is ours.
    fn is_between_others(&self, netns: NetnsId, carrier: &Carrier) -> bool {
        let destination = carrier.destination;
        let foreign = self.host.locality(netns, destination) == Locality::Elsewhere
            && !self.host.is_broadcast(netns, destination)
            && !destination.is_multicast();
        let mac = carrier.destination_mac.filter(|mac| !mac.is_group());
        let passing = mac.map_or(carrier.packet_type == Some(PacketType::OtherHost), |mac| {
            self.host.mac_locality(netns, mac) == Locality::Elsewhere
        });
        foreign && passing
    }

    fn request_without_address(&mut self, origin: Origin, message: &Message4) {
        if origin.direction == Direction::Egress {
            return;
        }
        let cut = message.oddities.contains(&Oddity::Truncated);
        let reason = if cut {
            "cut_short"
        } else {
            "request_without_address"
        };
        self.outputs.push_back(Output::Malformed { origin, reason });
    }

    fn recognise(&mut self, key: AttemptKey, at: Timestamp, sighting: Sighting) -> Seen {
        let window = self.attempts.copy_window();
        let leaves = sighting.direction == Direction::Egress;
        let open = self.attempts.open(key);
        if let Some(open) = open.and_then(|id| self.attempts.get_mut(id)) {
            if is_copy(open.last_seen, &open.sightings, at, sighting, window) || leaves {
                return Seen::Copy;
            }
            open.sent_again(at, sighting);
            return Seen::Again;
        }
        let Some(judged) = self.attempts.recent(key) else {
            return Seen::First { unheeded: 0 };
        };
        if is_copy(judged.last_seen, &judged.sightings, at, sighting, window) {
            if !judged.sightings.contains(&sighting) {
                judged.sightings.push(sighting);
            }
            return Seen::Copy;
        }
        if leaves {
            return Seen::First { unheeded: 0 };
        }
        if judged.outcome.cause().is_some_and(is_refusal) {
            return Seen::First { unheeded: 0 };
        }
        match judged.acked {
            // Sent before the ACK could reach it.
            Some((acked, _)) if at.since(acked) <= UNHEEDED => {}
            Some((acked, quiet)) => {
                let unheeded = judged.unheeded.saturating_add(1);
                let heeded = at.since(acked) > quiet;
                return Seen::First {
                    unheeded: if heeded { 0 } else { unheeded },
                };
            }
            None if at.since(judged.last_seen) > SENT_AGAIN => {
                return Seen::First { unheeded: 0 };
            }
            None => {}
        }
        judged.last_seen = judged.last_seen.max(at);
        judged.sightings = smallvec::smallvec![sighting];
        Seen::Again
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    fn open_attempt(
        &mut self,
        at: Timestamp,
        origin: Origin,
        datagram: &Datagram<'_>,
        key: AttemptKey,
        carrier: Carrier,
        message: Message4,
        unheeded: u32,
    ) {
        if let Some(oldest) = self.attempts.overflow() {
            self.judge_attempt(oldest);
        }
        let id = AttemptId(self.pending.next_id());
        let netns = key.netns;
        self.trails.start(TrailKey::of(netns, &message), at);
        let address = address_of(&message);
        let binding = self.bindings.get(netns, address).cloned();
        let due = at.saturating_add(self.config.answer);
        // What the answer to the questions tells, if one is still missing by then.
        let ask = at.saturating_add(self.config.answer / 2);
        let sighting = Sighting {
            interface: origin.interface,
            direction: origin.direction,
        };
        self.attempts.insert(Attempt {
            id,
            key,
            seen: at,
            last_seen: at,
            sends: 1,
            unheeded,
            origin,
            vlan: datagram.vlan,
            message,
            carrier,
            sightings: smallvec::smallvec![sighting],
            looped: self.host.is_loopback(origin.interface),
            passed_on: PassedOn::No,
            address,
            binding,
            replies: smallvec::smallvec![],
            due,
            until: if self.config.live_evidence { ask } else { due },
        });
        self.outputs.push_back(Output::Opened {
            origin,
            message_type: MessageType::Request,
            state: Some(key.state),
        });
    }

    fn attempt_copy_seen(
        &mut self,
        key: AttemptKey,
        origin: Origin,
        sighting: Sighting,
        carrier: Carrier,
        message: &Message4,
    ) {
        let local_mac = carrier
            .destination_mac
            .is_some_and(|mac| self.host.mac_locality(key.netns, mac) == Locality::Local);
        let relayed = self.host.locality(key.netns, message.giaddr) == Locality::Local;
        let loopback = self.host.is_loopback(origin.interface);
        let id = self.attempts.open(key);
        let Some(attempt) = id.and_then(|id| self.attempts.get_mut(id)) else {
            return;
        };
        if !attempt.sightings.contains(&sighting) {
            attempt.sightings.push(sighting);
        }
        attempt.looped &= loopback;
        match origin.direction {
            Direction::Egress if loopback => {}
            Direction::Egress if relayed => attempt.passed_on = PassedOn::Relayed,
            Direction::Egress => attempt.passed_on = attempt.passed_on.max(PassedOn::Forwarded),
            Direction::Ingress => {
                if attempt.origin.direction != Direction::Ingress || local_mac {
                    // On a bridge the copy at the bridge's own interface is what the
                    // server gets.
                    attempt.carrier = carrier;
                }
            }
            Direction::Unknown => {}
        }
    }

    /// An ACK or NAK was seen.
    pub(super) fn reply_seen(
        &mut self,
        at: Timestamp,
        origin: Origin,
        source: Ipv4Addr,
        message: &Message4,
        socket: Option<SocketCookie>,
    ) {
        let kind = match message.message_type {
            // An ACK to an INFORM grants nothing (RFC 2131 §4.3.5).
            Some(MessageType::Ack) if !message.yiaddr.is_unspecified() => ReplyKind::Ack,
            Some(MessageType::Nak) => ReplyKind::Nak,
            _ => return,
        };
        let netns = self.host.netns_of(origin.interface);
        let exchange = ExchangeKey {
            netns,
            xid: message.xid,
            hardware_address: message.hardware_address,
        };
        for id in self.attempts.of(exchange) {
            let Some(attempt) = self.attempts.get_mut(id) else {
                continue;
            };
            let first = attempt.replies.is_empty();
            attempt.replied(Reply {
                kind,
                server_id: message.server_id,
                source,
                socket,
                text: message.error_text.clone(),
                first: at,
                last: at,
            });
            // One that did not heed an ACK is watched to the end.
            let until = if attempt.unheeded > 0 {
                attempt.due.max(at.saturating_add(SETTLE))
            } else {
                at.saturating_add(SETTLE)
            };
            if first {
                self.attempts.wait(id, until);
            }
        }
    }

    /// The time of an attempt has come: to ask, or to be judged.
    pub(super) fn attempt_due(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get(id) else {
            return;
        };
        let (netns, due) = (attempt.key.netns, attempt.due);
        if !attempt.replies.is_empty() || attempt.until >= due {
            return self.judge_attempt(id);
        }
        self.attempts.wait(id, due);
        for request in [
            EvidenceRequest::Leases { netns },
            EvidenceRequest::Interfaces { netns },
            EvidenceRequest::Servers { netns },
            EvidenceRequest::Sockets { netns },
        ] {
            self.outputs.push_back(Output::Request(request));
        }
    }

    /// Judges every attempt that is open.
    pub(super) fn judge_open_attempts(&mut self) {
        for id in self.attempts.ids() {
            self.judge_attempt(id);
        }
    }

    /// How an attempt is remembered.
    pub(super) fn as_judged(&self, attempt: &Attempt, outcome: crate::verdict::Outcome) -> Judged {
        let ack = attempt
            .replies
            .iter()
            .filter(|reply| reply.kind == ReplyKind::Ack);
        let acked = ack.map(|ack| ack.last).max();
        // Half the time to the renewal, so that this one is not taken for another try.
        let renewal = self
            .bindings
            .get(attempt.key.netns, attempt.address)
            .and_then(|binding| Some(binding.t1()?.since(binding.acked) / 2));
        let quiet = renewal.map_or(SENT_AGAIN, |renewal| renewal.min(SENT_AGAIN));
        Judged {
            last_seen: attempt.last_seen,
            sightings: attempt.sightings.clone(),
            outcome,
            acked: acked.map(|acked| (acked, quiet)),
            unheeded: attempt.unheeded,
        }
    }
}

const fn is_refusal(cause: crate::cause::Cause) -> bool {
    use crate::cause::Cause;
    matches!(cause, Cause::Refused | Cause::ConflictingServers)
}
