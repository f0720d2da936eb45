//! Brings the kernel's counters into the metrics, before each scrape.

use super::watched::Indexes;
use crate::capture::ebpf::{Family as CountedFamily, Statistics};
use crate::clock;
use crate::sinks::Family;
use crate::sinks::events::LossReport;
use crate::sinks::metrics::Metrics;
use leasehound_core::evidence::{Loss, LossStage};
use leasehound_core::message::MessageType;
use leasehound_core::origin::Hook;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The kernel's counters, and what of them the metrics have.
pub(super) struct Counters {
    pub(super) statistics: Arc<Statistics>,
    pub(super) indexes: Indexes,
    pub(super) metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    samples: BTreeMap<Hook, u64>,
    losses: BTreeMap<(Hook, LossStage), u64>,
}

impl Counters {
    pub(super) fn new(
        statistics: Arc<Statistics>,
        indexes: Indexes,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            statistics,
            indexes,
            metrics,
            seen: Mutex::default(),
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
            let (family, message_type) = match count.family {
                CountedFamily::V4 => (Family::Ipv4, message_type4(count.message_type)),
                CountedFamily::V6 => (Family::Ipv6, message_type6(count.message_type)),
            };
            self.metrics.set_messages(
                *interface,
                count.direction,
                family,
                message_type,
                count.count,
            );
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in self.statistics.samples()? {
            let before = seen.samples.insert(sample.hook, sample.count).unwrap_or(0);
            self.metrics
                .samples(sample.hook, sample.count.saturating_sub(before));
        }
        for loss in self.statistics.losses()? {
            let before = seen
                .losses
                .insert((loss.hook, loss.stage), loss.count)
                .unwrap_or(0);
            let more = Loss {
                stage: loss.stage,
                count: loss.count.saturating_sub(before),
            };
            self.metrics.loss(LossReport {
                at: clock::now(),
                hook: Some(loss.hook),
                loss: more,
            });
        }
        Ok(())
    }
}

fn message_type4(number: u8) -> &'static str {
    match number {
        0 => "bootp",
        number => MessageType::from_code(number).as_str(),
    }
}

/// RFC 8415 §7.3.
fn message_type6(number: u8) -> &'static str {
    match number {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information_request",
        12 => "relay_forw",
        13 => "relay_repl",
        _ => "other",
    }
}
