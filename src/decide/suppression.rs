//! Suppressed addresses: erased, unparsed replies, lists brought along. Nothing leaves, whatever was consented since.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;

const GROUND: Ground<'_> = Ground {
    id: "core/suppression",
    citation: "GDPR art. 21(3); 47 CFR 64.1200(d)(6); the seller's own list",
};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.facts.reach.iter().any(|person| person.suppressed) {
        findings.refuse(GROUND, Code::Suppressed, "an address of this person is on the suppression list");
    }
}
