//! Timestamps, spans and lengths of time.

use prost_types::{Duration, Timestamp};

use super::Fields;
use crate::model::{Instant, Span};

/// 2000-01-01T00:00:00Z: nothing this product deals with is older.
const EARLIEST: Instant = Instant::from_seconds(946_684_800);

/// How far a caller's clock may run ahead.
const CLOCK_SKEW: Span = Span::minutes(5);

/// Which instants a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeRule {
    /// Since 2000, and not more than 5 minutes ahead.
    Happened,
    /// Not more than the span ago, and not more than 5 minutes ahead.
    HappenedWithin(Span),
    /// Ahead of now, by at most the span.
    AheadBy(Span),
    /// Since 2000 and not ahead of now at all: what was known then.
    Known,
    /// Anything since 2000 that a calendar holds.
    Any,
}

impl TimeRule {
    fn refusal(self, at: Instant, now: Instant) -> Option<String> {
        let ahead = at.since(now);
        let late = |limit: Span| ahead > limit;
        match self {
            _ if at < EARLIEST => Some(format!("must not lie before {EARLIEST}, is {at}")),
            TimeRule::Happened if late(CLOCK_SKEW) => {
                Some(format!("must not lie ahead of now ({now}), is {at}"))
            }
            TimeRule::HappenedWithin(span) if late(CLOCK_SKEW) || now.since(at) > span => {
                Some(format!("must lie between {} and now, is {at}", now - span))
            }
            TimeRule::AheadBy(span) if ahead <= Span::ZERO || late(span) => {
                Some(format!("must lie between now ({now}) and {}, is {at}", now + span))
            }
            TimeRule::Known if late(Span::ZERO) => {
                Some(format!("must not lie ahead of now ({now}), is {at}"))
            }
            _ => None,
        }
    }
}

impl Fields {
    /// An instant that may be unset.
    pub fn time(&mut self, field: &str, wire: Option<Timestamp>, rule: TimeRule) -> Option<Option<Instant>> {
        let Some(wire) = wire else { return Some(None) };
        let Some(at) = instant(&wire) else {
            return self.refuse(field, "is no timestamp: years 1 to 9999, nanos 0 to 999,999,999");
        };
        match rule.refusal(at, self.now()) {
            Some(refusal) => self.refuse(field, refusal),
            None => Some(Some(at)),
        }
    }

    /// An instant that must be set.
    pub fn required_time(&mut self, field: &str, wire: Option<Timestamp>, rule: TimeRule) -> Option<Instant> {
        match self.time(field, wire, rule)? {
            Some(at) => Some(at),
            None => self.refuse(field, "is required"),
        }
    }

    /// An instant; unset means now.
    pub fn time_or_now(&mut self, field: &str, wire: Option<Timestamp>, rule: TimeRule) -> Option<Instant> {
        let now = self.now();
        self.time(field, wire, rule).map(|at| at.unwrap_or(now))
    }

    /// A length of time from `least` to `most` that may be unset.
    pub fn span(
        &mut self,
        field: &str,
        wire: Option<Duration>,
        least: Span,
        most: Span,
    ) -> Option<Option<Span>> {
        let Some(wire) = wire else { return Some(None) };
        let span = wire
            .seconds
            .checked_mul(1_000_000)
            .and_then(|us| us.checked_add(i64::from(wire.nanos) / 1_000))
            .map(Span::micros);
        match span {
            Some(span) if least <= span && span <= most => Some(Some(span)),
            _ => {
                let (least, most) = (least.as_seconds(), most.as_seconds());
                self.refuse(field, format!("must be {least} to {most} seconds"))
            }
        }
    }
}

/// The instant a wire timestamp names; none when it is outside the calendar.
pub fn instant(wire: &Timestamp) -> Option<Instant> {
    let nanos = (0..1_000_000_000).contains(&wire.nanos).then_some(i64::from(wire.nanos))?;
    let micros = wire.seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?;
    let known = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(Instant::from_jiff(known))
}
