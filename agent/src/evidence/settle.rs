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
    let mut looks = Looks {
        known,
        window: None,
        waited: Duration::ZERO,
    };
    let mut delay = FIRST_DELAY;
    let start = clock::now();
    loop {
        // While it is at work there is nothing to believe: not worth reading megabytes.
        let at_work = source.writer().is_some_and(|writer| !writer.asleep);
        if (!at_work || looks.waited >= PATIENCE)
            && let Some(settled) = looks.look(source).await?
        {
            return Ok(settled);
        }
        if looks.waited >= PATIENCE {
            return Ok(Settled {
                from: start,
                until: clock::now(),
                content: Content::Torn,
            });
        }
        tokio::time::sleep(delay).await;
        looks.waited += delay;
        delay = (delay * 2).min(LONGEST_DELAY);
    }
}

/// Looks at one file in a row.
struct Looks<'k> {
    known: Option<&'k Known>,
    window: Option<Window>,
    waited: Duration,
}

impl Looks<'_> {
    async fn look(&mut self, source: &mut impl Source) -> Result<Option<Settled>, ReadError> {
        let known = self.known;
        let sample = Sample::take(source)?;
        if known.is_some_and(|known| known.text.as_ref() == Some(&sample.text)) {
            return Ok(Some(sample.settled(Content::Unchanged)));
        }
        let (from, until) = (sample.from, sample.until);
        match sample.trust {
            Trust::WriterAwake => return Ok(None),
            Trust::WriterSlept => {
                let Some(said) = sample.content(known)? else {
                    return Ok(None);
                };
                sample.has_all(source, known, said.gone())?;
                return Ok(Some(Settled {
                    from,
                    until,
                    content: said.with_text(sample.text),
                }));
            }
            Trust::NoWriter => {}
        }
        tokio::time::sleep(FIRST_DELAY).await;
        self.waited += FIRST_DELAY;
        let second = Sample::take(source)?;
        if !sample.agrees_with(&second) {
            return Ok(None);
        }
        let until = second.until;
        let grown = second.change(known).filter(|change| change.gone.is_empty());
        if let Some(change) = grown.filter(|_| self.window.is_none()) {
            // Nothing is missing that a tear could have cut off.
            return Ok(Some(Settled {
                from,
                until,
                content: Said::Change(change).with_text(second.text),
            }));
        }
        let Some(seen) = second.leases()? else {
            return Ok(None);
        };
        let waited = self.waited;
        let window = self
            .window
            .get_or_insert_with(|| Window::new(from, waited, known, &seen));
        window.add(seen, &second.text);
        if !window.is_sure(known.is_some(), waited, second.at_rest()) {
            return Ok(None);
        }
        second.has_all(source, known, window.absent())?;
        Ok(Some(window.settled(until, second.text)))
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

    /// What it changes in a text that is known, if a look at some lines tells.
    fn change(&self, known: Option<&Known>) -> Option<TextChange> {
        let known = known?;
        let before = known.text.as_deref()?;
        change_of(self.format, before, &self.text, &known.table)
    }

    /// `None` if the text ends in the middle of a line.
    fn content(&self, known: Option<&Known>) -> Result<Option<Said>, ReadError> {
        if let Some(change) = self.change(known) {
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
mod tests;
