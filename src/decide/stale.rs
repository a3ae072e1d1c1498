//! Rules past their review date: said in every verdict, or held, as the policy set asks. Never judged as if they were fresh.
//! A calendar is as old as its own file, whatever the date of the hours that name it.

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::policy::{OnStale, Rule, Value};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let policy = case.engine.policy();
    let mut say = |rule: &Rule| {
        let detail = "its review date has passed";
        match policy.stale(rule, case.at) {
            None => {}
            Some(OnStale::Warn) => findings.note(rule, Code::PolicyStale, detail),
            Some(OnStale::Hold) => findings.hold(rule, Code::PolicyStale, None, detail),
        }
    };
    let mut calendars = Vec::new();
    for rule in case.rules() {
        say(rule);
        if let Value::Hours(hours) = &rule.value
            && let Some(calendar) = hours.calendar.as_deref().and_then(|id| policy.calendar_rule(id))
            && !calendars.contains(&&calendar.id)
        {
            calendars.push(&calendar.id);
            say(calendar);
        }
    }
}
