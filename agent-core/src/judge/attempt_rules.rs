//! Why a REQUEST got no answer: small rules in the order in which a message meets what
//! they are about. Pure: all that they know is in the [`AttemptCase`].

pub use super::attempt_case::{AttemptCase, Reach, Whose, named};

use super::attempt_replies;
use super::{
    Breach, attempt_configuration, attempt_kernel as kernel, attempt_server as server, ground,
};
use crate::attempt::PassedOn;
use crate::cause::Cause;
use crate::host::Locality;
use crate::verdict::GroundSource::Packet;
use crate::verdict::{Certainty, Ground, Missing, Outcome};

/// A verdict, before it is put into its message's frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What.
    pub outcome: Outcome,
    /// Why.
    pub grounds: Vec<Ground>,
    /// What to do.
    pub remedy: Option<String>,
}

/// A cause that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub cause: Cause,
    /// How sure that is.
    pub certainty: Certainty,
    /// What shows it, strongest first.
    pub grounds: Vec<Ground>,
    /// What to do; `None` where nothing needs doing.
    pub remedy: Option<String>,
}

impl Found {
    /// With the cause's own remedy.
    pub fn new(cause: Cause, certainty: Certainty, grounds: Vec<Ground>) -> Self {
        let Breach {
            grounds, remedy, ..
        } = Breach::new(cause, grounds);
        Self {
            cause,
            certainty,
            grounds,
            remedy: cause.is_alarm().then_some(remedy),
        }
    }
}

impl From<Found> for Judgement {
    fn from(found: Found) -> Self {
        Self {
            outcome: Outcome::Unanswered {
                why: Ok((found.cause, found.certainty)),
            },
            grounds: found.grounds,
            remedy: found.remedy,
        }
    }
}

/// A rule: the cause, if it holds.
pub type AttemptRule = fn(&AttemptCase<'_>) -> Option<Found>;

/// Of a message that a server of this host has to answer, or a unicast of which that can't
/// be told.
const RULES: &[AttemptRule] = &[
    kernel::dropped_by_kernel,
    kernel::sent_back,
    kernel::frame_for_other_host,
    kernel::source_unspecified,
    kernel::destination_not_local,
    kernel::bad_udp_checksum,
    server::wrong_daemon,
    server::discard_socket,
    server::fragmented,
    server::not_reading,
    attempt_configuration::kept_out,
    server::silent_for_unknown_lease,
    server::forbidden_options,
    kernel::nobody_listens,
    server::silent_by_elimination,
];

/// The verdict. `over`: the server had its time; else the agent stops, or has no room.
pub fn judge(case: &AttemptCase<'_>, over: bool) -> Judgement {
    if let Some(judgement) = attempt_replies::replied(case) {
        return judgement;
    }
    if !over {
        return unanswered(Missing::Time, vec![]);
    }
    if let Some(lost) = attempt_replies::lost(case) {
        return unless_lost(case, lost);
    }
    if let Some(relayed) = interface_relayed(case) {
        return relayed.into();
    }
    if let Some(why) = attempt_configuration::none_of_ours(case) {
        return unanswered(Missing::Server, vec![why]);
    }
    match case.whose() {
        Whose::Theirs(certainty, says) => {
            return Found::new(Cause::LeaseOfOtherServer, certainty, vec![says]).into();
        }
        Whose::Unclear if case.is_broadcast() => {
            let says = "sent to all: nothing shows that a server of this host has to answer";
            return unanswered(Missing::Server, vec![ground(Packet, says)]);
        }
        Whose::Ours | Whose::Unclear => {}
    }
    match RULES.iter().find_map(|rule| rule(case)) {
        Some(found) => unless_lost(case, found),
        None => missing(case),
    }
}

/// Where samples were lost, what was not seen proves nothing.
fn unless_lost(case: &AttemptCase<'_>, found: Found) -> Judgement {
    if case.lost && found.certainty == Certainty::Inferred {
        return unanswered(Missing::Delivery, found.grounds);
    }
    found.into()
}

fn unanswered(missing: Missing, grounds: Vec<Ground>) -> Judgement {
    Judgement {
        outcome: Outcome::Unanswered { why: Err(missing) },
        grounds,
        remedy: None,
    }
}

fn missing(case: &AttemptCase<'_>) -> Judgement {
    let offered = case.offered_to();
    let handed = || {
        let handed = (!offered.is_empty()).then(|| case.handed_to(&offered));
        handed.into_iter().collect()
    };
    let destination = case.attempt.carrier.destination;
    if case.whose() == Whose::Unclear && case.locality(destination) == Locality::Elsewhere {
        let says = format!("sent to {destination}, no address of this host");
        return unanswered(Missing::Server, vec![ground(Packet, says)]);
    }
    match case.reach() {
        Reach::Server => unanswered(Missing::ServerConfiguration, handed()),
        Reach::Somebody | Reach::Others(_) => unanswered(Missing::Server, handed()),
        Reach::Fallback | Reach::Nobody => unanswered(Missing::Delivery, vec![]),
    }
}

/// A relay agent of this host handed it on: its server has to answer.
fn interface_relayed(case: &AttemptCase<'_>) -> Option<Found> {
    (case.attempt.passed_on == PassedOn::Relayed).then(|| {
        let says = "it left this host again, with an address of this host in 'giaddr'";
        let grounds = vec![ground(Packet, says)];
        Found::new(Cause::InterfaceRelayed, Certainty::Observed, grounds)
    })
}
