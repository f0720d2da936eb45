//! Which interfaces are watched, and what became of their hooks.

use super::indexes::{IndexTable, Indexes};
use super::pipeline::Pipeline;
use crate::capture::ebpf::{AttachError, Capture, HookStatus, IngressMode};
use crate::clock;
use crate::evidence::interfaces::Interface;
use crate::evidence::selection::Selection;
use crate::exit::Failure;
use crate::sinks::hooks::{AttachFailure, HookMode, HookReport, HookState};
use leasehound_core::origin::{Direction, Hook, InterfaceId};
use std::collections::BTreeMap;

/// Takes over the final counts of a kernel index, once nothing counts there any more.
pub(super) type LastCounts<'a> = dyn Fn(u32) + 'a;

/// The watched interfaces.
pub(super) struct Watched {
    /// The namespace's name; empty for the agent's own.
    netns: Box<str>,
    selection: Selection,
    ingress: IngressMode,
    indexes: IndexTable,
    attached: BTreeMap<InterfaceId, (u32, Vec<HookStatus>)>,
    failed: BTreeMap<InterfaceId, String>,
}

impl Watched {
    pub(super) fn new(netns: &str, selection: Selection, ingress: IngressMode) -> Self {
        Self {
            netns: netns.into(),
            selection,
            ingress,
            indexes: IndexTable::default(),
            attached: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    pub(super) fn indexes(&self) -> Indexes {
        self.indexes.shared()
    }

    pub(super) fn count(&self) -> usize {
        self.attached.len()
    }

    /// Attaches to what is new and lets go of what is gone. Returns what failed, and did
    /// not fail in the same way before.
    pub(super) fn follow(
        &mut self,
        interfaces: &[Interface],
        capture: &mut Capture,
        pipeline: &mut Pipeline,
        last_counts: &LastCounts<'_>,
    ) -> Result<Vec<AttachError>, Failure> {
        let gone: Vec<InterfaceId> = self
            .attached
            .keys()
            .filter(|id| !interfaces.iter().any(|interface| interface.id == **id))
            .copied()
            .collect();
        for id in gone {
            self.let_go(id, capture, pipeline, last_counts)?;
        }
        self.failed
            .retain(|id, _| interfaces.iter().any(|interface| interface.id == *id));
        let mut failures = Vec::new();
        for interface in interfaces {
            if !self.selection.takes(interface) || self.attached.contains_key(&interface.id) {
                continue;
            }
            failures.extend(self.attach(interface, capture, pipeline)?);
        }
        Ok(failures)
    }

    fn attach(
        &mut self,
        interface: &Interface,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
    ) -> Result<Option<AttachError>, Failure> {
        let (id, name) = (interface.id, &*interface.name);
        pipeline.pages.status.names().insert(id, &self.netns, name);
        // Before the hook: its first sample must find the name.
        self.indexes.enter(interface.index, id);
        match capture.attach(name, interface.index, self.ingress) {
            Ok(statuses) => {
                pipeline.pages.metrics.interface_attached(id);
                for status in &statuses {
                    pipeline.hook(&report(id, status, HookState::Attached))?;
                }
                tracing::info!(
                    netns = self.shown_netns(),
                    interface = name,
                    hook = statuses.first().map(|status| status.mode.as_str()),
                    "watching"
                );
                self.failed.remove(&id);
                self.attached.insert(id, (interface.index, statuses));
                Ok(None)
            }
            Err(error) => {
                self.indexes.withdraw(interface.index);
                let text = error.to_string();
                let known = self.failed.insert(id, text.clone());
                if known.as_ref() == Some(&text) {
                    return Ok(None);
                }
                let (hook, mode) = self.wanted();
                let state = HookState::Failed {
                    reason: kind(&error),
                    detail: text,
                };
                pipeline.hook(&HookReport {
                    at: clock::now(),
                    interface: id,
                    hook,
                    mode,
                    state,
                })?;
                Ok(Some(error))
            }
        }
    }

    fn let_go(
        &mut self,
        id: InterfaceId,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
        last_counts: &LastCounts<'_>,
    ) -> Result<(), Failure> {
        let Some((index, statuses)) = self.attached.remove(&id) else {
            return Ok(());
        };
        capture.detach(index);
        last_counts(index);
        self.indexes.leave(index, clock::monotonic_nanos());
        for status in &statuses {
            pipeline.hook(&report(id, status, HookState::Detached))?;
        }
        if let Some(status) = statuses.first() {
            let netns = self.shown_netns();
            tracing::info!(netns, interface = &*status.interface, "gone");
        }
        pipeline.pages.metrics.interface_gone(id);
        pipeline.pages.status.interface_gone(id);
        Ok(())
    }

    /// Forgets what went a while ago.
    pub(super) fn sweep(&mut self) {
        self.indexes.sweep(clock::monotonic_nanos());
    }

    /// Lets go of everything. What is still on its way keeps its place.
    pub(super) fn let_go_of_all(
        &mut self,
        capture: &mut Capture,
        pipeline: &mut Pipeline,
        last_counts: &LastCounts<'_>,
    ) -> Result<(), Failure> {
        let all: Vec<InterfaceId> = self.attached.keys().copied().collect();
        for id in all {
            self.let_go(id, capture, pipeline, last_counts)?;
        }
        self.indexes.part();
        for id in std::mem::take(&mut self.failed).into_keys() {
            pipeline.pages.metrics.interface_gone(id);
            pipeline.pages.status.interface_gone(id);
        }
        Ok(())
    }

    fn shown_netns(&self) -> Option<&str> {
        (!self.netns.is_empty()).then_some(&*self.netns)
    }

    fn wanted(&self) -> (Hook, HookMode) {
        match self.ingress {
            IngressMode::Auto => (Hook::Tcx, HookMode::Ingress),
            IngressMode::Tc => (Hook::Clsact, HookMode::Ingress),
            IngressMode::Xdp => (Hook::Xdp, HookMode::Native),
            IngressMode::XdpGeneric => (Hook::Xdp, HookMode::Generic),
        }
    }
}

fn report(interface: InterfaceId, status: &HookStatus, state: HookState) -> HookReport {
    use crate::capture::ebpf::HookMode as Attached;
    let mode = match (status.mode, status.direction) {
        (Attached::XdpNative, _) => HookMode::Native,
        (Attached::XdpGeneric, _) => HookMode::Generic,
        (_, Direction::Egress) => HookMode::Egress,
        (_, Direction::Ingress | Direction::Unknown) => HookMode::Ingress,
    };
    HookReport {
        at: clock::now(),
        interface,
        hook: status.mode.hook(),
        mode,
        state,
    }
}

fn kind(error: &AttachError) -> AttachFailure {
    match error {
        AttachError::NoRights { .. } => AttachFailure::Permission,
        AttachError::NoInterface { .. } => AttachFailure::InterfaceGone,
        AttachError::XdpBusy { .. } | AttachError::AlreadyAttached { .. } => {
            AttachFailure::Occupied
        }
        AttachError::NoNativeXdp { .. }
        | AttachError::NoXdpLink { .. }
        | AttachError::NoXdp { .. }
        | AttachError::NoHook { .. } => AttachFailure::Unsupported,
        _ => AttachFailure::Other,
    }
}
