//! The lease databases of the servers, kept up to date.
//!
//! Keeps the latest table of each database, so that the engine is sent changes
//! only. A torn reading never becomes evidence ([`super::settle`]).

use super::follow_log::{Followed, Found, News, follow};
use super::liveness::{Claim, Owner, Search};
use super::pace::Pace;
use super::place::Place;
use super::procfs::FileId;
use super::room::Roomed;
use super::settle::{Content, Known, ReadError, Settled, settle};
use crate::clock;
use leasehound_core::evidence::{
    DatabaseLiveness, DatabaseProblem, LeaseContent, LeaseUpdate, Liveness, ServerKind, ServerRef,
};
use leasehound_core::lease::Changes;
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use nix::sys::inotify::WatchDescriptor;
use std::time::Duration;
use tokio::time::Instant;

/// A database that is torn for so long is reported as unusable.
const TORN_LIMIT: Duration = Duration::from_secs(1);

/// A lease database and what was last read of it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) kind: ServerKind,
    pub(super) netns: NetnsId,
    pub(super) server: Option<ServerRef>,
    pub(super) place: Place,
    /// The watch on it, and the file that the watch is on.
    pub(super) watch: Option<(WatchDescriptor, Option<FileId>)>,
    /// The watch on the directory of a log.
    pub(super) directory: Option<WatchDescriptor>,
    /// It was written to, or could not be read for sure: read it.
    pub(super) stale: bool,
    /// The engine waits for an answer.
    pub(super) asked: bool,
    memory: Memory,
    torn_since: Option<Timestamp>,
    /// When it was written, if there was no room for all of it.
    cut_short: Option<Timestamp>,
    failure: Option<Box<str>>,
    /// Why a file that the operator named is none of a server here.
    foreign: Option<Box<str>>,
    /// What a server that can only be asked had counted.
    counted: Option<[i64; 3]>,
    /// When it may be asked again.
    pace: Pace,
    /// For whoever else writes it.
    search: Search,
    liveness: Liveness,
    liveness_told: Liveness,
}

/// What was read of it.
#[derive(Debug, Default)]
enum Memory {
    #[default]
    Nothing,
    Text(Known),
    Log(Box<Option<Followed>>),
}

impl Memory {
    fn len(&self) -> Option<usize> {
        match self {
            Self::Nothing => None,
            Self::Text(known) => Some(known.table.len()),
            Self::Log(followed) => followed.as_ref().as_ref().map(Followed::len),
        }
    }
}

/// A reading that counts.
struct Usable {
    from: Timestamp,
    until: Timestamp,
    content: LeaseContent,
    /// Read it again: not all of it is sure.
    again: bool,
}

enum Outcome {
    Usable(Usable),
    Torn { from: Timestamp, until: Timestamp },
}

impl Database {
    /// Not read yet.
    pub(super) fn new(
        kind: ServerKind,
        netns: NetnsId,
        server: Option<ServerRef>,
        place: Place,
    ) -> Self {
        Self {
            kind,
            netns,
            server,
            place,
            watch: None,
            directory: None,
            stale: true,
            asked: true,
            memory: Memory::Nothing,
            torn_since: None,
            cut_short: None,
            failure: None,
            foreign: None,
            counted: None,
            pace: Pace::default(),
            search: Search::default(),
            liveness: Liveness::Unknown,
            liveness_told: Liveness::Unknown,
        }
    }

    /// The watches that tell of its changes.
    pub(super) fn watches(&self) -> impl Iterator<Item = WatchDescriptor> {
        let file = self.watch.map(|(watch, _)| watch);
        file.into_iter().chain(self.directory)
    }

    /// Why the latest reading was of no use; `None` if it was, or came not yet.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Leases in the latest usable reading.
    pub(super) fn entries(&self) -> usize {
        self.memory.len().unwrap_or(0)
    }

    /// Whether there was a usable reading, and no failure since.
    pub(super) fn is_up(&self) -> bool {
        self.memory.len().is_some() && self.failure.is_none()
    }

    /// How it stands to its server, as of the latest look.
    pub(super) const fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Says whose it is, of a file that the operator named. Given to another server
    /// process than before, the next reading is handed over in full.
    pub(super) fn claim(&mut self, owners: &[Owner], strangers: bool) {
        let Some(path) = self.place.path().filter(|_| self.place.is_named()) else {
            return;
        };
        let (server, pid, foreign) =
            match Claim::of(&path, self.kind, owners, strangers, &mut self.search) {
                Claim::Of(server, pid) => (Some(server), Some(pid), None),
                Claim::Unknown => (None, None, None),
                // What the engine was told of it as a server's must be taken back as that.
                Claim::Nobody(reason) => (self.disowned_by(owners), None, Some(reason)),
            };
        self.place.written_by(pid);
        if self.server != server || self.foreign != foreign {
            self.server = server;
            self.foreign = foreign;
            self.memory = Memory::Nothing;
            self.stale = true;
        }
    }

    /// The server whose database a file that is none would be: the one it was taken for,
    /// else the only one of its kind.
    fn disowned_by(&self, owners: &[Owner]) -> Option<ServerRef> {
        let of_kind = || owners.iter().filter(|owner| owner.kind == self.kind);
        let still = self
            .server
            .filter(|server| of_kind().any(|owner| owner.server == *server));
        let sole = || of_kind().next().filter(|_| of_kind().count() == 1);
        still.or_else(|| sole().map(|owner| owner.server))
    }

    /// Looks at names only, not at the content.
    pub(super) fn look(&mut self) {
        self.liveness = match &self.foreign {
            Some(reason) => Liveness::NotLive {
                reason: reason.clone(),
            },
            None => match self.place.liveness(self.kind) {
                Liveness::Live if !self.is_up() => Liveness::Unknown,
                liveness => liveness,
            },
        };
    }

    /// How it stands as far as was told.
    pub(super) const fn liveness_told(&self) -> &Liveness {
        &self.liveness_told
    }

    /// Takes the place of a database of which that was told.
    pub(super) fn takes_over(&mut self, told: Liveness) {
        self.liveness_told = told;
    }

    /// What is to be told of how it stands: once, when that changes.
    pub(super) fn news_of_liveness(&mut self) -> Option<DatabaseLiveness> {
        let silent = !self.liveness.is_bad() && !self.liveness_told.is_bad();
        if silent || self.liveness == self.liveness_told {
            return None;
        }
        self.liveness_told = self.liveness.clone();
        Some(DatabaseLiveness {
            server: self.server,
            kind: self.kind,
            netns: self.netns,
            name: self
                .place
                .name()
                .map(|name| name.display().to_string().into()),
            state: self.liveness.clone(),
        })
    }

    /// Finds out whether a server that can only be asked has done anything since, if it
    /// may be read now.
    pub(super) async fn ask_what_changed(&mut self) {
        let Place::Control(socket) = &self.place else {
            return;
        };
        if self.stale || self.is_held_back() {
            return;
        }
        let from = Instant::now();
        let counted = socket.counted().await;
        if counted.is_none() {
            // One that does not answer costs as much as one that does.
            self.pace.answered(from);
        }
        if counted != self.counted {
            self.counted = counted;
            self.stale = true;
        }
    }

    /// Whether there is something to read it for.
    pub(super) const fn is_wanted(&self) -> bool {
        self.stale || self.asked
    }

    /// Whether it must not be read yet, to leave its server in peace.
    pub(super) fn is_held_back(&self) -> bool {
        self.due().is_some_and(|due| due > Instant::now())
    }

    /// When it may be read again; `None`: at any time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pace.next(self.asked)
    }

    /// Reads now. Gives an update if something changed or an answer is due; stays
    /// stale if it was torn, to be read again soon.
    pub(super) async fn read(&mut self) -> Option<LeaseUpdate> {
        let begin = clock::now();
        let outcome = match &self.foreign {
            Some(reason) => Err(ReadError::NoBooks {
                problem: DatabaseProblem::NotLive,
                reason: reason.clone(),
            }),
            None => self.read_memory().await,
        };
        let update = match outcome {
            Ok(Outcome::Torn { from, until }) => {
                self.stale = true;
                let since = *self.torn_since.get_or_insert(from);
                if until.since(since) < TORN_LIMIT {
                    return None;
                }
                let reason = "torn on every try: the server never rests from writing it";
                self.fail(from, until, DatabaseProblem::Damaged, reason.into())
            }
            Ok(Outcome::Usable(usable)) => self.told(usable),
            Err(error) => {
                self.stale = false;
                if error.problem() == DatabaseProblem::NotLive {
                    self.memory = Memory::Nothing;
                }
                let reason = error.to_string();
                self.fail(begin, clock::now(), error.problem(), reason.into())
            }
        };
        self.look();
        update
    }

    fn told(&mut self, usable: Usable) -> Option<LeaseUpdate> {
        let recovered = self.failure.take().is_some();
        self.torn_since = None;
        self.stale = usable.again;
        let changed = match &usable.content {
            LeaseContent::Delta { upserted, removed } => {
                !(upserted.is_empty() && removed.is_empty())
            }
            LeaseContent::Full(_) | LeaseContent::Unusable { .. } => true,
        };
        let due = std::mem::take(&mut self.asked) || recovered || changed;
        due.then(|| self.update(usable.from, usable.until, usable.content))
    }

    async fn read_memory(&mut self) -> Result<Outcome, ReadError> {
        if let Place::Log(log) = &self.place {
            if !matches!(self.memory, Memory::Log(_)) {
                self.memory = Memory::Log(Box::new(None));
            }
            let Memory::Log(followed) = &mut self.memory else {
                return Err(ReadError::Closed);
            };
            let found = follow(log, followed).await?;
            return Ok(log_outcome(found, followed.as_ref().as_ref()));
        }
        let known = match &self.memory {
            Memory::Text(known) => Some(known),
            Memory::Nothing | Memory::Log(_) => None,
        };
        let settled = match &self.place {
            Place::Control(socket) => {
                let from = Instant::now();
                let read = socket.read(known).await;
                self.pace.answered(from);
                read?
            }
            place => {
                let mut source = Roomed {
                    source: place.clone(),
                    cut_short: &mut self.cut_short,
                };
                settle(&mut source, known).await?
            }
        };
        Ok(self.take_in(settled))
    }

    /// Makes the reading the latest table.
    fn take_in(&mut self, settled: Settled) -> Outcome {
        let Settled {
            from,
            until,
            content,
        } = settled;
        let usable = |content, again| {
            Outcome::Usable(Usable {
                from,
                until,
                content,
                again,
            })
        };
        let delta = |upserted, removed| LeaseContent::Delta { upserted, removed };
        match (content, &mut self.memory) {
            (Content::Torn, _) => Outcome::Torn { from, until },
            (
                Content::Changed {
                    upserted,
                    gone,
                    text,
                },
                Memory::Text(known),
            ) => {
                known.table.apply(&upserted, &gone);
                known.text = Some(text);
                usable(delta(upserted, gone), false)
            }
            (Content::Read { seen, gone, text }, Memory::Text(known)) => {
                let again = text.is_none();
                let upserted = seen.news_to(&known.table);
                let mut table = seen;
                table.extend_from(&known.table, &gone);
                *known = Known { table, text };
                usable(delta(upserted, gone), again)
            }
            (Content::Read { seen, text, .. }, _) => {
                let again = text.is_none();
                let leases = seen.as_slice().to_vec();
                self.memory = Memory::Text(Known { table: seen, text });
                usable(LeaseContent::Full(leases), again)
            }
            (Content::Unchanged | Content::Changed { .. }, _) => {
                usable(delta(Vec::new(), Vec::new()), false)
            }
        }
    }

    /// A failure is told once, and to whoever asks.
    fn fail(
        &mut self,
        from: Timestamp,
        until: Timestamp,
        problem: DatabaseProblem,
        reason: Box<str>,
    ) -> Option<LeaseUpdate> {
        let news = self.failure.as_deref() != Some(&*reason);
        self.failure = Some(reason.clone());
        let due = std::mem::take(&mut self.asked) || news;
        due.then(|| self.update(from, until, LeaseContent::Unusable { problem, reason }))
    }

    fn update(&self, from: Timestamp, until: Timestamp, content: LeaseContent) -> LeaseUpdate {
        LeaseUpdate {
            server: self.server,
            kind: self.kind,
            netns: self.netns,
            read_from: from,
            read_until: until,
            content,
        }
    }
}

fn log_outcome(found: Found, followed: Option<&Followed>) -> Outcome {
    let Found {
        from,
        until,
        news,
        octets,
    } = found;
    tracing::trace!(octets, "read of a lease log");
    let content = match news {
        News::Torn => return Outcome::Torn { from, until },
        News::All => LeaseContent::Full(followed.map_or_else(Vec::new, Followed::leases)),
        News::Changes(Changes { upserted, removed }) => LeaseContent::Delta { upserted, removed },
    };
    Outcome::Usable(Usable {
        from,
        until,
        content,
        again: false,
    })
}

/// The answer where there is no database at all.
pub(super) fn no_database(netns: NetnsId) -> LeaseUpdate {
    let now = clock::now();
    LeaseUpdate {
        server: None,
        kind: ServerKind::Unknown,
        netns,
        read_from: now,
        read_until: now,
        content: LeaseContent::Unusable {
            problem: DatabaseProblem::Absent,
            reason: "no DHCP server with a lease database runs in this network namespace".into(),
        },
    }
}

#[cfg(test)]
mod tests;
