//! The event `finding`.

use super::SCHEMA;
use super::text::Utc;
use super::verdict::Grounds;
use crate::sinks::book::runbook;
use crate::sinks::names::InterfaceName;
use leasehound_core::cause::Cause;
use leasehound_core::finding::Finding;
use serde::Serialize;

/// A [`Finding`] as schema 1 writes it.
#[derive(Debug, Serialize)]
pub struct FindingEvent<'a> {
    schema: u32,
    time: Utc,
    kind: &'static str,
    id: u64,
    finding: &'static str,
    state: &'static str,
    severity: &'static str,
    since: Utc,
    netns: &'a str,
    interface: Option<&'a str>,
    cause: Option<&'static str>,
    title: &'a str,
    cases: u64,
    of: u64,
    evidence: Grounds<'a>,
    damage: Option<&'a str>,
    remedy: &'a str,
    side_effect: Option<&'a str>,
    runbook: String,
    changes: usize,
}

impl<'a> FindingEvent<'a> {
    /// The event for `finding`: about the interface that is called `interface`, in the
    /// namespace that is called `netns`.
    pub fn new(finding: &'a Finding, netns: &'a str, interface: Option<&'a InterfaceName>) -> Self {
        Self {
            schema: SCHEMA,
            time: Utc(finding.at),
            kind: "finding",
            id: finding.id,
            finding: finding.kind.code(),
            state: finding.state.as_str(),
            severity: finding.kind.severity().as_str(),
            since: Utc(finding.since),
            netns,
            interface: interface.map(|name| name.interface.as_str()),
            cause: finding.cause.map(Cause::code),
            title: &finding.title,
            cases: finding.cases,
            of: finding.of,
            evidence: Grounds(&finding.evidence),
            damage: finding.damage.as_deref(),
            remedy: &finding.remedy,
            side_effect: finding.side_effect.as_deref(),
            runbook: runbook(finding.entry()),
            changes: finding.history.len(),
        }
    }
}
