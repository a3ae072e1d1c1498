//! Where a person may be: from the number, from addresses, from what they or their device say. Pure.
//!
//! Nobody can tell where a mobile phone is. So every source adds candidates and the law of all of them is kept
//! ([`intersect`]); a conflict between sources can only narrow the hours in which a message may leave.

mod intersect;
mod tables;

pub use intersect::intersect;

use crate::model::facts::PlaceFacts;
use crate::model::location::LocationHint;
use crate::model::{Country, Instant, Jurisdiction, Phone, ZoneName};

use tables::{AREA_CODES, Area, CANADA, COUNTRY_ZONES, REGION_ZONES, ZIP3};

/// Where a number's owner may be, by the numbering plan alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// The country; the five US territories count as US. `None`: the number belongs to no place, or to none we know.
    pub country: Option<Country>,
    /// Its regions; empty: not known, every region of the country counts.
    pub regions: Vec<Jurisdiction>,
    /// Its time zones; empty only where the country is unknown or has no zones in the list.
    pub zones: Vec<ZoneName>,
    /// Toll-free, personal, premium: says nothing about where the owner is.
    pub non_geographic: bool,
}

/// Candidate places of a number. `country` is what the numbering plan says ([`crate::model::phone::ParsedNumber`]);
/// North American numbers are told apart by area code, others have their country's zones.
pub fn candidates(phone: &Phone, country: Option<Country>) -> Candidates {
    match phone.area_code() {
        Some(code) => of_area_code(code),
        None => of_country(country),
    }
}

fn of_country(country: Option<Country>) -> Candidates {
    let zones = country.map(|c| zones_of_country(c).to_vec()).unwrap_or_default();
    Candidates { country, zones, ..Candidates::default() }
}

/// An area code that is not listed is not in service: nothing is known about it.
fn of_area_code(code: u16) -> Candidates {
    let Some(area) = AREA_CODES.get(&code) else { return Candidates::default() };
    let Some(first) = area.places.first() else {
        return Candidates { non_geographic: true, ..Candidates::default() };
    };
    let country = first.country().parse().ok();
    if first.is_country() {
        return of_country(country);
    }
    Candidates { country, regions: area.places.clone(), zones: area.zones.clone(), non_geographic: false }
}

/// Every time zone in use in a region (`us/tn`, `ca/qc`); empty for regions we do not know.
pub fn zones_of_region(region: &Jurisdiction) -> &'static [ZoneName] {
    REGION_ZONES.get(region).map(Vec::as_slice).unwrap_or_default()
}

/// Every time zone in use in a country; for the US with its territories.
pub fn zones_of_country(country: Country) -> &'static [ZoneName] {
    COUNTRY_ZONES.get(&country).map(Vec::as_slice).unwrap_or_default()
}

/// A region by its ISO 3166-2 subdivision (`FL` or `US-FL` in the US), if we know it.
pub fn region(country: Country, subdivision: &str) -> Option<Jurisdiction> {
    let subdivision = subdivision.trim().to_ascii_lowercase();
    let country = country.as_str().to_ascii_lowercase();
    let bare = subdivision.strip_prefix(&format!("{country}-")).unwrap_or(&subdivision);
    let region: Jurisdiction = format!("{country}/{bare}").parse().ok()?;
    REGION_ZONES.contains_key(&region).then_some(region)
}

/// Regions a postal code may lie in: by the first three digits in the US, by the first letter in Canada. Empty for
/// other countries, for military addresses, and for what is no postal code.
pub fn regions_of_postal_code(country: Country, code: &str) -> Vec<Jurisdiction> {
    of_postal_code(country, code).places
}

fn of_postal_code(country: Country, code: &str) -> Area {
    let code = code.trim();
    match country {
        Country::US => {
            let digits = code.len() >= 5 && code.as_bytes()[..5].iter().all(u8::is_ascii_digit);
            digits.then(|| ZIP3.get(&code[..3]).cloned()).flatten().unwrap_or_default()
        }
        Country::CA => {
            let letter = code.chars().next().map(|c| c.to_ascii_uppercase());
            let shaped = code.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
            let found = CANADA.iter().find(|(first, _)| shaped && Some(*first) == letter);
            let places = found.map(|(_, names)| names.iter().filter_map(|n| n.parse().ok()).collect());
            Area { places: places.unwrap_or_default(), zones: Vec::new() }
        }
        _ => Area::default(),
    }
}

/// Every candidate place of a person: by number, whose `country` the numbering plan told, and by the hints kept about
/// them.
pub fn place_facts(
    phone: Option<&Phone>,
    country: Option<Country>,
    hints: &[LocationHint],
    at: Instant,
) -> PlaceFacts {
    let number = phone.map(|phone| candidates(phone, country));
    intersect(number.as_ref(), hints, at)
}

#[cfg(test)]
mod tests;
