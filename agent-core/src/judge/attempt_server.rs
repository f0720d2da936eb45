//! Why a REQUEST that some socket was offered got no answer: the wrong process had it, or
//! the right one did not read it, did not want it, or knows no such lease.

use super::attempt_rules::{AttemptCase, Found, Reach, named};
use super::ground;
use super::profile::{Misplaced, Profile, UnknownLease};
use crate::cause::Cause;
use crate::database::Database;
use crate::delivery::{Device, ProcessFacts};
use crate::evidence::ServerKind;
use crate::frame::Fragment;
use crate::host::Locality;
use crate::sockets::Path;
use crate::verdict::GroundSource::{
    Delivery, LeaseDatabase, Packet, ServerProcess, SocketInventory,
};
use crate::verdict::{Certainty, ClientState};

/// A unicast goes to one socket; here to another process's than the one that granted the
/// lease. A server that reads frames has its own copy.
pub(super) fn wrong_daemon(case: &AttemptCase<'_>) -> Option<Found> {
    let granter = case.granter().filter(|_| !case.is_broadcast())?;
    let Reach::Others(others) = case.reach() else {
        return None;
    };
    if case.path() != Path::Udp {
        return None;
    }
    let binding = case.attempt.binding.as_ref()?;
    let says = format!("{} sent the last ACK for this lease", named(granter));
    let grounds = vec![case.handed_to(&others), ground(Delivery, says)];
    let mut found = Found::new(Cause::WrongDaemon, Certainty::Observed, grounds);
    let mut give = Vec::new();
    if let Some(name) = case.name(binding.interface) {
        give.push(format!("{} interface={name}", named(granter)));
    }
    give.extend(others.iter().filter_map(|other| {
        Some(format!(
            "{} interface={}",
            named(other),
            device_of(case, other)?
        ))
    }));
    if !give.is_empty() {
        let remedy = format!(
            "Give each daemon exactly one interface=…: {}.",
            give.join(", ")
        );
        let general = found.remedy.take().unwrap_or_default();
        found.remedy = Some(format!("{remedy} {general}").trim_end().to_owned());
    }
    Some(found)
}

fn device_of<'a>(case: &AttemptCase<'a>, process: &ProcessFacts) -> Option<&'a str> {
    let netns = case.attempt.key.netns;
    let sockets = case.sockets.of_process(netns, process.key.pid);
    let mut devices = sockets.filter_map(|socket| match socket.device? {
        Device::Interface(id) => case.name(id),
        Device::Gone => None,
    });
    devices.next()
}

/// What a server that reads frames does not see: loopback has none that it reads.
pub(super) fn discard_socket(case: &AttemptCase<'_>) -> Option<Found> {
    let looped = case.attempt.looped && case.path() == Path::Frames;
    let server = case.expected().filter(|_| looped)?;
    let says = format!(
        "{} reads frames, and it came over loopback only",
        named(server)
    );
    let mut grounds = vec![ground(SocketInventory, says)];
    let certainty = match case.reach() {
        Reach::Server => return None,
        Reach::Fallback => {
            grounds.insert(0, case.handed_to(&[server]));
            Certainty::Observed
        }
        _ => Certainty::Inferred,
    };
    Some(Found::new(Cause::DiscardSocket, certainty, grounds))
}

/// The kernel puts fragments together for UDP sockets only.
pub(super) fn fragmented(case: &AttemptCase<'_>) -> Option<Found> {
    let fragment = case.attempt.carrier.fragment == Fragment::First;
    let server = case
        .expected()
        .filter(|_| fragment && case.path() == Path::Frames)?;
    let says = format!("{} reads frames", named(server));
    let grounds = vec![
        ground(Packet, "it came in fragments"),
        ground(SocketInventory, says),
    ];
    Some(Found::new(Cause::Fragmented, Certainty::Inferred, grounds))
}

/// What was offered to the server still waits in its socket.
pub(super) fn not_reading(case: &AttemptCase<'_>) -> Option<Found> {
    let netns = case.attempt.key.netns;
    let after = case.sockets.taken(netns)? > case.attempt.seen;
    let server = case
        .expected()
        .filter(|_| after && case.reach() == Reach::Server)?;
    let waits = case.offered().find_map(|cookie| {
        let socket = case.sockets.open(netns, cookie)?;
        let own = socket.process.as_ref()?.key == server.key;
        case.sockets.unread(netns, cookie).filter(|_| own)
    })?;
    let says = format!("{waits} octets wait for {} to read them", named(server));
    let grounds = vec![ground(SocketInventory, says), case.handed_to(&[server])];
    Some(Found::new(
        Cause::SocketOverflow,
        Certainty::Observed,
        grounds,
    ))
}

/// A server that knows no lease of the client may keep silent (RFC 2131 §4.3.2). While it
/// is only choosing, the client has none.
pub(super) fn silent_for_unknown_lease(case: &AttemptCase<'_>) -> Option<Found> {
    let attempt = case.attempt;
    if attempt.key.state == ClientState::Selecting || attempt.address.is_unspecified() {
        return None;
    }
    if !matches!(case.reach(), Reach::Server | Reach::Somebody) {
        return None;
    }
    let acked = attempt.binding.as_ref().map(|binding| binding.acked);
    let up_to_date = |database: &&Database| {
        let read = database.last.map(|last| last.from);
        database.is_up() && read.is_some_and(|read| acked.is_none_or(|acked| acked < read))
    };
    let known = !case.databases.is_empty() && case.databases.iter().all(up_to_date);
    if !known || case.is_leased() {
        return None;
    }
    let says = format!(
        "no lease of {} for {}",
        attempt.address, attempt.key.hardware_address
    );
    let mut grounds = vec![ground(LeaseDatabase, says)];
    let offered = case.offered_to();
    if !offered.is_empty() {
        grounds.push(case.handed_to(&offered));
    }
    Some(Found::new(
        Cause::SilentForUnknownLease,
        Certainty::Observed,
        grounds,
    ))
}

/// RFC 2131 §4.3.2: neither option may be in a REQUEST that extends a lease. What comes of
/// it differs: dnsmasq does not mind, systemd-networkd keeps silent, Kea and udhcpd do unless
/// option 54 names them. Of a server that is not known either may be the cause.
pub(super) fn forbidden_options(case: &AttemptCase<'_>) -> Option<Found> {
    let message = &case.attempt.message;
    let reached = matches!(case.reach(), Reach::Server | Reach::Somebody);
    if !extends(case) || !reached {
        return None;
    }
    let extension = &Profile::of(case.kind).extension;
    let named = message.server_id.filter(|named| {
        silences(extension.server_id, || {
            case.locality(named.0) == Locality::Local || case.is_used(*named)
        })
    });
    let requested = message
        .requested_address
        .filter(|_| silences(extension.requested_address, || false));
    let says = match (requested, named) {
        (Some(_), Some(_)) => "options 50 and 54 beside 'ciaddr'".to_owned(),
        (Some(_), None) => "option 50 beside 'ciaddr'".to_owned(),
        (None, Some(named)) => format!("option 54, {named}, beside 'ciaddr'"),
        (None, None) => return None,
    };
    let mut grounds = vec![ground(Packet, says)];
    // What else was not seen does not matter: this server, which had it, never answers such.
    let known = case.kind != ServerKind::Unknown && case.reach() == Reach::Server;
    let certainty = match case.expected().filter(|_| known) {
        Some(server) => {
            grounds.push(case.handed_to(&[server]));
            Certainty::Observed
        }
        None => Certainty::Inferred,
    };
    Some(Found::new(Cause::ForbiddenOptions, certainty, grounds))
}

fn silences(option: Misplaced, is_own: impl FnOnce() -> bool) -> bool {
    match option {
        Misplaced::PassedOver => false,
        Misplaced::Silences | Misplaced::Unclear => true,
        Misplaced::SilencesUnlessOwn => !is_own(),
    }
}

fn extends(case: &AttemptCase<'_>) -> bool {
    matches!(
        case.attempt.key.state,
        ClientState::Renewing | ClientState::Rebinding
    )
}

/// A server of the kind that answers every REQUEST for a lease that it has, and is silent to
/// all others, had this one and was silent, and no database can be asked. It stands last: what
/// else could have silenced it has been looked at.
pub(super) fn silent_by_elimination(case: &AttemptCase<'_>) -> Option<Found> {
    let attempt = case.attempt;
    let silent = Profile::of(case.kind).extension.unknown_lease == UnknownLease::Silence;
    let asked = case.databases.iter().any(|database| database.is_up());
    let server = case
        .expected()
        .filter(|_| silent && !asked && extends(case) && case.reach() == Reach::Server)?;
    if attempt.message.hlen != 6 || case.should_be_leased() {
        return None;
    }
    let says = format!(
        "{} answers whoever has a lease, and was silent to {} for {}",
        named(server),
        attempt.key.hardware_address,
        attempt.address
    );
    let grounds = vec![ground(ServerProcess, says), case.handed_to(&[server])];
    Some(Found::new(
        Cause::SilentForUnknownLease,
        Certainty::Inferred,
        grounds,
    ))
}
