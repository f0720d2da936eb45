//! Reads a file that another process rewrites in place, and tells what is sure.
//!
//! dnsmasq rewinds, truncates and writes again: a reader can meet an empty file, a
//! piece that ends in or just between two lines, or parts of two versions. So a
//! single reading proves nothing, except where the writer slept through it. What a
//! torn reading would do harm by is a lease that seems to be gone; this is believed
//! only if the writer slept, or as [`super::window`] has it.

use super::procfs::Rest;
use super::room::RETRIED;
use super::table::Table;
use super::text_change::{TextChange, change_of};
use super::window::{Window, subject_of_last_line};
use crate::clock;
use leasehound_core::evidence::{DatabaseProblem, Lease};
use leasehound_core::lease::{self, Damage, Format, Reading};
use leasehound_core::time::Timestamp;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

/// After this much waiting a file counts as torn; the caller comes back later.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
pub(super) const FIRST_DELAY: Duration = Duration::from_micros(200);
pub(super) const LONGEST_DELAY: Duration = Duration::from_millis(4);

/// Where the text comes from.
pub(super) trait Source {
    /// Whose format it has.
    fn format(&self) -> Format;
    /// All of the file, from its beginning, and when it was last written to.
    fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError>;
    /// How the writing process is; `None` if there is none to ask.
    fn writer(&self) -> Option<Rest>;
    /// Whether whoever wrote it at `modified` had room for so much.
    fn had_room(&mut self, octets: u64, modified: Option<Timestamp>) -> bool;
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The server has none that says anything, or it is another server's.
    #[error("{reason}")]
    NoBooks {
        /// In a word.
        problem: DatabaseProblem,
        /// One line for the operator.
        reason: Box<str>,
    },
    /// The descriptor leads to another file now, or the process is another one.
    #[error("the server closed its lease file")]
    Closed,
    /// More octets than any lease file has.
    #[error("larger than {limit} octets: no lease file")]
    TooLarge {
        /// The most that is read.
        limit: u64,
    },
    /// It lacks leases, and there was no room for them.
    #[error("cut short: its file system is full, so its server could not write it")]
    CutShort,
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
    /// This process has no right to.
    #[error(
        "it may not be read ({0}): that takes CAP_DAC_READ_SEARCH, or CAP_SYS_PTRACE for what another user's server has open"
    )]
    Denied(#[source] io::Error),
    /// From the system.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied(error),
            _ => Self::Io(error),
        }
    }
}

impl ReadError {
    /// What is wrong with the database, in a word.
    pub(super) const fn problem(&self) -> DatabaseProblem {
        match self {
            Self::NoBooks { problem, .. } => *problem,
            Self::Closed => DatabaseProblem::Absent,
            Self::TooLarge { .. } | Self::CutShort | Self::Moving | Self::NotALease { .. } => {
                DatabaseProblem::Damaged
            }
            Self::Denied(_) | Self::Io(_) => DatabaseProblem::Unreadable,
        }
    }
}

/// What is known of the file from before.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) table: Table,
    /// The text that the table was read from, if it was one text.
    pub(super) text: Option<Vec<u8>>,
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
        /// `None` if some leases may be gone but it is not sure yet: read again.
        text: Option<Vec<u8>>,
    },
    /// The same but for a few lines.
    Changed {
        /// In order of address.
        upserted: Vec<Lease>,
        /// In order.
        gone: Vec<Ipv4Addr>,
        text: Vec<u8>,
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
        if known.is_some_and(|known| known.text.as_ref() == Some(&sample.text)) {
            return Ok(sample.settled(Content::Unchanged));
        }
        if sample.trust == Trust::WriterSlept
            && let Some(content) = sample.content(known)?
        {
            sample.has_all(source, known, content.gone())?;
            let (from, until) = (sample.from, sample.until);
            return Ok(Settled {
                from,
                until,
                content: content.with_text(sample.text),
            });
        }
        tokio::time::sleep(FIRST_DELAY).await;
        waited += FIRST_DELAY;
        let second = Sample::take(source)?;
        if sample.agrees_with(&second)
            && let Some(seen) = second.leases()?
        {
            let window =
                window.get_or_insert_with(|| Window::new(sample.from, waited, known, &seen));
            window.add(seen, &second.text);
            if window.is_sure(known.is_some(), waited, second.at_rest()) {
                second.has_all(source, known, window.absent())?;
                let until = second.until;
                return Ok(window.settled(until, second.text));
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

/// What makes a reading void. Records of unknown kinds alone are those of another file.
pub(super) fn damage_of(reading: &Reading) -> Option<Damage> {
    let foreign = reading.unknown > 0 && reading.leases.is_empty() && reading.leases6.is_empty();
    let none = || Damage {
        line: 1,
        reason: "no record of a kind that is known".into(),
    };
    reading.damage.clone().or_else(|| foreign.then(none))
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

struct Sample {
    from: Timestamp,
    until: Timestamp,
    format: Format,
    text: Vec<u8>,
    modified: Option<Timestamp>,
    trust: Trust,
}

/// What a trusted sample says, before its text is put to it.
enum Said {
    All(Table, Vec<Ipv4Addr>),
    Change(TextChange),
}

impl Said {
    fn gone(&self) -> &[Ipv4Addr] {
        match self {
            Self::All(_, gone) | Self::Change(TextChange { gone, .. }) => gone,
        }
    }

    fn with_text(self, text: Vec<u8>) -> Content {
        match self {
            Self::All(seen, gone) => Content::Read {
                seen,
                gone,
                text: Some(text),
            },
            Self::Change(TextChange { upserted, gone }) => Content::Changed {
                upserted,
                gone,
                text,
            },
        }
    }
}

impl Sample {
    fn take(source: &mut impl Source) -> Result<Self, ReadError> {
        let before = source.writer();
        let from = clock::now();
        let (text, modified) = source.read()?;
        let until = clock::now();
        let trust = match (before, source.writer()) {
            (Some(before), Some(after)) if before.asleep && before == after => Trust::WriterSlept,
            (Some(_), Some(_)) => Trust::WriterAwake,
            _ => Trust::NoWriter,
        };
        Ok(Self {
            from,
            until,
            format: source.format(),
            text,
            modified,
            trust,
        })
    }

    fn agrees_with(&self, second: &Self) -> bool {
        self.trust != Trust::WriterAwake
            && second.trust != Trust::WriterAwake
            && self.text == second.text
    }

    /// How long nothing had been written when it was taken.
    fn at_rest(&self) -> Duration {
        self.modified
            .map_or(Duration::ZERO, |modified| self.from.since(modified))
    }

    /// Fails where it may lack what could not be written: its end, all of it.
    fn has_all(
        &self,
        source: &mut impl Source,
        known: Option<&Known>,
        gone: &[Ipv4Addr],
    ) -> Result<(), ReadError> {
        let before = known.and_then(|known| known.text.as_deref());
        let before = before.unwrap_or_default();
        let end = subject_of_last_line(before);
        let whole = match known {
            Some(_) => {
                gone.is_empty() || (end.is_some() && end == subject_of_last_line(&self.text))
            }
            None => !self.text.is_empty(),
        };
        if whole || self.at_rest() >= RETRIED {
            return Ok(());
        }
        // What would be there now is hardly longer.
        let octets = u64::try_from(before.len()).unwrap_or(u64::MAX).max(1);
        if source.had_room(octets, self.modified) {
            Ok(())
        } else {
            Err(ReadError::CutShort)
        }
    }

    /// `None` if the text ends in the middle of a line.
    fn content(&self, known: Option<&Known>) -> Result<Option<Said>, ReadError> {
        if let Some((known, before)) = known.and_then(|known| Some((known, known.text.as_deref()?)))
            && let Some(change) = change_of(self.format, before, &self.text, &known.table)
        {
            return Ok(Some(Said::Change(change)));
        }
        let seen = self.leases()?;
        Ok(seen.map(|seen| {
            let gone = known.map_or_else(Vec::new, |known| known.table.missing_in(&seen));
            Said::All(seen, gone)
        }))
    }

    /// `None` if the text ends in the middle of a line.
    fn leases(&self) -> Result<Option<Table>, ReadError> {
        let reading = lease::read(self.format, &self.text);
        if !reading.complete {
            return Ok(None);
        }
        let format = self.format;
        match damage_of(&reading) {
            Some(damage) => Err(ReadError::NotALease { format, damage }),
            None => Ok(Some(Table::new(reading.leases))),
        }
    }

    fn settled(&self, content: Content) -> Settled {
        Settled {
            from: self.from,
            until: self.until,
            content,
        }
    }
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
        /// Written to at each reading; else long ago.
        written: bool,
        /// There was no room.
        full: bool,
        reads: u32,
    }

    impl Script {
        fn new(texts: &[&str], writer: Option<Rest>) -> Self {
            Self {
                texts: texts.iter().map(|text| (*text).to_owned()).collect(),
                writer,
                written: false,
                full: false,
                reads: 0,
            }
        }
    }

    impl Source for Script {
        fn format(&self) -> Format {
            Format::Dnsmasq
        }

        fn read(&mut self) -> Result<(Vec<u8>, Option<Timestamp>), ReadError> {
            self.reads += 1;
            let text = if self.texts.len() > 1 {
                self.texts.pop_front()
            } else {
                self.texts.front().cloned()
            };
            let modified = match (self.written, self.full) {
                (true, _) => clock::now(),
                // Before its server tries again.
                (_, true) => clock::now().saturating_sub(RETRIED / 2),
                _ => Timestamp::ZERO,
            };
            Ok((text.unwrap().into_bytes(), Some(modified)))
        }

        fn writer(&self) -> Option<Rest> {
            self.writer
        }

        fn had_room(&mut self, octets: u64, _: Option<Timestamp>) -> bool {
            assert!(octets > 0);
            !self.full
        }
    }

    fn known(text: &str) -> Known {
        Known {
            table: Table::new(lease::read(Format::Dnsmasq, text.as_bytes()).leases),
            text: Some(text.as_bytes().to_vec()),
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
            Content::Read { seen, gone, text } => format!(
                "seen [{}] gone [{}]{}",
                lasts(seen.as_slice().iter().map(|lease| lease.address).collect()),
                lasts(gone),
                if text.is_none() { " again" } else { "" }
            ),
            Content::Changed { upserted, gone, .. } => format!(
                "new [{}] gone [{}]",
                lasts(upserted.iter().map(|lease| lease.address).collect()),
                lasts(gone),
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
            "new [] gone [2]"
        );
        assert_eq!(script.reads, 1);
        let mut script = Script::new(&[""], ASLEEP);
        assert_eq!(
            outcome(&mut script, Some(&known(A))).await,
            "new [] gone [1]"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_was_no_room_for_is_not_gone() {
        let both = known(&[A, B].concat());
        for writer in [ASLEEP, None] {
            for (text, known) in [("", Some(&both)), (A, Some(&both)), ("", None)] {
                let mut script = Script::new(&[text], writer);
                script.full = true;
                let refused = settle(&mut script, known).await.unwrap_err();
                assert!(matches!(refused, ReadError::CutShort), "{text:?}");
            }
            // Its end is there, or nothing is missing.
            let added = [A, B, &B.replace('2', "3")].concat();
            for text in [B, &added] {
                let mut script = Script::new(&[text], writer);
                script.full = true;
                settle(&mut script, Some(&both)).await.unwrap();
            }
        }
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
                "unchanged",
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
    async fn a_writer_that_is_held_up_takes_nothing_away() {
        let both = [A, B].concat();
        for torn in ["", A] {
            // It stopped in the middle of writing, this very moment.
            let mut script = Script::new(&[torn], None);
            script.written = true;
            assert_eq!(
                outcome(&mut script, Some(&known(&both))).await,
                "torn",
                "after {torn:?}"
            );
        }
        // What stood last stands last: nothing was cut off.
        let mut script = Script::new(&[B], None);
        script.written = true;
        assert_eq!(
            outcome(&mut script, Some(&known(&both))).await,
            "seen [2] gone [1]"
        );
        // A writer that writes again was not held up.
        let renewed = |expires: u32| A.replace("100 ", &format!("{expires} "));
        let texts: Vec<String> = (0..40).flat_map(|n| [renewed(n), renewed(n)]).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut script = Script::new(&texts, None);
        script.written = true;
        assert_eq!(
            outcome(&mut script, Some(&known(&both))).await,
            "seen [1] gone [2]"
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
