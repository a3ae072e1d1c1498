use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tables::ZONE_COUNTRIES;
use super::*;
use crate::content::fold::data_lines;
use crate::model::facts::PlaceFacts;
use crate::model::location::{LocationHint, LocationSource};
use crate::model::{Instant, Span};

const NOW: Instant = Instant::from_seconds(1_795_000_000);

fn number(code: u16) -> Candidates {
    let phone = Phone::from_e164(&format!("+1{code}5550123")).expect("E.164");
    candidates(&phone, None)
}

fn hint(
    source: LocationSource,
    country: &str,
    region: &str,
    postal_code: &str,
    time_zone: &str,
) -> LocationHint {
    LocationHint {
        source,
        country: country.into(),
        region: region.into(),
        postal_code: postal_code.into(),
        time_zone: time_zone.into(),
        observed_at: NOW,
    }
}

fn names<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(" ")
}

fn told(place: &PlaceFacts) -> String {
    let flags = [(place.country_unknown, " unknown"), (place.contradictory, " contradictory")];
    let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    format!("{} | {}{flags}", names(&place.jurisdictions), names(&place.zones).replace("America/", ""))
}

#[test]
fn every_zone_and_region_of_the_lists_exists() {
    let zones = crate::model::Zones::bundled();
    let check = |file: &str, field: usize, with_regions: bool| {
        for line in data_lines(file) {
            let fields: Vec<&str> = line.split('\t').collect();
            for zone in fields[field].split_whitespace().filter(|z| *z != "-") {
                let name: ZoneName = zone.parse().expect("a zone name");
                assert!(zones.get(&name).is_some(), "{zone} of {line}");
            }
            for region in fields[1].split_whitespace().filter(|r| with_regions && r.len() > 2) {
                let region: Jurisdiction = region.parse().expect("a region");
                assert!(!zones_of_region(&region).is_empty(), "{line}");
            }
        }
    };
    check(include_str!("../../policies/lists/area_codes.tsv"), 2, true);
    check(include_str!("../../policies/lists/region_zones.tsv"), 1, false);
    check(include_str!("../../policies/lists/country_zones.tsv"), 1, false);
    check(include_str!("../../policies/lists/zip3.tsv"), 2, true);
    let prefixes = data_lines(include_str!("../../policies/lists/zip3.tsv"));
    assert!(prefixes.map(|line| line.split_once('\t').map_or(0, |(prefix, _)| prefix.len())).all(|n| n == 3));
    assert!(tables::COUNTRY_ZONES.len() > 240 && ZONE_COUNTRIES.len() > 500);
}

#[test]
fn the_rule_packs_know_the_same_zones() {
    let set = crate::policy::embedded::load().expect("compiles");
    let mut seen = 0;
    for (name, place) in set.places().iter().filter(|(_, place)| place.regions.is_empty()) {
        let theirs: BTreeSet<&str> = place.zones.iter().map(ZoneName::as_str).collect();
        let listed = match name.is_country() {
            true => zones_of_country(name.country().to_uppercase().parse().expect("a country")),
            false => zones_of_region(name),
        };
        let ours: BTreeSet<&str> = listed.iter().map(ZoneName::as_str).collect();
        assert_eq!(ours, theirs, "{name}");
        seen += 1;
    }
    assert!(seen >= 110, "{seen}");
}

/// Every area code the phone library takes for a number in service, of any country of the plan, is listed, and lies
/// in the country the library says.
#[test]
fn every_area_code_in_service_is_covered() {
    let mut seen = 0;
    for code in 200..1000u16 {
        for exchange in [200, 234, 345, 456, 480, 555, 678, 789, 900] {
            let text = format!("+1{code}{exchange}0123");
            let Ok(parsed) = crate::model::phone::parse_for_sending(&text, None) else { continue };
            if !parsed.valid {
                continue;
            }
            let found = candidates(&parsed.phone, parsed.country);
            assert_ne!(found, Candidates::default(), "area code {code}");
            assert!(found.non_geographic || found.country == parsed.country, "area code {code}");
            seen += 1;
            break;
        }
    }
    assert!(seen > 450, "{seen}");
}

#[test]
fn area_codes_lie_where_they_do() {
    for (code, regions, zones) in [
        (212, "us/ny", "America/New_York"),
        (305, "us/fl", "America/New_York"),
        (850, "us/fl", "America/Chicago America/New_York"),
        (448, "us/fl", "America/Chicago America/New_York"),
        (615, "us/tn", "America/Chicago"),
        (423, "us/tn", "America/Chicago America/New_York"),
        (512, "us/tx", "America/Chicago"),
        (915, "us/tx", "America/Denver"),
        (502, "us/ky", "America/Kentucky/Louisville"),
        (270, "us/ky", "America/Chicago America/Kentucky/Louisville"),
        (364, "us/ky", "America/Chicago America/Kentucky/Louisville"),
        (208, "us/id", "America/Boise America/Los_Angeles"),
        (986, "us/id", "America/Boise America/Los_Angeles"),
        (541, "us/or", "America/Boise America/Los_Angeles"),
        (503, "us/or", "America/Los_Angeles"),
        (701, "us/nd", "America/Chicago America/Denver"),
        (605, "us/sd", "America/Chicago America/Denver"),
        (308, "us/ne", "America/Chicago America/Denver"),
        (402, "us/ne", "America/Chicago"),
        (620, "us/ks", "America/Chicago America/Denver"),
        (316, "us/ks", "America/Chicago"),
        (906, "us/mi", "America/Detroit America/Menominee"),
        (313, "us/mi", "America/Detroit"),
        (219, "us/in", "America/Chicago America/Indiana/Indianapolis"),
        (317, "us/in", "America/Indiana/Indianapolis"),
        (930, "us/in", "America/Chicago America/Indiana/Indianapolis"),
        (928, "us/az", "America/Denver America/Phoenix"),
        (602, "us/az", "America/Phoenix"),
        (775, "us/nv", "America/Denver America/Los_Angeles"),
        (907, "us/ak", "America/Adak America/Anchorage"),
        (808, "us/hi", "Pacific/Honolulu"),
        (401, "us/ri", "America/New_York"),
        (202, "us/dc", "America/New_York"),
        (787, "us/pr", "America/Puerto_Rico"),
        (671, "us/gu", "Pacific/Guam"),
        (340, "us/vi", "America/St_Thomas"),
        (684, "us/as", "Pacific/Pago_Pago"),
        (670, "us/mp", "Pacific/Saipan"),
        (604, "ca/bc", "America/Vancouver"),
        (902, "ca/ns ca/pe", "America/Glace_Bay America/Halifax"),
        (876, "", "America/Jamaica"),
    ] {
        let found = number(code);
        let mut found_zones: Vec<&str> = found.zones.iter().map(ZoneName::as_str).collect();
        found_zones.sort_unstable();
        assert_eq!((names(&found.regions), found_zones.join(" ")), (regions.into(), zones.into()), "{code}");
        assert!(!found.non_geographic);
    }
    assert_eq!(number(876).country.map(|c| c.to_string()).as_deref(), Some("JM"));
    for nowhere in [800, 888, 500, 900, 600] {
        assert_eq!(
            number(nowhere),
            Candidates { non_geographic: true, ..Candidates::default() },
            "{nowhere}"
        );
    }
    assert_eq!(number(211), Candidates::default());
    let british = Phone::from_e164("+447400123456").expect("E.164");
    assert_eq!(names(&candidates(&british, "GB".parse().ok()).zones), "Europe/London");
    assert_eq!(candidates(&british, None), Candidates::default());
}

#[test]
fn postal_codes_name_regions() {
    let us = |code: &str| names(regions_of_postal_code(Country::US, code));
    let ca = |code: &str| names(regions_of_postal_code(Country::CA, code));
    for (code, expected) in [
        ("33101", "us/fl"),
        ("02903-1234", "us/ri"),
        ("00901", "us/pr"),
        ("00802", "us/vi"),
        ("06390", "us/ct us/ny"),
        ("96910", "us/gu us/mp"),
        ("96799", "us/as us/hi"),
        ("09012", ""),
        ("3310", ""),
        ("ABCDE", ""),
        ("é1234", ""),
    ] {
        assert_eq!(us(code), expected, "{code}");
    }
    for (code, expected) in
        [("M5V 2T6", "ca/on"), ("x0a1h0", "ca/nt ca/nu"), ("MONTREAL", ""), ("D1A", ""), ("", "")]
    {
        assert_eq!(ca(code), expected, "{code}");
    }
    assert_eq!(names(regions_of_postal_code("GB".parse().expect("a code"), "SW1A 1AA")), "");
}

#[test]
fn regions_are_read_as_shops_write_them() {
    for (text, expected) in [
        ("FL", Some("us/fl")),
        ("us-tn", Some("us/tn")),
        (" Ny ", Some("us/ny")),
        ("ON", None),
        ("Florida", None),
        ("", None),
    ] {
        assert_eq!(region(Country::US, text).map(|r| r.to_string()).as_deref(), expected, "{text}");
    }
}

#[test]
fn sources_are_united_and_parts_of_one_source_narrow() {
    use LocationSource::{Billing, Device, Shipping, Stated};
    let us = |source, region: &str| hint(source, "US", region, "", "");
    for (code, hints, expected) in [
        (Some(305), vec![], "us/fl | New_York"),
        (None, vec![us(Shipping, "TN")], "us/tn | Chicago New_York"),
        (Some(601), vec![hint(Device, "", "", "", "America/New_York")], "us/ms | Chicago New_York"),
        (Some(305), vec![us(Shipping, "TX")], "us/fl us/tx | Chicago Denver New_York contradictory"),
        (Some(305), vec![us(Billing, "")], "us/fl | New_York"),
        (None, vec![hint(Stated, "US", "TN", "", "America/Chicago")], "us/tn | Chicago"),
        (None, vec![hint(Stated, "US", "AZ", "", "America/Phoenix")], "us/az | Phoenix"),
        (
            None,
            vec![hint(Stated, "US", "KY", "", "America/New_York")],
            "us/ky | Chicago Kentucky/Louisville New_York",
        ),
        (None, vec![hint(Billing, "US", "", "33101", "")], "us/fl | New_York"),
        (None, vec![hint(Billing, "US", "TN", "38103", "")], "us/tn | Chicago"),
        (None, vec![hint(Billing, "US", "", "86505", "")], "us/az | Denver Phoenix"),
        (None, vec![hint(Billing, "US", "NY", "06390", "")], "us/ny | New_York"),
        (None, vec![hint(Billing, "US", "NV", "89883", "")], "us/nv | Denver Los_Angeles"),
        (
            None,
            vec![hint(Billing, "US", "FL", "75001", "")],
            "us/fl us/tx | Chicago Denver New_York contradictory",
        ),
        (None, vec![hint(Billing, "PR", "", "", "")], "us/pr | Puerto_Rico"),
        (None, vec![hint(Stated, "US", "", "", "America/Denver")], "us | Denver"),
        (Some(305), vec![hint(Device, "US", "", "", "America/Denver")], "us/fl | Denver New_York"),
        (Some(416), vec![us(Shipping, "NY")], "ca/on us/ny | New_York Toronto contradictory"),
        (
            Some(305),
            vec![hint(Device, "", "", "", "Europe/London")],
            "us/fl | New_York Europe/London contradictory",
        ),
        (Some(800), vec![us(Shipping, "RI")], "us/ri | New_York"),
        (Some(800), vec![], " |  unknown"),
        (None, vec![hint(Device, "", "", "", "America/New_York")], " | New_York unknown"),
        (None, vec![hint(Device, "??", "FL", "", "Mars/Olympus")], " |  unknown"),
    ] {
        let number = code.map(number);
        assert_eq!(told(&intersect(number.as_ref(), &hints, NOW)), expected, "{code:?} {hints:?}");
    }
}

#[test]
fn a_number_alone_names_its_places() {
    for (number, expected) in [
        ("+13055550123", "us/fl | New_York"),
        ("+18765550123", "jm | Jamaica"),
        ("+447400123456", "gb | Europe/London"),
        ("+18005550123", " |  unknown"),
        ("+12115550123", " |  unknown"),
    ] {
        let phone = Phone::from_e164(number).expect("E.164");
        let country = crate::model::phone::parse_for_sending(number, None).ok().and_then(|n| n.country);
        assert_eq!(told(&place_facts(Some(&phone), country, &[], NOW)), expected);
    }
    assert_eq!(told(&place_facts(None, None, &[], NOW)), " |  unknown");
}

#[test]
fn a_country_without_region_has_all_its_clocks() {
    let place = intersect(None, &[hint(LocationSource::Billing, "US", "", "", "")], NOW);
    assert_eq!(names(&place.jurisdictions), "us");
    let expected: BTreeSet<&ZoneName> = zones_of_country(Country::US).iter().collect();
    assert_eq!(place.zones.iter().collect::<BTreeSet<_>>(), expected);
    assert!(place.zones.iter().any(|z| z.as_str() == "Pacific/Guam") && place.zones.len() >= 14);
}

#[test]
fn the_newest_hint_of_a_source_counts_and_fleeting_ones_fade() {
    use LocationSource::{Device, Ip, Shipping};
    let aged = |source, region: &str, days: i64| LocationHint {
        observed_at: NOW - Span::days(days),
        ..hint(source, "US", region, "", "")
    };
    let regions = |hints: &[LocationHint]| names(&intersect(None, hints, NOW).jurisdictions);
    assert_eq!(regions(&[aged(Shipping, "TX", 400), aged(Shipping, "FL", 500)]), "us/tx");
    assert_eq!(regions(&[aged(Shipping, "FL", 1), aged(Shipping, "TX", 1)]), "us/tx");
    assert_eq!(regions(&[aged(Shipping, "TX", 400), aged(Device, "RI", 31), aged(Ip, "UT", 31)]), "us/tx");
    assert_eq!(
        regions(&[aged(Shipping, "TX", 400), aged(Device, "RI", 30), aged(Ip, "UT", 29)]),
        "us/ri us/tx us/ut"
    );
}

fn any_hint() -> impl Strategy<Value = LocationHint> {
    use LocationSource::{Billing, Device, Ip, Shipping, Stated};
    let source = prop::sample::select(vec![Billing, Shipping, Stated, Device, Ip]);
    let country = prop::sample::select(vec!["US", "CA", "PR", "GB", "", "zz"]);
    let region = prop::sample::select(vec!["FL", "TX", "TN", "RI", "ON", "", "?"]);
    let postal = prop::sample::select(vec!["33101", "75001", "M5V", "", "x"]);
    let zone = prop::sample::select(vec!["America/Chicago", "America/New_York", "Europe/London", "", "bad"]);
    (source, country, region, postal, zone, 0..60i64).prop_map(
        |(source, country, region, postal, zone, days)| LocationHint {
            observed_at: NOW - Span::days(days),
            ..hint(source, country, region, postal, zone)
        },
    )
}

proptest! {
    /// A source more can add regions and zones, never take one away, and never hides that something is unknown.
    #[test]
    fn another_source_never_widens_the_window(code in prop::sample::select(vec![305u16, 615, 416, 800, 876]), hint in any_hint()) {
        let number = number(code);
        let alone = intersect(Some(&number), &[], NOW);
        let both = intersect(Some(&number), &[hint], NOW);
        let zones = |place: &PlaceFacts| place.zones.iter().cloned().collect::<BTreeSet<_>>();
        // A region named by another source replaces the bare country; with the number's own regions nothing is lost.
        if !number.regions.is_empty() {
            prop_assert!(alone.jurisdictions.iter().all(|j| both.jurisdictions.contains(j)));
            prop_assert!(zones(&alone).is_subset(&zones(&both)));
        }
        prop_assert!(!both.country_unknown || alone.country_unknown);
        prop_assert!(both.country_unknown || !both.zones.is_empty() || both.jurisdictions.iter().any(|j| j.as_str() == "zz"));
    }

    #[test]
    fn the_order_of_sources_does_not_matter(a in any_hint(), b in any_hint()) {
        prop_assume!(a.source != b.source);
        prop_assert_eq!(intersect(None, &[a.clone(), b.clone()], NOW), intersect(None, &[b, a], NOW));
    }
}
