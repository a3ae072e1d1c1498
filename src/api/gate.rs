//! The gate every call passes: is there room, who calls, may they, and until when do they wait.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{HeaderMap, Request, Response};
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use super::auth::{KeySource, Presented, roles_for};
use super::standing::{CALLER_STREAMS, Standing};
use super::status::ApiError;
use crate::clock::SharedClock;
use crate::telemetry::{metrics, trace};

/// What the caller is told to wait when there is no room.
const RETRY: Duration = Duration::from_millis(250);
/// Services that answer without a key: they tell nothing a stranger may not know.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// Makes gates over services.
#[derive(Clone)]
pub struct GateLayer(Arc<Rules>);

struct Rules {
    keys: Arc<dyn KeySource>,
    clock: SharedClock,
    room: Arc<Semaphore>,
    deadline_max: Duration,
}

impl GateLayer {
    /// A gate that lets in `in_flight_max` calls at a time, none for longer than `deadline_max`.
    pub fn new(
        keys: Arc<dyn KeySource>,
        clock: SharedClock,
        in_flight_max: usize,
        deadline_max: Duration,
    ) -> GateLayer {
        let room = Arc::new(Semaphore::new(in_flight_max));
        GateLayer(Arc::new(Rules { keys, clock, room, deadline_max }))
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;
    fn layer(&self, inner: S) -> Gate<S> {
        Gate { rules: Arc::clone(&self.0), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gate<S> {
    rules: Arc<Rules>,
    inner: S,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let record = Record::begin(&request);
        if let Err(error) = self.rules.admit(&mut request) {
            return refuse(error, record);
        }
        // Held until the answer begins; streams are bounded by their own limits from there on.
        let Ok(permit) = Arc::clone(&self.rules.room).try_acquire_owned() else {
            return refuse(ApiError::Overloaded { retry: RETRY }, record);
        };
        let deadline = deadline(request.headers(), self.rules.deadline_max);
        if deadline.is_zero() {
            // Whoever cannot hear the answer gets nothing done either.
            return refuse(ApiError::DeadlineExceeded, record);
        }
        let answer = self.inner.call(request);
        let span = record.span.clone();
        let answering = async move {
            let _permit = permit;
            let answer = match tokio::time::timeout(deadline, answer).await {
                Ok(answer) => answer.map(malformed_is_the_callers)?,
                Err(_) => Status::from(ApiError::DeadlineExceeded).into_http(),
            };
            record.end(&answer);
            Ok(answer)
        };
        Box::pin(answering.instrument(span))
    }
}

/// What is told of a call: a span under the caller's own, and its metrics. Of a stream, until its answer begins.
struct Record {
    method: String,
    begun: Instant,
    span: Span,
}

impl Record {
    fn begin(request: &Request<Body>) -> Record {
        let path = request.uri().path();
        // Whatever a stranger asks for must not become a label.
        let known = roles_for(path).is_some() || OPEN.iter().any(|open| path.starts_with(open));
        let method = if known { path.trim_start_matches('/') } else { "unknown" };
        let span = tracing::info_span!("call", method, status = tracing::field::Empty);
        trace::continue_from(&span, request.headers());
        Record { method: method.to_owned(), begun: Instant::now(), span }
    }

    fn end(self, answer: &Response<Body>) {
        // An answer that has no status yet ends with one in its trailers: it began well.
        let status = Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code());
        let status = code_name(status);
        self.span.record("status", status);
        metrics::call(self.method, status, crate::model::Span::from_std(self.begun.elapsed()));
    }
}

/// The status as the gRPC specification spells it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl Rules {
    /// Leaves the caller and their standing with the request, for the service to find.
    fn admit(&self, request: &mut Request<Body>) -> Result<(), ApiError> {
        let path = request.uri().path();
        if OPEN.iter().any(|open| path.starts_with(open)) {
            return Ok(());
        }
        // A path outside the contract goes on, to be answered UNIMPLEMENTED as gRPC asks; nothing is behind it.
        let Some(needed) = roles_for(path) else { return Ok(()) };
        let presented = Presented::read(request.headers())?;
        let caller = Arc::new(presented.caller(self.keys.as_ref(), self.clock.now())?);
        caller.require(needed)?;
        let standing = Standing::new(&self.keys, &self.clock, presented, &caller);
        if CALLER_STREAMS.iter().any(|method| path.ends_with(&format!("/{method}"))) {
            standing.guard_request(request);
        }
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(standing);
        Ok(())
    }
}

/// The transport calls a request it cannot decode, unpack or fit `INTERNAL` or `OUT_OF_RANGE`. Our own errors carry
/// details, so one without is such a complaint, and the fault is the caller's.
fn malformed_is_the_callers(answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers();
    let complaint = [Code::Internal, Code::OutOfRange];
    let ours = headers.contains_key("grpc-status-details-bin");
    match Status::from_header_map(headers) {
        Some(status) if !ours && complaint.contains(&status.code()) => {
            Status::from(ApiError::field("request", status.message())).into_http()
        }
        _ => answer,
    }
}

fn refuse(error: ApiError, record: Record) -> Answer {
    let answer = Status::from(error).into_http();
    record.end(&answer);
    Box::pin(std::future::ready(Ok(answer)))
}

/// What `grpc-timeout` asks for, at most `cap`; a malformed value counts as none, for the protocol asks so.
fn deadline(headers: &HeaderMap, cap: Duration) -> Duration {
    let asked = headers.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
    // A millisecond less than the caller's own: so the answer is ours, with its reason, not a reset.
    asked.map_or(cap, |asked| asked.saturating_sub(Duration::from_millis(1)).min(cap))
}

/// Up to 8 digits and a unit (gRPC over HTTP/2, "Timeout").
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3_600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_read_as_grpc_writes_them() {
        let table = [
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("5é", None),
            ("5X", None),
            ("-5S", None),
        ];
        for (text, want) in table {
            assert_eq!(parse_timeout(text), want, "{text:?}");
        }
    }

    #[test]
    fn the_server_caps_what_callers_ask() {
        let cap = Duration::from_secs(60);
        let mut headers = HeaderMap::new();
        assert_eq!(deadline(&headers, cap), cap);
        headers.insert("grpc-timeout", "5H".parse().expect("a header"));
        assert_eq!(deadline(&headers, cap), cap);
        headers.insert("grpc-timeout", "1S".parse().expect("a header"));
        assert_eq!(deadline(&headers, cap), Duration::from_millis(999));
    }
}
