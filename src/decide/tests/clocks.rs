//! Days on which clocks change, in every zone of every US state and territory, for ten years, against a computation of
//! its own: the Energy Policy Act's rule (second Sunday of March to first Sunday of November, 02:00) and fixed offsets.

use jiff::civil::{Date, Weekday};

use super::engine;
use crate::decide::{Engine, Expect, Situation, decide};
use crate::model::{DayHours, Instant, Outcome, Span};
use crate::policy::Value;

/// Standard offset from UTC in hours, and whether clocks change.
fn offset(zone: &str) -> Option<(i64, bool)> {
    Some(match zone {
        "America/New_York" | "America/Detroit" | "America/Kentucky/Louisville" => (-5, true),
        "America/Indiana/Indianapolis" => (-5, true),
        "America/Chicago" | "America/Menominee" => (-6, true),
        "America/Denver" | "America/Boise" => (-7, true),
        "America/Phoenix" => (-7, false),
        "America/Los_Angeles" => (-8, true),
        "America/Anchorage" => (-9, true),
        "America/Adak" => (-10, true),
        "Pacific/Honolulu" => (-10, false),
        "Pacific/Pago_Pago" => (-11, false),
        "America/Puerto_Rico" | "America/St_Thomas" => (-4, false),
        "Pacific/Guam" | "Pacific/Saipan" => (10, false),
        _ => return None,
    })
}

fn sunday(year: i16, month: i8, n: i8) -> Date {
    let first = Date::new(year, month, 1).expect("a date");
    first.nth_weekday_of_month(n, Weekday::Sunday).expect("a Sunday")
}

/// The instant a wall shows that minute of that day; no window opens or closes in the hours that jump.
fn instant(zone: &str, date: Date, minute: i64) -> Instant {
    let (standard, changes) = offset(zone).expect("a US zone");
    let (spring, autumn) = (sunday(date.year(), 3, 2), sunday(date.year(), 11, 1));
    let summer = changes && date >= spring && date < autumn;
    let days = i64::from((date - Date::constant(1970, 1, 1)).get_days());
    let hours = standard + i64::from(summer);
    Instant::EPOCH + Span::days(days) + Span::minutes(minute) - Span::hours(hours)
}

fn at(engine: &Engine, place: &str, zone: &str, at: Instant) -> Outcome {
    let situation = Situation {
        places: vec![place.parse().expect("a place")],
        ..Situation::ordinary("2026-10-20 12:00:00", zone.parse().expect("a zone"), Expect::default())
    };
    let (mut facts, req, _) = situation.build(engine.zones()).expect("sense");
    for consent in &mut facts.reach[0].consents {
        (consent.captured_at, consent.recorded_at, consent.confirmed_at) =
            (Instant::EPOCH, Instant::EPOCH, None);
        consent.double_opt_in = crate::model::DoubleOptIn::None;
    }
    facts.reach[0].used_at = Some(at - Span::days(1));
    for check in &mut facts.reach[0].checks {
        check.asked_at = at - Span::hours(1);
    }
    decide(engine, &facts, &req, at).outcome
}

/// The hours of that place and day: its own rule's, the federal and the house's.
fn hours(engine: &Engine, place: &str, date: Date) -> DayHours {
    let rules = ["house/quiet_hours".to_owned(), "us/quiet_hours".to_owned(), format!("{place}/quiet_hours")];
    rules.iter().filter_map(|id| engine.policy().rule(id)).fold(DayHours::all_day(), |day, rule| {
        let Value::Hours(hours) = &rule.value else { panic!("{} is no rule of hours", rule.id) };
        day.intersect(hours.week.on(date.weekday()))
    })
}

#[test]
fn both_edges_around_every_clock_change_of_ten_years() {
    let engine = engine();
    let (mut checked, mut wrong) = (0, Vec::new());
    for (place, known) in engine.policy().places() {
        if place.region().is_none() || place.country() != "us" {
            continue;
        }
        // Mississippi's clock is the law's, not the person's; its vectors look after it.
        for zone in known.zones.iter().filter(|_| place.as_str() != "us/ms") {
            for year in 2026..=2035i16 {
                for change in [sunday(year, 3, 2), sunday(year, 11, 1)] {
                    for date in [change.yesterday(), Ok(change), change.tomorrow()].into_iter().flatten() {
                        for span in hours(&engine, place.as_str(), date).spans() {
                            let open = instant(zone.as_str(), date, i64::from(span.open));
                            let close = instant(zone.as_str(), date, i64::from(span.close));
                            for (when, wanted) in [
                                (open - Span::seconds(1), Outcome::Hold),
                                (open, Outcome::Admit),
                                (close - Span::seconds(3), Outcome::Admit),
                                (close - Span::seconds(2), Outcome::Hold),
                            ] {
                                checked += 1;
                                let found = at(&engine, place.as_str(), zone.as_str(), when);
                                if found != wanted {
                                    wrong.push(format!("{place} {zone} {when}: {found:?}, not {wanted:?}"));
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}: {}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    assert!(checked > 15_000, "only {checked} instants");
}

#[test]
fn every_us_zone_of_the_packs_is_in_the_table() {
    for (place, known) in engine().policy().places() {
        for zone in known.zones.iter().filter(|_| place.country() == "us") {
            assert!(offset(zone.as_str()).is_some(), "{place}: {zone}");
        }
    }
}

/// Offset from UTC in seconds by the data of `chrono-tz`, which is another reader of another release.
fn elsewhere(zone: &str, at: i64) -> i64 {
    use chrono::{Offset, TimeZone};
    let zone: chrono_tz::Tz = zone.parse().expect("chrono-tz knows it");
    let local = zone.timestamp_opt(at, 0).single().expect("an instant");
    i64::from(local.offset().fix().local_minus_utc())
}

#[test]
fn another_reader_agrees_on_every_zone_but_those_changed_since() {
    let engine = engine();
    let mut differ = std::collections::BTreeSet::new();
    let start = Instant::parse("2026-11-01T00:00:00Z").expect("RFC 3339").as_seconds();
    for place in engine.policy().places().values() {
        for name in &place.zones {
            let zone = engine.zones().get(name).expect("bundled");
            for half_day in 0..7_300 {
                let at = start + half_day * 43_200;
                let ours = zone.to_offset(Instant::from_seconds(at).to_jiff()).seconds();
                if i64::from(ours) != elsewhere(name.as_str(), at) {
                    differ.insert(name.as_str().to_owned());
                    break;
                }
            }
        }
    }
    // chrono-tz 0.10.4 carries release 2025b; western Canada stopped changing its clocks in 2026.
    let differ: Vec<&str> = differ.iter().map(String::as_str).collect();
    assert_eq!(differ, CHANGED_SINCE, "{}", engine.zones().version());
}

const CHANGED_SINCE: [&str; 5] =
    ["America/Edmonton", "America/Inuvik", "America/Vancouver", "America/Winnipeg", "America/Yellowknife"];
