//! The second reading of hours: rule files as they stand, by seconds on a wall.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::ZoneFiles;
use super::civil::{self, DAY};
use super::holidays;
use super::tzif::Offsets;
use crate::model::{Jurisdiction, ZoneName};
use crate::policy::PolicySet;
use crate::policy::file::RuleFile;

/// The hours that bind at one place on one clock.
pub struct Second {
    clock: Offsets,
    demands: Vec<Demand>,
    bans: Vec<(i64, i64)>,
}

/// One rule of hours.
struct Demand {
    /// Windows of each weekday from Monday on, in seconds of the day.
    week: [Vec<(i64, i64)>; 7],
    /// Days with other hours, and those hours.
    holidays: BTreeSet<i64>,
    on_holidays: Vec<(i64, i64)>,
    /// The clock the law names.
    clock: Option<Offsets>,
    from: i64,
    to: i64,
}

impl Second {
    /// Reads what binds marketing texts there; `years` is the first and how many.
    pub fn read(
        policy: &PolicySet,
        place: &Jurisdiction,
        zone: &ZoneName,
        files: ZoneFiles<'_>,
        years: (i64, i64),
    ) -> Result<Second, String> {
        let span = years.0..years.0 + years.1;
        let offsets = |zone: &str| {
            let data = files(zone).ok_or_else(|| format!("no zone file for {zone}"))?;
            Offsets::read(data, span.end + 1).map_err(|e| format!("{zone}: {e}"))
        };
        let country = place.country();
        let holds = |file: &&RuleFile| {
            // The trial's consent is an express one, so what an express consent lifts does not bind.
            let lifted = file.value["waived_by"] == "express_consent";
            let there = ["any", country, place.as_str()].contains(&file.jurisdiction.as_str());
            let json = serde_json::to_value(file).unwrap_or_default();
            let names =
                |key: &str, name: &str| json[key].as_array().is_some_and(|all| all.iter().any(|v| v == name));
            let kinds = file.sender_kinds.is_none() && !file.carts_only;
            !lifted && there && kinds && names("channels", "sms") && names("categories", "marketing")
        };
        let of_time = |file: &&RuleFile| matches!(file.kind.as_str(), "hours" | "ban");
        let rules = policy.rules().iter().map(|rule| policy.source(rule)).filter(of_time);
        let mut second = Second { clock: offsets(zone.as_str())?, demands: Vec::new(), bans: Vec::new() };
        for file in rules.filter(holds) {
            let told = |e: String| format!("{}: {e}", file.id);
            match file.kind.as_str() {
                "ban" => second.bans.push(ban(file).map_err(told)?),
                _ => second.demands.push(demand(policy, file, &offsets, span.clone()).map_err(told)?),
            }
        }
        Ok(second)
    }

    /// Whether every rule permits that second.
    pub fn permits(&self, at: i64) -> bool {
        let banned = self.bans.iter().any(|(from, to)| *from <= at && at < *to);
        !banned
            && self
                .demands
                .iter()
                .all(|demand| demand.permits(demand.clock.as_ref().unwrap_or(&self.clock), at))
    }

    /// Instants of that local day at which some rule opens, closes, or closes for us two seconds early.
    pub fn edges(&self, day: i64) -> Vec<i64> {
        let mut edges = BTreeSet::new();
        for demand in &self.demands {
            let clock = demand.clock.as_ref().unwrap_or(&self.clock);
            for (open, close) in demand.on(day) {
                edges.insert(later(clock, day * DAY + open));
                let close = earlier(clock, day * DAY + close);
                edges.extend([close - 2, close]);
            }
        }
        edges.into_iter().collect()
    }

    /// Clock changes within that time.
    pub fn changes(&self, from: i64, until: i64) -> Vec<i64> {
        self.clock.changes(from, until)
    }

    /// The local day of an instant.
    pub fn local_day(&self, at: i64) -> i64 {
        (at + self.clock.at(at)).div_euclid(DAY)
    }

    /// The instant the wall shows that second of that day.
    pub fn wall(&self, day: i64, second: i64) -> i64 {
        later(&self.clock, day * DAY + second)
    }

    /// Every holiday of any rule.
    pub fn holidays(&self) -> impl Iterator<Item = i64> {
        let all: BTreeSet<i64> =
            self.demands.iter().flat_map(|demand| demand.holidays.iter().copied()).collect();
        all.into_iter()
    }
}

impl Demand {
    /// The windows of a local day.
    fn on(&self, day: i64) -> Vec<(i64, i64)> {
        let week = &self.week[civil::weekday(day) as usize];
        if !self.holidays.contains(&day) {
            return week.clone();
        }
        let both = |a: &(i64, i64)| {
            self.on_holidays
                .iter()
                .map(|b| (a.0.max(b.0), a.1.min(b.1)))
                .filter(|(o, c)| o < c)
                .collect::<Vec<_>>()
        };
        week.iter().flat_map(both).collect()
    }

    fn permits(&self, clock: &Offsets, at: i64) -> bool {
        if at < self.from || self.to <= at {
            return true;
        }
        let today = (at + clock.at(at)).div_euclid(DAY);
        (today - 1..=today + 1).any(|day| {
            let windows = self.on(day);
            windows.iter().any(|(open, close)| {
                later(clock, day * DAY + open) <= at && at < earlier(clock, day * DAY + close) - 2
            })
        })
    }
}

/// The instants a wall time may mean: with the offset of the day before it, and with that of the day after.
fn meanings(clock: &Offsets, wall: i64) -> (i64, i64) {
    let (before, after) = (clock.at(wall - clock.at(wall) - DAY), clock.at(wall - clock.at(wall) + DAY));
    let (old, new) = (wall - before, wall - after);
    // One of the two is not what a clock would show, unless the hour is doubled or skipped: then both are kept.
    let (fits_old, fits_new) = (clock.at(old) == before, clock.at(new) == after);
    match (fits_old, fits_new) {
        (true, false) => (old, old),
        (false, true) => (new, new),
        _ => (old.min(new), old.max(new)),
    }
}

/// A doubled or skipped opening counts from the later instant.
fn later(clock: &Offsets, wall: i64) -> i64 {
    meanings(clock, wall).1
}

/// A doubled or skipped closing counts from the earlier one.
fn earlier(clock: &Offsets, wall: i64) -> i64 {
    meanings(clock, wall).0
}

fn demand(
    policy: &PolicySet,
    file: &RuleFile,
    offsets: &dyn Fn(&str) -> Result<Offsets, String>,
    years: std::ops::Range<i64>,
) -> Result<Demand, String> {
    let value = &file.value;
    let mut week: [Vec<(i64, i64)>; 7] = Default::default();
    for (day, windows) in ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().zip(&mut week) {
        *windows = spans(&value["week"][day])?;
    }
    let (mut closed, mut on_holidays) = (BTreeSet::new(), Vec::new());
    if let Some(id) = value["calendar"].as_str() {
        let calendar = policy.rule(id).ok_or_else(|| format!("no calendar {id}"))?;
        closed = holidays::days(&policy.source(calendar).value, years)?;
        on_holidays = spans(&value["holidays"])?;
    }
    let clock = value["clock"].as_str().map(offsets).transpose()?;
    let day = |date: jiff::civil::Date| {
        civil::day_number(i64::from(date.year()), i64::from(date.month()), i64::from(date.day())) * DAY
    };
    // A day is read as long as it lasts anywhere: from UTC+14 to UTC-12.
    let from = day(file.effective_from) - 14 * 3_600;
    let to = file.effective_to.map_or(i64::MAX, |date| day(date) + 36 * 3_600);
    Ok(Demand { week, holidays: closed, on_holidays, clock, from, to })
}

fn ban(file: &RuleFile) -> Result<(i64, i64), String> {
    let instant = |key: &str| {
        let text = file.value[key].as_str().unwrap_or_default();
        crate::model::Instant::parse(text).map(|at| at.as_seconds()).map_err(|e| format!("{key}: {e}"))
    };
    Ok((instant("from")?, instant("to")?))
}

/// `08:00-12:00,14:00-20:00` or `none` in seconds of the day.
fn spans(text: &Json) -> Result<Vec<(i64, i64)>, String> {
    let text = text.as_str().ok_or("hours that are no text")?;
    if text == "none" {
        return Ok(Vec::new());
    }
    let second = |text: &str| -> Option<i64> {
        let (hours, minutes) = text.trim().split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 3_600 + minutes.parse::<i64>().ok()? * 60)
    };
    let span = |text: &str| text.split_once('-').and_then(|(a, b)| Some((second(a)?, second(b)?)));
    text.split(',').map(|part| span(part).ok_or_else(|| format!("{part:?} are no hours"))).collect()
}
