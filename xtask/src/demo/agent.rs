//! leasehound itself, watching the demonstration's router.

use super::event::Event;
use crate::interrupt::Interrupt;
use crate::lab::{self, Daemon, Netns, PORT, Scratch};
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

/// It stops, and counts a verdict, within milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running `leasehound run`.
pub(super) struct Agent {
    daemon: Daemon,
    lines: Receiver<String>,
    events: Vec<Event>,
    echo: bool,
}

impl Agent {
    /// Starts it and waits until it says that it is ready; `echo` passes its events on to
    /// stdout as they come.
    pub(super) fn start(
        binary: &Path,
        echo: bool,
        namespace: &Netns,
        scratch: &Scratch,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let flags = own_flags();
        let mut daemon = lab::start_agent(binary, &flags, namespace, scratch, interrupt)?;
        let output = daemon.stdout().context("leasehound has no output")?;
        let (sender, lines) = channel();
        // Ends with the program: its output is closed then.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            daemon,
            lines,
            events: Vec::new(),
            echo,
        })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Waits for the first event, past ones included, that `wanted` accepts.
    pub(super) fn await_event(
        &mut self,
        what: &str,
        limit: Duration,
        interrupt: &Interrupt,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Event> {
        let found = interrupt.wait(what, limit, || {
            let open = self.take_lines();
            let found = self.events.iter().find(|event| wanted(event)).cloned();
            if found.is_none() && !open {
                self.daemon.check()?;
            }
            Ok(found)
        });
        found.with_context(|| format!("leasehound said: {}", self.daemon.last_words()))
    }

    /// Stops it as an operator would and takes what it still had to say.
    pub(super) fn stop(&mut self, interrupt: &Interrupt) -> Result<()> {
        let status = self.daemon.stop(interrupt, PATIENCE)?;
        if !status.success() {
            bail!(
                "leasehound ended with {status}: {}",
                self.daemon.last_words()
            );
        }
        interrupt.wait("end of leasehound's events", PATIENCE, || {
            Ok((!self.take_lines()).then_some(()))
        })
    }

    /// Takes what was printed; false once no more can come.
    fn take_lines(&mut self) -> bool {
        loop {
            match self.lines.try_recv() {
                Ok(line) => {
                    if self.echo {
                        // A reader that had enough (`| head`) is no reason to stop.
                        let _written = writeln!(std::io::stdout(), "{line}");
                    }
                    self.events.extend(Event::parse(&line));
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }
}

/// The lines of `/metrics` that tell of releases, once the verdict is among them.
pub(super) fn release_metrics(
    namespace: &Netns,
    verdict: &Event,
    interrupt: &Interrupt,
) -> Result<Vec<String>> {
    let family = format!("leasehound_releases_{}_total", verdict.text("/verdict"));
    interrupt.wait("metric of the verdict", PATIENCE, || {
        let page = namespace.http_get(PORT, "/metrics")?.unwrap_or_default();
        let lines: Vec<String> = page
            .lines()
            .filter(|line| line.starts_with("leasehound_releases_") && !line.ends_with(" 0"))
            .map(str::to_owned)
            .collect();
        let counted = lines.iter().any(|line| line.starts_with(&family));
        Ok(counted.then_some(lines))
    })
}

/// How it is called.
pub(super) fn flags() -> Vec<String> {
    [&lab::agent_flags()[..], &own_flags()[..]].concat()
}

fn own_flags() -> [String; 2] {
    ["--events".to_owned(), "-".to_owned()]
}
