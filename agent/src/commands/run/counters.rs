//! Brings the kernel's counters into the metrics, before each scrape.

use super::watched::Indexes;
use crate::capture::ebpf::{Family as CountedFamily, Statistics};
use crate::sinks::Family;
use crate::sinks::metrics::{MessageKey, MessageTotal, Metrics};
use crate::sinks::status::Status;
use std::sync::{Arc, PoisonError};

/// The kernel's counters.
pub(super) struct Counters {
    statistics: Arc<Statistics>,
    indexes: Indexes,
    metrics: Arc<Metrics>,
    status: Arc<Status>,
}

impl Counters {
    pub(super) fn new(
        statistics: Arc<Statistics>,
        indexes: Indexes,
        metrics: Arc<Metrics>,
        status: Arc<Status>,
    ) -> Self {
        Self {
            statistics,
            indexes,
            metrics,
            status,
        }
    }

    /// Reads everything once.
    pub(super) fn refresh(&self) {
        if let Err(error) = self.try_refresh() {
            tracing::warn!("{error}");
        }
    }

    fn try_refresh(&self) -> anyhow::Result<()> {
        let indexes = self
            .indexes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for count in self.statistics.messages()? {
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
        let statistics = &self.statistics;
        self.metrics
            .set_uncounted(statistics.extension_headers()?, statistics.uncounted()?);
        for sample in self.statistics.samples()? {
            self.metrics.set_samples(sample.hook, sample.count);
        }
        for loss in self.statistics.losses()? {
            self.metrics
                .set_samples_lost(loss.hook, loss.stage, loss.count);
            self.status
                .set_samples_lost(loss.hook, loss.stage, loss.count);
        }
        Ok(())
    }
}
