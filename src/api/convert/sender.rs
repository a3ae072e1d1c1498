//! Senders and connections: as an operator writes them, as a row has them.

use crate::api::convert::{maybe_timestamp, names, spend, timestamp};
use crate::api::field::{Fields, Lines};
use crate::ledger::rows::{HeardRow, RegistryRow};
use crate::model::facts::{Answers, SenderKind};
use crate::model::registry::{
    Connection, Reconcile, SENDER_NAME_RULE, Sender, TaxIdCap, ThrottleGroup, Validity, is_sender_name,
};
use crate::model::{Instant, Phone, SenderId};
use crate::pb::consentry::v1 as wire;
use crate::provider::registry::is_push;
use crate::provider::smpp::settings::{VALIDITY_TAKEN, reconcile_of};

/// Where T-Mobile's day begins; the caps of US carriers follow it.
const RESET_ZONE: &str = "America/Los_Angeles";
const SLOTS_DEFAULT: u32 = 16;
const QUEUE_SECONDS_DEFAULT: u32 = 60;

/// Reads a sender.
pub fn sender(f: &mut Fields, sender: wire::Sender) -> Option<Sender> {
    let id: Option<SenderId> = f.id("id", &sender.id);
    let brands = f.each("brands", sender.brands, 0..=16, |f, id| f.id("", &id));
    let kind = f.named("kind", sender.kind, names::sender_kind_of);
    let address = kind.and_then(|kind| address(f, kind, sender.address));
    let country = f.country("country", &sender.country);
    if country == Some(None) && kind.is_some_and(|kind| kind != SenderKind::PushApp) {
        f.bad("country", "is required");
    }
    let answers = f.maybe_named("answers", sender.answers, names::answers_of);
    let throttle =
        f.required("throttle_group", sender.throttle_group, |f, group| throttle(f, group, id.as_ref()));
    let connection = f.id("connection", &sender.connection);
    let pool: Option<Option<SenderId>> = f.optional_id("pool", &sender.pool);
    let tax_id_cap = f.optional("tax_id_cap", sender.tax_id_cap, tax_id_cap);
    let languages = f.each("national_languages", sender.national_languages, 0..=13, |f, language| {
        f.named("", language, names::national_language_of)
    });
    let kind = kind?;
    let usual = if kind == SenderKind::TollFree { Answers::Network } else { Answers::Gateway };
    Some(Sender {
        id: id?,
        kind,
        address: address?,
        country: country?.map(|c| c.as_str().to_owned()).unwrap_or_default(),
        connection: connection?,
        brands: brands?,
        registered: sender.registered,
        paused: sender.paused,
        answers: answers?.unwrap_or(usual),
        throttle: throttle?,
        pool: pool?.map(|pool| pool.to_string()).unwrap_or_default(),
        tax_id_cap: tax_id_cap?,
        national_languages: languages?,
    })
}

fn tax_id_cap(f: &mut Fields, cap: wire::TaxIdCap) -> Option<TaxIdCap> {
    let tax_id = f.text("tax_id", cap.tax_id, 1..=64, Lines::One);
    if !(1..=100_000_000).contains(&cap.parts_per_day) {
        f.bad("parts_per_day", "must be 1 to 100,000,000");
    }
    let zone = f.zone("reset_zone", &cap.reset_zone);
    Some(TaxIdCap {
        tax_id: tax_id?,
        parts_per_day: cap.parts_per_day,
        reset_zone: zone?.map_or_else(|| RESET_ZONE.to_owned(), |zone| zone.as_str().to_owned()),
    })
}

fn address(f: &mut Fields, kind: SenderKind, text: String) -> Option<String> {
    const FIELD: &str = "address";
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match kind {
        _ if text.is_empty() => f.refuse(FIELD, "is required"),
        SenderKind::TenDlc | SenderKind::TollFree | SenderKind::LongCode => match Phone::from_e164(&text) {
            Ok(_) => Some(text),
            Err(e) => f.refuse(FIELD, e.to_string()),
        },
        SenderKind::ShortCode if digits && (3..=8).contains(&text.len()) => Some(text),
        SenderKind::ShortCode => f.refuse(FIELD, "must be a short code of 3 to 8 digits"),
        SenderKind::Alphanumeric if is_sender_name(&text) => Some(text),
        SenderKind::Alphanumeric => f.refuse(FIELD, SENDER_NAME_RULE),
        SenderKind::PushApp => f.text(FIELD, text, 1..=255, Lines::One),
    }
}

fn throttle(f: &mut Fields, group: wire::ThrottleGroup, sender: Option<&SenderId>) -> Option<ThrottleGroup> {
    let id: Option<Option<SenderId>> = f.optional_id("id", &group.id);
    let rate = group.segments_per_second;
    if !(0.1..=1_000.0).contains(&rate) {
        f.bad("segments_per_second", "must be 0.1 to 1,000");
    }
    if group.parts_per_day > 100_000_000 {
        f.bad("parts_per_day", "must be at most 100,000,000, or 0 for no cap");
    }
    let zone = f.zone("reset_zone", &group.reset_zone);
    let id = id?.or_else(|| sender.cloned());
    Some(ThrottleGroup {
        id: id?.to_string(),
        milli_parts_per_second: (rate * 1_000.0).round() as u64,
        parts_per_day: (group.parts_per_day > 0).then_some(group.parts_per_day),
        reset_zone: zone?.map(|zone| zone.as_str().to_owned()).unwrap_or_else(|| RESET_ZONE.to_owned()),
    })
}

/// A sender on the wire.
pub fn sender_out(sender: &Sender, row: &RegistryRow) -> wire::Sender {
    let group = &sender.throttle;
    wire::Sender {
        id: sender.id.to_string(),
        brands: sender.brands.iter().map(ToString::to_string).collect(),
        kind: names::sender_kind(sender.kind).into(),
        address: sender.address.clone(),
        country: sender.country.clone(),
        registered: sender.registered,
        answers: names::answers(sender.answers).into(),
        throttle_group: Some(wire::ThrottleGroup {
            id: group.id.clone(),
            segments_per_second: group.milli_parts_per_second as f64 / 1_000.0,
            parts_per_day: group.parts_per_day.unwrap_or_default(),
            reset_zone: group.reset_zone.clone(),
        }),
        connection: sender.connection.to_string(),
        paused: sender.paused,
        pool: sender.pool.clone(),
        tax_id_cap: sender.tax_id_cap.as_ref().map(|cap| wire::TaxIdCap {
            tax_id: cap.tax_id.clone(),
            parts_per_day: cap.parts_per_day,
            reset_zone: cap.reset_zone.clone(),
        }),
        national_languages: sender
            .national_languages
            .iter()
            .map(|language| names::national_language(*language).into())
            .collect(),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}

/// Reads a connection; the token of its webhook path is the writer's to make.
pub fn connection(f: &mut Fields, wire: wire::Connection) -> Option<Connection> {
    let id = f.id("id", &wire.id);
    let provider = f.named("provider", wire.provider, names::provider);
    let settings = f.each("settings", wire.settings, 0..=32, |f, setting| {
        let name = f.id::<SenderId>("name", &setting.name);
        let value = f.text("value", setting.value, 0..=512, Lines::One);
        Some((name?.to_string(), value?))
    });
    let secrets = f.each("secrets", wire.secrets, 0..=8, secret);
    let public_url = public_url(f, wire.public_url, provider);
    let validity = f.optional("validity", wire.validity, validity);
    let reconcile = f.maybe_named("reconcile", wire.reconcile, names::reconcile_of);
    let slots = f.number("slots", wire.slots, 0..=1_024);
    let prices = f.each("prices", wire.prices, 0..=256, spend::price);
    let (mut settings, mut secrets) = (settings?, secrets?);
    f.no_repeats("settings", settings.iter().map(|(name, _)| name))?;
    f.no_repeats("secrets", secrets.iter().map(|(name, _)| name))?;
    let mut prices = prices?;
    f.no_repeats("prices", prices.iter().map(|price| &price.country))?;
    prices.sort();
    settings.sort();
    secrets.sort();
    let (taken, closed) = match provider {
        Some(push) if is_push(push) => {
            (Validity::Native { min_seconds: 0, max_seconds: 604_800 }, Reconcile::Nothing)
        }
        Some("smpp") => (VALIDITY_TAKEN, reconcile_of(&settings)),
        _ => (Validity::None { queue_seconds: QUEUE_SECONDS_DEFAULT }, Reconcile::List),
    };
    Some(Connection {
        id: id?,
        provider: provider?.to_owned(),
        settings,
        secrets,
        public_url: public_url?,
        token_sha256: [0; 32],
        validity: validity?.unwrap_or(taken),
        reconcile: reconcile?.unwrap_or(closed),
        slots: if slots? == 0 { SLOTS_DEFAULT } else { slots? },
        prices,
    })
}

fn secret(f: &mut Fields, secret: wire::SecretRef) -> Option<(String, String)> {
    let name = f.id::<SenderId>("name", &secret.name);
    let good = ["env:", "file:"].iter().any(|kind| {
        secret.source.strip_prefix(kind).is_some_and(|rest| !rest.is_empty() && rest.len() <= 512)
    });
    // The source is not repeated: a caller who sent the secret itself must not find it in a log.
    if !good || secret.source.chars().any(char::is_control) {
        return f.refuse(
            "source",
            "must be env:NAME or file:PATH on the gateway's machine, never the secret itself",
        );
    }
    Some((name?.to_string(), secret.source))
}

fn public_url(f: &mut Fields, text: String, provider: Option<&str>) -> Option<String> {
    // The sandbox carrier runs on this machine, where nobody listens in between.
    if provider == Some("sandbox") && text.starts_with("http://") {
        return f.text("public_url", text, 0..=2_048, Lines::One);
    }
    f.link("public_url", text).map(|link| link.map(|l| l.url).unwrap_or_default())
}

fn validity(f: &mut Fields, validity: wire::Validity) -> Option<Validity> {
    if !validity.native {
        let queue = f.number("provider_queue_seconds", validity.provider_queue_seconds, 0..=86_400)?;
        return Some(Validity::None { queue_seconds: queue });
    }
    let least = f.number("min_seconds", validity.min_seconds, 0..=86_400);
    let most = f.number("max_seconds", validity.max_seconds, 1..=604_800);
    let (min_seconds, max_seconds) = (least?, most?);
    if min_seconds > max_seconds {
        return f.refuse("max_seconds", "must not be less than min_seconds");
    }
    Some(Validity::Native { min_seconds, max_seconds })
}

/// How a connection is now.
#[derive(Default)]
pub struct Health {
    pub paused: bool,
    pub resting_until: Option<Instant>,
    /// Why nobody is reached; empty: nothing is known to be wrong.
    pub fault: String,
}

/// A connection on the wire, with what is known of its hearing, and how it is.
pub fn connection_out(
    connection: &Connection,
    heard: Option<&HeardRow>,
    health: Health,
    row: &RegistryRow,
) -> wire::Connection {
    let settings = connection.settings.iter();
    let secrets = connection.secrets.iter();
    let validity = match connection.validity {
        Validity::Native { min_seconds, max_seconds } => {
            wire::Validity { native: true, min_seconds, max_seconds, provider_queue_seconds: 0 }
        }
        Validity::None { queue_seconds } => {
            wire::Validity { provider_queue_seconds: queue_seconds, ..wire::Validity::default() }
        }
    };
    wire::Connection {
        id: connection.id.to_string(),
        provider: names::provider_kind(&connection.provider).into(),
        settings: settings
            .map(|(name, value)| wire::Setting { name: name.clone(), value: value.clone() })
            .collect(),
        secrets: secrets
            .map(|(name, source)| wire::SecretRef { name: name.clone(), source: source.clone() })
            .collect(),
        public_url: connection.public_url.clone(),
        validity: Some(validity),
        reconcile: names::reconcile(connection.reconcile).into(),
        slots: connection.slots,
        prices: connection.prices.iter().map(spend::price_out).collect(),
        paused: health.paused,
        resting_until: maybe_timestamp(health.resting_until),
        fault: health.fault,
        heard_until: maybe_timestamp(heard.map(|heard| heard.until)),
        heard_by: heard.map(|heard| heard.how.clone()).unwrap_or_default(),
        created_at: Some(timestamp(row.created_at)),
        updated_at: Some(timestamp(row.updated_at)),
    }
}
