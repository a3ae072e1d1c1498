//! How a sender that is a name must be spelled: prefixes and suffixes by which a country's register tells advertising from
//! the rest (TDRA's `AD-`, TCCCPR's `-P`). A name nobody told, as in entries of earlier releases, is not judged.

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::policy::Value;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(name) = case.facts.sender.as_ref().and_then(|sender| sender.name.as_deref()) else { return };
    for rule in case.rules() {
        if let Value::SenderName(need) = &rule.value
            && let Some(problem) = need.problem(name)
        {
            findings.refuse(rule, Code::SenderName, format!("the sender's name {name} {problem}"));
        }
    }
}
