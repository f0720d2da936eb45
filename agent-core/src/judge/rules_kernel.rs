//! What the kernel drops on the way to a server's UDP socket. As a list, none of this
//! holds for a server that reads raw frames; one that looks at the same things by itself
//! names the single rule among its own.

use super::delivered::Reached;
use super::rules::Rule;
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::frame::UdpChecksum;
use crate::host::Locality;
use crate::verdict::GroundSource::{LocalAddresses, Packet};

/// In the order of the kernel's receive path: ip_rcv, routing, UDP.
pub(super) const UDP_SOCKET: &[Rule] = &[
    frame_for_other_host,
    source_unspecified,
    destination_not_local,
    bad_udp_checksum,
];

/// [`Carrier::is_for_other_host`](crate::release::Carrier::is_for_other_host)
fn frame_for_other_host(case: &Case<'_>) -> Option<Breach> {
    let carrier = &case.release.carrier;
    let netns = case.release.netns;
    let looped = case.host.is_loopback(case.release.origin.interface);
    let elsewhere = case.host.locality(netns, carrier.destination) == Locality::Elsewhere;
    if arrived(case) || elsewhere || !carrier.is_for_other_host(case.host, netns, looped) {
        return None;
    }
    let mac = carrier.destination_mac.filter(|mac| !mac.is_group());
    let says = match mac {
        Some(mac) => format!("the frame to {} is addressed to {mac}", carrier.destination),
        None => format!(
            "the frame to {} is addressed to another host",
            carrier.destination
        ),
    };
    let mut grounds = vec![ground(Packet, says)];
    let owner = case.host.owner_of(netns, carrier.destination);
    if let Some((owner, own)) = owner.and_then(|owner| owner.mac.map(|mac| (owner, mac))) {
        grounds.push(ground(
            LocalAddresses,
            format!(
                "{} has {} and the MAC {own}",
                owner.name, carrier.destination
            ),
        ));
    }
    Some(Breach::new(Cause::FrameForOtherHost, grounds))
}

/// [`Carrier::has_martian_source`](crate::release::Carrier::has_martian_source)
fn source_unspecified(case: &Case<'_>) -> Option<Breach> {
    let carrier = &case.release.carrier;
    (!arrived(case) && carrier.has_martian_source()).then(|| {
        let says = format!("IP source 0.0.0.0 to {}", carrier.destination);
        Breach::new(Cause::SourceUnspecified, vec![ground(Packet, says)])
    })
}

/// Linux `ip_route_input_slow()`: not local, so forwarded or dropped.
pub(super) fn destination_not_local(case: &Case<'_>) -> Option<Breach> {
    let destination = case.release.carrier.destination;
    let netns = case.release.netns;
    let locality = match case.release.destination {
        Locality::Unknown => case.host.locality(netns, destination),
        then => then,
    };
    let elsewhere = locality == Locality::Elsewhere;
    if !elsewhere
        || arrived(case)
        || case.host.is_broadcast(netns, destination)
        || destination.is_multicast()
    {
        return None;
    }
    let says = format!("sent to {destination}");
    let grounds = vec![
        ground(Packet, says),
        ground(
            LocalAddresses,
            format!("no interface of this host has {destination}"),
        ),
    ];
    Some(Breach::new(Cause::DestinationNotLocal, grounds))
}

/// Whether the server's socket was offered the message: then nothing kept it.
fn arrived(case: &Case<'_>) -> bool {
    case.delivered.reached() == Reached::Expected
}

/// Linux `udp_recvmsg()`: a wrong sum is thrown away when the server reads.
pub(super) fn bad_udp_checksum(case: &Case<'_>) -> Option<Breach> {
    (case.release.carrier.checksum == UdpChecksum::Bad).then(|| {
        Breach::new(
            Cause::BadUdpChecksum,
            vec![ground(Packet, "the UDP checksum does not fit the datagram")],
        )
    })
}
