//! Brings the kernel's counters into the metrics, before each scrape.

use super::indexes::Indexes;
use crate::capture::ebpf::{Family as CountedFamily, Statistics, StatisticsError, Tally};
use crate::sinks::Family;
use crate::sinks::metrics::{MessageKey, MessageTotal, Metrics};
use crate::sinks::status::Status;
use leasehound_core::evidence::LossStage;
use leasehound_core::origin::{Hook, NetnsId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kernel's counters, of all namespaces together.
pub(super) struct Counters {
    sources: Mutex<Sources>,
    metrics: Arc<Metrics>,
    status: Arc<Status>,
}

#[derive(Default)]
struct Sources {
    by_netns: BTreeMap<NetnsId, Source>,
    /// What the namespaces counted that are no longer watched.
    before: Totals,
    /// Of the hooks that see the whole host.
    host: Option<Arc<Tally>>,
}

struct Source {
    statistics: Arc<Statistics>,
    indexes: Indexes,
}

/// Counters that have no interface to belong to.
#[derive(Debug, Clone, Default)]
struct Totals {
    samples: BTreeMap<Hook, u64>,
    lost: BTreeMap<(Hook, LossStage), u64>,
    extension_headers: u64,
    uncounted: u64,
}

impl Totals {
    fn add_samples(&mut self, tally: &Tally) -> Result<(), StatisticsError> {
        for sample in tally.samples()? {
            *self.samples.entry(sample.hook).or_default() += sample.count;
        }
        for loss in tally.losses()? {
            *self.lost.entry((loss.hook, loss.stage)).or_default() += loss.count;
        }
        Ok(())
    }

    fn add(&mut self, statistics: &Statistics) -> Result<(), StatisticsError> {
        self.add_samples(&statistics.tally())?;
        self.extension_headers += statistics.extension_headers()?;
        self.uncounted += statistics.uncounted()?;
        Ok(())
    }
}

impl Counters {
    pub(super) fn new(metrics: Arc<Metrics>, status: Arc<Status>) -> Self {
        Self {
            sources: Mutex::default(),
            metrics,
            status,
        }
    }

    /// A namespace is watched.
    pub(super) fn add(&self, netns: NetnsId, statistics: Arc<Statistics>, indexes: Indexes) {
        let source = Source {
            statistics,
            indexes,
        };
        self.sources().by_netns.insert(netns, source);
    }

    /// The whole host is watched too.
    pub(super) fn add_host(&self, tally: Arc<Tally>) {
        self.sources().host = Some(tally);
    }

    /// A namespace is no longer watched: its counters stand still, and stay in the sums.
    pub(super) fn retire(&self, netns: NetnsId) {
        let mut sources = self.sources();
        if let Some(source) = sources.by_netns.remove(&netns)
            && let Err(error) = sources.before.add(&source.statistics)
        {
            tracing::warn!("{error}");
        }
    }

    /// Nothing counts at an index any more: takes its counts over, and makes room. Its
    /// next interface begins at 0.
    pub(super) fn interface_detached(&self, netns: NetnsId, ifindex: u32) {
        let sources = self.sources();
        let Some(source) = sources.by_netns.get(&netns) else {
            return;
        };
        let done = self
            .set_messages(source)
            .and_then(|()| source.statistics.forget(ifindex));
        if let Err(error) = done {
            tracing::warn!("{error}");
        }
    }

    /// Reads everything once.
    pub(super) fn refresh(&self) {
        if let Err(error) = self.try_refresh() {
            tracing::warn!("{error}");
        }
    }

    fn try_refresh(&self) -> anyhow::Result<()> {
        let sources = self.sources();
        let mut totals = sources.before.clone();
        for source in sources.by_netns.values() {
            self.set_messages(source)?;
            totals.add(&source.statistics)?;
        }
        if let Some(host) = &sources.host {
            totals.add_samples(host)?;
        }
        self.metrics
            .set_uncounted(totals.extension_headers, totals.uncounted);
        for (hook, count) in totals.samples {
            self.metrics.set_samples(hook, count);
        }
        for ((hook, stage), count) in totals.lost {
            self.metrics.set_samples_lost(hook, stage, count);
            self.status.set_samples_lost(hook, stage, count);
        }
        Ok(())
    }

    fn set_messages(&self, source: &Source) -> Result<(), StatisticsError> {
        let indexes = source
            .indexes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for count in source.statistics.messages()? {
            let Some(interface) = indexes.get(&count.ifindex) else {
                continue;
            };
            let family = match count.family {
                CountedFamily::V4 => Family::Ipv4,
                CountedFamily::V6 => Family::Ipv6,
            };
            let key = MessageKey {
                interface: *interface,
                direction: count.direction,
                hook: count.hook,
                family,
                message_type: count.message_type,
            };
            self.metrics.set_messages(MessageTotal {
                key,
                total: count.count,
            });
        }
        Ok(())
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
