//! What `replay` prints: a table for people, or event lines.

use crate::cli::{FailOn, Format, ReplayArgs};
use crate::commands::stdout_style;
use crate::exit::Failure;
use crate::sinks::events::{EventWriter, Flushed, Output as Destination};
use crate::sinks::names::InterfaceNames;
use crate::sinks::table::{Style, Summary, VerdictTable};
use leasehound_core::engine::{Counts, MessageSeen, Output};
use leasehound_core::finding::Finding;
use leasehound_core::verdict::{Outcome, Verdict};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};

/// Prints verdicts as they come, and a summary at the end.
pub(super) struct Printer {
    form: Form,
    summary: Summary,
    style: Style,
    /// Whether what goes well every few minutes for each client is printed too.
    answered: bool,
}

enum Form {
    Table {
        table: VerdictTable,
        out: BufWriter<io::Stdout>,
        begun: bool,
    },
    Json {
        events: EventWriter<File>,
    },
}

impl Printer {
    /// For stdout.
    pub(super) fn new(args: &ReplayArgs, names: &InterfaceNames) -> Result<Self, Failure> {
        let style = stdout_style();
        let form = match args.format {
            Format::Table => Form::Table {
                table: VerdictTable::new(names.clone(), style),
                out: BufWriter::new(io::stdout()),
                begun: false,
            },
            Format::Json => {
                let events = EventWriter::open(&Destination::Stdout, names.clone())
                    .map_err(anyhow::Error::from)?;
                Form::Json { events }
            }
        };
        Ok(Self {
            form,
            summary: Summary::default(),
            style,
            answered: args.answered,
        })
    }

    /// Prints what the engine put out.
    pub(super) fn output(&mut self, output: Output) -> Result<(), Failure> {
        match output {
            Output::Verdict(verdict) => {
                self.summary.verdict(&verdict);
                self.verdict(&verdict)
            }
            Output::Finding(finding) => self.finding(&finding),
            Output::Message(seen) => self.message(&seen),
            Output::Opened { .. }
            | Output::Duplicate { .. }
            | Output::Malformed { .. }
            | Output::KernelDrop { .. }
            | Output::Request(_) => Ok(()),
        }
    }

    fn finding(&mut self, finding: &Finding) -> Result<(), Failure> {
        match &mut self.form {
            Form::Table { .. } => {
                self.summary.finding(finding);
                Ok(())
            }
            Form::Json { events } => written(events.finding(finding, "")),
        }
    }

    fn verdict(&mut self, verdict: &Verdict) -> Result<(), Failure> {
        match &mut self.form {
            Form::Table { .. }
                if matches!(verdict.outcome, Outcome::Answered { .. }) && !self.answered =>
            {
                Ok(())
            }
            Form::Table { table, out, begun } => {
                if !std::mem::replace(begun, true) {
                    out.write_all(table.header().as_bytes())?;
                }
                out.write_all(table.row(verdict).as_bytes())?;
                Ok(())
            }
            Form::Json { events } => written(events.verdict(verdict)),
        }
    }

    fn message(&mut self, seen: &MessageSeen) -> Result<(), Failure> {
        match &mut self.form {
            Form::Table { .. } => Ok(()),
            Form::Json { events } => written(events.message(seen)),
        }
    }

    /// Prints the summary and flushes.
    pub(super) fn end(&mut self, counts: Option<Counts>, skipped: u64) -> Result<(), Failure> {
        match &mut self.form {
            Form::Table { out, begun, .. } => {
                if *begun {
                    writeln!(out)?;
                }
                if let Some(counts) = counts {
                    let Counts {
                        frames,
                        messages,
                        messages6,
                        malformed,
                        ..
                    } = counts;
                    write!(
                        out,
                        "{frames} frames: {messages} DHCPv4 and {messages6} DHCPv6 messages"
                    )?;
                    if malformed > 0 {
                        write!(out, ", {malformed} malformed")?;
                    }
                    if skipped > 0 {
                        write!(out, "; {skipped} of an unreadable link type passed over")?;
                    }
                    writeln!(out)?;
                }
                out.write_all(self.summary.render(self.style).as_bytes())?;
                out.flush()?;
                Ok(())
            }
            Form::Json { events } => written(events.flush()),
        }
    }

    /// Whether there was such a verdict.
    pub(super) fn found(&self, what: FailOn) -> bool {
        let verdicts = match what {
            FailOn::Ignored => self.summary.alarms(),
            FailOn::Unanswered => self.summary.unanswered(),
        };
        verdicts > 0
    }
}

fn written<E: std::error::Error + Send + Sync + 'static>(
    result: Result<Flushed, E>,
) -> Result<(), Failure> {
    match result {
        Ok(Flushed::ReaderGone) => Err(Failure::ReaderGone),
        Ok(_) => Ok(()),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}
