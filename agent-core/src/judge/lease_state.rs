//! What the database shows of one address, before and after one message.

use super::profile::Profile;
use super::rules_dnsmasq::expired;
use crate::binding::{Binding, Granter};
use crate::database::Database;
use crate::release::Release;
use crate::time::Timestamp;
use std::time::Duration;

/// An ACK this short before a message may not have shown in a reading yet.
const UNREAD_ACK: Duration = Duration::from_secs(2);

/// How far the end of a lease in the database may be from what the ACK said: times there
/// have whole seconds, and servers round.
const EXPIRY_TOLERANCE: Duration = Duration::from_secs(10);
const YEAR_2000: u64 = 946_684_800;

/// What became of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// No usable database.
    NoDatabase,
    /// A file that was named by hand, and that says otherwise than the server's own ACK.
    OfAnother {
        /// The difference.
        difference: Difference,
    },
    /// It was there, and is gone.
    Left {
        /// The end of the first reading without it.
        read: Timestamp,
        /// It had run out by then.
        expired: bool,
    },
    /// The server of this database granted it so short before the message that no
    /// reading had it, and it is not there.
    GrantedUnread {
        /// The end of the reading without it.
        read: Timestamp,
    },
    /// It was there, and another message has been credited with its end.
    TakenBy {
        /// That message's number.
        id: u64,
    },
    /// It is there.
    Held {
        /// The beginning of the newest reading.
        read: Timestamp,
        /// It was granted anew or extended after the message.
        disturbed: bool,
    },
    /// It was there neither before nor after.
    Absent,
    /// It is not there; whether it was there before is not known.
    AbsentBeforeUnknown,
    /// It is not there, but may have come and gone unseen: granted again after the
    /// message, or run out before the first reading.
    AbsentDisturbed,
    /// No reading began after the message.
    Stale {
        /// Whether the newest reading had the lease.
        held: bool,
    },
}

/// In what a database differs from an ACK that is older than its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The address is leased to another client.
    Client,
    /// The lease ends at another time.
    Expiry,
    /// It never had the lease.
    Never,
}

/// What is known besides the database's content.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The binding of the address as it stands now.
    pub binding_now: Option<&'a Binding>,
    /// An earlier message that was found honoured for the same address, with no ACK
    /// seen since.
    pub honoured_before: Option<u64>,
    /// The database's server is the only one of its namespace.
    pub sole_server: bool,
    /// The ACK of the address's binding was seen to leave through a socket of the
    /// database's server, as it runs now.
    pub granted_by_its_process: bool,
    /// There is one reading only, a snapshot of later: ACKs alone tell what was before.
    pub offline: bool,
}

/// Reads the state of `release`'s address out of `database`.
pub fn lease_state(
    release: &Release,
    database: Option<&Database>,
    context: Context<'_>,
) -> LeaseState {
    let usable = database.and_then(|database| database.last.map(|last| (database, last)));
    let Some((database, last)) = usable else {
        return LeaseState::NoDatabase;
    };
    let address = release.address;

    if let Some(difference) = contradiction(release, database, context) {
        return LeaseState::OfAnother { difference };
    }
    let claimant = release.claimant();
    if let Some(departed) = database.departed_by(address, claimant) {
        let read = departed.first_read_without;
        let mine = claimant.had(&departed.lease);
        let taken = departed
            .credited_to
            .filter(|credit| credit.id != claimant.id && (credit.of_its_client || !mine));
        match taken {
            None => {
                return LeaseState::Left {
                    read,
                    // Between the two readings, not ever: a clock that was set, or a dnsmasq
                    // that writes lengths instead of times, has expiries long past.
                    expired: expired(departed.lease.expires, read)
                        && !expired(departed.lease.expires, departed.last_read_with),
                };
            }
            Some(credit) if !release.was_granted_after(credit.seen) => {
                return LeaseState::TakenBy { id: credit.id };
            }
            // Granted anew before this message: what came of that grant is another matter.
            Some(_) => {}
        }
    }
    if let Some(present) = database.present(address) {
        if last.from < release.seen {
            return LeaseState::Stale { held: true };
        }
        if Profile::of(database.kind).books.records_times
            && expired(present.lease.expires, last.from)
        {
            // Its record stands until the server gets round to it.
            return if expired(present.lease.expires, release.seen) {
                LeaseState::Absent
            } else {
                LeaseState::AbsentDisturbed
            };
        }
        let appeared = database
            .first
            .is_none_or(|first| present.first_read_with > first.until);
        let changed = appeared || present.unchanged_since > present.first_read_with;
        let ack_before = context.binding_now.is_some_and(|binding| {
            binding.acked <= release.seen && release.seen.since(binding.acked) <= UNREAD_ACK
        });
        let acked_after = context
            .binding_now
            .is_some_and(|binding| binding.acked > release.seen);
        let changed_after = changed && present.unchanged_since > release.seen && !ack_before;
        return LeaseState::Held {
            read: last.from,
            disturbed: acked_after || changed_after,
        };
    }
    if last.from < release.seen {
        return LeaseState::Stale { held: false };
    }
    absent(release, database, context, last.until)
}

fn absent(
    release: &Release,
    database: &Database,
    context: Context<'_>,
    read: Timestamp,
) -> LeaseState {
    if let Some(id) = context.honoured_before {
        return LeaseState::TakenBy { id };
    }
    let read_before = database
        .first
        .is_some_and(|first| first.until <= release.seen);
    if let Some(binding) = context
        .binding_now
        .filter(|binding| binding.granted_by != Granter::OtherHost)
    {
        if binding.acked > release.seen || expired(binding.expires(), read) {
            return LeaseState::AbsentDisturbed;
        }
        if granted_unread(release, database, binding, context) {
            return LeaseState::GrantedUnread { read };
        }
        if release.seen.since(binding.acked) <= UNREAD_ACK || !read_before {
            return LeaseState::AbsentBeforeUnknown;
        }
        // It was in this database, and left before the message: its client was given
        // another address, or an operator removed it.
        let left_before = database
            .departed(release.address, binding.acked)
            .is_some_and(|departed| departed.first_read_without < release.seen);
        if left_before {
            return LeaseState::Absent;
        }
        // The server that granted it keeps its books elsewhere.
        return match database.id.server {
            None if !context.offline => LeaseState::OfAnother {
                difference: Difference::Never,
            },
            _ => LeaseState::NoDatabase,
        };
    }
    if read_before {
        LeaseState::Absent
    } else {
        LeaseState::AbsentBeforeUnknown
    }
}

/// How a file that no process is known to write contradicts the ACK that the server sent
/// before it was read: then it is another host's, or an old copy.
fn contradiction(
    release: &Release,
    database: &Database,
    context: Context<'_>,
) -> Option<Difference> {
    if context.offline || database.id.server.is_some() {
        return None;
    }
    let binding = context
        .binding_now
        .filter(|binding| binding.granted_by != Granter::OtherHost)?;
    let read = database.last?.from;
    let present = database.present(release.address)?;
    if read.since(binding.acked) < UNREAD_ACK {
        return None;
    }
    let lease = &present.lease;
    let known = !lease.hardware_address.as_bytes().is_empty();
    if known && lease.hardware_address != binding.hardware_address {
        return Some(Difference::Client);
    }
    let (recorded, granted) = (lease.expires?, binding.expires()?);
    // Earlier ones are lengths: a dnsmasq for hosts without a clock writes those.
    let is_time = recorded >= Timestamp::from_secs(YEAR_2000);
    let apart = recorded.since(granted).max(granted.since(recorded));
    (is_time && apart > EXPIRY_TOLERANCE).then_some(Difference::Expiry)
}

/// Whether the ACK stands in for a reading with the lease: it is a moment old, and the
/// database was there before it and is that of the server that sent it.
fn granted_unread(
    release: &Release,
    database: &Database,
    binding: &Binding,
    context: Context<'_>,
) -> bool {
    let first = database.first.map(|first| first.until);
    if context.offline {
        return first.is_some_and(|first| first > release.seen);
    }
    let read_before = first.is_some_and(|first| first <= binding.acked);
    let of_its_server = context.sole_server || database.vouches(binding.server_id);
    release.seen.since(binding.acked) <= UNREAD_ACK
        && (context.granted_by_its_process || read_before && of_its_server)
}
