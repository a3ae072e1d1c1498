//! Rules past their review date: said in every verdict, or held, as the policy set asks. Never judged as if they were fresh.

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::policy::OnStale;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    for rule in case.rules().filter(|rule| rule.stale_from <= case.at) {
        let detail = "its review date has passed";
        match case.engine.policy().on_stale() {
            OnStale::Warn => findings.note(rule, Code::PolicyStale, detail),
            OnStale::Hold => findings.hold(rule, Code::PolicyStale, None, detail),
        }
    }
}
