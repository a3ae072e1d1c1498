//! How fast one bind may submit: the contracted rate, halved when the SMSC complains and regained slowly. Pure.

use crate::model::{Instant, Span};

/// First pause after a complaint, and the longest; each further one doubles it.
const PAUSE_MIN: Span = Span::seconds(1);
const PAUSE_MAX: Span = Span::seconds(60);
/// How often the rate is raised again, and by how much.
const RAISE_EVERY: Span = Span::seconds(5);
const RAISE_BY: f64 = 1.1;
/// Parts a second below which it never falls.
const RATE_MIN: f64 = 0.5;
/// Complaints closer together than this are one: they were under way when the first was heard.
const ONE_COMPLAINT: Span = Span::seconds(1);

/// The pace of one bind.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// As contracted; none: no bound of ours.
    contracted: Option<f64>,
    /// Now; none: no bound.
    rate: Option<f64>,
    /// Where there is no contracted rate, the bound is lifted beyond this one.
    lifted_at: f64,
    /// When the next part may go.
    next: Instant,
    paused_until: Instant,
    complaints: u32,
    complained_at: Option<Instant>,
    raised_at: Instant,
    /// Parts of the present second, for what the rate was when the SMSC complained.
    second: i64,
    parts: u32,
    parts_before: u32,
}

impl Pace {
    /// A pace of at most `contracted` parts a second.
    pub fn new(contracted: Option<u32>) -> Pace {
        let contracted = contracted.map(f64::from);
        Pace {
            contracted,
            rate: contracted,
            lifted_at: f64::INFINITY,
            next: Instant::EPOCH,
            paused_until: Instant::EPOCH,
            complaints: 0,
            complained_at: None,
            raised_at: Instant::EPOCH,
            second: 0,
            parts: 0,
            parts_before: 0,
        }
    }

    /// Until when nothing should be submitted, because the SMSC complained; none: go on.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        (self.paused_until > now).then_some(self.paused_until)
    }

    /// Asks to submit one part now. The error: when to ask again.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.paused_until(now) {
            return Err(until);
        }
        self.raise(now);
        if let Some(rate) = self.rate {
            if self.next > now {
                return Err(self.next);
            }
            // A part that was late by less than a second lends its time to the next, so that the rate is kept.
            self.next = self.next.max(now - Span::seconds(1)) + between(rate);
        }
        self.count(now);
        Ok(())
    }

    /// The SMSC says that it was too much.
    pub fn complained(&mut self, now: Instant) {
        if self.complained_at.is_some_and(|at| now.since(at) < ONE_COMPLAINT) {
            return;
        }
        let measured = f64::from(self.parts.max(self.parts_before).max(1));
        let rate = self.rate.map_or(measured, |rate| rate.min(measured));
        self.rate = Some((rate / 2.0).max(RATE_MIN));
        self.lifted_at = rate * 2.0;
        self.complaints = self.complaints.saturating_add(1);
        let pause = PAUSE_MIN.as_micros() << (self.complaints - 1).min(16);
        self.paused_until = now + Span::micros(pause).min(PAUSE_MAX);
        (self.complained_at, self.raised_at, self.next) = (Some(now), self.paused_until, self.paused_until);
    }

    /// It took a part.
    pub fn took(&mut self, now: Instant) {
        if self.complained_at.is_some_and(|at| now.since(at) >= RAISE_EVERY) {
            self.complaints = 0;
        }
    }

    fn raise(&mut self, now: Instant) {
        let Some(rate) = self.rate.filter(|rate| Some(*rate) != self.contracted) else { return };
        if now.since(self.raised_at) < RAISE_EVERY {
            return;
        }
        self.raised_at = now;
        let raised = rate * RAISE_BY;
        self.rate = match self.contracted {
            Some(contracted) => Some(raised.min(contracted)),
            None => Some(raised).filter(|raised| *raised < self.lifted_at),
        };
    }

    fn count(&mut self, now: Instant) {
        let second = now.as_seconds();
        if second != self.second {
            self.parts_before = if second == self.second + 1 { self.parts } else { 0 };
            (self.second, self.parts) = (second, 0);
        }
        self.parts = self.parts.saturating_add(1);
    }
}

fn between(rate: f64) -> Span {
    Span::micros((1_000_000.0 / rate) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_seconds(1_780_000_000) + Span::millis(millis)
    }

    /// Parts that go within a second from `from`, asked for every 10 ms.
    fn gone(pace: &mut Pace, from: i64) -> usize {
        (0..100).filter(|n| pace.take(at(from + n * 10)).is_ok()).count()
    }

    #[test]
    fn the_contracted_rate_is_kept() {
        let mut pace = Pace::new(Some(10));
        // The first second may use what the silence before it left over.
        assert!((10..=20).contains(&gone(&mut pace, 0)));
        for second in 1..10 {
            assert!((9..=11).contains(&gone(&mut pace, second * 1_000)), "second {second}");
        }
        let mut free = Pace::new(None);
        assert_eq!(gone(&mut free, 0), 100);
    }

    #[test]
    fn a_complaint_pauses_halves_and_is_forgotten_slowly() {
        let mut pace = Pace::new(None);
        assert_eq!(gone(&mut pace, 0), 100);
        pace.complained(at(1_000));
        for late in 1..50 {
            pace.complained(at(1_000 + late));
        }
        assert_eq!(pace.paused_until(at(1_500)), Some(at(2_000)), "many complaints at once are one");
        assert!(pace.take(at(1_999)).is_err());
        let after = gone(&mut pace, 2_000);
        assert!((45..=55).contains(&after), "half of 100, not {after}");
        pace.complained(at(3_000));
        assert_eq!(pace.paused_until(at(3_000)), Some(at(5_000)), "the second in a row");
        let quarter = gone(&mut pace, 5_000);
        assert!((20..=30).contains(&quarter), "a quarter, not {quarter}");
        // Without further complaints the bound rises, and is lifted in the end.
        let (mut last, mut second) = (quarter, 6);
        while last < 100 {
            let now = gone(&mut pace, second * 1_000);
            assert!(now + 5 >= last, "it never falls by itself: {now} after {last}");
            (last, second) = (now, second + 1);
            assert!(second < 200, "never lifted: {last}");
        }
        assert!(second > 30, "slowly: {second} seconds");
        pace.took(at(second * 1_000));
        pace.complained(at(second * 1_000));
        assert_eq!(pace.paused_until(at(second * 1_000)), Some(at((second + 1) * 1_000)), "the first again");
    }

    #[test]
    fn a_contracted_rate_is_regained_and_not_passed() {
        let mut pace = Pace::new(Some(20));
        gone(&mut pace, 0);
        pace.complained(at(1_000));
        for second in 2..200 {
            assert!(gone(&mut pace, second * 1_000) <= 21, "second {second}");
        }
        assert!(gone(&mut pace, 200_000) >= 19);
    }

    #[test]
    fn however_often_it_complains_something_goes() {
        let mut pace = Pace::new(Some(5));
        let mut now = 0;
        for _ in 0..40 {
            now += 70_000;
            assert!(pace.take(at(now)).is_ok());
            pace.complained(at(now));
            assert!(pace.paused_until(at(now)).expect("a pause") <= at(now + 60_000));
        }
    }
}
