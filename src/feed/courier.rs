//! Carries events to one subscriber: reads the log, signs, posts, and keeps what is still to be told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, Uri};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::body;
use super::queue::{Attempt, Letter, Position, Queue};
use super::shelf::{Shelf, ShelfError};
use super::signature::{self, Key};
use crate::api::convert::events;
use crate::api::restricted::Eyes;
use crate::disk::SharedDisk;
use crate::ledger::entry::Entry;
use crate::model::{BrandId, Instant, Span};
use crate::pb::consentry::v1 as wire;
use crate::provider::http::{AddressRule, Answer, HttpClient, HttpError, HttpLimits, Outgoing};
use crate::telemetry::metrics;
use crate::writer::{OpError, Reader, Recorded};

/// Entries read at a time.
const CHUNK: usize = 256;
/// Letters under way at once.
const UNDER_WAY_MAX: usize = 8;
/// Longest wait for an answer (Standard Webhooks, "Delivery": 15 to 30 seconds).
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How often the queue is looked at and kept although nothing happens.
const PERIOD: Duration = Duration::from_secs(1);
/// Shortest pause between two looks.
const BREATH: Duration = Duration::from_millis(10);
/// How long letters under way are waited for at the end.
const DRAIN: Duration = Duration::from_secs(5);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Which events somebody wants and may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Empty: every brand.
    pub brands: BTreeSet<BrandId>,
    /// Numbers of kinds; empty: every kind.
    pub kinds: BTreeSet<i32>,
}

impl Wanted {
    /// What belongs to the seller as a whole concerns every brand: a STOP holds across them.
    pub fn takes(&self, event: &wire::Event) -> bool {
        let brand = event.brand.is_empty()
            || self.brands.is_empty()
            || self.brands.iter().any(|brand| brand.as_str() == event.brand);
        let kind = self.kinds.is_empty() || self.kinds.contains(&(events::kind(event) as i32));
        brand && kind
    }
}

/// One subscriber.
pub struct Subscription {
    /// Its id in the configuration.
    pub id: String,
    /// Where to post.
    pub url: Uri,
    pub wanted: Wanted,
    /// Keys to sign with, read anew for each attempt so that a rotated one is taken up; empty: none can be read.
    pub keys: Box<dyn Fn() -> Vec<Key> + Send + Sync>,
    /// Which addresses may be called.
    pub addresses: AddressRule,
    /// The log's origin, so that ids of two logs never meet.
    pub log: String,
}

/// What a courier works with.
#[derive(Clone)]
pub struct Doors {
    pub reader: Reader,
    pub disk: SharedDisk,
    pub data_dir: PathBuf,
}

/// The courier of one subscriber.
pub struct Courier {
    to: Subscription,
    reader: Reader,
    shelf: Shelf,
    http: HttpClient,
    queue: Mutex<Queue>,
    wake: Notify,
    last: Mutex<Last>,
}

/// What is worth showing of the past.
#[derive(Debug, Clone, Default)]
struct Last {
    delivered: Option<Instant>,
    why: String,
}

/// What a courier has to do, for those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The next entry of the log it reads.
    pub next: u64,
    pub waiting: Vec<Letter>,
    pub dead: Vec<Letter>,
    pub delivered_at: Option<Instant>,
    /// Why the last attempt that failed did; empty: none has since the start.
    pub why: String,
}

impl Courier {
    /// A courier that goes on where it was when the process ended; a new one begins with what happens from now on.
    pub fn open(to: Subscription, doors: Doors) -> Result<Courier, ShelfError> {
        let Doors { reader, disk, data_dir } = doors;
        let shelf = Shelf::new(disk, &data_dir, &to.id);
        let size = reader.entries().size();
        let known = shelf.load()?;
        let mut queue = known.unwrap_or_else(|| Queue::from(size));
        if queue.next > size {
            tracing::warn!(
                webhook = to.id,
                "its queue is ahead of the log, which was put back: it goes on from the log's end"
            );
            queue = Queue::from(size);
        }
        // A new one is kept at once: otherwise a crash before its first event would skip it.
        shelf.save(&queue)?;
        let limits = HttpLimits { addresses: to.addresses, answer: ANSWER_WITHIN, ..HttpLimits::default() };
        let http = HttpClient::new(limits);
        let (queue, last) = (Mutex::new(queue), Mutex::default());
        Ok(Courier { to, reader, shelf, http, queue, wake: Notify::new(), last })
    }

    /// The webhook's id.
    pub fn id(&self) -> &str {
        &self.to.id
    }

    /// Whom it serves.
    pub fn subscription(&self) -> &Subscription {
        &self.to
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let (queue, last) = (self.queue.lock(), self.last.lock().clone());
        Standing {
            next: queue.next,
            waiting: queue.waiting().to_vec(),
            dead: queue.dead().to_vec(),
            delivered_at: last.delivered,
            why: last.why,
        }
    }

    /// Sends letters again that were laid aside, those named or all; answers how many.
    pub fn replay(&self, named: &[Position]) -> usize {
        let now = self.now();
        let count = self.queue.lock().replay(named, now);
        self.wake.notify_one();
        count
    }

    /// Looks at once: a test moved the clock.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    fn now(&self) -> Instant {
        self.reader.env().clock.now()
    }

    /// Works until `stop`.
    pub async fn run(self: Arc<Self>, mut news: broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        let mut kept = self.queue.lock().clone();
        // Not with every commit: it would cost the ledger's disk a sync each time.
        let mut keep_at = tokio::time::Instant::now();
        while !stop.is_cancelled() {
            if let Err(error) = self.read_on().await {
                tracing::error!(webhook = self.to.id, %error, "events cannot be read; trying again");
            }
            let ready = self.queue.lock().ready(self.now(), UNDER_WAY_MAX);
            for position in ready {
                under_way.spawn(self.clone().deliver(position));
            }
            if tokio::time::Instant::now() >= keep_at {
                self.keep(&mut kept).await;
                keep_at = tokio::time::Instant::now() + PERIOD;
            }
            let due = self.queue.lock().next_due().map(|due| due.since(self.now()).to_std());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
                heard = news.recv() => {
                    if matches!(heard, Err(broadcast::error::RecvError::Closed)) {
                        break;
                    }
                    // Commits come in bursts; one look takes them all.
                    tokio::time::sleep(BREATH).await;
                }
                () = self.wake.notified() => {}
                () = tokio::time::sleep(due.map_or(PERIOD, |due| due.clamp(BREATH, PERIOD))) => {}
            }
        }
        let ends = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, ends).await.is_err() {
            tracing::warn!(
                webhook = self.to.id,
                "some webhooks had no answer in time; they are sent again at the next start"
            );
        }
        self.keep(&mut kept).await;
    }

    /// Takes in what happened, as long as there is room.
    async fn read_on(self: &Arc<Self>) -> Result<(), OpError> {
        loop {
            let from = {
                let queue = self.queue.lock();
                if !queue.has_room() {
                    return Ok(());
                }
                queue.next
            };
            let this = self.clone();
            let read = tokio::task::spawn_blocking(move || this.letters(from)).await;
            let (letters, next) = read.map_err(|e| OpError::Fatal(e.to_string()))??;
            if next == from {
                return Ok(());
            }
            let now = self.now();
            let mut queue = self.queue.lock();
            letters.into_iter().for_each(|(position, subject)| queue.add(position, subject, now));
            queue.next = next;
        }
    }

    /// The events from an entry on that the subscriber wants, and the entry behind them.
    #[allow(clippy::type_complexity, reason = "named by its caller alone")]
    fn letters(&self, from: u64) -> Result<(Vec<(Position, crate::model::SubjectId)>, u64), OpError> {
        let read = self.reader.settled(from, CHUNK)?;
        let next = from + read.len() as u64;
        let letters = self.reader.look(|cx| {
            let (mut letters, mut eyes) = (Vec::new(), Eyes::of_subscriber());
            for recorded in read {
                let Recorded::Open(entry) = recorded else { continue };
                for (event, _) in eyes.events(cx, &entry, &self.to.wanted)? {
                    letters.push((Position { entry: entry.index, event }, entry.leaf.subject));
                }
            }
            Ok(letters)
        })?;
        Ok((letters, next))
    }

    /// The event at a position; none: its person was erased, or asked to be.
    fn event(&self, position: Position) -> Result<Option<wire::Event>, OpError> {
        let Some(entry) = self.reader.entries().entry(position.entry).map_err(OpError::Fatal)? else {
            return Ok(None);
        };
        let told = self.reader.look(|cx| Eyes::of_subscriber().events(cx, &entry, &self.to.wanted))?;
        let event = told.into_iter().find(|(place, _)| *place == position.event).map(|(_, event)| event);
        // As `WatchEvents` counts: behind this event.
        let behind = Position { event: position.event + 1, ..position };
        Ok(event.map(|event| wire::Event { position: behind.to_string(), ..event }))
    }

    async fn deliver(self: Arc<Self>, position: Position) {
        let how = self.attempt(position).await;
        let (result, now) = (if how == Attempt::Delivered { "delivered" } else { "failed" }, self.now());
        {
            let mut last = self.last.lock();
            match &how {
                Attempt::Delivered => last.delivered = Some(now),
                Attempt::Failed { why, .. } => last.why.clone_from(why),
            }
        }
        metrics::feed(&self.to.id, result);
        let chance = self.reader.env().entropy.below(401);
        if self.queue.lock().ended(position, how, now, chance) {
            tracing::error!(
                webhook = self.to.id, %position,
                "an event could not be delivered for three days and was laid aside; `consentry webhook replay` sends it again"
            );
        }
    }

    async fn attempt(self: &Arc<Self>, position: Position) -> Attempt {
        let failed = |why: String| Attempt::Failed { why, after: None };
        let this = self.clone();
        let event = match tokio::task::spawn_blocking(move || this.event(position)).await {
            Ok(Ok(Some(event))) => event,
            Ok(Ok(None)) => return Attempt::Delivered,
            Ok(Err(error)) => return failed(error.to_string()),
            Err(error) => return failed(error.to_string()),
        };
        let keys = (self.to.keys)();
        if keys.is_empty() {
            return failed("its secret cannot be read".to_owned());
        }
        let (body, at) = (body::render(&event), self.now().as_seconds());
        let id = format!("evt_{}_{}_{}", self.to.log, position.entry, position.event);
        let signature = signature::header(&keys, &id, at, &body);
        let request = Outgoing::post(self.to.url.clone(), "application/json", body);
        let headers = [(ID, id), (TIMESTAMP, at.to_string()), (SIGNATURE, signature)];
        let request = headers.into_iter().try_fold(request, |request, (name, value)| {
            Some(request.header(name, HeaderValue::from_str(&value).ok()?))
        });
        match request {
            Some(request) => answered(self.http.send(request, ANSWER_WITHIN).await),
            None => failed("its headers cannot be written".to_owned()),
        }
    }

    /// Keeps the queue where it changed.
    async fn keep(self: &Arc<Self>, kept: &mut Queue) {
        let queue = self.queue.lock().clone();
        metrics::feed_letters(&self.to.id, queue.waiting().len(), queue.dead().len());
        let same =
            |a: &Queue, b: &Queue| a.next == b.next && a.waiting() == b.waiting() && a.dead() == b.dead();
        if same(&queue, kept) {
            return;
        }
        let (this, copy) = (self.clone(), queue.clone());
        match tokio::task::spawn_blocking(move || this.shelf.save(&copy)).await {
            Ok(Ok(())) => *kept = queue,
            Ok(Err(error)) => {
                tracing::error!(webhook = self.to.id, %error, "a webhook's queue cannot be kept; after a crash events are told again")
            }
            Err(error) => tracing::error!(webhook = self.to.id, %error, "a webhook's queue cannot be kept"),
        }
    }
}

/// What an answer means: 2xx is taken, everything else is not.
fn answered(said: Result<Answer, HttpError>) -> Attempt {
    match said {
        Ok(answer) if answer.status.is_success() => Attempt::Delivered,
        Ok(answer) => {
            let asks =
                matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            let after = answer.retry_after().filter(|_| asks).map(Span::from_std);
            Attempt::Failed { why: format!("it answered {}", answer.status.as_u16()), after }
        }
        Err(error) => Attempt::Failed { why: error.to_string(), after: None },
    }
}
