//! Connections on which nothing comes are not kept.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_idle_connection_is_closed_before_and_after_an_answer() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
    let bounds = Bounds { head_within: Duration::from_millis(50), ..Bounds::default() };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, None, router, bounds, stop.clone()));
    // Nothing at all, too little to tell the protocol, half a head, and one that was answered; HTTP/2 that answers no ping.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    for said in ["", "PRI * HT", "GET / HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", preface] {
        let mut wire = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        wire.write_all(said.as_bytes()).await.expect("written");
        let mut heard = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, wire.read_to_end(&mut heard)).await;
        assert!(closed.is_ok(), "still open after {said:?}");
        if said.ends_with("x\r\n\r\n") {
            assert!(String::from_utf8_lossy(&heard).contains("here"), "it was answered first");
        }
    }
    stop.cancel();
    serving.await.expect("no panic");
}
