//! Hours of a week: windows on the wire, hours of each day in the model.

use crate::api::field::Fields;
use crate::model::hours::{DayHours, WeekHours};
use crate::pb::consentry::v1::{DayOfWeek, LocalWindow};

/// Most windows one week takes: 4 a day.
const WINDOWS_MAX: usize = 28;

/// Reads windows; none stands for "no wish".
pub fn week(f: &mut Fields, field: &str, windows: Vec<LocalWindow>) -> Option<Option<WeekHours>> {
    if windows.is_empty() {
        return Some(None);
    }
    let windows = f.each(field, windows, 1..=WINDOWS_MAX, window)?;
    let day = |n: usize| {
        let mut spans: Vec<(u32, u32)> = windows.iter().filter(|w| w.2[n]).map(|w| (w.0, w.1)).collect();
        spans.sort_unstable();
        spans
    };
    let mut days = Vec::with_capacity(7);
    for (n, name) in NAMES.iter().enumerate() {
        match text(&day(n)).parse::<DayHours>() {
            Ok(hours) => days.push(hours),
            Err(e) => return f.refuse(field, format!("{name}: {e}")),
        }
    }
    let [mon, tue, wed, thu, fri, sat, sun] = days.try_into().ok()?;
    Some(Some(WeekHours { mon, tue, wed, thu, fri, sat, sun }))
}

const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// From, to, and the days it holds on.
fn window(f: &mut Fields, wire: LocalWindow) -> Option<(u32, u32, [bool; 7])> {
    let start = f.number("start_minute", wire.start_minute, 0..=1_439);
    let end = f.number("end_minute", wire.end_minute, 1..=1_440);
    let days = f.each("days", wire.days, 0..=7, |f, raw| f.choice::<DayOfWeek>("", raw));
    let (start, end, days) = (start?, end?, days?);
    f.no_repeats("days", days.iter().map(|day| *day as i32))?;
    if start >= end {
        return f.refuse("end_minute", "must lie after start_minute; a span over midnight is two windows");
    }
    let on = |n: i32| days.is_empty() || days.iter().any(|day| *day as i32 == n);
    Some((start, end, std::array::from_fn(|n| on(n as i32 + 1))))
}

fn text(spans: &[(u32, u32)]) -> String {
    if spans.is_empty() {
        return "none".to_owned();
    }
    let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let spans: Vec<String> =
        spans.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect();
    spans.join(",")
}

/// The windows of a week, one a span and day.
pub fn windows(hours: Option<&WeekHours>) -> Vec<LocalWindow> {
    let Some(hours) = hours else { return Vec::new() };
    let days = hours.days();
    (1..=7)
        .flat_map(|day| days[day - 1].spans().iter().map(move |span| (day, span)))
        .map(|(day, span)| LocalWindow {
            start_minute: span.open.into(),
            end_minute: span.close.into(),
            days: vec![day as i32],
        })
        .collect()
}
