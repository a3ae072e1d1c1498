//! An instant on the UTC time line, and spans between instants. Local time is `jiff`'s work, asked for here.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

mod text;

/// Microseconds since 1970-01-01T00:00:00Z. Always an argument; only `clock.rs` reads the present one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match text::Text::of(*self) {
            _ if !to.is_human_readable() => self.0.serialize(to),
            Some(text) => to.serialize_str(text.as_str()),
            None => to.collect_str(self),
        }
    }
}
impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            return i64::deserialize(from).map(Self);
        }
        super::text::read_with(from, Instant::parse)
    }
}

/// A signed length of time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// A span of whole microseconds.
    pub const fn micros(n: i64) -> Span {
        Span(n)
    }
    /// A span of whole milliseconds.
    pub const fn millis(n: i64) -> Span {
        Span(n * 1_000)
    }
    /// A span of whole seconds.
    pub const fn seconds(n: i64) -> Span {
        Span(n * 1_000_000)
    }
    /// A span of whole minutes.
    pub const fn minutes(n: i64) -> Span {
        Span::seconds(n * 60)
    }
    /// A span of whole hours.
    pub const fn hours(n: i64) -> Span {
        Span::minutes(n * 60)
    }
    /// A span of 24-hour days (not calendar days).
    pub const fn days(n: i64) -> Span {
        Span::hours(n * 24)
    }
    /// The span in microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// The span in whole seconds, rounded towards zero.
    pub const fn as_seconds(self) -> i64 {
        self.0 / 1_000_000
    }
    /// A duration of the standard library, in whole microseconds.
    pub fn from_std(time: std::time::Duration) -> Span {
        Span::micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
    }
    /// As a standard duration; negative spans become zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0.max(0) as u64)
    }
}

impl Instant {
    /// The second it falls in, for sentences people read: they have no use for microseconds.
    pub const fn to_second(self) -> Instant {
        Instant(self.0.saturating_sub(self.0.rem_euclid(1_000_000)))
    }
    /// The beginning of Unix time.
    pub const EPOCH: Instant = Instant(0);
    /// Later than any instant a message can carry (year 9999), still a valid timestamp everywhere.
    pub const FAR_FUTURE: Instant = Instant(253_402_207_200_000_000);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(n: i64) -> Instant {
        Instant(n)
    }
    /// From whole seconds since the Unix epoch.
    pub const fn from_seconds(n: i64) -> Instant {
        Instant(n * 1_000_000)
    }
    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// As a `jiff` timestamp, for zone arithmetic; clamped to the years jiff knows.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
    /// From a `jiff` timestamp; what is finer than a microsecond is dropped.
    pub fn from_jiff(t: jiff::Timestamp) -> Instant {
        Instant(t.as_microsecond())
    }
    /// Parses RFC 3339, as in `2026-11-22T21:04:00Z`.
    pub fn parse(text: &str) -> Result<Instant, jiff::Error> {
        match text::read(text) {
            Some(instant) => Ok(instant),
            None => text.parse::<jiff::Timestamp>().map(Instant::from_jiff),
        }
    }
    /// How long ago `earlier` was; negative when it lies ahead.
    pub const fn since(self, earlier: Instant) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Instant {
    type Output = Instant;
    fn add(self, span: Span) -> Instant {
        Instant(self.0.saturating_add(span.0))
    }
}
impl Sub<Span> for Instant {
    type Output = Instant;
    fn sub(self, span: Span) -> Instant {
        Instant(self.0.saturating_sub(span.0))
    }
}
impl fmt::Display for Instant {
    /// RFC 3339 in UTC, to the microsecond where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text::Text::of(*self) {
            Some(text) => f.write_str(text.as_str()),
            None => write!(f, "{}", self.to_jiff()),
        }
    }
}
impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0 as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let at = Instant::parse("2026-11-22T21:04:00.000001Z").expect("RFC 3339");
        assert_eq!(at.to_string(), "2026-11-22T21:04:00.000001Z");
        assert_eq!((at + Span::hours(1)).since(at), Span::hours(1));
        assert_eq!(Instant::FAR_FUTURE.to_string(), "9999-12-30T22:00:00Z");
    }
}
