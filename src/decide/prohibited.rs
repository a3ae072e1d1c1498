//! Classes of content a sender may not carry (CTIA 5.2 "SHAFT", T-Mobile Code of Conduct).

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::policy::Value;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let found = &case.facts.content.prohibited;
    if found.is_empty() {
        return;
    }
    for rule in case.rules() {
        let Value::Prohibited(list) = &rule.value else { continue };
        for class in found.iter().filter(|c| list.classes.iter().any(|l| l.eq_ignore_ascii_case(c))) {
            let detail = format!("words of the class {}", class.to_ascii_lowercase());
            findings.refuse(rule, Code::ContentProhibited, detail);
        }
    }
}
