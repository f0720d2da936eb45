//! What the replies to a REQUEST say: acknowledged, refused, both, or lost on the way.

use super::attempt_case::{AttemptCase, named};
use super::attempt_rules::{Found, Judgement};
use super::{Breach, ground};
use crate::attempt::{Reply, ReplyKind};
use crate::cause::Cause;
use crate::trail::What;
use crate::verdict::GroundSource::{Icmp, KernelDrop, Reply as ReplySeen};
use crate::verdict::{Certainty, ClientState, Ground, Outcome};
use std::time::Duration;

/// Messages that followed an ACK late before the ACKs count as lost: a client that sends
/// one message too many does no harm.
const UNHEEDED_SENDS: u32 = 2;

/// The verdict where a reply was seen.
pub(super) fn replied(case: &AttemptCase<'_>) -> Option<Judgement> {
    let attempt = case.attempt;
    let last = attempt.last_reply()?;
    let after = attempt.first_reply()?.since(attempt.seen);
    if let Some(judgement) = conflict(case, after) {
        return Some(judgement);
    }
    if last.kind == ReplyKind::Nak {
        let grounds = vec![seen(case, last)];
        return Some(refused(Cause::Refused, after, grounds));
    }
    let lost = [from_other_address, given_back, unheeded];
    if let Some(found) = lost.iter().find_map(|rule| rule(case, last)) {
        return Some(found.into());
    }
    Some(Judgement {
        outcome: Outcome::Answered { after },
        grounds: vec![seen(case, last)],
        remedy: None,
    })
}

/// An ACK from one server and a NAK from another.
fn conflict(case: &AttemptCase<'_>, after: Duration) -> Option<Judgement> {
    let of = |kind| {
        case.attempt
            .replies
            .iter()
            .filter(move |reply| reply.kind == kind)
    };
    let pairs = of(ReplyKind::Ack).flat_map(|ack| of(ReplyKind::Nak).map(move |nak| (ack, nak)));
    let differ = |(ack, nak): &(&Reply, &Reply)| match (ack.server_id, nak.server_id) {
        (Some(one), Some(other)) => one != other,
        _ => ack.source != nak.source,
    };
    let (ack, nak) = pairs.into_iter().find(differ)?;
    let grounds = vec![seen(case, nak), seen(case, ack)];
    Some(refused(Cause::ConflictingServers, after, grounds))
}

fn refused(cause: Cause, after: Duration, grounds: Vec<Ground>) -> Judgement {
    let Breach {
        grounds, remedy, ..
    } = Breach::new(cause, grounds);
    Judgement {
        outcome: Outcome::Refused { cause, after },
        grounds,
        remedy: Some(remedy),
    }
}

fn seen(case: &AttemptCase<'_>, reply: &Reply) -> Ground {
    let kind = match reply.kind {
        ReplyKind::Ack => "DHCPACK",
        ReplyKind::Nak => "DHCPNAK",
    };
    let mut says = match reply.server_id {
        Some(id) if id.0 == reply.source => format!("{kind} of server {id}"),
        Some(id) => format!("{kind} of server {id}, sent from {}", reply.source),
        None => format!("{kind} without a server id, sent from {}", reply.source),
    };
    if let Some(process) = reply.socket.and_then(|socket| case.sockets.process(socket)) {
        says = format!("{says} by {}", named(process));
    }
    if let Some(text) = &reply.text {
        says = format!("{says}: \"{text}\"");
    }
    ground(ReplySeen, says)
}

/// The client's own host sent the ACK back, which came from an address that the client
/// had not asked: a connected socket takes nothing from anybody else. RFC 2131 §4.1
/// allows such a source, so the address alone is no fault.
fn from_other_address(case: &AttemptCase<'_>, ack: &Reply) -> Option<Found> {
    let asked = case.attempt.carrier.destination;
    if case.attempt.key.state != ClientState::Renewing || ack.source == asked {
        return None;
    }
    let says = format!("asked at {asked}, answered from {}", ack.source);
    let grounds = vec![port_unreachable(case)?, ground(ReplySeen, says)];
    Some(Found::new(
        Cause::ReplyFromOtherAddress,
        Certainty::Observed,
        grounds,
    ))
}

/// The ACK came back as undeliverable, and the client asks on.
fn given_back(case: &AttemptCase<'_>, ack: &Reply) -> Option<Found> {
    let asks_on = case.attempt.unheeded > 0 || case.attempt.last_seen > ack.last;
    if !asks_on {
        return None;
    }
    let grounds = vec![port_unreachable(case)?, seen(case, ack), sends(case)];
    Some(Found::new(Cause::ReplyLost, Certainty::Observed, grounds))
}

/// "Port unreachable" from the client about a reply. A client that reads frames has no
/// socket, so that this alone proves nothing.
fn port_unreachable(case: &AttemptCase<'_>) -> Option<Ground> {
    let client = case.attempt.address;
    case.reply_steps.iter().find_map(|step| match step.what {
        What::Unreachable { what, from } if from == client && what == "port unreachable" => {
            let says = format!("{what}: {from} gave the reply back");
            Some(ground(Icmp, says))
        }
        _ => None,
    })
}

/// The client goes on asking as if there had been no ACK.
fn unheeded(case: &AttemptCase<'_>, ack: &Reply) -> Option<Found> {
    let unheeded = case.attempt.unheeded;
    let dropped = dropped_reply(case).filter(|_| unheeded > 0);
    if dropped.is_none() && unheeded < UNHEEDED_SENDS {
        return None;
    }
    let certainty = if dropped.is_some() {
        Certainty::Observed
    } else {
        Certainty::Inferred
    };
    let mut grounds: Vec<Ground> = dropped.into_iter().collect();
    grounds.push(seen(case, ack));
    grounds.push(sends(case));
    Some(Found::new(Cause::ReplyLost, certainty, grounds))
}

fn sends(case: &AttemptCase<'_>) -> Ground {
    let says = format!(
        "the client asked again after it had been answered ({} times)",
        case.attempt.unheeded.max(1)
    );
    ground(crate::verdict::GroundSource::Packet, says)
}

/// No reply was seen on an interface, but one was sent or dropped.
pub(super) fn lost(case: &AttemptCase<'_>) -> Option<Found> {
    if let Some(dropped) = dropped_reply(case) {
        let found = Found::new(Cause::ReplyLost, Certainty::Observed, vec![dropped]);
        return Some(found);
    }
    let socket = case.reply_steps.iter().find_map(|step| match step.what {
        What::Sent { socket, .. } => Some(socket),
        _ => None,
    })?;
    let who = case.sockets.process(socket);
    let who = who.map_or_else(|| "a process of this host".to_owned(), named);
    let says = format!("{who} sent a reply, which was not seen to leave");
    let grounds = vec![ground(crate::verdict::GroundSource::Delivery, says)];
    Some(Found::new(Cause::ReplyLost, Certainty::Inferred, grounds))
}

fn dropped_reply(case: &AttemptCase<'_>) -> Option<Ground> {
    case.reply_steps.iter().find_map(|step| match &step.what {
        What::Dropped { .. } => {
            let says = format!("the reply was {}", case.drop_says(&step.what));
            Some(ground(KernelDrop, says))
        }
        _ => None,
    })
}
