//! One open RELEASE or DECLINE: what it said, where it was seen, what it waits for.

use crate::binding::{Binding, Granter};
use crate::database::Claimant;
use crate::decode::v4::{Message4, Oddity};
use crate::frame::{Datagram, Fragment, PacketType, UdpChecksum, VlanStack};
use crate::host::{Host, Locality};
use crate::message::{ClientId, HardwareAddress, MacAddress, MessageType, ServerId, TransactionId};
use crate::origin::{Direction, InterfaceId, NetnsId, Origin};
use crate::time::Timestamp;
use smallvec::SmallVec;
use std::net::Ipv4Addr;

/// Counts up from 1 in the order the messages were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId(pub u64);

/// What makes two frames copies of one message. More than the xid: `dhcp_release`
/// and others always send 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReleaseKey {
    /// Namespaces have their own wires.
    pub netns: NetnsId,
    /// Release or decline.
    pub message_type: MessageType,
    /// 'xid'
    pub xid: TransactionId,
    /// 'chaddr'
    pub hardware_address: HardwareAddress,
    /// 'ciaddr'
    pub ciaddr: Ipv4Addr,
    /// Option 54
    pub server_id: Option<ServerId>,
    /// Option 61
    pub client_id: Option<ClientId>,
}

/// One place where a message passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The interface.
    pub interface: InterfaceId,
    /// Which way.
    pub direction: Direction,
}

/// What carried the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// MAC destination, where there is one.
    pub destination_mac: Option<MacAddress>,
    /// The kernel's packet type, where known.
    pub packet_type: Option<PacketType>,
    /// What the UDP checksum says.
    pub checksum: UdpChecksum,
    /// Whole, or the first of several fragments.
    pub fragment: Fragment,
}

impl Carrier {
    /// Of a datagram between two addresses.
    pub fn of(datagram: &Datagram<'_>, (source, destination): (Ipv4Addr, Ipv4Addr)) -> Self {
        Self {
            source,
            destination,
            destination_mac: datagram.destination_mac,
            packet_type: datagram.packet_type,
            checksum: datagram.checksum(),
            fragment: datagram.fragment,
        }
    }

    /// Linux `ip_route_input_slow()`: a zero source is accepted "only to limited broadcast";
    /// to anything else, a directed broadcast too, it is a martian.
    pub const fn has_martian_source(&self) -> bool {
        self.source.is_unspecified() && !self.destination.is_broadcast()
    }

    /// Linux `ip_rcv_core()`: PACKET_OTHERHOST is dropped. A bridge port sees frames for the
    /// bridge's MAC as "other host" too, so the MAC decides where it can be compared.
    pub fn is_for_other_host(&self, host: &Host, netns: NetnsId, looped: bool) -> bool {
        let mac = self.destination_mac.filter(|mac| !mac.is_group());
        match mac.map(|mac| host.mac_locality(netns, mac)) {
            Some(Locality::Elsewhere) => !looped,
            Some(Locality::Unknown) | None => self.packet_type == Some(PacketType::OtherHost),
            Some(Locality::Local) => false,
        }
    }
}

/// What an open message waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For the server to act, until then.
    Grace(Timestamp),
    /// For a reading of the database that began after the grace, until then.
    Reading(Timestamp),
}

impl Stage {
    /// When the wait ends.
    pub fn until(self) -> Timestamp {
        match self {
            Self::Grace(until) | Self::Reading(until) => until,
        }
    }
}

/// An open RELEASE or DECLINE.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its number.
    pub id: ReleaseId,
    /// Its namespace.
    pub netns: NetnsId,
    /// When the frame was seen; may lie before the engine's time if it came late.
    pub seen: Timestamp,
    /// Where it is reported: the ingress side if it was seen on both.
    pub origin: Origin,
    /// VLAN tags.
    pub vlan: VlanStack,
    /// What it says.
    pub message: Message4,
    /// What carried it.
    pub carrier: Carrier,
    /// Everywhere it was seen.
    pub sightings: SmallVec<[Sighting; 2]>,
    /// Whether its destination was an address of the host when it came, or shortly
    /// after: an address may move away and back before the message is judged.
    pub destination: Locality,
    /// The address it is about; 0.0.0.0 if that can't be told.
    pub address: Ipv4Addr,
    /// The binding of that address when the message was seen.
    pub binding: Option<Binding>,
    /// From then on "still leased" means ignored.
    pub due: Timestamp,
    /// What it waits for.
    pub stage: Stage,
}

impl Release {
    /// Whether an ACK of this host granted the address to the message's client after `before`.
    pub fn was_granted_after(&self, before: Timestamp) -> bool {
        self.binding.as_ref().is_some_and(|binding| {
            binding.granted_by != Granter::OtherHost
                && binding.acked > before
                && binding.hardware_address == self.message.hardware_address
        })
    }

    /// As a message that may have ended a lease.
    pub fn claimant(&self) -> Claimant<'_> {
        Claimant {
            id: self.id.0,
            seen: self.seen,
            hardware_address: self.message.hardware_address,
            client_id: self.message.client_id.as_ref(),
        }
    }

    /// Whether it is a DECLINE.
    pub fn is_decline(&self) -> bool {
        self.message.message_type == Some(MessageType::Decline)
    }

    /// The address it gives back by its own words: 'ciaddr' of a RELEASE, option 50
    /// of a DECLINE (RFC 2131 §4.4.1 table 5).
    pub fn named_address(message: &Message4) -> Ipv4Addr {
        if message.message_type == Some(MessageType::Decline) {
            message.requested_address.unwrap_or(Ipv4Addr::UNSPECIFIED)
        } else {
            message.ciaddr
        }
    }

    /// Whether all of it was seen: of a message that was cut, or of a first fragment, the
    /// absence of an option says nothing.
    pub fn is_complete(&self) -> bool {
        let cut = self.message.oddities.contains(&Oddity::Truncated);
        !cut && self.carrier.fragment == Fragment::Whole
    }

    /// Whether it was only ever seen leaving.
    pub fn only_left(&self) -> bool {
        self.sightings
            .iter()
            .all(|sighting| sighting.direction == Direction::Egress)
    }
}
