//! One throttle group: how fast and how much may leave, whatever waits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::model::registry::ThrottleGroup;
use crate::model::{Instant, Span};

/// governor's clock, set from ours before each question: nothing here reads the time of the system.
#[derive(Debug, Clone)]
struct HandedClock(Arc<AtomicU64>);

impl Clock for HandedClock {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

/// Rate and daily cap of one throttle group.
pub struct Lane {
    group: ThrottleGroup,
    limiter: RateLimiter<NotKeyed, InMemoryState, HandedClock, NoOpMiddleware<Nanos>>,
    clock: HandedClock,
    /// Largest number of parts that can ever leave at once.
    burst: u32,
    /// Local date of the cap's zone, and parts that left on it.
    today: (String, u64),
}

/// Parts per second of a group, at least one in 1,000 seconds.
fn quota(group: &ThrottleGroup) -> (Quota, u32) {
    let milli = group.milli_parts_per_second.clamp(1, 100_000_000);
    let period = Duration::from_nanos(1_000_000_000_000 / milli);
    // A second's worth at once, and always room for a text of ten parts.
    let burst = u32::try_from(milli / 1_000).unwrap_or(u32::MAX).max(10);
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
    (quota.allow_burst(burst), burst.get())
}

impl Lane {
    /// A lane that has sent nothing yet, at `now`.
    pub fn new(group: ThrottleGroup, now: Instant) -> Lane {
        let clock = HandedClock(Arc::new(AtomicU64::new(nanos(now))));
        let (quota, burst) = quota(&group);
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        Lane { group, limiter, clock, burst, today: (String::new(), 0) }
    }

    /// The group it works for.
    pub fn group(&self) -> &ThrottleGroup {
        &self.group
    }

    /// Tells the lane what left on the cap's local date; called when the date changes and after a restart.
    pub fn set_day(&mut self, date: String, parts: u64) {
        self.today = (date, parts);
    }

    /// The local date the lane counts on.
    pub fn day(&self) -> &str {
        &self.today.0
    }

    /// Takes tokens for a message of that many parts; without them says when it is worth asking again.
    pub fn take(&mut self, parts: u32, now: Instant) -> Result<(), Wait> {
        self.clock.0.store(nanos(now), Ordering::Relaxed);
        if let Some(cap) = self.group.parts_per_day
            && self.today.1 + u64::from(parts) > cap
        {
            return Err(Wait::Tomorrow);
        }
        let wanted = NonZeroU32::new(parts.clamp(1, self.burst)).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_n(wanted) {
            Ok(Ok(())) => {
                self.today.1 += u64::from(parts);
                Ok(())
            }
            Ok(Err(early)) => {
                let wait = early.wait_time_from(self.clock.now());
                Err(Wait::For(Span::micros(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX).max(1_000))))
            }
            // More parts than the burst: clamped above, so it cannot be; wait a second rather than spin.
            Err(_) => Err(Wait::For(Span::seconds(1))),
        }
    }
}

/// Why a permit was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The rate is used up for so long.
    For(Span),
    /// The day's cap is used up.
    Tomorrow,
}

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(milli: u64, cap: Option<u64>) -> ThrottleGroup {
        ThrottleGroup {
            id: "g".to_owned(),
            milli_parts_per_second: milli,
            parts_per_day: cap,
            reset_zone: "America/Los_Angeles".to_owned(),
        }
    }

    #[test]
    fn a_lane_never_exceeds_its_rate_over_time() {
        for milli in [100, 1_250, 4_000, 75_000] {
            let start = Instant::from_seconds(1_800_000_000);
            let mut lane = Lane::new(group(milli, None), start);
            let (mut now, mut sent) = (start, 0u64);
            while now < start + Span::seconds(100) {
                match lane.take(1, now) {
                    Ok(()) => sent += 1,
                    Err(Wait::For(wait)) => now = now + wait,
                    Err(Wait::Tomorrow) => unreachable!("there is no cap"),
                }
            }
            let burst = (milli / 1_000).max(10);
            assert!(sent <= milli / 10 + burst + 1, "{milli}: {sent}");
            assert!(sent >= milli / 10, "{milli}: {sent}");
        }
    }

    #[test]
    fn the_daily_cap_counts_parts_and_starts_anew() {
        let now = Instant::from_seconds(1_800_000_000);
        let mut lane = Lane::new(group(1_000_000, Some(5)), now);
        lane.set_day("2027-01-15".to_owned(), 1);
        assert_eq!(lane.take(3, now), Ok(()));
        assert_eq!(lane.take(2, now), Err(Wait::Tomorrow));
        assert_eq!(lane.take(1, now), Ok(()));
        lane.set_day("2027-01-16".to_owned(), 0);
        assert_eq!(lane.take(5, now), Ok(()));
    }

    #[test]
    fn drain_time_is_parts_over_rate() {
        assert_eq!(group(4_000, None).drain_time(400), Span::seconds(100));
    }
}
