//! Where the person may be must be known well enough to know the rules: an unknown or uncovered country is refused, never guessed.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;

const GROUND: Ground<'_> = Ground { id: "core/place", citation: "design: never send on a guess" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let place = &case.facts.place;
    for country in &case.places.unsupported {
        let detail = format!("no rules for {country} are loaded");
        findings.refuse(GROUND, Code::CountryUnsupported, detail);
    }
    if place.country_unknown || (case.places.places.is_empty() && case.places.unsupported.is_empty()) {
        findings.refuse(GROUND, Code::LocationUnknown, "no source says in which country the person is");
    }
    for zone in &case.unknown_zones {
        findings.refuse(GROUND, Code::LocationUnknown, format!("the zone data has no {zone}"));
    }
    if place.contradictory {
        findings.note(
            GROUND,
            Code::LocationUnknown,
            "sources disagree about the place; the rules of all of them hold",
        );
    }
}
