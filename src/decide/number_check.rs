//! Answers about the number: reassigned (47 CFR 64.1200(l), (m)), dead, on a register, not a mobile line.

use super::case::Case;
use super::findings::Findings;
use crate::model::consent::{Basis, Consent, ConsentState};
use crate::model::facts::{CheckAnswer, CheckKind, NumberCheck};
use crate::model::{Code, Span};
use crate::policy::value::{CheckNeed, IfMissing};
use crate::policy::{Rule, Value};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(person) = case.person().filter(|_| case.is_sms()) else { return };
    for rule in case.rules() {
        let Value::NumberCheck(need) = &rule.value else { continue };
        let newest = person.checks.iter().filter(|c| c.kind == need.check && c.asked_at <= case.at);
        judge(case, rule, need, newest.max_by_key(|c| c.asked_at), findings);
    }
}

fn judge(
    case: &Case<'_>,
    rule: &Rule,
    need: &CheckNeed,
    newest: Option<&NumberCheck>,
    findings: &mut Findings,
) {
    if let Some(answer) = newest.filter(|c| c.answer == CheckAnswer::Yes) {
        if !harmless(case, need, answer) {
            let (code, what) = meaning(need.check);
            findings.refuse(rule, code, format!("{what} (asked {})", answer.asked_at));
        }
        return;
    }
    let fresh = |c: &NumberCheck| {
        c.answer == CheckAnswer::No
            && c.asked_at + Span::days(i64::from(need.days)) > case.at
            && reaches_back(case, c)
    };
    if newest.is_some_and(fresh) {
        return;
    }
    let detail = || format!("no answer of the last {} days to: {}", need.days, question(need.check));
    let lacking = match newest {
        Some(_) => need.if_stale.unwrap_or(need.if_missing),
        None => need.if_missing,
    };
    match lacking {
        IfMissing::Ignore => {}
        IfMissing::Note => findings.note(rule, Code::NumberCheckStale, detail()),
        IfMissing::Hold => findings.hold(rule, Code::NumberCheckStale, None, detail()),
    }
}

/// Whether a no tells of all the time since the person agreed: the register is asked whether the number changed hands since
/// a date, and a date after the consent says nothing about the days between (47 CFR 64.1200(m)). Dates may be a day apart.
fn reaches_back(case: &Case<'_>, answer: &NumberCheck) -> bool {
    let Some(since) = answer.reference_at.filter(|_| answer.kind == CheckKind::Reassigned) else {
        return true;
    };
    let agreed = case.person().into_iter().flat_map(|person| &person.consents).filter(|c| {
        c.state == ConsentState::Granted
            && c.program == case.facts.program.id
            && c.channel == case.req.channel
    });
    agreed.map(|consent| consent.captured_at).min().is_none_or(|at| since <= at + Span::days(1))
}

/// A yes does no harm when the consent's basis lifts it, or when the consent was given after the number changed hands.
fn harmless(case: &Case<'_>, need: &CheckNeed, answer: &NumberCheck) -> bool {
    let lifted = |basis: &Basis| need.lifted_by.contains(basis);
    let owner_changed = matches!(need.check, CheckKind::Reassigned | CheckKind::Deactivated);
    let good = |c: &Consent| {
        c.state == ConsentState::Granted
            && c.program == case.facts.program.id
            && c.channel == case.req.channel
            && (lifted(&c.basis) || (owner_changed && c.captured_at > answer.asked_at))
    };
    case.person().is_some_and(|person| person.consents.iter().any(good))
}

fn meaning(kind: CheckKind) -> (Code, &'static str) {
    match kind {
        CheckKind::Reassigned => (Code::NumberReassigned, "the number has a new owner"),
        CheckKind::Deactivated => (Code::NumberChanged, "the number was given up"),
        CheckKind::DoNotCall => (Code::DoNotCall, "the number is on a do-not-call register"),
        CheckKind::LineType => (Code::NumberType, "the line cannot receive texts"),
        CheckKind::Registry => (Code::DoNotCall, "the national consent register says no"),
        CheckKind::Litigator => {
            (Code::DoNotCall, "the number is on a list of people known to sue over texts")
        }
    }
}

fn question(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Reassigned => "has the number a new owner?",
        CheckKind::Deactivated => "was the number given up?",
        CheckKind::DoNotCall => "is it on a do-not-call register?",
        CheckKind::LineType => "can the line receive texts?",
        CheckKind::Registry => "what does the national consent register say?",
        CheckKind::Litigator => "is it on a list of people known to sue over texts?",
    }
}
