//! Hours that a consent of a certain kind lifts, where the policy set switches that on. Never silent: every use is a note
//! in the verdict, so that the ledger says whose night consent let a message go (Network Act art. 50(3)).

use super::case::Case;
use super::consent;
use super::findings::Findings;
use crate::model::Code;
use crate::model::consent::{Basis, Consent, Night};
use crate::policy::Value;
use crate::policy::value::{Hours, Waiver};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.any_hour() {
        return;
    }
    for rule in case.rules() {
        let Value::Hours(hours) = &rule.value else { continue };
        if let Some(waiver) = hours.waived_by.filter(|_| is_waived(case, hours)) {
            let detail = format!("the consent in force lifts these hours ({waiver:?})");
            findings.note(rule, Code::WindowWaived, detail);
        }
    }
}

/// Whether the person's consent to this program lifts the hours.
pub(super) fn is_waived(case: &Case<'_>, hours: &Hours) -> bool {
    let lifts = |consent: &Consent, waiver: Waiver| match waiver {
        Waiver::NightConsent => consent.night != Night::No && !is_taken_back(case, consent),
        Waiver::ExpressConsent => matches!(consent.basis, Basis::ExpressWritten | Basis::Express),
    };
    hours.waived_by.is_some_and(|waiver| consent::candidates(case).any(|consent| lifts(consent, waiver)))
}

/// Whether the person took back the consent to the night after they gave it, at any of their addresses.
fn is_taken_back(case: &Case<'_>, consent: &Consent) -> bool {
    consent.night_is_taken_back(case.facts.reach.iter().flat_map(|person| &person.opt_outs))
}
