//! All namespaces that are watched, as they come and go.

use super::books;
use super::counters::Counters;
use super::namespace::{EvidenceOut, Namespace, Scout, evidence};
use super::pipeline::Pipeline;
use super::witness::Places;
use crate::capture::CaptureEvent;
use crate::capture::ebpf::{IngressMode, Options};
use crate::evidence::interfaces::Interface;
use crate::evidence::selection::Selection;
use crate::evidence::snapshot::LeaseDatabaseSpec;
use crate::evidence::{DirectoryWatch, EvidenceConfig, EvidenceTask, Handles};
use crate::exit::{Failure, usage};
use crate::netns::{self, Candidate, Choice, Home, Netns, NetnsError, NetnsInode};
use crate::sinks::servers::{PoolEntry, ServerEntry};
use anyhow::Context as _;
use leasehound_core::origin::{InterfaceId, NetnsId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

/// The ring buffer of a namespace where there may be many: each has one, and all of
/// it counts as resident.
const SMALL_RING: u32 = 256 << 10;

/// What is the same for all namespaces.
pub(super) struct Common {
    pub(super) choice: Choice,
    pub(super) selection: Selection,
    pub(super) ingress: IngressMode,
    pub(super) options: Options,
    pub(super) lease_databases: Vec<LeaseDatabaseSpec>,
}

/// The watched namespaces.
pub(super) struct Namespaces {
    common: Common,
    home: Arc<Home>,
    handles: Handles,
    last: u32,
    by_id: BTreeMap<NetnsId, Namespace>,
    /// Those that can't be watched, and what was said of it.
    refused: BTreeMap<NetnsInode, String>,
    /// Tells of names that come and go; without it they are looked at by the clock.
    names: Option<DirectoryWatch>,
    /// There may be more that are not watched yet.
    look_again: bool,
    /// Until the end, so that namespaces can be added.
    outlets: Option<Outlets>,
    readers: JoinSet<(NetnsId, std::io::Result<()>)>,
    evidence_tasks: JoinSet<()>,
    places: Places,
}

struct Outlets {
    frames: mpsc::Sender<CaptureEvent>,
    evidence: EvidenceOut,
}

/// How a reader of samples ended.
pub(super) type ReaderEnd = Result<(NetnsId, std::io::Result<()>), JoinError>;

/// What [`Namespaces::change`] waits for.
pub(super) enum Change {
    Reader(ReaderEnd),
    Names,
}

/// A namespace on its way in, with its evidence task.
type Loaded = (NetnsId, Namespace, EvidenceTask);

impl Namespaces {
    pub(super) fn new(
        common: Common,
        home: Arc<Home>,
        frames: mpsc::Sender<CaptureEvent>,
        evidence: EvidenceOut,
    ) -> Self {
        Self {
            common,
            home,
            handles: Handles::default(),
            last: 0,
            by_id: BTreeMap::new(),
            refused: BTreeMap::new(),
            names: None,
            look_again: false,
            outlets: Some(Outlets { frames, evidence }),
            readers: JoinSet::new(),
            evidence_tasks: JoinSet::new(),
            places: Places::default(),
        }
    }

    /// The namespaces, for who joins the kernel's facts with them.
    pub(super) fn places(&self) -> Places {
        self.places.clone()
    }

    /// Opens what is there now. All that was named must be there, and open.
    pub(super) fn scouts(&mut self) -> Result<Vec<(NetnsId, Scout)>, Failure> {
        let (found, missing) = self.common.choice.find(&self.home);
        if let Some(error) = missing.into_iter().next() {
            return Err(error.into());
        }
        let mut scouts = Vec::with_capacity(found.len());
        if !self.common.choice.is_default() {
            more_descriptors();
        }
        for candidate in found {
            match Netns::open(&candidate, &self.home) {
                Ok(netns) => scouts.push(self.scout(netns)?),
                Err(error @ NetnsError::NoRights { .. }) => return Err(error.into()),
                // Gone since they were listed: nobody asked for this one in particular.
                Err(error) if self.common.choice.takes_all() => tracing::warn!("{error}"),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(scouts)
    }

    fn scout(&mut self, netns: Netns) -> anyhow::Result<(NetnsId, Scout)> {
        let id = if netns.name().is_empty() {
            NetnsId::default()
        } else {
            self.last = self.last.saturating_add(1);
            NetnsId(self.last)
        };
        let config = EvidenceConfig {
            netns: id,
            lease_databases: self.common.lease_databases.clone(),
            handles: self.handles.clone(),
        };
        let outlets = self.outlets.as_ref().context("the agent ends")?;
        Ok((id, Scout::new(netns, config, outlets.evidence.clone())?))
    }

    /// Whether the interfaces that were asked for by name are there, in any namespace.
    pub(super) fn check(&self, interfaces: &[Interface]) -> Result<(), Failure> {
        self.common.selection.check(interfaces).map_err(usage)
    }

    /// Loads the programs for a namespace.
    pub(super) fn load(
        &self,
        id: NetnsId,
        scout: Scout,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> anyhow::Result<Loaded> {
        let mut options = self.common.options;
        if self.common.choice.may_be_many() && id != NetnsId::default() {
            options.ring_bytes = options.ring_bytes.min(SMALL_RING);
        }
        let selection = self.common.selection.clone();
        let (mut namespace, task) =
            scout.load(&options, selection, self.common.ingress, pipeline)?;
        let statistics = namespace.capture().statistics();
        counters.add(id, statistics, namespace.indexes());
        Ok((id, namespace, task))
    }

    /// From here on its samples are read, and its evidence comes by itself: at first
    /// all there is, if it was not `told`.
    pub(super) fn start(&mut self, loaded: Loaded, told: bool) -> anyhow::Result<()> {
        let (id, mut namespace, task) = loaded;
        let outlets = self.outlets.as_ref().context("the agent ends")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (reader, lookup) = namespace.take_reader()?;
        let frames = outlets.frames.clone();
        self.readers.spawn(async move {
            let ended = reader.run(lookup, frames, async { drop(stopped.await) });
            (id, ended.await)
        });
        namespace.reader_stop = Some(stop);
        if self.common.options.debug
            && let Some(forwarding) = namespace.capture().forward_debug_lines()
        {
            let forwarding = tokio::spawn(async move {
                if let Err(error) = forwarding.await {
                    tracing::warn!("the programs' debug lines can't be read: {error}");
                }
            });
            namespace.debug_lines = Some(forwarding.abort_handle());
        }
        let netns = namespace.netns.clone();
        self.evidence_tasks
            .spawn(evidence(id, netns, task, told, outlets.evidence.clone()));
        let inode = namespace.netns.inode().number();
        self.places.enter(id, inode, namespace.interfaces());
        self.by_id.insert(id, namespace);
        Ok(())
    }

    /// Brings the set of namespaces up to date. Nothing to do if none was chosen.
    pub(super) fn follow(
        &mut self,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> Result<(), Failure> {
        while self.evidence_tasks.try_join_next().is_some() {}
        if self.common.choice.is_default() {
            return Ok(());
        }
        if self.names.is_none() {
            // The directory appears with the first name.
            self.names = DirectoryWatch::open(Path::new(netns::DIRECTORY)).ok();
        }
        let (found, _) = self.common.choice.find(&self.home);
        let there: BTreeSet<NetnsInode> = found.iter().map(|one| one.inode).collect();
        let gone: Vec<NetnsId> = self
            .by_id
            .iter()
            .filter(|(_, namespace)| !there.contains(&namespace.netns.inode()))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.let_go(id, pipeline, counters)?;
        }
        self.refused.retain(|inode, _| there.contains(inode));
        for candidate in found {
            let inode = candidate.inode;
            if self.by_id.values().any(|one| one.netns.inode() == inode) {
                continue;
            }
            if let Err(error) = self.add(&candidate, pipeline, counters) {
                let text = format!("{error:#}");
                let before = self.refused.insert(candidate.inode, text.clone());
                if before.as_ref() != Some(&text) {
                    tracing::warn!(netns = candidate.name, "{text}");
                }
            } else {
                self.refused.remove(&candidate.inode);
                // Loading takes the kernel some 50 ms: frames and verdicts go first.
                self.look_again = true;
                break;
            }
        }
        Ok(())
    }

    /// Waits until a reader ends, or a name comes or goes: a namespace that is deleted
    /// lives on for as long as it is watched, and its links with it.
    pub(super) async fn change(&mut self) -> Change {
        if std::mem::take(&mut self.look_again) {
            return Change::Names;
        }
        let names = async {
            match &self.names {
                Some(names) => names.changed().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            Some(ended) = self.readers.join_next() => return Change::Reader(ended),
            changed = names => changed,
        };
        if let Err(error) = changed {
            tracing::warn!(%error, "network namespaces are looked for by the clock only");
            self.names = None;
        }
        Change::Names
    }

    fn add(
        &mut self,
        candidate: &Candidate,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> anyhow::Result<()> {
        let netns = Netns::open(candidate, &self.home)?;
        let (id, scout) = self.scout(netns)?;
        let loaded = self.load(id, scout, pipeline, counters)?;
        tracing::info!(netns = candidate.name, "network namespace appeared");
        self.start(loaded, false)
    }

    fn let_go(
        &mut self,
        id: NetnsId,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> Result<(), Failure> {
        let Some(namespace) = self.by_id.remove(&id) else {
            return Ok(());
        };
        tracing::info!(netns = namespace.netns.name(), "network namespace gone");
        self.places.leave(id);
        let done = namespace.let_go(pipeline, counters);
        counters.retire(id);
        done
    }

    /// Interfaces of a namespace are known to the engine now: attaches to them.
    pub(super) fn interfaces_known(
        &mut self,
        id: NetnsId,
        known: impl Fn(InterfaceId) -> bool,
        pipeline: &mut Pipeline,
        counters: &Counters,
    ) -> Result<(), Failure> {
        let Some(namespace) = self.by_id.get_mut(&id).filter(|one| one.has_news()) else {
            return Ok(());
        };
        for failure in namespace.follow(known, pipeline, counters)? {
            tracing::warn!(netns = namespace.netns.label(), "{failure}");
        }
        Ok(())
    }

    /// Forgets the interfaces that went a while ago.
    pub(super) fn sweep(&mut self) {
        for namespace in self.by_id.values_mut() {
            namespace.sweep();
        }
    }

    /// Whether samples of a namespace are wanted.
    pub(super) fn contains(&self, id: NetnsId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Leases and servers, into the metrics and the status page.
    pub(super) fn publish(&mut self, pipeline: &Pipeline) {
        let metrics = &pipeline.pages.metrics;
        let mut leases = Vec::new();
        let mut servers = Vec::new();
        let mut databases = Vec::new();
        let mut pools = Vec::new();
        let oldest = pipeline.engine.oldest_leaks();
        let mut names = BTreeMap::new();
        for (id, namespace) in &mut self.by_id {
            let status = namespace.status.borrow_and_update().clone();
            namespace.complain(&status);
            databases.extend(namespace.entries(&status));
            let name = namespace.netns.name();
            metrics.leases_past_t2(name, pipeline.engine.leases_past_t2(*id));
            namespace
                .databases
                .publish(metrics, name, &status.databases);
            let read = !status.databases.is_empty();
            let counted = namespace
                .books
                .count(*id, name, &pipeline.engine, read, &oldest);
            leases.extend(counted);
            pools.extend(
                pipeline
                    .engine
                    .pool_reports(*id)
                    .into_iter()
                    .map(|report| PoolEntry {
                        netns: name.to_owned(),
                        report,
                    }),
            );
            names.insert(*id, name.to_owned());
            let found = pipeline.engine.server_summaries(*id).into_iter();
            servers.extend(found.map(|(interface, summary)| ServerEntry {
                netns: name.to_owned(),
                interface,
                summary,
            }));
        }
        if !leases.is_empty() || !self.common.choice.is_default() {
            metrics.leases(&leases);
        }
        metrics.pools(&pools);
        let leaks = books::leaks(&pipeline.engine, &names);
        pipeline.pages.status.set_books(pools, leaks);
        metrics.servers(&servers);
        pipeline.pages.status.set_servers(servers);
        pipeline.pages.status.set_databases(databases);
    }

    /// Stops watching; what is in the rings is still handed over.
    pub(super) fn stop(&mut self) {
        self.outlets = None;
        for namespace in self.by_id.values_mut() {
            namespace.detach_all();
            drop(namespace.reader_stop.take());
        }
    }

    /// Waits for all tasks, once nobody can ask them or listens to them any more.
    pub(super) async fn ended(mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.evidence_tasks.join_next().await {
            ended.context("the evidence task")?;
        }
        while let Some(ended) = self.readers.join_next().await {
            ended.context("the reader")?.1?;
        }
        Ok(())
    }
}

/// Each namespace takes some twenty descriptors, and two for each interface.
fn more_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(%error, "the limit of open files stays");
    }
}
