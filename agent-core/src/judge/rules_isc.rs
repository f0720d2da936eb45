//! ISC dhcpd's own checks of a RELEASE or DECLINE (server/dhcp.c `dhcprelease()`,
//! `dhcpdecline()`; read and tried in 4.4.3).
//!
//! It never looks at option 54, nor at the IP addresses of the packet, and option 50 in
//! a RELEASE is only logged. It knows a client by its hardware address.

use super::rules::Rule;
use super::rules_client::unless_holder;
use super::rules_dnsmasq::{client_address_missing, declined_address_missing};
use super::rules_kernel::bad_udp_checksum;
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::decode::v4::Oddity;
use crate::verdict::GroundSource::Packet;

/// In its order: common/packet.c `decode_udp_ip_header()` sums up what it reads raw.
pub(super) const RULES: &[Rule] = &[
    bad_udp_checksum,
    malformed,
    client_address_missing,
    declined_address_missing,
    client_mismatch,
];

/// common/discover.c `got_one()`: 'hlen' is more than 'chaddr' holds; common/options.c
/// `parse_options()`: without the cookie there are no options, so this is no RELEASE.
/// Kea (`Pkt4::unpack()`) refuses the same two.
pub(super) fn malformed(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    let says = if message.hlen > 16 {
        format!("'hlen' is {}, 'chaddr' has room for 16", message.hlen)
    } else if message.oddities.contains(&Oddity::WrongCookie) {
        "the magic cookie is not 99.130.83.99".to_owned()
    } else {
        return None;
    };
    Some(Breach::new(Cause::Malformed, vec![ground(Packet, says)]))
}

/// `dhcprelease()`: "If the hardware address doesn't match, don't do the release." The
/// client identifier only finds the lease that 'ciaddr' names anyway. A DECLINE is not
/// compared at all: dhcpd abandons the address that anybody declines (tried).
fn client_mismatch(case: &Case<'_>) -> Option<Breach> {
    if case.release.is_decline() {
        return None;
    }
    unless_holder(
        case,
        |sender, holder| sender.hardware_address == holder.hardware_address,
        |address, holder| {
            format!(
                "ISC dhcpd takes {address} back from {} only, whatever the client-id: send that hardware address, or remove the lease through omshell.",
                holder.hardware_address
            )
        },
    )
}
