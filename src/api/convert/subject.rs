//! Who a request is about, where they may be, what they wish.

use crate::api::convert::{hours, names, timestamp};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::model::CustomerId;
use crate::model::consent::Channel;
use crate::model::facts::Preferences;
use crate::model::location::LocationHint;
use crate::model::phone::Digits;
use crate::model::subject::Address;
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::Target;

/// Longest number as written, in characters.
const PHONE_MAX: usize = 32;
/// Most hints one request takes: one a source.
const HINTS_MAX: usize = 6;
/// Languages a person may name.
const LANGUAGES_MAX: usize = 8;

/// Reads who is meant. A number is taken by its digits, valid or not: that is a verdict's business.
pub fn target(f: &mut Fields, subject: Option<wire::Subject>) -> Option<Target> {
    f.required("subject", subject, target_within)
}

/// The same of a subject that [`canonical`] has read already.
pub fn target_read(f: &mut Fields, subject: Option<wire::Subject>, digits: Option<Digits>) -> Option<Target> {
    match digits {
        Some(digits) => Some(Target::Phone(digits)),
        None => target(f, subject),
    }
}

/// The same where the path already names the subject.
pub fn target_within(f: &mut Fields, subject: wire::Subject) -> Option<Target> {
    match subject.address {
        Some(wire::subject::Address::Phone(text)) => {
            let text = f.text("phone", text, 1..=PHONE_MAX, Lines::One)?;
            if !text.chars().any(|c| c.is_ascii_digit()) {
                return f.refuse("phone", "must hold digits, as in +12125550123");
            }
            Some(Target::Phone(Digits::received(&text, None)))
        }
        Some(wire::subject::Address::Device(key)) => f.within("device", |f| {
            let app = f.id::<crate::model::SenderId>("app", &key.app);
            let installation = f.text("installation_id", key.installation_id, 1..=128, Lines::One);
            Some(Target::Device { app: app?.to_string(), installation: installation? })
        }),
        Some(wire::subject::Address::CustomerId(text)) => {
            f.id::<CustomerId>("customer_id", &text).map(Target::Customer)
        }
        None => f.refuse("", "must name a phone, a device or a customer_id"),
    }
}

/// Writes a number in the one form it is kept in, so that two spellings of a request are one request. Answers its digits
/// where it came in that form: reading a number is dear.
pub fn canonical(subject: &mut Option<wire::Subject>) -> Option<Digits> {
    if let Some(wire::Subject { address: Some(wire::subject::Address::Phone(text)) }) = subject
        && text.chars().count() <= PHONE_MAX
        && text.chars().any(|c| c.is_ascii_digit())
    {
        let digits = Digits::received(text, None);
        let form = format!("+{}", digits.expose().last()?);
        if *text == form {
            return Some(digits);
        }
        *text = form;
    }
    None
}

/// An address on the wire.
pub fn subject(address: &Address) -> wire::Subject {
    let address = match address {
        Address::Phone(digits) => wire::subject::Address::Phone(match address.phone() {
            Some(phone) => phone.expose().to_owned(),
            None => digits.clone(),
        }),
        Address::Device { app, installation } => wire::subject::Address::Device(wire::DeviceKey {
            app: app.clone(),
            installation_id: installation.clone(),
        }),
    };
    wire::Subject { address: Some(address) }
}

/// Reads hints, at most one a source.
pub fn hints(f: &mut Fields, locations: Vec<wire::Location>) -> Option<Vec<LocationHint>> {
    let hints = f.each("locations", locations, 0..=HINTS_MAX, hint)?;
    f.no_repeats("locations", hints.iter().map(|hint| hint.source))?;
    Some(hints)
}

fn hint(f: &mut Fields, location: wire::Location) -> Option<LocationHint> {
    let source = f.named("source", location.source, names::location_source_of);
    let country = f.country("country", &location.country);
    let region = f.region("region", &location.region, country.flatten());
    let postal_code = f.text("postal_code", location.postal_code, 0..=16, Lines::One);
    let zone = f.zone("time_zone", &location.time_zone);
    let observed_at = f.time_or_now("observed_at", location.observed_at, TimeRule::Happened);
    let (country, postal_code) = (country?, postal_code?);
    if country.is_none() && !postal_code.is_empty() {
        return f.refuse("postal_code", "needs a country");
    }
    let region = region?.map(|r| r.region().unwrap_or_default().to_ascii_uppercase());
    Some(LocationHint {
        source: source?,
        country: country.map(|c| c.as_str().to_owned()).unwrap_or_default(),
        region: region.unwrap_or_default(),
        postal_code,
        time_zone: zone?.map(|z| z.as_str().to_owned()).unwrap_or_default(),
        observed_at: observed_at?,
    })
}

/// A hint on the wire.
pub fn location(hint: &LocationHint) -> wire::Location {
    wire::Location {
        source: names::location_source(hint.source).into(),
        country: hint.country.clone(),
        region: hint.region.clone(),
        postal_code: hint.postal_code.clone(),
        time_zone: hint.time_zone.clone(),
        observed_at: Some(timestamp(hint.observed_at)),
    }
}

/// Reads a person's wishes, and the zone they state.
pub fn preferences(f: &mut Fields, wire: wire::Preferences) -> Option<(Preferences, Option<String>)> {
    let hours = hours::week(f, "hours", wire.hours);
    let zone = f.zone("time_zone", &wire.time_zone);
    let languages =
        f.each("languages", wire.languages, 0..=LANGUAGES_MAX, |f, text| match f.locale("", text)? {
            Some(language) => Some(language),
            None => f.refuse("", "must not be empty"),
        });
    let channels = channels(f, wire.channels, 0);
    let at_most_per_week = match wire.max_per_week {
        Some(n) => f.number("max_per_week", n, 0..=100).map(Some),
        None => Some(None),
    };
    let channels = channels?;
    let preferences = Preferences {
        hours: hours?,
        languages: languages?,
        channels: (!channels.is_empty()).then_some(channels),
        at_most_per_week: at_most_per_week?,
    };
    Some((preferences, zone?.map(|z| z.as_str().to_owned())))
}

/// Reads the field `channels`: at least so many, none twice.
pub fn channels(f: &mut Fields, raw: Vec<i32>, least: usize) -> Option<Vec<Channel>> {
    let channels = f.each("channels", raw, least..=2, |f, raw| f.named("", raw, names::channel_of))?;
    f.no_repeats("channels", channels.iter().copied())?;
    Some(channels)
}

/// A person's wishes on the wire; the zone is among the hints.
pub fn wishes(preferences: &Preferences, hints: &[LocationHint]) -> wire::Preferences {
    let stated =
        hints.iter().find(|hint| names::location_source(hint.source) == wire::LocationSource::Stated);
    wire::Preferences {
        hours: hours::windows(preferences.hours.as_ref()),
        time_zone: stated.map(|hint| hint.time_zone.clone()).unwrap_or_default(),
        languages: preferences.languages.clone(),
        channels: preferences.channels.iter().flatten().map(|c| names::channel(*c).into()).collect(),
        max_per_week: preferences.at_most_per_week,
    }
}
