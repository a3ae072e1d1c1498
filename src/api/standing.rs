//! Whether a key is still good: asked again while a stream is open, so that none outlives the key it was opened with.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use http::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

use super::auth::{Caller, KeySource, Presented};
use super::status::ApiError;
use crate::clock::SharedClock;

/// Methods whose callers send more than one message: each is read only while the key is good.
pub(super) const CALLER_STREAMS: [&str; 5] =
    ["SendMessages", "ImportConsents", "ImportSuppressions", "ImportNumberChecks", "CheckShadow"];

/// A key as it was presented, and who it made its caller.
#[derive(Clone)]
pub struct Standing(Arc<Asked>);

struct Asked {
    keys: Arc<dyn KeySource>,
    clock: SharedClock,
    presented: Presented,
    caller: Arc<Caller>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.0.caller.key).finish()
    }
}

impl Standing {
    /// Of a caller that was just let in.
    pub fn new(
        keys: &Arc<dyn KeySource>,
        clock: &SharedClock,
        presented: Presented,
        caller: &Arc<Caller>,
    ) -> Standing {
        let (keys, clock, caller) = (Arc::clone(keys), Arc::clone(clock), Arc::clone(caller));
        Standing(Arc::new(Asked { keys, clock, presented, caller }))
    }

    /// Fails once the key would no longer make the same caller: it was revoked or replaced, has expired, or reaches
    /// something else now.
    pub fn check(&self) -> Result<(), ApiError> {
        let asked = &*self.0;
        match asked.presented.caller(&*asked.keys, asked.clock.now()) {
            Ok(caller) if caller == *asked.caller => Ok(()),
            _ => Err(ApiError::Unauthenticated),
        }
    }

    /// What is told in answer, until the key is no longer good.
    pub fn guard<T: Send + 'static>(
        self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> BoxStream<'static, Result<T, Status>> {
        answers.map(move |item| self.check().map_err(Status::from).and(item)).boxed()
    }

    /// The request, read on only while the key is good.
    pub(super) fn guard_request(&self, request: &mut Request<Body>) {
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Guarded { body, standing: self.clone() });
    }
}

/// The standing of whoever asks, as the gate found it.
pub fn standing<T>(request: &tonic::Request<T>) -> Result<Standing, Status> {
    match request.extensions().get::<Standing>() {
        Some(standing) => Ok(standing.clone()),
        None => Err(ApiError::Unauthenticated.into()),
    }
}

/// A body that breaks off when the key behind it is no longer good.
struct Guarded {
    body: Body,
    standing: Standing,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        // An end is an end, whoever says it; whatever else comes must come from somebody we know.
        Poll::Ready(frame.map(|frame| self.standing.check().map_err(Status::from).and(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
