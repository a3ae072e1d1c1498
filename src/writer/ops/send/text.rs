//! The words of a message: placeholders, the brand's name, the way to stop, the coupon and its real end in local time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::facts::Whereabouts;
use crate::content::contact::{add_contact, says_contact};
use crate::content::language::Language;
use crate::content::links::{find_links, host_within};
use crate::content::plain::substitute;
use crate::content::render::Template;
use crate::content::wording::{HowToStop, complete};
use crate::model::facts::PlaceFacts;
use crate::model::outgoing::{MessageCoupon, MessageLink, MessageSpec};
use crate::model::registry::{Brand, Program, Sender};
use crate::model::subject::Subject;
use crate::model::{Category, Channel, Instant, ZoneName};
use crate::policy::value::{ContentDuty, Place};
use crate::policy::{Query, Rule, Value};
use crate::writer::ops::link::{opt_out_url, short_url};
use crate::writer::{Cx, OpError};

/// Stay open until dispatch: a returned code must not have been seen, and its end counts from the hand-over.
const COUPON: &str = "{{coupon}}";
const COUPON_EXPIRES: &str = "{{coupon_expires}}";

/// The language of a text: the person's own wish, else the brand's, else English.
pub fn language(subject: &Subject, brand: &Brand) -> Language {
    let wished = subject.preferences.languages.iter().find_map(|tag| Language::from_tag(tag));
    wished.or_else(|| Language::from_tag(&brand.locale)).unwrap_or_default()
}

/// How a person stops the texts of this sender.
pub fn how_to_stop<'a>(sender: Option<&Sender>, opt_out_url: &'a str) -> HowToStop<'a> {
    match sender.is_some_and(Sender::is_one_way) {
        true => HowToStop::Link(opt_out_url),
        false => HowToStop::Reply,
    }
}

/// The words some law of the places in question wants before everything else, as in `(광고)`; the first, if several.
pub fn label(
    cx: &Cx<'_>,
    place: &PlaceFacts,
    brand: &Brand,
    program: &Program,
    sender: Option<&Sender>,
    channel: Channel,
) -> Option<String> {
    let policy = cx.policies.engine.policy();
    if !policy.may_add_words(&place.jurisdictions) {
        return None;
    }
    let places = policy.expand(&place.jurisdictions).places;
    let query = Query {
        places: &places,
        channel,
        category: program.category,
        sender_kind: sender.map(|s| s.kind),
        cart: false,
        from: cx.now,
        to: cx.now,
    };
    policy.applicable(&query).into_iter().find_map(|rule| match &rule.value {
        Value::Wording(need) if need.place == Place::Start => need.first(&brand.display_name),
        _ => None,
    })
}

/// What laws of the places in question want a text to say of where its sender can be reached; the strictest.
pub fn reach_duty(
    cx: &Cx<'_>,
    place: &PlaceFacts,
    program: &Program,
    sender: Option<&Sender>,
    channel: Channel,
) -> Option<ContentDuty> {
    if !cx.policies.engine.policy().may_add_words(&place.jurisdictions) {
        return None;
    }
    strictest(&duties(cx, place, program, sender, channel))
}

/// Of several duties to tell the contact the one that asks for most.
pub fn strictest(duties: &[ContentDuty]) -> Option<ContentDuty> {
    let whole = duties.iter().find(|duty| **duty == ContentDuty::Contact);
    whole.or_else(|| duties.iter().find(|duty| duty.asks_for_contact())).copied()
}

/// Whether words tell where the brand can be reached as far as a duty asks. A link of the brand leads there: its site, or
/// the opt-out page, which names the contact.
pub fn is_reachable(words: &str, duty: Option<ContentDuty>, brand: &Brand) -> bool {
    let Some(duty) = duty else { return true };
    let own = brand.target_domains.iter().chain([&brand.short_domain]);
    let hosts: Vec<&str> = own.map(|domain| domain.split(':').next().unwrap_or_default()).collect();
    let links_home = || find_links(words).iter().any(|link| host_within(&link.host, hosts.iter().copied()));
    says_contact(words, &brand.support_contact) || duty == ContentDuty::ContactOrLink && links_home()
}

/// What laws of the places in question want the words to say.
pub fn duties(
    cx: &Cx<'_>,
    place: &PlaceFacts,
    program: &Program,
    sender: Option<&Sender>,
    channel: Channel,
) -> Vec<ContentDuty> {
    let policy = cx.policies.engine.policy();
    let places = policy.expand(&place.jurisdictions).places;
    let query = Query {
        places: &places,
        channel,
        category: program.category,
        sender_kind: sender.map(|s| s.kind),
        cart: false,
        from: cx.now,
        to: cx.now,
    };
    let duty = |rule: &Rule| match &rule.value {
        Value::Content(need) => Some(need.require),
        _ => None,
    };
    policy.applicable(&query).into_iter().filter_map(duty).collect()
}

/// What a text is made of besides its words.
pub struct Makings<'a> {
    pub brand: &'a Brand,
    pub program: &'a Program,
    pub sender: Option<&'a Sender>,
    pub link: Option<&'a MessageLink>,
    pub with_coupon: bool,
    pub language: Language,
    /// What some law wants to stand first.
    pub label: Option<&'a str>,
    /// What some law wants to be told of where the brand can be reached.
    pub reach: Option<ContentDuty>,
}

/// Fills everything but the coupon, then adds label, brand name, contact and opt-out wording where they are missing. `parts` counts
/// those of a text as it would leave.
pub fn render(
    words: &str,
    variables: &[(String, String)],
    of: &Makings<'_>,
    parts: impl Fn(&str) -> usize,
) -> Result<String, OpError> {
    let filled = placeholders(of.brand, of.link, of.with_coupon);
    let variables: BTreeMap<String, String> = variables.iter().cloned().collect();
    let words = fill_in("body", words, &filled, &variables)?;
    Ok(spelled(of.brand, &words, |words| completed(words, of), parts))
}

/// Filled words with what they lack.
fn completed(words: &str, of: &Makings<'_>) -> String {
    let mut text = Cow::Borrowed(words);
    if let Some(label) = of.label.filter(|label| !text.to_lowercase().starts_with(&label.to_lowercase())) {
        text = format!("{label} {}", text.trim_start()).into();
    }
    let opt_out = of.link.map(|l| opt_out_url(&of.brand.short_domain, &l.code)).unwrap_or_default();
    let marketing = of.program.category == Category::Marketing;
    let how = marketing.then(|| how_to_stop(of.sender, &opt_out));
    let (brand, language) = (&of.brand.display_name, of.language);
    let whole = complete(&text, brand, language, how).text;
    if is_reachable(&whole, of.reach, of.brand) {
        return whole;
    }
    // Before the way to stop, which stands last in some laws; the name first, so that no address passes for it.
    let named = complete(&text, brand, language, None).text;
    complete(&add_contact(&named, &of.brand.support_contact, language), brand, language, how).text
}

/// Words completed: as they were written, or with plain characters for typographic ones where the brand wants that and it
/// spares a part of the whole.
pub fn spelled(
    brand: &Brand,
    words: &str,
    complete: impl Fn(&str) -> String,
    parts: impl Fn(&str) -> usize,
) -> String {
    let exact = complete(words);
    if !brand.plain_typography {
        return exact;
    }
    let Cow::Owned(plain) = substitute(words) else { return exact };
    let plain = complete(&plain);
    if parts(&plain) < parts(&exact) { plain } else { exact }
}

/// What the gateway fills into placeholders itself; the coupon stays open until dispatch.
pub fn placeholders(
    brand: &Brand,
    link: Option<&MessageLink>,
    with_coupon: bool,
) -> BTreeMap<&'static str, String> {
    let mut filled = BTreeMap::new();
    if let Some(link) = link {
        if !link.opt_out {
            filled.insert("link", short_url(&brand.short_domain, &link.code));
        }
        filled.insert("opt_out_link", opt_out_url(&brand.short_domain, &link.code));
    }
    if with_coupon {
        filled.insert("coupon", COUPON.to_owned());
        filled.insert("coupon_expires", COUPON_EXPIRES.to_owned());
    }
    filled
}

/// Words with their placeholders filled in, or every mistake in them at once.
pub fn fill_in(
    field: &'static str,
    words: &str,
    filled: &BTreeMap<&'static str, String>,
    variables: &BTreeMap<String, String>,
) -> Result<String, OpError> {
    Template::parse(words).and_then(|template| template.render(filled, variables)).map_err(|errors| {
        let rule = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        OpError::Invalid { field, rule }
    })
}

/// Fills in the coupon as it would be, or is, at dispatch.
pub fn fill(
    text: &str,
    coupon: Option<&MessageCoupon>,
    expires_at: Option<Instant>,
    zone: &ZoneName,
    cx: &Cx<'_>,
    language: Language,
) -> String {
    let Some(code) = coupon.and_then(|c| c.code.as_deref()) else { return text.to_owned() };
    let ends = expires_at.map(|at| local(at, zone, cx, language)).unwrap_or_default();
    text.replace(COUPON, code).replace(COUPON_EXPIRES, &ends)
}

/// An instant as the person's clock will show it, with the zone named so that nobody has to guess.
fn local(at: Instant, zone: &ZoneName, cx: &Cx<'_>, language: Language) -> String {
    let zones = cx.policies.engine.zones();
    let zone = zones.get(zone).cloned().unwrap_or(jiff::tz::TimeZone::UTC);
    let format = match language {
        Language::En => "%b %-d, %-I:%M %p %Z",
        Language::De | Language::Pl | Language::Tr | Language::Ru => "%-d.%-m. %H:%M %Z",
        Language::Ja | Language::Ko | Language::ZhHans | Language::ZhHant => "%-m/%-d %H:%M %Z",
        _ => "%-d/%-m %H:%M %Z",
    };
    jiff::fmt::strtime::format(format, &at.to_jiff().to_zoned(zone)).unwrap_or_default()
}

/// The text as it leaves, its coupon valid until `coupon_expires_at`.
pub fn final_text(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    subject: &Subject,
    coupon_expires_at: Option<Instant>,
) -> Result<String, OpError> {
    if spec.coupon.is_none() {
        return Ok(spec.text.clone());
    }
    let zone = Whereabouts::of(subject, &[], cx.now).zone();
    let language = Language::from_tag(&spec.language).unwrap_or_default();
    Ok(fill(&spec.text, spec.coupon.as_ref(), coupon_expires_at, &zone, cx, language))
}
