//! A request body that remembers whether the connection began to write its request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

const OPEN: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Asked in the step that writes a request; false withdraws it.
pub type MayBegin = Box<dyn Fn() -> bool + Send + Sync>;

/// Whether a request has been begun. hyper looks at a body in the step that writes the request's head and not before,
/// neither while connecting nor while waiting for a pooled connection; until then not a byte has left. Begun and
/// withdrawn exclude each other: whichever comes first stays.
#[derive(Clone)]
pub struct Begin(Arc<Inner>);

struct Inner {
    state: AtomicU8,
    may_begin: MayBegin,
}

impl Begin {
    /// A request not begun yet, that asks `may_begin` when it is its turn.
    pub fn new(may_begin: MayBegin) -> Self {
        Self(Arc::new(Inner { state: AtomicU8::new(OPEN), may_begin }))
    }
    /// Whether the request may have been written.
    pub fn has_begun(&self) -> bool {
        self.0.state.load(Ordering::SeqCst) == BEGUN
    }
    /// Whether it will never be written.
    pub fn is_withdrawn(&self) -> bool {
        self.0.state.load(Ordering::SeqCst) == WITHDRAWN
    }
    /// Takes the request back; false when it is too late.
    pub fn withdraw(&self) -> bool {
        self.settle(WITHDRAWN) == WITHDRAWN
    }
    /// The connection is about to write: begins, unless withdrawn. Answers whether it goes on.
    fn begin(&self) -> bool {
        match self.0.state.load(Ordering::SeqCst) {
            OPEN if (self.0.may_begin)() => self.settle(BEGUN) == BEGUN,
            OPEN => self.settle(WITHDRAWN) == BEGUN,
            settled => settled == BEGUN,
        }
    }
    /// Settles on `state` unless settled already; answers what it is settled on.
    fn settle(&self, state: u8) -> u8 {
        match self.0.state.compare_exchange(OPEN, state, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => state,
            Err(settled) => settled,
        }
    }
}

/// The request was withdrawn: the connection drops it before its first byte.
#[derive(Debug, thiserror::Error)]
#[error("withdrawn")]
pub struct Withdrawn;

/// The whole body in one piece, watched.
pub struct WatchedBody {
    inner: Full<Bytes>,
    begin: Begin,
}

impl WatchedBody {
    /// Watches `body`, reporting into `begin`.
    pub fn new(body: Bytes, begin: Begin) -> Self {
        Self { inner: Full::new(body), begin }
    }
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Withdrawn;

    /// hyper buffers the head, asks for the body, and only then writes: an error here stops both.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        if !self.begin.begin() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        Pin::new(&mut self.inner).poll_frame(cx).map_err(|never| match never {})
    }
    fn is_end_stream(&self) -> bool {
        self.begin.begin() && self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
