//! What no policy, person or hour may bring about, tried on random cases. Failing cases are printed with their seed.

use proptest::prelude::*;
use std::sync::LazyLock;

use super::engine;
use crate::decide::{Engine, Expect, Situation, decide};
use crate::model::consent::{OptOut, OptOutScope, OptOutSource};
use crate::model::{
    Code, Facts, Instant, Medium, MessageState, Outcome, Request, Span, Touch, Verdict, WeekHours,
};
use crate::policy::{Layer, Value};

static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

const PLACES: [&str; 16] = [
    "us/fl", "us/ri", "us/la", "us/ut", "us/tx", "us/ky", "us/ms", "us/sd", "us/ne", "us/al", "us/pa",
    "us/tn", "us/ct", "us/de", "ca/on", "ca/nl",
];
const ZONES: [&str; 8] = [
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Toronto",
    "America/St_Johns",
    "Pacific/Honolulu",
];
const MEDIA: [Medium; 4] = [Medium::Sms, Medium::Push, Medium::Email, Medium::Ad];

#[derive(Debug, Clone)]
struct Random {
    /// Seconds from 2026-09-01 on, a little over four years.
    at: i64,
    places: Vec<&'static str>,
    zones: Vec<&'static str>,
    touches: Vec<(i64, Medium)>,
    wish: Option<(u16, u16)>,
    cart: Option<i64>,
    expires: Option<i64>,
    push: bool,
}

fn random() -> impl Strategy<Value = Random> {
    (
        0i64..130_000_000,
        prop::collection::vec(prop::sample::select(&PLACES[..]), 1..4),
        prop::collection::vec(prop::sample::select(&ZONES[..]), 1..3),
        prop::collection::vec((0i64..200_000, prop::sample::select(&MEDIA[..])), 0..5),
        prop::option::of((0u16..1300, 60u16..600)),
        prop::option::of(0i64..60),
        prop::option::of(1i64..200_000),
        any::<bool>(),
    )
        .prop_map(|(at, places, zones, touches, wish, cart, expires, push)| Random {
            at,
            places,
            zones,
            touches,
            wish,
            cart,
            expires,
            push,
        })
}

fn touch(at: Instant, medium: Medium) -> Touch {
    Touch {
        message: None,
        at,
        medium,
        brand: "main".parse().expect("a slug"),
        program: None,
        category: crate::model::Category::Marketing,
        cart: None,
        subject_matter: None,
        parts: 1,
        state: MessageState::Sent,
        external: true,
    }
}

fn build(random: &Random) -> (Facts, Request, Instant) {
    let zone = "America/New_York".parse().expect("a zone");
    let mut situation = Situation::ordinary("2026-10-20 12:00:00", zone, Expect::default());
    situation.places = random.places.iter().map(|p| p.parse().expect("a place")).collect();
    situation.zones = Some(random.zones.iter().map(|z| z.parse().expect("a zone")).collect());
    if random.push {
        situation.channel = crate::model::Channel::Push;
    }
    let (mut facts, mut req, _) = situation.build(ENGINE.zones()).expect("sense");
    let at = Instant::parse("2026-09-01T00:00:00Z").expect("RFC 3339") + Span::seconds(random.at);
    let given = at - Span::days(10);
    for consent in &mut facts.reach[0].consents {
        (consent.captured_at, consent.recorded_at, consent.confirmed_at) = (given, given, Some(given));
    }
    facts.reach[0].touches =
        random.touches.iter().map(|(ago, m)| touch(at - Span::seconds(*ago), *m)).collect();
    facts.reach[0].preferences.hours = random.wish.map(|(open, length)| {
        let close = (open + length).min(1440);
        let text = format!("{:02}:{:02}-{:02}:{:02}", open / 60, open % 60, close / 60, close % 60);
        WeekHours::daily(text.parse().expect("hours"))
    });
    facts.cart = random.cart.map(|hours| crate::model::facts::CartFacts {
        id: "cart".parse().expect("a name"),
        state: crate::model::facts::CartState::Open,
        abandoned_at: at - Span::hours(hours),
        updated_at: at - Span::hours(hours),
        value_micros: None,
        currency: None,
        sends: Vec::new(),
    });
    req.expires_at = random.expires.map(|seconds| at + Span::seconds(seconds));
    (facts, req, at)
}

fn judge(facts: &Facts, req: &Request, at: Instant) -> Verdict {
    decide(&ENGINE, facts, req, at)
}

/// Reads every wall clock and every rule by itself: no windows, no instants, no search.
fn forbidden(facts: &Facts, req: &Request, at: Instant) -> Option<String> {
    let wish = &facts.reach[0].preferences.hours;
    let in_place = |rule: &crate::policy::Rule| {
        rule.jurisdiction.as_ref().is_none_or(|there| {
            facts
                .place
                .jurisdictions
                .iter()
                .any(|here| here == there || here.parent().as_ref() == Some(there))
        })
    };
    for rule in ENGINE.policy().rules().iter().filter(|rule| rule.in_force(at) && in_place(rule)) {
        let Value::Hours(hours) = &rule.value else { continue };
        assert!(ENGINE.policy().source(rule).channels.contains(&req.channel));
        if rule.layer == Layer::House && hours.person_may_widen && wish.is_some() {
            continue;
        }
        let clocks = hours.clock.as_ref().map_or(facts.place.zones.as_slice(), std::slice::from_ref);
        for zone in clocks {
            let local = ENGINE.zones().get(zone).expect("bundled").to_datetime(at.to_jiff());
            let minute = local.hour() as u16 * 60 + local.minute() as u16;
            let calendar = hours.calendar.as_deref().and_then(|id| ENGINE.policy().calendar(id));
            let holiday = calendar.is_some_and(|c| c.name_on(local.date()).is_some());
            let closed = holiday && !hours.holidays.as_ref().is_some_and(|h| h.contains(minute));
            let wanted =
                wish.as_ref().is_none_or(|w| w.on(local.weekday()).contains(minute) || hours.clock.is_some());
            if closed || !hours.week.on(local.weekday()).contains(minute) || !wanted {
                return Some(format!("{} at {local} in {zone}", rule.id));
            }
        }
    }
    None
}

fn hours_speak(verdict: &Verdict) -> bool {
    verdict.has(&Code::QuietHours) || verdict.has(&Code::Holiday)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_is_admitted_at_a_forbidden_hour(random in random()) {
        let (facts, req, at) = build(&random);
        if judge(&facts, &req, at).outcome == Outcome::Admit {
            prop_assert_eq!(forbidden(&facts, &req, at), None);
        }
    }

    #[test]
    fn what_the_hours_forbid_is_said(random in random()) {
        let (facts, req, at) = build(&random);
        let verdict = judge(&facts, &req, at);
        if let Some(rule) = forbidden(&facts, &req, at) {
            prop_assert!(hours_speak(&verdict), "{} forbids it and nobody says so: {:?}", rule, verdict);
        }
    }

    #[test]
    fn the_end_of_a_hold_is_lawful(random in random()) {
        let (facts, req, at) = build(&random);
        let verdict = judge(&facts, &req, at);
        if let Some(until) = verdict.hold_until {
            prop_assert!(verdict.outcome == Outcome::Hold && until > at && until <= at + Span::days(7));
            prop_assert!(req.expires_at.is_none_or(|end| until < end));
            let then = judge(&facts, &req, until);
            prop_assert!(!hours_speak(&then), "{:?}", then);
            prop_assert_eq!(forbidden(&facts, &req, until), None);
            prop_assert_eq!(then.outcome, Outcome::Admit, "{:?}", then);
        }
    }

    #[test]
    fn until_send_not_after_it_stays_lawful(random in random(), share in 0u32..1000) {
        let (facts, req, at) = build(&random);
        let verdict = judge(&facts, &req, at);
        if let (Outcome::Admit, Some(end)) = (verdict.outcome, verdict.send_not_after) {
            prop_assert!(end > at);
            let left = end.since(at).as_micros().min(Span::days(7).as_micros()) - 1;
            let then = at + Span::micros(left / 1000 * i64::from(share));
            prop_assert_eq!(judge(&facts, &req, then).outcome, Outcome::Admit);
            prop_assert_eq!(judge(&facts, &req, at + Span::micros(left)).outcome, Outcome::Admit);
        }
    }

    #[test]
    fn more_knowledge_never_opens(random in random(), extra in (0usize..16, 0usize..8, 0i64..100_000, 0usize..4, 0u8..4)) {
        let (facts, req, at) = build(&random);
        let before = judge(&facts, &req, at).outcome;
        let (place, zone, ago, medium, what) = extra;
        let mut more = facts.clone();
        match what {
            0 => more.place.jurisdictions.push(PLACES[place].parse().expect("a place")),
            1 => more.place.zones.push(ZONES[zone].parse().expect("a zone")),
            2 => more.reach[0].touches.push(touch(at - Span::seconds(ago), MEDIA[medium])),
            _ => more.reach[0].opt_outs.push(OptOut {
                scope: OptOutScope::All,
                scope_named: false,
                source: OptOutSource::Web,
                received_at: at - Span::seconds(ago),
                recorded_at: at,
                sender: None,
                lifted_at: None,
                lifted_for: Vec::new(),
            }),
        }
        let after = judge(&more, &req, at).outcome;
        prop_assert!(after >= before || before == Outcome::Admit, "{:?} became {:?}", before, after);
        if what == 3 {
            prop_assert_eq!(after, Outcome::Refuse);
        }
    }

    #[test]
    fn no_argument_makes_it_panic(random in random(), at in any::<i64>(), ends in any::<i64>(), drains in any::<i64>()) {
        let (mut facts, mut req, _) = build(&random);
        req.expires_at = Some(Instant::from_micros(ends));
        facts.drains_at = Some(Instant::from_micros(drains));
        facts.reach[0].touches.push(touch(Instant::from_micros(drains), Medium::Email));
        for at in [Instant::from_micros(at), Instant::from_micros(i64::MIN), Instant::from_micros(i64::MAX)] {
            judge(&facts, &req, at);
        }
        facts.reach.clear();
        judge(&facts, &req, Instant::from_micros(at));
    }

    #[test]
    fn equal_arguments_give_equal_bytes(random in random()) {
        let (facts, req, at) = build(&random);
        // As the inputs of a decision are kept.
        let kept = serde_json::to_vec(&facts).expect("plain values");
        let read: Facts = serde_json::from_slice(&kept).expect("what was written");
        prop_assert_eq!(&read, &facts);
        let (first, second) = (judge(&facts, &req, at), judge(&read, &req, at));
        prop_assert!(first.reasons.is_sorted());
        let text = serde_json::to_string(&first).expect("JSON");
        prop_assert_eq!(&serde_json::from_str::<Verdict>(&text).expect("what was written"), &first);
        prop_assert_eq!(serde_json::to_vec(&first).expect("JSON"), serde_json::to_vec(&second).expect("JSON"));
    }
}
