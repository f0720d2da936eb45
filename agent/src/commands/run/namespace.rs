//! One network namespace that is watched: its programs, hooks and evidence.

use super::books::Books;
use super::counters::Counters;
use super::databases::Databases;
use super::indexes::Indexes;
use super::pipeline::Pipeline;
use super::watched::Watched;
use crate::capture::ebpf::{AttachError, Capture, IngressMode, InterfaceLookup, Options, Reader};
use crate::clock;
use crate::evidence::interfaces::Interface;
use crate::evidence::selection::Selection;
use crate::evidence::status::{DatabaseStatus, EvidenceStatus};
use crate::evidence::{EvidenceConfig, EvidenceTask, REQUEST_QUEUE};
use crate::exit::Failure;
use crate::netns::Netns;
use crate::sinks::databases::DatabaseEntry;
use anyhow::Context as _;
use leasehound_core::evidence::{Evidence, EvidenceRequest};
use leasehound_core::origin::{InterfaceId, NetnsId};
use leasehound_core::time::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// Where evidence goes.
pub(super) type EvidenceOut = mpsc::Sender<(Timestamp, Evidence)>;

/// Looks at the namespace, before anything is loaded.
pub(super) struct Scout {
    netns: Netns,
    config: EvidenceConfig,
    task: EvidenceTask,
    requests: mpsc::Sender<EvidenceRequest>,
}

/// A namespace whose hooks are attached.
pub(super) struct Namespace {
    pub(super) netns: Netns,
    pub(super) status: watch::Receiver<EvidenceStatus>,
    pub(super) databases: Databases,
    /// Its leases, as they were last counted.
    pub(super) books: Books,
    /// What the log has been told of the evidence that is not to be had.
    complaints: BTreeSet<String>,
    id: NetnsId,
    capture: Capture,
    watched: Watched,
    interfaces: watch::Receiver<Arc<[Interface]>>,
    /// Dropped, the reader ends.
    pub(super) reader_stop: Option<oneshot::Sender<()>>,
    pub(super) debug_lines: Option<AbortHandle>,
}

impl Scout {
    pub(super) fn new(
        netns: Netns,
        config: EvidenceConfig,
        evidence: EvidenceOut,
    ) -> anyhow::Result<Self> {
        let (requests, requested) = mpsc::channel(REQUEST_QUEUE);
        let inside = netns.enter()?;
        let task = EvidenceTask::new(&config, requested, evidence)?;
        drop(inside);
        Ok(Self {
            netns,
            config,
            task,
            requests,
        })
    }

    /// Everything there is at the start.
    pub(super) async fn initial(&mut self) -> anyhow::Result<Vec<(Timestamp, Evidence)>> {
        Ok(self.netns.within(self.task.initial()).await??)
    }

    pub(super) fn interfaces(&self) -> watch::Receiver<Arc<[Interface]>> {
        self.task.interfaces()
    }

    /// Loads the programs; attaches nothing yet. The task is to be spawned.
    pub(super) fn load(
        self,
        options: &Options,
        selection: Selection,
        ingress: IngressMode,
        pipeline: &mut Pipeline,
    ) -> anyhow::Result<(Namespace, EvidenceTask)> {
        let inside = self.netns.enter()?;
        let capture = Capture::load(options)?;
        drop(inside);
        pipeline.namespace_opened(self.config.netns, self.netns.name(), self.requests);
        let namespace = Namespace {
            status: self.task.status(),
            databases: Databases::default(),
            books: Books::default(),
            complaints: BTreeSet::new(),
            id: self.config.netns,
            capture,
            watched: Watched::new(self.netns.name(), selection, ingress),
            interfaces: self.task.interfaces(),
            reader_stop: None,
            debug_lines: None,
            netns: self.netns,
        };
        Ok((namespace, self.task))
    }
}

impl Namespace {
    /// Tells the log, once each, which evidence is not to be had: without it verdicts
    /// are undetermined, and nobody looks at a metric first.
    pub(super) fn complain(&mut self, status: &EvidenceStatus) {
        let databases = self.entries(status);
        let unread = databases.iter().filter_map(DatabaseEntry::problem);
        let problems = status.problems.iter().map(ToString::to_string);
        let complaints: BTreeSet<String> = unread.chain(problems).collect();
        for complaint in complaints.difference(&self.complaints) {
            tracing::warn!(netns = self.netns.name(), "{complaint}");
        }
        self.complaints = complaints;
    }

    /// Its lease databases, for people.
    pub(super) fn entries(&self, status: &EvidenceStatus) -> Vec<DatabaseEntry> {
        let entry = |database: &DatabaseStatus| DatabaseEntry {
            netns: self.netns.name().to_owned(),
            status: database.clone(),
        };
        status.databases.iter().map(entry).collect()
    }

    pub(super) fn capture(&mut self) -> &mut Capture {
        &mut self.capture
    }

    /// All its interfaces, watched or not, as of the latest look.
    pub(super) fn interfaces(&self) -> watch::Receiver<Arc<[Interface]>> {
        self.interfaces.clone()
    }

    pub(super) fn indexes(&self) -> Indexes {
        self.watched.indexes()
    }

    /// How many interfaces are watched.
    pub(super) fn count(&self) -> usize {
        self.watched.count()
    }

    /// The reader of its samples, and who tells interfaces apart.
    pub(super) fn take_reader(&mut self) -> anyhow::Result<(Reader, InterfaceLookup)> {
        let reader = self.capture.take_reader();
        let indexes = self.watched.indexes();
        let lookup = Arc::new(move |index: u32| {
            indexes
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&index)
                .copied()
        });
        Ok((reader.context("the ring buffer is taken")?, lookup))
    }

    /// Whether there is news of the interfaces.
    pub(super) fn has_news(&self) -> bool {
        self.interfaces.has_changed().unwrap_or(false)
    }

    /// Attaches to what is new and lets go of what is gone, as far as the engine knows
    /// of it: a frame must not come before the interface that it came from. Returns new
    /// failures.
    pub(super) fn follow(
        &mut self,
        known: impl Fn(InterfaceId) -> bool,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> Result<Vec<AttachError>, Failure> {
        let mut found = self.interfaces.borrow_and_update().to_vec();
        let all = found.len();
        found.retain(|interface| known(interface.id));
        if found.len() < all {
            self.interfaces.mark_changed();
        }
        let inside = self.netns.enter()?;
        let failures = self
            .watched
            .follow(&found, &mut self.capture, pipeline, &|index| {
                counters.interface_detached(self.id, index);
            });
        drop(inside);
        failures
    }

    /// Forgets what went a while ago.
    pub(super) fn sweep(&mut self) {
        self.watched.sweep();
    }

    /// Stops watching: no more samples are written from here on.
    pub(super) fn detach_all(&mut self) {
        match self.netns.enter() {
            Ok(_inside) => self.capture.detach_all(),
            // clsact filters are found by interface index: not in the wrong place.
            Err(error) => {
                tracing::error!(netns = self.netns.name(), %error, "hooks may stay attached");
            }
        }
    }

    /// Stops watching for good, and says so.
    pub(super) fn let_go(
        mut self,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> Result<(), Failure> {
        pipeline.namespace_closing(self.id);
        let metrics = &pipeline.pages.metrics;
        self.databases.publish(metrics, self.netns.name(), &[]);
        let inside = self.netns.enter()?;
        let done = self
            .watched
            .let_go_of_all(&mut self.capture, pipeline, &|index| {
                counters.interface_detached(self.id, index);
            });
        drop(inside);
        done
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.detach_all();
        if let Some(forwarding) = &self.debug_lines {
            forwarding.abort();
        }
    }
}

/// Runs a namespace's evidence task. At its end the engine is told that there is
/// nothing any more: no servers, no interfaces.
pub(super) async fn evidence(
    id: NetnsId,
    netns: Netns,
    mut task: EvidenceTask,
    told: bool,
    out: EvidenceOut,
) {
    let status = task.status();
    let within = netns.within(async {
        if !told {
            for found in task.initial().await? {
                if out.send(found).await.is_err() {
                    return Ok(());
                }
            }
        }
        task.run().await;
        anyhow::Ok(())
    });
    let ended = within.await.map_err(anyhow::Error::from);
    if let Err(error) = ended.and_then(|inside| inside) {
        tracing::warn!(netns = netns.name(), "no evidence any more: {error:#}");
    }
    let servers: Vec<Evidence> = status
        .borrow()
        .servers
        .iter()
        .map(|server| Evidence::ServerGone(server.server))
        .collect();
    let nothing = Evidence::Interfaces {
        netns: id,
        interfaces: Vec::new(),
    };
    for gone in servers.into_iter().chain([nothing]) {
        // At the end of the agent nobody takes it.
        if out.send((clock::now(), gone)).await.is_err() {
            return;
        }
    }
}
