//! What the kernel was seen to do with the message: facts, where the rules of
//! `rules_kernel` reckon from the packet.

use super::delivered::{Reached, is_no_socket};
use super::kernel_reason::{cause_of, is_after_offer};
use super::rules::Rule;
use super::{Breach, Case, ground};
use crate::cause::Cause;
use crate::delivery::Device;
use crate::frame::Fragment;
use crate::verdict::GroundSource::{Delivery, Packet, SocketInventory};

/// For a server that listens on UDP, in the order of the kernel's receive path.
pub(super) const UDP_SOCKET: &[Rule] = &[dropped, wrong_daemon, not_reading];

/// For a server that reads frames.
pub(super) const FRAMES: &[Rule] = &[discard_socket, fragmented];

/// `kfree_skb` told why. A copy for another socket may be dropped where the server got
/// its own; a full buffer and a wrong checksum come after the offer.
fn dropped(case: &Case<'_>) -> Option<Breach> {
    let delivered = &case.delivered;
    let reached = delivered.reached() == Reached::Expected;
    delivered.drops().find_map(|(reason, place)| {
        let cause = cause_of(reason, place)?;
        if reached && !is_after_offer(cause) {
            return None;
        }
        Some(if is_no_socket(reason, place) {
            nobody(case)
        } else {
            Breach::new(cause, vec![]).seen()
        })
    })
}

/// No socket took it: there is none at all, or only such as are bound elsewhere.
fn nobody(case: &Case<'_>) -> Breach {
    let delivered = &case.delivered;
    let here = case.release.origin.interface;
    let bound: Vec<String> = delivered
        .sockets
        .udp_at(delivered.netns, case.release.seen)
        .filter(|socket| socket.device != Some(Device::Interface(here)))
        .filter_map(|socket| {
            let device = match socket.device? {
                Device::Gone => "an interface that is gone".to_owned(),
                Device::Interface(id) => case
                    .host
                    .interface(id)
                    .map_or_else(|| "another interface".to_owned(), |i| i.name.to_string()),
            };
            let holder = delivered.holder(socket.cookie);
            Some(format!("{holder} listens on {device} only"))
        })
        .collect();
    if bound.is_empty() {
        return Breach::new(Cause::NoListener, vec![]).seen();
    }
    let grounds = bound
        .into_iter()
        .map(|says| ground(SocketInventory, says))
        .collect();
    Breach::new(Cause::ListenerOnOtherDevice, grounds).seen()
}

/// Linux `udp4_lib_lookup2()` picks one socket for a unicast, and that one belongs to
/// another server than the one that has the lease.
fn wrong_daemon(case: &Case<'_>) -> Option<Breach> {
    let delivered = &case.delivered;
    let unicast = !case
        .host
        .is_broadcast(delivered.netns, case.release.carrier.destination);
    if !unicast || delivered.reached() != Reached::Others {
        return None;
    }
    let expected = delivered.expected?;
    let owner = delivered
        .sockets
        .of_process(delivered.netns, expected)
        .find_map(|socket| socket.process.as_ref());
    let owner = owner.map_or_else(
        || format!("pid {expected}"),
        |process| delivered.named(process),
    );
    let says = format!("the lease is {owner}'s");
    Some(Breach::new(Cause::WrongDaemon, vec![ground(Delivery, says)]).seen())
}

/// It lies in the server's socket, and the server had its time.
fn not_reading(case: &Case<'_>) -> Option<Breach> {
    let waiting = case.delivered.unread_since(case.release.due)?;
    let says = format!("{waiting} octets wait in the server's socket to be read");
    let breach = Breach::new(Cause::SocketOverflow, vec![ground(SocketInventory, says)]);
    Some(breach.if_still_leased())
}

/// A server that reads frames sees none on loopback: what this host sends to itself
/// ends in the UDP socket that it opened against ICMP errors, and reads to throw away.
fn discard_socket(case: &Case<'_>) -> Option<Breach> {
    let looped = case
        .release
        .sightings
        .iter()
        .all(|sighting| case.host.is_loopback(sighting.interface));
    if !looped {
        return None;
    }
    let says = "it went through loopback, where the server reads no frames";
    Some(Breach::new(
        Cause::DiscardSocket,
        vec![ground(Packet, says)],
    ))
}

/// A filter on frames takes the first fragment at most, and nobody puts it together.
fn fragmented(case: &Case<'_>) -> Option<Breach> {
    (case.release.carrier.fragment == Fragment::First).then(|| {
        let says = "only the first of several IP fragments looks like DHCP";
        Breach::new(Cause::Fragmented, vec![ground(Packet, says)])
    })
}
