//! REQUESTs that dnsmasq's own configuration keeps from its leases.

use super::attempt_rules::{AttemptCase, Found, Reach};
use super::rules_configuration::{arrivals, not_served, proxied, without_range};
use crate::binding::Granter;
use crate::cause::Cause;
use crate::dnsmasq::{Fate, Model, NotServed};
use crate::host::Locality;
use crate::verdict::{Certainty, Ground};

/// What keeps the message out, and how that is known.
fn barred(case: &AttemptCase<'_>) -> Option<(Cause, Ground)> {
    let attempt = case.attempt;
    let arrivals = arrivals(
        case.host,
        attempt.key.netns,
        case.steps,
        &attempt.sightings,
        attempt.carrier.destination,
    );
    let message = &attempt.message;
    let (fate, interface) = case.configured?.fate(message, &arrivals, Model::request)?;
    match &fate {
        Fate::NoRange | Fate::NotServed(NotServed::NoRange) => {
            let why = without_range(interface, attempt.address);
            Some((Cause::NoMatchingRange, why))
        }
        fate => {
            let not_served =
                not_served(fate, interface).map(|why| (Cause::InterfaceNotServed, why));
            not_served.or_else(|| Some((Cause::ProxyDhcpOnly, proxied(fate, interface)?)))
        }
    }
}

/// Whether a server of this host has to do with it, whatever its configuration says: its
/// lease, or a message sent to it alone.
fn is_ours(case: &AttemptCase<'_>) -> bool {
    let attempt = case.attempt;
    let binding = attempt.binding.as_ref();
    let granted = binding.is_some_and(|binding| binding.granted_by == Granter::ThisHost);
    let to_us = case.locality(attempt.carrier.destination) == Locality::Local;
    granted || case.is_leased() || (to_us && !case.is_broadcast())
}

/// A client of somebody else's: it asks all, on an interface that nobody here serves.
pub(super) fn none_of_ours(case: &AttemptCase<'_>) -> Option<Ground> {
    if is_ours(case) || !case.is_broadcast() {
        return None;
    }
    barred(case).map(|(_, why)| why)
}

/// The server got it, and looks no further. That it was given to the server was seen, and
/// what it does then is certain: a lost sample changes nothing in that.
pub(super) fn kept_out(case: &AttemptCase<'_>) -> Option<Found> {
    if !is_ours(case) {
        return None;
    }
    let certainty = match case.reach() {
        Reach::Server => Certainty::Observed,
        Reach::Nobody => Certainty::Inferred,
        _ => return None,
    };
    let (cause, why) = barred(case)?;
    let mut grounds = vec![why];
    let offered = case.offered_to();
    if !offered.is_empty() {
        grounds.push(case.handed_to(&offered));
    }
    Some(Found::new(cause, certainty, grounds))
}
