//! All lease databases of a namespace: which there are, and the watches on them.

use super::inotify::FileWatch;
use super::leases::{Database, no_database};
use super::liveness::Owner;
use super::place::Place;
use super::procfs::FileId;
use super::servers::{Server, ServerTable};
use super::snapshot::LeaseDatabaseSpec;
use super::status::DatabaseStatus;
use leasehound_core::evidence::{DatabaseLiveness, LeaseUpdate, ServerKind, ServerRef};
use leasehound_core::origin::NetnsId;
use nix::sys::inotify::WatchDescriptor;
use std::path::Path;
use tokio::time::Instant;

/// The databases that are read.
#[derive(Debug)]
pub(super) struct Library {
    netns: NetnsId,
    databases: Vec<Database>,
    /// `None`: no inotify instance was to be had; changes are then found by asking
    /// and by the clock.
    watch: Option<FileWatch>,
    /// The servers, and whether there are others that can't be seen: whose a file is that
    /// the operator named.
    owners: Vec<Owner>,
    strangers: bool,
}

impl Library {
    /// With the databases that the operator named. Must be called inside a tokio
    /// runtime.
    pub(super) fn new(netns: NetnsId, named: &[LeaseDatabaseSpec]) -> Self {
        let watch = FileWatch::open()
            .inspect_err(|error| tracing::warn!(%error, "lease databases can't be watched"))
            .ok();
        let databases = named
            .iter()
            .map(|spec| Database::new(spec.format.server(), netns, None, Place::named(spec)))
            .collect();
        let mut library = Self {
            netns,
            databases,
            watch,
            owners: Vec::new(),
            strangers: true,
        };
        library.rewatch();
        library
    }

    /// Follows the servers: one database for each process, except where the
    /// operator named a database of its kind.
    pub(super) fn follow(&mut self, servers: &ServerTable) {
        let named_kinds: Vec<ServerKind> = self
            .databases
            .iter()
            .filter(|database| database.place.is_named())
            .map(|database| database.kind)
            .collect();
        let wanted: Vec<(ServerKind, ServerRef, Place)> = servers
            .iter()
            .filter(|server| !named_kinds.contains(&server.facts.kind))
            .map(|server| {
                let place = Place::of(server.facts.pid, &server.books);
                (server.facts.kind, server.facts.server, place)
            })
            .collect();
        self.owners = servers.iter().map(owner).collect();
        self.strangers = servers.strangers();
        self.move_to(wanted);
    }

    /// One database for each of these, and those that the operator named.
    fn move_to(&mut self, wanted: Vec<(ServerKind, ServerRef, Place)>) {
        let mut dropped = Vec::new();
        let mut told = Vec::new();
        self.databases.retain(|database| {
            let stays = database.place.is_named()
                || wanted.iter().any(|(_, server, place)| {
                    database.server == Some(*server) && database.place == *place
                });
            if !stays {
                dropped.extend(database.watch.map(|(watch, _)| watch));
                dropped.extend(database.directory);
                told.push((database.server, database.liveness_told().clone()));
            }
            stays
        });
        for (kind, server, place) in wanted {
            if !self
                .databases
                .iter()
                .any(|database| database.server == Some(server))
            {
                let mut database = Database::new(kind, self.netns, Some(server), place);
                // What is wrong no longer must be taken back.
                let told = told.iter().find(|(of, _)| *of == Some(server));
                if let Some((_, told)) = told {
                    database.takes_over(told.clone());
                }
                self.databases.push(database);
            }
        }
        self.unwatch(&dropped);
        self.rewatch();
    }

    /// Sees to it that every database is watched, and marks those stale whose file
    /// is another one than before.
    pub(super) fn rewatch(&mut self) {
        for database in &mut self.databases {
            database.claim(&self.owners, self.strangers);
            database.look();
        }
        let Some(watch) = &self.watch else {
            for database in &mut self.databases {
                database.stale = true;
            }
            return;
        };
        let mut dropped = Vec::new();
        for database in &mut self.databases {
            let Some(path) = database.place.path() else {
                continue;
            };
            if database.directory.is_none() {
                let directory = database.place.directory();
                database.directory = directory.and_then(|path| watch.add_directory(&path).ok());
            }
            let file = FileId::at(&path).ok();
            if database.watch.is_some_and(|(_, watched)| watched == file) && file.is_some() {
                continue;
            }
            let before = database.watch.take();
            database.watch = add(watch, &path).map(|watch| (watch, file));
            // A database that is not there now and was not before is no news.
            database.stale |= before.is_some() || database.watch.is_some();
            dropped.extend(before.map(|(watch, _)| watch));
        }
        self.unwatch(&dropped);
    }

    /// Waits for a write to a database, and marks it stale.
    pub(super) async fn written(&mut self) -> std::io::Result<()> {
        let Some(watch) = &self.watch else {
            return std::future::pending().await;
        };
        let watches = watch.changed().await?;
        self.mark(&watches);
        let of_directory = |database: &Database| {
            let directory = database.directory.as_ref();
            directory.is_some_and(|directory| watches.contains(directory))
        };
        if self.databases.iter().any(of_directory) {
            // Another file may be the database now.
            self.rewatch();
        }
        Ok(())
    }

    /// Gives up watching: from now on only asking and the clock find changes.
    pub(super) fn stop_watching(&mut self) {
        self.watch = None;
    }

    /// Asks the servers that can only be asked whether anything has changed.
    pub(super) async fn ask_what_changed(&mut self) {
        for database in &mut self.databases {
            database.ask_what_changed().await;
        }
    }

    /// Whether any database waits to be read, or any answer to be given, and may be.
    pub(super) fn any_stale(&self) -> bool {
        self.databases
            .iter()
            .any(|database| database.is_wanted() && !database.is_held_back())
    }

    /// Whether the engine waits for an answer that can be given now.
    pub(super) fn any_asked(&self) -> bool {
        self.databases
            .iter()
            .any(|database| database.asked && !database.is_held_back())
    }

    /// When the first database may be read of those that are wanted, but held back.
    pub(super) fn due(&self) -> Option<Instant> {
        let held_back = self
            .databases
            .iter()
            .filter(|database| database.is_wanted());
        held_back.filter_map(Database::due).min()
    }

    /// Takes down that the engine wants to hear of every database. If there is
    /// none, that is the answer.
    pub(super) fn ask(&mut self) -> Option<LeaseUpdate> {
        for database in &mut self.databases {
            database.asked = true;
        }
        self.databases.is_empty().then(|| no_database(self.netns))
    }

    /// Reads what waits to be read.
    pub(super) async fn read(&mut self) -> Vec<LeaseUpdate> {
        let mut updates = Vec::new();
        for database in &mut self.databases {
            if database.is_wanted() && !database.is_held_back() {
                updates.extend(database.read().await);
            }
        }
        updates
    }

    /// What is to be told of how databases stand to their servers.
    pub(super) fn news_of_liveness(&mut self) -> Vec<DatabaseLiveness> {
        let all = self.databases.iter_mut();
        all.filter_map(Database::news_of_liveness).collect()
    }

    pub(super) fn status(&self) -> Vec<DatabaseStatus> {
        self.databases
            .iter()
            .map(|database| DatabaseStatus {
                kind: database.kind,
                netns: database.netns,
                server: database.server,
                path: database.place.name().map(Path::to_owned),
                up: database.is_up(),
                entries: database.entries(),
                reason: database.failure().map(Into::into),
                liveness: database.liveness().clone(),
            })
            .collect()
    }

    fn mark(&mut self, watches: &[WatchDescriptor]) {
        let lost = watches.iter().any(|watch| watch.as_raw() < 0);
        for database in &mut self.databases {
            database.stale |= lost || database.watches().any(|watch| watches.contains(&watch));
        }
    }

    /// Removes watches that no database uses any more: two names of one file share
    /// a watch.
    fn unwatch(&self, dropped: &[WatchDescriptor]) {
        let Some(watch) = &self.watch else {
            return;
        };
        for old in dropped {
            let used = self
                .databases
                .iter()
                .any(|database| database.watches().any(|watch| watch == *old));
            if !used {
                watch.remove(*old);
            }
        }
    }
}

fn add(watch: &FileWatch, path: &Path) -> Option<WatchDescriptor> {
    watch
        .add(path)
        .inspect_err(|error| tracing::debug!(%error, path = %path.display(), "not watched"))
        .ok()
}

fn owner(server: &Server) -> Owner {
    Owner {
        server: server.facts.server,
        kind: server.facts.kind,
        pid: server.facts.pid,
        books: server.books.clone(),
    }
}

#[cfg(test)]
mod tests;
