//! Whose lease it is: who holds it, for all servers, and dnsmasq's
//! `lease_find_by_client()` (lease.c; read in 2.90), with what the sender can do where
//! the lease is not its own.

use super::{Breach, Case, ground};
use crate::binding::KnownClientId;
use crate::cause::Cause;
use crate::evidence::Lease;
use crate::message::{ClientId, HardwareAddress};
use crate::release::Release;
use crate::verdict::Ground;
use crate::verdict::GroundSource::{self, AckHistory, LeaseDatabase};
use std::net::Ipv4Addr;

/// A client as servers tell it from others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) hardware_address: HardwareAddress,
    pub(super) client_id: Option<&'a ClientId>,
}

impl std::fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.client_id {
            Some(id) => write!(f, "{} with client-id {id}", self.hardware_address),
            None => write!(f, "{} without client-id", self.hardware_address),
        }
    }
}

impl<'a> Client<'a> {
    /// The one that a message is from.
    fn of_message(release: &'a Release) -> Self {
        Self {
            hardware_address: release.message.hardware_address,
            client_id: release.message.client_id.as_ref(),
        }
    }

    fn of_lease(lease: &'a Lease) -> Self {
        Self {
            hardware_address: lease.hardware_address,
            client_id: lease.client_id.as_ref(),
        }
    }

    /// Whether dnsmasq takes a lease of `holder` for this client's: equal client identifiers, or equal
    /// hardware addresses where either side has no identifier.
    fn is(self, holder: Self) -> bool {
        if let (Some(one), Some(other)) = (self.client_id, holder.client_id) {
            return one.is_same_to_dnsmasq(other);
        }
        let octets = self.hardware_address.as_bytes();
        self.hardware_address == holder.hardware_address && !octets.is_empty()
    }
}

/// `lease_find_by_client()`, then `lease->addr == ciaddr`.
pub(super) fn client_mismatch(case: &Case<'_>) -> Option<Breach> {
    let release = case.release;
    if release.message.client_id.is_none() && !release.is_complete() {
        return None;
    }
    let named = Release::named_address(&release.message);
    let sender = Client::of_message(release);
    if let Some(lease) = case.lease.filter(|lease| lease.address == named) {
        let holder = Client::of_lease(lease);
        let (shown, own) = if sender.is(holder) {
            let id = sender.client_id?;
            let other = other_lease_goes_first(case, id, lease)?;
            let says = format!("client-id {id} holds {other}, not {named}");
            (ground(LeaseDatabase, says), Some(other))
        } else {
            (
                held_by_other(LeaseDatabase, named, holder, sender),
                own_address(case, sender, named),
            )
        };
        let mut breach = Breach::new(Cause::ClientMismatch, vec![shown]);
        breach.remedy = remedy(named, sender, holder, own);
        return Some(breach);
    }
    let holder = last_granted(case, named).filter(|holder| !sender.is(*holder))?;
    let shown = held_by_other(AckHistory, named, holder, sender);
    let mut breach = Breach::new(Cause::ClientMismatch, vec![shown]);
    breach.remedy = remedy(named, sender, holder, None);
    Some(breach)
}

/// Who holds the lease of `named`: by the database, or where there is none by the
/// transaction that granted it.
fn holder<'a>(case: &'a Case<'_>, named: Ipv4Addr) -> Option<(GroundSource, Client<'a>)> {
    match case.lease.filter(|lease| lease.address == named) {
        Some(lease) => Some((LeaseDatabase, Client::of_lease(lease))),
        None => Some((AckHistory, last_granted(case, named)?)),
    }
}

/// The breach where the sender is not who holds the lease of the address that it names, by a
/// server's own way to tell clients apart.
pub(super) fn unless_holder(
    case: &Case<'_>,
    is_holder: fn(Client<'_>, Client<'_>) -> bool,
    remedy: fn(Ipv4Addr, Client<'_>) -> String,
) -> Option<Breach> {
    let named = Release::named_address(&case.release.message);
    let sender = Client::of_message(case.release);
    let (source, holder) = holder(case, named)?;
    if is_holder(sender, holder) {
        return None;
    }
    let shown = held_by_other(source, named, holder, sender);
    let mut breach = Breach::new(Cause::ClientMismatch, vec![shown]);
    breach.remedy = remedy(named, holder);
    Some(breach)
}

/// Says that the lease is another client's.
fn held_by_other(
    source: GroundSource,
    named: Ipv4Addr,
    holder: Client<'_>,
    sender: Client<'_>,
) -> Ground {
    let says = match source {
        AckHistory => format!("the last ACK for {named} went to {holder}"),
        _ => format!("{named} is leased to {holder}"),
    };
    ground(source, format!("{says}; the message is from {sender}"))
}

/// Without a database the transaction that granted the lease tells who has it.
fn last_granted<'a>(case: &'a Case<'_>, named: Ipv4Addr) -> Option<Client<'a>> {
    let release = case.release;
    if case
        .database
        .is_some_and(|database| database.last.is_some())
    {
        return None;
    }
    let binding = release
        .binding
        .as_ref()
        .filter(|_| release.address == named)?;
    let KnownClientId::Seen(key) = &binding.client_id else {
        return None;
    };
    Some(Client {
        hardware_address: binding.hardware_address,
        client_id: key.as_ref(),
    })
}

/// What the sender must change, with the values to send.
fn remedy(
    named: Ipv4Addr,
    sender: Client<'_>,
    holder: Client<'_>,
    own: Option<Ipv4Addr>,
) -> String {
    if let Some(own) = own {
        return format!(
            "{named} is another client's. Make the sender name its own address, {own}; only {holder} can give {named} back."
        );
    }
    let mac = holder.hardware_address;
    let same_mac = sender.hardware_address == mac;
    match (sender.client_id, holder.client_id) {
        (_, Some(key)) if same_mac => format!(
            "The lease is keyed on client-id {key}: send that one (`dhcp_release IF {named} {mac} {key}`)."
        ),
        (Some(_), Some(key)) => format!(
            "{named} is another client's, and the sender has no lease: find out which of the two uses the address. Only client-id {key} can give it back (`dhcp_release IF {named} {mac} {key}`)."
        ),
        (None, Some(key)) => format!(
            "Send the hardware address that the lease has, {mac}, or its client-id {key} (`dhcp_release IF {named} {mac} {key}`)."
        ),
        (_, None) => format!(
            "The lease has no client-id, so it is found by its hardware address, {mac}: send that one (`dhcp_release IF {named} {mac}`)."
        ),
    }
}

/// The address of a lease that is the sender's own.
fn own_address(case: &Case<'_>, sender: Client<'_>, named: Ipv4Addr) -> Option<Ipv4Addr> {
    let own = case
        .database?
        .lease_of_client(sender.hardware_address, sender.client_id)?;
    Some(own.lease.address).filter(|own| *own != named)
}

/// The first pass of `lease_find_by_client()` finds another lease with the very
/// client identifier of the message; the one at 'ciaddr' is then never looked at.
fn other_lease_goes_first(
    case: &Case<'_>,
    client_id: &ClientId,
    lease: &Lease,
) -> Option<Ipv4Addr> {
    if lease.client_id.is_some() {
        return None;
    }
    let first = case
        .database?
        .lease_of_client(lease.hardware_address, Some(client_id))?;
    Some(first.lease.address).filter(|other| *other != lease.address)
}
