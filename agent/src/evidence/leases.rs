//! The lease databases of the servers, kept up to date.
//!
//! Keeps the latest table of each database, so that the engine is sent changes
//! only. A torn reading never becomes evidence ([`super::settle`]).

use super::lease_file::LeaseFile;
use super::procfs::{self, FileId, Rest};
use super::settle::{Content, Known, ReadError, Settled, Source, settle};
use crate::clock;
use leasehound_core::evidence::{LeaseContent, LeaseUpdate, ServerKind, ServerRef};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use nix::sys::inotify::WatchDescriptor;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// 600 KB hold 10,000 leases: a hundred times that is something else.
const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
/// A database that is torn for so long is reported as unusable.
const TORN_LIMIT: Duration = Duration::from_secs(1);

/// Where a database is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file that a server keeps open.
    Process { pid: u32, file: LeaseFile },
    /// A server keeps none open.
    Nowhere,
    /// A file that the operator named.
    Path(PathBuf),
}

impl Place {
    /// The path to watch and to open; `None` if there is nothing to read.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Process { pid, file } => Some(procfs::fd_path(*pid, file.fd)),
            Self::Nowhere => None,
            Self::Path(path) => Some(path.clone()),
        }
    }

    /// The name to show to people.
    pub(super) fn name(&self) -> Option<&Path> {
        match self {
            Self::Process { file, .. } => Some(&file.name),
            Self::Nowhere => None,
            Self::Path(path) => Some(path),
        }
    }
}

impl Source for Place {
    /// Opens afresh each time: the offset is then ours, and a descriptor or pid
    /// that means something else now is found out.
    fn read(&mut self) -> Result<Vec<u8>, ReadError> {
        let path = self.path().ok_or(ReadError::NoDatabase)?;
        let file = match (File::open(path), &*self) {
            (Err(error), Self::Process { .. }) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReadError::Closed);
            }
            (opened, _) => opened?,
        };
        let metadata = file.metadata()?;
        if let Self::Process { file: expected, .. } = self
            && FileId::of(&metadata) != expected.file
        {
            return Err(ReadError::Closed);
        }
        let mut text =
            Vec::with_capacity(usize::try_from(metadata.len().min(SIZE_LIMIT)).unwrap_or(0));
        file.take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > SIZE_LIMIT) {
            return Err(ReadError::TooLarge { limit: SIZE_LIMIT });
        }
        Ok(text)
    }

    fn writer(&self) -> Option<Rest> {
        match self {
            Self::Process { pid, .. } => procfs::rest(*pid).ok(),
            Self::Nowhere | Self::Path(_) => None,
        }
    }
}

/// A lease database and what was last read of it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) kind: ServerKind,
    pub(super) netns: NetnsId,
    pub(super) server: Option<ServerRef>,
    pub(super) place: Place,
    /// The watch on it, and the file that the watch is on.
    pub(super) watch: Option<(WatchDescriptor, Option<FileId>)>,
    /// It was written to, or could not be read for sure: read it.
    pub(super) stale: bool,
    /// The engine waits for an answer.
    pub(super) asked: bool,
    known: Option<Known>,
    torn_since: Option<Timestamp>,
    failure: Option<Box<str>>,
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
            stale: true,
            asked: true,
            known: None,
            torn_since: None,
            failure: None,
        }
    }

    /// Why the latest reading was of no use; `None` if it was, or came not yet.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Leases in the latest usable reading.
    pub(super) fn entries(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.table.len())
    }

    /// Whether there was a usable reading, and no failure since.
    pub(super) fn is_up(&self) -> bool {
        self.known.is_some() && self.failure.is_none()
    }

    /// Says that the database belongs to another server process than before: the
    /// next reading is handed over in full.
    pub(super) fn reassign(&mut self, server: Option<ServerRef>) {
        if self.server != server {
            self.server = server;
            self.known = None;
            self.stale = true;
        }
    }

    /// Reads now. Gives an update if something changed or an answer is due; stays
    /// stale if it was torn, to be read again soon.
    pub(super) async fn read(&mut self) -> Option<LeaseUpdate> {
        let begin = clock::now();
        let content = match settle(&mut self.place, self.known.as_ref()).await {
            Ok(Settled {
                from,
                until,
                content: Content::Torn,
            }) => {
                self.stale = true;
                let since = *self.torn_since.get_or_insert(from);
                if until.since(since) < TORN_LIMIT {
                    return None;
                }
                let reason = "torn on every try: the server never rests from writing it";
                return self.fail(from, until, reason.into());
            }
            Ok(settled) => settled,
            Err(error) => {
                self.stale = false;
                return self.fail(begin, clock::now(), error.to_string().into());
            }
        };
        let Settled {
            from,
            until,
            content,
        } = content;
        let recovered = self.failure.take().is_some();
        self.torn_since = None;
        self.stale = matches!(content, Content::Read { again: true, .. });
        let (content, changed) = self.take_in(content);
        let due = std::mem::take(&mut self.asked) || recovered || changed;
        due.then(|| self.update(from, until, content))
    }

    /// Whether the latest reading says that the server has to be looked for again.
    fn take_in(&mut self, content: Content) -> (LeaseContent, bool) {
        let nothing = LeaseContent::Delta {
            upserted: Vec::new(),
            removed: Vec::new(),
        };
        let Content::Read {
            seen,
            gone,
            fingerprint,
            again,
        } = content
        else {
            return (nothing, false);
        };
        let fingerprint = (!again).then_some(fingerprint);
        let Some(known) = &mut self.known else {
            let leases = seen.values().cloned().collect();
            self.known = Some(Known {
                table: seen,
                fingerprint,
            });
            return (LeaseContent::Full(leases), true);
        };
        known.fingerprint = fingerprint;
        for address in &gone {
            known.table.remove(address);
        }
        let mut upserted = Vec::new();
        for (address, lease) in seen {
            if known.table.get(&address) != Some(&lease) {
                upserted.push(lease.clone());
                known.table.insert(address, lease);
            }
        }
        let changed = !(upserted.is_empty() && gone.is_empty());
        let removed = gone.into_iter().collect();
        (LeaseContent::Delta { upserted, removed }, changed)
    }

    /// A failure is told once, and to whoever asks.
    fn fail(&mut self, from: Timestamp, until: Timestamp, reason: Box<str>) -> Option<LeaseUpdate> {
        let news = self.failure.as_deref() != Some(&*reason);
        self.failure = Some(reason.clone());
        let due = std::mem::take(&mut self.asked) || news;
        due.then(|| self.update(from, until, LeaseContent::Unusable { reason }))
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
            reason: "no DHCP server with a lease database runs in this network namespace".into(),
        },
    }
}
