//! The program says what a message is for; signs of marketing under another category refuse it. So nobody escapes the
//! rules for marketing by calling a cart reminder transactional.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::policy::Value;

const GROUND: Ground<'_> = Ground { id: "core/program", citation: "the operator's own switch" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let facts = case.facts;
    if !facts.program.active {
        findings.refuse(
            GROUND,
            Code::ProgramInactive,
            format!("program {} is switched off", facts.program.id),
        );
    }
    if case.is_marketing() || case.automatic().is_some() {
        return;
    }
    for rule in case.rules() {
        let Value::Category(signs) = &rule.value else { continue };
        let mut say = |detail: String| findings.refuse(rule, Code::CategoryMismatch, detail);
        if signs.cart && facts.cart.is_some() {
            say("a message about a cart is marketing".into());
        }
        if signs.coupon && facts.coupon.is_some() {
            say("a message with a coupon is marketing".into());
        }
        if signs.offer_words && !facts.content.offer_words.is_empty() {
            say(format!("words of an offer: {}", facts.content.offer_words.join(", ")));
        }
    }
}
