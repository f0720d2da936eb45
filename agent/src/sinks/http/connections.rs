//! Takes connections, a bounded number at a time and each for a bounded time.
//!
//! Any local user can connect. Without bounds, one who does and stays silent takes one
//! descriptor after the other, until there is none left for interfaces and lease
//! databases.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// More wait in the kernel until one of these is over.
pub(super) const CONNECTIONS_AT_MOST: usize = 64;

/// How long a request's head may take, and how long there may be none.
pub(super) const HEADERS_AT_MOST: Duration = Duration::from_secs(10);

/// How long a connection may last. The request under way is still answered.
pub(super) const CONNECTION_AT_MOST: Duration = Duration::from_mins(1);

/// How long a request under way may take when the connection or the agent ends.
pub(super) const DRAIN_AT_MOST: Duration = Duration::from_secs(3);

/// After a connection that could not be taken: descriptors may be scarce.
const RETRY: Duration = Duration::from_secs(1);

/// Serves until `shutdown` resolves, and at most 3 s longer.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let room = connections.len() < CONNECTIONS_AT_MOST;
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            stream = accept(&listener), if room => {
                connections.spawn(connection(stream, router.clone(), stopping.clone()));
            }
        }
    }
    drop(listener);
    drop(stop);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_AT_MOST, ended).await.is_err() {
        tracing::debug!("requests were left unanswered");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be taken");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<()>) {
    let service = TowerToHyperService::new(router);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_AT_MOST);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = connection.as_mut() => return log(result),
        // Nothing is ever sent: it closes.
        _ = stopping.changed() => {}
        () = tokio::time::sleep(CONNECTION_AT_MOST) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(result) = tokio::time::timeout(DRAIN_AT_MOST, connection).await {
        log(result);
    }
}

fn log(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::trace!(%error, "a connection broke");
    }
}
