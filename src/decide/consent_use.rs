//! Consents that lapse when nobody uses them: a soft opt-in in Ireland holds while messages follow each other within 12
//! months (S.I. 336/2011 reg. 13(11)), and no consent is dug out again after years of silence.

use super::case::Case;
use super::consent::{candidates, since};
use super::findings::Findings;
use crate::model::consent::{Basis, Consent};
use crate::model::facts::AutomaticKind;
use crate::model::{Code, Instant, Span};
use crate::policy::Value;
use crate::policy::value::ConsentUse;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    use AutomaticKind::{Help, OptInRequest, OptOutConfirmation};
    if matches!(case.automatic(), Some(OptInRequest | OptOutConfirmation | Help)) {
        return;
    }
    for rule in case.rules() {
        let Value::ConsentUse(need) = &rule.value else { continue };
        // Of several grants the one used or given last speaks; one the rule does not mean settles it.
        let Some(last) = last_use(case, need) else { continue };
        let after = |days: u32| last + Span::days(i64::from(days));
        if case.at >= after(need.days) {
            let detail = format!("nothing was sent under it since {last}, for {} days or more", need.days);
            findings.refuse(rule, Code::ConsentExpired, detail);
        } else if need.note_days.is_some_and(|days| case.at >= after(days)) {
            let detail =
                format!("nothing was sent under it since {last}; it carries until {}", after(need.days));
            findings.note(rule, Code::ConsentIdle, detail);
        }
    }
}

/// When a consent this rule means was last used, or given; none: there is none, or one it does not mean.
fn last_use(case: &Case<'_>, need: &ConsentUse) -> Option<Instant> {
    let means = |consent: &Consent| need.bases.is_empty() || need.bases.contains(&consent.basis);
    if !candidates(case).all(means) {
        return None;
    }
    let used = case.person().and_then(|person| person.used_at).filter(|at| *at <= case.at);
    candidates(case).map(|consent| given(consent).max(used.unwrap_or(given(consent)))).max()
}

/// When it was given: what it is counted from, and for an express consent its confirmation, which is an act as well.
fn given(consent: &Consent) -> Instant {
    let express = matches!(consent.basis, Basis::ExpressWritten | Basis::Express);
    consent.confirmed_at.filter(|_| express).map_or(since(consent), |at| at.max(since(consent)))
}
