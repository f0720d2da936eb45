//! dnsmasq's own checks of a RELEASE or DECLINE, in its order (dhcp.c
//! `dhcp_packet()`, rfc2131.c `dhcp_reply()`, lease.c `lease_find_by_client()`;
//! read in 2.90).

use super::rules::Rule;
use super::rules_client::client_mismatch;
use super::rules_configuration as configuration;
use super::{Breach, Case, OwnId, ground};
use crate::cause::Cause;
use crate::decode::v4::Oddity;
use crate::host::Locality;
use crate::message::ServerId;
use crate::time::Timestamp;
use crate::verdict::Ground;
use crate::verdict::GroundSource::{AckHistory, LeaseDatabase, LocalAddresses, Packet};

/// In dnsmasq's order.
pub(super) const RULES: &[Rule] = &[
    configuration::interface_not_served,
    configuration::interface_relayed,
    malformed,
    configuration::proxy_dhcp_only,
    requested_address_in_release,
    client_address_missing,
    configuration::no_matching_range,
    no_matching_range,
    server_id_missing,
    server_id_override,
    server_id_mismatch,
    declined_address_missing,
    decline_on_other_subnet,
    client_mismatch,
    override_left_out,
];

/// `dhcp_reply()`: op, hlen, htype; the cookie is looked at only where option 53 is
/// found, which a RELEASE has by definition.
fn malformed(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    let says = if message.op != 1 {
        format!("'op' is {}, not 1 (BOOTREQUEST)", message.op)
    } else if message.hlen > 16 {
        format!("'hlen' is {}, 'chaddr' has room for 16", message.hlen)
    } else if message.hardware_address.kind == 0 && message.hlen != 0 {
        format!("'htype' is 0 with an address of {} octets", message.hlen)
    } else if message.oddities.contains(&Oddity::WrongCookie) {
        "the magic cookie is not 99.130.83.99".to_owned()
    } else {
        return None;
    };
    Some(Breach::new(Cause::Malformed, vec![ground(Packet, says)]))
}

/// `dhcp_reply()`: option 50 in anything overwrites 'ciaddr' with 0; a RELEASE is
/// then without an address.
fn requested_address_in_release(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    let requested = message
        .requested_address
        .filter(|_| !case.release.is_decline())?;
    let mut says = format!("option 50 names {requested}");
    if message.ciaddr.is_unspecified() {
        says.push_str(", and 'ciaddr' is 0.0.0.0");
    }
    Some(Breach::new(
        Cause::RequestedAddressInRelease,
        vec![ground(Packet, says)],
    ))
}

/// `narrow_context()` finds nothing for 0.0.0.0; no other server has a lease for it either.
pub(super) fn client_address_missing(case: &Case<'_>) -> Option<Breach> {
    (!case.release.is_decline() && case.release.message.ciaddr.is_unspecified()).then(|| {
        Breach::new(
            Cause::ClientAddressMissing,
            vec![ground(Packet, "'ciaddr' is 0.0.0.0")],
        )
    })
}

/// `narrow_context()`: no range covers the address. Ranges are not known here, so
/// only an address that is in no local subnet, that no relay speaks for and that
/// nobody ever leased is certain. DECLINE does not narrow.
fn no_matching_range(case: &Case<'_>) -> Option<Breach> {
    let release = case.release;
    let ciaddr = release.message.ciaddr;
    let direct = release.message.giaddr.is_unspecified();
    let known = case.lease.is_some()
        || release
            .binding
            .as_ref()
            .is_some_and(|_| release.address == ciaddr);
    let nothing_there = case.ids.is_empty() && case.lease.is_none() && !known;
    let read = case.database.filter(|database| database.is_up());
    // A lease next to it shows that there is a range: relayed subnets are no local ones.
    let neighbours = read.is_none_or(|database| database.serves(ciaddr));
    if release.is_decline()
        || !direct
        || !nothing_there
        || neighbours
        || case.released_before
        || !case.host.is_known(release.netns)
        || case.host.subnet_of(release.netns, ciaddr).is_some()
    {
        return None;
    }
    let grounds = vec![
        ground(
            LocalAddresses,
            format!("{ciaddr} is in no subnet of this host"),
        ),
        ground(LeaseDatabase, format!("{ciaddr} was never seen leased")),
    ];
    Some(Breach::new(Cause::NoMatchingRange, grounds))
}

/// `option_find(54, INADDRSZ)`: absent, or shorter than four octets.
pub(super) fn server_id_missing(case: &Case<'_>) -> Option<Breach> {
    let message = &case.release.message;
    if message.server_id.is_some() || !case.release.is_complete() {
        return None;
    }
    let short = message.oddities.contains(&Oddity::BadOptionLength);
    let says = if short {
        "option 54 is missing or too short"
    } else {
        "option 54 is missing"
    };
    Some(Breach::new(
        Cause::ServerIdMissing,
        vec![ground(Packet, says)],
    ))
}

/// `server_id()`: option 54 against the one id that the server has on this subnet.
pub(super) fn server_id_mismatch(case: &Case<'_>) -> Option<Breach> {
    let named = case.release.message.server_id?;
    match case.own_id() {
        OwnId::Known(own, how) if own != named => Some(mismatch(case, vec![how])),
        OwnId::Known(own, _) => id_moved_on(case, own),
        OwnId::Unknown => foreign_whatever_the_id(case),
    }
}

/// `--dhcp-proxy`, or option 82 sub-option 11 (RFC 5107): the ACK went through a relay and
/// named it. A message that names it without coming through it meets the server's own id.
fn server_id_override(case: &Case<'_>) -> Option<Breach> {
    let direct = case.release.message.giaddr.is_unspecified();
    lacks_override(case, "'giaddr' is 0.0.0.0, and there is no option 82").filter(|_| direct)
}

/// It does come through a relay, which did not put the sub-option in. With `--dhcp-proxy` that
/// is well, so this comes last.
fn override_left_out(case: &Case<'_>) -> Option<Breach> {
    lacks_override(case, "the relay agent put no sub-option 11 into option 82")
}

/// An explanation, no proof: what the server goes by where there is no override was not heard.
fn lacks_override(case: &Case<'_>, says: &str) -> Option<Breach> {
    let message = &case.release.message;
    let named = message.server_id?;
    let binding = case.release.binding.as_ref()?;
    let relays = binding.relayed && binding.server_id == named;
    let elsewhere = case.host.locality(case.release.netns, named.0) == Locality::Elsewhere;
    if message.server_id_override.is_some() || !relays || !elsewhere {
        return None;
    }
    let granted = format!("last ACK for this lease went through a relay agent and named {named}");
    let grounds = vec![
        ground(AckHistory, granted),
        ground(Packet, says),
        ground(
            LocalAddresses,
            format!("{named} is no address of this host"),
        ),
    ];
    Some(Breach::new(Cause::ServerIdOverride, grounds).if_still_leased())
}

/// DHCPDECLINE: unlike for a RELEASE, the context is not narrowed to the address's, so that
/// `server_id()` is that of the subnet that was linked last. Which one that is can't be told;
/// that the interface has several is an explanation.
fn decline_on_other_subnet(case: &Case<'_>) -> Option<Breach> {
    let release = case.release;
    let named = release.message.server_id.filter(|_| release.is_decline())?;
    let binding = release.binding.as_ref()?;
    if binding.server_id != named {
        return None;
    }
    let of_this_subnet = |id: ServerId| case.ids.iter().any(|used| used.server_id == id);
    let mut others = case.ids_of_this_host.iter().filter(|(interface, id)| {
        *interface == binding.interface && *id != named && !of_this_subnet(*id)
    });
    let (_, other) = others.next()?;
    let says = format!("the server goes by {other} on another subnet of the same interface");
    let grounds = vec![
        ground(
            Packet,
            format!("option 54 names {named}, as the ACK of this lease did"),
        ),
        ground(AckHistory, says),
    ];
    Some(Breach::new(Cause::DeclineOnOtherSubnet, grounds).if_still_leased())
}

/// The ACK of this lease agrees, but the server has since named another id on this
/// subnet: an address came or went. That explains a lease that stays.
fn id_moved_on(case: &Case<'_>, own: ServerId) -> Option<Breach> {
    // A relay's id is none that the server could have left.
    let binding = case.release.binding.as_ref().filter(|of| !of.relayed)?;
    let newest = case
        .current_id(binding.acked)
        .filter(|newest| *newest != own)?;
    let says = format!(
        "the server has named {newest} in its latest reply on this subnet, {own} when it granted this lease"
    );
    Some(mismatch(case, vec![ground(AckHistory, says)]).if_still_leased())
}

/// No id of the server is known, but option 54 can't be one: it is no address of the
/// host, and the packet came to the host all the same. An explanation, no proof: a
/// relay's id (RFC 5107) is no address of the host either.
fn foreign_whatever_the_id(case: &Case<'_>) -> Option<Breach> {
    let named = case.release.message.server_id?;
    let elsewhere = case.is_servers_host(named.0) == Locality::Elsewhere;
    let relayed = !case.release.message.giaddr.is_unspecified()
        || case
            .release
            .binding
            .as_ref()
            .is_some_and(|binding| binding.relayed);
    if !elsewhere || relayed {
        return None;
    }
    Some(mismatch(case, vec![]).if_still_leased())
}

fn mismatch(case: &Case<'_>, how: Vec<Ground>) -> Breach {
    let named = case
        .release
        .message
        .server_id
        .map_or(std::net::Ipv4Addr::UNSPECIFIED, |id| id.0);
    let mut grounds = vec![ground(Packet, format!("option 54 names {named}"))];
    grounds.extend(how);
    let cause = match case.is_servers_host(named) {
        Locality::Local => {
            let owner = case.host.owner_of(case.release.netns, named);
            let says = match owner {
                Some(owner) => format!("{named} is an address of {} on this host", owner.name),
                None => {
                    format!("{named} is an address of the server's host: its replies came from it")
                }
            };
            grounds.push(ground(LocalAddresses, says));
            Cause::ServerIdOtherLocalAddress
        }
        Locality::Elsewhere => {
            grounds.push(ground(
                LocalAddresses,
                format!("{named} is no address of this host"),
            ));
            Cause::ServerIdForeign
        }
        // decide() asks for the addresses before it uses this.
        Locality::Unknown => Cause::ServerIdForeign,
    };
    Breach::new(cause, grounds)
}

/// DHCPDECLINE: `option_find(50, INADDRSZ)` absent; ISC dhcpd and Kea give up there too.
pub(super) fn declined_address_missing(case: &Case<'_>) -> Option<Breach> {
    let absent = case.release.is_decline()
        && case.release.is_complete()
        && case.release.message.requested_address.is_none();
    absent.then(|| {
        Breach::new(
            Cause::DeclineUnsupported,
            vec![ground(Packet, "option 50 is missing")],
        )
    })
}

/// Whether a lease had run out by `at`.
pub(super) fn expired(expires: Option<Timestamp>, at: Timestamp) -> bool {
    expires.is_some_and(|expires| expires <= at)
}
