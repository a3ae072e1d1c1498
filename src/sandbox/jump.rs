//! Where the clock may jump: on by a span, or on to an hour of some place.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::model::{Instant, Span};

/// Farthest single jump: a bit over a month keeps what is held alive and the demonstration honest.
const SPAN_SECONDS_MAX: i64 = 32 * 86_400;

/// A jump, always forward.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Jump {
    /// On by this many seconds, 1 to 2,764,800.
    By {
        /// Seconds to go on.
        seconds: i64,
    },
    /// On to the next time the clocks of `zone` show `time`.
    To {
        /// An IANA zone name.
        zone: String,
        /// A time of day, as in `09:00`.
        time: String,
    },
}

/// Why a jump leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JumpError {
    /// Zero, backwards or too far.
    #[error("the clock moves forward only, by 1 second to 32 days")]
    Span,
    /// Not a zone we know.
    #[error("`{0}` is not a time zone")]
    Zone(String),
    /// Not a time of day.
    #[error("`{0}` is not a time of day such as 09:00")]
    Time(String),
}

impl Jump {
    /// The instant it leads to from `now`, always later than `now`.
    pub fn target(&self, now: Instant) -> Result<Instant, JumpError> {
        match self {
            Jump::By { seconds } if (1..=SPAN_SECONDS_MAX).contains(seconds) => {
                Ok(now + Span::seconds(*seconds))
            }
            Jump::By { .. } => Err(JumpError::Span),
            Jump::To { zone, time } => next_time(now, zone, time),
        }
    }
}

/// The next instant after `now` at which clocks in `zone` show `time`. A time that a change of clocks skips that
/// day is taken as long after midnight as it says.
fn next_time(now: Instant, zone: &str, time: &str) -> Result<Instant, JumpError> {
    let tz = TimeZone::get(zone).map_err(|_| JumpError::Zone(zone.to_owned()))?;
    let time = Time::strptime("%H:%M", time).map_err(|_| JumpError::Time(time.to_owned()))?;
    let mut day = now.to_jiff().to_zoned(tz.clone()).date();
    for _ in 0..3 {
        let at = day.to_datetime(time).to_zoned(tz.clone()).map_err(|_| JumpError::Span)?;
        let at = Instant::from_jiff(at.timestamp());
        if at > now {
            return Ok(at);
        }
        day = day.tomorrow().map_err(|_| JumpError::Span)?;
    }
    Err(JumpError::Span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(now: &str, zone: &str, time: &str) -> String {
        let jump = Jump::To { zone: zone.to_owned(), time: time.to_owned() };
        jump.target(Instant::parse(now).expect(now)).expect("a target").to_string()
    }

    #[test]
    fn the_next_nine_in_the_morning_is_today_or_tomorrow() {
        let ny = "America/New_York";
        assert_eq!(to("2026-11-22T02:00:00Z", ny, "09:00"), "2026-11-22T14:00:00Z");
        assert_eq!(to("2026-11-22T14:00:00Z", ny, "09:00"), "2026-11-23T14:00:00Z");
        assert_eq!(to("2026-11-22T14:00:00Z", "America/Phoenix", "21:04"), "2026-11-23T04:04:00Z");
    }

    #[test]
    fn days_on_which_clocks_change() {
        let ny = "America/New_York";
        assert_eq!(to("2026-03-08T05:30:00Z", ny, "09:00"), "2026-03-08T13:00:00Z");
        assert_eq!(to("2026-03-08T05:30:00Z", ny, "02:30"), "2026-03-08T07:30:00Z", "02:30 does not exist");
        assert_eq!(to("2026-11-01T04:30:00Z", ny, "01:30"), "2026-11-01T05:30:00Z", "01:30 comes twice");
    }

    #[test]
    fn backwards_far_and_nonsense_lead_nowhere() {
        let now = Instant::parse("2026-11-22T02:00:00Z").expect("an instant");
        for seconds in [0, -1, i64::MIN, SPAN_SECONDS_MAX + 1] {
            assert_eq!(Jump::By { seconds }.target(now), Err(JumpError::Span));
        }
        let jump = |zone: &str, time: &str| Jump::To { zone: zone.into(), time: time.into() }.target(now);
        assert!(matches!(jump("Mars/Olympus", "09:00"), Err(JumpError::Zone(_))));
        assert!(matches!(jump("UTC", "25:00"), Err(JumpError::Time(_))));
    }
}
