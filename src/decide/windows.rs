//! Hours on wall clocks as spans of real time: the only place where local time becomes instants.
//!
//! A window closes 2 s early. Where clocks jump, the strict reading holds: a skipped or doubled opening counts from the
//! later instant, a skipped or doubled closing from the earlier one. So a window may be short on those days, never long.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::findings::Ground;
use crate::model::hours::{DayHours, DaySpan};
use crate::model::{Instant, Span, WeekHours};
use crate::policy::calendar::Calendar;

/// How long before its closing a window ends for us: hand-over takes time.
pub(super) const EARLY: Span = Span::seconds(2);

/// No demand at all. Its ends can be written down: a verdict that names one must read back as it was.
pub(super) const EVER: Window = Window { open: Instant::EPOCH, close: Instant::FAR_FUTURE };

/// A stretch of permitted time, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub open: Instant,
    pub close: Instant,
}

/// Hours somebody demands, on whatever clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub ground: Ground<'a>,
    pub week: &'a WeekHours,
    /// Days with other hours, and those hours.
    pub holidays: Option<(&'a Calendar, &'a DayHours)>,
    /// A consent to the night would lift it.
    pub night: bool,
    /// When the demand holds; outside it every minute is permitted.
    pub from: Instant,
    pub to: Instant,
}

impl<'a> Source<'a> {
    /// The hours of that day, and the holiday that changed them.
    pub fn on(&self, date: Date) -> (DayHours, Option<&'a str>) {
        let day = self.week.on(date.weekday());
        let Some((calendar, hours)) = self.holidays else { return (day.clone(), None) };
        match calendar.name_on(date) {
            Some(name) => (day.intersect(hours), Some(name)),
            None => (day.clone(), None),
        }
    }

    /// Whether it holds all through that time.
    pub fn steady(&self, from: Instant, until: Instant) -> bool {
        self.from <= from && until < self.to
    }

    /// Whether some day runs on into the next.
    fn open_at_midnight(&self) -> bool {
        self.week.days().iter().any(|day| day.spans().iter().any(|span| span.close == 1440))
    }

    /// Whether it alone permits the instant on that clock.
    pub fn permits(&self, zone: &TimeZone, at: Instant) -> bool {
        if at < self.from || self.to <= at {
            return true;
        }
        let date = zone.to_datetime(at.to_jiff()).date();
        let today = self.on(date).0;
        let mut windows = today.spans().iter().filter_map(|span| window(zone, date, *span)).map(early);
        windows.any(|w| w.open <= at && at < w.close)
            || (self.open_at_midnight() && around(&list(zone, &Days::of(&[*self], at, at)), at).is_some())
    }
}

/// The hours of some days in a row, everything demanded taken together.
struct Days {
    first: Date,
    hours: Vec<DayHours>,
}

impl Days {
    /// Enough days to cover the time on every clock on earth.
    fn of(sources: &[Source<'_>], from: Instant, until: Instant) -> Days {
        let day = |at: Instant, days: i64| {
            let utc = at.to_jiff().to_zoned(TimeZone::UTC).date();
            utc.saturating_add(jiff::Span::new().days(days))
        };
        let (first, last) = (day(from, -2), day(until, 2));
        let mut hours = Vec::with_capacity(14);
        let mut date = first;
        loop {
            hours.push(combined(sources, date));
            match date.tomorrow() {
                Ok(next) if next <= last => date = next,
                _ => return Days { first, hours },
            }
        }
    }
}

/// Clocks of which all demand the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Group<'a> {
    /// Their names and data.
    pub clocks: Vec<(&'a str, &'a TimeZone)>,
    /// Demands that hold all through the time looked at.
    pub steady: Vec<Source<'a>>,
    /// Demands that begin or end in it.
    pub changing: Vec<Source<'a>>,
}

impl Group<'_> {
    /// The common window around the instant, where the present day of every clock settles it.
    pub fn quick(&self, at: Instant) -> Option<Window> {
        if !self.changing.is_empty() {
            return None;
        }
        let mut known: Vec<(Date, DayHours)> = Vec::with_capacity(2);
        let mut common = EVER;
        for (_, zone) in &self.clocks {
            let date = zone.to_datetime(at.to_jiff()).date();
            let index = known.iter().position(|(d, _)| *d == date).unwrap_or_else(|| {
                known.push((date, combined(&self.steady, date)));
                known.len() - 1
            });
            let spans = known[index].1.spans().iter().filter(|span| span.close < 1440);
            let mut windows = spans.filter_map(|span| window(zone, date, *span)).map(early);
            let found = windows.find(|w| w.open <= at && at < w.close)?;
            common = Window { open: common.open.max(found.open), close: common.close.min(found.close) };
        }
        Some(common)
    }

    /// Every common window that touches the time given, in order.
    pub fn windows(&self, from: Instant, until: Instant) -> Vec<Window> {
        let mut all = vec![EVER];
        if !self.steady.is_empty() {
            let days = Days::of(&self.steady, from, until);
            for (_, zone) in &self.clocks {
                all = intersect(&all, &list(zone, &days));
            }
        }
        for source in &self.changing {
            let days = Days::of(std::slice::from_ref(source), from, until);
            for (_, zone) in &self.clocks {
                let inside = list(zone, &days).into_iter();
                all = intersect(&all, &with_open_ends(inside, source.from, source.to));
            }
        }
        all
    }
}

/// Windows of those days on that clock; those that touch are one before they close early.
fn list(zone: &TimeZone, days: &Days) -> Vec<Window> {
    let mut list: Vec<Window> = Vec::with_capacity(days.hours.len());
    let mut date = days.first;
    for hours in &days.hours {
        for next in hours.spans().iter().filter_map(|span| window(zone, date, *span)) {
            match list.last_mut() {
                Some(last) if last.close >= next.open => last.close = last.close.max(next.close),
                _ => list.push(next),
            }
        }
        let Ok(next) = date.tomorrow() else { break };
        date = next;
    }
    list.into_iter().map(early).collect()
}

fn combined(sources: &[Source<'_>], date: Date) -> DayHours {
    let mut sources = sources.iter();
    let first = sources.next().map_or_else(DayHours::all_day, |source| source.on(date).0);
    sources.fold(first, |hours, source| hours.intersect(&source.on(date).0))
}

/// The window that contains the instant.
pub(super) fn around(windows: &[Window], at: Instant) -> Option<Window> {
    windows.iter().copied().find(|w| w.open <= at && at < w.close)
}

fn early(window: Window) -> Window {
    Window { close: window.close - EARLY, ..window }
}

fn window(zone: &TimeZone, date: Date, span: DaySpan) -> Option<Window> {
    let open = wall(date, span.open).and_then(|wall| zone.to_ambiguous_timestamp(wall).later().ok())?;
    let close = wall(date, span.close).and_then(|wall| zone.to_ambiguous_timestamp(wall).earlier().ok())?;
    (open < close).then(|| Window { open: Instant::from_jiff(open), close: Instant::from_jiff(close) })
}

/// Minute 1440 is the midnight that ends the day.
fn wall(date: Date, minute: u16) -> Option<jiff::civil::DateTime> {
    if minute >= 1440 {
        return date.tomorrow().ok().map(|next| next.to_datetime(Time::midnight()));
    }
    let time = Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).ok()?;
    Some(date.to_datetime(time))
}

/// Windows of a demand that holds only for a time: before and after it everything is permitted.
fn with_open_ends(inside: impl Iterator<Item = Window>, from: Instant, to: Instant) -> Vec<Window> {
    let mut list = vec![Window { open: Instant::from_micros(i64::MIN), close: from }];
    let after = Window { open: to, close: Instant::from_micros(i64::MAX) };
    let clipped = inside.map(|w| Window { open: w.open.max(from), close: w.close.min(to) });
    for next in clipped.filter(|w| w.open < w.close).chain([after]) {
        match list.last_mut() {
            Some(last) if last.close >= next.open => last.close = last.close.max(next.close),
            _ => list.push(next),
        }
    }
    list
}

/// Time permitted by both; both lists are in order.
pub(super) fn intersect(a: &[Window], b: &[Window]) -> Vec<Window> {
    let (mut i, mut j, mut both) = (0, 0, Vec::with_capacity(a.len().min(b.len())));
    while i < a.len() && j < b.len() {
        let (open, close) = (a[i].open.max(b[j].open), a[i].close.min(b[j].close));
        if open < close {
            both.push(Window { open, close });
        }
        if a[i].close <= b[j].close { i += 1 } else { j += 1 }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Zones;

    fn windows(zone: &str, hours: &str, from: &str, hours_ahead: i64) -> Vec<String> {
        let zones = Zones::bundled();
        let week = WeekHours::daily(hours.parse().expect("hours"));
        let source = Source {
            ground: Ground { id: "x", citation: "x" },
            week: &week,
            holidays: None,
            night: false,
            from: Instant::from_micros(i64::MIN),
            to: Instant::FAR_FUTURE,
        };
        let name = zone.parse().expect("a zone");
        let clocks = vec![(zone, zones.get(&name).expect("bundled"))];
        let group = Group { clocks, steady: vec![source], changing: Vec::new() };
        let from = Instant::parse(from).expect("RFC 3339");
        let until = from + Span::hours(hours_ahead);
        let near = |w: &Window| w.close > from && w.open < until;
        group
            .windows(from, until)
            .iter()
            .filter(|w| near(w))
            .map(|w| format!("{} {}", w.open, w.close))
            .collect()
    }

    #[test]
    fn ordinary_days_and_days_on_which_clocks_change() {
        let spring = windows("America/New_York", "08:00-20:00", "2026-03-08T05:00:00Z", 20);
        assert_eq!(spring, ["2026-03-08T12:00:00Z 2026-03-08T23:59:58Z"]);
        let autumn = windows("America/New_York", "08:00-20:00", "2026-11-01T04:00:00Z", 20);
        assert_eq!(autumn, ["2026-11-01T13:00:00Z 2026-11-02T00:59:58Z"]);
    }

    #[test]
    fn skipped_and_doubled_hours_are_read_strictly() {
        // 02:30 does not exist on this day: opening counts from 03:30, closing from 01:30 before the jump.
        let skipped = windows("America/New_York", "02:30-05:00", "2026-03-08T05:00:00Z", 20);
        assert_eq!(skipped, ["2026-03-08T07:30:00Z 2026-03-08T08:59:58Z"]);
        let skipped = windows("America/New_York", "00:30-02:30", "2026-03-08T05:00:00Z", 20);
        assert_eq!(skipped, ["2026-03-08T05:30:00Z 2026-03-08T06:29:58Z"]);
        // 01:30 comes twice: opening counts from the second, closing from the first.
        let doubled = windows("America/New_York", "01:30-05:00", "2026-11-01T04:00:00Z", 20);
        assert_eq!(doubled, ["2026-11-01T06:30:00Z 2026-11-01T09:59:58Z"]);
    }

    #[test]
    fn days_without_a_closing_run_into_each_other() {
        let all = windows("America/Denver", "00:00-24:00", "2026-06-01T00:00:00Z", 72);
        assert_eq!(all.len(), 1, "{all:?}");
    }

    #[test]
    fn intersections_keep_order() {
        let w =
            |open, close| Window { open: Instant::from_seconds(open), close: Instant::from_seconds(close) };
        let both = intersect(&[w(0, 10), w(20, 30)], &[w(5, 25), w(28, 40)]);
        assert_eq!(both, [w(5, 10), w(20, 25), w(28, 30)]);
    }
}
