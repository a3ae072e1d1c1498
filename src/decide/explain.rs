//! Which rules hold for a number, a kind of sender and an instant, why these, and when a message would be let go next.
//!
//! What only the message or the person decides (consent, text, answers about the number) is taken to be in order, so
//! that what is left is place, time and the rules themselves. The verdict is that of [`super::decide`].

use serde::Serialize;

use super::case::Case;
use super::engine::Engine;
use super::situation::{CartLine, Expect, Length, Situation, SituationError};
use crate::model::consent::{Category, Channel};
use crate::model::facts::{CartState, CheckAnswer, NumberCheck, NumberFacts, SenderKind};
use crate::model::location::{LocationHint, LocationSource};
use crate::model::phone::ParsedNumber;
use crate::model::verdict::{Effect, Reason};
use crate::model::{Facts, Instant, Jurisdiction, Outcome, Span};
use crate::place;
use crate::policy::sentence::sentence;
use crate::policy::value::Place;
use crate::policy::{Layer, Query, Rule, Value};

/// How far ahead rules that are not in force yet are named.
const COMING: Span = Span::days(366);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The number.
    pub number: ParsedNumber,
    /// What else is known about where the person is.
    pub hints: Vec<LocationHint>,
    /// The kind of sender.
    pub sender_kind: SenderKind,
    /// How the message would travel.
    pub channel: Channel,
    /// What its program is for.
    pub category: Category,
    /// It is about a cart left an hour before.
    pub cart: bool,
    /// When.
    pub at: Instant,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The instant judged.
    pub at: Instant,
    /// What would happen to a message with everything else in order.
    pub outcome: Outcome,
    /// Each source and what it says about the place.
    pub sources: Vec<Source>,
    /// The places whose rules hold.
    pub places: Vec<Named>,
    /// Countries no pack covers.
    pub unsupported: Vec<Jurisdiction>,
    /// The clocks the person may read, and what they show.
    pub clocks: Vec<Clock>,
    /// Rules in force.
    pub rules: Vec<RuleLine>,
    /// Rules of these places that begin within a year.
    pub coming: Vec<RuleLine>,
    /// What refuses, holds or remarks.
    pub reasons: Vec<Reason>,
    /// The lawful stretch: now, or the next within seven days.
    pub open: Option<Open>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// `number`, `stated` and so on.
    pub source: String,
    /// Places it points to.
    pub places: Vec<Jurisdiction>,
    /// Clocks it points to.
    pub zones: Vec<String>,
}

/// A place by its names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// As in `us/fl`.
    pub jurisdiction: Jurisdiction,
    /// As in `Florida`.
    pub name: String,
}

/// A clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clock {
    /// Its zone.
    pub zone: String,
    /// As in `Mon 2026-11-23 19:30:00`.
    pub shows: String,
}

/// A rule and why it holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleLine {
    /// Its id.
    pub rule: String,
    /// Its file inside the packs.
    pub file: String,
    /// Its kind.
    pub kind: String,
    /// Who made it.
    pub layer: Layer,
    /// The place that brings it; unset: it holds everywhere.
    pub because_of: Option<Jurisdiction>,
    /// What it says.
    pub says: String,
    /// The clause.
    pub citation: String,
    /// First day.
    pub from: String,
}

/// A lawful stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Open {
    /// From this instant.
    pub from: Instant,
    /// Before this instant.
    pub until: Option<Instant>,
    /// What the clocks show at `from`.
    pub clocks: Vec<Clock>,
}

impl Engine {
    /// Answers.
    pub fn explain(&self, question: &Question) -> Result<Explanation, SituationError> {
        let at = question.at;
        let mut facts = self.in_order(question)?;
        let (mut request, _) = self.request(question)?;
        request.channel = question.channel;
        satisfy(self, &mut facts, &request, at);
        let case = Case::new(self, &facts, &request, at);
        let verdict = super::decide(self, &facts, &request, at);
        let line = |rule: &&Rule| self.line(rule);
        let query = Query {
            places: &case.places.places,
            channel: question.channel,
            category: question.category,
            sender_kind: Some(question.sender_kind),
            cart: question.cart,
            from: at,
            to: at + COMING,
        };
        let coming: Vec<&Rule> =
            self.policy().applicable(&query).into_iter().filter(|r| r.from > at).collect();
        let from = match verdict.outcome {
            Outcome::Admit => Some(at),
            Outcome::Hold => verdict.hold_until,
            Outcome::Refuse => None,
        };
        Ok(Explanation {
            at,
            outcome: verdict.outcome,
            sources: sources(question),
            places: case.places.places.iter().map(|place| self.named(place)).collect(),
            unsupported: case.places.unsupported.clone(),
            clocks: clocks(&case, at),
            rules: case.rules().collect::<Vec<_>>().iter().map(line).collect(),
            coming: coming.iter().map(line).collect(),
            reasons: verdict
                .reasons
                .into_iter()
                .filter(|r| r.effect != Effect::Note || !r.detail.is_empty())
                .collect(),
            open: from.map(|from| Open { from, until: verdict.send_not_after, clocks: clocks(&case, from) }),
        })
    }

    fn situation(&self, question: &Question) -> Situation {
        let utc = question.at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).datetime();
        let zone = "UTC".parse().expect("a zone name");
        let mut situation = Situation::ordinary(&utc.to_string(), zone, Expect::default());
        situation.channel = question.channel;
        situation.category = question.category;
        situation.sender.kind = Some(question.sender_kind);
        situation.cart = question.cart.then(|| CartLine {
            abandoned_ago: Length(Span::hours(1)),
            state: CartState::Open,
            others: Vec::new(),
        });
        situation
    }

    fn request(&self, question: &Question) -> Result<(crate::model::Request, Instant), SituationError> {
        let (_, request, at) = self.situation(question).build(self.zones())?;
        Ok((request, at))
    }

    fn in_order(&self, question: &Question) -> Result<Facts, SituationError> {
        let (mut facts, _, _) = self.situation(question).build(self.zones())?;
        let number = &question.number;
        facts.place = place::place_facts(Some(&number.phone), number.country, &question.hints, question.at);
        if question.channel == Channel::Sms {
            facts.number =
                Some(NumberFacts { valid: number.valid, kind: number.kind, country: number.country });
        }
        if let Some(sender) = &mut facts.sender {
            sender.country = number.country;
        }
        Ok(facts)
    }

    fn named(&self, place: &Jurisdiction) -> Named {
        let name = self.policy().places().get(place).map_or(String::new(), |known| known.name.clone());
        Named { jurisdiction: place.clone(), name }
    }

    fn line(&self, rule: &Rule) -> RuleLine {
        let file = self.policy().source(rule);
        RuleLine {
            rule: rule.id.clone(),
            file: format!("{}.toml", rule.id),
            kind: file.kind.clone(),
            layer: rule.layer,
            because_of: rule.jurisdiction.clone(),
            says: sentence(&rule.value),
            citation: rule.citation.clone(),
            from: file.effective_from.to_string(),
        }
    }
}

/// Gives the message what the rules in force ask of it: labels and phrases in its text, fresh answers about the number.
pub(super) fn satisfy(engine: &Engine, facts: &mut Facts, request: &crate::model::Request, at: Instant) {
    let (mut first, mut rest, mut checks) = (String::new(), String::new(), Vec::new());
    for rule in Case::new(engine, facts, request, at).rules() {
        match &rule.value {
            Value::Wording(need) => {
                let phrase = need.any_of.first().cloned().unwrap_or_default();
                let phrase = phrase.replace("{brand}", &facts.brand.display_name).replace('#', "36111");
                match need.place {
                    Place::Start => first.push_str(&format!("{phrase} ")),
                    Place::Anywhere => rest.push_str(&format!(" {phrase}")),
                }
            }
            Value::NumberCheck(need) => checks.push(NumberCheck {
                kind: need.check,
                answer: CheckAnswer::No,
                asked_at: at - Span::hours(1),
                reference_at: None,
                source: String::new(),
                database_version: String::new(),
            }),
            _ => {}
        }
    }
    facts.content.body = format!("{first}{}{rest}", facts.content.body);
    if let Some(person) = facts.reach.first_mut() {
        person.checks = checks;
    }
}

fn clocks(case: &Case<'_>, at: Instant) -> Vec<Clock> {
    let shows = |clock: &super::case::Clock<'_>| {
        let local = clock.zone.to_datetime(at.to_jiff());
        Clock { zone: clock.name.to_string(), shows: local.strftime("%a %Y-%m-%d %H:%M:%S").to_string() }
    };
    case.clocks.iter().map(shows).collect()
}

fn sources(question: &Question) -> Vec<Source> {
    let number = place::candidates(&question.number.phone, question.number.country);
    let names = |zones: &[crate::model::ZoneName]| zones.iter().map(ToString::to_string).collect();
    let country = || number.country.iter().map(|country| Jurisdiction::of(*country)).collect();
    let mut all = vec![Source {
        source: "number".to_owned(),
        places: if number.regions.is_empty() { country() } else { number.regions.clone() },
        zones: names(&number.zones),
    }];
    all.extend(question.hints.iter().map(|hint| {
        let alone = place::place_facts(None, None, std::slice::from_ref(hint), question.at);
        Source {
            source: name(hint.source).to_owned(),
            places: alone.jurisdictions,
            zones: names(&alone.zones),
        }
    }));
    all
}

fn name(source: LocationSource) -> &'static str {
    match source {
        LocationSource::Billing => "billing",
        LocationSource::Shipping => "shipping",
        LocationSource::Stated => "stated",
        LocationSource::Device => "device",
        LocationSource::Ip => "ip",
    }
}
