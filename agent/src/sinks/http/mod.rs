//! The HTTP server: metrics, health, a status page and a read-only API.
//!
//! It reads what other tasks wrote and never waits for the packet pipeline: before
//! `/metrics` it asks for fresh kernel counters, and answers without them if they do
//! not come in time. Connections are bounded in number and time, and on the loopback
//! only requests for it are answered.

mod api;
mod books;
mod connections;
mod host;
mod leases;
mod page;

use super::databases::DatabaseEntry;
use super::metrics::Metrics;
use super::servers::LeaseEntry;
use super::status::Status;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// How long `/metrics` waits for fresh counters. Reading a few hundred per-CPU
/// counters takes well under a millisecond; a scrape times out after 10 s.
const REFRESH_AT_MOST: Duration = Duration::from_secs(1);

/// Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const NOT_FOUND: &str = "not found; there are /, /metrics, /healthz, /readyz, \
                         /api/v1/verdicts, /api/v1/findings, /api/v1/leases, /api/v1/servers and /api/v1/hooks\n";

/// Brings the kernel's counters into [`Metrics`].
pub trait Refresh: Send + Sync {
    /// Resolves when they are there.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl<F> Refresh for F
where
    F: Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync,
{
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self()
    }
}

/// Everything that the server shows. Clones share it.
#[derive(Clone)]
pub struct Pages {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For all else.
    pub status: Arc<Status>,
    /// Called before `/metrics` is rendered; `None` if no counter lives in the kernel.
    pub refresh: Option<Arc<dyn Refresh>>,
    /// Who is asked for the leases; `None` if nobody knows any.
    pub leases: Option<LeaseQuestions>,
}

/// Where to ask for leases, leaks first: there may be too many to keep them at hand.
pub type LeaseQuestions = mpsc::Sender<LeaseQuestion>;

/// Who asks. The answer is the leases, and whether these are all.
pub type LeaseQuestion = oneshot::Sender<(Vec<LeaseEntry>, bool)>;

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("cannot listen on {address}: the port is in use; is another leasehound running? Choose another with --listen, or any free one with --listen {ip}:0", ip = bracketed(*address))]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// A port below 1024, or a rule of the system.
    #[error("cannot listen on {address}: not permitted; choose a port from 1024 on with --listen")]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The address is none of this host.
    #[error("cannot listen on {address}: no interface of this host has that address; use --listen 127.0.0.1:{port}, or 0.0.0.0:{port} for all", port = address.port())]
    NoSuchAddress {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Other {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    }
}

/// Listens on `address`; port 0 takes any free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address },
            io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
            io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address },
            _ => BindError::Other { address, source },
        })
}

/// Serves until `shutdown` resolves. Requests that came before, a last scrape among
/// them, are answered; one that takes longer than 3 s is left.
///
/// If it listens on the loopback only, requests for other hosts are refused.
pub async fn serve(
    listener: TcpListener,
    pages: Pages,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let mut router = router(pages);
    if listener.local_addr()?.ip().to_canonical().is_loopback() {
        router = router.layer(middleware::from_fn(host::only_loopback));
    }
    connections::serve(listener, router, shutdown).await;
    Ok(())
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/v1/verdicts", get(api::verdicts))
        .route("/api/v1/servers", get(api::servers))
        .route("/api/v1/hooks", get(api::hooks))
        .route("/api/v1/findings", get(api::findings))
        .route("/api/v1/leases", get(leases::leases))
        .fallback(async || (StatusCode::NOT_FOUND, NOT_FOUND))
        .with_state(pages)
}

async fn metrics(State(pages): State<Pages>) -> Response {
    if let Some(refresh) = &pages.refresh
        && tokio::time::timeout(REFRESH_AT_MOST, refresh.refresh())
            .await
            .is_err()
    {
        tracing::warn!("the kernel's counters did not come in time for a scrape");
    }
    (
        [(header::CONTENT_TYPE, METRICS_TYPE)],
        pages.metrics.render(),
    )
        .into_response()
}

async fn readyz(State(pages): State<Pages>) -> Response {
    match pages.status.ready() {
        Ok(()) => {
            let missing = pages.status.host_hooks().into_iter();
            let why = missing.filter_map(|(_, state)| state.err());
            let mut text = "ready\n".to_owned();
            for why in why {
                text.push_str("without ");
                text.push_str(&why.replace(['\r', '\n'], " "));
                text.push('\n');
            }
            for problem in pages
                .status
                .databases()
                .iter()
                .filter_map(DatabaseEntry::problem)
            {
                text.push_str(&problem.replace(['\r', '\n'], " "));
                text.push('\n');
            }
            text.into_response()
        }
        Err(why) => {
            let line = why.to_string().replace(['\r', '\n'], " ");
            (StatusCode::SERVICE_UNAVAILABLE, line + "\n").into_response()
        }
    }
}

async fn index(State(pages): State<Pages>) -> Response {
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Html(page::render(&pages.status))).into_response()
}

#[cfg(test)]
mod tests;
