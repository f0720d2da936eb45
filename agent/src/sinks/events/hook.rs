//! The event `hook`.

use super::SCHEMA;
use super::text::Utc;
use crate::sinks::hooks::{HookReport, HookState};
use crate::sinks::names::InterfaceName;
use serde::Serialize;

/// A [`HookReport`] as schema 1 writes it.
#[derive(Debug, Serialize)]
pub struct HookEvent<'a> {
    schema: u32,
    time: Utc,
    kind: &'static str,
    netns: &'a str,
    interface: &'a str,
    hook: &'static str,
    mode: &'static str,
    state: &'static str,
    reason: Option<&'static str>,
    detail: Option<&'a str>,
}

impl<'a> HookEvent<'a> {
    /// The event for `report`, on the interface that is called `name`.
    pub fn new(report: &'a HookReport, name: &'a InterfaceName) -> Self {
        let (reason, detail) = match &report.state {
            HookState::Failed { reason, detail } => (Some(reason.as_str()), Some(detail.as_str())),
            HookState::Attached | HookState::Detached => (None, None),
        };
        Self {
            schema: SCHEMA,
            time: Utc(report.at),
            kind: "hook",
            netns: &name.netns,
            interface: &name.interface,
            hook: report.hook.as_str(),
            mode: report.mode.as_str(),
            state: report.state.as_str(),
            reason,
            detail,
        }
    }
}
