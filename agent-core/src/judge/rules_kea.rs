//! Kea's own checks of a DHCPv4 RELEASE or DECLINE (dhcp4_srv.cc `accept()`,
//! `processRelease()`, `processDecline()`, lease.cc `belongsToClient()`; read in 2.2 and
//! 3.3, tried in 2.2).

use super::rules::Rule;
use super::rules_client::{Client, held_by_other, holder};
use super::rules_dnsmasq::{client_address_missing, declined_address_missing};
use super::rules_isc::malformed;
use super::rules_kernel::destination_not_local;
use super::{Breach, Case, OwnId, ground};
use crate::binding::Granter;
use crate::cause::Cause;
use crate::host::Locality;
use crate::message::ServerId;
use crate::release::Release;
use crate::verdict::GroundSource::{LocalAddresses, Packet};

/// In its order. Raw sockets too take only what is for one of its addresses: their filter
/// compares the destination (pkt_filter_lpf.cc).
pub(super) const RULES: &[Rule] = &[
    destination_not_local,
    malformed,
    server_id_foreign,
    client_address_missing,
    declined_address_missing,
    client_mismatch,
];

/// `acceptServerId()`: absent is well; else an address that Kea has a socket on, an id
/// that is configured, or the relay's override. Which sockets it has is not known here,
/// so only what is no address of the host at all is an explanation.
fn server_id_foreign(case: &Case<'_>) -> Option<Breach> {
    let named = case.release.message.server_id?;
    if case.is_servers_host(named.0) == Locality::Local || goes_by(case, named) {
        return None;
    }
    let grounds = vec![
        ground(Packet, format!("option 54 names {}", named.0)),
        ground(
            LocalAddresses,
            format!("{} is no address of this host", named.0),
        ),
    ];
    Some(Breach::new(Cause::ServerIdForeign, grounds).if_still_leased())
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
    let release = case.release;
    if release.message.client_id.is_none() && !release.is_complete() {
        return None;
    }
    let named = Release::named_address(&release.message);
    let sender = Client::of_message(release);
    let (source, holder) = holder(case, named)?;
    let belongs = match (sender.client_id, holder.client_id) {
        (Some(one), Some(other)) => one == other,
        _ => sender.hardware_address.as_bytes() == holder.hardware_address.as_bytes(),
    };
    if belongs {
        return None;
    }
    let shown = held_by_other(source, named, holder, sender);
    let mut breach = Breach::new(Cause::ClientMismatch, vec![shown]);
    breach.remedy = match holder.client_id {
        Some(id) => format!(
            "Kea keys the lease of {named} on client-id {id}: send that one, or remove the lease with the command lease4-del."
        ),
        None => format!(
            "Kea found no client-id when it granted {named}, so it goes by the hardware address, {}: send that one, or remove the lease with the command lease4-del.",
            holder.hardware_address
        ),
    };
    Some(breach)
}
