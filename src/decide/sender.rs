//! The sender must serve this brand and program, carry this channel, reach the country, be registered and run.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::facts::{SenderFacts, SenderKind};
use crate::model::{Channel, Code};
use crate::policy::value::SenderDuty;
use crate::policy::{Rule, Value};

const GROUND: Ground<'_> =
    Ground { id: "core/sender", citation: "CTIA Messaging Principles: one opt-in, one program, one sender" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(sender) = &case.facts.sender else {
        return findings.refuse(GROUND, Code::SenderUnregistered, "no sender can carry this message");
    };
    fits(case, sender, findings);
    if sender.paused {
        findings.hold(GROUND, Code::SenderPaused, None, format!("sender {} is paused", sender.id));
    }
    for rule in case.rules() {
        if let Value::Sender(need) = &rule.value {
            duty(case, rule, need.require, sender, findings);
        }
    }
}

fn fits(case: &Case<'_>, sender: &SenderFacts, findings: &mut Findings) {
    let mut say = |detail: String| findings.refuse(GROUND, Code::SenderUnregistered, detail);
    let carries = (sender.kind == SenderKind::PushApp) == (case.req.channel == Channel::Push);
    if !carries {
        say(format!("sender {} does not carry {:?}", sender.id, case.req.channel));
    }
    if !sender.brands.is_empty() && !sender.brands.contains(&case.facts.brand.id) {
        say(format!("sender {} does not serve brand {}", sender.id, case.facts.brand.id));
    }
    if !sender.programs.is_empty() && !sender.programs.contains(&case.facts.program.id) {
        say(format!("sender {} does not serve program {}", sender.id, case.facts.program.id));
    }
}

fn duty(case: &Case<'_>, rule: &Rule, duty: SenderDuty, sender: &SenderFacts, findings: &mut Findings) {
    match duty {
        SenderDuty::Registered if !sender.registered => {
            let detail = format!("sender {} ({:?}) is not registered", sender.id, sender.kind);
            findings.refuse(rule, Code::SenderUnregistered, detail);
        }
        SenderDuty::Unsupported => {
            let detail = format!("{:?} senders are not carried here", sender.kind);
            findings.refuse(rule, Code::SenderCountry, detail);
        }
        SenderDuty::ReachesCountry => {
            let Some(country) = case.facts.number.as_ref().and_then(|n| n.country) else { return };
            if sender.country != Some(country) && !sender.reaches.contains(&country) {
                let detail = format!("sender {} does not reach {country}", sender.id);
                findings.refuse(rule, Code::SenderCountry, detail);
            }
        }
        SenderDuty::Registered => {}
    }
}
