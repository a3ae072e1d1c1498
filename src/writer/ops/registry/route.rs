//! Ways out: senders, the throttle groups they share, and the connections behind them.

use super::{OBJECTS_MAX, Problems, is_host};
use crate::content::links::target_host;
use crate::model::facts::SenderKind;
use crate::model::registry::{Connection, SENDER_NAME_RULE, Sender, Validity, is_sender_name};
use crate::model::{Category, Channel, Country, Jurisdiction, Phone, ZoneName};
use crate::policy::value::SenderDuty;
use crate::policy::{Query, Value};
use crate::writer::cx::{Cx, Held};
use crate::writer::op::OpError;
use crate::writer::ops::link::is_local;

/// A tenth of a part to a thousand parts a second, in parts per 1,000 seconds.
const RATE: std::ops::RangeInclusive<u64> = 100..=1_000_000;
const PARTS_A_DAY_MAX: u64 = 100_000_000;
const POOL_BYTES_MAX: usize = 64;
const PRICES_MAX: usize = 256;
const SETTINGS_MAX: usize = 32;
const SECRETS_MAX: usize = 8;
const REFERENCE_BYTES_MAX: usize = 512;
/// Area codes of toll-free numbers in the North American plan.
const TOLL_FREE: [u16; 7] = [800, 833, 844, 855, 866, 877, 888];

pub(super) fn check_sender(
    cx: &mut Cx<'_>,
    problems: &mut Problems,
    sender: &Sender,
    old: Option<&Sender>,
) -> Result<(), OpError> {
    problems.demand(old.is_none_or(|old| old.kind == sender.kind), "kind", "is fixed");
    let connected = cx.connection(sender.connection.as_str())?.is_some();
    problems.demand(connected, "connection", "does not exist");
    for (n, brand) in sender.brands.iter().enumerate() {
        let field = format!("brands[{n}]");
        problems.demand(cx.brand(brand.as_str())?.is_some(), &field, "does not exist");
        problems.demand(!sender.brands[..n].contains(brand), &field, "stands there twice");
    }
    problems.demand(address_fits(sender), "address", address_rule(sender.kind));
    let push = sender.kind == SenderKind::PushApp && sender.country.is_empty();
    let country = push || sender.country.parse::<Country>().is_ok();
    problems.demand(country, "country", "must be a two-letter ISO 3166-1 country code, as in US");
    problems.demand(sender.pool.len() <= POOL_BYTES_MAX, "pool", "must be at most 64 characters");
    let moves = |old: &Sender| (&old.address, &old.country) != (&sender.address, &sender.country);
    if old.is_none_or(moves) {
        check_country(cx, problems, sender);
    }
    check_languages(cx, problems, sender)?;
    check_throttle(cx, problems, sender)?;
    check_tax_id(cx, problems, sender)
}

/// A sender by which nothing could leave to its country, whatever the category of a program, by the rules in force now. One
/// that is there already can be changed all the same, or it could not even be paused.
fn check_country(cx: &Cx<'_>, problems: &mut Problems, sender: &Sender) {
    let Ok(country) = sender.country.parse::<Country>() else { return };
    let policy = cx.policies.engine.policy();
    let places = policy.expand(&[Jurisdiction::of(country)]).places;
    let against = |category: Category| {
        let query = Query {
            places: &places,
            channel: Channel::Sms,
            category,
            sender_kind: Some(sender.kind),
            cart: false,
            from: cx.now,
            to: cx.now,
        };
        policy.applicable(&query).into_iter().find_map(|rule| match &rule.value {
            Value::Sender(need) if need.require == SenderDuty::Unsupported => {
                Some(("kind", format!("is not carried in {country} ({})", rule.id)))
            }
            Value::SenderName(need) if sender.kind == SenderKind::Alphanumeric => {
                need.problem(&sender.address).map(|problem| ("address", format!("{problem} ({})", rule.id)))
            }
            _ => None,
        })
    };
    let all = [Category::Marketing, Category::Transactional, Category::Conversational].map(against);
    if let [Some((field, rule)), Some(_), Some(_)] = all {
        problems.add(field, rule);
    }
}

/// What the address of a kind of sender must be.
fn address_rule(kind: SenderKind) -> &'static str {
    match kind {
        SenderKind::TenDlc => {
            "must be a number of the North American plan, as in +12125550100, and not toll-free"
        }
        SenderKind::TollFree => "must be a toll-free number of the North American plan, as in +18005550100",
        SenderKind::LongCode => "must be a number in E.164, as in +447700900123",
        SenderKind::ShortCode => "must be a short code of 3 to 8 digits",
        SenderKind::Alphanumeric => SENDER_NAME_RULE,
        SenderKind::PushApp => "must be 1 to 255 characters without control characters",
    }
}

fn address_fits(sender: &Sender) -> bool {
    let text = sender.address.as_str();
    let phone = || Phone::from_e164(text).ok();
    let toll_free = |p: &Phone| p.area_code().is_some_and(|code| TOLL_FREE.contains(&code));
    match sender.kind {
        SenderKind::TenDlc => phone().is_some_and(|p| p.area_code().is_some() && !toll_free(&p)),
        SenderKind::TollFree => phone().is_some_and(|p| toll_free(&p)),
        SenderKind::LongCode => phone().is_some(),
        SenderKind::ShortCode => (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
        SenderKind::Alphanumeric => is_sender_name(text),
        SenderKind::PushApp => (1..=255).contains(&text.len()) && !text.chars().any(char::is_control),
    }
}

/// National language tables are the provider's to use. Where we name the alphabet ourselves, they are not used.
fn check_languages(cx: &mut Cx<'_>, problems: &mut Problems, sender: &Sender) -> Result<(), OpError> {
    let languages = &sender.national_languages;
    for (n, language) in languages.iter().enumerate() {
        let field = format!("national_languages[{n}]");
        problems.demand(!languages[..n].contains(language), &field, "stands there twice");
    }
    let connection = cx.connection(sender.connection.as_str())?;
    let named = connection.is_some_and(|connection| match connection.provider.as_str() {
        "smpp" => true,
        "vonage" => !connection.settings.iter().any(|(name, value)| name == "api" && value == "messages"),
        _ => false,
    });
    let rule =
        "must be empty: texts leave through this connection in an alphabet we name, without these tables";
    problems.demand(languages.is_empty() || !named, "national_languages", rule);
    Ok(())
}

/// Senders that share a group share its limits, so they must agree on them.
fn check_throttle(cx: &mut Cx<'_>, problems: &mut Problems, sender: &Sender) -> Result<(), OpError> {
    let group = &sender.throttle;
    problems.demand(!group.id.is_empty(), "throttle_group.id", "is required");
    let rate = RATE.contains(&group.milli_parts_per_second);
    problems.demand(rate, "throttle_group.segments_per_second", "must be 0.1 to 1,000");
    let cap = group.parts_per_day.is_none_or(|n| (1..=PARTS_A_DAY_MAX).contains(&n));
    problems.demand(cap, "throttle_group.parts_per_day", "must be at most 100,000,000, or none");
    let zone = group.reset_zone.parse::<ZoneName>().ok();
    let known = zone.is_some_and(|name| cx.policies.engine.zones().get(&name).is_some());
    problems.demand(
        known,
        "throttle_group.reset_zone",
        "must be an IANA time zone, as in America/Los_Angeles",
    );
    for other in cx.senders(OBJECTS_MAX)? {
        if other.id != sender.id && other.throttle.id == group.id && other.throttle != *group {
            let rule = format!("differs from that of sender {}, which shares it", other.id);
            problems.add("throttle_group", rule);
        }
    }
    Ok(())
}

/// Senders of one company share its cap, so they must agree on it; and a lane has one cap, or what is spent of one would
/// hold up the other.
fn check_tax_id(cx: &mut Cx<'_>, problems: &mut Problems, sender: &Sender) -> Result<(), OpError> {
    if let Some(cap) = &sender.tax_id_cap {
        problems.demand(!cap.tax_id.trim().is_empty(), "tax_id_cap.tax_id", "is required");
        let parts = (1..=PARTS_A_DAY_MAX).contains(&cap.parts_per_day);
        problems.demand(parts, "tax_id_cap.parts_per_day", "must be 1 to 100,000,000");
        let zone = cap.reset_zone.parse::<ZoneName>().ok();
        let known = zone.is_some_and(|name| cx.policies.engine.zones().get(&name).is_some());
        problems.demand(
            known,
            "tax_id_cap.reset_zone",
            "must be an IANA time zone, as in America/Los_Angeles",
        );
    }
    let tax_id = |s: &Sender| s.tax_id_cap.as_ref().map(|cap| cap.tax_id.clone());
    for other in cx.senders(OBJECTS_MAX)? {
        if other.id == sender.id {
            continue;
        }
        if sender.tax_id_cap.is_some()
            && tax_id(&other) == tax_id(sender)
            && other.tax_id_cap != sender.tax_id_cap
        {
            problems.add("tax_id_cap", format!("differs from that of sender {}, which shares it", other.id));
        }
        if other.throttle.id == sender.throttle.id && tax_id(&other) != tax_id(sender) {
            let rule = format!("must be that of sender {}, which shares the throttle group", other.id);
            problems.add("tax_id_cap.tax_id", rule);
        }
    }
    Ok(())
}

/// A number means one sender: a reply to it must find one STOP. A name gets no replies, so another provider may carry it
/// too and stand by.
pub(super) fn unique(cx: &mut Cx<'_>, sender: &Sender) -> Result<(), OpError> {
    // Nobody replies to a notification, and an app has one id on every platform.
    let push = sender.kind == SenderKind::PushApp;
    let same = |other: &&Held<Sender>| {
        let stands_by = sender.kind == SenderKind::Alphanumeric && other.connection != sender.connection;
        other.id != sender.id
            && !stands_by
            && other.country == sender.country
            && other.address.eq_ignore_ascii_case(&sender.address)
            && (!push || other.connection == sender.connection)
    };
    match cx.senders(OBJECTS_MAX)?.iter().find(same) {
        Some(other) => {
            Err(OpError::Exists { what: "the address, as that of sender", id: other.id.to_string() })
        }
        None => Ok(()),
    }
}

pub(super) fn check_connection(problems: &mut Problems, connection: &Connection, old: Option<&Connection>) {
    problems.demand(!connection.provider.is_empty(), "provider", "is required");
    problems.demand(old.is_none_or(|old| old.provider == connection.provider), "provider", "is fixed");
    problems.demand(connection.settings.len() <= SETTINGS_MAX, "settings", "must be at most 32");
    problems.demand(connection.secrets.len() <= SECRETS_MAX, "secrets", "must be at most 8");
    problems.demand(connection.prices.len() <= PRICES_MAX, "prices", "must be at most 256");
    for (n, price) in connection.prices.iter().enumerate() {
        let country = price.country.is_empty() || price.country.parse::<Country>().is_ok();
        let field = format!("prices[{n}].country");
        problems.demand(
            country,
            &field,
            "must be a two-letter ISO 3166-1 country code, or none for the rest",
        );
        let twice = connection.prices[..n].iter().any(|other| other.country == price.country);
        problems.demand(!twice, &field, "stands there twice");
    }
    named_once(problems, "settings", &connection.settings);
    named_once(problems, "secrets", &connection.secrets);
    for (n, (_, source)) in connection.secrets.iter().enumerate() {
        // The source is not repeated: whoever wrote the secret itself must not find it in a log.
        let rule = "must be env:NAME or file:/PATH; a secret itself is never taken";
        problems.demand(is_reference(source), &format!("secrets[{n}].source"), rule);
    }
    let url = connection.public_url.as_str();
    let reachable = url.is_empty() || target_host(url).is_ok() || is_plain_local(url);
    problems.demand(reachable, "public_url", "must be an https URL (http on this machine alone)");
    problems.demand((1..=1_024).contains(&connection.slots), "slots", "must be 1 to 1,024");
    let validity = match connection.validity {
        Validity::Native { min_seconds, max_seconds } => {
            min_seconds <= max_seconds && min_seconds <= 86_400 && (1..=604_800).contains(&max_seconds)
        }
        Validity::None { queue_seconds } => queue_seconds <= 86_400,
    };
    let rule = "must be min_seconds, at most 86,400, to max_seconds, at most 604,800; queue at most 86,400";
    problems.demand(validity, "validity", rule);
}

fn named_once(problems: &mut Problems, field: &str, pairs: &[(String, String)]) {
    for (n, (name, _)) in pairs.iter().enumerate() {
        let twice = pairs[..n].iter().any(|(other, _)| other == name);
        problems.demand(!twice && !name.is_empty(), &format!("{field}[{n}].name"), "must be given once");
    }
}

/// `env:NAME` or `file:/PATH`: where the gateway's machine keeps a secret.
fn is_reference(source: &str) -> bool {
    if source.len() > REFERENCE_BYTES_MAX || source.chars().any(char::is_control) {
        return false;
    }
    if let Some(name) = source.strip_prefix("env:") {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        return name.starts_with(|c: char| !c.is_ascii_digit()) && name.bytes().all(fine);
    }
    let Some(path) = source.strip_prefix("file:") else { return false };
    path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..")
}

/// Plain HTTP to this machine, as in a sandbox.
fn is_plain_local(url: &str) -> bool {
    let Some(host) = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()) else {
        return false;
    };
    let name = host.split(':').next().unwrap_or_default();
    name == "127.0.0.1" || (is_local(host) && is_host(host))
}
