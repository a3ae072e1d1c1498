//! Dated bans from `policies/overrides/`: declared emergencies (La. R.S. 45:844.31, N.Y. GBL 399-z(5-a)) and the like.

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::policy::Value;

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.any_hour() {
        return;
    }
    for rule in case.rules() {
        if let Value::Ban(ban) = &rule.value
            && ban.from <= case.at
            && case.at < ban.to
        {
            findings.hold(rule, Code::EmergencyBan, Some(ban.to), ban.reason.clone());
        }
    }
}
