//! A RELEASE or DECLINE is seen: for the first time, or as a further copy.

use super::{Engine, Output};
use crate::decode::v4::Message4;
use crate::evidence::EvidenceRequest;
use crate::frame::Datagram;
use crate::host::{Host, Locality};
use crate::judge::decide::Phase;
use crate::origin::{Direction, NetnsId, Origin};
use crate::release::{Carrier, Release, ReleaseId, ReleaseKey, Sighting, Stage};
use crate::time::Timestamp;
use crate::trail::TrailKey;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A look at the addresses this long after a message still speaks of when it came.
const SAME_TIME: Duration = Duration::from_millis(300);

/// A look shortly after a message tells better whether its destination was ours: what
/// was known before may be old. Once it was not, it was not.
pub(super) fn settle(release: &mut Release, host: &Host, now: Timestamp) {
    if release.destination != Locality::Elsewhere && now.since(release.seen) <= SAME_TIME {
        release.destination = host.locality(release.netns, release.carrier.destination);
    }
}

/// Walks over all leases and bindings, a second: some 180 µs each with 75,000 entries.
const WALKS_PER_SECOND: u32 = 200;

impl Engine {
    /// A RELEASE or DECLINE was seen.
    pub(super) fn open(
        &mut self,
        at: Timestamp,
        origin: Origin,
        datagram: &Datagram<'_>,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        message: Message4,
    ) {
        let Some(message_type) = message.message_type else {
            return;
        };
        let netns = self.host.netns_of(origin.interface);
        let key = ReleaseKey {
            netns,
            message_type,
            xid: message.xid,
            hardware_address: message.hardware_address,
            ciaddr: message.ciaddr,
            server_id: message.server_id,
            client_id: message.client_id.clone(),
        };
        let carrier = Carrier::of(datagram, (source, destination));
        let sighting = Sighting {
            interface: origin.interface,
            direction: origin.direction,
        };
        if let Some(id) = self.pending.copy_of(&key, at, sighting) {
            self.outputs.push_back(Output::Duplicate { origin });
            self.copy_seen(id, origin, sighting, carrier);
            return;
        }
        if let Some(oldest) = self.pending.overflow() {
            self.judge(oldest, Phase::Stopping);
        }
        let id = self.pending.number(key, at, sighting);
        self.trails.start(TrailKey::of(netns, &message), at);
        let address = self.address_of(netns, &message);
        let due = at.saturating_add(self.config.grace);
        let announced = self
            .config
            .announced_reading
            .filter(|announced| *announced > at);
        // Just after it: what is due at its very time is judged before it is taken in.
        let after = |reading: Timestamp| reading.saturating_add(Duration::from_nanos(1));
        let until = announced.map_or(due, |announced| after(announced).max(due));
        let release = Release {
            id,
            netns,
            seen: at,
            origin,
            vlan: datagram.vlan,
            binding: self.bindings.get(netns, address).cloned(),
            message,
            carrier,
            sightings: smallvec::smallvec![sighting],
            destination: self.host.locality(netns, destination),
            address,
            due,
            stage: Stage::Grace(until),
        };
        self.pending.insert(release);
        self.outputs.push_back(Output::Opened {
            origin,
            message_type,
            state: None,
        });
        self.request_all(netns);
        // The database may have told already.
        self.judge(id, Phase::Early);
    }

    /// The address that the message is about: the one it names, else the one that its
    /// client is known to have.
    fn address_of(&mut self, netns: NetnsId, message: &Message4) -> Ipv4Addr {
        let named = Release::named_address(message);
        if !named.is_unspecified() {
            return named;
        }
        if let Some(requested) = message.requested_address {
            return requested;
        }
        if !self.may_walk() {
            return Ipv4Addr::UNSPECIFIED;
        }
        // DECLINE without option 50 still has its client.
        let client = message.hardware_address;
        let leased = self
            .databases
            .of(netns)
            .find_map(|db| db.lease_of_client(client, message.client_id.as_ref()));
        let leased = leased.map(|present| present.lease.address);
        leased
            .or_else(|| self.bindings.address_of(netns, client))
            .unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Whether one more walk over whole tables is allowed in this second: a flood of
    /// messages that name no address must not cost more than they are worth.
    fn may_walk(&mut self) -> bool {
        let second = self.now.as_secs();
        if self.walks.0 != second {
            self.walks = (second, 0);
        }
        self.walks.1 += 1;
        self.walks.1 <= WALKS_PER_SECOND
    }

    fn copy_seen(&mut self, id: ReleaseId, origin: Origin, sighting: Sighting, carrier: Carrier) {
        let netns = self.host.netns_of(origin.interface);
        let addressed_here = carrier
            .destination_mac
            .is_some_and(|mac| self.host.mac_locality(netns, mac) == Locality::Local);
        let Some(release) = self.pending.get_mut(id) else {
            return;
        };
        release.sightings.push(sighting);
        let came_in = origin.direction == Direction::Ingress;
        if came_in && release.origin.interface == origin.interface {
            // Where it was counted it is reported.
            release.origin = origin;
        }
        if came_in && (release.origin.direction != Direction::Ingress || addressed_here) {
            // The copy that arrives is what the server gets, and on a bridge the one at
            // the bridge's own interface.
            release.carrier = carrier;
        }
    }

    fn request_all(&mut self, netns: NetnsId) {
        if self.config.live_evidence {
            for request in [
                EvidenceRequest::Leases { netns },
                EvidenceRequest::Interfaces { netns },
                EvidenceRequest::Servers { netns },
                EvidenceRequest::Sockets { netns },
            ] {
                self.outputs.push_back(Output::Request(request));
            }
        }
    }
}
