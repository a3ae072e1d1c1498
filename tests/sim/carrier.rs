//! Carriers that are late, lie and forget. They take only sealed dispatches, posts webhooks late, twice, out of order or
//! in vain, and keeps the one thing that heals that: a list of what it holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use consentry::clock::{Clock, ManualClock};
use consentry::entropy::{Entropy, SharedEntropy};
use consentry::model::outgoing::ErrorClass;
use consentry::model::{Instant, MessageId, Span};
use consentry::provider::sandbox::webhook::parse_list;
use consentry::provider::{BoxFuture, Dispatch, Failure, Handover, Provider, ReconcileError, Taker};
use parking_lot::Mutex;
use serde_json::json;

use crate::people::Meaning;

/// A line to the outside: a connection, and our number on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub name: &'static str,
    pub number: &'static str,
}

/// The shop's own line, and the one that stands in for it.
pub const LINES: [Line; 2] =
    [Line { name: "virtual", number: "+12125550100" }, Line { name: "second", number: "+13055550100" }];

/// One hand-over as the carrier saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub message: MessageId,
    pub to: String,
    pub at: Instant,
    /// It said, rightly or wrongly, that it did not take it.
    pub denied: bool,
    /// The line it left by.
    pub line: &'static str,
}

/// Something a person wrote.
#[derive(Debug, Clone)]
pub struct Text {
    pub id: String,
    pub from: String,
    pub words: Option<&'static str>,
    pub meaning: Meaning,
    pub at: Instant,
    /// Which of our numbers they wrote to.
    pub line: Line,
    /// The gateway answered 2xx to a webhook with it.
    pub acked: bool,
    /// A webhook with it was not answered 2xx.
    pub failed_at: Option<Instant>,
}

/// A text of ours on its way to a phone.
struct Outgoing {
    message: MessageId,
    to: String,
    status: &'static str,
    updated_at: Instant,
    /// What it becomes, and when.
    ahead: Vec<(Instant, &'static str)>,
}

/// A webhook that waits to be posted.
#[derive(Debug, Clone)]
pub struct Post {
    pub due: Instant,
    pub events: Vec<serde_json::Value>,
    /// Numbers of the texts in it.
    pub texts: Vec<usize>,
    attempts: u64,
}

#[derive(Default)]
struct Inner {
    seen: Vec<Seen>,
    texts: Vec<Text>,
    out: BTreeMap<String, Outgoing>,
    posts: Vec<Post>,
    /// It asked to be left alone until then.
    rests_until: Option<Instant>,
}

/// What can go wrong with it that is not the carrier's doing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// A planted bug: the adapter does not look whether an intent is still valid.
    pub ignores_validity: bool,
    /// Nothing goes wrong by itself.
    pub calm: bool,
}

/// The carrier, and the adapter to it.
#[derive(Clone)]
pub struct Carrier {
    line: Line,
    clock: ManualClock,
    chance: SharedEntropy,
    habits: Habits,
    inner: Arc<Mutex<Inner>>,
}

impl Carrier {
    pub fn new(line: Line, clock: ManualClock, chance: SharedEntropy, habits: Habits) -> Carrier {
        Carrier { line, clock, chance, habits, inner: Arc::default() }
    }

    /// It asks to be left alone for so long.
    pub fn rest(&self, span: Span) {
        self.inner.lock().rests_until = Some(self.clock.now() + span);
    }

    pub fn is_calm(&self) -> bool {
        self.habits.calm
    }

    fn below(&self, bound: u64) -> u64 {
        let chance: &dyn Entropy = &*self.chance;
        chance.below(bound)
    }

    /// Everything handed over so far, from the `from`th on.
    pub fn seen(&self, from: usize) -> Vec<Seen> {
        self.inner.lock().seen[from..].to_vec()
    }

    /// What people wrote and the gateway may not know.
    pub fn texts(&self) -> Vec<Text> {
        self.inner.lock().texts.clone()
    }

    /// A person writes. The webhook follows within eight minutes, twice at times; `words`: none for an event that does not
    /// parse.
    pub fn write(&self, from: &str, words: Option<&'static str>, meaning: Meaning) -> Text {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let number = inner.texts.len();
        let text = Text {
            id: format!("in-{}-{number}", self.line.name),
            from: from.to_owned(),
            words,
            meaning,
            at: now,
            line: self.line,
            acked: false,
            failed_at: None,
        };
        let event = json!({ "id": format!("e-{number}"), "type": "message.received", "occurred_at": now,
            "message": message_of(&text) });
        inner.texts.push(text.clone());
        let late = if self.habits.calm {
            1
        } else if self.below(3) == 0 {
            480
        } else {
            5
        };
        let due = now + Span::seconds(self.below(late) as i64);
        self.post(&mut inner, due, event, Some(number));
        text
    }

    /// Queues an event: in a webhook of its own, or together with what waits.
    fn post(&self, inner: &mut Inner, due: Instant, event: serde_json::Value, text: Option<usize>) {
        let joined = if self.below(4) == 0 { inner.posts.iter_mut().find(|p| p.attempts == 0) } else { None };
        match joined {
            Some(post) if post.due <= due => {
                post.events.push(event);
                post.texts.extend(text);
            }
            _ => {
                let again = !self.habits.calm && self.below(6) == 0;
                let post = Post { due, events: vec![event], texts: text.into_iter().collect(), attempts: 0 };
                if again {
                    let again = Span::seconds(self.below(400) as i64);
                    inner.posts.push(Post { due: due + again, ..post.clone() });
                }
                inner.posts.push(post);
            }
        }
    }

    /// A webhook that is due, whichever; it is out of the queue then.
    pub fn next_post(&self) -> Option<Post> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        self.go_on(&mut inner, now);
        let due: Vec<usize> = (0..inner.posts.len()).filter(|n| inner.posts[*n].due <= now).collect();
        let chosen = *due.get(self.below(due.len() as u64) as usize)?;
        Some(inner.posts.swap_remove(chosen))
    }

    /// What became of a webhook. One that was not taken is tried again or given up for good.
    pub fn posted(&self, mut post: Post, taken: bool) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        for number in &post.texts {
            let text = &mut inner.texts[*number];
            match taken {
                true => text.acked = true,
                false => text.failed_at = text.failed_at.or(Some(now)),
            }
        }
        if !taken {
            post.attempts += 1;
            if post.attempts < 1 + self.below(4) {
                post.due = now + Span::seconds(5 + self.below(240) as i64);
                inner.posts.push(post);
            }
        }
    }

    /// Its list of both directions since an instant.
    fn page(&self, since: Instant) -> String {
        let mut inner = self.inner.lock();
        self.go_on(&mut inner, self.clock.now());
        let texts = inner.texts.iter().filter(|t| t.at >= since).map(message_of);
        let ours = inner.out.iter().filter(|(_, o)| o.updated_at >= since);
        let ours = ours.map(|(id, o)| listed(self.line, id, o));
        json!({ "messages": texts.chain(ours).collect::<Vec<_>>() }).to_string()
    }

    /// Texts of ours move on: sent, delivered or not.
    fn go_on(&self, inner: &mut Inner, now: Instant) {
        let mut news = Vec::new();
        for (id, out) in &mut inner.out {
            while let Some((at, status)) = out.ahead.first().copied().filter(|(at, _)| *at <= now) {
                out.ahead.remove(0);
                (out.status, out.updated_at) = (status, at);
                news.push(json!({ "id": format!("e-{id}-{status}"), "type": "message.status",
                    "occurred_at": at, "message": listed(self.line, id, out) }));
            }
        }
        for event in news {
            // One receipt in ten is never posted: only the list tells.
            if self.habits.calm || self.below(10) > 0 {
                let due = now + Span::seconds(self.below(120) as i64);
                self.post(inner, due, event, None);
            }
        }
    }

    fn take(&self, inner: &mut Inner, message: MessageId, to: &str, now: Instant) -> String {
        let id = format!("p-{message}-{}", inner.seen.len());
        let end = match if self.habits.calm { 9 } else { self.below(20) } {
            0 => Some("undelivered"),
            1 => Some("failed"),
            2 => Some("expired"),
            // Two in twenty are never heard of again.
            3 | 4 => None,
            _ => Some("delivered"),
        };
        let soon = |most: u64| Span::seconds(self.below(most) as i64);
        let sent_at = now + soon(20);
        let mut ahead = vec![(sent_at, "sent")];
        ahead.extend(end.map(|status| (sent_at + soon(900), status)));
        let out = Outgoing { message, to: to.to_owned(), status: "queued", updated_at: now, ahead };
        inner.out.insert(id.clone(), out);
        id
    }

    /// The bytes are written: takes the message or does not; answers truthfully, wrongly or not at all.
    fn hand_over(&self, dispatch: &Dispatch) -> Handover {
        let now = self.clock.now();
        let failure = |class, code: &str| Failure { class, code: code.to_owned(), text: String::new() };
        let message = dispatch.message();
        let to = dispatch.to().phone().map(|p| p.expose().to_owned()).unwrap_or_default();
        let mut inner = self.inner.lock();
        let not_taken = |code| Handover::NotTaken {
            failure: failure(ErrorClass::Retryable, code),
            after_seconds: Some(3),
        };
        let fate = if self.habits.calm { 39 } else { self.below(40) };
        let (took, denied, answer) = match fate {
            0 | 1 => (false, true, Handover::Rejected(failure(ErrorClass::PermanentContent, "BLOCKED"))),
            2 => (false, true, Handover::Rejected(failure(ErrorClass::OptedOut, "STOPPED"))),
            // Another sender may carry it.
            11 | 12 => {
                (false, true, Handover::Rejected(failure(ErrorClass::PermanentSender, "UNREGISTERED")))
            }
            3..=5 => (false, true, not_taken("429")),
            // It says no and sends it all the same.
            6 => (true, true, not_taken("503")),
            7 | 8 => (true, false, Handover::Unclear(failure(ErrorClass::Ambiguous, "TIMEOUT"))),
            9 | 10 => (false, false, Handover::Unclear(failure(ErrorClass::Ambiguous, "RESET"))),
            _ => (true, false, Handover::Accepted { ids: Vec::new() }),
        };
        let id = if took { Some(self.take(&mut inner, message, &to, now)) } else { None };
        inner.seen.push(Seen { message, to, at: now, denied, line: self.line.name });
        match (answer, id) {
            (Handover::Accepted { .. }, Some(id)) => Handover::Accepted { ids: vec![id] },
            (answer, _) => answer,
        }
    }
}

fn message_of(text: &Text) -> serde_json::Value {
    let mut message = json!({ "id": text.id, "from": text.from, "to": text.line.number, "status": "received",
        "created_at": text.at });
    if let Some(words) = text.words {
        message["text"] = json!(words);
    }
    message
}

fn listed(line: Line, id: &str, out: &Outgoing) -> serde_json::Value {
    json!({ "id": id, "from": line.number, "to": out.to, "client_ref": out.message.to_string(),
        "status": out.status, "updated_at": out.updated_at })
}

/// Comes back at the next poll, so many times over: other things happen in between.
pub async fn pause(polls: u64) {
    for _ in 0..polls {
        let mut waited = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut waited, true) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
}

impl Provider for Carrier {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(async move {
            pause(self.below(3)).await;
            if !dispatch.is_valid_at(self.clock.now()) && !self.habits.ignores_validity {
                return Handover::Void;
            }
            let answer = self.hand_over(&dispatch);
            pause(self.below(3)).await;
            answer
        })
    }

    fn reconcile<'a>(
        &'a self,
        since: Instant,
        taker: &'a dyn Taker,
    ) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async move {
            pause(self.below(3)).await;
            if !self.habits.calm && self.below(5) == 0 {
                return Err(ReconcileError("the carrier answered 500".to_owned()));
            }
            let page = self.page(since);
            pause(self.below(3)).await;
            let listed = parse_list(page.as_bytes()).map_err(|e| ReconcileError(e.to_string()))?;
            taker.take(listed.events).await
        })
    }

    fn resting_until(&self) -> Option<Instant> {
        self.inner.lock().rests_until
    }
}
