//! Hours: "No person or entity shall initiate any telephone solicitation … before the hour of 8 a.m. or after 9 p.m.
//! (local time at the called party's location)" (47 CFR 64.1200(c)(1)), and the narrower ones of states, countries,
//! house, brand and person. They hold together: on every clock the person may read, all at once.

use jiff::tz::TimeZone;

use super::case::{Case, SEARCH};
use super::findings::{Findings, Ground};
use super::waiver;
use super::windows::{EVER, Group, Source, Window, around, intersect};
use crate::model::{Code, Instant, Span, WeekHours};
use crate::policy::value::{Hours, Waiver};
use crate::policy::{Rule, Value};

const PERSON: Ground<'_> = Ground { id: "person/hours", citation: "the person's own settings" };
const BRAND: Ground<'_> = Ground { id: "brand/hours", citation: "the brand's own limit" };

/// Everything demanded of the clocks of one case.
pub(super) struct Demands<'a> {
    /// First the person's clocks, then each clock a law names.
    groups: Vec<Group<'a>>,
}

impl<'a> Demands<'a> {
    pub fn of(case: &'a Case<'a>) -> Demands<'a> {
        if case.any_hour() {
            return Demands { groups: Vec::new() };
        }
        let wishes: Vec<&WeekHours> = if case.is_marketing() && case.automatic().is_none() {
            case.facts.reach.iter().filter_map(|person| person.preferences.hours.as_ref()).collect()
        } else {
            Vec::new()
        };
        let clocks = case.clocks.iter().map(|clock| (clock.name.as_str(), clock.zone)).collect();
        let mut groups = vec![Group { clocks, ..Group::default() }];
        for (rule, hours) in case.rules_soon().filter_map(hours_of) {
            // The person's own hours take the place of house hours that yield to them.
            if hours.person_may_widen && !wishes.is_empty() {
                continue;
            }
            if waiver::is_waived(case, hours) {
                continue;
            }
            match &hours.clock {
                None => demand(&mut groups[0], case.at, source(case, rule, hours)),
                Some(clock) => {
                    let clocks = case.engine.zones().get(clock).map(|zone| (clock.as_str(), zone));
                    let mut group = Group { clocks: clocks.into_iter().collect(), ..Group::default() };
                    demand(&mut group, case.at, source(case, rule, hours));
                    groups.push(group);
                }
            }
        }
        groups[0].steady.extend(wishes.into_iter().map(|week| always(PERSON, week)));
        if let Some(week) = case.facts.brand.profile.hours.as_ref().filter(|_| case.is_marketing()) {
            groups[0].steady.push(always(BRAND, week));
        }
        groups.retain(|group| !group.steady.is_empty() || !group.changing.is_empty());
        Demands { groups }
    }

    /// The common window around that instant; `None` when some demand forbids it. Without demands: for ever.
    pub fn open_at(&self, at: Instant) -> Option<Window> {
        let mut common = EVER;
        for group in &self.groups {
            let found = group.quick(at).or_else(|| around(&group.windows(at, at), at))?;
            common = Window { open: common.open.max(found.open), close: common.close.min(found.close) };
        }
        Some(common)
    }

    /// The first common window not yet over at `from`, opening no later than `until`. Most open within two days, so
    /// the whole time is looked at only when those have none.
    pub fn next_open(&self, from: Instant, until: Instant) -> Option<Window> {
        let soon = until.min(from + Span::days(2));
        self.first_open(from, soon).or_else(|| if soon < until { self.first_open(from, until) } else { None })
    }

    fn first_open(&self, from: Instant, until: Instant) -> Option<Window> {
        let mut common = vec![EVER];
        for group in &self.groups {
            common = intersect(&common, &group.windows(from, until));
        }
        common.into_iter().find(|w| w.close > from).filter(|w| w.open.max(from) <= until)
    }

    /// One reason for every demand that forbids the instant, with the first clock on which it does.
    pub fn explain(&self, at: Instant, until: Option<Instant>, findings: &mut Findings) {
        for group in &self.groups {
            for source in group.steady.iter().chain(&group.changing) {
                let forbids = group.clocks.iter().find(|(_, zone)| !source.permits(zone, at));
                if let Some((name, zone)) = forbids {
                    let (code, detail) = describe(name, zone, source, at);
                    findings.hold(source.ground, code, until, detail);
                }
            }
        }
    }
}

/// Sorts a demand by whether it holds all through the time a decision may look at.
fn demand<'a>(group: &mut Group<'a>, at: Instant, source: Source<'a>) {
    let days = Span::days(3);
    let list =
        if source.steady(at - days, at + SEARCH + days) { &mut group.steady } else { &mut group.changing };
    list.push(source);
}

fn hours_of(rule: &Rule) -> Option<(&Rule, &Hours)> {
    match &rule.value {
        Value::Hours(hours) => Some((rule, hours)),
        _ => None,
    }
}

fn source<'a>(case: &Case<'a>, rule: &'a Rule, hours: &'a Hours) -> Source<'a> {
    let calendar = hours.calendar.as_deref().and_then(|id| case.engine.policy().calendar(id));
    let holidays = calendar.zip(hours.holidays.as_ref());
    let night = hours.waived_by == Some(Waiver::NightConsent);
    Source { ground: rule.into(), week: &hours.week, holidays, night, from: rule.from, to: rule.to }
}

fn always<'a>(ground: Ground<'a>, week: &'a WeekHours) -> Source<'a> {
    Source {
        ground,
        week,
        holidays: None,
        night: false,
        from: Instant::from_micros(i64::MIN),
        to: Instant::from_micros(i64::MAX),
    }
}

fn describe(name: &str, zone: &TimeZone, source: &Source<'_>, at: Instant) -> (Code, String) {
    let local = zone.to_datetime(at.to_jiff());
    let minute = local.hour() as u16 * 60 + local.minute() as u16;
    let (hours, holiday) = source.on(local.date());
    let when = format!("{} {} in {}", local.strftime("%H:%M"), local.strftime("%A"), name);
    match holiday {
        Some(name) if source.week.on(local.weekday()).contains(minute) => {
            (Code::Holiday, format!("{when} is {name}; permitted {hours}"))
        }
        _ if source.night => {
            (Code::NightConsentMissing, format!("{when}; permitted {hours}, or with a consent to the night"))
        }
        _ => (Code::QuietHours, format!("{when}; permitted {hours}")),
    }
}

/// How far the search may look.
pub(super) fn horizon(at: Instant, ends: Option<Instant>) -> Instant {
    let week = at + SEARCH;
    ends.map_or(week, |end| week.min(end - Span::micros(1)))
}
