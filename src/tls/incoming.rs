//! Connections of one listener, encrypted or not, ready to be served.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::Tls;

/// Longest TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes under way at once; further connections wait in the listener's queue.
const HANDSHAKES_MAX: usize = 256;
/// Pause after a failed accept, as when file descriptors run out.
const BREATH: Duration = Duration::from_millis(50);

/// One connection, encrypted or not. Counts against its listener's most until dropped.
pub struct Wire {
    line: Line,
    _place: OwnedSemaphorePermit,
}

enum Line {
    Plain(TcpStream),
    /// After its handshake.
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// Accepts until `stop`, at most `connections_max` at once; further ones wait in the listener's queue. Slow or failed
/// handshakes cost their own connection only.
pub fn incoming(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    connections_max: usize,
    stop: CancellationToken,
) -> impl Stream<Item = io::Result<Wire>> + Send + 'static {
    let (ready, wires) = mpsc::channel(64);
    tokio::spawn(async move {
        let slots = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let places = Arc::new(Semaphore::new(connections_max));
        loop {
            // Never closed.
            let Some(Ok(place)) = stop.run_until_cancelled(places.clone().acquire_owned()).await else {
                return;
            };
            let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { return };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            // Only latency is at stake.
            let _ = stream.set_nodelay(true);
            let Some(tls) = &tls else {
                let wire = Wire { line: Line::Plain(stream), _place: place };
                if ready.send(Ok(wire)).await.is_err() {
                    return;
                }
                continue;
            };
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let (acceptor, ready) = (tls.acceptor(), ready.clone());
            tokio::spawn(async move {
                if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await
                {
                    // Nobody serves any more: the connection closes.
                    let wire = Wire { line: Line::Encrypted(Box::new(stream)), _place: place };
                    let _ = ready.send(Ok(wire)).await;
                }
                drop(slot);
            });
        }
    });
    ReceiverStream::new(wires)
}

impl Wire {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match &self.line {
            Line::Plain(tcp) => tcp,
            Line::Encrypted(tls) => tls.get_ref().0,
        }
    }
}

impl Connected for Wire {
    type ConnectInfo = TcpConnectInfo;
    fn connect_info(&self) -> TcpConnectInfo {
        self.tcp().connect_info()
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Line::Encrypted(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().line {
            Line::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Line::Encrypted(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Line::Encrypted(tls) => Pin::new(tls).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().line {
            Line::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Line::Encrypted(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
