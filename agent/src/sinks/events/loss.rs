//! The event `loss`.

use super::SCHEMA;
use super::text::Utc;
use leasehound_core::evidence::Loss;
use leasehound_core::origin::Hook;
use leasehound_core::time::Timestamp;
use serde::Serialize;

/// Samples that were lost, and where they came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LossReport {
    /// When it was noticed.
    pub at: Timestamp,
    /// The hook; `None` where a stage serves several.
    pub hook: Option<Hook>,
    /// What was lost.
    pub loss: Loss,
}

/// A [`LossReport`] as schema 1 writes it.
#[derive(Debug, Serialize)]
pub struct LossEvent {
    schema: u32,
    time: Utc,
    kind: &'static str,
    hook: Option<&'static str>,
    stage: &'static str,
    count: u64,
}

impl LossEvent {
    /// The event for `report`.
    pub fn new(report: LossReport) -> Self {
        Self {
            schema: SCHEMA,
            time: Utc(report.at),
            kind: "loss",
            hook: report.hook.map(Hook::as_str),
            stage: report.loss.stage.as_str(),
            count: report.loss.count,
        }
    }
}
