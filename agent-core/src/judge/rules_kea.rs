//! Kea's own checks of a DHCPv4 RELEASE or DECLINE (dhcp4_srv.cc `accept()`,
//! `processRelease()`, `processDecline()`, lease.cc `belongsToClient()`; read in 2.2 and
//! 3.3, tried in 2.2).

use super::rules::Rule;
use super::rules_client::{Client, unless_holder};
use super::rules_dnsmasq::{client_address_missing, declined_address_missing};
use super::rules_isc::malformed;
use super::rules_kernel::destination_not_local;
use super::{Breach, Case, OwnId, ground};
use crate::binding::Granter;
use crate::cause::Cause;
use crate::delivery::Takes;
use crate::host::Locality;
use crate::message::ServerId;
use crate::sockets::Path;
use crate::verdict::GroundSource::{LocalAddresses, Packet, SocketInventory};
use std::net::Ipv4Addr;

/// In its order. Raw sockets too take only what is for one of its addresses: their filter
/// compares the destination (pkt_filter_lpf.cc).
pub(super) const RULES: &[Rule] = &[
    destination_not_local,
    destination_not_heard,
    malformed,
    server_id_not_own,
    client_address_missing,
    declined_address_missing,
    client_mismatch,
];

/// Another address of the host, or a directed broadcast: neither passes the filter of the raw
/// socket of an address, which lets 255.255.255.255 through beside its own.
fn destination_not_heard(case: &Case<'_>) -> Option<Breach> {
    let destination = case.release.carrier.destination;
    let heard = destination.is_broadcast() || listens_on(case, destination)?;
    if heard || case.delivered.path != Path::Frames {
        return None;
    }
    let says = format!("Kea has no socket on {destination}");
    Some(Breach::new(
        Cause::NoListener,
        vec![
            ground(Packet, format!("sent to {destination}")),
            ground(SocketInventory, says),
        ],
    ))
}

/// `acceptServerId()`: absent is well; else an address that Kea has a socket on (raw ones too
/// have a UDP socket beside them), an id that is configured, or the relay's override. What is
/// configured is not known here, so this is an explanation.
fn server_id_not_own(case: &Case<'_>) -> Option<Breach> {
    let named = case.release.message.server_id?;
    if goes_by(case, named) {
        return None;
    }
    let (cause, says) = match case.is_servers_host(named.0) {
        Locality::Local if listens_on(case, named.0)? => return None,
        Locality::Local => (
            Cause::ServerIdOtherLocalAddress,
            format!("{named} is an address of this host, and Kea has no socket on it"),
        ),
        Locality::Elsewhere | Locality::Unknown => (
            Cause::ServerIdForeign,
            format!("{named} is no address of this host"),
        ),
    };
    let grounds = vec![
        ground(Packet, format!("option 54 names {named}")),
        ground(LocalAddresses, says),
    ];
    let mut breach = Breach::new(cause, grounds).if_still_leased();
    if cause == Cause::ServerIdOtherLocalAddress {
        breach.remedy = format!(
            "Make the sender name the id of Kea's ACKs, or have Kea listen on {named} too (interfaces-config)."
        );
    }
    Some(breach)
}

/// Whether the process has a socket on an address; `None` if its sockets are not known.
fn listens_on(case: &Case<'_>, address: Ipv4Addr) -> Option<bool> {
    let pid = case.process?.pid;
    let mut own = case.delivered.sockets.of_process(case.delivered.netns, pid);
    let on = |takes: Takes| match takes {
        Takes::Udp { address } => Some(address),
        Takes::Frames => None,
    };
    let addresses: Vec<Ipv4Addr> = own.by_ref().filter_map(|socket| on(socket.takes)).collect();
    let all = addresses.contains(&Ipv4Addr::UNSPECIFIED);
    (!addresses.is_empty()).then(|| all || addresses.contains(&address))
}

/// Whether Kea itself was heard to use an id, or the message overrides it with this one.
fn goes_by(case: &Case<'_>, named: ServerId) -> bool {
    let own = matches!(case.own_id(), OwnId::Known(own, _) if own == named);
    own || case
        .ids
        .iter()
        .any(|id| id.server_id == named && id.granted_by == Granter::ThisHost)
}

/// `belongsToClient()`: equal client identifiers, or equal hardware addresses where
/// either side has no identifier. Its database has no type for hardware addresses.
fn client_mismatch(case: &Case<'_>) -> Option<Breach> {
    if case.release.message.client_id.is_none() && !case.release.is_complete() {
        return None;
    }
    unless_holder(case, belongs, |address, holder| match holder.client_id {
        Some(id) => format!(
            "Kea keys the lease of {address} on client-id {id}: send that one, or remove the lease with the command lease4-del."
        ),
        None => format!(
            "Kea found no client-id when it granted {address}, so it goes by the hardware address, {}: send that one, or remove the lease with the command lease4-del.",
            holder.hardware_address
        ),
    })
}

fn belongs(sender: Client<'_>, holder: Client<'_>) -> bool {
    match (sender.client_id, holder.client_id) {
        (Some(one), Some(other)) => one == other,
        _ => sender.hardware_address.as_bytes() == holder.hardware_address.as_bytes(),
    }
}
