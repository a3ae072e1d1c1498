//! An address as it arrived with a reply or an opt-out: keyed by its digits, valid or not, never refused.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};
use sha2::{Digest, Sha256};

use super::{Country, Phone, Typed, e164, mask, parse_for_sending};

/// Longest run of digits kept as itself; longer addresses are keyed by their hash.
const DIGITS_MAX: usize = 32;

/// One or two keys for an address as received. Opt-outs are stored and looked up under **every** key, so a STOP is
/// never lost to a numbering plan that does not know a range yet; the price is that, rarely, a second number is
/// suppressed along with the first.
///
/// The first key is the digits as received, without `+`; the second, where it differs, is the E.164 reading of them
/// from the sender's country (`07700…` heard by a British sender: also `447700…`). An address without digits (an
/// alphanumeric sender id), or with more than 32, is keyed by `x` and the SHA-256 of its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits {
    received: Box<str>,
    reading: Option<Box<str>>,
}

impl Digits {
    /// Keys an address as received by a sender of `sender_country`. Never fails.
    pub fn received(text: &str, sender_country: Option<Country>) -> Digits {
        let Some(typed) = lenient(text) else {
            return Digits { received: hashed(text), reading: None };
        };
        let received = typed.digits.clone().into_boxed_str();
        let reading = reading(&typed, sender_country).filter(|r| **r != *received);
        Digits { received, reading }
    }

    /// The keys, the one as received first. They are personal data: never log them.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.received).chain(self.reading.as_deref())
    }

    /// Whether an opt-out stored under this address covers `phone`.
    pub fn covers(&self, phone: &Phone) -> bool {
        self.expose().any(|key| key == phone.digits())
    }

    /// The E.164 number of the keys, if one of them can be written so: what a reply would be sent to.
    pub fn phone(&self) -> Option<Phone> {
        let key = self.reading.as_deref().unwrap_or(&self.received);
        Phone::from_e164(&format!("+{key}")).ok()
    }
}

impl From<&Phone> for Digits {
    fn from(phone: &Phone) -> Digits {
        Digits { received: phone.digits().into(), reading: None }
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.received))
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Every digit of the text, whatever stands between them.
fn lenient(text: &str) -> Option<Typed> {
    let digits: String = text.chars().filter_map(super::decimal).take(DIGITS_MAX + 1).collect();
    let international = text.trim_start().starts_with(['+', '\u{ff0b}']);
    (1..=DIGITS_MAX).contains(&digits.len()).then_some(Typed { digits, international })
}

fn hashed(text: &str) -> Box<str> {
    format!("x{}", hex::encode(Sha256::digest(text.trim().as_bytes()))).into()
}

/// The E.164 digits, if the plan finds their number of digits possible (being in service is not asked for).
fn reading(typed: &Typed, country: Option<Country>) -> Option<Box<str>> {
    // As most numbers come, and whoever sends to it reads it the same way.
    if typed.international
        && let Ok(number) = parse_for_sending(&typed.dialled(), None)
        && number.phone.digits() == typed.digits
    {
        return Some(number.phone.digits().into());
    }
    let region = country.and_then(|c| Region::try_from(c.as_str()).ok());
    let dialled = match typed.digits.strip_prefix("00") {
        Some(rest) if !typed.international => format!("+{rest}"),
        _ => typed.dialled(),
    };
    let number = PHONE_NUMBER_UTIL.parse(dialled, region).ok()?;
    number.is_possible_with_reason().ok()?;
    e164(&number).ok().map(|phone| phone.digits().into())
}
