//! What the server in systemd-networkd checks of a RELEASE, and that it passes over each
//! DECLINE (libsystemd-network/sd-dhcp-server.c `dhcp_server_handle_message()`,
//! `ensure_sane_request()`, dhcp-option.c `dhcp_option_parse()`; read and tried in 252).
//!
//! It never looks at option 54 of a RELEASE, nor at option 50.

use super::rules::Rule;
use super::rules_client::{Client, unless_holder};
use super::rules_dnsmasq::client_address_missing;
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::decode::v4::Oddity;
use crate::message::ClientId;
use crate::verdict::GroundSource::{Packet, ServerProcess};

/// In its order.
pub(super) const RULES: &[Rule] = &[
    malformed,
    decline_unsupported,
    client_address_missing,
    client_mismatch,
];

/// 'op' is no BOOTREQUEST, or 'hlen' is more than 'chaddr' holds; without the cookie there are
/// no options (tried).
fn malformed(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    let says = if message.op != 1 {
        format!("'op' is {}, not 1 (BOOTREQUEST)", message.op)
    } else if message.hlen > 16 {
        format!("'hlen' is {}, 'chaddr' has room for 16", message.hlen)
    } else if message.oddities.contains(&Oddity::WrongCookie) {
        "the magic cookie is not 99.130.83.99".to_owned()
    } else {
        return None;
    };
    Some(Breach::new(Cause::Malformed, vec![ground(Packet, says)]))
}

/// A DECLINE is only logged, and the address may be offered again.
fn decline_unsupported(case: &Case<'_>) -> Option<Breach> {
    case.release.is_decline().then(|| {
        let says = "systemd-networkd only logs a DECLINE";
        let mut breach = Breach::new(Cause::DeclineUnsupported, vec![ground(ServerProcess, says)]);
        "Find the host that uses the address and take it off the network, or move systemd-networkd's pool away from it (PoolOffset=, PoolSize=): it will offer the address again."
            .clone_into(&mut breach.remedy);
        breach
    })
}

/// `bound_leases_by_client_id`, then `existing_lease->address != ciaddr`.
fn client_mismatch(case: &Case<'_>) -> Option<Breach> {
    if case.release.message.client_id.is_none() && !case.release.is_complete() {
        return None;
    }
    unless_holder(
        case,
        |sender, holder| key(sender) == key(holder),
        |address, holder| {
            format!(
                "systemd-networkd keys the lease of {address} on client-id {}: send that one.",
                key(holder)
            )
        },
    )
}

/// Where there is no client identifier, `ensure_sane_request()` puts one together.
fn key(client: Client<'_>) -> ClientId {
    client.client_id.cloned().unwrap_or_else(|| {
        let octets = client.hardware_address.as_bytes();
        ClientId::new(&[&[1], octets].concat())
    })
}
