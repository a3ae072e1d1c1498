//! What waits to be delivered to one subscriber: in order for each person, tried again by schedule, laid aside at its end.
//! Pure: instants and chance are arguments.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::model::{Instant, Span, SubjectId};

/// Letters that wait at once; then the log is not read on.
pub const WAITING_MAX: usize = 1_000;
/// Letters laid aside at most. Beyond, what fails goes on waiting: nothing is thrown away.
pub const DEAD_MAX: usize = 2_000;
/// Waits between attempts (Standard Webhooks, "Delivery": an example schedule over three days). One attempt more than waits.
const WAITS: [Span; 9] = [
    Span::seconds(5),
    Span::minutes(5),
    Span::minutes(30),
    Span::hours(2),
    Span::hours(5),
    Span::hours(10),
    Span::hours(14),
    Span::hours(20),
    Span::hours(24),
];
/// Longest wait that a subscriber may ask for.
const ASKED_MAX: Span = Span::hours(24);
/// Characters kept of why an attempt failed.
const WHY_MAX: usize = 200;

/// One event of the log: its entry, and which of the entry's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    pub entry: u64,
    /// From 0.
    pub event: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.entry, self.event)
    }
}

impl std::str::FromStr for Position {
    type Err = ();
    fn from_str(text: &str) -> Result<Position, ()> {
        let (entry, event) = text.split_once('.').ok_or(())?;
        Ok(Position { entry: entry.parse().map_err(|_| ())?, event: event.parse().map_err(|_| ())? })
    }
}

/// An event on its way. It holds nothing of the event itself: that is read from the log when it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub position: Position,
    /// Whose event it is; events of one chain are told in order.
    pub subject: SubjectId,
    /// Attempts made.
    pub attempts: u32,
    /// When it is tried next; of one laid aside, when it was.
    pub due: Instant,
    /// Why the last attempt failed.
    pub why: String,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Taken, or there is nothing to tell any more.
    Delivered,
    /// Not taken; the subscriber may say how long to wait.
    Failed { why: String, after: Option<Span> },
}

/// The queue of one subscriber.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Queue {
    /// The next entry of the log to read.
    pub next: u64,
    /// Oldest first.
    waiting: Vec<Letter>,
    dead: Vec<Letter>,
    #[serde(skip)]
    under_way: HashSet<Position>,
}

impl Queue {
    /// A queue that begins with an entry.
    pub fn from(next: u64) -> Queue {
        Queue { next, ..Queue::default() }
    }

    /// Whether more of the log may be read.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    /// Takes in an event of the log, in the log's order.
    pub fn add(&mut self, position: Position, subject: SubjectId, now: Instant) {
        self.waiting.push(Letter { position, subject, attempts: 0, due: now, why: String::new() });
    }

    /// Letters to deliver now, at most so many under way: of each chain the oldest alone.
    pub fn ready(&mut self, now: Instant, most: usize) -> Vec<Position> {
        let mut chains = HashSet::new();
        let mut ready = Vec::new();
        for letter in &self.waiting {
            if self.under_way.len() >= most {
                break;
            }
            let first = chains.insert(letter.subject);
            if first && letter.due <= now && self.under_way.insert(letter.position) {
                ready.push(letter.position);
            }
        }
        ready
    }

    /// When the next letter is due that nobody carries; none: nothing waits.
    pub fn next_due(&self) -> Option<Instant> {
        let mut chains = HashSet::new();
        let heads = self.waiting.iter().filter(|l| chains.insert(l.subject));
        heads.filter(|l| !self.under_way.contains(&l.position)).map(|l| l.due).min()
    }

    /// An attempt has ended. `chance` of 0 to 399 spreads the waits by a fifth either way. Answers whether the letter was
    /// laid aside.
    pub fn ended(&mut self, position: Position, how: Attempt, now: Instant, chance: u64) -> bool {
        self.under_way.remove(&position);
        let Some(at) = self.waiting.iter().position(|l| l.position == position) else { return false };
        let Attempt::Failed { why, after } = how else {
            self.waiting.remove(at);
            return false;
        };
        let letter = &mut self.waiting[at];
        letter.attempts = letter.attempts.saturating_add(1);
        letter.why = why.chars().take(WHY_MAX).collect();
        let tried_out = letter.attempts as usize > WAITS.len();
        if tried_out && self.dead.len() < DEAD_MAX {
            let mut letter = self.waiting.remove(at);
            letter.due = now;
            self.dead.push(letter);
            return true;
        }
        let wait = WAITS[(letter.attempts as usize - 1).min(WAITS.len() - 1)];
        let per_mille = 800 + i64::try_from(chance.min(400)).unwrap_or(0);
        let wait = Span::micros(wait.as_micros() / 1_000 * per_mille);
        letter.due = now + after.map_or(wait, |asked| asked.min(ASKED_MAX).max(wait));
        false
    }

    /// Sends letters out again that were laid aside: those named, or all. Answers how many.
    pub fn replay(&mut self, named: &[Position], now: Instant) -> usize {
        let wanted = |l: &Letter| named.is_empty() || named.contains(&l.position);
        let (again, rest): (Vec<Letter>, Vec<Letter>) = self.dead.drain(..).partition(wanted);
        self.dead = rest;
        let count = again.len();
        self.waiting.extend(again.into_iter().map(|l| Letter { attempts: 0, due: now, ..l }));
        self.waiting.sort_by_key(|l| l.position);
        count
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> &[Letter] {
        &self.waiting
    }

    /// What was laid aside, in that order.
    pub fn dead(&self) -> &[Letter] {
        &self.dead
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_780_000_000 + seconds)
    }

    fn place(entry: u64) -> Position {
        Position { entry, event: 0 }
    }

    fn failed() -> Attempt {
        Attempt::Failed { why: "500".to_owned(), after: None }
    }

    #[test]
    fn a_person_hears_in_order_and_others_do_not_wait() {
        let mut queue = Queue::from(0);
        for (entry, who) in [(1, 1), (2, 1), (3, 2)] {
            queue.add(place(entry), SubjectId([who; 16]), at(0));
        }
        assert_eq!(queue.ready(at(0), 8), [place(1), place(3)]);
        queue.ended(place(1), failed(), at(0), 200);
        queue.ended(place(3), Attempt::Delivered, at(0), 0);
        assert_eq!(queue.ready(at(4), 8), [], "the second waits behind the first");
        assert_eq!(queue.next_due(), Some(at(5)));
        assert_eq!(queue.ready(at(5), 8), [place(1)]);
        queue.ended(place(1), Attempt::Delivered, at(5), 0);
        assert_eq!(queue.ready(at(5), 8), [place(2)]);
    }

    #[test]
    fn ten_attempts_over_three_days_then_aside_and_back() {
        let mut queue = Queue::from(0);
        queue.add(place(1), SubjectId([1; 16]), at(0));
        let (mut now, mut attempts) = (at(0), 0);
        while queue.dead().is_empty() {
            now = now.max(queue.next_due().expect("it waits"));
            assert_eq!(queue.ready(now, 8), [place(1)]);
            attempts += 1;
            queue.ended(place(1), failed(), now, 200);
        }
        assert_eq!((attempts, queue.waiting().len()), (10, 0));
        assert!((70..80).contains(&(now.since(at(0)).as_seconds() / 3_600)), "{now}");
        assert_eq!(queue.replay(&[place(9)], now), 0);
        assert_eq!(queue.replay(&[], now), 1);
        assert_eq!(queue.ready(now, 8), [place(1)]);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_kept_within_a_day() {
        for (asked, wait) in [(1, 5), (600, 600), (1_000_000, 86_400)] {
            let mut queue = Queue::from(0);
            queue.add(place(1), SubjectId([1; 16]), at(0));
            queue.ready(at(0), 8);
            let how = Attempt::Failed { why: "429".to_owned(), after: Some(Span::seconds(asked)) };
            queue.ended(place(1), how, at(0), 200);
            assert_eq!(queue.next_due(), Some(at(wait)), "{asked}");
        }
    }

    #[test]
    fn where_no_more_can_be_laid_aside_it_goes_on_waiting() {
        let mut queue = Queue::from(0);
        queue.dead = (0..DEAD_MAX as u64)
            .map(|n| Letter {
                position: place(n),
                ..Letter {
                    position: place(0),
                    subject: SubjectId([0; 16]),
                    attempts: 10,
                    due: at(0),
                    why: String::new(),
                }
            })
            .collect();
        queue.add(place(5_000), SubjectId([1; 16]), at(0));
        queue.waiting[0].attempts = 30;
        queue.ready(at(0), 8);
        assert!(!queue.ended(place(5_000), failed(), at(0), 200));
        assert_eq!((queue.waiting().len(), queue.dead().len()), (1, DEAD_MAX));
    }

    proptest! {
        /// Whatever fails, nothing is lost, doubled or overtaken within one chain.
        #[test]
        fn each_chain_is_delivered_once_and_in_order(
            owners in proptest::collection::vec(0u8..4, 1..40),
            luck in proptest::collection::vec(any::<bool>(), 400),
        ) {
            let mut queue = Queue::from(0);
            for (n, owner) in owners.iter().enumerate() {
                queue.add(place(n as u64), SubjectId([*owner; 16]), at(0));
            }
            let (mut now, mut told, mut luck) = (at(0), Vec::new(), luck.into_iter());
            while let Some(due) = queue.next_due() {
                now = now.max(due);
                for position in queue.ready(now, 3) {
                    // Luck runs out: then everything is taken.
                    let taken = luck.next().unwrap_or(true);
                    let how = if taken { Attempt::Delivered } else { failed() };
                    queue.ended(position, how, now, 7);
                    if taken {
                        told.push(position.entry as usize);
                    }
                }
                if !queue.dead().is_empty() {
                    queue.replay(&[], now);
                }
            }
            let mut all = told.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..owners.len()).collect::<Vec<_>>());
            for owner in 0..4 {
                let own: Vec<_> = told.iter().filter(|n| owners[**n] == owner).collect();
                // What was laid aside and replayed comes after what went on in between; here it is replayed at once.
                prop_assert!(own.is_sorted(), "{:?}", own);
            }
        }
    }
}
