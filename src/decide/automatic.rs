//! The texts the gateway sends by itself, each with limits of its own; what they are exempt from stands in the rules
//! they are exempt from, and every such verdict says by which rule.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::facts::{Answers, AutomaticKind, AutomaticText};
use crate::model::{Code, Span};
use crate::policy::Rule;
use crate::policy::value::AutomaticLimits;

const GROUND: Ground<'_> =
    Ground { id: "core/automatic", citation: "design: each automatic text has its own limits" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(text) = &case.req.automatic else { return };
    if text.trigger > case.at || case.automatic_limits().next().is_none() {
        findings.refuse(GROUND, Code::AutomaticTextNotDue, "nothing calls for this text");
    }
    if text.kind == AutomaticKind::ConsentRenewal && !super::consent::is_renewal_due(case) {
        findings.refuse(GROUND, Code::AutomaticTextNotDue, "no consent is to be renewed yet");
    }
    let answers = case.facts.sender.as_ref().map_or(Answers::Gateway, |sender| sender.answers);
    let replies = matches!(text.kind, AutomaticKind::OptOutConfirmation | AutomaticKind::Help);
    if replies && answers != Answers::Gateway {
        findings.refuse(
            GROUND,
            Code::AutomaticTextNotOurs,
            format!("{answers:?} answers for this sender").to_lowercase(),
        );
    }
    for (rule, limits) in case.automatic_limits() {
        within(case, rule, limits, text, findings);
    }
}

fn within(
    case: &Case<'_>,
    rule: &Rule,
    limits: &AutomaticLimits,
    text: &AutomaticText,
    findings: &mut Findings,
) {
    let minutes = |n: u32| Span::minutes(i64::from(n));
    let end = text.trigger + minutes(limits.within_minutes);
    // The last permitted instant itself is still in time: "not after received + 5 min".
    findings.ends_at(end + Span::micros(1));
    if case.at > end {
        let detail = format!("more than {} minutes after what called for it", limits.within_minutes);
        findings.refuse(rule, Code::AutomaticTextLate, detail);
    }
    if let Some(last) = text.last_sent {
        let again = limits.repeat_minutes.map(|n| last + minutes(n));
        if again.is_none_or(|again| case.at < again) {
            findings.refuse(rule, Code::AutomaticTextRepeated, format!("already sent {last}"));
        }
    }
    if limits.needs_grant && !text.grant_existed {
        findings.refuse(rule, Code::AutomaticTextNotDue, "no consent was in force before");
    }
    if limits.no_offer && !case.facts.content.offer_words.is_empty() {
        let words = case.facts.content.offer_words.join(", ");
        findings.refuse(rule, Code::ContentProhibited, format!("words of an offer: {words}"));
    }
    findings.note(rule, Code::AutomaticText, "judged by its own limits, not by those of campaigns");
}
