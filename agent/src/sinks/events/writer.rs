//! Event lines to a file or a pipe.
//!
//! Lines are gathered and written whole, by [`EventWriter::flush`] or when enough
//! have gathered. A reader that went away is no error. A write that fails is
//! reported once; what could not be written is kept, up to a bound, and written when
//! the disk has room again; what the bound turned away is counted.

use super::{FindingEvent, HookEvent, LossEvent, LossReport, MessageEvent, VerdictEvent};
use crate::sinks::hooks::HookReport;
use crate::sinks::names::InterfaceNames;
use leasehound_core::engine::MessageSeen;
use leasehound_core::finding::Finding;
use leasehound_core::verdict::Verdict;
use serde::Serialize;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Lines are written when this much has gathered, in octets: a few dozen verdicts,
/// so that `replay` makes one system call for many.
const WRITE_AT: usize = 64 * 1024;

/// Most that is kept while writing fails, in octets: about a thousand verdicts.
const KEEP_AT_MOST: usize = 1024 * 1024;

/// Where event lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `-`
    Stdout,
    /// A file; lines are appended.
    File(PathBuf),
}

impl Output {
    /// From the value of `--events`.
    pub fn from_argument(argument: &Path) -> Self {
        if argument == Path::new("-") {
            Self::Stdout
        } else {
            Self::File(argument.to_owned())
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("-"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The file could not be opened.
    #[error(
        "cannot open {output} for events: {source}; name a file in a folder that exists and that this user may write to, or '-'"
    )]
    Open {
        /// The file, or '-'.
        output: String,
        /// What the system said.
        source: io::Error,
    },
    /// A write failed; further failures are not reported until one has worked.
    #[error(
        "cannot write events: {source}; up to 1 MiB is kept until it works again, later events are counted as dropped"
    )]
    Write {
        /// What the system said.
        source: io::Error,
    },
    /// An event has no JSON form. No event of schema 1 is like that.
    #[error("cannot make JSON of an event: {source}")]
    Encode {
        /// What the serialiser said.
        source: serde_json::Error,
    },
}

/// What became of the lines so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flushed {
    /// Written, or gathered for the next flush.
    Done,
    /// The reader closed the pipe: nobody wants more. Stop quietly.
    ReaderGone,
    /// Writing fails still, as was reported; the lines wait.
    Waiting,
}

/// Writes events, one object a line.
#[derive(Debug)]
pub struct EventWriter<W> {
    output: W,
    names: InterfaceNames,
    lines: Vec<u8>,
    state: State,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    Fails,
    ReaderGone,
}

impl EventWriter<File> {
    /// Opens `output`: stdout as it is, a file for appending, created with mode 0640.
    pub fn open(output: &Output, names: InterfaceNames) -> Result<Self, EventError> {
        let opened = match output {
            // The descriptor itself: std's stdout would buffer a second time.
            Output::Stdout => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Output::File(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(path),
        };
        let output = opened.map_err(|source| EventError::Open {
            output: output.to_string(),
            source,
        })?;
        Ok(Self::new(output, names))
    }
}

impl<W: Write> EventWriter<W> {
    /// Writes to `output`, with interfaces named by `names`.
    pub fn new(output: W, names: InterfaceNames) -> Self {
        Self {
            output,
            names,
            lines: Vec::new(),
            state: State::Works,
            dropped: 0,
        }
    }

    /// Adds a verdict.
    pub fn verdict(&mut self, verdict: &Verdict) -> Result<Flushed, EventError> {
        let name = self.names.get(verdict.origin.interface);
        self.line(&VerdictEvent::new(verdict, &name))
    }

    /// Adds a message.
    pub fn message(&mut self, seen: &MessageSeen) -> Result<Flushed, EventError> {
        let name = self.names.get(seen.origin.interface);
        self.line(&MessageEvent::new(seen, &name))
    }

    /// Adds a loss.
    pub fn loss(&mut self, report: LossReport) -> Result<Flushed, EventError> {
        self.line(&LossEvent::new(report))
    }

    /// Adds a finding of the namespace that is called `netns`.
    pub fn finding(&mut self, finding: &Finding, netns: &str) -> Result<Flushed, EventError> {
        let name = finding.interface.map(|id| self.names.get(id));
        self.line(&FindingEvent::new(finding, netns, name.as_deref()))
    }

    /// Adds a change of a hook.
    pub fn hook(&mut self, report: &HookReport) -> Result<Flushed, EventError> {
        let name = self.names.get(report.interface);
        self.line(&HookEvent::new(report, &name))
    }

    /// Events that were turned away because writing failed for too long.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes what has gathered, and flushes the output.
    pub fn flush(&mut self) -> Result<Flushed, EventError> {
        if self.state == State::ReaderGone {
            return Ok(Flushed::ReaderGone);
        }
        match self.write_out() {
            Ok(()) => {
                self.state = State::Works;
                Ok(Flushed::Done)
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.state = State::ReaderGone;
                self.lines = Vec::new();
                Ok(Flushed::ReaderGone)
            }
            Err(_) if self.state == State::Fails => Ok(Flushed::Waiting),
            Err(source) => {
                self.state = State::Fails;
                Err(EventError::Write { source })
            }
        }
    }

    fn line(&mut self, event: &impl Serialize) -> Result<Flushed, EventError> {
        match self.state {
            State::ReaderGone => return Ok(Flushed::ReaderGone),
            State::Fails if self.lines.len() >= KEEP_AT_MOST => {
                self.dropped = self.dropped.saturating_add(1);
                return Ok(Flushed::Waiting);
            }
            State::Works | State::Fails => {}
        }
        let before = self.lines.len();
        if let Err(source) = serde_json::to_writer(&mut self.lines, event) {
            self.lines.truncate(before);
            return Err(EventError::Encode { source });
        }
        self.lines.push(b'\n');
        match self.state {
            State::Works if self.lines.len() >= WRITE_AT => self.flush(),
            State::Works | State::ReaderGone => Ok(Flushed::Done),
            State::Fails => Ok(Flushed::Waiting),
        }
    }

    /// Takes out of `lines` exactly what the output took, so that a later try goes on
    /// in the middle of the line where this one stopped.
    fn write_out(&mut self) -> io::Result<()> {
        let mut taken = 0;
        let result = loop {
            let rest = self.lines.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                break self.output.flush();
            }
            match self.output.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => taken = taken.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.lines.drain(..taken.min(self.lines.len()));
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::fixtures;
    use std::os::unix::fs::PermissionsExt as _;

    /// Takes `room` octets, then fails with `error` until it is given more room.
    #[derive(Debug)]
    struct Disk {
        content: Vec<u8>,
        room: usize,
        error: io::ErrorKind,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(self.error.into());
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.content.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer(room: usize, error: io::ErrorKind) -> EventWriter<Disk> {
        let disk = Disk {
            content: Vec::new(),
            room,
            error,
        };
        EventWriter::new(disk, fixtures::names())
    }

    #[test]
    fn a_closed_pipe_stops_quietly() {
        let mut events = writer(0, io::ErrorKind::BrokenPipe);
        let verdict = fixtures::ignored();
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Done);
        assert_eq!(events.flush().unwrap(), Flushed::ReaderGone);
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::ReaderGone);
        assert_eq!(events.flush().unwrap(), Flushed::ReaderGone);
    }

    #[test]
    fn the_kernel_says_it_as_the_tests_do() {
        let (reader, pipe) = io::pipe().unwrap();
        drop(reader);
        let mut events = EventWriter::new(pipe, fixtures::names());
        assert_eq!(events.verdict(&fixtures::ignored()).unwrap(), Flushed::Done);
        assert_eq!(events.flush().unwrap(), Flushed::ReaderGone);

        let full = Output::from_argument(Path::new("/dev/full"));
        let mut events = EventWriter::open(&full, fixtures::names()).unwrap();
        assert_eq!(events.verdict(&fixtures::ignored()).unwrap(), Flushed::Done);
        assert!(matches!(events.flush(), Err(EventError::Write { .. })));
        assert_eq!(events.flush().unwrap(), Flushed::Waiting);
    }

    #[test]
    fn a_full_disk_is_reported_once_and_no_line_is_torn_or_lost_when_it_has_room_again() {
        let mut events = writer(100, io::ErrorKind::StorageFull);
        let verdict = fixtures::ignored();
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Done);
        let error = events.flush().unwrap_err();
        assert!(matches!(error, EventError::Write { .. }), "{error}");
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Waiting);
        assert_eq!(events.flush().unwrap(), Flushed::Waiting);

        events.output.room = usize::MAX;
        assert_eq!(events.flush().unwrap(), Flushed::Done);
        let text = String::from_utf8(events.output.content.clone()).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["kind"], "verdict");
        }
        assert_eq!(events.dropped(), 0);

        events.output.room = 0;
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Done);
        assert!(events.flush().is_err(), "a new failure is reported anew");
    }

    #[test]
    fn what_waits_is_bounded_and_the_rest_is_counted() {
        let mut events = writer(0, io::ErrorKind::StorageFull);
        let verdict = fixtures::ignored();
        assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Done);
        assert!(events.flush().is_err());
        for _ in 0..10_000 {
            assert_eq!(events.verdict(&verdict).unwrap(), Flushed::Waiting);
        }
        assert!(events.lines.len() < KEEP_AT_MOST + 4096);
        let kept = events.lines.split(|byte| *byte == b'\n').skip(1).count();
        assert_eq!(kept as u64 + events.dropped(), 10_001);
    }

    #[test]
    fn lines_are_written_without_a_flush_once_enough_have_gathered() {
        let mut events = writer(usize::MAX, io::ErrorKind::StorageFull);
        for _ in 0..200 {
            assert_eq!(events.verdict(&fixtures::ignored()).unwrap(), Flushed::Done);
        }
        assert!(events.output.content.len() >= WRITE_AT);
        assert!(events.lines.len() < WRITE_AT);
    }

    #[test]
    fn a_file_is_appended_to_and_not_readable_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for _ in 0..2 {
            let output = Output::from_argument(&path);
            let mut events = EventWriter::open(&output, fixtures::names()).unwrap();
            assert_eq!(events.verdict(&fixtures::ignored()).unwrap(), Flushed::Done);
            assert_eq!(events.flush().unwrap(), Flushed::Done);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7137, 0, "{mode:o}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let output = Output::from_argument(Path::new("/nonexistent/events.jsonl"));
        let error = EventWriter::open(&output, fixtures::names()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/events.jsonl"));
        assert_eq!(Output::from_argument(Path::new("-")), Output::Stdout);
    }
}
