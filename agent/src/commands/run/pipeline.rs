//! The engine, what is recorded of its inputs, and where its outputs go.
//!
//! One task owns it. Every input is recorded before the engine takes it, in the
//! engine's order: that is what makes `replay` repeat a run.

use crate::capture::CapturedFrame;
use crate::clock;
use crate::exit::Failure;
use crate::sinks::Family;
use crate::sinks::events::{EventWriter, Flushed, LossReport, oddity_code};
use crate::sinks::hooks::HookReport;
use crate::sinks::http::Pages;
use crate::sinks::servers::LeaseEntry;
use crate::sinks::table::VerdictTable;
use leasehound_core::decode::v4::Oddity;
use leasehound_core::engine::{Engine, MessageSeen, Output};
use leasehound_core::evidence::{Evidence, EvidenceRequest, Loss};
use leasehound_core::finding::{Finding, FindingState};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use leasehound_core::verdict::{Outcome, Verdict};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use tokio::sync::mpsc;

use super::recorder::Recorder;

/// Leases that are listed on request: some 15 MiB of JSON.
const LEASES_AT_MOST: usize = 65_536;

/// Owns the engine.
pub(super) struct Pipeline {
    pub(super) engine: Engine,
    pub(super) recorder: Option<Recorder>,
    pub(super) events: Option<EventWriter<File>>,
    /// Prints verdicts for people, unless stdout belongs to the events.
    pub(super) table: Option<VerdictTable>,
    pub(super) pages: Pages,
    /// The namespaces that there is evidence of.
    pub(super) namespaces: BTreeMap<NetnsId, Namespace>,
    /// Whether messages go to the events.
    pub(super) messages: bool,
    /// Who is asked who listens.
    pub(super) listeners: Option<mpsc::Sender<NetnsId>>,
}

/// A namespace as the pipeline knows it.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    /// `None` once nobody answers any more.
    requests: Option<mpsc::Sender<EvidenceRequest>>,
}

impl Pipeline {
    /// Evidence of a namespace will come, and questions to it go to `requests`.
    pub(super) fn namespace_opened(
        &mut self,
        netns: NetnsId,
        name: &str,
        requests: mpsc::Sender<EvidenceRequest>,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.netns(netns, name);
        }
        let namespace = Namespace {
            name: name.to_owned(),
            requests: Some(requests),
        };
        self.namespaces.insert(netns, namespace);
    }

    /// Nothing is asked any more. Its name is kept until it is said to have no
    /// interfaces, which is the last that is heard of it.
    pub(super) fn namespace_closing(&mut self, netns: NetnsId) {
        if let Some(namespace) = self.namespaces.get_mut(&netns) {
            namespace.requests = None;
        }
    }

    pub(super) fn frame(&mut self, frame: &CapturedFrame) -> Result<(), Failure> {
        if let Some(recorder) = &mut self.recorder {
            recorder.frame(frame);
        }
        self.engine
            .handle_frame(frame.at, frame.origin, &frame.as_raw());
        self.drain()
    }

    pub(super) fn evidence(&mut self, at: Timestamp, evidence: Evidence) -> Result<(), Failure> {
        let mut last_of = None;
        if let Evidence::Interfaces { netns, interfaces } = &evidence {
            let namespace = self.namespaces.get(netns);
            let name = namespace.map_or("", |namespace| &namespace.name);
            for interface in interfaces {
                self.pages
                    .status
                    .names()
                    .insert(interface.id, name, &interface.name);
            }
            let closing = namespace.is_some_and(|namespace| namespace.requests.is_none());
            last_of = (closing && interfaces.is_empty()).then_some(*netns);
        }
        if let Evidence::FactsLost(loss) = evidence {
            self.tell_loss(at, loss)?;
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.evidence(at, &evidence);
        }
        self.engine.handle_evidence(at, evidence);
        if let Some(netns) = last_of {
            self.namespaces.remove(&netns);
        }
        self.drain()
    }

    pub(super) fn loss(&mut self, loss: Loss) -> Result<(), Failure> {
        let at = clock::now();
        if let Some(recorder) = &mut self.recorder {
            recorder.loss(at, loss);
        }
        self.engine.handle_loss(at, loss);
        self.tell_loss(at, loss)?;
        self.drain()
    }

    fn tell_loss(&mut self, at: Timestamp, loss: Loss) -> Result<(), Failure> {
        let report = LossReport {
            at,
            hook: None,
            loss,
        };
        tracing::warn!(
            stage = loss.stage.as_str(),
            count = loss.count,
            "samples were lost"
        );
        self.event(|events| events.loss(report))
    }

    /// What is due now. Called when the engine's timeout has come.
    pub(super) fn timeout(&mut self) -> Result<(), Failure> {
        let now = clock::now();
        if let Some(recorder) = &mut self.recorder {
            recorder.timeout(now);
        }
        self.engine.handle_timeout(now);
        self.drain()
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let now = clock::now();
        if let Some(recorder) = &mut self.recorder {
            recorder.finish(now);
        }
        self.engine.finish(now);
        self.drain()?;
        self.flush()
    }

    pub(super) fn hook(&mut self, report: &HookReport) -> Result<(), Failure> {
        self.pages.metrics.hook(report);
        self.pages.status.hook(report.clone());
        self.event(|events| events.hook(report))
    }

    /// Writes out what has gathered.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.event(EventWriter::flush)
    }

    /// What is seldom needed: table sizes, the recording's buffer.
    pub(super) fn tick(&mut self) -> Result<(), Failure> {
        for usage in self.engine.table_usage() {
            self.pages.metrics.table(usage);
        }
        let status = &self.pages.status;
        status.refresh_findings(self.engine.open_findings());
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
        self.flush()
    }

    /// The leases of all namespaces, leaks first, and whether these are all.
    pub(super) fn leases(&self) -> (Vec<LeaseEntry>, bool) {
        let mut entries = Vec::new();
        for (netns, namespace) in &self.namespaces {
            let reports = self.engine.lease_reports(*netns, LEASES_AT_MOST + 1);
            entries.extend(reports.into_iter().map(|report| LeaseEntry {
                netns: namespace.name.clone(),
                report,
            }));
        }
        entries.sort_by_key(|entry| entry.report.leak.is_none());
        let all = entries.len() <= LEASES_AT_MOST;
        entries.truncate(LEASES_AT_MOST);
        (entries, all)
    }

    fn drain(&mut self) -> Result<(), Failure> {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Verdict(verdict) => self.verdict(*verdict)?,
                Output::Message(seen) => self.message(&seen)?,
                Output::Opened {
                    origin,
                    message_type,
                    state,
                } => {
                    let metrics = &self.pages.metrics;
                    match state {
                        Some(state) => metrics.request_opened(origin.interface, state),
                        None => metrics.opened(origin.interface, message_type),
                    }
                }
                Output::Finding(finding) => self.finding(*finding)?,
                Output::KernelDrop {
                    netns,
                    interface,
                    reason,
                } => {
                    let name = self.name_of(netns).to_owned();
                    self.pages.metrics.kernel_drop(&name, interface, &reason);
                }
                Output::Duplicate { origin } => self.pages.metrics.duplicate(origin.interface),
                Output::Malformed { origin, reason } => {
                    self.pages
                        .metrics
                        .malformed(origin.interface, Family::Ipv4, reason);
                }
                // A full channel holds a request of the same kind already: requests made
                // before a reading begins are answered by it together.
                Output::Request(request) => self.ask(request),
            }
        }
        Ok(())
    }

    fn ask(&self, request: EvidenceRequest) {
        if let EvidenceRequest::Sockets { netns } = request {
            // A full channel holds a question that the next picture answers.
            if let Some(listeners) = &self.listeners {
                let _ = listeners.try_send(netns);
            }
            return;
        }
        let namespace = self.namespaces.get(&request.netns());
        if let Some(requests) = namespace.and_then(|namespace| namespace.requests.as_ref()) {
            let _ = requests.try_send(request);
        }
    }

    fn verdict(&mut self, verdict: Verdict) -> Result<(), Failure> {
        self.pages.metrics.verdict(&verdict);
        self.event(|events| events.verdict(&verdict))?;
        // What goes well every few minutes for each client is no news.
        if matches!(verdict.outcome, Outcome::Answered { .. }) {
            return Ok(());
        }
        if let Some(table) = &self.table {
            let mut out = std::io::stdout().lock();
            out.write_all(table.entry(&verdict).as_bytes())?;
            out.flush()?;
        }
        self.pages.status.verdict(Arc::new(verdict));
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Failure> {
        self.pages.metrics.findings(&self.engine.open_findings());
        let name = self.name_of(finding.netns).to_owned();
        let remedy = &finding.remedy;
        match finding.state {
            FindingState::Opened => {
                tracing::warn!(
                    netns = name,
                    finding = finding.kind.code(),
                    remedy,
                    "{}",
                    finding.title
                );
            }
            FindingState::Updated => {}
            FindingState::Closed => {
                tracing::info!(
                    netns = name,
                    finding = finding.kind.code(),
                    "over: {}",
                    finding.title
                );
            }
        }
        self.event(|events| events.finding(&finding, &name))?;
        self.pages.status.finding(&name, finding);
        Ok(())
    }

    fn name_of(&self, netns: NetnsId) -> &str {
        let namespace = self.namespaces.get(&netns);
        namespace.map_or("", |namespace| &namespace.name)
    }

    fn message(&mut self, seen: &MessageSeen) -> Result<(), Failure> {
        let damage = |oddity: &&Oddity| {
            !matches!(
                oddity,
                Oddity::Overload | Oddity::SplitOption | Oddity::Truncated
            )
        };
        for oddity in seen.message.oddities.iter().filter(damage) {
            self.pages
                .metrics
                .malformed(seen.origin.interface, Family::Ipv4, oddity_code(*oddity));
        }
        if self.messages {
            self.event(|events| events.message(seen))?;
        }
        Ok(())
    }

    fn event<E: std::error::Error>(
        &mut self,
        write: impl FnOnce(&mut EventWriter<File>) -> Result<Flushed, E>,
    ) -> Result<(), Failure> {
        let Some(events) = &mut self.events else {
            return Ok(());
        };
        match write(events) {
            Ok(Flushed::ReaderGone) => Err(Failure::ReaderGone),
            Ok(_) => Ok(()),
            Err(error) => {
                // Judging goes on: metrics and the status page still tell.
                tracing::error!("{error}");
                Ok(())
            }
        }
    }
}
