//! Whether a REQUEST was answered, and if not, why not.
//!
//! The replies decide whether; the rules on the way, which are those of every message,
//! and what is said here decide why.

use super::decide::Concern;
use super::delivered::Reached;
use super::{Breach, Case, Strength, ground, rules};
use crate::attempt::{Answer, Attempt, Reply, forbidden_option};
use crate::binding::Granter;
use crate::cause::Cause;
use crate::evidence::ServerKind;
use crate::frame::{Fragment, UdpChecksum};
use crate::sockets::Path;
use crate::trail::{Step, What};
use crate::verdict::GroundSource::{
    AckHistory, Icmp, KernelDrop, LeaseDatabase, Packet, Reply as ReplySource, SocketInventory,
};
use crate::verdict::{Certainty, ClientState, Ground, Missing, Outcome};

/// Everything that an attempt is judged by.
#[derive(Debug)]
pub struct AttemptCase<'a> {
    /// The attempt.
    pub attempt: &'a Attempt,
    /// What the kernel did with its replies.
    pub replies: Vec<&'a Step>,
    /// Whether it is for a server of this host.
    pub concern: Concern,
    /// Its first message, as the rules for all messages see it.
    pub case: &'a Case<'a>,
}

/// The verdict proper, its grounds, and what to do.
pub type Judged = (Outcome, Vec<Ground>, Option<String>);

/// Judges an attempt whose time is over.
pub fn judge(case: &AttemptCase<'_>) -> Judged {
    match case.attempt.replies.as_slice() {
        [] => unanswered(case),
        replies => answered(case, replies),
    }
}

fn answered(case: &AttemptCase<'_>, replies: &[Reply]) -> Judged {
    let first = replies.iter().map(|reply| reply.at).min();
    let sent = case.attempt.message.seen;
    let after = first.map_or_else(Default::default, |first| first.since(sent));
    let grounds: Vec<Ground> = replies.iter().map(said).collect();
    let is = |answer| move |reply: &&Reply| reply.answer == answer;
    let ack = replies.iter().rfind(is(Answer::Ack));
    let nak = replies.iter().rfind(is(Answer::Nak));
    match (ack, nak) {
        (Some(ack), Some(nak)) if ack.server_id != nak.server_id => {
            refused(Cause::ConflictingServers, after, grounds)
        }
        (Some(ack), None) => did_not_find_its_client(case, ack).unwrap_or((
            Outcome::Answered { after },
            grounds,
            None,
        )),
        (Some(ack), Some(nak)) if ack.at > nak.at => (Outcome::Answered { after }, grounds, None),
        _ => refused(Cause::Refused, after, grounds),
    }
}

fn refused(cause: Cause, after: std::time::Duration, grounds: Vec<Ground>) -> Judged {
    let remedy = Breach::new(cause, vec![]).remedy;
    (Outcome::Refused { cause, after }, grounds, Some(remedy))
}

/// `DHCPNAK as 172.29.101.1 from 172.29.101.1: "lease not found"`
fn said(reply: &Reply) -> Ground {
    let mut says = reply.answer.as_str().to_owned();
    if let Some(id) = reply.server_id {
        says.push_str(&format!(" as {id}"));
    }
    says.push_str(&format!(" from {}", reply.source));
    if let Some(text) = &reply.text {
        says.push_str(&format!(": \"{text}\""));
    }
    ground(ReplySource, says)
}

/// RFC 2131 §4.1 lets a server answer from any of its addresses; a client that asked
/// through a connected socket does not hear it, and its host says so.
fn did_not_find_its_client(case: &AttemptCase<'_>, ack: &Reply) -> Option<Judged> {
    let asked = case.attempt.message.carrier.destination;
    if asked == ack.source || case.attempt.state != ClientState::Renewing {
        return None;
    }
    let (what, from) = case.replies.iter().find_map(|step| match &step.what {
        What::Unreachable { what, from } => Some((what, from)),
        _ => None,
    })?;
    let grounds = vec![
        ground(Packet, format!("sent to {asked}")),
        said(ack),
        ground(Icmp, format!("{from} answered \"{what}\" to it")),
    ];
    Some(because(
        Breach::new(Cause::ReplyFromOtherAddress, grounds).seen(),
    ))
}

fn unanswered(case: &AttemptCase<'_>) -> Judged {
    let rules = [
        reply_lost,
        relayed,
        of_another_server,
        on_the_way,
        nobody_listens,
        fragmented,
        bad_checksum,
        not_reading,
        unknown_lease,
        forbidden_options,
    ];
    match rules.into_iter().find_map(|rule| rule(case)) {
        Some(breach) => because(breach),
        None => undecided(case),
    }
}

fn because(breach: Breach) -> Judged {
    let certainty = match breach.strength {
        Strength::Seen => Certainty::Observed,
        Strength::Alone | Strength::IfStillLeased => Certainty::Inferred,
    };
    let why = Ok((breach.cause, certainty));
    let remedy = breach.cause.is_alarm().then_some(breach.remedy);
    (Outcome::Unanswered { why }, breach.grounds, remedy)
}

fn undecided(case: &AttemptCase<'_>) -> Judged {
    let missing = match (case.concern, case.case.delivered.reached()) {
        (Concern::Theirs, _) => Missing::Server,
        (_, Reached::Expected) => Missing::ServerConfiguration,
        _ if case.case.kind == ServerKind::Unknown && case.case.process.is_none() => {
            Missing::Server
        }
        _ => Missing::Delivery,
    };
    let grounds = case.case.delivered.grounds();
    let why = Err(missing);
    (Outcome::Unanswered { why }, grounds, None)
}

/// A reply was sent and is on no interface.
fn reply_lost(case: &AttemptCase<'_>) -> Option<Breach> {
    let delivered = &case.case.delivered;
    let mut grounds = Vec::new();
    for step in &case.replies {
        match &step.what {
            What::Dropped { reason, place, .. } => {
                let place = place.as_deref().unwrap_or("the kernel");
                let says = format!("the reply was dropped: {reason} in {place}");
                grounds.push(ground(KernelDrop, says));
            }
            What::Sent { socket, .. } => {
                let says = format!("{} sent a reply", delivered.holder(*socket));
                grounds.push(ground(ReplySource, says));
            }
            _ => {}
        }
    }
    grounds.dedup();
    (!grounds.is_empty()).then(|| Breach::new(Cause::ReplyLost, grounds).seen())
}

fn relayed(case: &AttemptCase<'_>) -> Option<Breach> {
    let relay = case.attempt.relayed_by?;
    let says = format!("passed on to another server by the relay agent at {relay}");
    Some(Breach::new(Cause::InterfaceRelayed, vec![ground(Packet, says)]).seen())
}

/// Whoever hears a broadcast need not be whom it is for.
fn of_another_server(case: &AttemptCase<'_>) -> Option<Breach> {
    let message = &case.attempt.message;
    let broadcast = case
        .case
        .host
        .is_broadcast(message.netns, message.carrier.destination);
    if !broadcast {
        return None;
    }
    let named = message.message.server_id.filter(|id| {
        use crate::host::Locality;
        case.attempt.state == ClientState::Selecting
            && case.case.is_servers_host(id.0) == Locality::Elsewhere
    });
    let granted = message
        .binding
        .as_ref()
        .filter(|binding| binding.granted_by == Granter::OtherHost);
    let says = match (named, granted) {
        (Some(id), _) => ground(Packet, format!("option 54 names {id}, another server")),
        (None, Some(binding)) => {
            let says = format!(
                "the lease was granted by another server, {}",
                binding.server_id
            );
            ground(AckHistory, says)
        }
        (None, None) => return None,
    };
    Some(Breach::new(Cause::LeaseOfOtherServer, vec![says]))
}

/// What keeps any message from its server. An address that is not ours is another
/// matter where the client should have asked another one anyway.
fn on_the_way(case: &AttemptCase<'_>) -> Option<Breach> {
    let mut breach = rules::on_the_way(case.case)?;
    if breach.cause == Cause::DestinationNotLocal {
        let message = &case.attempt.message;
        let asked = message.carrier.destination;
        let binding = message.binding.as_ref();
        if let Some(binding) = binding.filter(|binding| binding.server_id.0 != asked) {
            let says = format!("the last ACK for this lease named {}", binding.server_id);
            let mut grounds = std::mem::take(&mut breach.grounds);
            grounds.push(ground(AckHistory, says));
            let strength = breach.strength;
            breach = Breach::new(Cause::AskedWrongServer, grounds);
            breach.strength = strength;
        } else if case.concern == Concern::Theirs {
            return None;
        }
    }
    Some(breach)
}

/// Nobody holds the port, and nothing was seen to be offered or dropped.
fn nobody_listens(case: &AttemptCase<'_>) -> Option<Breach> {
    let delivered = &case.case.delivered;
    let all_seen = delivered.sources.deliveries.is_on() && delivered.sources.sockets.is_on();
    let survey = delivered.sockets.survey(delivered.netns)?;
    let looked = survey.taken >= case.attempt.message.due;
    let granted_here = case
        .attempt
        .message
        .binding
        .as_ref()
        .is_some_and(|binding| binding.granted_by == Granter::ThisHost);
    if !all_seen || !looked || !survey.sockets.is_empty() || !granted_here {
        return None;
    }
    let mut grounds = vec![ground(SocketInventory, "nobody listens on port 67")];
    grounds.extend(delivered.grounds());
    Some(Breach::new(Cause::NoListener, grounds).seen())
}

fn fragmented(case: &AttemptCase<'_>) -> Option<Breach> {
    let first = case.attempt.message.carrier.fragment == Fragment::First;
    (first && case.case.delivered.path == Path::Frames).then(|| {
        let says = "only the first of several IP fragments looks like DHCP";
        Breach::new(Cause::Fragmented, vec![ground(Packet, says)])
    })
}

/// ISC dhcpd looks at the sum itself (common/packet.c `decode_udp_ip_header()`); Kea,
/// when it reads frames, does not.
fn bad_checksum(case: &AttemptCase<'_>) -> Option<Breach> {
    let bad = case.attempt.message.carrier.checksum == UdpChecksum::Bad;
    (bad && case.case.kind == ServerKind::IscDhcpd).then(|| {
        let says = "the UDP checksum does not fit the datagram";
        Breach::new(Cause::BadUdpChecksum, vec![ground(Packet, says)])
    })
}

/// It lies in the server's socket.
fn not_reading(case: &AttemptCase<'_>) -> Option<Breach> {
    let delivered = &case.case.delivered;
    let waiting = delivered.unread_since(case.attempt.message.due)?;
    let says = format!("{waiting} octets wait in the server's socket to be read");
    let mut grounds = vec![ground(SocketInventory, says)];
    grounds.extend(delivered.grounds());
    Some(Breach::new(Cause::SocketOverflow, grounds).seen())
}

/// Servers are silent about leases that they do not know: all of them to a broadcast
/// (RFC 2131 §4.3.2), all but dnsmasq to a unicast too.
fn unknown_lease(case: &AttemptCase<'_>) -> Option<Breach> {
    let message = &case.attempt.message;
    let extends = !matches!(case.attempt.state, ClientState::Selecting);
    let silent =
        case.attempt.state != ClientState::Renewing || case.case.kind != ServerKind::Dnsmasq;
    let database = case.case.database.filter(|database| database.is_up())?;
    let read_after = database.last.is_some_and(|last| last.from >= message.seen);
    let reached = case.case.delivered.reached() == Reached::Expected;
    if !extends || !silent || !read_after || !reached {
        return None;
    }
    if database.present(message.address).is_some() {
        return None;
    }
    let says = format!("{} is not leased", message.address);
    let mut grounds = vec![ground(LeaseDatabase, says)];
    grounds.extend(case.case.delivered.grounds());
    Some(Breach::new(Cause::SilentForUnknownLease, grounds).seen())
}

/// dnsmasq tolerates them; some other servers take the client for one in another state.
fn forbidden_options(case: &AttemptCase<'_>) -> Option<Breach> {
    let option = forbidden_option(case.attempt.state, &case.attempt.message.message)?;
    if case.case.kind == ServerKind::Dnsmasq {
        return None;
    }
    let says = format!("option {option} in a REQUEST that extends a lease");
    let mut grounds = vec![ground(Packet, says)];
    grounds.extend(case.case.delivered.grounds());
    Some(Breach::new(Cause::ForbiddenOptions, grounds))
}
