//! Serves the sandbox's router on a listener handed in. Ours rather than axum's because a carrier must be able to
//! hang up in the middle of an exchange.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Most connections at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 2_048;

/// Pause after a failed accept.
const BREATH: Duration = Duration::from_millis(50);
/// How long exchanges under way may take once serving ends.
const GRACE: Duration = Duration::from_secs(5);

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

/// Serves `router` on `listener` until `stop`; then lets exchanges under way finish.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    let tracker = TaskTracker::new();
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => {
                // Running out of descriptors is no reason to stop serving those who are connected.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(BREATH).await;
                    continue;
                };
                let (router, stop) = (router.clone(), stop.clone());
                tracker.spawn(async move {
                    converse(stream, router, stop).await;
                    drop(slot);
                });
            }
        }
    }
    tracker.close();
    tracker.wait().await;
    Ok(())
}

async fn converse(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move { hang_up_if_asked(router.oneshot(request.map(Body::new)).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error = %error, "sandbox connection ended early");
    }
}

fn hang_up_if_asked(answer: Result<Response, Infallible>) -> io::Result<Response> {
    let Ok(response) = answer;
    match response.extensions().get::<HangUp>() {
        Some(HangUp) => Err(io::Error::other("the sandbox carrier hangs up")),
        None => Ok(response),
    }
}
