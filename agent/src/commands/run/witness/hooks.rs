//! The hooks that see the whole host, each on its own.

use crate::capture::delivery::{CgroupScope, Delivery, Options, Reader};
use crate::capture::ebpf::Tally;
use crate::sinks::http::Pages;
use leasehound_core::delivery::{Source, Sources};
use leasehound_core::origin::Hook;
use std::sync::Arc;

/// The hooks, as far as they are to be had.
pub(super) struct HostHooks {
    delivery: Option<Delivery>,
    pages: Pages,
    /// Whether raw readers are wanted, to say once why they are not to be had.
    raw_reads_refused: bool,
}

impl HostHooks {
    /// None of them, because they are not wanted.
    pub(super) fn none(pages: Pages) -> Self {
        Self {
            delivery: None,
            pages,
            raw_reads_refused: false,
        }
    }

    /// Loads and attaches what this host allows. What it does not is told once, with
    /// what is lost by it.
    pub(super) fn attach(pages: Pages) -> Self {
        let mut hooks = Self::none(pages);
        match Delivery::load(&Options::default()) {
            Ok(delivery) => hooks.delivery = Some(delivery),
            Err(error) => {
                for hook in [Hook::CgroupSkb, Hook::KfreeSkb] {
                    hooks.report(hook, Err(error.to_string()));
                }
                return hooks;
            }
        }
        if let Some(delivery) = &mut hooks.delivery {
            let cgroup = delivery.attach_cgroup().map_err(|error| error.to_string());
            let drops = delivery.attach_drops().map_err(|error| error.to_string());
            if let Ok(CgroupScope::Part) = cgroup {
                tracing::warn!(
                    "the cgroup hierarchy here is not the host's: messages to servers outside of it are not seen"
                );
            }
            hooks.report(Hook::CgroupSkb, cgroup.map(drop));
            hooks.report(Hook::KfreeSkb, drops);
        }
        hooks
    }

    /// The reader of their samples; once.
    pub(super) fn take_reader(&mut self) -> Option<(Reader, Arc<Tally>)> {
        let delivery = self.delivery.as_mut()?;
        Some((delivery.take_reader()?, delivery.tally()))
    }

    /// Attaches or detaches the hot tracepoint: only while a server reads frames.
    /// Returns whether that changed anything.
    pub(super) fn want_raw_reads(&mut self, wanted: bool) -> bool {
        let Some(delivery) = &mut self.delivery else {
            return false;
        };
        let attached = delivery.attached().any(|hook| hook == Hook::ConsumeSkb);
        if wanted == attached || (wanted && self.raw_reads_refused) {
            return false;
        }
        if !wanted {
            delivery.detach_raw_reads();
            self.pages.metrics.host_hook(Hook::ConsumeSkb, false);
            self.pages.status.host_hook_gone(Hook::ConsumeSkb);
            return true;
        }
        let result = delivery
            .attach_raw_reads()
            .map_err(|error| error.to_string());
        self.raw_reads_refused = result.is_err();
        self.report(Hook::ConsumeSkb, result);
        !self.raw_reads_refused
    }

    /// Which facts come, as of now.
    pub(super) fn sources(&self, sockets: Source) -> Sources {
        let attached: Vec<Hook> = self
            .delivery
            .as_ref()
            .map(|delivery| delivery.attached().collect())
            .unwrap_or_default();
        let source = |hook| {
            if attached.contains(&hook) {
                Source::On
            } else {
                Source::Off
            }
        };
        Sources {
            deliveries: source(Hook::CgroupSkb),
            drops: source(Hook::KfreeSkb),
            raw_reads: source(Hook::ConsumeSkb),
            sockets,
        }
    }

    /// No more samples from here on.
    pub(super) fn detach(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.detach_all();
        }
    }

    fn report(&self, hook: Hook, result: Result<(), String>) {
        self.pages.metrics.host_hook(hook, result.is_ok());
        if let Err(why) = &result {
            tracing::warn!("{why}");
        }
        self.pages.status.host_hook(hook, result);
    }
}
