//! What keeps a REQUEST from every socket: the kernel's own word for it, then what the
//! packet shows. None of it counts for a server that reads frames.

use super::attempt_rules::{AttemptCase, Found, Reach, Whose, named};
use super::ground;
use super::kernel_reason::is_after_offer;
use crate::attempt::PassedOn;
use crate::binding::Granter;
use crate::cause::Cause;
use crate::delivery::{Device, SocketFacts, Takes};
use crate::evidence::ServerKind;
use crate::frame::UdpChecksum;
use crate::host::Locality;
use crate::origin::InterfaceId;
use crate::sockets::Path;
use crate::trail::What;
use crate::verdict::GroundSource::{
    AckHistory, Delivery, Icmp, KernelDrop, LocalAddresses, Packet, SocketInventory,
};
use crate::verdict::{Certainty, Ground};

impl AttemptCase<'_> {
    /// A drop, for the operator: "dropped by the kernel: NETFILTER_DROP on eth3".
    pub(super) fn drop_says(&self, what: &What) -> String {
        let What::Dropped {
            reason,
            place,
            interface,
        } = what
        else {
            return String::new();
        };
        let reason = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        let mut says = format!("dropped by the kernel: {reason}");
        if let Some(place) = place {
            says = format!("{says} in {place}()");
        }
        if let Some(name) = interface.and_then(|interface| self.name(interface)) {
            says = format!("{says} on {name}");
        }
        says
    }

    /// Whether drops before a socket mean anything: how sure, if they do.
    fn drops_count(&self) -> Option<Certainty> {
        match self.path() {
            Path::Frames => None,
            Path::Udp => Some(Certainty::Observed),
            // Some read frames, and whether the right one does is not known.
            Path::Unknown if self.surveyed() => None,
            Path::Unknown => Some(Certainty::Inferred),
        }
    }
}

/// The kernel says why it went no further.
pub(super) fn dropped_by_kernel(case: &AttemptCase<'_>) -> Option<Found> {
    let certainty = case.drops_count()?;
    let reach = case.reach();
    let several = case.offered_to().len() > 1;
    let counts = |cause: Cause| match reach {
        // Of several sockets it is not said whose was full.
        Reach::Server | Reach::Somebody => is_after_offer(cause) && !several,
        Reach::Nobody => !is_after_offer(cause),
        Reach::Fallback | Reach::Others(_) => false,
    };
    let zero_source = case.attempt.carrier.source.is_unspecified();
    let (cause, what) = case
        .drops()
        .filter(|(cause, _)| *cause != Cause::SourceUnspecified || zero_source)
        .find(|(cause, _)| counts(*cause))?;
    let mut grounds = vec![ground(KernelDrop, case.drop_says(what))];
    let cause = match cause {
        Cause::NoListener => {
            let interface = match what {
                What::Dropped { interface, .. } => *interface,
                _ => None,
            };
            no_listener(case, interface, &mut grounds)
        }
        Cause::DestinationNotLocal => other_than_asked(case, &mut grounds),
        cause => cause,
    };
    grounds.extend(icmp(case));
    Some(Found::new(cause, certainty, grounds))
}

/// An ICMP error says that it went no further.
pub(super) fn sent_back(case: &AttemptCase<'_>) -> Option<Found> {
    let certainty = case.drops_count()?;
    let destination = case.attempt.carrier.destination;
    let error = icmp(case).filter(|_| case.reach() == Reach::Nobody)?;
    let local = case.locality(destination);
    let says_port = error.says.starts_with("port unreachable");
    let mut grounds = vec![error];
    let cause = match local {
        Locality::Local if says_port => no_listener(case, None, &mut grounds),
        Locality::Elsewhere if case.whose() == Whose::Ours => other_than_asked(case, &mut grounds),
        _ => return None,
    };
    Some(Found::new(cause, certainty, grounds))
}

fn icmp(case: &AttemptCase<'_>) -> Option<Ground> {
    case.steps.iter().find_map(|step| match step.what {
        What::Unreachable { what, from } => Some(ground(Icmp, format!("{what}, says {from}"))),
        _ => None,
    })
}

/// Whether sockets of port 67 there are, all bound to other devices.
fn no_listener(
    case: &AttemptCase<'_>,
    interface: Option<InterfaceId>,
    grounds: &mut Vec<Ground>,
) -> Cause {
    let attempt = case.attempt;
    let here = Device::Interface(interface.unwrap_or(attempt.origin.interface));
    let destination = attempt.carrier.destination;
    let broadcast = case.is_broadcast();
    let takes = |socket: &&SocketFacts| match socket.takes {
        Takes::Udp { address } => address.is_unspecified() || address == destination || broadcast,
        Takes::Frames => false,
    };
    let listeners: Vec<&SocketFacts> = case.sockets.udp(attempt.key.netns).filter(takes).collect();
    let elsewhere = |socket: &&SocketFacts| socket.device.is_some_and(|device| device != here);
    if listeners.is_empty() || !listeners.iter().all(elsewhere) {
        return Cause::NoListener;
    }
    let bound = listeners.into_iter().map(|socket| {
        let device = match socket.device {
            Some(Device::Interface(id)) => case.name(id).unwrap_or("another device").to_owned(),
            Some(Device::Gone) | None => "a device that is gone".to_owned(),
        };
        match &socket.process {
            Some(process) => format!("{} is bound to {device}", named(process)),
            None => format!("a socket is bound to {device}"),
        }
    });
    grounds.extend(bound.map(|says| ground(SocketInventory, says)));
    Cause::ListenerOnOtherDevice
}

/// The destination is no address of this host: it moved away, or the client asks another
/// one than it was told.
fn other_than_asked(case: &AttemptCase<'_>, grounds: &mut Vec<Ground>) -> Cause {
    let destination = case.attempt.carrier.destination;
    let says = format!("no interface of this host has {destination}");
    grounds.push(ground(LocalAddresses, says));
    let binding = case.attempt.binding.as_ref();
    let told = binding.filter(|binding| {
        binding.granted_by == Granter::ThisHost
            && binding.server_id.0 != destination
            && case.locality(binding.server_id.0) == Locality::Local
    });
    let Some(told) = told else {
        return Cause::DestinationNotLocal;
    };
    let says = format!("last ACK for this lease named {}", told.server_id);
    grounds.push(ground(AckHistory, says));
    Cause::AskedWrongServer
}

/// Whether what the packet shows about the kernel's way to a UDP socket counts.
fn by_packet(case: &AttemptCase<'_>) -> bool {
    case.path() == Path::Udp && case.reach() == Reach::Nobody
}

/// [`Carrier::is_for_other_host`](crate::release::Carrier::is_for_other_host)
pub(super) fn frame_for_other_host(case: &AttemptCase<'_>) -> Option<Found> {
    let (carrier, netns) = (&case.attempt.carrier, case.attempt.key.netns);
    let local = case.locality(carrier.destination) == Locality::Local;
    let passes = carrier.is_for_other_host(case.host, netns, case.attempt.looped);
    if !by_packet(case) || !local || !passes {
        return None;
    }
    let mac = carrier.destination_mac.filter(|mac| !mac.is_group());
    let to = mac.map_or_else(|| "another host".to_owned(), |mac| mac.to_string());
    let says = format!("the frame to {} is addressed to {to}", carrier.destination);
    let grounds = vec![ground(Packet, says)];
    Some(Found::new(
        Cause::FrameForOtherHost,
        Certainty::Inferred,
        grounds,
    ))
}

/// [`Carrier::has_martian_source`](crate::release::Carrier::has_martian_source)
pub(super) fn source_unspecified(case: &AttemptCase<'_>) -> Option<Found> {
    let carrier = &case.attempt.carrier;
    (by_packet(case) && carrier.has_martian_source()).then(|| {
        let says = format!("IP source 0.0.0.0 to {}", carrier.destination);
        let grounds = vec![ground(Packet, says)];
        Found::new(Cause::SourceUnspecified, Certainty::Inferred, grounds)
    })
}

/// Linux `ip_route_input_slow()`: not local, so forwarded or dropped.
pub(super) fn destination_not_local(case: &AttemptCase<'_>) -> Option<Found> {
    let destination = case.attempt.carrier.destination;
    let elsewhere = !case.is_broadcast() && case.locality(destination) == Locality::Elsewhere;
    if !by_packet(case) || !elsewhere || case.whose() != Whose::Ours {
        return None;
    }
    let mut grounds = vec![ground(Packet, format!("sent to {destination}"))];
    if case.attempt.passed_on == PassedOn::Forwarded {
        grounds.push(ground(Packet, "this host forwarded it"));
    }
    let cause = other_than_asked(case, &mut grounds);
    Some(Found::new(cause, Certainty::Inferred, grounds))
}

/// Linux `udp_recvmsg()`: a wrong sum is thrown away when the server reads. ISC dhcpd,
/// which reads frames, looks at it itself (common/packet.c `decode_udp_ip_header()`).
pub(super) fn bad_udp_checksum(case: &AttemptCase<'_>) -> Option<Found> {
    let bad = case.attempt.carrier.checksum == UdpChecksum::Bad;
    let looks = case.path() == Path::Udp || case.kind == ServerKind::IscDhcpd;
    (looks && bad).then(|| {
        let grounds = vec![ground(Packet, "the UDP checksum does not fit the datagram")];
        Found::new(Cause::BadUdpChecksum, Certainty::Inferred, grounds)
    })
}

/// Nobody holds port 67 and nobody reads frames, and nothing was offered to anybody.
pub(super) fn nobody_listens(case: &AttemptCase<'_>) -> Option<Found> {
    let seeing = case.sources.sockets.is_on() && case.sources.deliveries.is_on();
    let survey = case.sockets.survey(case.attempt.key.netns)?;
    let local =
        case.is_broadcast() || case.locality(case.attempt.carrier.destination) == Locality::Local;
    let nobody = survey.sockets.is_empty() && case.reach() == Reach::Nobody;
    if !seeing || !nobody || !local {
        return None;
    }
    let certainty = if survey.taken >= case.attempt.seen {
        Certainty::Observed
    } else {
        Certainty::Inferred
    };
    let grounds = vec![
        ground(SocketInventory, "no process holds port 67 or reads frames"),
        ground(Delivery, "it was offered to no socket"),
    ];
    Some(Found::new(Cause::NoListener, certainty, grounds))
}
