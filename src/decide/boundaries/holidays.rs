//! Holidays from a calendar's texts, by walking through days.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::civil;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Every day of the calendar in those years, as day numbers, observed days too. Days past the end of a listed calendar are
/// all in it.
pub fn days(calendar: &Json, years: std::ops::Range<i64>) -> Result<BTreeSet<i64>, String> {
    let mut all = BTreeSet::new();
    let observed: Vec<&str> =
        calendar["observed"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    // A day may be observed in the year before or after its own.
    for year in years.start - 1..years.end + 1 {
        for day in calendar["days"].as_array().into_iter().flatten() {
            let text = day["on"].as_str().ok_or("a day without a rule")?;
            if day["years"] == "even" && year % 2 != 0 {
                continue;
            }
            let found = on(text, year).ok_or_else(|| format!("{text:?} cannot be read"))?;
            let Some(found) = found else { continue };
            all.insert(found);
            for shift in &observed {
                let (weekday, moved) = match *shift {
                    "sunday_to_monday" => (6, found + 1),
                    "saturday_to_friday" => (5, found - 1),
                    "saturday_to_monday" => (5, found + 2),
                    "sunday_to_tuesday" => (6, found + 2),
                    other => return Err(format!("{other:?} is no observance")),
                };
                if civil::weekday(found) == weekday {
                    all.insert(moved);
                }
            }
        }
    }
    if let Some(end) = calendar["listed_to"].as_str() {
        let end = iso(end).ok_or_else(|| format!("{end:?} is no date"))?;
        all.extend(end + 1..civil::day_number(years.end + 1, 1, 1));
    }
    Ok(all)
}

/// The day of a rule in a year. Outer `None`: it cannot be read; inner: the year has none.
fn on(text: &str, year: i64) -> Option<Option<i64>> {
    if let Some(day) = iso(text) {
        let here = civil::day_number(year, 1, 1) <= day && day < civil::day_number(year + 1, 1, 1);
        return Some(here.then_some(day));
    }
    let (text, moved) = match text.rfind(['+', '-']) {
        Some(at) => (text[..at].trim_end(), text[at..].trim_start_matches('+').parse::<i64>().ok()?),
        None => (text, 0),
    };
    let words: Vec<&str> = text.split(' ').collect();
    let month = |name: &str| MONTHS.iter().position(|m| *m == name).map(|n| n as i64 + 1);
    let weekday = |name: &str| DAYS.iter().position(|d| *d == name).map(|n| n as i64);
    let from = |mut day: i64, wanted: i64| {
        while civil::weekday(day) != wanted {
            day += 1;
        }
        day
    };
    let nth = |n: &str, day: &str, m: &str| {
        let n = if n == "last" { -1 } else { n[..1].parse().ok()? };
        Some(civil::nth_weekday(year, month(m)?, n, weekday(day)?))
    };
    let day = match words[..] {
        ["easter"] => easter(year),
        [m, "29"] if m == "Feb" && !civil::is_leap(year) => return Some(None),
        [m, d] => civil::day_number(year, month(m)?, d.parse().ok()?),
        [day, "from", m, d] => from(civil::day_number(year, month(m)?, d.parse().ok()?), weekday(day)?),
        [n, day, m] => nth(n, day, m)?,
        [after, "after", n, day, m] => from(nth(n, day, m)? + 1, weekday(after)?),
        _ => return None,
    };
    Some(Some(day + moved))
}

fn iso(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [y, m, d] = parts[..] else { return None };
    (y.len() == 4).then(|| Some(civil::day_number(y.parse().ok()?, m.parse().ok()?, d.parse().ok()?)))?
}

/// Easter Sunday by the method of Meeus, Jones and Butcher.
fn easter(year: i64) -> i64 {
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let k = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * k) / 451;
    let n = h + k - 7 * m + 114;
    civil::day_number(year, n / 31, n % 31 + 1)
}
