//! A cart reminder leaves within hours of the abandonment or never: "later = drop, not delay" (US carriers, 48 h).

use super::case::Case;
use super::findings::Findings;
use crate::model::{Code, Span};
use crate::policy::Value;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(cart) = &case.facts.cart else { return };
    for rule in case.rules() {
        let Value::CartAge(limit) = &rule.value else { continue };
        let end = cart.abandoned_at + Span::hours(i64::from(limit.hours));
        findings.ends_at(end);
        if case.at >= end {
            let detail = format!("abandoned {}, more than {} hours ago", cart.abandoned_at, limit.hours);
            findings.refuse(rule, Code::CartStale, detail);
        }
    }
}
