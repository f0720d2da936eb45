//! What the status page and the API show: the last verdicts, servers, hooks, losses.
//!
//! Written by the task that owns the engine, one short lock per change; read by HTTP.

use super::databases::DatabaseEntry;
use super::hooks::{HookMode, HookReport, HookState};
use super::names::InterfaceNames;
use super::servers::{LeakEntry, PoolEntry, ServerEntry};
use leasehound_core::evidence::LossStage;
use leasehound_core::finding::{Finding, FindingState};
use leasehound_core::origin::{Hook, InterfaceId};
use leasehound_core::verdict::Verdict;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Findings that are over and still shown.
pub const CLOSED_FINDINGS: usize = 100;

/// Verdicts that are kept: about half a megabyte.
pub const RECENT_VERDICTS: usize = 256;

/// Whether samples are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// Not yet.
    #[default]
    NotStarted,
    /// They are.
    Runs,
    /// No longer.
    Ended,
}

/// Samples lost, by hook and stage; none of them 0.
pub type Losses = BTreeMap<(Hook, LossStage), u64>;

/// What is known now.
#[derive(Debug)]
pub struct Status {
    names: InterfaceNames,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    verdicts: VecDeque<Arc<Verdict>>,
    servers: Arc<[ServerEntry]>,
    databases: Arc<[DatabaseEntry]>,
    pools: Arc<[PoolEntry]>,
    leaks: Arc<[LeakEntry]>,
    hooks: BTreeMap<(InterfaceId, Hook, HookMode), HookReport>,
    losses: Losses,
    reader: Reader,
    /// Findings by number, each with its namespace's name: those that hold, and the last
    /// [`CLOSED_FINDINGS`] that did.
    findings: BTreeMap<u64, (Arc<str>, Finding)>,
    /// The hooks that see the whole host, and why those are missing that are.
    host_hooks: BTreeMap<Hook, Result<(), String>>,
}

impl Status {
    /// Nothing known yet.
    pub fn new(names: InterfaceNames) -> Self {
        Self {
            names,
            inner: RwLock::default(),
        }
    }

    /// What interfaces are called.
    pub fn names(&self) -> &InterfaceNames {
        &self.names
    }

    /// Keeps a verdict; the oldest goes when there are [`RECENT_VERDICTS`].
    pub fn verdict(&self, verdict: Arc<Verdict>) {
        let mut inner = self.write();
        if inner.verdicts.len() >= RECENT_VERDICTS {
            inner.verdicts.pop_back();
        }
        inner.verdicts.push_front(verdict);
    }

    /// All servers, instead of those named before.
    pub fn set_servers(&self, servers: Vec<ServerEntry>) {
        self.write().servers = servers.into();
    }

    /// All lease databases, instead of those named before.
    pub fn set_databases(&self, databases: Vec<DatabaseEntry>) {
        self.write().databases = databases.into();
    }

    /// A change of a hook.
    pub fn hook(&self, report: HookReport) {
        let key = (report.interface, report.hook, report.mode);
        self.write().hooks.insert(key, report);
    }

    /// A finding was opened, has changed, or is over.
    pub fn finding(&self, netns: &str, finding: Finding) {
        let mut inner = self.write();
        inner.findings.insert(finding.id, (netns.into(), finding));
        let over = |entry: &(Arc<str>, Finding)| entry.1.state == FindingState::Closed;
        let closed = inner.findings.values().filter(|entry| over(entry)).count();
        if closed > CLOSED_FINDINGS {
            let oldest = inner.findings.iter().find(|(_, entry)| over(entry));
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                inner.findings.remove(&oldest);
            }
        }
    }

    /// Brings those that hold up to date, without saying that they changed.
    pub fn refresh_findings<'a>(&self, open: impl IntoIterator<Item = &'a Finding>) {
        let mut inner = self.write();
        for finding in open {
            if let Some((_, known)) = inner.findings.get_mut(&finding.id)
                && known != finding
            {
                *known = finding.clone();
            }
        }
    }

    /// All pools and leaked addresses, instead of those named before.
    pub fn set_books(&self, pools: Vec<PoolEntry>, leaks: Vec<LeakEntry>) {
        let mut inner = self.write();
        inner.pools = pools.into();
        inner.leaks = leaks.into();
    }

    /// All pools.
    pub fn pools(&self) -> Arc<[PoolEntry]> {
        Arc::clone(&self.read().pools)
    }

    /// All leaked addresses.
    pub fn leaks(&self) -> Arc<[LeakEntry]> {
        Arc::clone(&self.read().leaks)
    }

    /// The findings, those that hold first, the newest first, each with the name of its
    /// namespace.
    pub fn findings(&self) -> Vec<(Arc<str>, Finding)> {
        let mut all: Vec<_> = self.read().findings.values().cloned().collect();
        all.sort_by_key(|(_, finding)| {
            let over = finding.state == FindingState::Closed;
            (over, std::cmp::Reverse(finding.id))
        });
        all
    }

    /// A hook that sees the whole host is attached, or why not.
    pub fn host_hook(&self, hook: Hook, state: Result<(), String>) {
        self.write().host_hooks.insert(hook, state);
    }

    /// A hook that sees the whole host is not needed any more.
    pub fn host_hook_gone(&self, hook: Hook) {
        self.write().host_hooks.remove(&hook);
    }

    /// The hooks that see the whole host.
    pub fn host_hooks(&self) -> Vec<(Hook, Result<(), String>)> {
        let inner = self.read();
        let all = inner.host_hooks.iter();
        all.map(|(hook, state)| (*hook, state.clone())).collect()
    }

    /// An interface is no more, and its hooks with it.
    pub fn interface_gone(&self, interface: InterfaceId) {
        self.write().hooks.retain(|key, _| key.0 != interface);
    }

    /// Sets how many samples of a hook a stage has lost since the start.
    pub fn set_samples_lost(&self, hook: Hook, stage: LossStage, total: u64) {
        if total > 0 {
            self.write().losses.insert((hook, stage), total);
        }
    }

    /// Whether samples are read.
    pub fn set_reader(&self, reader: Reader) {
        self.write().reader = reader;
    }

    /// The last verdicts, newest first.
    pub fn verdicts(&self) -> Vec<Arc<Verdict>> {
        self.read().verdicts.iter().cloned().collect()
    }

    /// All servers.
    pub fn servers(&self) -> Arc<[ServerEntry]> {
        Arc::clone(&self.read().servers)
    }

    /// All lease databases.
    pub fn databases(&self) -> Arc<[DatabaseEntry]> {
        Arc::clone(&self.read().databases)
    }

    /// Each hook as it was last reported.
    pub fn hooks(&self) -> Vec<HookReport> {
        self.read().hooks.values().cloned().collect()
    }

    /// What was lost since the start.
    pub fn losses(&self) -> Losses {
        self.read().losses.clone()
    }

    /// `Ok` when releases would be noticed; else one line that says why not.
    pub fn ready(&self) -> Result<(), NotReady> {
        let inner = self.read();
        match inner.reader {
            Reader::NotStarted => return Err(NotReady::ReaderNotStarted),
            Reader::Ended => return Err(NotReady::ReaderEnded),
            Reader::Runs => {}
        }
        let attached = |report: &HookReport| report.state == HookState::Attached;
        if inner.hooks.values().any(attached) {
            return Ok(());
        }
        let failure = inner.hooks.values().find_map(|report| match &report.state {
            HookState::Failed { detail, .. } => Some(detail.clone()),
            HookState::Attached | HookState::Detached => None,
        });
        Err(failure.map_or(NotReady::NoHook, |detail| NotReady::HookFailed { detail }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a release would go unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The agent is starting.
    #[error("not ready: samples are not read yet")]
    ReaderNotStarted,
    /// The agent stops, or its reader failed.
    #[error("not ready: samples are no longer read; see the log")]
    ReaderEnded,
    /// There is no interface to watch.
    #[error("not ready: no hook is attached; name an interface that exists with -i")]
    NoHook,
    /// No hook could be attached.
    #[error("not ready: no hook is attached: {detail}")]
    HookFailed {
        /// What went wrong with one of them.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::fixtures;
    use crate::sinks::hooks::AttachFailure;

    #[test]
    fn ready_needs_a_reader_and_a_hook() {
        let status = Status::new(fixtures::names());
        let hook = |state| {
            status.hook(HookReport {
                at: fixtures::at(0),
                interface: fixtures::LOOPBACK,
                hook: Hook::Tcx,
                mode: HookMode::Ingress,
                state,
            });
        };
        assert_eq!(status.ready(), Err(NotReady::ReaderNotStarted));
        status.set_reader(Reader::Runs);
        assert_eq!(status.ready(), Err(NotReady::NoHook));
        let detail = "no CAP_BPF".to_owned();
        hook(HookState::Failed {
            reason: AttachFailure::Permission,
            detail: detail.clone(),
        });
        assert_eq!(status.ready(), Err(NotReady::HookFailed { detail }));
        hook(HookState::Attached);
        assert_eq!(status.ready(), Ok(()));
        status.interface_gone(fixtures::LOOPBACK);
        assert_eq!(status.ready(), Err(NotReady::NoHook));
        hook(HookState::Attached);
        status.set_reader(Reader::Ended);
        assert_eq!(status.ready(), Err(NotReady::ReaderEnded));
    }

    #[test]
    fn only_the_last_verdicts_are_kept_newest_first() {
        let status = Status::new(fixtures::names());
        for id in 1..=300 {
            status.verdict(Arc::new(Verdict {
                id,
                ..fixtures::honoured()
            }));
        }
        let ids: Vec<_> = status.verdicts().iter().map(|verdict| verdict.id).collect();
        assert_eq!(ids, (45..=300).rev().collect::<Vec<_>>());
    }
}
