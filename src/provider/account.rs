//! One account at a vendor's HTTP API: the glue all vendors share. A vendor is pure: it builds requests and reads answers.

use std::sync::Arc;
use std::time::Duration;

use super::http::breaker::{Breaker, Ended};
use super::http::{Answer, HttpClient, HttpError, NotSent, Outgoing};
use super::{BoxFuture, Dispatch, Failure, Handover, Provider, ReconcileError, reply};
use crate::clock::SharedClock;
use crate::inbound::event::InboundEvent;
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageId, Span};

/// Longest wait for one page of a list.
const LIST_WITHIN: Duration = Duration::from_secs(20);
/// Most pages of one list.
const PAGES_MAX: usize = 5_000;
/// Wait after a refusal of the account as a whole.
const ACCOUNT_SECONDS: u32 = 60;

/// What a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Everything since an instant.
    Since(Instant),
    /// One message, by our reference.
    Message(MessageId),
}

/// One page of a vendor's list.
#[derive(Debug, Default)]
pub struct Page {
    /// What it tells.
    pub events: Vec<InboundEvent>,
    /// The request for the next one.
    pub next: Option<Outgoing>,
}

/// How one vendor's API is spoken to. Pure: no waiting, no clock, no network.
pub trait Vendor: Send + Sync + 'static {
    /// The request that hands a message over; or what is wrong with the message.
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover>;

    /// What its answer means.
    fn submitted(&self, said: &Answer) -> Handover;

    /// Whether the same request twice makes one message, by the vendor's own documentation.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Whether an answer asks the whole account to slow down. By default HTTP 429 does.
    fn throttles(&self, said: &Answer, _: &Failure) -> bool {
        said.status == http::StatusCode::TOO_MANY_REQUESTS
    }

    /// First pages of the lists that answer a question; the error says that there is none.
    fn lists(&self, wanted: Wanted, now: Instant) -> Result<Vec<Outgoing>, ReconcileError>;

    /// Reads a page of a list that was asked for by `asked`.
    fn page(
        &self,
        asked: &Outgoing,
        wanted: Wanted,
        said: &Answer,
        now: Instant,
    ) -> Result<Page, ReconcileError>;
}

/// There is no such list.
pub fn no_list<T>(why: &str) -> Result<T, ReconcileError> {
    Err(ReconcileError(why.to_owned()))
}

/// Requests for lists, or the complaint that their address cannot be built.
pub fn asked(requests: impl IntoIterator<Item = Option<Outgoing>>) -> Result<Vec<Outgoing>, ReconcileError> {
    let all: Option<Vec<Outgoing>> = requests.into_iter().collect();
    all.ok_or_else(|| ReconcileError("the list's address cannot be built".to_owned()))
}

/// A page's JSON, or where it went wrong, without the words around it, which may be a person's.
pub fn listed<T: serde::de::DeserializeOwned>(said: &Answer) -> Result<T, ReconcileError> {
    serde_json::from_slice(&said.body).map_err(|e| {
        let (line, column) = (e.line(), e.column());
        ReconcileError(format!("the list cannot be understood at line {line}, column {column}"))
    })
}

/// One account.
pub struct Account<V> {
    vendor: V,
    http: HttpClient,
    clock: SharedClock,
    breaker: Breaker,
}

impl<V: Vendor> Account<V> {
    /// An account spoken to through `http`, whose limits say how long an answer is waited for.
    pub fn new(vendor: V, http: HttpClient, clock: SharedClock) -> Self {
        Self { vendor, http, clock, breaker: Breaker::default() }
    }

    async fn hand_over(&self, dispatch: Dispatch) -> Handover {
        let now = self.clock.now();
        if !dispatch.is_valid_at(now) {
            return Handover::Void;
        }
        let request = match self.vendor.submit(&dispatch, now) {
            Ok(request) => request,
            Err(handover) => return handover,
        };
        if let Err(wait) = self.breaker.begin(now) {
            return resting(wait);
        }
        let dispatch = Arc::new(dispatch);
        let mut ended = self.attempt(request.clone(), &dispatch).await;
        if matches!(ended, Attempt { handover: Handover::Unclear(_), .. }) && self.vendor.may_repeat() {
            // The vendor knows the message by its key, so that a second telling cannot make a second one. If even that
            // brings no clear word, the first doubt stands.
            let second = self.attempt(request, &dispatch).await;
            if !matches!(second.handover, Handover::Void | Handover::NotTaken { .. }) {
                ended = second;
            }
        }
        self.breaker.ended(self.clock.now(), ended.health);
        with_wait(ended.handover)
    }

    async fn attempt(&self, request: Outgoing, dispatch: &Arc<Dispatch>) -> Attempt {
        let now = self.clock.now();
        let within = self.http.limits().answer;
        let begin_within = dispatch.not_after().since(now).to_std().min(within);
        let (clock, sealed) = (self.clock.clone(), dispatch.clone());
        let may_begin = move || sealed.is_valid_at(clock.now());
        match self.http.send_if(request, begin_within, within, may_begin).await {
            Ok(said) => {
                let handover = self.vendor.submitted(&said);
                Attempt { health: Some(self.health(&said, &handover)), handover }
            }
            // Waiting for a connection until the intent was void: nobody is there.
            Err(HttpError::NotSent { why: NotSent::Deadline(_), .. }) => {
                Attempt { handover: Handover::Void, health: Some(Ended::Failed) }
            }
            Err(HttpError::NotSent { why: NotSent::Withdrawn, .. }) => {
                Attempt { handover: Handover::Void, health: None }
            }
            Err(error) => Attempt { handover: reply::not_answered(&error), health: Some(Ended::Failed) },
        }
    }

    /// What an answer says about the account.
    fn health(&self, said: &Answer, handover: &Handover) -> Ended {
        match handover {
            Handover::NotTaken { failure, after_seconds } if self.vendor.throttles(said, failure) => {
                Ended::Throttled(after_seconds.map(|s| Span::seconds(i64::from(s))))
            }
            Handover::NotTaken { failure, .. } if failure.class == ErrorClass::PermanentAccount => {
                Ended::Refused
            }
            Handover::Unclear(_) => Ended::Failed,
            _ => Ended::Well,
        }
    }

    /// All pages of all lists that answer a question.
    async fn pull(&self, wanted: Wanted) -> Result<Vec<InboundEvent>, ReconcileError> {
        let mut events = Vec::new();
        for first in self.vendor.lists(wanted, self.clock.now())? {
            let mut asked = first;
            for turn in 0.. {
                if turn == PAGES_MAX {
                    return no_list(&format!("the list has more than {PAGES_MAX} pages"));
                }
                let said = self.http.send(asked.clone(), LIST_WITHIN).await;
                let said = said.map_err(|e| ReconcileError(e.to_string()))?;
                if !said.status.is_success() {
                    return no_list(&format!("the provider answered {}", said.status.as_u16()));
                }
                let page = self.vendor.page(&asked, wanted, &said, self.clock.now())?;
                events.extend(page.events);
                match page.next {
                    Some(next) => asked = next,
                    None => break,
                }
            }
        }
        Ok(events)
    }
}

struct Attempt {
    handover: Handover,
    /// None: nothing left, which says nothing about the account.
    health: Option<Ended>,
}

/// The account rests; nothing was sent.
fn resting(wait: Span) -> Handover {
    let seconds = u32::try_from(wait.as_seconds()).unwrap_or(u32::MAX).saturating_add(1);
    reply::refused(ErrorClass::Retryable, "resting", "the account rests for a while", Some(seconds))
}

/// A refused account is not asked again at once.
fn with_wait(handover: Handover) -> Handover {
    match handover {
        Handover::NotTaken { failure, after_seconds: None }
            if failure.class == ErrorClass::PermanentAccount =>
        {
            Handover::NotTaken { failure, after_seconds: Some(ACCOUNT_SECONDS) }
        }
        other => other,
    }
}

impl<V: Vendor> Provider for Account<V> {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(self.hand_over(dispatch))
    }

    fn reconcile(&self, since: Instant) -> BoxFuture<'_, Result<Vec<InboundEvent>, ReconcileError>> {
        Box::pin(self.pull(Wanted::Since(since)))
    }

    fn look_up(&self, message: MessageId) -> BoxFuture<'_, Result<Option<InboundEvent>, ReconcileError>> {
        Box::pin(async move { Ok(self.pull(Wanted::Message(message)).await?.pop()) })
    }

    fn resting_until(&self) -> Option<Instant> {
        self.breaker.resting_until(self.clock.now())
    }
}
