//! The read-only API: JSON by the serialiser of the events.

use super::Pages;
use crate::sinks::events::{FindingEvent, HookEvent, SCHEMA, ServerEvent, Utc, VerdictEvent};
use crate::sinks::status::Losses;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use leasehound_core::finding::FindingChange;
use serde::Serialize;

#[derive(Serialize)]
struct VerdictList<'a> {
    schema: u32,
    verdicts: Vec<VerdictEvent<'a>>,
}

#[derive(Serialize)]
struct ServerList<'a> {
    schema: u32,
    servers: Vec<ServerRow<'a>>,
}

#[derive(Serialize)]
struct ServerRow<'a> {
    netns: &'a str,
    interface: Option<&'a str>,
    #[serde(flatten)]
    server: ServerEvent<'a>,
}

#[derive(Serialize)]
struct CaptureState<'a> {
    schema: u32,
    hooks: Vec<HookEvent<'a>>,
    host_hooks: Vec<HostHookRow>,
    losses: Vec<LossRow>,
}

#[derive(Serialize)]
struct FindingList<'a> {
    schema: u32,
    findings: Vec<FindingRow<'a>>,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    #[serde(flatten)]
    finding: FindingEvent<'a>,
    history: Vec<ChangeRow>,
}

#[derive(Serialize)]
struct ChangeRow {
    time: Utc,
    state: &'static str,
    cases: u64,
}

/// A hook that sees the whole host.
#[derive(Serialize)]
struct HostHookRow {
    hook: &'static str,
    state: &'static str,
    detail: Option<String>,
}

#[derive(Serialize)]
struct LossRow {
    hook: &'static str,
    stage: &'static str,
    count: u64,
}

pub(super) async fn verdicts(State(pages): State<Pages>) -> Response {
    let verdicts = pages.status.verdicts();
    let names: Vec<_> = verdicts
        .iter()
        .map(|verdict| pages.status.names().get(verdict.origin.interface))
        .collect();
    json(&VerdictList {
        schema: SCHEMA,
        verdicts: verdicts
            .iter()
            .zip(&names)
            .map(|(verdict, name)| VerdictEvent::new(verdict, name))
            .collect(),
    })
}

pub(super) async fn servers(State(pages): State<Pages>) -> Response {
    let servers = pages.status.servers();
    let names: Vec<_> = servers
        .iter()
        .map(|server| server.interface.map(|id| pages.status.names().get(id)))
        .collect();
    json(&ServerList {
        schema: SCHEMA,
        servers: servers
            .iter()
            .zip(&names)
            .map(|(server, name)| ServerRow {
                netns: &server.netns,
                interface: name.as_ref().map(|name| name.interface.as_str()),
                server: ServerEvent::new(&server.summary),
            })
            .collect(),
    })
}

pub(super) async fn findings(State(pages): State<Pages>) -> Response {
    let findings = pages.status.findings();
    let names: Vec<_> = findings
        .iter()
        .map(|(_, finding)| finding.interface.map(|id| pages.status.names().get(id)))
        .collect();
    json(&FindingList {
        schema: SCHEMA,
        findings: findings
            .iter()
            .zip(&names)
            .map(|((netns, finding), name)| FindingRow {
                finding: FindingEvent::new(finding, netns, name.as_deref()),
                history: finding.history.iter().map(change_row).collect(),
            })
            .collect(),
    })
}

pub(super) async fn hooks(State(pages): State<Pages>) -> Response {
    let hooks = pages.status.hooks();
    let names: Vec<_> = hooks
        .iter()
        .map(|report| pages.status.names().get(report.interface))
        .collect();
    json(&CaptureState {
        schema: SCHEMA,
        hooks: hooks
            .iter()
            .zip(&names)
            .map(|(report, name)| HookEvent::new(report, name))
            .collect(),
        host_hooks: host_hook_rows(&pages),
        losses: loss_rows(&pages.status.losses()),
    })
}

fn change_row(change: &FindingChange) -> ChangeRow {
    ChangeRow {
        time: Utc(change.at),
        state: change.state.as_str(),
        cases: change.cases,
    }
}

fn host_hook_rows(pages: &Pages) -> Vec<HostHookRow> {
    let hooks = pages.status.host_hooks().into_iter();
    hooks
        .map(|(hook, state)| HostHookRow {
            hook: hook.as_str(),
            state: if state.is_ok() { "attached" } else { "failed" },
            detail: state.err(),
        })
        .collect()
}

fn loss_rows(losses: &Losses) -> Vec<LossRow> {
    losses
        .iter()
        .map(|((hook, stage), count)| LossRow {
            hook: hook.as_str(),
            stage: stage.as_str(),
            count: *count,
        })
        .collect()
}

pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(mut text) => {
            text.push('\n');
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
