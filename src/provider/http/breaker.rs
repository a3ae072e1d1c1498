//! When an account should be left alone: a provider that asks for a pause, or that only fails.
//!
//! Pure: instants are arguments. A request through a dead provider costs an intent, so resting saves messages.

use parking_lot::Mutex;

use crate::model::{Instant, Span};

/// Failures in a row after which the account rests.
const FAILURES_MAX: u32 = 5;
/// First rest after that, and the longest; each further failure doubles it.
const REST_MIN: Span = Span::seconds(5);
const REST_MAX: Span = Span::seconds(60);
/// Longest rest a provider may ask for.
const ASKED_MAX: Span = Span::hours(1);
/// A probe nobody ended counts no longer.
const PROBE_MAX: Span = Span::seconds(60);

/// How a request ended, as far as the account's health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The provider answered for itself, yes or no.
    Well,
    /// Nobody there, no answer, or an answer that makes no sense.
    Failed,
    /// It asks for a pause; none: without saying how long.
    Throttled(Option<Span>),
    /// It refuses the account as a whole.
    Refused,
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    throttled: u32,
    rests_until: Instant,
    /// After a rest one request goes ahead; the others wait for its end.
    probing_since: Option<Instant>,
}

/// The breaker of one account.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<Circuit>);

impl Breaker {
    /// Until when nothing should be sent; none: go on.
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        let circuit = self.0.lock();
        (circuit.rests_until > now).then_some(circuit.rests_until)
    }

    /// Asks to send one request. The error: how long to wait.
    pub fn begin(&self, now: Instant) -> Result<(), Span> {
        let mut circuit = self.0.lock();
        if circuit.rests_until > now {
            return Err(circuit.rests_until.since(now));
        }
        if circuit.failures >= FAILURES_MAX {
            if circuit.probing_since.is_some_and(|since| now.since(since) < PROBE_MAX) {
                return Err(Span::seconds(1));
            }
            circuit.probing_since = Some(now);
        }
        Ok(())
    }

    /// A request that was allowed to begin has ended; or never left, which says nothing.
    pub fn ended(&self, now: Instant, how: Option<Ended>) {
        let mut circuit = self.0.lock();
        circuit.probing_since = None;
        let Some(how) = how else { return };
        let rest = match how {
            Ended::Well => {
                (circuit.failures, circuit.throttled) = (0, 0);
                return;
            }
            Ended::Failed => {
                circuit.failures = circuit.failures.saturating_add(1);
                if circuit.failures < FAILURES_MAX {
                    return;
                }
                doubled(REST_MIN, circuit.failures - FAILURES_MAX)
            }
            Ended::Throttled(asked) => {
                circuit.throttled = circuit.throttled.saturating_add(1);
                let own = doubled(Span::seconds(1), circuit.throttled - 1);
                asked.map_or(own, |asked| asked.clamp(Span::millis(100), ASKED_MAX))
            }
            // Somebody has to mend it; until then one request a minute finds out.
            Ended::Refused => REST_MAX,
        };
        circuit.rests_until = circuit.rests_until.max(now + rest);
    }
}

fn doubled(first: Span, times: u32) -> Span {
    Span::micros(first.as_micros() << times.min(16)).min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_seconds(1_780_000_000 + seconds)
    }

    fn fail(breaker: &Breaker, now: i64) {
        breaker.begin(at(now)).expect("may begin");
        breaker.ended(at(now), Some(Ended::Failed));
    }

    #[test]
    fn five_failures_open_it_and_one_probe_closes_it() {
        let breaker = Breaker::default();
        for now in 0..4 {
            fail(&breaker, now);
        }
        assert_eq!(breaker.resting_until(at(4)), None);
        fail(&breaker, 4);
        assert_eq!(breaker.resting_until(at(4)), Some(at(9)));
        assert_eq!(breaker.begin(at(8)), Err(Span::seconds(1)));
        assert_eq!(breaker.begin(at(9)), Ok(()), "the probe");
        assert_eq!(breaker.begin(at(9)), Err(Span::seconds(1)), "only one");
        breaker.ended(at(10), Some(Ended::Failed));
        assert_eq!(breaker.resting_until(at(10)), Some(at(20)), "twice as long");
        assert_eq!(breaker.begin(at(20)), Ok(()));
        breaker.ended(at(21), Some(Ended::Well));
        for _ in 0..3 {
            assert_eq!(breaker.begin(at(21)), Ok(()));
        }
    }

    #[test]
    fn a_lost_probe_does_not_close_the_account_for_ever() {
        let breaker = Breaker::default();
        for now in 0..5 {
            fail(&breaker, now);
        }
        assert_eq!(breaker.begin(at(9)), Ok(()));
        assert!(breaker.begin(at(68)).is_err());
        assert_eq!(breaker.begin(at(69)), Ok(()));
    }

    #[test]
    fn a_pause_asked_for_is_kept_and_one_unasked_grows() {
        let breaker = Breaker::default();
        breaker.ended(at(0), Some(Ended::Throttled(Some(Span::seconds(7)))));
        assert_eq!(breaker.begin(at(6)), Err(Span::seconds(1)));
        assert_eq!(breaker.begin(at(7)), Ok(()));
        breaker.ended(at(7), Some(Ended::Throttled(None)));
        assert_eq!(breaker.resting_until(at(7)), Some(at(9)), "the second in a row");
        breaker.ended(at(9), Some(Ended::Throttled(Some(Span::days(3)))));
        assert_eq!(breaker.resting_until(at(9)), Some(at(9) + ASKED_MAX));
        let refused = Breaker::default();
        refused.ended(at(0), Some(Ended::Refused));
        assert_eq!(refused.resting_until(at(0)), Some(at(60)));
        refused.ended(at(0), None);
        assert_eq!(refused.resting_until(at(0)), Some(at(60)), "what never left says nothing");
    }
}
