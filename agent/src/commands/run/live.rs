//! Starts everything, feeds the pipeline, and ends in order.

use super::counters::Counters;
use super::pipeline::Pipeline;
use super::recorder::Recorder;
use super::watched::{Indexes, Watched};
use crate::capture::CaptureEvent;
use crate::capture::ebpf::{Budget, Capture, IngressMode, InterfaceLookup, Options};
use crate::cli::Ingress;
use crate::clock;
use crate::commands::stdout_style;
use crate::engine_config;
use crate::evidence::interfaces::Interface;
use crate::evidence::selection::Selection;
use crate::evidence::status::EvidenceStatus;
use crate::evidence::{EVIDENCE_QUEUE, EvidenceConfig, EvidenceTask, REQUEST_QUEUE};
use crate::exit::{Failure, usage};
use crate::settings::Settings;
use crate::sinks::events::{EventWriter, Output as Destination};
use crate::sinks::http::{self, Pages};
use crate::sinks::metrics::Metrics;
use crate::sinks::names::InterfaceNames;
use crate::sinks::servers::{LeaseCount, ServerEntry};
use crate::sinks::status::{Reader as ReaderState, Status};
use crate::sinks::table::VerdictTable;
use anyhow::Context as _;
use leasehound_core::engine::{Config, Engine};
use leasehound_core::evidence::Evidence;
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Frames taken at once, before the other inputs get their turn.
const FRAMES_AT_ONCE: usize = 256;

/// Table sizes, buffers, leases and servers are brought up to date this often.
const TICK: Duration = Duration::from_secs(1);

/// How long open releases may still wait for their evidence after a first signal: the
/// engine's grace, a reading, and a little.
const CLOSING: Duration = Duration::from_millis(2_500);

/// Watches until a signal comes. A second signal ends the process at once.
pub fn run(settings: Settings, debug: bool) -> Result<(), Failure> {
    // One thread: the engine has one owner, and a router has better things to do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { Live::start(settings, debug).await?.run().await })
}

struct Live {
    pipeline: Pipeline,
    counters: Arc<Counters>,
    watched: Watched,
    capture: Capture,
    frames: mpsc::Receiver<CaptureEvent>,
    reader: JoinHandle<std::io::Result<()>>,
    reader_stop: Option<oneshot::Sender<()>>,
    evidence: mpsc::Receiver<(Timestamp, Evidence)>,
    interfaces: watch::Receiver<Arc<[Interface]>>,
    evidence_status: watch::Receiver<EvidenceStatus>,
    evidence_task: JoinHandle<()>,
    server: JoinHandle<std::io::Result<()>>,
    server_stop: Option<oneshot::Sender<()>>,
}

impl Live {
    async fn start(settings: Settings, debug: bool) -> Result<Self, Failure> {
        let selection =
            Selection::new(&settings.interfaces, &settings.exclude_interface).map_err(usage)?;
        let listener = http::bind(settings.listen)
            .await
            .map_err(anyhow::Error::from)?;
        let (requests, requested) = mpsc::channel(REQUEST_QUEUE);
        let (evidence_out, evidence) = mpsc::channel(EVIDENCE_QUEUE);
        let evidence_config = EvidenceConfig {
            netns: NetnsId::default(),
            lease_databases: settings.lease_db.clone(),
        };
        let mut task = EvidenceTask::new(&evidence_config, requested, evidence_out)
            .map_err(anyhow::Error::from)?;
        let initial = task.initial().await.map_err(anyhow::Error::from)?;
        let interfaces = task.interfaces();
        let evidence_status = task.status();
        selection.check(&interfaces.borrow()).map_err(usage)?;
        let mut capture = load(&settings, debug)?;

        let names = InterfaceNames::new();
        let metrics = Arc::new(Metrics::new(names.clone()));
        let mut watched = Watched::new(selection, ingress(settings.ingress));
        let status = Arc::new(Status::new(names));
        let counters = Counters::new(
            capture.statistics(),
            watched.indexes(),
            Arc::clone(&metrics),
            Arc::clone(&status),
        );
        let counters = Arc::new(counters);
        let pages = Pages {
            metrics,
            status,
            refresh: Some(Arc::new(refresher(Arc::clone(&counters)))),
        };
        let mut pipeline = pipeline(&settings, pages, requests)?;
        for (at, evidence) in initial {
            pipeline.evidence(at, evidence)?;
        }
        let found = interfaces.borrow().to_vec();
        let failures = watched.follow(&found, &mut capture, &mut pipeline)?;
        let none = watched.count() == 0;
        if none && failures.is_empty() {
            tracing::warn!("no interface to watch yet");
        }
        for failure in failures {
            // What was asked for by name must work; of the default choice, something.
            if none || !settings.interfaces.is_empty() {
                return Err(anyhow::Error::from(failure).into());
            }
            tracing::warn!("{failure}");
        }
        let (frames_in, frames) = mpsc::channel(settings.channel_depth);
        let (reader_stop, stop) = oneshot::channel::<()>();
        let reader = capture.take_reader().context("the ring buffer is taken")?;
        let lookup = lookup(watched.indexes());
        let reader = tokio::spawn(reader.run(lookup, frames_in, async { drop(stop.await) }));
        pipeline.pages.status.set_reader(ReaderState::Runs);
        if let Some(forwarding) = capture.forward_debug_lines().filter(|_| debug) {
            tokio::spawn(async move {
                if let Err(error) = forwarding.await {
                    tracing::warn!("the programs' debug lines can't be read: {error}");
                }
            });
        }
        let (server_stop, stop) = oneshot::channel::<()>();
        tracing::info!(address = %listener.local_addr()?, "serving metrics and status");
        let server = tokio::spawn(http::serve(listener, pipeline.pages.clone(), async {
            drop(stop.await);
        }));
        Ok(Self {
            pipeline,
            counters,
            watched,
            capture,
            frames,
            reader,
            reader_stop: Some(reader_stop),
            evidence,
            interfaces,
            evidence_status,
            evidence_task: tokio::spawn(task.run()),
            server,
            server_stop: Some(server_stop),
        })
    }

    async fn run(mut self) -> Result<(), Failure> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(FRAMES_AT_ONCE);
        loop {
            let due = self.due();
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                count = self.frames.recv_many(&mut batch, FRAMES_AT_ONCE) => {
                    if count == 0 {
                        return self.reader_ended().await;
                    }
                    self.take(&mut batch)?;
                }
                Some((at, evidence)) = self.evidence.recv() => self.pipeline.evidence(at, evidence)?,
                () = due => self.pipeline.timeout()?,
                Ok(()) = self.interfaces.changed() => {
                    let found = self.interfaces.borrow_and_update().to_vec();
                    for failure in self.watched.follow(&found, &mut self.capture, &mut self.pipeline)? {
                        tracing::warn!("{failure}");
                    }
                }
                _ = tick.tick() => self.tick()?,
            }
            self.pipeline.flush()?;
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
        self.close(batch).await
    }

    /// Detaches, drains the ring, gives what is open its last chance and its verdict,
    /// answers a last scrape.
    async fn close(mut self, mut batch: Vec<CaptureEvent>) -> Result<(), Failure> {
        self.capture.detach_all();
        drop(self.reader_stop.take());
        let deadline = tokio::time::sleep(CLOSING);
        tokio::pin!(deadline);
        let mut draining = true;
        while draining || self.pipeline.engine.open_count() > 0 {
            let due = self.due();
            tokio::select! {
                count = self.frames.recv_many(&mut batch, FRAMES_AT_ONCE), if draining => {
                    draining = count > 0;
                    self.take(&mut batch)?;
                }
                Some((at, evidence)) = self.evidence.recv() => self.pipeline.evidence(at, evidence)?,
                () = due => self.pipeline.timeout()?,
                () = &mut deadline => break,
            }
            self.pipeline.flush()?;
        }
        self.pipeline.finish()?;
        self.tick()?;
        drop(self.server_stop.take());
        // The evidence task ends when nobody can ask it any more.
        drop(self.pipeline);
        drop(self.evidence);
        self.evidence_task.await.context("the evidence task")?;
        self.reader.await.context("the reader")??;
        self.server.await.context("the HTTP server")??;
        Ok(())
    }

    async fn reader_ended(self) -> Result<(), Failure> {
        let why = match self.reader.await {
            Ok(Ok(())) => anyhow::anyhow!("the reader of samples stopped"),
            Ok(Err(error)) => anyhow::Error::from(error).context("reading samples failed"),
            Err(error) => anyhow::Error::from(error).context("the reader of samples broke"),
        };
        Err(why.into())
    }

    fn take(&mut self, batch: &mut Vec<CaptureEvent>) -> Result<(), Failure> {
        for event in batch.drain(..) {
            match event {
                CaptureEvent::Frame(frame) => self.pipeline.frame(&frame)?,
                CaptureEvent::Loss(loss) => self.pipeline.loss(loss)?,
            }
        }
        Ok(())
    }

    /// Resolves when the engine's timeout has come; never if it has none.
    fn due(&self) -> impl Future<Output = ()> + use<> {
        let wait = self
            .pipeline
            .engine
            .poll_timeout()
            .map(|due| due.since(clock::now()));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    fn tick(&mut self) -> Result<(), Failure> {
        self.counters.refresh();
        let status = self.evidence_status.borrow_and_update().clone();
        let metrics = &self.pipeline.pages.metrics;
        let mut bound = 0;
        for database in &status.databases {
            let entries = u64::try_from(database.entries).unwrap_or(u64::MAX);
            metrics.lease_database(database.kind, "", database.up.then_some(entries));
            bound += entries;
        }
        if !status.databases.is_empty() {
            metrics.leases(&[LeaseCount {
                netns: String::new(),
                interface: None,
                bound,
            }]);
        }
        let servers = self.pipeline.engine.server_summaries(NetnsId::default());
        let servers: Vec<ServerEntry> = servers
            .into_iter()
            .map(|(interface, summary)| ServerEntry {
                netns: String::new(),
                interface,
                summary,
            })
            .collect();
        metrics.servers(&servers);
        self.pipeline.pages.status.set_servers(servers);
        self.pipeline.tick()
    }
}

fn load(settings: &Settings, debug: bool) -> Result<Capture, Failure> {
    let options = Options {
        ring_bytes: settings.ring_bytes,
        budget: budget(settings.sample_rate),
        debug,
        ..Options::default()
    };
    Ok(Capture::load(&options).map_err(anyhow::Error::from)?)
}

/// `rate` for chatter (DISCOVER, SOLICIT, INFORM …), four times that for REQUEST and
/// OFFER, ten times for what verdicts rest on; twice the chatter at once.
fn budget(rate: u32) -> Budget {
    let rate = u64::from(rate);
    Budget {
        per_second: [10 * rate, 4 * rate, rate],
        burst: [10 * rate, 4 * rate, 2 * rate],
    }
}

fn ingress(ingress: Ingress) -> IngressMode {
    match ingress {
        Ingress::Auto => IngressMode::Auto,
        Ingress::Tc => IngressMode::Tc,
        Ingress::Xdp => IngressMode::Xdp,
        Ingress::XdpGeneric => IngressMode::XdpGeneric,
    }
}

fn pipeline(
    settings: &Settings,
    pages: Pages,
    requests: mpsc::Sender<leasehound_core::evidence::EvidenceRequest>,
) -> Result<Pipeline, Failure> {
    let names = pages.status.names().clone();
    let config = Config {
        emit_messages: true,
        ..Config::default()
    };
    let recorder = settings
        .record
        .as_deref()
        .map(|path| Recorder::create(path, settings.record_limit, engine_config::to_json(&config)));
    let destination = settings.events.as_deref().map(Destination::from_argument);
    let events = destination
        .as_ref()
        .map(|to| EventWriter::open(to, names.clone()));
    let stdout_taken = settings.events.as_deref() == Some(Path::new("-"));
    let table = (!stdout_taken).then(|| VerdictTable::new(names, stdout_style()));
    Ok(Pipeline {
        engine: Engine::new(config),
        recorder: recorder.transpose()?,
        events: events.transpose().map_err(anyhow::Error::from)?,
        table,
        pages,
        requests,
        messages: settings.messages,
    })
}

fn lookup(indexes: Indexes) -> InterfaceLookup {
    Arc::new(move |index| {
        indexes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
            .copied()
    })
}

type Refreshed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn refresher(counters: Arc<Counters>) -> impl Fn() -> Refreshed + Send + Sync {
    move || {
        counters.refresh();
        Box::pin(std::future::ready(()))
    }
}
