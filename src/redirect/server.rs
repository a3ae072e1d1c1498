//! Answers requests to short domains. Routed by host: what belongs to no brand goes on to the other routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::classify::{self, classify};
use super::clicks::{ClickBuffer, write_clicks};
use super::directory::{Destination, Directory};
use super::opt_out::{self, Page};
use crate::clock::SharedClock;
use crate::ledger::entry::Entry;
use crate::ledger::fold::liftable_by_text;
use crate::ledger::state::StateError;
use crate::model::cart::Click;
use crate::model::registry::Brand;
use crate::model::{LinkCode, OptOutScope, OptOutSource};
use crate::store::SharedKv;
use crate::writer::WriterHandle;
use crate::writer::ops::Idempotency;
use crate::writer::ops::opt_out::RecordOptOut;

/// Longest code or token looked at.
const CODE_BYTES_MAX: usize = 64;
/// Browsers keep nothing and tell the shop's site nothing of where the person came from.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// Everything short domains need.
pub struct Redirect {
    directory: Directory,
    clicks: Arc<ClickBuffer>,
    clock: SharedClock,
    writer: WriterHandle,
}

impl Redirect {
    /// Reads the brands; reads links as they are asked for.
    pub fn open(kv: SharedKv, clock: SharedClock, writer: WriterHandle) -> Result<Arc<Redirect>, StateError> {
        let directory = Directory::open(kv)?;
        Ok(Arc::new(Redirect { directory, clicks: Arc::default(), clock, writer }))
    }

    /// Writes clicks down and follows the news about brands, until `stop`. A task to be waited for at the end: it
    /// returns when the last clicks are durable.
    pub async fn run(self: Arc<Self>, news: broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
        let writing = write_clicks(self.clicks.clone(), self.writer.clone(), stop.clone());
        tokio::join!(writing, self.follow(news, stop));
    }

    async fn follow(&self, mut news: broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = news.recv() => heard,
            };
            let learned = match heard {
                Ok(entries) => self.directory.learn(&entries),
                Err(broadcast::error::RecvError::Lagged(_)) => self.directory.reload(),
                Err(broadcast::error::RecvError::Closed) => return,
            };
            if let Err(error) = learned {
                tracing::error!(%error, "the brands' domains could not be read again; the old ones stay");
            }
        }
    }

    /// Whether a host is a brand's short domain.
    pub fn serves(&self, host: &str) -> bool {
        self.directory.brand(host).is_some()
    }

    /// Short domains here, everything else to `others`.
    pub fn in_front_of(self: Arc<Self>, others: Router) -> Router {
        Router::new().fallback(move |request: Request<Body>| {
            let (redirect, others) = (self.clone(), others.clone());
            async move {
                match host_of(&request).and_then(|host| redirect.directory.brand(host)) {
                    Some(brand) => redirect.answer(&brand, request).await,
                    None => others.oneshot(request).await.into_response(),
                }
            }
        })
    }

    async fn answer(&self, brand: &Brand, request: Request<Body>) -> Response {
        // Nothing here reads a body.
        let (parts, _) = request.into_parts();
        let path = parts.uri.path();
        let mut response = match path.strip_prefix("/opt-out/") {
            Some(token) => self.opt_out(brand, token, &parts.method).await,
            None => self.follow_link(brand, path.strip_prefix('/').unwrap_or_default(), &parts),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        headers.insert(header::REFERRER_POLICY, NO_REFERRER);
        response
    }

    fn follow_link(&self, brand: &Brand, code: &str, request: &Parts) -> Response {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        let (code, link) = match self.find(brand, code) {
            Ok(Some(found)) => found,
            Ok(None) => return fallback(brand),
            Err(response) => return *response,
        };
        self.count(code.clone(), request);
        if link.opt_out {
            return found(HeaderValue::from_str(&format!("/opt-out/{code}")).ok(), brand);
        }
        if self.clock.now() >= link.expires_at {
            return fallback(brand);
        }
        found(link.target.clone(), brand)
    }

    fn count(&self, code: LinkCode, request: &Parts) {
        let class = classify(&request.method, &request.headers);
        let agent = request.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
        let click = Click {
            at: self.clock.now(),
            human: class.is_human(),
            class: class.as_str().to_owned(),
            classifier: classify::VERSION,
            user_agent: agent.unwrap_or_default().to_owned(),
        };
        self.clicks.push(code, click);
    }

    /// A link of this brand: another brand's code is unknown here. Memory first, then the index.
    fn find(&self, brand: &Brand, code: &str) -> Result<Option<(LinkCode, Arc<Destination>)>, Box<Response>> {
        let shape = code.len() <= CODE_BYTES_MAX && code.bytes().all(|b| b.is_ascii_alphanumeric());
        let Some(code) = code.parse::<LinkCode>().ok().filter(|_| shape) else { return Ok(None) };
        let link = match self.directory.recent(&code) {
            Some(link) => Some(link),
            None => self.read(&code)?,
        };
        Ok(link.filter(|link| link.brand == brand.id).map(|link| (code, link)))
    }

    fn read(&self, code: &LinkCode) -> Result<Option<Arc<Destination>>, Box<Response>> {
        // A point read takes microseconds, and now and then a disk's time; the runtime's other work is as short.
        self.directory.read(code).map_err(|error| {
            tracing::error!(%error, "a link could not be read");
            Box::new(StatusCode::SERVICE_UNAVAILABLE.into_response())
        })
    }

    /// Looking changes nothing. A link that has expired still opts out: a wish to stop has no end.
    async fn opt_out(&self, brand: &Brand, token: &str, method: &Method) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
            return not_allowed("GET, HEAD, POST");
        }
        let found = match self.find(brand, token) {
            Ok(Some((_, link))) => link,
            Ok(None) => return opt_out::page(Page::Nothing, brand),
            Err(response) => return *response,
        };
        let (subject, target) = match opt_out::person(&self.directory, &found) {
            Ok(Some(person)) => person,
            Ok(None) => return opt_out::page(Page::Nothing, brand),
            Err(error) => {
                tracing::error!(%error, "the person of an opt-out page could not be read");
                return opt_out::page(Page::Failed, brand);
            }
        };
        let now = self.clock.now();
        let stopped = |o: &crate::model::OptOut| {
            o.scope == OptOutScope::All && o.lifted_for.is_empty() && o.holds_at(now)
        };
        let is_press = *method == Method::POST;
        // A STOP by text is undone by a START; who presses the button here says more than that, and it has to be kept.
        let says_it_all = |o: &&crate::model::OptOut| stopped(o) && !(is_press && liftable_by_text(o));
        if subject.opt_outs.iter().any(|o| says_it_all(&o)) {
            return opt_out::page(Page::Done, brand);
        }
        if !is_press {
            return opt_out::page(Page::Ask, brand);
        }
        let op = RecordOptOut {
            brand: Some(brand.id.clone()),
            target,
            scope: OptOutScope::All,
            source: OptOutSource::Web,
            text: String::new(),
            received_at: Some(now),
            idempotency: Idempotency { method: "OptOutPage", key: String::new(), request_sha256: [0; 32] },
            actor: "opt-out page".to_owned(),
        };
        match self.writer.call(op).await {
            Ok(_) => opt_out::page(Page::Done, brand),
            Err(error) => {
                tracing::error!(%error, "an opt-out by page was not recorded; the person was asked to try again");
                opt_out::page(Page::Failed, brand)
            }
        }
    }
}

/// The host a request is for: HTTP/2 names it in the URI, HTTP/1 in a header.
fn host_of(request: &Request<Body>) -> Option<&str> {
    match request.uri().host() {
        Some(host) => Some(host),
        None => request.headers().get(header::HOST)?.to_str().ok(),
    }
}

fn found(target: Option<HeaderValue>, brand: &Brand) -> Response {
    let Some(target) = target else { return fallback(brand) };
    (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
}

/// Unknown and expired links: the brand's own page, or a plain one.
fn fallback(brand: &Brand) -> Response {
    match HeaderValue::from_str(&brand.fallback_url) {
        Ok(url) if !url.is_empty() => (StatusCode::FOUND, [(header::LOCATION, url)]).into_response(),
        _ => opt_out::page(Page::Nothing, brand),
    }
}

fn not_allowed(methods: &'static str) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, HeaderValue::from_static(methods))]).into_response()
}

#[cfg(test)]
mod tests;
