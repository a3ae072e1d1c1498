//! A carrier that exists only here: takes texts like an SMS provider, delivers them to virtual phones, sends receipts
//! and inbound texts to webhooks, and can be told to misbehave in every way real ones do.

pub mod agenda;
pub mod behaviour;
pub mod book;
pub mod http;
pub mod parts;
pub mod plan;
pub mod record;
pub mod submission;
#[cfg(test)]
mod tests;
pub mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::model::Instant;
use crate::provider::http::HttpClient;
use crate::telemetry::Redacted;
use agenda::Agenda;
use behaviour::{Behaviour, Fault, chance};
use book::{Book, Filter, Phone};
use plan::What;
use record::{Direction, Record, Status};
use submission::{Reply, Submission};
use webhooks::{Event, Postman, WebhookSettings};

/// Texts kept by default; older ones are forgotten.
pub const KEPT_MAX: usize = 10_000;

/// How a carrier starts.
#[derive(Debug, Clone)]
pub struct CarrierSettings {
    /// The bearer token its clients show.
    pub token: Redacted<String>,
    /// Signs webhooks.
    pub secret: Redacted<String>,
    /// Where events go; may be set later.
    pub webhooks: WebhookSettings,
    /// The virtual phones.
    pub phones: Vec<Phone>,
    /// How all numbers are treated until told otherwise.
    pub behaviour: Behaviour,
    /// Texts kept.
    pub kept_max: usize,
}

impl CarrierSettings {
    /// A well-behaved carrier without phones.
    pub fn new(token: impl Into<Redacted<String>>, secret: impl Into<Redacted<String>>) -> Self {
        Self {
            token: token.into(),
            secret: secret.into(),
            webhooks: WebhookSettings::default(),
            phones: Vec::new(),
            behaviour: Behaviour::default(),
            kept_max: KEPT_MAX,
        }
    }
}

/// The carrier; clones are the same carrier.
#[derive(Clone)]
pub struct Carrier(Arc<Inner>);

struct Inner {
    token: Redacted<String>,
    clock: SharedClock,
    entropy: SharedEntropy,
    book: Mutex<Book>,
    webhooks: Mutex<WebhookSettings>,
    agenda: Agenda<Due>,
    outbox: mpsc::Sender<Event>,
    overflowed: AtomicU64,
    live: broadcast::Sender<Record>,
}

/// A step of one text's story.
struct Due {
    seq: u64,
    what: What,
}

impl Carrier {
    /// Starts a carrier; its work ends with `stop`. Needs a tokio runtime.
    pub fn start(
        settings: CarrierSettings,
        clock: SharedClock,
        entropy: SharedEntropy,
        http: HttpClient,
        stop: CancellationToken,
    ) -> Self {
        let (outbox, queue) = mpsc::channel(webhooks::QUEUE_MAX);
        let carrier = Self(Arc::new(Inner {
            token: settings.token,
            clock: clock.clone(),
            entropy,
            book: Mutex::new(Book::new(settings.kept_max, settings.phones, settings.behaviour)),
            webhooks: Mutex::new(settings.webhooks),
            agenda: Agenda::new(settings.kept_max.saturating_mul(6)),
            outbox,
            overflowed: AtomicU64::new(0),
            live: broadcast::channel(1_024).0,
        }));
        let told = carrier.clone();
        let postman = Postman { http, clock, secret: settings.secret };
        let post = postman.run(queue, move || told.webhooks());
        let live = carrier.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = live.tell_stories() => {}
                () = post => {}
            }
        });
        carrier
    }

    /// Takes one text, or does not, and says how to answer. Receipts follow on their own.
    pub fn submit(&self, submission: Submission) -> Reply {
        let mut book = self.0.book.lock();
        let behaviour = book.behaviour(&submission.to).clone();
        let fault = behaviour.strike(&*self.0.entropy);
        let wait = Duration::from_millis(u64::from(behaviour.answer_ms.pick(&*self.0.entropy)));
        if let Some(refusal) = fault.and_then(submission::refusal) {
            return Reply { wait, answer: refusal };
        }
        let validity_ms = u64::from(submission.validity_seconds) * 1_000;
        let story = plan::story(&behaviour, validity_ms, &*self.0.entropy);
        let record = self.record(Direction::Outbound, &submission.from, &submission.to, &submission.text);
        let record = Record {
            client_ref: submission.client_ref,
            status_url: submission.status_url.map(Redacted::new),
            ..record
        };
        let seq = self.write(&mut book, record.clone());
        drop(book);
        let accepted_at = tokio::time::Instant::now();
        for step in story {
            let at = accepted_at + Duration::from_millis(step.after_ms);
            self.0.agenda.add(at, Due { seq, what: step.what });
        }
        submission::answer(fault, wait, &record)
    }

    /// Someone types a text on a phone; it goes to `sender`, or to whoever texted that phone last.
    /// None when there is nobody to answer.
    pub fn type_text(&self, phone: &str, sender: Option<&str>, text: &str) -> Option<Record> {
        let mut book = self.0.book.lock();
        let sender = sender.map(str::to_owned).or_else(|| book.last_sender(phone))?;
        let mut record = self.record(Direction::Inbound, phone, &sender, text);
        record.seq = self.write(&mut book, record.clone());
        drop(book);
        self.tell(record.clone());
        Some(record)
    }

    fn record(&self, direction: Direction, from: &str, to: &str, text: &str) -> Record {
        let now = self.0.clock.now();
        Record {
            seq: 0,
            id: format!("sbx_{}", hex::encode(self.0.entropy.bytes::<8>())),
            direction,
            from: from.to_owned().into(),
            to: to.to_owned().into(),
            text: text.to_owned().into(),
            client_ref: None,
            parts: parts::parts(text),
            status: if direction == Direction::Inbound { Status::Received } else { Status::Queued },
            error: None,
            created_at: now,
            updated_at: now,
            status_url: None,
        }
    }

    /// Writes a text down and shows it to whoever watches.
    fn write(&self, book: &mut Book, mut record: Record) -> u64 {
        record.seq = book.add(record.clone());
        let seq = record.seq;
        self.show(record);
        seq
    }

    fn show(&self, record: Record) {
        // Nobody watching is fine.
        let _ = self.0.live.send(record);
    }

    /// Lets happen what is due, for ever.
    async fn tell_stories(&self) {
        loop {
            let due = self.0.agenda.next().await;
            match due.what {
                What::Becomes(status, error) => {
                    let now = self.0.clock.now();
                    let moved = self.0.book.lock().advance(due.seq, status, error, now).cloned();
                    if let Some(record) = moved {
                        self.show(record);
                    }
                }
                What::Tell(status, error) => {
                    let known = self.0.book.lock().at(due.seq).cloned();
                    if let Some(record) = known {
                        self.tell(Record { status, error, ..record });
                    }
                }
            }
        }
    }

    /// Puts an event into the post. A full queue loses it, as a carrier under load would.
    fn tell(&self, record: Record) {
        let (url, twice) = {
            let settings = self.0.webhooks.lock();
            let url = record.status_url.clone().or_else(|| settings.url.clone());
            (url, chance(settings.duplicate_percent, &*self.0.entropy))
        };
        let Some(url) = url else { return };
        let id = format!("evt_{}", hex::encode(self.0.entropy.bytes::<8>()));
        let occurred_at =
            if record.direction == Direction::Inbound { record.created_at } else { record.updated_at };
        if self.0.outbox.try_send(Event { id, occurred_at, record, url, twice }).is_err() {
            self.0.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a bearer token is the right one.
    pub fn knows(&self, token: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(token.as_bytes(), self.0.token.as_str().as_bytes()).into()
    }
    /// Events lost because the queue to the gateway was full.
    pub fn overflowed(&self) -> u64 {
        self.0.overflowed.load(Ordering::Relaxed)
    }
    /// The carrier's present instant.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }
    /// The text with an id.
    pub fn find(&self, id: &str) -> Option<Record> {
        self.0.book.lock().find(id).cloned()
    }
    /// Texts in order of arrival.
    pub fn list(&self, filter: &Filter) -> Vec<Record> {
        self.0.book.lock().list(filter).cloned().collect()
    }
    /// The newest `limit` texts of one phone, oldest first.
    pub fn thread(&self, phone: &str, limit: usize) -> Vec<Record> {
        self.0.book.lock().thread(phone, limit)
    }
    /// All phones, by number.
    pub fn phones(&self) -> Vec<Phone> {
        self.0.book.lock().phones().cloned().collect()
    }
    /// Every change of every text from now on.
    pub fn watch(&self) -> broadcast::Receiver<Record> {
        self.0.live.subscribe()
    }
    /// How events go out.
    pub fn webhooks(&self) -> WebhookSettings {
        self.0.webhooks.lock().clone()
    }
    /// Changes how events go out, from the next one on.
    pub fn set_webhooks(&self, settings: WebhookSettings) {
        *self.0.webhooks.lock() = settings;
    }
    /// How a number is treated, or everyone who has no own treatment.
    pub fn behaviour(&self, number: Option<&str>) -> Behaviour {
        let book = self.0.book.lock();
        number.map_or_else(|| book.everyone.clone(), |n| book.behaviour(n).clone())
    }
    /// Treats everyone so who has no own treatment.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.0.book.lock().everyone = behaviour;
    }
    /// Treats one number so, or (`None`) like everyone. False when too many numbers have their own treatment.
    pub fn set_behaviour_of(&self, number: &str, behaviour: Option<Behaviour>) -> bool {
        let mut book = self.0.book.lock();
        match behaviour {
            Some(own) => book.set_behaviour(number, own),
            None => {
                book.clear_behaviour(number);
                true
            }
        }
    }
}
