//! Least time between two messages about one cart by the same medium.

use super::case::Case;
use super::findings::{Findings, Ground};
use super::touches::clear_of;
use crate::model::{Code, Span};
use crate::policy::Value;

const BRAND: Ground<'_> = Ground { id: "brand/cart_spacing", citation: "the brand's own limit" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.facts.cart.is_none() {
        return;
    }
    let sent = case.touches.of_cart(case.facts, &[case.medium()]);
    let clear = |gap: Span| clear_of(sent.iter().copied(), gap, case.at);
    for rule in case.rules() {
        let Value::CartSpacing(wait) = &rule.value else { continue };
        if let Some(until) = clear(Span::hours(i64::from(wait.hours))) {
            let detail = format!("less than {} hours from another message about this cart", wait.hours);
            findings.hold(rule, Code::CartSpacing, Some(until), detail);
        }
    }
    if let Some(until) = case.facts.brand.profile.cart_spacing.and_then(clear) {
        let detail = "too close to another message about this cart";
        findings.hold(BRAND, Code::CartSpacing, Some(until), detail);
    }
}
