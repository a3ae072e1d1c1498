//! What the final text must and must not be. Judged on the text as it would leave, link and coupon filled in.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::model::facts::{AutomaticKind, BrandFacts};
use crate::policy::value::ContentDuty;
use crate::policy::{Rule, Value};

const GROUND: Ground<'_> = Ground { id: "core/content", citation: "an empty message has no purpose" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if case.facts.content.body.trim().is_empty() {
        findings.refuse(GROUND, Code::ContentUnreadable, "the text is empty");
    }
    for rule in case.rules() {
        if let Value::Content(need) = &rule.value {
            duty(case, rule, need.require, findings);
        }
    }
}

fn duty(case: &Case<'_>, rule: &Rule, duty: ContentDuty, findings: &mut Findings) {
    let content = &case.facts.content;
    match duty {
        ContentDuty::BrandName if !content.has_brand_name => {
            findings.refuse(rule, Code::BrandNameMissing, "the text does not name the brand");
        }
        ContentDuty::OptOutWording if !content.has_opt_out && !is_answer(case) => {
            findings.refuse(rule, Code::OptOutWordingMissing, "the text does not say how to stop");
        }
        ContentDuty::Contact if !content.has_contact && !is_answer(case) => {
            let detail = "the text does not tell the contact of the brand";
            findings.refuse(rule, Code::ContactMissing, detail);
        }
        ContentDuty::ContactOrLink if !content.has_contact && !links_home(case) && !is_answer(case) => {
            let detail = "the text neither tells the contact of the brand nor carries a link of it";
            findings.refuse(rule, Code::ContactMissing, detail);
        }
        ContentDuty::NoSharedShortener if !content.shared_shorteners.is_empty() => {
            let detail = format!("public shortener: {}", content.shared_shorteners.join(", "));
            findings.refuse(rule, Code::LinkShortenerShared, detail);
        }
        ContentDuty::NoReplyToBuy if content.asks_reply_to_buy => {
            findings.refuse(
                rule,
                Code::ContentProhibited,
                "the text asks to buy, pay or approve by replying",
            );
        }
        ContentDuty::NoLink if !content.link_hosts.is_empty() => {
            findings.refuse(rule, Code::LinkDomain, "texts with a link are not carried here");
        }
        ContentDuty::NoLinkFromAbroad if !content.link_hosts.is_empty() && is_from_abroad(case) => {
            let detail = "a text with a link needs a sender of the person's own country";
            findings.refuse(rule, Code::LinkDomain, detail);
        }
        ContentDuty::OwnDomains => own_domains(case, rule, findings),
        _ => {}
    }
}

/// Confirmations of a STOP and answers to HELP say what they say; the person already knows how to stop.
fn is_answer(case: &Case<'_>) -> bool {
    matches!(case.automatic(), Some(AutomaticKind::OptOutConfirmation | AutomaticKind::Help))
}

/// A sender without a country is not known to be a domestic one.
fn is_from_abroad(case: &Case<'_>) -> bool {
    let sender = case.facts.sender.as_ref().and_then(|sender| sender.country);
    let number = case.facts.number.as_ref().and_then(|number| number.country);
    sender.is_none() || sender != number
}

/// Whether it carries a link to the brand: to a domain of its own, or by its short one.
fn links_home(case: &Case<'_>) -> bool {
    let brand = &case.facts.brand;
    case.facts.content.link_hosts.iter().any(|host| is_own(brand, host) || is_short(brand, host))
}

fn is_own(brand: &BrandFacts, host: &str) -> bool {
    brand.target_domains.iter().any(|domain| within(host, domain))
}

fn is_short(brand: &BrandFacts, host: &str) -> bool {
    brand.short_domain.as_deref() == Some(host)
}

fn own_domains(case: &Case<'_>, rule: &Rule, findings: &mut Findings) {
    let (brand, content) = (&case.facts.brand, &case.facts.content);
    let strange = content.link_hosts.iter().filter(|host| !is_own(brand, host) && !is_short(brand, host));
    for host in strange.chain(content.target_host.iter().filter(|host| !is_own(brand, host))) {
        let detail = format!("{host} is not one of the brand's domains");
        findings.refuse(rule, Code::LinkDomain, detail);
    }
}

fn within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) && !domain.is_empty()
}
