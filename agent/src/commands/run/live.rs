//! Starts everything, feeds the pipeline, and ends in order.

use super::counters::Counters;
use super::namespaces::{Change, Common, Namespaces, ReaderEnd};
use super::pipeline::Pipeline;
use super::recorder::Recorder;
use super::witness::{Setup, Witness};
use crate::capture::CaptureEvent;
use crate::capture::ebpf::{Budget, IngressMode, Options};
use crate::cli::Ingress;
use crate::clock;
use crate::commands::stdout_style;
use crate::engine_config;
use crate::evidence::EVIDENCE_QUEUE;
use crate::evidence::interfaces::Interface;
use crate::evidence::selection::Selection;
use crate::exit::{Failure, usage};
use crate::netns::{Choice, Home};
use crate::settings::Settings;
use crate::sinks::events::{EventWriter, Output as Destination};
use crate::sinks::http::{self, LeaseQuestion, Pages};
use crate::sinks::metrics::Metrics;
use crate::sinks::names::InterfaceNames;
use crate::sinks::status::{Reader as ReaderState, Status};
use crate::sinks::table::VerdictTable;
use anyhow::Context as _;
use leasehound_core::engine::{Config, Engine};
use leasehound_core::evidence::Evidence;
use leasehound_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Frames taken at once, before the other inputs get their turn.
const FRAMES_AT_ONCE: usize = 256;

/// Requests for the leases that wait.
const LEASE_QUESTIONS: usize = 4;

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
    namespaces: Namespaces,
    witness: Witness,
    frames: mpsc::Receiver<CaptureEvent>,
    evidence: mpsc::Receiver<(Timestamp, Evidence)>,
    lease_questions: mpsc::Receiver<LeaseQuestion>,
    server: JoinHandle<std::io::Result<()>>,
    server_stop: Option<oneshot::Sender<()>>,
}

impl Live {
    async fn start(settings: Settings, debug: bool) -> Result<Self, Failure> {
        let common = common(&settings, debug)?;
        let listener = http::bind(settings.listen)
            .await
            .map_err(anyhow::Error::from)?;
        let home = Home::open().context("the agent's own network namespace")?;
        let (evidence_out, evidence) = mpsc::channel(EVIDENCE_QUEUE);
        let (frames_in, frames) = mpsc::channel(settings.channel_depth);
        let witnessed = evidence_out.clone();
        let mut namespaces = Namespaces::new(common, home, frames_in, evidence_out);
        let mut scouts = namespaces.scouts()?;
        let mut initial = Vec::new();
        let mut found: Vec<Interface> = Vec::new();
        for (_, scout) in &mut scouts {
            initial.extend(scout.initial().await?);
            found.extend_from_slice(&scout.interfaces().borrow());
        }
        namespaces.check(&found)?;

        let names = InterfaceNames::new();
        let metrics = Arc::new(Metrics::new(names.clone()));
        let status = Arc::new(Status::new(names));
        let counters = Arc::new(Counters::new(Arc::clone(&metrics), Arc::clone(&status)));
        let (lease_questions_in, lease_questions) = mpsc::channel(LEASE_QUESTIONS);
        let pages = Pages {
            metrics,
            status,
            refresh: Some(Arc::new(refresher(Arc::clone(&counters)))),
            leases: Some(lease_questions_in),
        };
        let mut pipeline = pipeline(&settings, pages)?;
        let mut loaded = Vec::with_capacity(scouts.len());
        for (id, scout) in scouts {
            loaded.push(namespaces.load(id, scout, &mut pipeline, &counters)?);
        }
        for (at, evidence) in initial {
            pipeline.evidence(at, evidence)?;
        }
        let mut failures = Vec::new();
        for (_, namespace, _) in &mut loaded {
            for failure in namespace.follow(|_| true, &mut pipeline, &counters)? {
                failures.push((namespace.netns.clone(), failure));
            }
        }
        let none = loaded
            .iter()
            .all(|(_, namespace, _)| namespace.count() == 0);
        if none && failures.is_empty() {
            tracing::warn!("no interface to watch yet");
        }
        for (netns, failure) in failures {
            // What was asked for by name must work; of the default choice, something.
            if none || !settings.interfaces.is_empty() {
                return Err(anyhow::Error::from(failure).into());
            }
            tracing::warn!(netns = netns.label(), "{failure}");
        }
        for namespace in loaded {
            namespaces.start(namespace, true)?;
        }
        let setup = Setup {
            places: namespaces.places(),
            evidence: witnessed,
            pages: pipeline.pages.clone(),
            deliveries: !settings.no_delivery,
        };
        let (witness, tally) = Witness::start(setup).context("watching deliveries")?;
        if let Some(tally) = tally {
            counters.add_host(tally);
        }
        pipeline.listeners = Some(witness.questions.clone());
        pipeline.pages.status.set_reader(ReaderState::Runs);
        let (server_stop, stop) = oneshot::channel::<()>();
        tracing::info!(address = %listener.local_addr()?, "serving metrics and status");
        let server = tokio::spawn(http::serve(listener, pipeline.pages.clone(), async {
            drop(stop.await);
        }));
        Ok(Self {
            pipeline,
            counters,
            namespaces,
            witness,
            frames,
            evidence,
            lease_questions,
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
                _ = self.frames.recv_many(&mut batch, FRAMES_AT_ONCE) => self.take(&mut batch)?,
                Some((at, evidence)) = self.evidence.recv() => self.take_evidence(at, evidence)?,
                () = due => self.pipeline.timeout()?,
                Some(asked) = self.lease_questions.recv() => drop(asked.send(self.pipeline.leases())),
                change = self.namespaces.change() => match change {
                    Change::Reader(ended) => self.reader_ended(ended)?,
                    Change::Names => self.namespaces.follow(&mut self.pipeline, &self.counters)?,
                },
                _ = tick.tick() => {
                    self.namespaces.follow(&mut self.pipeline, &self.counters)?;
                    self.tick()?;
                }
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
        self.namespaces.stop();
        self.witness.stop();
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
        self.witness.ended().await?;
        self.namespaces.ended().await?;
        self.server.await.context("the HTTP server")??;
        Ok(())
    }

    /// A reader may end only where its namespace was let go.
    fn reader_ended(&mut self, ended: ReaderEnd) -> Result<(), Failure> {
        let why = match ended {
            Ok((id, _)) if !self.namespaces.contains(id) => return Ok(()),
            Ok((_, Ok(()))) => anyhow::anyhow!("the reader of samples stopped"),
            Ok((_, Err(error))) => anyhow::Error::from(error).context("reading samples failed"),
            Err(error) => anyhow::Error::from(error).context("the reader of samples broke"),
        };
        Err(why.into())
    }

    /// Attaches to new interfaces once the engine has heard of them.
    fn take_evidence(&mut self, at: Timestamp, evidence: Evidence) -> Result<(), Failure> {
        let listed = match &evidence {
            Evidence::Interfaces { netns, interfaces } => {
                let ids: BTreeSet<_> = interfaces.iter().map(|facts| facts.id).collect();
                Some((*netns, ids))
            }
            _ => None,
        };
        self.pipeline.evidence(at, evidence)?;
        if let Some((netns, ids)) = listed {
            let known = |id| ids.contains(&id);
            let (pipeline, counters) = (&mut self.pipeline, &self.counters);
            self.namespaces
                .interfaces_known(netns, known, pipeline, counters)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: &mut Vec<CaptureEvent>) -> Result<(), Failure> {
        for event in batch.drain(..) {
            match event {
                CaptureEvent::Frame(frame) => self.pipeline.frame(&frame)?,
                CaptureEvent::Loss(loss) => self.pipeline.loss(loss)?,
                CaptureEvent::Socket(_) | CaptureEvent::Drop(_) | CaptureEvent::RawRead(_) => {}
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
        self.namespaces.sweep();
        self.namespaces.publish(&self.pipeline);
        self.pipeline.tick()
    }
}

fn common(settings: &Settings, debug: bool) -> Result<Common, Failure> {
    let choice = Choice::new(&settings.netns);
    if choice.may_be_many() && !settings.lease_db.is_empty() {
        return Err(usage(
            "--lease-db does not say of which network namespace: leave it out (the databases of running servers are found), or name one --netns",
        ));
    }
    let options = Options {
        ring_bytes: settings.ring_bytes,
        budget: budget(settings.sample_rate),
        debug,
        ..Options::default()
    };
    Ok(Common {
        choice,
        selection: Selection::new(&settings.interfaces, &settings.exclude_interface)
            .map_err(usage)?,
        ingress: ingress(settings.ingress),
        options,
        lease_databases: settings.lease_db.clone(),
    })
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

fn pipeline(settings: &Settings, pages: Pages) -> Result<Pipeline, Failure> {
    let names = pages.status.names().clone();
    let assumed = settings.server_kind.iter().map(|kind| kind.0.clone());
    let (on_interfaces, everywhere): (Vec<_>, Vec<_>) =
        assumed.partition(|assumed| assumed.interface.is_some());
    let everywhere = everywhere.into_iter().next_back();
    let config = Config {
        emit_messages: true,
        answer: settings.answer_deadline,
        assumed_server: everywhere.map(|assumed| assumed.kind),
        assumed_on: on_interfaces,
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
        namespaces: BTreeMap::new(),
        messages: settings.messages,
        listeners: None,
    })
}

type Refreshed = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn refresher(counters: Arc<Counters>) -> impl Fn() -> Refreshed + Send + Sync {
    move || {
        counters.refresh();
        Box::pin(std::future::ready(()))
    }
}
