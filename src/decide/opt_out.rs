//! Opt-outs, over the whole reach. "A consumer may revoke prior express consent … by using any reasonable method"
//! (47 CFR 64.1200(a)(10)); in force from receipt, not from any deadline.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::consent::{OptOut, OptOutScope};
use crate::model::facts::AutomaticKind;
use crate::model::{Code, OptOutSource};
use crate::policy::{Rule, Value};

const GROUND: Ground<'_> =
    Ground { id: "core/opt_out", citation: "47 CFR 64.1200(a)(10); CTIA Messaging Principles 5.1" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let opt_outs = case.facts.reach.iter().flat_map(|person| &person.opt_outs);
    for opt_out in opt_outs.filter(|o| o.holds_at(case.at) && !answered(case, o)) {
        if covers(case, opt_out, &opt_out.scope) {
            findings.refuse(GROUND, Code::OptedOut, detail(opt_out, &opt_out.scope));
        }
        for (rule, wider) in widened(case, opt_out) {
            if covers(case, opt_out, wider) {
                findings.refuse(rule, Code::OptedOut, detail(opt_out, wider));
            }
        }
    }
}

/// The texts a person may get after they said STOP: its one confirmation, the answer to a HELP they send later, and the
/// one question whether they want to come back, after a new act of theirs. A STOP after what called for it ends all three.
fn answered(case: &Case<'_>, opt_out: &OptOut) -> bool {
    case.req.automatic.as_ref().is_some_and(|automatic| match automatic.kind {
        AutomaticKind::OptOutConfirmation | AutomaticKind::Help => opt_out.received_at <= automatic.trigger,
        AutomaticKind::OptInRequest => opt_out.received_at < automatic.trigger,
        AutomaticKind::Welcome | AutomaticKind::ConsentRenewal => false,
    })
}

fn covers(case: &Case<'_>, opt_out: &OptOut, scope: &OptOutScope) -> bool {
    let widened = OptOut { scope: scope.clone(), ..opt_out.clone() };
    let program = &case.facts.program;
    widened.covers(&case.facts.brand.id, &program.id, program.category, case.req.channel)
}

fn widened<'a>(case: &Case<'a>, opt_out: &OptOut) -> Vec<(&'a Rule, &'a OptOutScope)> {
    if opt_out.scope_named {
        return Vec::new();
    }
    let applies = |rule: &'a Rule| match &rule.value {
        Value::Revocation(r) if r.sources.contains(&opt_out.source) && r.counts_as != opt_out.scope => {
            Some((rule, &r.counts_as))
        }
        _ => None,
    };
    case.rules().filter_map(applies).collect()
}

fn detail(opt_out: &OptOut, scope: &OptOutScope) -> String {
    let what = match scope {
        OptOutScope::All => "everything from this seller".to_owned(),
        OptOutScope::Marketing => "marketing".to_owned(),
        OptOutScope::Brand(brand) => format!("brand {brand}"),
        OptOutScope::Program(program) => format!("program {program}"),
        OptOutScope::Channel(channel) => format!("channel {channel:?}").to_lowercase(),
        OptOutScope::Night => "messages at night".to_owned(),
    };
    let how = match opt_out.source {
        OptOutSource::SmsReply => "by text",
        OptOutSource::Provider => "through the provider",
        OptOutSource::PhoneCall => "by phone",
        OptOutSource::Email => "by e-mail",
        OptOutSource::Web => "on the web",
        OptOutSource::InStore => "in a shop",
        OptOutSource::Letter => "by letter",
        OptOutSource::App => "in the app",
        OptOutSource::Operator => "noted by an officer",
    };
    format!("the person opted out of {what}, {how}, received {}", opt_out.received_at.to_second())
}
