//! Reads a file that another process rewrites in place, and tells what is sure.
//!
//! dnsmasq rewinds, truncates and writes again: a reader can meet an empty file, a
//! piece that ends in or just between two lines, or parts of two versions. So a
//! single reading proves nothing, except where the writer slept through it. What a
//! torn reading would do harm by is a lease that seems to be gone; this is believed
//! only if the writer slept, or if every reading in [`WINDOW`] lacks the lease.

use crate::clock;
use leasehound_core::evidence::DatabaseProblem;
use leasehound_core::lease::{self, Damage, Format};
use leasehound_core::time::Timestamp;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::procfs::Rest;
use super::table::Table;

/// How long a lease must be missing where nothing is known of the writer.
pub(super) const WINDOW: Duration = Duration::from_millis(20);
/// How many agreeing readings that takes at least.
const SAMPLES: u32 = 3;
/// After this much waiting a file counts as torn; the caller comes back later.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
pub(super) const FIRST_DELAY: Duration = Duration::from_micros(200);
pub(super) const LONGEST_DELAY: Duration = Duration::from_millis(4);

/// Where the text comes from.
pub(super) trait Source {
    /// Whose format it has.
    fn format(&self) -> Format;
    /// All of the file, from its beginning.
    fn read(&mut self) -> Result<Vec<u8>, ReadError>;
    /// How the writing process is; `None` if there is none to ask.
    fn writer(&self) -> Option<Rest>;
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The server keeps no lease file open.
    #[error("the server keeps no lease file open (leasefile-ro, or another kind of database?)")]
    NoDatabase,
    /// The descriptor leads to another file now, or the process is another one.
    #[error("the server closed its lease file")]
    Closed,
    /// More octets than any lease file has.
    #[error("larger than {limit} octets: no lease file")]
    TooLarge {
        /// The most that is read.
        limit: u64,
    },
    /// One file is taking another's place.
    #[error("its files are being replaced")]
    Moving,
    /// A line that is none of a lease file. What it hides would look like a lease that
    /// left, so nothing of the file counts.
    #[error("{damage}: no lease file of {}, or a damaged one", format.as_str())]
    NotALease {
        /// Whose format it should have.
        format: Format,
        /// What is wrong with it.
        damage: Damage,
    },
    /// From the system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// What is wrong with the database, in a word.
    pub(super) const fn problem(&self) -> DatabaseProblem {
        match self {
            Self::NoDatabase | Self::Closed => DatabaseProblem::Absent,
            Self::TooLarge { .. } | Self::Moving | Self::NotALease { .. } => {
                DatabaseProblem::Damaged
            }
            Self::Io(_) => DatabaseProblem::Unreadable,
        }
    }
}

/// What is known of the file from before.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) table: Table,
    /// Of the text that the table was read from, if it was one text.
    pub(super) fingerprint: Option<u64>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Settled {
    /// Before the first reading that counts.
    pub(super) from: Timestamp,
    /// After the last one.
    pub(super) until: Timestamp,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// The same text as before.
    Unchanged,
    /// What is leased, and which of the known addresses surely are no longer.
    Read {
        seen: Table,
        /// In order.
        gone: Vec<Ipv4Addr>,
        fingerprint: u64,
        /// Some leases may be gone but it is not sure yet: read again.
        again: bool,
    },
    /// No sure reading in [`PATIENCE`].
    Torn,
}

/// Reads until it is sure what the file holds, or patience ends.
pub(super) async fn settle(
    source: &mut impl Source,
    known: Option<&Known>,
) -> Result<Settled, ReadError> {
    let mut window = None;
    let mut waited = Duration::ZERO;
    let mut delay = FIRST_DELAY;
    let start = clock::now();
    loop {
        let sample = Sample::take(source)?;
        if known.is_some_and(|known| known.fingerprint == Some(sample.fingerprint)) {
            return Ok(sample.settled(Content::Unchanged));
        }
        if sample.trust == Trust::WriterSlept
            && let Some(seen) = sample.leases()?
        {
            let gone = missing(known, &seen);
            return Ok(sample.into_read(seen, gone));
        }
        tokio::time::sleep(FIRST_DELAY).await;
        waited += FIRST_DELAY;
        let second = Sample::take(source)?;
        if sample.agrees_with(&second)
            && let Some(seen) = second.leases()?
        {
            let window =
                window.get_or_insert_with(|| Window::new(sample.from, waited, known, &seen));
            window.add(seen);
            if window.is_sure(known.is_some(), waited) {
                return Ok(window.settled(&second));
            }
        }
        if waited >= PATIENCE {
            return Ok(Settled {
                from: start,
                until: second.until,
                content: Content::Torn,
            });
        }
        tokio::time::sleep(delay).await;
        waited += delay;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The writer slept from before the reading until after it: nothing is torn.
    WriterSlept,
    /// The writer was at work: this may be anything.
    WriterAwake,
    /// Nothing is known of the writer.
    NoWriter,
}

pub(super) struct Sample {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    format: Format,
    text: Vec<u8>,
    pub(super) fingerprint: u64,
    trust: Trust,
}

impl Sample {
    pub(super) fn take(source: &mut impl Source) -> Result<Self, ReadError> {
        let before = source.writer();
        let from = clock::now();
        let text = source.read()?;
        let until = clock::now();
        let trust = match (before, source.writer()) {
            (Some(before), Some(after)) if before.asleep && before == after => Trust::WriterSlept,
            (Some(_), Some(_)) => Trust::WriterAwake,
            _ => Trust::NoWriter,
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Self {
            from,
            until,
            format: source.format(),
            fingerprint: hasher.finish(),
            text,
            trust,
        })
    }

    fn agrees_with(&self, second: &Self) -> bool {
        self.fingerprint == second.fingerprint
            && self.text.len() == second.text.len()
            && self.trust != Trust::WriterAwake
            && second.trust != Trust::WriterAwake
    }

    /// `None` if the text ends in the middle of a line.
    pub(super) fn leases(&self) -> Result<Option<Table>, ReadError> {
        let reading = lease::read(self.format, &self.text);
        if !reading.complete {
            return Ok(None);
        }
        match reading.damage {
            Some(damage) => Err(ReadError::NotALease {
                format: self.format,
                damage,
            }),
            None => Ok(Some(Table::new(reading.leases))),
        }
    }

    pub(super) fn settled(&self, content: Content) -> Settled {
        Settled {
            from: self.from,
            until: self.until,
            content,
        }
    }

    pub(super) fn into_read(self, seen: Table, gone: Vec<Ipv4Addr>) -> Settled {
        self.settled(Content::Read {
            seen,
            gone,
            fingerprint: self.fingerprint,
            again: false,
        })
    }
}

/// Agreeing readings in a row, taken together.
struct Window {
    from: Timestamp,
    opened_after: Duration,
    samples: u32,
    /// In any of them; the newest state of each.
    seen: Table,
    /// Known before and in none of them, in order.
    absent: Vec<Ipv4Addr>,
    /// Whether the latest one lacks what is not in `absent`.
    doubtful: bool,
}

impl Window {
    fn new(from: Timestamp, opened_after: Duration, known: Option<&Known>, first: &Table) -> Self {
        Self {
            from,
            opened_after,
            samples: 0,
            seen: Table::default(),
            absent: missing(known, first),
            doubtful: false,
        }
    }

    fn add(&mut self, mut now: Table) {
        self.samples += 1;
        let length = now.len();
        self.absent.retain(|address| !now.contains(*address));
        now.extend_from(&self.seen, &[]);
        self.doubtful = now.len() != length;
        self.seen = now;
    }

    /// Where nothing known is missing, a tear can do no harm: whatever it cut off
    /// is new, and comes with the next reading.
    fn is_sure(&self, compares: bool, waited: Duration) -> bool {
        (compares && self.absent.is_empty())
            || (self.samples >= SAMPLES && waited.saturating_sub(self.opened_after) >= WINDOW)
    }

    fn settled(&mut self, last: &Sample) -> Settled {
        Settled {
            from: self.from,
            until: last.until,
            content: Content::Read {
                seen: std::mem::take(&mut self.seen),
                gone: std::mem::take(&mut self.absent),
                fingerprint: last.fingerprint,
                again: self.doubtful,
            },
        }
    }
}

pub(super) fn missing(known: Option<&Known>, now: &Table) -> Vec<Ipv4Addr> {
    known.map_or_else(Vec::new, |known| known.table.missing_in(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const A: &str = "100 02:00:00:00:00:01 10.0.0.1 * *\n";
    const B: &str = "100 02:00:00:00:00:02 10.0.0.2 * *\n";
    const ASLEEP: Option<Rest> = Some(Rest {
        asleep: true,
        switches: 7,
    });
    const AWAKE: Option<Rest> = Some(Rest {
        asleep: false,
        switches: 7,
    });

    /// Plays readings; the last one stays.
    struct Script {
        texts: VecDeque<String>,
        writer: Option<Rest>,
        reads: u32,
    }

    impl Script {
        fn new(texts: &[&str], writer: Option<Rest>) -> Self {
            Self {
                texts: texts.iter().map(|text| (*text).to_owned()).collect(),
                writer,
                reads: 0,
            }
        }
    }

    impl Source for Script {
        fn format(&self) -> Format {
            Format::Dnsmasq
        }

        fn read(&mut self) -> Result<Vec<u8>, ReadError> {
            self.reads += 1;
            let text = if self.texts.len() > 1 {
                self.texts.pop_front()
            } else {
                self.texts.front().cloned()
            };
            Ok(text.unwrap().into_bytes())
        }

        fn writer(&self) -> Option<Rest> {
            self.writer
        }
    }

    fn known(text: &str) -> Known {
        Known {
            table: Table::new(lease::read(Format::Dnsmasq, text.as_bytes()).leases),
            fingerprint: None,
        }
    }

    /// `"seen … gone …"`, by the last octets; `again` if not all is sure.
    async fn outcome(script: &mut Script, known: Option<&Known>) -> String {
        let last = |address: Ipv4Addr| address.octets()[3].to_string();
        let lasts = |addresses: Vec<Ipv4Addr>| {
            addresses
                .into_iter()
                .map(last)
                .collect::<Vec<_>>()
                .join(" ")
        };
        match settle(script, known).await.unwrap().content {
            Content::Unchanged => "unchanged".to_owned(),
            Content::Torn => "torn".to_owned(),
            Content::Read {
                seen, gone, again, ..
            } => format!(
                "seen [{}] gone [{}]{}",
                lasts(seen.as_slice().iter().map(|lease| lease.address).collect()),
                lasts(gone),
                if again { " again" } else { "" }
            ),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_none_of_a_lease_file_makes_all_of_it_void() {
        let damaged = format!("{A}1700000000 nonsense\n");
        for writer in [ASLEEP, None] {
            let mut script = Script::new(&[&damaged], writer);
            let refused = settle(&mut script, Some(&known(&[A, B].concat()))).await;
            let text = refused.unwrap_err().to_string();
            assert!(text.starts_with("line 2: "), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_sleeps_is_believed_at_once() {
        let both = [A, B].concat();
        let mut script = Script::new(&[A], ASLEEP);
        assert_eq!(
            outcome(&mut script, Some(&known(&both))).await,
            "seen [1] gone [2]"
        );
        assert_eq!(script.reads, 1);
        let mut script = Script::new(&[""], ASLEEP);
        assert_eq!(
            outcome(&mut script, Some(&known(A))).await,
            "seen [] gone [1]"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_at_work_is_never_believed() {
        let mut script = Script::new(&[A], AWAKE);
        assert_eq!(outcome(&mut script, Some(&known(B))).await, "torn");
        assert_eq!(outcome(&mut script, None).await, "torn");
    }

    #[tokio::test(start_paused = true)]
    async fn torn_readings_take_nothing_away() {
        let both = [A, B].concat();
        for torn in ["", A, &A[..20]] {
            let mut script = Script::new(&[torn, torn, torn, torn, &both], None);
            assert_eq!(
                outcome(&mut script, Some(&known(&both))).await,
                "seen [1 2] gone []",
                "after {torn:?}"
            );
        }
        let mut script = Script::new(&[&both[..50]], None);
        assert_eq!(outcome(&mut script, Some(&known(&both))).await, "torn");
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_away_is_gone() {
        let both = [A, B].concat();
        assert_eq!(
            outcome(&mut Script::new(&[A], None), Some(&known(&both))).await,
            "seen [1] gone [2]"
        );
        assert_eq!(
            outcome(&mut Script::new(&[""], None), Some(&known(&both))).await,
            "seen [] gone [1 2]"
        );
        assert_eq!(
            outcome(&mut Script::new(&[A], None), None).await,
            "seen [1] gone []"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_leaves_in_the_window_is_looked_at_again() {
        let both = [A, B].concat();
        let mut script = Script::new(&[&both, &both, A], None);
        assert_eq!(outcome(&mut script, None).await, "seen [1 2] gone [] again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_growing_table_needs_no_window() {
        let both = [A, B].concat();
        let mut script = Script::new(&[&both], None);
        assert_eq!(
            outcome(&mut script, Some(&known(A))).await,
            "seen [1 2] gone []"
        );
        assert_eq!(script.reads, 2);
    }
}
