//! A compiled set: which rules hold for a message, where and when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::calendar::Calendar;
use super::compile::Sources;
use super::file::{Confidence, JurisdictionFile, Layer, OnStale, RuleFile, Staleness};
use super::value::{self, Value};
use crate::model::consent::{Category, Channel};
use crate::model::facts::SenderKind;
use crate::model::{Instant, Jurisdiction, Span, ZoneName};

/// One compiled rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The path of its file without `.toml`.
    pub id: String,
    /// The place; `None`: everywhere.
    pub jurisdiction: Option<Jurisdiction>,
    /// Who made it.
    pub layer: Layer,
    /// The clause.
    pub citation: String,
    /// What it says.
    pub value: Value,
    /// First instant it holds: its first day begins at UTC+14.
    pub from: Instant,
    /// First instant it no longer holds: its last day ends at UTC-12.
    pub to: Instant,
    /// First instant at which its review is overdue.
    pub stale_from: Instant,
    /// How sure its value is.
    pub confidence: Confidence,
    channels: u8,
    categories: u8,
    sender_kinds: u8,
    carts_only: bool,
}

/// A place of the set.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its name for people.
    pub name: String,
    /// Its zones; for a country those of its regions too.
    pub zones: Vec<ZoneName>,
    /// Its regions; empty for regions and for countries ruled as one.
    pub regions: Vec<Jurisdiction>,
}

/// What is asked of a set.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Regions, or countries without regions, as [`PolicySet::expand`] gives them.
    pub places: &'a [Jurisdiction],
    /// How the message travels.
    pub channel: Channel,
    /// What its program is for.
    pub category: Category,
    /// The kind of sender, where one is chosen; without one every sender's rules hold.
    pub sender_kind: Option<SenderKind>,
    /// It is about a cart.
    pub cart: bool,
    /// Rules in force at some instant of this half-open time.
    pub from: Instant,
    /// End of that time; `from` itself always counts.
    pub to: Instant,
}

/// Places as rules know them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// Regions, and countries without regions; sorted.
    pub places: Vec<Jurisdiction>,
    /// Countries no pack covers; sorted.
    pub unsupported: Vec<Jurisdiction>,
}

/// A whole set, immutable. Built by [`super::compile()`].
#[derive(Clone)]
pub struct PolicySet {
    sources: Sources,
    canonical: Vec<u8>,
    hash: [u8; 32],
    rules: Vec<Rule>,
    places: BTreeMap<Jurisdiction, Place>,
    by_place: HashMap<Jurisdiction, Vec<usize>>,
    anywhere: Vec<usize>,
    /// Where some rule wants a label before a text, or a contact in it; none: everywhere.
    worded: Vec<Option<Jurisdiction>>,
    calendars: HashMap<String, usize>,
}

fn bits<T: Copy>(items: &[T], number: impl Fn(T) -> u8) -> u8 {
    items.iter().fold(0, |bits, item| bits | 1 << number(*item))
}

/// The hash a set is named by, over its canonical form.
pub fn policy_hash(canonical: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(b"consentry/policy/v1").chain_update(canonical).finalize().into()
}

/// The instant a civil day begins at UTC+14, where it begins first.
pub(super) fn first_instant(date: Date) -> Instant {
    midnight_utc(date) - Span::hours(14)
}

/// The instant a civil day ends at UTC-12, where it ends last.
pub(super) fn last_instant(date: Date) -> Instant {
    midnight_utc(date) + Span::hours(36)
}

fn midnight_utc(date: Date) -> Instant {
    let since = date - Date::constant(1970, 1, 1);
    Instant::EPOCH + Span::days(i64::from(since.get_days()))
}

impl Rule {
    pub(super) fn new(file: &RuleFile, value: Value) -> Rule {
        let kinds = file.sender_kinds.as_deref().map_or(u8::MAX, |kinds| bits(kinds, |k| k as u8));
        Rule {
            id: file.id.clone(),
            jurisdiction: file.jurisdiction.parse().ok(),
            layer: file.layer,
            citation: file.citation.clone(),
            value,
            from: first_instant(file.effective_from),
            to: file.effective_to.map_or(Instant::FAR_FUTURE, last_instant),
            stale_from: last_instant(file.review_by),
            confidence: file.confidence,
            channels: bits(&file.channels, |c| c as u8),
            categories: bits(&file.categories, |c| c as u8),
            sender_kinds: kinds,
            carts_only: file.carts_only,
        }
    }

    /// Whether it holds at that instant.
    pub fn in_force(&self, at: Instant) -> bool {
        self.from <= at && at < self.to
    }

    fn answers(&self, query: &Query<'_>) -> bool {
        let sender = query.sender_kind.is_none_or(|kind| self.sender_kinds & 1 << (kind as u8) != 0);
        self.channels & 1 << (query.channel as u8) != 0
            && self.categories & 1 << (query.category as u8) != 0
            && sender
            && (query.cart || !self.carts_only)
            && self.from < query.to.max(query.from + Span::micros(1))
            && query.from < self.to
    }
}

impl PolicySet {
    pub(super) fn new(sources: Sources, rules: Vec<Rule>) -> PolicySet {
        let canonical =
            serde_json::to_vec(&sources).expect("plain values with text keys always have a JSON form");
        let hash = policy_hash(&canonical);
        let mut by_place: HashMap<Jurisdiction, Vec<usize>> = HashMap::new();
        let (mut anywhere, mut calendars) = (Vec::new(), HashMap::new());
        for (index, rule) in rules.iter().enumerate() {
            match (&rule.value, &rule.jurisdiction) {
                (Value::Calendar(_), _) => drop(calendars.insert(rule.id.clone(), index)),
                (_, Some(place)) => by_place.entry(place.clone()).or_default().push(index),
                (_, None) => anywhere.push(index),
            }
        }
        let places = places(&sources.jurisdictions);
        let words = |rule: &&Rule| match &rule.value {
            Value::Wording(need) => need.place == value::Place::Start,
            Value::Content(need) => need.require.asks_for_contact(),
            _ => false,
        };
        let worded = rules.iter().filter(words).map(|rule| rule.jurisdiction.clone()).collect();
        PolicySet { sources, canonical, hash, rules, places, by_place, anywhere, worded, calendars }
    }

    /// The set's own version.
    pub fn version(&self) -> &str {
        &self.sources.pack.version
    }
    /// What a rule past its review date does at an instant; `None`: it is not past it.
    pub fn stale(&self, rule: &Rule, at: Instant) -> Option<OnStale> {
        let pack = &self.sources.pack;
        let held_from = pack.hold_after_days.map(|days| rule.stale_from + Span::days(i64::from(days)));
        match rule.stale_from <= at {
            true if held_from.is_some_and(|from| from <= at) => Some(OnStale::Hold),
            true => Some(pack.on_stale),
            false => None,
        }
    }
    /// The same rules under an operator's word on rules past their review date, in place of the pack's own. The word is
    /// part of the content: it has another hash, and decisions made under it replay under it.
    pub fn with_staleness(self, word: Staleness) -> PolicySet {
        if word == Staleness::default() {
            return self;
        }
        let mut sources = self.sources;
        sources.pack.on_stale = word.on_stale.unwrap_or(sources.pack.on_stale);
        sources.pack.hold_after_days = word.hold_after_days.or(sources.pack.hold_after_days);
        PolicySet::new(sources, self.rules)
    }
    /// `SHA-256("consentry/policy/v1" ‖ canonical)`: equal content, equal hash, whatever the comments and spacing of its files.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
    /// The content in one canonical form, without test vectors; [`super::from_canonical`] reads it back.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }
    /// All rules, sorted by id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
    /// The file a rule came from.
    pub fn source(&self, rule: &Rule) -> &RuleFile {
        &self.sources.rules[&rule.id]
    }
    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.binary_search_by(|rule| rule.id.as_str().cmp(id)).ok().map(|index| &self.rules[index])
    }
    /// When the rule in force at `now` that was looked at longest ago was looked at.
    pub fn oldest_review(&self, now: Instant) -> Option<Instant> {
        let in_force = self.rules.iter().filter(|rule| rule.from <= now && now < rule.to);
        in_force.map(|rule| midnight_utc(self.source(rule).last_verified)).min()
    }
    /// The files that describe places, by folder.
    pub(super) fn described(&self) -> impl Iterator<Item = (&String, &JurisdictionFile)> {
        self.sources.jurisdictions.iter()
    }
    /// Every place the set knows.
    pub fn places(&self) -> &BTreeMap<Jurisdiction, Place> {
        &self.places
    }
    /// The calendar of that rule id.
    pub fn calendar(&self, id: &str) -> Option<&Calendar> {
        match self.calendar_rule(id).map(|rule| &rule.value) {
            Some(Value::Calendar(calendar)) => Some(calendar),
            _ => None,
        }
    }
    /// The rule that holds the calendar of that id: its dates and its review.
    pub fn calendar_rule(&self, id: &str) -> Option<&Rule> {
        self.calendars.get(id).map(|index| &self.rules[*index])
    }

    /// Replaces countries, and regions nobody knows, by every region they may mean.
    pub fn expand(&self, given: &[Jurisdiction]) -> Expanded {
        let (mut places, mut unsupported) = (BTreeSet::new(), BTreeSet::new());
        for name in given {
            match self.places.get(name) {
                Some(place) if place.regions.is_empty() => drop(places.insert(name.clone())),
                Some(place) => places.extend(place.regions.iter().cloned()),
                None => {
                    let country = name.parent().unwrap_or_else(|| name.clone());
                    match self.places.get(&country) {
                        Some(place) if place.regions.is_empty() => drop(places.insert(country)),
                        Some(place) => places.extend(place.regions.iter().cloned()),
                        None => drop(unsupported.insert(country)),
                    }
                }
            }
        }
        Expanded { places: places.into_iter().collect(), unsupported: unsupported.into_iter().collect() }
    }

    /// Whether some rule, in force or not, wants a label or a contact put into texts to one of these places' countries.
    pub fn may_add_words(&self, places: &[Jurisdiction]) -> bool {
        let meets = |asks: &Jurisdiction| places.iter().any(|place| place.country() == asks.country());
        self.worded.iter().any(|asks| asks.as_ref().is_none_or(meets))
    }

    /// Every zone the people of those places may live in; sorted.
    pub fn zones_of(&self, places: &[Jurisdiction]) -> Vec<ZoneName> {
        let zones: BTreeSet<&ZoneName> =
            places.iter().filter_map(|p| self.places.get(p)).flat_map(|p| &p.zones).collect();
        zones.into_iter().cloned().collect()
    }

    /// The rules that hold, without calendars: everywhere, then country by country, then region by region.
    pub fn applicable(&self, query: &Query<'_>) -> Vec<&Rule> {
        let mut found: Vec<&Rule> = Vec::with_capacity(48);
        self.collect(&self.anywhere, query, &mut found);
        let mut country = "";
        for place in query.places {
            if place.country() != country {
                country = place.country();
                if let Some(indices) = place.parent().and_then(|c| self.by_place.get(&c)) {
                    self.collect(indices, query, &mut found);
                }
            }
            if let Some(indices) = self.by_place.get(place) {
                self.collect(indices, query, &mut found);
            }
        }
        found
    }

    fn collect<'a>(&'a self, indices: &[usize], query: &Query<'_>, found: &mut Vec<&'a Rule>) {
        found.extend(indices.iter().map(|index| &self.rules[*index]).filter(|rule| rule.answers(query)));
    }
}

fn places(files: &BTreeMap<String, JurisdictionFile>) -> BTreeMap<Jurisdiction, Place> {
    let mut places: BTreeMap<Jurisdiction, Place> = BTreeMap::new();
    for file in files.values() {
        let place = Place { name: file.name.clone(), zones: file.zones.clone(), regions: Vec::new() };
        places.insert(file.jurisdiction.clone(), place);
    }
    for file in files.values() {
        if let Some(country) = file.jurisdiction.parent().and_then(|c| places.get_mut(&c)) {
            country.regions.push(file.jurisdiction.clone());
            country.zones.extend(file.zones.iter().cloned());
            country.zones.sort();
            country.zones.dedup();
        }
    }
    places
}

impl PartialEq for PolicySet {
    fn eq(&self, other: &PolicySet) -> bool {
        self.hash == other.hash
    }
}
impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PolicySet({}, {} rules, {})",
            self.version(),
            self.rules.len(),
            hex::encode(&self.hash[..8])
        )
    }
}
