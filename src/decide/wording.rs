//! Words the law prescribes: 정보통신망법 (Network Act) decree art. 61, Decree 91/2020/ND-CP art. 13, Spam Control Act
//! Schedule 2, and the like. What each place asks for is data; here it is looked for in the text as it would leave.

use super::case::Case;
use super::findings::Findings;
use crate::model::Code;
use crate::model::facts::AutomaticKind;
use crate::policy::Value;
use crate::policy::value::{About, Place};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    // Answers to the person's own STOP and HELP advertise nothing.
    if matches!(case.automatic(), Some(AutomaticKind::OptOutConfirmation | AutomaticKind::Help)) {
        return;
    }
    let (body, brand) = (&case.facts.content.body, &case.facts.brand.display_name);
    for rule in case.rules() {
        let Value::Wording(need) = &rule.value else { continue };
        // A notice that renews a consent advertises nothing; who sends it and how to refuse stands in it all the same.
        let is_notice = case.automatic() == Some(AutomaticKind::ConsentRenewal);
        if is_notice && need.about == About::Label || need.is_in(body, brand) {
            continue;
        }
        let code = match need.about {
            About::Label => Code::LabelRequired,
            About::OptOut => Code::OptOutWordingMissing,
            About::Identity => Code::BrandNameMissing,
        };
        let place = match need.place {
            Place::Start => "at its very beginning",
            Place::Anywhere => "in it",
        };
        let wanted = need.any_of.join(" or ").replace("{brand}", brand).replace('#', "<number>");
        findings.refuse(rule, code, format!("the text must carry {place}: {wanted}"));
    }
}
