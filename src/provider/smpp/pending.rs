//! Requests that wait for their response, also past the time anybody waits: a late one still says what became of a message.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::status::{self, OptedOut};
use crate::model::MessageId;
use crate::provider::Handover;

/// Requests nobody waits for any more that are remembered, a session.
const LATE_MAX: usize = 4_096;

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its status, and its id where one was given.
    Status(u32, Option<String>),
    /// The line broke before it came.
    Lost,
}

/// One part on its way.
#[derive(Debug)]
pub struct Ticket {
    message: MessageId,
    /// The message is this part alone, so that its late answer is the message's.
    whole: bool,
    inner: Mutex<Slot>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Slot {
    answer: Option<Answer>,
    given_up: bool,
}

impl Ticket {
    pub fn new(message: MessageId, whole: bool) -> Arc<Ticket> {
        Arc::new(Ticket { message, whole, inner: Mutex::default(), news: Notify::new() })
    }

    /// Waits for the answer, as long as the caller likes.
    pub async fn answer(&self) -> Answer {
        loop {
            let news = self.news.notified();
            if let Some(answer) = self.inner.lock().answer.clone() {
                return answer;
            }
            news.await;
        }
    }

    /// Nobody waits any more. The answer where it came in this very moment.
    pub fn give_up(&self) -> Option<Answer> {
        let mut inner = self.inner.lock();
        inner.given_up = true;
        inner.answer.clone()
    }

    /// Takes the answer. What it means for the message, where nobody waits for it any more.
    fn take(&self, answer: Answer, opted_out: &OptedOut) -> Option<(MessageId, Handover)> {
        let mut inner = self.inner.lock();
        inner.answer = Some(answer.clone());
        self.news.notify_waiters();
        match answer {
            Answer::Status(code, id) if inner.given_up && self.whole => {
                let refused = || match status::refused(code, opted_out) {
                    // It was called unclear, so it is not sent again, however certain its refusal is now.
                    Handover::NotTaken { failure, .. } => Handover::Rejected(failure),
                    other => other,
                };
                let taken = || Handover::Accepted { ids: id.into_iter().collect() };
                Some((self.message, if code == status::OK { taken() } else { refused() }))
            }
            _ => None,
        }
    }
}

struct Waiting {
    ticket: Arc<Ticket>,
    /// Its place in the window; given back when nobody waits any more.
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Inner {
    waiting: HashMap<u32, Waiting>,
    late: VecDeque<u32>,
    closed: bool,
}

/// All of one session, by sequence number.
#[derive(Default)]
pub struct Pending(Mutex<Inner>);

impl Pending {
    /// Remembers a request that is about to be written. False: the session is over.
    pub fn put(&self, sequence: u32, ticket: Arc<Ticket>, permit: OwnedSemaphorePermit) -> bool {
        let mut inner = self.0.lock();
        if !inner.closed {
            inner.waiting.insert(sequence, Waiting { ticket, permit: Some(permit) });
        }
        !inner.closed
    }

    /// Nobody waits for it any more; its answer is still looked for.
    pub fn give_up(&self, sequence: u32) {
        let mut inner = self.0.lock();
        let Some(waiting) = inner.waiting.get_mut(&sequence) else { return };
        waiting.permit = None;
        inner.late.push_back(sequence);
        if inner.late.len() > LATE_MAX
            && let Some(oldest) = inner.late.pop_front()
        {
            inner.waiting.remove(&oldest);
        }
    }

    /// A response came. None: nobody ever asked. What it means for a message nobody waits for any more.
    pub fn answered(
        &self,
        sequence: u32,
        answer: Answer,
        opted_out: &OptedOut,
    ) -> Option<Option<(MessageId, Handover)>> {
        let waiting = self.0.lock().waiting.remove(&sequence)?;
        Some(waiting.ticket.take(answer, opted_out))
    }

    /// The session is over: no answer comes any more.
    pub fn close(&self) {
        let mut inner = self.0.lock();
        inner.closed = true;
        for (_, waiting) in inner.waiting.drain() {
            waiting.ticket.take(Answer::Lost, &OptedOut::default());
        }
    }

    /// Requests somebody waits for.
    pub fn in_window(&self) -> usize {
        self.0.lock().waiting.values().filter(|waiting| waiting.permit.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::faults::shown;
    use tokio::sync::Semaphore;

    fn permit(window: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        window.clone().try_acquire_owned().expect("room")
    }

    #[tokio::test]
    async fn an_answer_is_found_in_time_late_and_never_twice() {
        let (pending, window, none) = (Pending::default(), Arc::new(Semaphore::new(2)), OptedOut::default());
        let ok = || Answer::Status(0, Some("a1".to_owned()));
        let in_time = Ticket::new(MessageId([1; 16]), true);
        assert!(pending.put(1, in_time.clone(), permit(&window)));
        assert_eq!(pending.answered(1, ok(), &none), Some(None));
        assert_eq!(in_time.answer().await, ok());
        assert_eq!(pending.answered(1, ok(), &none), None, "nobody asked twice");
        for (n, answer, whole, expected) in [
            (2, ok(), true, Some("accepted a1")),
            (3, Answer::Status(0x58, None), true, Some("rejected Retryable 0x58")),
            (4, Answer::Status(0xff, None), true, Some("unclear 0xff")),
            (5, ok(), false, None),
        ] {
            let late = Ticket::new(MessageId([n; 16]), whole);
            pending.put(u32::from(n), late.clone(), permit(&window));
            assert_eq!((window.available_permits(), late.give_up()), (1, None));
            pending.give_up(u32::from(n));
            assert_eq!(window.available_permits(), 2, "it does not hold up the window");
            let told = pending.answered(u32::from(n), answer, &none).expect("it was asked");
            assert_eq!(told.map(|(_, h)| shown(&h)).as_deref(), expected, "{n}");
        }
        let lost = Ticket::new(MessageId([6; 16]), true);
        pending.put(6, lost.clone(), permit(&window));
        pending.close();
        assert_eq!(lost.answer().await, Answer::Lost);
        assert!(!pending.put(7, lost, permit(&window)), "the session is over");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (pending, window) = (Pending::default(), Arc::new(Semaphore::new(1)));
        for n in 0..LATE_MAX as u32 + 100 {
            pending.put(n, Ticket::new(MessageId([0; 16]), true), permit(&window));
            pending.give_up(n);
        }
        assert_eq!(pending.0.lock().waiting.len(), LATE_MAX);
        assert_eq!(pending.answered(0, Answer::Lost, &OptedOut::default()), None, "the oldest is forgotten");
    }
}
