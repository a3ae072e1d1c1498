//! Sources put together: one hint each, all kept, strictest wins.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::facts::PlaceFacts;
use crate::model::location::{LocationHint, LocationSource};
use crate::model::{Country, Instant, Jurisdiction, Span, ZoneName};

use super::tables::ZONE_COUNTRIES;
use super::{Candidates, of_postal_code, region, zones_of_country, zones_of_region};

/// How long a device's zone or a network address says anything about its owner.
const FLEETING: Span = Span::days(30);

/// One source's word: the places it names, the clocks there, and the clock it reported itself.
#[derive(Debug, Default)]
struct Word {
    country: Option<Country>,
    regions: BTreeSet<Jurisdiction>,
    zones: BTreeSet<ZoneName>,
    clock: Option<ZoneName>,
    torn: bool,
}

impl Word {
    /// The clocks to obey: the source's own if it fits the place, else both. `vague`: another source knows the place.
    fn clocks(&self, vague: bool) -> BTreeSet<ZoneName> {
        let own = self.clock.iter().cloned();
        match &self.clock {
            Some(clock) if vague || self.zones.contains(clock) => own.collect(),
            None if vague => BTreeSet::new(),
            _ => self.zones.iter().cloned().chain(own).collect(),
        }
    }
}

/// Every place and every clock that some source points to. A message must be lawful in all of them.
///
/// * **Within a source** the newest hint counts, and its parts narrow each other: region, postal code and time zone
///   describe one place. Parts that cannot be one place (a Florida region with a Texas ZIP code) are all kept and the
///   result is `contradictory`.
/// * **Between sources** nothing cancels: regions and zones are united, so more sources can only add rules and take
///   hours away. A source that knows no more than the country adds nothing where another names a region of it.
/// * Device and network hints older than 30 days are dropped. A hint without country (a device's zone alone) adds its
///   clock, not a jurisdiction.
/// * `contradictory` is set when sources name different countries or regions, or a clock of a country nobody names.
///   It changes nothing else: the rules of all of them hold.
/// * `country_unknown` is set when no source names a country: then nothing may be sent.
pub fn intersect(number: Option<&Candidates>, hints: &[LocationHint], at: Instant) -> PlaceFacts {
    let of_number = number.filter(|n| !n.non_geographic && n.country.is_some()).map(|n| Word {
        country: n.country,
        regions: n.regions.iter().cloned().collect(),
        zones: n.zones.iter().cloned().collect(),
        ..Word::default()
    });
    let words: Vec<Word> = of_number.into_iter().chain(newest(hints, at).into_values().map(word)).collect();
    let countries: BTreeSet<Country> = words.iter().filter_map(|word| word.country).collect();
    let regions: BTreeSet<Jurisdiction> =
        words.iter().flat_map(|word| word.regions.iter().cloned()).collect();
    let named = |country: Country| regions.iter().any(|region| region.is_in(country));
    let vague = |word: &Word| word.regions.is_empty() && word.country.is_some_and(named);
    let zones: BTreeSet<ZoneName> = words.iter().flat_map(|word| word.clocks(vague(word))).collect();
    let whole =
        countries.iter().filter(|country| !named(**country)).map(|country| Jurisdiction::of(*country));
    PlaceFacts {
        contradictory: disagree(&words) || countries.len() > 1 || foreign_clock(&zones, &countries),
        country_unknown: countries.is_empty(),
        jurisdictions: whole.chain(regions.iter().cloned()).collect(),
        zones: zones.into_iter().collect(),
    }
}

/// Whether two sources name regions and none in common, or one source names places that exclude each other.
fn disagree(words: &[Word]) -> bool {
    let apart = |a: &Word, b: &Word| {
        !a.regions.is_empty() && !b.regions.is_empty() && a.regions.is_disjoint(&b.regions)
    };
    words.iter().enumerate().any(|(n, a)| a.torn || words[n + 1..].iter().any(|b| apart(a, b)))
}

/// The newest hint of each source that still counts; of two as old as each other, the later in the list.
fn newest(hints: &[LocationHint], at: Instant) -> BTreeMap<LocationSource, &LocationHint> {
    let fleeting = |source| matches!(source, LocationSource::Device | LocationSource::Ip);
    let mut newest: BTreeMap<LocationSource, &LocationHint> = BTreeMap::new();
    for hint in hints.iter().filter(|h| !(fleeting(h.source) && at.since(h.observed_at) > FLEETING)) {
        let older = newest.get(&hint.source).is_none_or(|kept| kept.observed_at <= hint.observed_at);
        if older {
            newest.insert(hint.source, hint);
        }
    }
    newest
}

fn word(hint: &LocationHint) -> Word {
    let territory = territory(&hint.country);
    let country = if territory.is_some() { Some(Country::US) } else { hint.country.parse().ok() };
    let clock: Option<ZoneName> =
        hint.time_zone.parse().ok().filter(|zone| ZONE_COUNTRIES.contains_key(zone));
    let Some(country) = country else { return Word { clock, ..Word::default() } };
    let stated = territory.or_else(|| region(country, &hint.region));
    let postal = of_postal_code(country, &hint.postal_code);
    let torn =
        stated.as_ref().is_some_and(|stated| !postal.places.is_empty() && !postal.places.contains(stated));
    let regions: BTreeSet<Jurisdiction> = match stated {
        Some(stated) if torn => postal.places.iter().cloned().chain([stated]).collect(),
        Some(stated) => [stated].into(),
        None => postal.places.iter().cloned().collect(),
    };
    let mut zones: BTreeSet<ZoneName> = regions.iter().flat_map(zones_of_region).cloned().collect();
    if zones.is_empty() {
        zones = zones_of_country(country).iter().cloned().collect();
    }
    // The postal code names a part of the region: where the two agree, only that part's clocks are left.
    let narrowed: BTreeSet<ZoneName> = postal.zones.into_iter().filter(|zone| zones.contains(zone)).collect();
    if !torn && !narrowed.is_empty() {
        zones = narrowed;
    }
    Word { country: Some(country), regions, zones, clock, torn }
}

/// Shops write territories as countries; the law has them as regions of the US.
fn territory(country: &str) -> Option<Jurisdiction> {
    let known = matches!(country.to_ascii_uppercase().as_str(), "PR" | "GU" | "VI" | "AS" | "MP");
    known.then(|| region(Country::US, country)).flatten()
}

/// A clock that is kept in some country, but in none of those named.
fn foreign_clock(zones: &BTreeSet<ZoneName>, countries: &BTreeSet<Country>) -> bool {
    let elsewhere = |zone: &ZoneName| {
        let home = ZONE_COUNTRIES.get(zone).map(Vec::as_slice).unwrap_or_default();
        !home.is_empty() && !home.iter().any(|country| countries.contains(country))
    };
    !countries.is_empty() && zones.iter().any(elsewhere)
}
