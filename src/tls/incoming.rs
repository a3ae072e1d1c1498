//! Connections of one listener, encrypted or not, ready to be served.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
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

/// Longest silence of whoever has connected and said nothing yet that shows which protocol they speak: the servers behind
/// wait for that without end.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);
/// What HTTP/2 begins with (RFC 9113, section 3.4); whoever says something else speaks HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection, encrypted or not. Counts against its listener's most until dropped.
pub struct Wire {
    line: Line,
    first: FirstWord,
    _place: OwnedSemaphorePermit,
}

/// Watches over the first bytes of a connection.
enum FirstWord {
    /// So many bytes of the preface came; the rest, or something else, within this time.
    Waits(usize, Pin<Box<Sleep>>),
    /// It is known what is spoken.
    Said,
}

impl FirstWord {
    fn within(span: Duration) -> FirstWord {
        FirstWord::Waits(0, Box::pin(tokio::time::sleep(span)))
    }

    fn hear(&mut self, bytes: &[u8]) {
        if let FirstWord::Waits(heard, _) = self {
            let expected = &PREFACE[*heard..];
            let more = bytes.len().min(expected.len());
            *heard += more;
            if bytes.is_empty() || bytes[..more] != expected[..more] || *heard == PREFACE.len() {
                *self = FirstWord::Said;
            }
        }
    }

    /// Whether it is too late for it now; wakes the task when it will be.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            FirstWord::Waits(_, end) => end.as_mut().poll(cx).is_ready(),
            FirstWord::Said => false,
        }
    }
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
                let wire = Wire::new(Line::Plain(stream), place);
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
                    let wire = Wire::new(Line::Encrypted(Box::new(stream)), place);
                    let _ = ready.send(Ok(wire)).await;
                }
                drop(slot);
            });
        }
    });
    ReceiverStream::new(wires)
}

impl Wire {
    fn new(line: Line, place: OwnedSemaphorePermit) -> Wire {
        Wire { line, first: FirstWord::within(FIRST_WORD_WITHIN), _place: place }
    }

    /// Waits only so long for the first word.
    pub fn patient_for(self, span: Duration) -> Wire {
        Wire { first: FirstWord::within(span), ..self }
    }

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
        let wire = self.get_mut();
        let before = buf.filled().len();
        let read = match &mut wire.line {
            Line::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Line::Encrypted(tls) => Pin::new(tls).poll_read(cx, buf),
        };
        match read {
            Poll::Pending if wire.first.is_late(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(Ok(())) => {
                wire.first.hear(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            read => read,
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
