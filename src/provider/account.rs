//! One account at a vendor's HTTP API: the glue all vendors share. A vendor is pure: it builds requests and reads answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::http::breaker::{Breaker, Ended};
use super::http::{Answer, HttpClient, HttpError, NotSent, Outgoing};
use super::{BoxFuture, Dispatch, Failure, Handover, Provider, ReconcileError, Taker, reply};
use crate::clock::SharedClock;
use crate::inbound::event::InboundEvent;
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, Span};

/// Longest wait for one page of a list.
const LIST_WITHIN: Duration = Duration::from_secs(20);
/// Most pages of one list.
const PAGES_MAX: usize = 5_000;
/// How often a page is asked for again that was refused for haste, and the longest wait before that.
const PAGE_WAITS: u32 = 6;
const PAGE_WAIT_MAX: Duration = Duration::from_secs(60);
/// Wait after a refusal of the account as a whole.
pub const ACCOUNT_SECONDS: u32 = 60;
/// Peers of one vendor whose health is remembered.
const PEERS_MAX: usize = 256;

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

    /// The same, where the meaning depends on what was sent.
    fn submitted_for(&self, _: &Dispatch, said: &Answer) -> Handover {
        self.submitted(said)
    }

    /// The request for what must be had before anything can be handed over, such as an access token; none: it is there.
    fn credential(&self, _: Instant) -> Result<Option<Outgoing>, Handover> {
        Ok(None)
    }

    /// Takes the answer to that request; the error is the outcome of the message that waited for it.
    fn credential_answered(&self, _: &Answer, _: Instant) -> Result<(), Handover> {
        Ok(())
    }

    /// Whether an answer says that the credential, and nothing else, is no good any more. It is given up then; the message
    /// was certainly not taken, and is told once more under a new one.
    fn is_stale(&self, _: &Answer) -> bool {
        false
    }

    /// Whether the same request twice makes one message, by the vendor's own documentation.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Whether an answer asks the whole account to slow down. By default HTTP 429 does.
    fn throttles(&self, said: &Answer, _: &Failure) -> bool {
        said.status == http::StatusCode::TOO_MANY_REQUESTS
    }

    /// Which of the vendor's peers a message goes to, where they fail each by itself; none: the account is the peer.
    fn peer(&self, _: &Dispatch) -> Option<String> {
        None
    }

    /// Whether a list asks to slow down instead of answering. By default with HTTP 429.
    fn throttles_lists(&self, said: &Answer) -> bool {
        said.status == http::StatusCode::TOO_MANY_REQUESTS
    }

    /// Whether what a list tells is told once alone, so that a page must be safe before the next is asked for. Other lists
    /// are pulled whole first: what people said is then read in the order in which they said it.
    fn tells_once(&self, _: &Outgoing) -> bool {
        false
    }

    /// First pages of the lists of everything since an instant; the error says that there is none.
    fn lists(&self, since: Instant, now: Instant) -> Result<Vec<Outgoing>, ReconcileError>;

    /// Reads a page of a list that was asked for by `asked`.
    fn page(
        &self,
        asked: &Outgoing,
        since: Instant,
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
    breaker: Arc<Breaker>,
    /// Those of its peers, where they fail each by itself.
    peers: Mutex<HashMap<String, Arc<Breaker>>>,
    /// Whoever holds it asks for a credential; the others wait for theirs.
    asking: tokio::sync::Mutex<()>,
}

impl<V: Vendor> Account<V> {
    /// An account spoken to through `http`, whose limits say how long an answer is waited for.
    pub fn new(vendor: V, http: HttpClient, clock: SharedClock) -> Self {
        let asking = tokio::sync::Mutex::new(());
        Self { vendor, http, clock, breaker: Arc::default(), peers: Mutex::default(), asking }
    }

    async fn hand_over(&self, dispatch: Dispatch) -> Handover {
        let now = self.clock.now();
        if !dispatch.is_valid_at(now) {
            return Handover::Void;
        }
        let breaker = self.breaker_of(self.vendor.peer(&dispatch), now);
        if let Err(wait) = breaker.begin(now) {
            return resting(wait);
        }
        let ended = self.tell(dispatch).await;
        breaker.ended(self.clock.now(), ended.health);
        with_wait(ended.handover)
    }

    /// The breaker of a peer, or of the account. Of too many peers those that rest are remembered, at worst none.
    fn breaker_of(&self, peer: Option<String>, now: Instant) -> Arc<Breaker> {
        let Some(peer) = peer else { return self.breaker.clone() };
        let mut peers = self.peers.lock();
        if peers.len() >= PEERS_MAX && !peers.contains_key(&peer) {
            peers.retain(|_, breaker| breaker.resting_until(now).is_some());
            if peers.len() >= PEERS_MAX {
                peers.clear();
            }
        }
        peers.entry(peer).or_default().clone()
    }

    async fn tell(&self, dispatch: Dispatch) -> Attempt {
        let dispatch = Arc::new(dispatch);
        let first = self.once(&dispatch).await;
        // Once, and never twice: a credential that is stale again is refused like any other.
        if first.stale { self.once(&dispatch).await } else { first }
    }

    async fn once(&self, dispatch: &Arc<Dispatch>) -> Attempt {
        if let Err(attempt) = self.have_credential().await {
            return attempt;
        }
        let request = match self.vendor.submit(dispatch, self.clock.now()) {
            Ok(request) => request,
            Err(handover) => return Attempt { handover, health: None, stale: false },
        };
        let first = self.attempt(request.clone(), dispatch).await;
        match first.handover {
            Handover::Unclear(doubt) if self.vendor.may_repeat() => {
                // The vendor knows the message by its key, so that a second telling cannot make a second one.
                let second = self.attempt(request, dispatch).await;
                let health = second.health.or(first.health);
                Attempt { handover: after_doubt(doubt, second.handover), health, stale: false }
            }
            handover => Attempt { handover, ..first },
        }
    }

    /// Sees to a credential: one question for all who wait.
    async fn have_credential(&self) -> Result<(), Attempt> {
        let none = |handover| Attempt { handover, health: None, stale: false };
        if self.vendor.credential(self.clock.now()).map_err(none)?.is_none() {
            return Ok(());
        }
        let _turn = self.asking.lock().await;
        let Some(request) = self.vendor.credential(self.clock.now()).map_err(none)? else { return Ok(()) };
        let said = match self.http.send(request, self.http.limits().answer).await {
            Ok(said) => said,
            Err(error) => {
                // Whatever became of the question, no message was told.
                let words = error.to_string();
                let handover = reply::refused(ErrorClass::Retryable, "not_sent", &words, None);
                return Err(Attempt { handover, health: Some(Ended::Failed), stale: false });
            }
        };
        self.vendor.credential_answered(&said, self.clock.now()).map_err(|handover| {
            let refused = matches!(&handover, Handover::NotTaken { failure, .. } if failure.class == ErrorClass::PermanentAccount);
            let health = if refused { Ended::Refused } else { Ended::Failed };
            Attempt { handover, health: Some(health), stale: false }
        })
    }

    async fn attempt(&self, request: Outgoing, dispatch: &Arc<Dispatch>) -> Attempt {
        let now = self.clock.now();
        let within = self.http.limits().answer;
        let begin_within = dispatch.not_after().since(now).to_std().min(within);
        let (clock, sealed) = (self.clock.clone(), dispatch.clone());
        let may_begin = move || sealed.is_valid_at(clock.now());
        match self.http.send_if(request, begin_within, within, may_begin).await {
            Ok(said) => {
                let handover = self.vendor.submitted_for(dispatch, &said);
                let stale = self.vendor.is_stale(&said);
                Attempt { health: Some(self.health(&said, &handover)), handover, stale }
            }
            // Waiting for a connection until the intent was void: nobody is there.
            Err(HttpError::NotSent { why: NotSent::Deadline(_), .. }) => {
                Attempt { handover: Handover::Void, health: Some(Ended::Failed), stale: false }
            }
            Err(HttpError::NotSent { why: NotSent::Withdrawn, .. }) => {
                Attempt { handover: Handover::Void, health: None, stale: false }
            }
            // Our own rule stopped it: nobody was asked, so nobody failed.
            Err(error @ HttpError::NotSent { why: NotSent::PrivateAddress, .. }) => {
                Attempt { handover: reply::not_answered(&error), health: None, stale: false }
            }
            Err(error) => {
                Attempt { handover: reply::not_answered(&error), health: Some(Ended::Failed), stale: false }
            }
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

    /// All pages of all lists of what was since an instant.
    async fn pull(&self, since: Instant, taker: &dyn Taker) -> Result<(), ReconcileError> {
        let mut events = Vec::new();
        for first in self.vendor.lists(since, self.clock.now())? {
            let mut asked = first;
            for turn in 0.. {
                if turn == PAGES_MAX {
                    return no_list(&format!("the list has more than {PAGES_MAX} pages"));
                }
                let said = self.ask(&asked).await?;
                let page = self.vendor.page(&asked, since, &said, self.clock.now())?;
                match self.vendor.tells_once(&asked) {
                    true => taker.take(page.events).await?,
                    false => events.extend(page.events),
                }
                match page.next {
                    Some(next) => asked = next,
                    None => break,
                }
            }
        }
        taker.take(events).await
    }

    /// One page. Refused for haste, it is asked for again: to begin anew would ask for every page before it, too.
    async fn ask(&self, asked: &Outgoing) -> Result<Answer, ReconcileError> {
        let mut waits = 0;
        loop {
            let said = self.http.send(asked.clone(), LIST_WITHIN).await;
            let said = said.map_err(|e| ReconcileError(e.to_string()))?;
            if said.status.is_success() {
                return Ok(said);
            }
            if waits == PAGE_WAITS || !self.vendor.throttles_lists(&said) {
                return no_list(&format!("the provider answered {}", said.status.as_u16()));
            }
            tokio::time::sleep(page_wait(waits, said.retry_after())).await;
            waits += 1;
        }
    }
}

/// How long a list is left alone that asks to slow down: as long as it says, else twice as long each time.
fn page_wait(waits: u32, asked: Option<Duration>) -> Duration {
    asked.unwrap_or(Duration::from_secs(1 << waits.min(6))).min(PAGE_WAIT_MAX)
}

/// What a repeat under the same key leaves of a first doubt. Taken is taken: the key makes it the same message. A refusal
/// proves nothing about the first telling, which may have been taken before whatever changed: it must neither be sent by
/// somebody else nor called refused. That the person opted out is true all the same, and is told with the doubt.
fn after_doubt(doubt: Failure, second: Handover) -> Handover {
    match second {
        Handover::Accepted { ids } => Handover::Accepted { ids },
        Handover::Rejected(failure) if failure.class == ErrorClass::OptedOut => Handover::Unclear(failure),
        _ => Handover::Unclear(doubt),
    }
}

struct Attempt {
    handover: Handover,
    /// None: nothing left, which says nothing about the account.
    health: Option<Ended>,
    /// Only its credential was refused.
    stale: bool,
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

    fn reconcile<'a>(
        &'a self,
        since: Instant,
        taker: &'a dyn Taker,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(self.pull(since, taker))
    }

    fn resting_until(&self) -> Option<Instant> {
        self.breaker.resting_until(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::faults::shown;

    #[test]
    fn a_list_is_left_alone_as_long_as_it_asks_within_a_minute() {
        for (waits, asked, seconds) in [
            (0, None, 1),
            (1, None, 2),
            (5, None, 32),
            (9, None, 60),
            (0, Some(7), 7),
            (3, Some(0), 0),
            (0, Some(900), 60),
        ] {
            let wait = page_wait(waits, asked.map(Duration::from_secs));
            assert_eq!(wait, Duration::from_secs(seconds), "{waits} {asked:?}");
        }
    }

    #[test]
    fn a_refusal_proves_nothing_about_a_first_try_that_was_unclear() {
        let doubt = || reply::failure(ErrorClass::Ambiguous, "no_answer", "no answer in time");
        let refused = |class| reply::refused(class, "x", "no", Some(7));
        for (second, expected) in [
            (reply::accepted("a1"), "accepted a1"),
            (refused(ErrorClass::PermanentSender), "unclear no_answer"),
            (refused(ErrorClass::PermanentRecipient), "unclear no_answer"),
            (refused(ErrorClass::PermanentContent), "unclear no_answer"),
            (refused(ErrorClass::PermanentAccount), "unclear no_answer"),
            (refused(ErrorClass::Retryable), "unclear no_answer"),
            (refused(ErrorClass::Ambiguous), "unclear no_answer"),
            (refused(ErrorClass::OptedOut), "unclear x"),
            (Handover::Void, "unclear no_answer"),
        ] {
            assert_eq!(shown(&after_doubt(doubt(), second)), expected);
        }
    }
}
