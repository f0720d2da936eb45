//! `/api/v1/leases`: what is leased, leaks first, and the pools it is leased from.
//!
//! The task that owns the engine is asked: the leases are too many to keep them here too.

use super::Pages;
use super::api::json;
use crate::clock;
use crate::sinks::Family;
use crate::sinks::book::runbook;
use crate::sinks::events::{SCHEMA, Seconds, Utc};
use crate::sinks::servers::{LeaseEntry, PoolEntry};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leasehound_core::accounts::forecast::{Basis, Forecast};
use leasehound_core::accounts::leaks::{GivenBack, Leak};
use leasehound_core::time::Timestamp;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an answer may take: a walk over all leases.
const ANSWER_AT_MOST: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct LeaseList<'a> {
    schema: u32,
    /// False if there are more than can be listed.
    complete: bool,
    pools: Vec<PoolRow<'a>>,
    leases: Vec<LeaseRow<'a>>,
}

#[derive(Serialize)]
struct PoolRow<'a> {
    netns: &'a str,
    pool: &'a str,
    family: &'static str,
    first: Ipv4Addr,
    last: Ipv4Addr,
    addresses: u64,
    used: Option<u64>,
    leaked: Option<u64>,
    /// `null` if it does not shrink, or that can't be told.
    exhaustion: Option<ExhaustionPart>,
}

#[derive(Serialize)]
struct ExhaustionPart {
    basis: Option<&'static str>,
    earliest_seconds: Seconds,
    expected_seconds: Seconds,
    latest_seconds: Seconds,
}

#[derive(Serialize)]
struct LeaseRow<'a> {
    netns: &'a str,
    interface: Option<String>,
    family: &'static str,
    address: Ipv4Addr,
    hardware_address: String,
    client_id: Option<String>,
    /// `null` if never.
    expires: Option<Utc>,
    state: &'static str,
    leak: Option<LeakPart>,
}

#[derive(Serialize)]
struct LeakPart {
    cause: &'static str,
    runbook: String,
    since: Utc,
    age_seconds: Seconds,
    messages: u64,
    server_id: Option<Ipv4Addr>,
}

pub(super) async fn leases(State(pages): State<Pages>) -> Response {
    let Some((leases, complete)) = ask(&pages).await else {
        let why = "the leases did not come in time; ask again\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let (now, pools) = (clock::now(), pages.status.pools());
    json(&LeaseList {
        schema: SCHEMA,
        complete,
        pools: pools.iter().map(pool_row).collect(),
        leases: leases
            .iter()
            .map(|entry| lease_row(entry, &pages, now))
            .collect(),
    })
}

async fn ask(pages: &Pages) -> Option<(Vec<LeaseEntry>, bool)> {
    let (question, answer) = oneshot::channel();
    pages.leases.as_ref()?.try_send(question).ok()?;
    let answer = tokio::time::timeout(ANSWER_AT_MOST, answer).await;
    answer.ok()?.ok()
}

fn pool_row(entry: &PoolEntry) -> PoolRow<'_> {
    let report = &entry.report;
    PoolRow {
        netns: &entry.netns,
        pool: &report.pool.name,
        family: Family::Ipv4.as_str(),
        first: report.pool.first,
        last: report.pool.last,
        addresses: report.pool.size(),
        used: report.used,
        leaked: report.used.map(|_| report.leaked),
        exhaustion: exhaustion(report.forecast),
    }
}

fn exhaustion(forecast: Forecast) -> Option<ExhaustionPart> {
    let basis = match forecast {
        Forecast::In(interval) => Some(interval.basis),
        Forecast::Never | Forecast::Now => None,
    };
    Some(ExhaustionPart {
        basis: basis.map(Basis::as_str),
        earliest_seconds: Seconds(forecast.earliest()?),
        expected_seconds: Seconds(forecast.expected()?),
        latest_seconds: Seconds(forecast.latest()?),
    })
}

fn lease_row<'a>(entry: &'a LeaseEntry, pages: &Pages, now: Timestamp) -> LeaseRow<'a> {
    let report = &entry.report;
    let names = pages.status.names();
    let state = match report.leak.as_ref().map(|leak| leak.given_back) {
        None => "bound",
        Some(GivenBack::Released) => "leaked",
        Some(GivenBack::Declined) => "declined",
    };
    LeaseRow {
        netns: &entry.netns,
        interface: report.interface.map(|id| names.get(id).interface.clone()),
        family: Family::Ipv4.as_str(),
        address: report.lease.address,
        hardware_address: report.lease.hardware_address.to_string(),
        client_id: report.lease.client_id.as_ref().map(ToString::to_string),
        expires: report.lease.expires.map(Utc),
        state,
        leak: report.leak.as_ref().map(|leak| leak_part(leak, now)),
    }
}

fn leak_part(leak: &Leak, now: Timestamp) -> LeakPart {
    LeakPart {
        cause: leak.cause.code(),
        runbook: runbook(leak.cause.code()),
        since: Utc(leak.since),
        age_seconds: Seconds(leak.age(now)),
        messages: leak.messages,
        server_id: leak.named.map(|id| id.0),
    }
}
