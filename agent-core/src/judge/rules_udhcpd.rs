//! udhcpd's own checks of a RELEASE or DECLINE (busybox networking/udhcp/dhcpd.c
//! `udhcpd_main()`, packet.c `udhcp_recv_kernel_packet()`; read and tried in 1.35).
//!
//! It has one id, and any message that names another is dropped before all else. It knows
//! a client by its hardware address alone. A static lease is none that could be given back.

use super::rules::Rule;
use super::rules_client::unless_holder;
use super::rules_dnsmasq::{
    client_address_missing, declined_address_missing, server_id_mismatch, server_id_missing,
};
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::decode::v4::Oddity;
use crate::verdict::GroundSource::Packet;

/// In its order.
pub(super) const RULES: &[Rule] = &[
    malformed,
    server_id_mismatch,
    server_id_missing,
    client_address_missing,
    declined_address_missing,
    client_mismatch,
];

/// "packet with bad magic", "MAC length != 6", "not a REQUEST".
fn malformed(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    let says = if message.oddities.contains(&Oddity::WrongCookie) {
        "the magic cookie is not 99.130.83.99".to_owned()
    } else if message.hlen != 6 {
        format!("'hlen' is {}, not 6", message.hlen)
    } else if message.op != 1 {
        format!("'op' is {}, not 1 (BOOTREQUEST)", message.op)
    } else {
        return None;
    };
    Some(Breach::new(Cause::Malformed, vec![ground(Packet, says)]))
}

/// `find_lease_by_mac()`, then its address: the client identifier is not looked at.
fn client_mismatch(case: &Case<'_>) -> Option<Breach> {
    unless_holder(
        case,
        |sender, holder| sender.hardware_address.as_bytes() == holder.hardware_address.as_bytes(),
        |address, holder| {
            format!(
                "udhcpd takes {address} back from {} only, whatever the client-id: send that hardware address.",
                holder.hardware_address
            )
        },
    )
}
