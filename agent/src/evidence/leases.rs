//! The lease databases of the servers, kept up to date.
//!
//! Keeps the latest table of each database, so that the engine is sent changes
//! only. A torn reading never becomes evidence ([`super::settle`]).

use super::lease_file::{Books, LeaseFile};
use super::lease_log::LeaseLog;
use super::procfs::{self, FileId, Rest};
use super::settle::{Content, Known, ReadError, Settled, Source, settle};
use super::settle_log::settle_log;
use super::snapshot::LeaseDatabaseSpec;
use crate::clock;
use leasehound_core::evidence::{
    DatabaseProblem, LeaseContent, LeaseUpdate, ServerKind, ServerRef,
};
use leasehound_core::lease::Format;
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use nix::sys::inotify::WatchDescriptor;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// 600 KB hold 10,000 leases: a hundred times that is something else.
pub(super) const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
/// A database that is torn for so long is reported as unusable.
const TORN_LIMIT: Duration = Duration::from_secs(1);

/// Where a database is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A file that a server keeps open.
    Process { pid: u32, file: LeaseFile },
    /// A log of a server, or one that the operator named.
    Log(LeaseLog),
    /// A server keeps none open.
    Nowhere,
    /// A file that is rewritten in place, and that the operator named.
    Path(PathBuf),
}

impl Place {
    /// Where a server process has it.
    pub(super) fn of(pid: u32, books: Option<&Books>) -> Self {
        match books {
            Some(Books::File(file)) => Self::Process {
                pid,
                file: file.clone(),
            },
            Some(Books::Log(log)) => Self::Log(log.clone()),
            None => Self::Nowhere,
        }
    }

    /// What the operator named.
    pub(super) fn named(spec: &LeaseDatabaseSpec) -> Self {
        match spec.format {
            Format::IscDhcpd | Format::Kea => Self::Log(spec.log()),
            _ => Self::Path(spec.path.clone()),
        }
    }

    /// Whether the operator named it.
    pub(super) fn is_named(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::Log(log) => log.pid.is_none(),
            Self::Process { .. } | Self::Nowhere => false,
        }
    }

    /// The directory where its files take each other's place, if they do.
    pub(super) fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Log(log) => log.directory(),
            Self::Process { .. } | Self::Nowhere | Self::Path(_) => None,
        }
    }

    /// The path to watch and to open; `None` if there is nothing to read.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Process { pid, file } => Some(procfs::fd_path(*pid, file.fd)),
            Self::Log(log) => Some(log.path()),
            Self::Nowhere => None,
            Self::Path(path) => Some(path.clone()),
        }
    }

    /// The name to show to people.
    pub(super) fn name(&self) -> Option<&Path> {
        match self {
            Self::Process { file, .. } => Some(&file.name),
            Self::Log(log) => Some(&log.name),
            Self::Nowhere => None,
            Self::Path(path) => Some(path),
        }
    }
}

impl Source for Place {
    fn format(&self) -> Format {
        match self {
            Self::Log(log) => log.format,
            Self::Process { .. } | Self::Nowhere | Self::Path(_) => Format::Dnsmasq,
        }
    }

    /// Opens afresh each time: the offset is then ours, and a descriptor or pid
    /// that means something else now is found out.
    fn read(&mut self) -> Result<Vec<u8>, ReadError> {
        if let Self::Log(log) = self {
            return log.read(SIZE_LIMIT);
        }
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
            Self::Log(_) | Self::Nowhere | Self::Path(_) => None,
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
    /// The watch on the directory of a log.
    pub(super) directory: Option<WatchDescriptor>,
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
            directory: None,
            stale: true,
            asked: true,
            known: None,
            torn_since: None,
            failure: None,
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
        let known = self.known.as_ref();
        let settled = match &self.place {
            Place::Log(_) => settle_log(&mut self.place, known).await,
            _ => settle(&mut self.place, known).await,
        };
        let content = match settled {
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
                return self.fail(from, until, DatabaseProblem::Damaged, reason.into());
            }
            Ok(settled) => settled,
            Err(error) => {
                self.stale = false;
                let reason = error.to_string();
                return self.fail(begin, clock::now(), error.problem(), reason.into());
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

    /// Makes the reading the latest table; gives what the engine is told of it, and
    /// whether that is anything new.
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
            let leases = seen.as_slice().to_vec();
            self.known = Some(Known {
                table: seen,
                fingerprint,
            });
            return (LeaseContent::Full(leases), true);
        };
        let upserted = seen.news_to(&known.table);
        let mut table = seen;
        table.extend_from(&known.table, &gone);
        *known = Known { table, fingerprint };
        let changed = !(upserted.is_empty() && gone.is_empty());
        let removed = gone;
        (LeaseContent::Delta { upserted, removed }, changed)
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
mod tests {
    use super::*;
    use leasehound_core::evidence::Lease;
    use std::collections::BTreeMap;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    const LAST: u8 = 200;
    /// Comes and goes: one in the middle, and one at the end, where a tear looks
    /// just like its leaving.
    const GUESTS: [u8; 2] = [100, LAST];

    fn database(path: &Path) -> Database {
        Database::new(
            ServerKind::Dnsmasq,
            NetnsId(0),
            None,
            Place::Path(path.to_owned()),
        )
    }

    fn table(expires: u64, with_guests: bool) -> String {
        (1..=LAST)
            .filter(|last| with_guests || !GUESTS.contains(last))
            .map(|last| format!("{expires} 02:00:00:00:00:{last:02x} 10.0.0.{last} host{last} *\n"))
            .collect::<Vec<_>>()
            .concat()
    }

    fn apply(table: &mut BTreeMap<Ipv4Addr, Lease>, content: LeaseContent) {
        let (upserted, removed) = match content {
            LeaseContent::Full(leases) => {
                table.clear();
                (leases, Vec::new())
            }
            LeaseContent::Delta { upserted, removed } => (upserted, removed),
            LeaseContent::Unusable { reason, .. } => panic!("unusable: {reason}"),
        };
        table.extend(upserted.into_iter().map(|lease| (lease.address, lease)));
        for address in removed {
            assert!(table.remove(&address).is_some(), "{address} was not known");
        }
    }

    /// Rewrites in place as dnsmasq does, in pieces of a stdio buffer; gives the
    /// longest time that a rewriting took, in nanoseconds.
    fn rewrite(path: &Path, stop: &AtomicBool, longest: &AtomicU64) {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        let mut round = 1_u64;
        while !stop.load(Ordering::Relaxed) {
            // The guests stay, and stay away, for 0.1 s.
            let text = table(round, (round / 30).is_multiple_of(2));
            let begin = clock::monotonic_nanos();
            file.set_len(0).unwrap();
            for piece in text.as_bytes().chunks(4096) {
                file.write_all(piece).unwrap();
            }
            longest.fetch_max(clock::monotonic_nanos() - begin, Ordering::Relaxed);
            round += 1;
            // Not waiting for anything: this is the rate, 300 a second.
            std::thread::sleep(Duration::from_micros(3_300));
        }
    }

    #[tokio::test]
    async fn a_writer_that_never_pauses_makes_no_wrong_table() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), table(0, true)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let longest = Arc::new(AtomicU64::new(0));
        let writer = std::thread::spawn({
            let (path, stop, longest) = (file.path().to_owned(), stop.clone(), longest.clone());
            move || rewrite(&path, &stop, &longest)
        });
        let mut database = database(file.path());
        let mut table = BTreeMap::new();
        let (mut left, mut readings) = (0, 0);
        while left < 6 {
            database.asked = true;
            let Some(update) = database.read().await else {
                continue;
            };
            readings += 1;
            let before = table.len();
            apply(&mut table, update.content);
            left += usize::from(table.len() < before);
            for last in (1..=LAST).filter(|last| !GUESTS.contains(last)) {
                assert!(
                    table.contains_key(&Ipv4Addr::new(10, 0, 0, last)),
                    "10.0.0.{last} was lost in reading {readings}; longest rewriting {:?}",
                    Duration::from_nanos(longest.load(Ordering::Relaxed))
                );
            }
            for (address, lease) in &table {
                assert_eq!(
                    lease.hardware_address.as_bytes().last(),
                    address.octets().last()
                );
            }
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }

    #[tokio::test]
    async fn a_file_that_stays_empty_says_that_nothing_is_leased() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), table(0, true)).unwrap();
        let mut database = database(file.path());
        let full = database.read().await.unwrap();
        assert!(
            matches!(full.content, LeaseContent::Full(leases) if leases.len() == usize::from(LAST))
        );
        assert!(full.read_from < full.read_until);
        std::fs::write(file.path(), "").unwrap();
        let emptied = database.read().await.unwrap();
        assert!(emptied.read_until.since(emptied.read_from) >= Duration::from_millis(20));
        assert!(
            matches!(emptied.content, LeaseContent::Delta { removed, .. } if removed.len() == usize::from(LAST))
        );
        assert_eq!((database.entries(), database.is_up()), (0, true));
    }

    #[tokio::test]
    async fn an_answer_comes_though_nothing_changed_and_a_failure_is_told_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        std::fs::write(&path, table(7, true)).unwrap();
        let mut database = database(&path);
        assert!(database.read().await.is_some());
        assert_eq!(database.read().await, None);
        let asked_at = clock::now();
        database.asked = true;
        let answer = database.read().await.unwrap();
        assert!(answer.read_from >= asked_at);
        assert!(
            matches!(answer.content, LeaseContent::Delta { upserted, removed }
                if upserted.is_empty() && removed.is_empty())
        );
        drop(file);
        let failure = database.read().await.unwrap();
        assert!(matches!(failure.content, LeaseContent::Unusable { .. }));
        assert_eq!(database.read().await, None);
        assert!(!database.is_up());
        std::fs::write(&path, table(7, true)).unwrap();
        let back = database.read().await.unwrap();
        assert!(matches!(back.content, LeaseContent::Delta { .. }));
        std::fs::remove_file(&path).unwrap();
    }
}
