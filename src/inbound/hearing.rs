//! Which connections may have told us something we did not hear, and so must not send.
//!
//! A STOP that reached a provider while we were down is still a STOP. After a restart, and after a break of more than 30
//! seconds (a machine asleep, answers of 5xx), a connection rests until its provider's list has been pulled. Where there is
//! no list an operator vouches; then a restart within 30 seconds is forgiven.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::SharedClock;
use crate::model::registry::Reconcile;
use crate::model::{ConnectionId, Instant, Span};

/// Longest break that needs no list.
pub const BREAK_MAX: Span = Span::seconds(30);
/// How far before the break the list is pulled: clocks differ, and providers list late.
pub const OVERLAP: Span = Span::minutes(10);
/// The list is compared this often although nothing seems missing.
const COMPARE: Span = Span::hours(1);

/// What is known about one connection's hearing. Pure: instants are arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ear {
    by: Reconcile,
    heard_until: Instant,
    /// The beginning of what may have been missed.
    missed_since: Option<Instant>,
    /// When something last went unheard: what closes a gap must be newer.
    missed_last: Instant,
    /// It rests until the gap is closed.
    resting: bool,
    compared_at: Instant,
    /// How far the last list reached. What webhooks told since then is compared once more.
    listed_until: Instant,
}

impl Ear {
    /// An ear at a start. `heard_until`: as the ledger has it; none: this connection was never heard, so nothing of it can
    /// have been missed. A provider that met a closed door for a second may not come again: where there is a list, it is
    /// pulled before the first text leaves, however short the break.
    pub fn at_start(by: Reconcile, heard_until: Option<Instant>, now: Instant) -> Ear {
        let heard = heard_until.unwrap_or(now);
        let gap = heard_until.is_some() && (by == Reconcile::List || now.since(heard) > BREAK_MAX);
        Ear {
            by,
            heard_until: heard,
            missed_since: gap.then_some(heard.min(now)),
            missed_last: if gap { now } else { heard },
            resting: gap,
            compared_at: now,
            listed_until: heard,
        }
    }

    /// An authentic webhook became durable. Where nothing can have been missed before it, we have heard up to it.
    pub fn stored(&mut self, now: Instant) {
        self.note(now);
        if self.missed_since.is_some() && !self.resting && self.by == Reconcile::Operator {
            // There is no list to pull, and the provider did come back within 30 seconds.
            self.missed_since = None;
        }
        if self.missed_since.is_none() {
            self.heard_until = self.heard_until.max(now);
        }
    }

    /// One was answered with an error, or could not be: the provider may not come again.
    pub fn failed(&mut self, now: Instant) {
        self.note(now);
        self.missed_since.get_or_insert(now);
        self.missed_last = self.missed_last.max(now);
    }

    /// The listener was not up until `now`.
    pub fn was_away(&mut self, since: Instant, now: Instant) {
        self.missed_since = Some(self.missed_since.map_or(since, |known| known.min(since)));
        self.missed_last = self.missed_last.max(now);
        self.note(now);
    }

    /// Everything the provider holds up to `until` is durable, or an operator vouches for it.
    pub fn caught_up(&mut self, until: Instant, now: Instant) {
        self.heard_until = self.heard_until.max(until);
        self.listed_until = self.listed_until.max(until);
        self.compared_at = now;
        if self.missed_last < until || self.missed_since.is_none() {
            self.missed_since = None;
            self.resting = false;
        }
    }

    /// A break that lasts too long puts the connection to rest.
    fn note(&mut self, now: Instant) {
        self.resting |= self.missed_since.is_some_and(|since| now.since(since) > BREAK_MAX);
    }

    /// Whether nothing may leave through the connection.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.resting || self.missed_since.is_some_and(|since| now.since(since) > BREAK_MAX)
    }

    /// Whether the next webhook stored moves `heard_until`.
    pub fn is_unbroken(&self) -> bool {
        self.missed_since.is_none()
    }

    /// Since when the provider's list should be pulled now; none: there is no need, or no list.
    pub fn list_since(&self, now: Instant) -> Option<Instant> {
        let due = self.missed_since.is_some() || now.since(self.compared_at) >= COMPARE;
        let heard = self.heard_until.min(self.listed_until);
        let from = self.missed_since.map_or(heard, |since| since.min(heard));
        (due && self.by == Reconcile::List).then_some(from - OVERLAP)
    }

    /// Every inbound message up to here is known.
    pub fn heard_until(&self) -> Instant {
        self.heard_until
    }
}

/// The hearing of all connections; shared by listener, reconciler and dispatcher.
#[derive(Clone)]
pub struct Hearing {
    clock: SharedClock,
    ears: Arc<Mutex<HashMap<ConnectionId, Ear>>>,
    /// When the listener was last seen awake; none: nobody looked yet.
    awake: Arc<Mutex<Option<Instant>>>,
}

impl Hearing {
    /// Nothing is known yet: every connection rests until [`Hearing::begin`].
    pub fn new(clock: SharedClock) -> Hearing {
        Hearing { clock, ears: Arc::default(), awake: Arc::default() }
    }

    /// The listener takes a connection's webhooks from now on. One known already goes on as it was.
    pub fn begin(&self, connection: &ConnectionId, by: Reconcile, heard_until: Option<Instant>) {
        let now = self.clock.now();
        let mut ears = self.ears.lock();
        ears.entry(connection.clone()).or_insert_with(|| Ear::at_start(by, heard_until, now));
    }

    /// Whether nothing may leave through a connection. One nobody listens to rests.
    pub fn is_paused(&self, connection: &ConnectionId) -> bool {
        let now = self.clock.now();
        self.ears.lock().get(connection).is_none_or(|ear| ear.is_resting(now))
    }

    /// What is known about a connection.
    pub fn of(&self, connection: &ConnectionId) -> Option<Ear> {
        self.ears.lock().get(connection).cloned()
    }

    /// Every connection listened to.
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.ears.lock().keys().cloned().collect()
    }

    fn change(&self, connection: &ConnectionId, change: impl FnOnce(&mut Ear, Instant)) {
        let now = self.clock.now();
        if let Some(ear) = self.ears.lock().get_mut(connection) {
            change(ear, now);
        }
    }

    /// See [`Ear::stored`].
    pub fn stored(&self, connection: &ConnectionId) {
        self.change(connection, Ear::stored);
    }

    /// See [`Ear::failed`].
    pub fn failed(&self, connection: &ConnectionId) {
        self.change(connection, Ear::failed);
    }

    /// See [`Ear::was_away`]: every connection, because the listener is one.
    pub fn was_away(&self, since: Instant) {
        let now = self.clock.now();
        self.ears.lock().values_mut().for_each(|ear| ear.was_away(since, now));
    }

    /// The process is awake: called each second. Where more than 30 passed since the last time it slept (a suspended
    /// machine, a stopped process), and whoever called met nobody.
    pub fn awake(&self) {
        let now = self.clock.now();
        let last = self.awake.lock().replace(now);
        if let Some(last) = last.filter(|last| now.since(*last) > BREAK_MAX) {
            self.was_away(last);
        }
    }

    /// See [`Ear::caught_up`]. Called once the entry that says so is durable.
    pub fn caught_up(&self, connection: &ConnectionId, until: Instant) {
        self.change(connection, |ear, now| ear.caught_up(until, now));
    }

    /// See [`Ear::is_unbroken`].
    pub fn is_unbroken(&self, connection: &ConnectionId) -> bool {
        self.of(connection).is_some_and(|ear| ear.is_unbroken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_780_000_000 + seconds)
    }

    #[test]
    fn a_restart_waits_for_the_list_and_without_one_a_short_break_is_forgiven() {
        use Reconcile::{List, Operator};
        for (by, heard, resting) in [
            (List, Some(0), true),
            (List, Some(-5), true),
            (List, Some(-31), true),
            (List, None, false),
            (Operator, Some(-30), false),
            (Operator, Some(-31), true),
            (Operator, None, false),
        ] {
            let ear = Ear::at_start(by, heard.map(at), at(0));
            assert_eq!(ear.is_resting(at(0)), resting, "{by:?} {heard:?}");
            let since = heard.filter(|_| by == List).map(|heard| at(heard) - OVERLAP);
            assert_eq!(ear.list_since(at(0)), since, "{by:?} {heard:?}");
        }
    }

    #[test]
    fn a_second_of_closed_doors_is_covered_by_the_list() {
        let mut ear = Ear::at_start(Reconcile::List, Some(at(-1)), at(0));
        ear.stored(at(0));
        ear.caught_up(at(0), at(0));
        assert!(ear.is_resting(at(0)), "a list as old as the break's end may lack its last text");
        ear.caught_up(at(1), at(2));
        assert!(!ear.is_resting(at(2)) && ear.is_unbroken());
    }

    #[test]
    fn what_webhooks_told_is_compared_with_the_list_all_the_same() {
        let mut ear = Ear::at_start(Reconcile::List, None, at(0));
        (1..60).for_each(|minute| ear.stored(at(minute * 60)));
        assert_eq!(ear.list_since(at(3_600)), Some(at(0) - OVERLAP), "the whole hour, not its last minutes");
    }

    #[test]
    fn a_machine_that_slept_has_missed_something() {
        let clock = crate::clock::ManualClock::at(at(0));
        let hearing = Hearing::new(Arc::new(clock.clone()));
        let id: ConnectionId = "main".parse().expect("a slug");
        hearing.begin(&id, Reconcile::List, None);
        for (slept, missed) in [(0, false), (30, false), (31, true)] {
            clock.advance(Span::seconds(slept));
            hearing.awake();
            assert_eq!(!hearing.is_unbroken(&id), missed, "{slept}");
        }
        assert!(hearing.is_paused(&id));
    }

    #[test]
    fn a_webhook_after_a_gap_does_not_close_it() {
        let mut ear = Ear::at_start(Reconcile::List, Some(at(-480)), at(0));
        ear.stored(at(5));
        assert!(ear.is_resting(at(6)) && !ear.is_unbroken());
        assert_eq!((ear.heard_until(), ear.list_since(at(6))), (at(-480), Some(at(-480) - OVERLAP)));
        ear.caught_up(at(6), at(8));
        assert!(!ear.is_resting(at(8)) && ear.is_unbroken());
        ear.stored(at(20));
        assert_eq!(ear.heard_until(), at(20));
    }

    #[test]
    fn a_failed_answer_asks_for_the_list_at_once_and_rests_after_thirty_seconds() {
        let mut ear = Ear::at_start(Reconcile::List, None, at(0));
        ear.failed(at(10));
        ear.stored(at(12));
        assert!(!ear.is_resting(at(40)) && ear.is_resting(at(41)));
        assert_eq!(ear.heard_until(), at(0), "what failed may never come again");
        assert!(ear.list_since(at(12)).is_some());
        ear.failed(at(13));
        ear.caught_up(at(12), at(14));
        assert!(!ear.is_unbroken(), "the list was pulled before the second failure");
        ear.caught_up(at(15), at(16));
        assert!(ear.is_unbroken());
    }

    #[test]
    fn without_a_list_a_provider_that_came_back_soon_is_believed() {
        let mut ear = Ear::at_start(Reconcile::Operator, None, at(0));
        ear.failed(at(10));
        ear.stored(at(20));
        assert!(ear.is_unbroken());
        ear.failed(at(30));
        ear.stored(at(61));
        assert!(ear.is_resting(at(61)), "31 seconds");
        assert_eq!(ear.list_since(at(61)), None);
        ear.caught_up(at(100), at(100));
        assert!(!ear.is_resting(at(100)));
    }

    #[test]
    fn the_list_is_compared_hourly() {
        let mut ear = Ear::at_start(Reconcile::List, None, at(0));
        assert_eq!(ear.list_since(at(3_599)), None);
        assert_eq!(ear.list_since(at(3_600)), Some(at(0) - OVERLAP));
        ear.caught_up(at(3_600), at(3_605));
        assert_eq!(ear.list_since(at(7_204)), None);
    }

    #[test]
    fn nobody_listens_nothing_leaves() {
        let clock = crate::clock::ManualClock::at(at(0));
        let hearing = Hearing::new(Arc::new(clock.clone()));
        let id: ConnectionId = "main".parse().expect("a slug");
        assert!(hearing.is_paused(&id));
        hearing.begin(&id, Reconcile::List, None);
        assert!(!hearing.is_paused(&id), "what was never heard has missed nothing");
        clock.advance(Span::seconds(90));
        hearing.was_away(at(20));
        assert!(hearing.is_paused(&id));
        hearing.begin(&id, Reconcile::List, None);
        assert!(hearing.is_paused(&id), "beginning again closes no gap");
        hearing.caught_up(&id, at(90));
        assert!(hearing.is_paused(&id), "a list as old as the gap's end may lack its last text");
        clock.advance(Span::seconds(1));
        hearing.caught_up(&id, at(91));
        assert!(!hearing.is_paused(&id));
    }

    proptest! {
        /// Whatever happens, an instant at which something went unheard is never passed without a later list.
        #[test]
        fn what_was_missed_is_never_passed(steps in proptest::collection::vec((0u8..4, 0i64..60), 0..40)) {
            let mut ear = Ear::at_start(Reconcile::List, None, at(0));
            let (mut now, mut missed) = (0, None::<i64>);
            for (step, wait) in steps {
                now += wait;
                match step {
                    0 => ear.stored(at(now)),
                    1 => { ear.failed(at(now)); missed = Some(now); }
                    2 => { ear.caught_up(at(now - 3), at(now)); if missed.is_some_and(|m| m < now - 3) { missed = None; } }
                    _ => { ear.was_away(at(now - 2), at(now)); missed = Some(now); }
                }
                prop_assert_eq!(ear.is_unbroken(), missed.is_none());
                if let Some(missed) = missed {
                    prop_assert!(ear.heard_until() <= at(missed));
                    prop_assert!(ear.list_since(at(now)).is_some());
                }
            }
        }
    }
}
