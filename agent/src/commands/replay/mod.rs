//! `leasehound replay`: a capture or a recording through the same engine, with the
//! file's own time.

mod feed;
mod print;

use crate::capture::file::regular_size;
use crate::cli::ReplayArgs;
use crate::evidence::snapshot::{self, LeaseDatabaseSpec};
use crate::exit::{Failure, usage};
use crate::recording::{self, RecordingError, Source};
use crate::settings::answer_deadline;
use crate::sinks::names::InterfaceNames;
use anyhow::Context as _;
use feed::Stopped;
use indicatif::{ProgressBar, ProgressStyle};
use leasehound_core::engine::{Config, Engine, Output, PendingLimits};
use leasehound_core::evidence::{LeaseContent, LeaseUpdate, ServerKind};
use leasehound_core::origin::NetnsId;
use print::Printer;
use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::Path;

/// Judges a file; whatever could be read is printed before an error is reported.
pub fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let answer = answer_deadline(args.answer_deadline).map_err(|error| usage(error.to_string()))?;
    let snapshot = args.lease_db.as_ref().map(read_snapshot).transpose()?;
    let (input, size) = open(&args.file)?;
    let label = args.file.display();
    let in_file = |error: RecordingError| anyhow::Error::from(error).context(format!("{label}"));
    let mut source = recording::open(input).map_err(in_file)?;

    let names = InterfaceNames::new();
    let mut printer = Printer::new(args, &names)?;
    let progress = progress_bar(size);
    let mut on_output = |output: Output| printer.output(output);
    let mut on_progress = |position: u64| progress.set_position(position);

    let (stopped, counts) = match &mut source {
        Source::Capture(reader) => {
            let mut engine = Engine::new(Config {
                answer,
                ..config(args, snapshot.as_ref())
            });
            let fed = feed::capture(
                reader,
                &mut engine,
                snapshot,
                &names,
                &mut on_output,
                &mut on_progress,
            );
            (fed.err(), Some(engine.counts()))
        }
        Source::Recording(reader) => {
            let judged_otherwise = args.answer_deadline.is_some();
            if args.lease_db.is_some() || args.server_kind.is_some() || judged_otherwise {
                return Err(usage(format!(
                    "{label} is a recording and holds the evidence itself: leave --lease-db, --server-kind and --answer-deadline out"
                )));
            }
            match feed::recording(
                reader,
                args.messages,
                &names,
                &mut on_output,
                &mut on_progress,
            ) {
                Ok(engine) => (None, Some(engine.counts())),
                Err(stopped) => (Some(stopped), None),
            }
        }
    };
    progress.finish_and_clear();
    let stopped = match stopped {
        Some(Stopped::Output(failure)) => return Err(failure),
        Some(Stopped::Read(error)) => Some(error),
        None => None,
    };
    let skipped = match &source {
        Source::Capture(reader) => reader.skipped(),
        Source::Recording(_) => 0,
    };
    printer.end(counts, skipped)?;
    if let Some(error) = stopped {
        return Err(in_file(error).into());
    }
    if args.fail_on.iter().any(|what| printer.found(*what)) {
        return Err(Failure::Findings);
    }
    Ok(())
}

fn config(args: &ReplayArgs, snapshot: Option<&LeaseUpdate>) -> Config {
    let defaults = PendingLimits::default();
    let by_flag = args.server_kind.map(ServerKind::from);
    Config {
        assumed_server: by_flag.or(snapshot.map(|update| update.kind)),
        announced_reading: snapshot.map(|update| update.read_until),
        live_evidence: false,
        emit_messages: args.messages,
        pending: PendingLimits {
            // Each waits for the snapshot's time; about a kilobyte each.
            open: if snapshot.is_some() {
                65_536
            } else {
                defaults.open
            },
            ..defaults
        },
        ..Config::default()
    }
}

fn read_snapshot(spec: &LeaseDatabaseSpec) -> Result<LeaseUpdate, Failure> {
    let shown = spec.path.display();
    let update =
        snapshot::read(spec, NetnsId::default()).with_context(|| format!("--lease-db {shown}"))?;
    if let LeaseContent::Unusable { reason, .. } = &update.content {
        return Err(usage(format!("--lease-db {shown}: {reason}")));
    }
    Ok(update)
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = regular_size(&file);
    Ok((Box::new(file), size))
}

fn progress_bar(size: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match size {
        Some(size) => {
            let style = ProgressStyle::with_template(
                "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
            );
            let bar = ProgressBar::new(size);
            style
                .map(|style| bar.clone().with_style(style))
                .unwrap_or(bar)
        }
        None => ProgressBar::new_spinner(),
    }
}
