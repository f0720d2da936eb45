//! Weighs what the database shows against what the rules say.

use super::delivered::Reached;
use super::lease_state::{Difference, LeaseState};
use super::profile::{IdCheck, Profile};
use super::{Breach, Case, OwnId, Strength, ground};
use crate::cause::Cause;
use crate::evidence::{DatabaseProblem, ServerKind};
use crate::host::Locality;
use crate::time::Timestamp;
use crate::verdict::GroundSource::{LeaseDatabase, Packet, ServerProcess};
use crate::verdict::{Certainty, Ground, Missing, Outcome};
use std::time::Duration;

/// When a decision is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Evidence came in; the server still has time.
    Early,
    /// The server had its time and nothing more is to be waited for.
    Last,
    /// The agent stops: say what can be said.
    Stopping,
}

/// Whether the message is for a server of this host at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// It is, or nothing says that it is not.
    Ours,
    /// It is on its way to another server.
    Theirs,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Not yet.
    Wait,
    /// The verdict.
    Now {
        /// What.
        outcome: Outcome,
        /// Why.
        grounds: Vec<Ground>,
        /// What to do.
        remedy: Option<String>,
    },
}

/// What the judge goes by, besides the case.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// What the database shows.
    pub state: LeaseState,
    /// When it is asked.
    pub phase: Phase,
    /// For whom the message is.
    pub concern: Concern,
    /// Another open message for the same address breaks no rule.
    pub rival: bool,
}

/// The verdict, or that it is too early for one.
pub fn decide(case: &Case<'_>, breach: Option<Breach>, circumstances: Circumstances) -> Decision {
    let Circumstances {
        state,
        phase,
        concern,
        rival,
    } = circumstances;
    let early = phase == Phase::Early;
    match state {
        LeaseState::Left {
            expired: false,
            read,
        } => match breach {
            None => honoured(case, read, None),
            Some(_) if early => Decision::Wait,
            Some(breach) if rival => ignored(breach, Certainty::Inferred, vec![]),
            Some(breach) => honoured(case, read, Some(&breach)),
        },
        LeaseState::GrantedUnread { read } if breach.is_none() => honoured(case, read, None),
        _ if early => Decision::Wait,
        _ if concern == Concern::Theirs => {
            let destination = case.release.carrier.destination;
            let says = format!(
                "sent to {destination}: no server of this host granted or holds this lease"
            );
            undetermined(Missing::Server, vec![ground(Packet, says)])
        }
        _ if case.kind == ServerKind::Unknown => for_an_unknown_server(case, breach),
        LeaseState::Left { expired: true, .. } | LeaseState::AbsentDisturbed => {
            let says = "the lease ran out or was granted anew before it could be seen to leave";
            inferred_or(
                breach,
                Missing::UndisturbedLease,
                ground(LeaseDatabase, says),
                case,
            )
        }
        LeaseState::Held {
            disturbed: true, ..
        } => {
            let says = "leased, but granted anew or extended after the message";
            inferred_or(
                breach,
                Missing::UndisturbedLease,
                ground(LeaseDatabase, says),
                case,
            )
        }
        LeaseState::Held {
            read,
            disturbed: false,
        } => held(case, breach, read, phase),
        LeaseState::TakenBy { id } => {
            let says = format!("message {id} had already ended the lease");
            absent(breach, ground(LeaseDatabase, says), case)
        }
        LeaseState::Absent => absent(
            breach,
            ground(LeaseDatabase, "not leased before the message, nor after"),
            case,
        ),
        LeaseState::AbsentBeforeUnknown | LeaseState::GrantedUnread { .. } => {
            let says = "not leased after the message; whether it was before was not seen";
            inferred_or(
                breach,
                Missing::LeaseHistory,
                ground(LeaseDatabase, says),
                case,
            )
        }
        LeaseState::Stale { held } => {
            let has = if held {
                "has the lease"
            } else {
                "does not have the lease"
            };
            let says = format!("the newest reading {has}, but is older than the message");
            inferred_or(
                breach,
                Missing::LeaseDatabase,
                ground(LeaseDatabase, says),
                case,
            )
        }
        LeaseState::OfAnother { difference } => of_another(case, breach, difference),
        LeaseState::NoDatabase => no_database(case, breach),
    }
}

/// A named file that contradicts the server's own ACK.
fn of_another(case: &Case<'_>, breach: Option<Breach>, difference: Difference) -> Decision {
    let differs = match difference {
        Difference::Client => "leases the address to another client than the server's ACK",
        Difference::Expiry => "says that the lease ends at another time than the server's ACK",
        Difference::Never => "never had the lease that the server's ACK granted",
    };
    let says = format!("the named file {differs}: it is not this server's database");
    let missing = Missing::DatabaseNotLive;
    // Nor can a rule rest on it.
    let breach = breach.filter(|breach| breach.cause != Cause::ClientMismatch);
    inferred_or(breach, missing, ground(LeaseDatabase, says), case)
}

fn no_database(case: &Case<'_>, breach: Option<Breach>) -> Decision {
    let unusable = case
        .database
        .and_then(|database| database.unusable.as_ref());
    let says = unusable.map_or_else(
        || "no lease database of the server was read".to_owned(),
        |unusable| unusable.reason.to_string(),
    );
    let missing = match unusable.map(|unusable| unusable.problem) {
        Some(DatabaseProblem::NotLive) => Missing::DatabaseNotLive,
        _ => Missing::LeaseDatabase,
    };
    inferred_or(breach, missing, ground(LeaseDatabase, says), case)
}

/// Whichever server it was for: if the kernel let it get to none, none honoured it.
fn for_an_unknown_server(case: &Case<'_>, breach: Option<Breach>) -> Decision {
    match breach {
        Some(breach) if breach.strength == Strength::Seen => {
            ignored(breach, Certainty::Observed, vec![])
        }
        _ => undetermined(Missing::Server, case.delivered.grounds()),
    }
}

fn held(case: &Case<'_>, breach: Option<Breach>, read: Timestamp, phase: Phase) -> Decision {
    let after = read.since(case.release.seen);
    let still = ground(
        LeaseDatabase,
        format!("still leased {} later", seconds(after)),
    );
    if read < case.release.due {
        let missing = if phase == Phase::Stopping {
            Missing::Time
        } else {
            Missing::LeaseDatabase
        };
        return inferred_or(breach, missing, still, case);
    }
    match breach {
        Some(breach) => match unclear_address(case, &breach) {
            Some(missing) => undetermined(missing, with(breach.grounds, still)),
            None => ignored(breach, Certainty::Observed, vec![still]),
        },
        None if has_one_id(case) && case.own_id() == OwnId::Unknown => {
            let mut grounds = vec![still];
            if let (Some(process), Some(binding)) = (case.process, case.release.binding.as_ref()) {
                let says = format!(
                    "pid {} was started after it granted this lease as {}; which id it uses now was not seen",
                    process.pid, binding.server_id
                );
                grounds.push(ground(ServerProcess, says));
            }
            undetermined(Missing::ServerId, grounds)
        }
        None => {
            let missing = match case.delivered.reached() {
                Reached::Expected => Missing::ServerConfiguration,
                _ => Missing::Delivery,
            };
            let mut grounds = vec![still, ground(Packet, "breaks no rule of the server")];
            grounds.extend(case.delivered.grounds());
            undetermined(missing, grounds)
        }
    }
}

fn has_one_id(case: &Case<'_>) -> bool {
    let ending = Profile::of(case.kind).ending(case.release.is_decline());
    ending.server_id == IdCheck::OneId
}

fn absent(breach: Option<Breach>, shown: Ground, case: &Case<'_>) -> Decision {
    match breach {
        Some(breach)
            if breach.strength != Strength::IfStillLeased
                && unclear_address(case, &breach).is_none() =>
        {
            ignored(breach, Certainty::Inferred, vec![shown])
        }
        _ => Decision::Now {
            outcome: Outcome::Ignored {
                cause: Cause::LeaseAbsent,
                certainty: Certainty::Observed,
            },
            grounds: vec![shown],
            remedy: None,
        },
    }
}

fn inferred_or(
    breach: Option<Breach>,
    missing: Missing,
    shown: Ground,
    case: &Case<'_>,
) -> Decision {
    match breach {
        Some(breach) => match unclear_address(case, &breach) {
            Some(missing) => undetermined(missing, with(breach.grounds, shown)),
            None if breach.strength == Strength::Seen => {
                ignored(breach, Certainty::Observed, vec![shown])
            }
            None if breach.strength == Strength::Alone => {
                ignored(breach, Certainty::Inferred, vec![shown])
            }
            None => undetermined(missing, vec![shown]),
        },
        None => undetermined(missing, vec![shown]),
    }
}

/// Whose id option 54 names can't be told without the host's addresses.
fn unclear_address(case: &Case<'_>, breach: &Breach) -> Option<Missing> {
    let about_id = matches!(
        breach.cause,
        Cause::ServerIdForeign | Cause::ServerIdOtherLocalAddress
    );
    let named = case.release.message.server_id.filter(|_| about_id)?;
    (case.is_servers_host(named.0) == Locality::Unknown).then_some(Missing::LocalAddresses)
}

fn honoured(case: &Case<'_>, read: Timestamp, breach: Option<&Breach>) -> Decision {
    let after = read.since(case.release.seen);
    let mut grounds = vec![ground(
        LeaseDatabase,
        format!("the lease was gone {} later", seconds(after)),
    )];
    if let Some(breach) = breach {
        let says = format!(
            "honoured although it looked like {}: the database decides",
            breach.cause.code()
        );
        grounds.push(ground(LeaseDatabase, says));
    }
    let keeps = Profile::of(case.kind).books.keeps;
    if let Some(keeps) = keeps.filter(|_| !case.release.is_decline()) {
        let code = Cause::KeptByPolicy.code();
        grounds.push(ground(LeaseDatabase, format!("{keeps} ({code})")));
    }
    Decision::Now {
        outcome: Outcome::Honoured,
        grounds,
        remedy: None,
    }
}

fn ignored(breach: Breach, certainty: Certainty, shown: Vec<Ground>) -> Decision {
    let outcome = Outcome::Ignored {
        cause: breach.cause,
        certainty,
    };
    let mut grounds = breach.grounds;
    grounds.extend(shown);
    Decision::Now {
        outcome,
        grounds,
        remedy: Some(breach.remedy),
    }
}

fn undetermined(missing: Missing, grounds: Vec<Ground>) -> Decision {
    Decision::Now {
        outcome: Outcome::Undetermined { missing },
        grounds,
        remedy: None,
    }
}

fn with(mut grounds: Vec<Ground>, one: Ground) -> Vec<Ground> {
    grounds.push(one);
    grounds
}

/// "0.9 s", "2.3 ms".
fn seconds(duration: Duration) -> String {
    if duration < Duration::from_millis(100) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}
