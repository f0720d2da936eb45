//! The task that owns all sources of evidence.
//!
//! Evidence is never dropped: sending waits. While it waits, requests are still
//! taken in, so that an engine whose two queues are both full can't lock up.

use super::configuration::Configurations;
use super::handles::Handles;
use super::interfaces::{Interface, InterfaceRegistry, facts};
use super::library::Library;
use super::netlink::LinkWatch;
use super::servers::{Namespace, ServerTable, listening_sockets};
use super::snapshot::LeaseDatabaseSpec;
use super::status::EvidenceStatus;
use crate::clock;
use leasehound_core::evidence::{Evidence, EvidenceRequest, LeaseUpdate};
use leasehound_core::origin::NetnsId;
use leasehound_core::time::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};

/// Depth of the request queue: there are three questions to a namespace, and they
/// are taken in at once, so this only has to bridge one reading.
pub const REQUEST_QUEUE: usize = 64;
/// Depth of the evidence queue. Sending waits, so it only saves wake-ups.
pub const EVIDENCE_QUEUE: usize = 64;

/// Requests that come within this time are answered by one reading.
const GATHER: Duration = Duration::from_millis(1);
/// After a write: the server writes a file in several pieces. At 300 rewrites a
/// second it also keeps the share of time that is spent on reading small.
const AFTER_WRITE: Duration = Duration::from_millis(5);
/// After a change of links or addresses: they come in bursts.
const AFTER_LINK_CHANGE: Duration = Duration::from_millis(10);
/// While something is unsettled: a server ends or starts, a file is torn (a server
/// that writes 10,000 leases to a disk is busy for some 50 ms).
const QUICK: Duration = Duration::from_millis(20);
/// Looks for new sockets on the server port.
const PULSE: Duration = Duration::from_secs(1);
/// Looks at everything, in pulses: for what no watch told.
const FULL_LOOK: u32 = 30;
/// Asks the servers that keep their leases where only they can read, in pulses.
const ASK_SERVERS: u32 = 5;
/// How long servers are looked for at a quick pace: 3 s after one ended, 1 s after
/// one appeared (it forks into the background, and children let go of its sockets).
const AFTER_EXIT: u32 = 150;
const AFTER_START: u32 = 50;
/// All of /proc is looked through at every third quick tick only.
const TICKS_A_LOOK: u32 = 3;

/// What the task is to look at.
#[derive(Debug, Clone, Default)]
pub struct EvidenceConfig {
    /// What the engine calls the network namespace of the thread that makes the task.
    pub netns: NetnsId,
    /// `--lease-db`; a kind that is named here is not searched for.
    pub lease_databases: Vec<LeaseDatabaseSpec>,
    /// Where handles come from: the same for all tasks that feed one engine.
    pub handles: Handles,
}

/// Why the task can't start.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The interfaces can't be listed.
    #[error("can't list the interfaces: {0}")]
    Interfaces(#[source] io::Error),
    /// `/proc` can't be read.
    #[error("can't look for servers in /proc: {0}")]
    Processes(#[source] io::Error),
}

/// Watches interfaces, servers and lease databases of one network namespace.
///
/// Make it, call [`initial`](Self::initial) before any hook is attached, then spawn
/// [`run`](Self::run). It ends when the request sender is dropped, after everything
/// asked for before is answered, or when nobody takes the evidence any more.
#[derive(Debug)]
pub struct EvidenceTask {
    namespace: Namespace,
    requests: mpsc::Receiver<EvidenceRequest>,
    evidence: mpsc::Sender<(Timestamp, Evidence)>,
    outbox: VecDeque<(Timestamp, Evidence)>,
    asked: BTreeSet<Question>,
    requests_closed: bool,

    registry: InterfaceRegistry,
    links: Option<LinkWatch>,
    servers: ServerTable,
    configurations: Configurations,
    sockets: BTreeSet<u64>,
    library: Library,

    quick: Interval,
    pulse: Interval,
    pulses: u32,
    quick_ticks: u32,

    rescan: Arc<Notify>,
    interfaces: watch::Sender<Arc<[Interface]>>,
    status: watch::Sender<EvidenceStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Interfaces,
    Servers,
    Leases,
}

enum Wake {
    Request(Option<EvidenceRequest>),
    Rescan,
    Links(io::Result<()>),
    Written(io::Result<()>),
    ServerExit,
    Due,
    Quick,
    Pulse,
    NobodyListens,
}

/// Nobody takes the evidence any more.
struct Closed;

impl EvidenceTask {
    /// Opens the watches. Must be called inside a tokio runtime, on a thread of the
    /// network namespace to look at.
    pub fn new(
        config: &EvidenceConfig,
        requests: mpsc::Receiver<EvidenceRequest>,
        evidence: mpsc::Sender<(Timestamp, Evidence)>,
    ) -> Result<Self, EvidenceError> {
        let namespace =
            Namespace::of_this_thread(config.netns).map_err(EvidenceError::Processes)?;
        let paced = |period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Ok(Self {
            namespace,
            requests,
            evidence,
            outbox: VecDeque::new(),
            asked: BTreeSet::new(),
            requests_closed: false,
            registry: InterfaceRegistry::new(config.handles.clone()),
            links: open_links(),
            servers: ServerTable::new(config.handles.clone()),
            configurations: Configurations::default(),
            sockets: BTreeSet::new(),
            library: Library::new(config.netns, &config.lease_databases),
            quick: paced(QUICK),
            pulse: paced(PULSE),
            pulses: 0,
            quick_ticks: 0,
            rescan: Arc::new(Notify::new()),
            interfaces: watch::Sender::new(Arc::from([])),
            status: watch::Sender::default(),
        })
    }

    /// The interfaces as of the latest look; changes with them.
    pub fn interfaces(&self) -> watch::Receiver<Arc<[Interface]>> {
        self.interfaces.subscribe()
    }

    /// The state of the sources.
    pub fn status(&self) -> watch::Receiver<EvidenceStatus> {
        self.status.subscribe()
    }

    /// Notifying this has the interfaces looked at again.
    pub fn rescan_trigger(&self) -> Arc<Notify> {
        Arc::clone(&self.rescan)
    }

    /// Everything there is at the start: interfaces, servers, all leases. Takes up
    /// to a second if a database is being rewritten without a pause.
    pub async fn initial(&mut self) -> Result<Vec<(Timestamp, Evidence)>, EvidenceError> {
        self.look_at_interfaces(Answer::Always)
            .map_err(EvidenceError::Interfaces)?;
        self.sockets = listening_sockets().unwrap_or_default();
        self.look_for_servers(Answer::OnChange)
            .map_err(EvidenceError::Processes)?;
        self.library.follow(&self.servers);
        self.library.ask();
        self.read_leases().await;
        while self.library.any_asked() {
            sleep(QUICK).await;
            self.read_leases().await;
        }
        self.publish();
        Ok(std::mem::take(&mut self.outbox).into())
    }

    /// Runs until the request sender is dropped or nobody listens.
    pub async fn run(mut self) {
        loop {
            if self.flush().await.is_err() {
                return;
            }
            self.take_requests();
            if self.asked.is_empty() {
                if self.requests_closed && !self.library.any_asked() {
                    return;
                }
                let wake = self.wait().await;
                if matches!(wake, Wake::NobodyListens) {
                    return;
                }
                self.handle(wake).await;
            } else {
                if !self.requests_closed {
                    sleep(GATHER).await;
                    self.take_requests();
                }
                self.answer().await;
            }
            self.publish();
        }
    }

    async fn wait(&mut self) -> Wake {
        let unsettled = self.quick_ticks > 0 || self.library.any_stale();
        // What may be read already is read at the quick pace.
        let due = self.library.due().filter(|due| *due > Instant::now());
        tokio::select! {
            request = self.requests.recv(), if !self.requests_closed => Wake::Request(request),
            () = self.evidence.closed() => Wake::NobodyListens,
            () = self.rescan.notified() => Wake::Rescan,
            changed = link_change(self.links.as_ref()) => Wake::Links(changed),
            () = self.servers.exited() => Wake::ServerExit,
            written = self.library.written() => Wake::Written(written),
            () = reached(due) => Wake::Due,
            _ = self.quick.tick(), if unsettled => Wake::Quick,
            _ = self.pulse.tick() => Wake::Pulse,
        }
    }

    async fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Request(Some(request)) => self.asked.extend(question(self.namespace.id, request)),
            Wake::Request(None) => self.requests_closed = true,
            Wake::NobodyListens => {}
            Wake::Rescan => self.try_interfaces(Answer::OnChange),
            Wake::Links(Ok(())) => {
                sleep(AFTER_LINK_CHANGE).await;
                self.try_interfaces(Answer::OnChange);
            }
            Wake::Links(Err(error)) => {
                tracing::warn!(%error, "changes of interfaces are no longer told: looking every 30 s");
                self.links = None;
            }
            Wake::Written(Ok(())) => {
                sleep(AFTER_WRITE).await;
                self.read_leases().await;
            }
            Wake::Written(Err(error)) => {
                tracing::warn!(%error, "writes to lease databases are no longer told");
                self.library.stop_watching();
            }
            Wake::ServerExit => {
                self.quick_ticks = AFTER_EXIT;
                self.try_servers(Answer::OnChange);
                // The descriptor stays readable until its server is dropped.
                sleep(GATHER).await;
            }
            Wake::Due => self.read_leases().await,
            Wake::Quick => {
                if self.quick_ticks > 0 {
                    self.quick_ticks -= 1;
                    if self.quick_ticks.is_multiple_of(TICKS_A_LOOK) {
                        self.try_servers(Answer::OnChange);
                    }
                }
                self.read_leases().await;
            }
            Wake::Pulse => self.on_pulse().await,
        }
    }

    async fn on_pulse(&mut self) {
        self.pulses = (self.pulses + 1) % FULL_LOOK;
        let sockets = listening_sockets().unwrap_or_default();
        if sockets != self.sockets {
            self.sockets = sockets;
            self.quick_ticks = AFTER_START;
            self.try_servers(Answer::OnChange);
        }
        if self.pulses == 0 {
            self.links = self.links.take().or_else(open_links);
            self.try_interfaces(Answer::OnChange);
            self.try_servers(Answer::OnChange);
        }
        self.library.rewatch();
        if self.pulses.is_multiple_of(ASK_SERVERS) {
            self.library.ask_what_changed().await;
        }
        self.read_leases().await;
    }

    async fn answer(&mut self) {
        // The order matters: leases are of servers, which are of interfaces.
        for question in std::mem::take(&mut self.asked) {
            match question {
                Question::Interfaces => self.try_interfaces(Answer::Always),
                Question::Servers => self.try_servers(Answer::Always),
                Question::Leases => {
                    if let Some(answer) = self.library.ask() {
                        self.put_leases(answer);
                    }
                    self.read_leases().await;
                }
            }
        }
    }

    fn try_interfaces(&mut self, answer: Answer) {
        if let Err(error) = self.look_at_interfaces(answer) {
            tracing::warn!(%error, "the interfaces can't be listed");
        }
    }

    fn try_servers(&mut self, answer: Answer) {
        if let Err(error) = self.look_for_servers(answer) {
            tracing::warn!(%error, "can't look for servers");
        }
    }

    fn look_at_interfaces(&mut self, answer: Answer) -> io::Result<()> {
        let found = self.registry.scan(self.namespace.id)?;
        let changed = **self.interfaces.borrow() != *found;
        if changed || answer == Answer::Always {
            self.put(facts(self.namespace.id, &found));
        }
        if changed {
            self.interfaces.send_replace(found.into());
        }
        Ok(())
    }

    fn look_for_servers(&mut self, answer: Answer) -> io::Result<()> {
        let changes = self.servers.scan(&self.namespace)?;
        for gone in &changes.gone {
            self.put(Evidence::ServerGone(*gone));
        }
        let told: Vec<Evidence> = self
            .servers
            .iter()
            .filter(|server| {
                let server = &server.facts.server;
                answer == Answer::Always
                    || changes.appeared.contains(server)
                    || changes.reopened.contains(server)
            })
            .map(|server| Evidence::Server(server.facts.clone()))
            .collect();
        for server in told {
            self.put(server);
        }
        if changes.any() || self.pulses == 0 {
            let servers = self.servers.iter().map(|server| &server.facts);
            for configuration in self.configurations.look(servers) {
                self.put(Evidence::Configuration(configuration));
            }
        }
        if changes.any() {
            let pace = if changes.gone.is_empty() {
                AFTER_START
            } else {
                AFTER_EXIT
            };
            self.quick_ticks = self.quick_ticks.max(pace);
            self.library.follow(&self.servers);
        }
        Ok(())
    }

    async fn read_leases(&mut self) {
        for update in self.library.read().await {
            self.put_leases(update);
        }
        for liveness in self.library.news_of_liveness() {
            self.put(Evidence::Liveness(liveness));
        }
    }

    fn put(&mut self, evidence: Evidence) {
        self.outbox.push_back((clock::now(), evidence));
    }

    fn put_leases(&mut self, update: LeaseUpdate) {
        self.outbox
            .push_back((update.read_until, Evidence::Leases(update)));
    }

    fn take_requests(&mut self) {
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.asked.extend(question(self.namespace.id, request)),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.requests_closed = true;
                    return;
                }
            }
        }
    }

    /// Hands over everything that is ready, and takes in requests meanwhile.
    async fn flush(&mut self) -> Result<(), Closed> {
        while let Some(next) = self.outbox.pop_front() {
            let permit = loop {
                tokio::select! {
                    biased;
                    permit = self.evidence.reserve() => break permit.map_err(|_| Closed)?,
                    request = self.requests.recv(), if !self.requests_closed => {
                        match request {
                            Some(request) => {
                                self.asked.extend(question(self.namespace.id, request));
                            }
                            None => self.requests_closed = true,
                        }
                    }
                }
            };
            permit.send(next);
        }
        Ok(())
    }

    fn publish(&self) {
        let mut problems = self.servers.problems.clone();
        if self.links.is_none() {
            problems.push("changes of interfaces are looked for every 30 s only".into());
        }
        let now = EvidenceStatus {
            databases: self.library.status(),
            servers: self
                .servers
                .iter()
                .map(|server| server.facts.clone())
                .collect(),
            problems,
        };
        self.status.send_if_modified(|status| {
            let modified = *status != now;
            *status = now;
            modified
        });
    }
}

/// Whether there is something to say even if nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    OnChange,
    Always,
}

/// What is asked, if it is of this namespace.
fn question(here: NetnsId, request: EvidenceRequest) -> Option<Question> {
    let (netns, question) = match request {
        EvidenceRequest::Interfaces { netns } => (netns, Question::Interfaces),
        EvidenceRequest::Servers { netns } => (netns, Question::Servers),
        EvidenceRequest::Leases { netns } => (netns, Question::Leases),
        EvidenceRequest::Sockets { .. } => return None,
    };
    if netns != here {
        tracing::debug!(?request, "no such namespace here");
    }
    (netns == here).then_some(question)
}

fn open_links() -> Option<LinkWatch> {
    LinkWatch::open()
        .inspect_err(|error| tracing::warn!(%error, "changes of interfaces are not told"))
        .ok()
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn link_change(links: Option<&LinkWatch>) -> io::Result<()> {
    match links {
        Some(links) => links.changed().await,
        None => std::future::pending().await,
    }
}
