//! What is looked up for one message before it is judged: the server, its database and
//! ids, and whether the message is for a server of this host at all.

use super::Engine;
use crate::binding::{Binding, Granter};
use crate::database::{Database, DatabaseId};
use crate::delivery::ProcessFacts;
use crate::evidence::{Listening, PortUse, ServerKind, ServerRef};
use crate::host::Locality;
use crate::judge::decide::Concern;
use crate::judge::delivered::Delivered;
use crate::judge::lease_state::{Context, LeaseState};
use crate::judge::profile::{Intake, Profile};
use crate::judge::{Breach, Case, Process, rules};
use crate::message::ServerId;
use crate::origin::{InterfaceId, NetnsId};
use crate::release::Release;
use crate::server::IdUse;
use crate::sockets::Path;
use crate::trail::TrailKey;
use crate::verdict::ServerSummary;

/// Ids listed with a verdict.
const LISTED_IDS: usize = 4;

/// What is looked up.
pub(super) struct Found {
    pub(super) kind: ServerKind,
    pub(super) process: Option<Process>,
    server: Option<ServerRef>,
    pub(super) database: Option<DatabaseId>,
    ids: Vec<IdUse>,
    ids_of_this_host: Vec<(InterfaceId, ServerId)>,
}

/// How a server takes messages, where its sockets are not known.
fn path_of(found: &Found) -> Path {
    let listens = found.process.map(|process| process.listens);
    match (
        Profile::of(found.kind).intake.path(),
        listens.unwrap_or_default(),
    ) {
        (Path::Udp, _) | (_, Listening::Udp) => Path::Udp,
        (_, Listening::Raw) => Path::Frames,
        (path, Listening::Unknown) => path,
    }
}

impl Engine {
    pub(super) fn case<'a>(
        &'a self,
        release: &'a Release,
        found: &'a Found,
        database: Option<&'a Database>,
    ) -> Case<'a> {
        let present = database
            .and_then(|db| db.present(release.address))
            .map(|present| &present.lease);
        let departed = database
            .and_then(|db| db.departed_by(release.address, release.claimant()))
            .filter(|departed| {
                // A lease that another message ended before this client's was granted is not it.
                let by_another = departed.credited_to.filter(|by| by.id != release.id.0);
                by_another.is_none_or(|by| !release.was_granted_after(by.seen))
            })
            .map(|departed| &departed.lease);
        Case {
            release,
            host: &self.host,
            kind: found.kind,
            process: found.process,
            ids: &found.ids,
            ids_of_this_host: &found.ids_of_this_host,
            database,
            lease: departed.or(present),
            released_before: self.honoured_before(release).is_some(),
            configured: found
                .server
                .and_then(|server| self.configured_as(server, release.seen)),
            delivered: self.delivered_to(release, found, database),
        }
    }

    fn delivered_to<'a>(
        &'a self,
        release: &'a Release,
        found: &Found,
        database: Option<&Database>,
    ) -> Delivered<'a> {
        let netns = release.netns;
        let expected = self.expected(release, found, database);
        let by_sockets = match expected {
            Some(pid) => self.sockets.path_of(netns, pid),
            None if self.sources.sockets.is_on() => self.sockets.path_of_all(netns),
            None => Path::Unknown,
        };
        let path = match by_sockets {
            _ if Profile::of(found.kind).intake == Intake::Switch => Path::Unknown,
            Path::Unknown => path_of(found),
            path => path,
        };
        Delivered {
            netns,
            steps: self
                .trails
                .of(TrailKey::of(netns, &release.message), release.seen),
            sockets: &self.sockets,
            host: &self.host,
            sources: self.sources,
            expected,
            path,
        }
    }

    /// The process that a message is for: the one whose database has the lease, else
    /// the one that granted it, if it still runs.
    fn expected(
        &self,
        release: &Release,
        found: &Found,
        database: Option<&Database>,
    ) -> Option<u32> {
        let process = found.process.map(|process| process.pid);
        if process.is_some() && database.is_some_and(|db| db.knows(release.address, release.seen)) {
            return process;
        }
        let binding = release.binding.as_ref();
        let granter = binding.and_then(|binding| self.granting_process(release.netns, binding));
        // Of several servers that do not know the address, any may be meant.
        let sole = self.servers.processes(release.netns).count() == 1;
        granter
            .map(|granter| granter.key.pid)
            .or(process.filter(|_| sole))
    }

    /// An earlier message that was honoured for the same address, with no ACK since.
    pub(super) fn honoured_before(&self, release: &Release) -> Option<u64> {
        let earlier = self
            .honoured
            .peek(&(release.netns, release.address))
            .copied();
        earlier.filter(|id| *id < release.id.0)
    }

    pub(super) fn context(&self, release: &Release, process: Option<Process>) -> Context<'_> {
        let binding_now = self.bindings.get(release.netns, release.address);
        let granter = binding_now.and_then(|binding| self.granting_process(release.netns, binding));
        let granter = granter.map(|granter| granter.key.pid);
        Context {
            binding_now,
            sole_server: process.is_some_and(|process| process.port == PortUse::Sole),
            granted_by_its_process: granter.is_some()
                && granter == process.map(|process| process.pid),
            offline: !self.config.live_evidence,
            honoured_before: self.honoured_before(release),
        }
    }

    /// The process that sent a binding's ACK, if it still listens.
    fn granting_process(&self, netns: NetnsId, binding: &Binding) -> Option<&ProcessFacts> {
        let granter = self.sockets.process(binding.granted_through?)?;
        self.sockets.lives(netns, granter.key).then_some(granter)
    }

    /// The server and the database that a message is for: the one that knows the
    /// address, else the only one there is.
    pub(super) fn look_up(&self, release: &Release) -> Found {
        let netns = release.netns;
        let (address, seen) = (release.address, release.seen);
        let client = release.message.hardware_address;
        let left = |db: &&Database| {
            let departed = db.departed_by(address, release.claimant());
            departed.is_some_and(|departed| departed.credited_to.is_none())
        };
        let clients = |db: &&Database| {
            db.present(address)
                .is_some_and(|present| present.lease.hardware_address == client)
        };
        let knowing = self
            .databases
            .of(netns)
            .find(left)
            // An old entry in the books of another server must not hide the lease.
            .or_else(|| self.databases.of(netns).find(clients))
            .or_else(|| self.databases.of(netns).find(|db| db.knows(address, seen)));
        let told = self.told_kind(release.origin.interface);
        if let Some(kind) = told.filter(|_| knowing.is_none()) {
            return self.found_as_told(release, kind);
        }
        let granter = self.granting_server(release);
        let database = knowing
            .or_else(|| {
                let of_it = |db: &&Database| granter.is_some() && db.id.server == granter;
                self.databases.of(netns).find(of_it)
            })
            .or_else(|| self.databases.of(netns).find(|db| db.serves(address)))
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
            process: process.map(Process::of),
            server: process.map(|facts| facts.server),
            database: database.map(|db| db.id),
            ids: self.servers.ids(netns, subnet),
            ids_of_this_host: self.servers.ids_of_this_host(netns),
        }
    }

    /// The server process that sent the ACK of the lease, if it still runs.
    fn granting_server(&self, release: &Release) -> Option<ServerRef> {
        let binding = release.binding.as_ref()?;
        let granter = self.granting_process(release.netns, binding)?;
        let mut servers = self.servers.processes(release.netns);
        let facts = servers.find(|facts| facts.pid == granter.key.pid)?;
        Some(facts.server)
    }

    /// The program that is told to be behind an interface.
    pub(super) fn told_kind(&self, interface: InterfaceId) -> Option<ServerKind> {
        let told = &self.config.assumed_on;
        let name = &self
            .host
            .interface(interface)
            .filter(|_| !told.is_empty())?
            .name;
        let fits = told.iter().find(|assumed| assumed.is_behind(name))?;
        Some(fits.kind)
    }

    /// The server that is told: of those found only one of its kind may be it.
    fn found_as_told(&self, release: &Release, kind: ServerKind) -> Found {
        let netns = release.netns;
        let mut processes = self.servers.processes(netns).filter(|of| of.kind == kind);
        let process = processes.next().filter(|_| processes.next().is_none());
        let server = process.map(|facts| facts.server);
        let of_it = |db: &&Database| server.is_some() && db.id.server == server;
        let subnet = self.host.subnet_key(netns, release.address);
        Found {
            kind,
            process: process.map(Process::of),
            server,
            database: self.databases.of(netns).find(of_it).map(|db| db.id),
            ids: self.servers.ids(netns, subnet),
            ids_of_this_host: self.servers.ids_of_this_host(netns),
        }
    }

    /// Whether a server of this host has to do with the message. A router also passes
    /// on messages to servers elsewhere, and every server hears a broadcast DECLINE.
    pub(super) fn concern(&self, release: &Release, database: Option<&Database>) -> Concern {
        let told = self.told_kind(release.origin.interface);
        if told.is_some_and(|kind| Profile::of(kind).intake == Intake::Switch) {
            // Its addresses are none of the host's: that it is behind this interface was told.
            return if release.only_left() {
                Concern::Theirs
            } else {
                Concern::Ours
            };
        }
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
    pub(super) fn has_rival(&self, release: &Release, state: LeaseState) -> bool {
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

    pub(super) fn breach_of(&self, release: &Release) -> Option<Breach> {
        let found = self.look_up(release);
        let database = found.database.and_then(|id| self.databases.get(id));
        rules::first_breach(&self.case(release, &found, database))
    }

    pub(super) fn summary(found: &Found) -> Option<ServerSummary> {
        let mut server_ids: Vec<ServerId> = found.ids.iter().map(|id| id.server_id).collect();
        server_ids.truncate(LISTED_IDS);
        let known = found.kind != ServerKind::Unknown || !server_ids.is_empty();
        known.then(|| ServerSummary {
            kind: found.kind,
            pid: found.process.map(|process| process.pid),
            server_ids,
        })
    }
}
