//! Consent: one grant for this program and channel at this address must meet every need that applies.
//!
//! Needs are rules of kind `consent`: written agreement (47 CFR 64.1200(f)(9)), a double opt-in by text that names cart
//! reminders (US carriers), an express or implied basis (CASL s. 10), the app's own opt-in (App Store 4.5.4).

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::consent::{Consent, ConsentState, DoubleOptIn, Grade};
use crate::model::facts::AutomaticKind;
use crate::model::{Code, Instant, Span};
use crate::policy::value::ConsentNeed;
use crate::policy::{Rule, Value};

const GROUND: Ground<'_> =
    Ground { id: "core/consent", citation: "47 CFR 64.1200(a)(2); CASL s. 6; ePrivacy art. 13(1)" };

type Failure = (Option<usize>, Code, String);

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    use AutomaticKind::*;
    if matches!(case.automatic(), Some(OptInRequest | OptOutConfirmation | Help)) {
        return;
    }
    let needs: Vec<(&Rule, &ConsentNeed)> = case
        .rules()
        .filter_map(|rule| match &rule.value {
            Value::Consent(need) => Some((rule, need)),
            _ => None,
        })
        .collect();
    // Of several grants the one that fails least speaks; one that fails nowhere settles it.
    let judged = candidates(case).map(|consent| (consent, failures(case, consent, &needs)));
    let best = judged.min_by_key(|(_, failed)| failed.len());
    if let Some((consent, _)) = best.as_ref().filter(|(_, failed)| failed.is_empty()) {
        renewals(case, consent, &needs, findings);
    }
    for (need, code, detail) in best.map_or_else(|| none(case, &needs), |(_, failed)| failed) {
        match need {
            Some(index) => findings.refuse(needs[index].0, code, detail),
            None => findings.refuse(GROUND, code, detail),
        }
    }
}

fn of_program<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Consent> {
    let (facts, channel) = (case.facts, case.req.channel);
    let consents = case.person().map(|person| person.consents.as_slice()).unwrap_or_default();
    consents
        .iter()
        .filter(move |c| c.program == facts.program.id && c.brand == facts.brand.id && c.channel == channel)
}

/// Grants to this program on this channel, fresh or not.
pub(super) fn candidates<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Consent> {
    let at = case.at;
    of_program(case).filter(move |c| c.state == ConsentState::Granted && c.recorded_at <= at)
}

fn none(case: &Case<'_>, needs: &[(&Rule, &ConsentNeed)]) -> Vec<Failure> {
    let state = |wanted| of_program(case).any(|c| c.state == wanted);
    let (code, detail) = if state(ConsentState::PendingConfirmation) {
        (Code::ConsentPending, "the person has not confirmed yet")
    } else if state(ConsentState::Expired) {
        (Code::ConsentExpired, "the consent ran out")
    } else {
        (Code::ConsentMissing, "no consent to this program on this channel")
    };
    match needs.len() {
        0 => vec![(None, code, detail.to_owned())],
        n => (0..n).map(|index| (Some(index), code.clone(), detail.to_owned())).collect(),
    }
}

fn failures(case: &Case<'_>, consent: &Consent, needs: &[(&Rule, &ConsentNeed)]) -> Vec<Failure> {
    let mut failed = Vec::new();
    if let Some(end) = consent.expires_at.filter(|end| *end <= case.at) {
        failed.push((None, Code::ConsentExpired, format!("the consent ran out on {}", end.to_second())));
    }
    if consent.grade == Grade::Attested && !case.facts.brand.accepts_attested {
        let detail = "the wording shown is not kept, and the brand accepts no attested consent";
        failed.push((None, Code::AttestedNotAccepted, detail.to_owned()));
    }
    for (index, (_, need)) in needs.iter().enumerate() {
        failed
            .extend(unmet(case, consent, need).into_iter().map(|(code, detail)| (Some(index), code, detail)));
    }
    failed
}

/// When a consent ends by a rule that asks for a notice before, and from when on it is due (Network Act art. 50(8): every
/// two years). None: that rule sets its basis no such end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// First instant at which the notice is due.
    pub due_from: Instant,
    /// First instant at which the consent carries no longer.
    pub ends_at: Instant,
}

impl Renewal {
    /// What a rule of kind `consent` says of one consent.
    pub fn of(rule: &Rule, consent: &Consent) -> Option<Renewal> {
        let Value::Consent(need) = &rule.value else { return None };
        let life = need.any_of.iter().find(|life| life.basis == consent.basis && !life.off)?;
        let ends_at = since(consent) + Span::days(i64::from(life.days?));
        Some(Renewal { due_from: ends_at - Span::days(i64::from(life.renew_within?)), ends_at })
    }
}

/// Whether a consent that may be meant is to be renewed by now.
pub(super) fn is_renewal_due(case: &Case<'_>) -> bool {
    let due = |consent: &Consent| {
        case.rules().filter_map(|rule| Renewal::of(rule, consent)).any(|renewal| case.at >= renewal.due_from)
    };
    candidates(case).any(due)
}

/// Notes on a consent that carries still.
fn renewals(case: &Case<'_>, consent: &Consent, needs: &[(&Rule, &ConsentNeed)], findings: &mut Findings) {
    for (rule, _) in needs {
        let Some(renewal) = Renewal::of(rule, consent).filter(|renewal| case.at >= renewal.due_from) else {
            continue;
        };
        let detail = format!(
            "{:?} of {} carries until {}",
            consent.basis,
            since(consent).to_second(),
            renewal.ends_at.to_second()
        );
        findings.note(*rule, Code::ConsentRenewalDue, detail);
    }
}

/// The date a basis is counted from.
pub fn since(consent: &Consent) -> Instant {
    consent.basis_date.unwrap_or(consent.captured_at)
}

fn unmet(case: &Case<'_>, consent: &Consent, need: &ConsentNeed) -> Vec<(Code, String)> {
    let mut unmet = Vec::new();
    match need.any_of.iter().find(|life| life.basis == consent.basis) {
        None => {
            unmet.push((Code::ConsentMissing, format!("its basis, {:?}, is not enough here", consent.basis)))
        }
        Some(life) if life.off => {
            let detail = format!("its basis, {:?}, is lawful here but switched off", consent.basis);
            unmet.push((Code::ConsentMissing, detail));
        }
        Some(life) => {
            let since = since(consent);
            let end = life.days.map(|days| since + Span::days(i64::from(days)));
            if end.is_some_and(|end| end <= case.at) {
                unmet.push((
                    Code::ConsentExpired,
                    format!("{:?} of {} carries no longer", consent.basis, since.to_second()),
                ));
            }
        }
    }
    let step = need.double_opt_in.contains(&consent.double_opt_in);
    let confirmed =
        consent.confirmed_at.is_some_and(|t| t <= case.at) || consent.double_opt_in == DoubleOptIn::None;
    if !(need.double_opt_in.is_empty() || step && confirmed) {
        unmet.push((Code::ConsentMissing, format!("it needs a second step ({:?})", need.double_opt_in)));
    }
    if need.names_carts && !consent.covers_cart {
        unmet.push((Code::ConsentMissing, "the wording agreed to does not name cart reminders".to_owned()));
    }
    unmet
}
