//! Databases that are read, torn, lost and found again.

use super::*;
use crate::evidence::window::STILL;
use leasehound_core::evidence::Lease;
use leasehound_core::lease::Format;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const LAST: u8 = 200;
/// Comes and goes: one in the middle, and one at the end, where a tear looks
/// just like its leaving.
const GUESTS: [u8; 2] = [100, LAST];

fn database(path: &Path) -> Database {
    Database::new(
        ServerKind::Dnsmasq,
        NetnsId(0),
        None,
        Place::Path {
            path: path.to_owned(),
            format: Format::Dnsmasq,
            writer: None,
        },
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

/// A writer that rewrites in place as dnsmasq does, in pieces of a stdio buffer, 300 times
/// a second; the guests stay, and stay away, for 0.1 s.
struct Writer {
    stop: AtomicBool,
    /// Its thread's id; 0 until it runs.
    thread: AtomicU32,
    /// When the rewriting that goes on began; 0 if none does. In nanoseconds.
    began: AtomicU64,
    /// The longest that one took.
    longest: AtomicU64,
}

impl Writer {
    const fn new() -> Self {
        Self {
            stop: AtomicBool::new(false),
            thread: AtomicU32::new(0),
            began: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    fn run(&self, path: &Path) {
        let id = nix::unistd::gettid().as_raw().cast_unsigned();
        self.thread.store(id, Ordering::SeqCst);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        let mut round = 1_u64;
        while !self.stop.load(Ordering::SeqCst) {
            let text = table(round, (round / 30).is_multiple_of(2));
            let begin = clock::monotonic_nanos();
            self.began.store(begin, Ordering::SeqCst);
            file.set_len(0).unwrap();
            for piece in text.as_bytes().chunks(4096) {
                file.write_all(piece).unwrap();
            }
            let took = clock::monotonic_nanos() - begin;
            self.longest.fetch_max(took, Ordering::SeqCst);
            self.began.store(0, Ordering::SeqCst);
            round += 1;
            // Not waiting for anything: this is the rate.
            std::thread::sleep(Duration::from_micros(3_300));
        }
    }

    /// How long it was ever held up in the middle of writing, by a busy machine.
    fn held_up(&self) -> Duration {
        let goes_on = match self.began.load(Ordering::SeqCst) {
            0 => 0,
            began => clock::monotonic_nanos().saturating_sub(began),
        };
        Duration::from_nanos(self.longest.load(Ordering::SeqCst).max(goes_on))
    }
}

/// Follows what the writer writes until guests have left six times. A table may lack a
/// lease that stands only if the writer was held up for longer than `excused`.
async fn follow_a_writer(known_writer: bool, excused: Option<Duration>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), table(0, true)).unwrap();
    let writer = Arc::new(Writer::new());
    let thread = std::thread::spawn({
        let (writer, path) = (writer.clone(), file.path().to_owned());
        move || writer.run(&path)
    });
    while writer.thread.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let mut database = database(file.path());
    let id = writer.thread.load(Ordering::SeqCst);
    database.place.written_by(known_writer.then_some(id));
    let mut table = BTreeMap::new();
    let (mut left, mut readings) = (0, 0);
    while left < 6 {
        database.asked = true;
        let Some(update) = database.read().await else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        if matches!(update.content, LeaseContent::Unusable { .. }) {
            // Torn on every try: said, and nothing concluded.
            continue;
        }
        readings += 1;
        let before = table.len();
        apply(&mut table, update.content);
        left += usize::from(table.len() < before);
        let lost: Vec<u8> = (1..=LAST)
            .filter(|last| !GUESTS.contains(last))
            .filter(|last| !table.contains_key(&Ipv4Addr::new(10, 0, 0, *last)))
            .collect();
        let held_up = writer.held_up();
        assert!(
            lost.is_empty() || excused.is_some_and(|excused| held_up >= excused),
            "{lost:?} were lost in reading {readings}; the writer was held up for {held_up:?}"
        );
        for (address, lease) in &table {
            assert_eq!(
                lease.hardware_address.as_bytes().last(),
                address.octets().last()
            );
        }
    }
    writer.stop.store(true, Ordering::SeqCst);
    thread.join().unwrap();
}

#[tokio::test]
async fn a_writer_that_never_pauses_makes_no_wrong_table() {
    // Who writes is known, and was asked: whatever the machine does meanwhile.
    follow_a_writer(true, None).await;
}

#[tokio::test]
async fn nor_does_one_that_cannot_be_asked() {
    // But one that stops in the middle of writing is believed after so long.
    follow_a_writer(false, Some(STILL)).await;
}

/// Its next update. Not before nobody has written for a while: the file may be in the
/// middle of being written.
async fn settled(database: &mut Database) -> LeaseUpdate {
    loop {
        match database.read().await {
            Some(update) => return update,
            None => assert!(database.stale),
        }
    }
}

#[tokio::test]
async fn a_file_that_stays_empty_says_that_nothing_is_leased() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), table(0, true)).unwrap();
    let mut database = database(file.path());
    let full = settled(&mut database).await;
    assert!(
        matches!(full.content, LeaseContent::Full(leases) if leases.len() == usize::from(LAST))
    );
    assert!(full.read_from < full.read_until);
    std::fs::write(file.path(), "").unwrap();
    let emptied = settled(&mut database).await;
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
    settled(&mut database).await;
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
