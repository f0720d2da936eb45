//! From an opened message to its verdict.

use super::{Engine, Output};
use crate::binding::Granter;
use crate::database::{Database, DatabaseId};
use crate::decode::v4::Message4;
use crate::evidence::{EvidenceRequest, LeaseContent, LeaseUpdate, PortUse, ServerKind, ServerRef};
use crate::frame::Datagram;
use crate::host::Locality;
use crate::judge::decide::{Circumstances, Concern, Decision, Phase, decide};
use crate::judge::lease_state::{Context, LeaseState, lease_state};
use crate::judge::{Breach, Case, Process, rules};
use crate::message::{MessageType, ServerId};
use crate::origin::{Direction, NetnsId, Origin};
use crate::release::{Carrier, Release, ReleaseId, ReleaseKey, Sighting, Stage};
use crate::server::IdUse;
use crate::time::Timestamp;
use crate::verdict::{Ground, Outcome, ServerSummary, Verdict};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A loss this long before a message may still have cost evidence about it.
const LOSS_MEMORY: Duration = Duration::from_secs(2);

/// Departed leases are kept this long past the newest time seen.
const DEPARTED_MEMORY: Duration = Duration::from_mins(1);

/// Walks over all leases and bindings, a second: some 180 µs each with 75,000 entries.
const WALKS_PER_SECOND: u32 = 200;

/// Ids listed with a verdict.
const LISTED_IDS: usize = 4;

/// What is looked up for one message before it is judged.
struct Found {
    kind: ServerKind,
    process: Option<Process>,
    database: Option<DatabaseId>,
    ids: Vec<IdUse>,
}

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
        let carrier = Carrier {
            source,
            destination,
            destination_mac: datagram.destination_mac,
            packet_type: datagram.packet_type,
            checksum: datagram.checksum(),
            fragment: datagram.fragment,
        };
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
            address,
            due,
            stage: Stage::Grace(until),
        };
        self.pending.insert(release);
        self.outputs.push_back(Output::Opened {
            origin,
            message_type,
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
            ] {
                self.outputs.push_back(Output::Request(request));
            }
        }
    }

    /// The wait of a message is over.
    pub(super) fn timed_out(&mut self, id: ReleaseId) {
        let Some(release) = self.pending.get(id) else {
            return;
        };
        let netns = release.netns;
        let proven = self.proven(release);
        let wait = self.config.live_evidence && !proven && matches!(release.stage, Stage::Grace(_));
        if !wait {
            self.judge(id, Phase::Last);
            return;
        }
        let until = self.now.saturating_add(self.config.reading_grace);
        if let Some(mut release) = self.pending.remove(id) {
            release.stage = Stage::Reading(until);
            self.pending.insert(release);
        }
        self.outputs
            .push_back(Output::Request(EvidenceRequest::Leases { netns }));
    }

    /// Whether each database of the namespace that can be read was read after the
    /// server had its time. Of two servers, either may have the lease.
    fn proven(&self, release: &Release) -> bool {
        self.databases
            .of(release.netns)
            .all(|db| db.last.is_none_or(|last| last.from >= release.due))
    }

    /// A lease database was read.
    pub(super) fn leases_read(&mut self, update: LeaseUpdate) {
        let netns = update.netns;
        let usable = !matches!(update.content, LeaseContent::Unusable { .. });
        let id = DatabaseId {
            netns,
            server: update.server,
        };
        let granted = self.granted_here(&update);
        self.databases.update(update);
        if let Some(database) = self.databases.get_mut(id) {
            for server_id in granted {
                database.vouch(server_id);
            }
        }
        if usable {
            self.judge_waiting(netns);
        }
        let oldest_open = self
            .pending
            .iter()
            .next()
            .map_or(self.now, |release| release.seen);
        let before = oldest_open.min(self.now).saturating_sub(DEPARTED_MEMORY);
        for (netns, address, gone) in self.databases.forget_departed_before(before) {
            let binding = self.bindings.get(netns, address);
            // Not granted again: the database has shown that nothing is bound.
            if binding.is_some_and(|binding| binding.acked < gone) {
                self.bindings.ended(netns, address);
            }
        }
    }

    /// Judges what the databases of a namespace tell enough about by now. To be called
    /// after each fact, so that it does not depend on the next one when a fact counts.
    pub(super) fn judge_waiting(&mut self, netns: NetnsId) {
        if self.databases.of(netns).all(|db| db.last.is_none()) {
            return;
        }
        let touched = self.pending.iter().filter(|release| release.netns == netns);
        let told: Vec<(ReleaseId, Phase)> = touched
            .filter_map(|release| {
                let waits = matches!(release.stage, Stage::Reading(_));
                if waits && self.proven(release) {
                    return Some((release.id, Phase::Last));
                }
                let mut databases = self.databases.of(netns);
                let left = databases.any(|db| db.departed(release.address, release.seen).is_some());
                left.then_some((release.id, Phase::Early))
            })
            .collect();
        for (id, phase) in told {
            self.judge(id, phase);
        }
    }

    /// A server ended, and its database with it: what waited for a reading of that one
    /// may know enough from the others.
    pub(super) fn server_gone(&mut self, server: ServerRef) {
        self.servers.ended(server);
        if let Some(netns) = self.databases.server_gone(server) {
            self.judge_waiting(netns);
        }
    }

    /// The ids of those ACKs of this host whose leases a reading now shows.
    fn granted_here(&self, update: &LeaseUpdate) -> BTreeSet<ServerId> {
        let (LeaseContent::Full(leases)
        | LeaseContent::Delta {
            upserted: leases, ..
        }) = &update.content
        else {
            return BTreeSet::new();
        };
        let granted = leases.iter().filter_map(|lease| {
            let binding = self.bindings.get(update.netns, lease.address)?;
            let ours =
                binding.granted_by == Granter::ThisHost && binding.acked <= update.read_until;
            (ours && binding.hardware_address == lease.hardware_address)
                .then_some(binding.server_id)
        });
        granted.collect()
    }

    /// Judges everything that is open.
    pub(super) fn judge_all_open(&mut self) {
        for id in self.pending.ids() {
            self.judge(id, Phase::Stopping);
        }
    }

    fn judge(&mut self, id: ReleaseId, phase: Phase) {
        let Some(release) = self.pending.get(id) else {
            return;
        };
        let found = self.look_up(release);
        let database = found.database.and_then(|id| self.databases.get(id));
        let case = self.case(release, &found, database);
        let sole = found
            .process
            .is_some_and(|process| process.port == PortUse::Sole);
        let state = lease_state(release, database, self.context(release, sole));
        let breach = rules::first_breach(&case);
        let circumstances = Circumstances {
            state,
            phase,
            concern: self.concern(release, database),
            rival: breach.is_some() && self.has_rival(release, state),
        };
        let Decision::Now {
            outcome,
            grounds,
            remedy,
        } = decide(&case, breach, circumstances)
        else {
            return;
        };
        let server = Self::summary(&found);
        let database_of = found.database;
        self.conclude(id, outcome, grounds, remedy, server, database_of);
    }

    fn case<'a>(
        &'a self,
        release: &'a Release,
        found: &'a Found,
        database: Option<&'a Database>,
    ) -> Case<'a> {
        let present = database
            .and_then(|db| db.present(release.address))
            .map(|present| &present.lease);
        let departed = database
            .and_then(|db| db.departed(release.address, release.seen))
            .map(|departed| &departed.lease);
        Case {
            release,
            host: &self.host,
            kind: found.kind,
            process: found.process,
            ids: &found.ids,
            database,
            lease: departed.or(present),
            released_before: self.honoured_before(release).is_some(),
        }
    }

    /// An earlier message that was honoured for the same address, with no ACK since.
    fn honoured_before(&self, release: &Release) -> Option<u64> {
        let earlier = self
            .honoured
            .peek(&(release.netns, release.address))
            .copied();
        earlier.filter(|id| *id < release.id.0)
    }

    fn context(&self, release: &Release, sole_server: bool) -> Context<'_> {
        Context {
            binding_now: self.bindings.get(release.netns, release.address),
            sole_server,
            offline: !self.config.live_evidence,
            honoured_before: self.honoured_before(release),
        }
    }

    /// The server and the database that a message is for: the one that knows the
    /// address, else the only one there is.
    fn look_up(&self, release: &Release) -> Found {
        let netns = release.netns;
        let (address, seen) = (release.address, release.seen);
        let client = release.message.hardware_address;
        let left = |db: &&Database| {
            let departed = db.departed(address, seen);
            departed.is_some_and(|departed| departed.credited_to.is_none())
        };
        let clients = |db: &&Database| {
            db.present(address)
                .is_some_and(|present| present.lease.hardware_address == client)
        };
        let database = self
            .databases
            .of(netns)
            .find(left)
            // An old entry in the books of another server must not hide the lease.
            .or_else(|| self.databases.of(netns).find(clients))
            .or_else(|| self.databases.of(netns).find(|db| db.knows(address, seen)))
            // One that can't be read may be the one that has it.
            .or_else(|| self.databases.of(netns).find(|db| !db.is_up()))
            .or_else(|| self.databases.of(netns).find(|db| db.last.is_some()))
            .or_else(|| self.databases.of(netns).next());
        let mut processes = self.servers.processes(netns);
        let process = match database.and_then(|db| db.id.server) {
            Some(server) => self.servers.process(server),
            None => processes.next().filter(|_| processes.next().is_none()),
        };
        let running = process.map(|facts| facts.kind);
        let kind = database
            .map(|db| db.kind)
            .filter(|kind| *kind != ServerKind::Unknown)
            .or(running)
            .or(self.config.assumed_server);
        let subnet = self.host.subnet_key(netns, release.address);
        Found {
            kind: kind.unwrap_or(ServerKind::Unknown),
            process: process.map(|facts| Process {
                pid: facts.pid,
                started: facts.started,
                port: facts.port,
            }),
            database: database.map(|db| db.id),
            ids: self.servers.ids(netns, subnet),
        }
    }

    /// Whether a server of this host has to do with the message. A router also passes
    /// on messages to servers elsewhere, and every server hears a broadcast DECLINE.
    fn concern(&self, release: &Release, database: Option<&Database>) -> Concern {
        let here = |address| self.host.locality(release.netns, address);
        let carrier = &release.carrier;
        let granted_by = release.binding.as_ref().map(|binding| binding.granted_by);
        let to_us = here(carrier.destination) == Locality::Local;
        if granted_by == Some(Granter::OtherHost) && !to_us {
            // Also where a peer's lease stands in our own books for a while.
            return Concern::Theirs;
        }
        let mac = carrier.destination_mac.filter(|mac| !mac.is_group());
        let passing = mac.map(|mac| self.host.mac_locality(release.netns, mac));
        let elsewhere = here(carrier.destination) == Locality::Elsewhere
            && !self.host.is_broadcast(release.netns, carrier.destination);
        if elsewhere && passing == Some(Locality::Elsewhere) {
            // Flooded or mirrored: between others, whatever our books say.
            return Concern::Theirs;
        }
        let known = database.is_some_and(|db| db.knows(release.address, release.seen))
            || self.honoured_before(release).is_some();
        let loopback = self.host.is_loopback(release.origin.interface);
        if known || (loopback && here(carrier.destination) != Locality::Elsewhere) {
            return Concern::Ours;
        }
        if release.only_left() {
            return Concern::Theirs;
        }
        if granted_by == Some(Granter::ThisHost) {
            return Concern::Ours;
        }
        let named = release.message.server_id.map(|id| here(id.0));
        match (here(carrier.destination), named) {
            (Locality::Local | Locality::Unknown, _) | (_, Some(Locality::Local)) => Concern::Ours,
            // A broadcast that names nobody: every server hears it, so it is ours only
            // where no other server was heard.
            (Locality::Elsewhere, None)
                if self.host.is_broadcast(release.netns, carrier.destination) =>
            {
                let subnet = self.host.subnet_key(release.netns, release.address);
                let others = self.servers.ids(release.netns, subnet);
                let other = others.iter().any(|id| id.granted_by == Granter::OtherHost);
                if other {
                    Concern::Theirs
                } else {
                    Concern::Ours
                }
            }
            // A unicast goes to where it says.
            (Locality::Elsewhere, _) => Concern::Theirs,
        }
    }

    /// Whether another open message about the same lease breaks no rule: then that one
    /// ended the lease.
    fn has_rival(&self, release: &Release, state: LeaseState) -> bool {
        let LeaseState::Left { read, .. } = state else {
            return false;
        };
        self.pending
            .about(release.netns, release.address)
            .filter(|id| *id != release.id)
            .any(|id| {
                self.pending
                    .get(id)
                    .is_some_and(|other| other.seen <= read && self.breach_of(other).is_none())
            })
    }

    fn breach_of(&self, release: &Release) -> Option<Breach> {
        let found = self.look_up(release);
        let database = found.database.and_then(|id| self.databases.get(id));
        rules::first_breach(&self.case(release, &found, database))
    }

    fn summary(found: &Found) -> Option<ServerSummary> {
        let mut server_ids: Vec<ServerId> = found.ids.iter().map(|id| id.server_id).collect();
        server_ids.truncate(LISTED_IDS);
        let known = found.kind != ServerKind::Unknown || !server_ids.is_empty();
        known.then(|| ServerSummary {
            kind: found.kind,
            pid: found.process.map(|process| process.pid),
            server_ids,
        })
    }

    fn conclude(
        &mut self,
        id: ReleaseId,
        outcome: Outcome,
        evidence: Vec<Ground>,
        remedy: Option<String>,
        server: Option<ServerSummary>,
        database: Option<DatabaseId>,
    ) {
        let Some(release) = self.pending.remove(id) else {
            return;
        };
        if outcome == Outcome::Honoured {
            if let Some(database) = database.and_then(|id| self.databases.get_mut(id)) {
                database.credit(release.address, id.0);
            }
            let key = (release.netns, release.address);
            let granted_since = self
                .bindings
                .get(key.0, key.1)
                .is_some_and(|binding| binding.acked > release.seen);
            if !granted_since {
                self.bindings.ended(key.0, key.1);
                self.honoured.put(key, id.0);
            }
        }
        let lost = self
            .last_loss
            .is_some_and(|lost| lost >= release.seen.saturating_sub(LOSS_MEMORY));
        let verdict = Verdict {
            id: id.0,
            at: self.now.max(release.seen),
            seen: release.seen,
            message_type: release.message.message_type.unwrap_or(MessageType::Release),
            origin: release.origin,
            vlan: release.vlan,
            hardware_address: release.message.hardware_address,
            client_id: release.message.client_id,
            address: release.address,
            xid: release.message.xid,
            server_id: release.message.server_id,
            server,
            outcome,
            evidence,
            remedy,
            latency: self.now.since(release.seen),
            loss: lost,
        };
        self.outputs.push_back(Output::Verdict(Box::new(verdict)));
    }
}
