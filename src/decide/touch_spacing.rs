//! Least time after the person was reached some other way, so that e-mail, ads, push and texts do not chase one person together.

use super::case::Case;
use super::findings::{Findings, Ground};
use super::touches::clear_of;
use crate::model::{Code, Instant, Medium, Span};
use crate::policy::Value;

const BRAND: Ground<'_> = Ground { id: "brand/touch_spacing", citation: "the brand's own limit" };
const EVERY: [Medium; 6] =
    [Medium::Sms, Medium::Push, Medium::Email, Medium::Ad, Medium::Call, Medium::Other];

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.automatic().is_some() {
        return;
    }
    for rule in case.rules() {
        let Value::TouchSpacing(spacing) = &rule.value else { continue };
        if let Some(until) = clear(case, &spacing.media, Span::minutes(i64::from(spacing.minutes))) {
            let detail = format!("reached another way less than {} minutes away", spacing.minutes);
            findings.hold(rule, Code::TouchSpacing, Some(until), detail);
        }
    }
    let own = case.facts.brand.profile.touch_spacing.filter(|_| case.is_marketing());
    if let Some(until) = own.and_then(|gap| clear(case, &EVERY, gap)) {
        findings.hold(BRAND, Code::TouchSpacing, Some(until), "reached another way too recently");
    }
}

fn clear(case: &Case<'_>, media: &[Medium], gap: Span) -> Option<Instant> {
    let own = case.medium();
    let others = case.touches.marketing_by(media).filter(|touch| touch.medium != own);
    clear_of(others.map(|touch| touch.at), gap, case.at)
}
