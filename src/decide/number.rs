//! The number itself. Validity gates sending only; an opt-out is taken from any digits.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::policy::Value;

const GROUND: Ground<'_> = Ground { id: "core/number", citation: "ITU-T E.164 and national numbering plans" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if !case.is_sms() {
        return;
    }
    let Some(number) = &case.facts.number else {
        return findings.refuse(GROUND, Code::NumberInvalid, "there is no number to text");
    };
    if !number.valid {
        findings.refuse(GROUND, Code::NumberInvalid, "the numbering plan has no such number");
    }
    for rule in case.rules() {
        if let Value::Number(need) = &rule.value
            && need.refuse.contains(&number.kind)
        {
            findings.refuse(rule, Code::NumberType, format!("a {:?} line cannot be texted", number.kind));
        }
    }
}
