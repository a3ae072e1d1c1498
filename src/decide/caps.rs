//! Most messages to one person in a rolling time, over all numbers, brands, programs and channels of the seller
//! (Fla. Stat. 501.616(6), 15 O.S. 775C.4, Md. Com. Law 14-4503, ORS 646.569; the house counts for everybody).

use super::case::Case;
use super::findings::{Findings, Ground};
use super::touches::room_in;
use crate::model::{Code, Instant, Medium, Span};
use crate::policy::value::{Cap, CountBy};
use crate::policy::{Layer, Value};

const BRAND: Ground<'_> = Ground { id: "brand/per_day", citation: "the brand's own limit" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.automatic().is_some() {
        return;
    }
    for rule in case.rules() {
        let Value::Cap(cap) = &rule.value else { continue };
        if let Some(until) = room(case, cap) {
            let code = if rule.layer == Layer::House { Code::RecipientCap } else { Code::JurisdictionCap };
            let detail = format!("{} messages in {} hours are reached", cap.at_most, cap.hours);
            findings.hold(rule, code, Some(until), detail);
        }
    }
    if let Some(at_most) = case.facts.brand.profile.per_day.filter(|_| case.is_marketing()) {
        let cap = Cap { at_most, hours: 24, media: vec![Medium::Sms, Medium::Push], by: CountBy::Recipient };
        if let Some(until) = room(case, &cap) {
            let detail = format!("{at_most} messages in 24 hours are reached");
            findings.hold(BRAND, Code::RecipientCap, Some(until), detail);
        }
    }
}

fn room(case: &Case<'_>, cap: &Cap) -> Option<Instant> {
    let matter = case.req.subject_matter.as_deref();
    let counts = |theirs: Option<&str>| match (cap.by, matter, theirs) {
        (CountBy::Recipient, _, _)
        | (CountBy::SubjectMatter, None, _)
        | (CountBy::SubjectMatter, _, None) => true,
        (CountBy::SubjectMatter, Some(ours), Some(theirs)) => ours == theirs,
    };
    let touches = case.touches.marketing_by(&cap.media).filter(|t| counts(t.subject_matter.as_deref()));
    room_in(touches.map(|t| t.at), cap.at_most, Span::hours(i64::from(cap.hours)), case.at)
}
