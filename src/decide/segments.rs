//! Most parts of one text, counted after link and coupon are filled in.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::policy::Value;

const BRAND: Ground<'_> = Ground { id: "brand/segments", citation: "the brand's own limit" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if !case.is_sms() {
        return;
    }
    let parts = case.facts.content.segments;
    let detail = |most: u32| format!("{parts} parts, at most {most}");
    for rule in case.rules() {
        if let Value::Segments(limit) = &rule.value
            && parts > limit.at_most
        {
            findings.refuse(rule, Code::TooManySegments, detail(limit.at_most));
        }
    }
    if let Some(most) = case.facts.brand.profile.segments.filter(|most| parts > *most && case.is_marketing())
    {
        findings.refuse(BRAND, Code::TooManySegments, detail(most));
    }
}
