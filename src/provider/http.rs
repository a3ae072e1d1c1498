//! The one outbound HTTP client: TLS, connection reuse, deadlines, answer size caps, refusal of private addresses.

mod address;
mod body;
pub mod breaker;
mod error;
pub mod skew;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::clock::{Clock, SystemClock};
use crate::model::Instant;
pub use address::AddressRule;
use address::GuardedResolver;
use body::{Begin, WatchedBody};
pub use error::{HttpError, NotSent, Unclear};

/// Bounds of the client.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Longest wait for a connection, TLS included.
    pub connect: Duration,
    /// Longest wait for the whole answer to a hand-over, from its beginning; longer is unclear.
    pub answer: Duration,
    /// Most bytes of an answer's body; what is longer is an error, never cut.
    pub answer_max: usize,
    /// How long an idle connection is kept; over a minute it is asked now and then whether it lives (HTTP/2 PING).
    pub idle: Duration,
    /// Idle connections kept per host.
    pub idle_per_host: usize,
    /// Which addresses may be called.
    pub addresses: AddressRule,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            answer_max: 1 << 20,
            idle: Duration::from_secs(30),
            idle_per_host: 32,
            addresses: AddressRule::PublicOnly,
        }
    }
}

/// One request. Its `Debug` shows method and host only: paths, headers and bodies carry secrets and phone numbers.
#[derive(Clone)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The absolute address, `http` or `https`.
    pub uri: Uri,
    /// Headers as sent; `Host` and `Content-Length` are added.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Bytes,
}

impl Outgoing {
    /// A request without body.
    pub fn get(uri: Uri) -> Self {
        Self { method: Method::GET, uri, headers: HeaderMap::new(), body: Bytes::new() }
    }
    /// A request with a body of `content_type`.
    pub fn post(uri: Uri, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let post = Self { method: Method::POST, uri, headers: HeaderMap::new(), body: body.into() };
        post.header(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }
    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri.host().unwrap_or("?"))
    }
}

/// One answer. Its `Debug` shows the status and the body's length only.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The `Retry-After` header in seconds or as a date (RFC 9110, section 10.2.3), at most a day. A date is measured by
    /// the peer's own clock, its `Date` header; without one it says nothing.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = |name| Some(self.headers.get(name)?.to_str().ok()?.trim());
        let asked = text(http::header::RETRY_AFTER)?;
        let seconds = match asked.parse::<u64>() {
            Ok(seconds) => seconds,
            Err(_) => {
                let wait = http_date(asked)? - http_date(text(http::header::DATE)?)?;
                u64::try_from(wait).unwrap_or(0)
            }
        };
        Some(Duration::from_secs(seconds.min(86_400)))
    }
    /// The media type without parameters, in lower case; empty when absent.
    pub fn content_type(&self) -> String {
        let value = self.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.status.as_u16(), self.body.len())
    }
}

/// Seconds since 1970 of a date in one of HTTP's three forms (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp().as_second());
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = obsolete.iter().find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// A client shared by all adapters; clones share its connections. Redirects are not followed.
#[derive(Clone)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector<GuardedResolver>>, WatchedBody>,
    limits: Arc<HttpLimits>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client that trusts the web's usual certificate authorities.
    pub fn new(limits: HttpLimits) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_webpki_roots()
            .with_no_client_auth();
        Self::with_tls(limits, tls)
    }

    /// A client with its own trust or client certificate; ALPN is set here.
    pub fn with_tls(limits: HttpLimits, tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(GuardedResolver::new(limits.addresses));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limits.connect));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let inner = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle)
            .http2_keep_alive_interval((limits.idle > PING_FROM).then_some(PING_EVERY))
            .http2_keep_alive_while_idle(true)
            .pool_max_idle_per_host(limits.idle_per_host)
            .build(connector);
        Self { inner, limits: Arc::new(limits) }
    }

    /// Its bounds.
    pub fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    /// Sends one request and reads the whole answer within `deadline`.
    ///
    /// The error says whether the request may have reached the peer: [`HttpError::NotSent`] is certain, everything
    /// else counts as "may have been sent".
    pub async fn send(&self, request: Outgoing, deadline: Duration) -> Result<Answer, HttpError> {
        self.send_if(request, deadline, deadline, || true).await
    }

    /// Like [`HttpClient::send`], for a request that must leave soon or never: it is withdrawn when it is not begun
    /// within `begin_within`, or when `may_begin`, asked in the very step that writes it, says no.
    pub async fn send_if(
        &self,
        request: Outgoing,
        begin_within: Duration,
        deadline: Duration,
        may_begin: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Answer, HttpError> {
        let host = request.uri.host().unwrap_or_default().to_owned();
        let not_sent = |why| HttpError::NotSent { host: host.clone(), why };
        self.limits.addresses.check_uri(&request.uri).map_err(not_sent)?;
        let begin = Begin::new(Box::new(may_begin));
        let request = into_hyper(request, begin.clone()).map_err(|e| not_sent(NotSent::Malformed(e)))?;
        let started = tokio::time::Instant::now();
        let mut exchange = std::pin::pin!(self.exchange(request, &begin, &host));
        if let Ok(result) = tokio::time::timeout(begin_within, exchange.as_mut()).await {
            return result;
        }
        if begin.withdraw() {
            return Err(not_sent(NotSent::Deadline(begin_within)));
        }
        match tokio::time::timeout_at(started + deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::unclear(&host, None, Unclear::Deadline(deadline))),
        }
    }

    async fn exchange(
        &self,
        request: Request<WatchedBody>,
        begin: &Begin,
        host: &str,
    ) -> Result<Answer, HttpError> {
        let answer = self.inner.request(request).await.map_err(|e| error::classify(host, begin, &e))?;
        let (head, body) = answer.into_parts();
        if let Some(date) = date_of(&head.headers) {
            skew::CLOCKS.hear(host, date, SystemClock.now());
        }
        let unclear = |why| HttpError::unclear(host, Some(head.status), why);
        let max = self.limits.answer_max;
        match Limited::new(body, max).collect().await {
            Ok(body) => {
                Ok(Answer { status: head.status, headers: head.headers.clone(), body: body.to_bytes() })
            }
            Err(e) if e.is::<http_body_util::LengthLimitError>() => Err(unclear(Unclear::AnswerTooLong(max))),
            Err(_) => Err(unclear(Unclear::AnswerCut)),
        }
    }
}

/// When the peer says it answered.
fn date_of(headers: &HeaderMap) -> Option<Instant> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    http_date(text.trim()).map(Instant::from_seconds)
}

fn into_hyper(request: Outgoing, begin: Begin) -> Result<Request<WatchedBody>, http::Error> {
    let mut built = Request::builder()
        .method(request.method)
        .uri(request.uri)
        .body(WatchedBody::new(request.body, begin))?;
    *built.headers_mut() = request.headers;
    built.headers_mut().entry(http::header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    Ok(built)
}

/// Connections kept longer than this are pinged.
const PING_FROM: Duration = Duration::from_secs(60);
const PING_EVERY: Duration = Duration::from_secs(300);

const AGENT: &str = concat!("consentry/", env!("CARGO_PKG_VERSION"));
