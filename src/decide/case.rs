//! One case before the rules: the arguments, the rules that hold for them, and the places and clocks that count.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::engine::Engine;
use super::touches::Touches;
use crate::model::consent::{Category, Channel};
use crate::model::facts::{AutomaticKind, PersonFacts};
use crate::model::{Facts, Instant, Jurisdiction, Medium, Request, Span, ZoneName};
use crate::policy::set::Expanded;
use crate::policy::value::{AutomaticHours, AutomaticLimits};
use crate::policy::{Query, Rule, Value};

/// How far ahead a hold looks for a lawful instant.
pub(super) const SEARCH: Span = Span::days(7);

/// A wall clock the person may read.
#[derive(Debug, Clone)]
pub(super) struct Clock<'a> {
    /// Its name.
    pub name: Cow<'a, ZoneName>,
    /// Its data.
    pub zone: &'a TimeZone,
}

/// The arguments of one decision, prepared.
pub(super) struct Case<'a> {
    pub engine: &'a Engine,
    pub facts: &'a Facts,
    pub req: &'a Request,
    pub at: Instant,
    /// Regions, and countries without regions, whose rules hold.
    pub places: Expanded,
    /// Clocks the person may read, sorted by name.
    pub clocks: Vec<Clock<'a>>,
    /// Zones nobody has data for.
    pub unknown_zones: Vec<ZoneName>,
    /// Rules in force now or within the search; [`Case::rules`] gives those of now.
    soon: Vec<&'a Rule>,
    /// What the person was reached by, over the reach.
    pub touches: Touches<'a>,
}

impl<'a> Case<'a> {
    pub fn new(engine: &'a Engine, facts: &'a Facts, req: &'a Request, at: Instant) -> Case<'a> {
        let places = expand(engine, facts);
        let (clocks, unknown_zones) = clocks(engine, facts, &places);
        let soon = engine.policy().applicable(&Query {
            places: &places.places,
            channel: req.channel,
            category: facts.program.category,
            sender_kind: facts.sender.as_ref().map(|s| s.kind),
            cart: facts.cart.is_some(),
            from: at,
            to: at + SEARCH,
        });
        let touches = Touches::new(facts, req);
        Case { engine, facts, req, at, places, clocks, unknown_zones, soon, touches }
    }

    /// Rules in force at the instant judged.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.soon.iter().copied().filter(|rule| rule.in_force(self.at))
    }
    /// Rules in force now or within the search.
    pub fn rules_soon(&self) -> impl Iterator<Item = &'a Rule> {
        self.soon.iter().copied()
    }
    /// The addressed subject.
    pub fn person(&self) -> Option<&'a PersonFacts> {
        self.facts.reach.first()
    }
    /// The message's own medium.
    pub fn medium(&self) -> Medium {
        self.req.channel.into()
    }
    /// Its program is marketing.
    pub fn is_marketing(&self) -> bool {
        self.facts.program.category == Category::Marketing
    }
    /// It is a text.
    pub fn is_sms(&self) -> bool {
        self.req.channel == Channel::Sms
    }
    /// It is one of the gateway's own answers.
    pub fn automatic(&self) -> Option<AutomaticKind> {
        self.req.automatic.as_ref().map(|a| a.kind)
    }
    /// Limits of the automatic text, from every rule that names it.
    pub fn automatic_limits(&self) -> impl Iterator<Item = (&'a Rule, &'a AutomaticLimits)> {
        let kind = self.automatic();
        self.rules().filter_map(move |rule| match &rule.value {
            Value::Automatic(limits) if Some(limits.text) == kind => Some((rule, limits)),
            _ => None,
        })
    }
    /// Hours do not bind it: an answer every limit lets go at any hour.
    pub fn any_hour(&self) -> bool {
        let by_keyword = self.req.automatic.as_ref().is_some_and(|a| a.by_keyword);
        let free = |limits: &AutomaticLimits| match limits.hours {
            AutomaticHours::Any => true,
            AutomaticHours::AnyIfKeyword => by_keyword,
            AutomaticHours::Window => false,
        };
        self.automatic().is_some()
            && self.automatic_limits().next().is_some()
            && self.automatic_limits().all(|(_, limits)| free(limits))
    }
}

fn expand(engine: &Engine, facts: &Facts) -> Expanded {
    let mut given = facts.place.jurisdictions.clone();
    // The number's own country counts even when every other source points elsewhere.
    if let Some(country) = facts.number.as_ref().and_then(|number| number.country)
        && !given.iter().any(|place| place.is_in(country))
    {
        given.push(Jurisdiction::of(country));
    }
    engine.policy().expand(&given)
}

fn clocks<'a>(engine: &'a Engine, facts: &'a Facts, places: &Expanded) -> (Vec<Clock<'a>>, Vec<ZoneName>) {
    let mut names: Vec<Cow<'a, ZoneName>> = facts.place.zones.iter().map(Cow::Borrowed).collect();
    if names.is_empty() {
        names = engine.policy().zones_of(&places.places).into_iter().map(Cow::Owned).collect();
    }
    names.sort();
    names.dedup();
    let (mut clocks, mut unknown) = (Vec::with_capacity(names.len()), Vec::new());
    for name in names {
        match engine.zones().get(&name) {
            Some(zone) => clocks.push(Clock { name, zone }),
            None => unknown.push(name.into_owned()),
        }
    }
    (clocks, unknown)
}
