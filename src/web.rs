//! HTTP listeners: connections counted, heads and silence bounded, exchanges under way finished at the end.
//!
//! Ours rather than axum's because a listener may speak TLS with certificates that change, and because the sandbox's
//! carrier must be able to hang up in the middle of an exchange.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::tls::{Tls, Wire, incoming};

/// What a listener puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections_max: usize,
    /// How long a request's head may take to arrive, and how long a connection may lie idle.
    pub head_within: Duration,
    /// How long exchanges under way may take once serving ends.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { connections_max: 2_048, head_within: Duration::from_secs(30), drain: Duration::from_secs(5) }
    }
}

/// Exchanges of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 128;

/// Marks a response that must not be sent: the connection closes instead.
#[derive(Debug, Clone, Copy)]
pub struct HangUp;

impl HangUp {
    /// A response that closes the connection.
    pub fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(HangUp);
        response
    }
}

/// Serves `router` on `listener` with HTTP/1.1 and HTTP/2 until `stop`; then lets exchanges under way finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let tracker = TaskTracker::new();
    let mut wires = Box::pin(incoming(listener, tls, bounds.connections_max, stop.clone()));
    while let Some(Some(wire)) = stop.run_until_cancelled(wires.next()).await {
        let Ok(wire) = wire else { continue };
        let wire = wire.patient_for(bounds.head_within);
        tracker.spawn(converse(wire, router.clone(), bounds, stop.clone()));
    }
    tracker.close();
    // Each conversation ends by itself within the time to drain.
    tracker.wait().await;
}

async fn converse(wire: Wire, router: Router, bounds: Bounds, stop: CancellationToken) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move { hang_up_if_asked(router.oneshot(request.map(Body::new)).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head_within);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(bounds.head_within)
        .keep_alive_timeout(bounds.head_within);
    let connection = builder.serve_connection(TokioIo::new(wire), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(bounds.drain, connection).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error = %error, "an HTTP connection ended early");
    }
}

fn hang_up_if_asked(answer: Result<Response, Infallible>) -> io::Result<Response> {
    let Ok(response) = answer;
    match response.extensions().get::<HangUp>() {
        Some(HangUp) => Err(io::Error::other("the sandbox carrier hangs up")),
        None => Ok(response),
    }
}

#[cfg(test)]
mod tests;
