//! Phone numbers: E.164 for sending, digits as received for opt-outs, masked wherever they could be printed.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{
    CountryCodeSource, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region,
};
use serde::{Deserialize, Serialize};

use super::text::serde_as_text;

mod digits;
pub use digits::Digits;

/// Version of the numbering metadata behind every answer of this module; part of a decision's engine.
pub const PHONE_DATA: &str = "libphonenumber 9.0.42 (rlibphonenumber 2.2.15)";

/// Longest text read as a phone number, in characters; E.164 has 15 digits, the rest is room for separators.
const TEXT_MAX: usize = 64;

/// Why a text cannot be read as one person's phone number. No variant repeats the text: it may be a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing but separators.
    #[error("the phone number is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the phone number is longer than 64 characters")]
    TooLong,
    /// A letter, an extension, a pause or another character that no E.164 number carries.
    #[error(
        "the phone number holds a character that is no digit and no separator (no letters, no extensions)"
    )]
    Character,
    /// Written without `+` and no default country was given.
    #[error("the phone number has no country code: write it as +<country code><number>")]
    CountryUnknown,
    /// The country calling code does not exist, or the digits are too few or too many for any number.
    #[error("the digits are not a phone number of any country")]
    NotANumber,
    /// Reading it would have needed to change digits beyond adding the country code, so it might be someone else's.
    #[error(
        "the digits can be read as more than one number: write it as +<country code><number>, without trunk digits"
    )]
    Ambiguous,
    /// Not `+` and 4 to 15 digits.
    #[error("must be + and 4 to 15 digits, the first not 0 (E.164)")]
    NotE164,
}

/// A telephone number in E.164 form. `Debug` and `Display` are masked; [`Phone::expose`] is the only way to read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Box<str>);

impl Phone {
    /// The number itself, `+` and 4 to 15 digits. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes a text that already is strict E.164, as stored by us; says nothing about validity.
    pub fn from_e164(text: &str) -> Result<Phone, PhoneError> {
        let digits = text.strip_prefix('+').ok_or(PhoneError::NotE164)?;
        let shape = (4..=15).contains(&digits.len()) && !digits.starts_with('0');
        if shape && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Phone(text.into()))
        } else {
            Err(PhoneError::NotE164)
        }
    }

    /// The digits without `+`.
    pub(crate) fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// For a number of the North American plan: its area code (first three digits after +1).
    pub fn area_code(&self) -> Option<u16> {
        let national = self.digits().strip_prefix('1').filter(|n| n.len() == 10)?;
        national[..3].parse().ok()
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", mask(self.digits()))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Hides at least five digits: the first four and last two stay where there are enough.
fn mask(digits: &str) -> String {
    let head = digits.len().saturating_sub(7).min(4);
    let tail = if digits.len() > 6 { 2 } else { 0 };
    let hidden = digits.len() - head - tail;
    format!("{}{}{}", &digits[..head], "*".repeat(hidden), &digits[digits.len() - tail..])
}

/// An ISO 3166-1 alpha-2 code in upper case. The shape is checked, not whether such a country exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

serde_as_text!(Country);

/// Not two letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a two-letter ISO 3166-1 country code, as in US or GB")]
pub struct CountryError;

impl Country {
    /// The United States, with its territories.
    pub const US: Country = Country(*b"US");
    /// Canada.
    pub const CA: Country = Country(*b"CA");

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only built from ASCII letters")
    }
}

impl FromStr for Country {
    type Err = CountryError;
    fn from_str(text: &str) -> Result<Country, CountryError> {
        match *text.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Country([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err(CountryError),
        }
    }
}
impl TryFrom<String> for Country {
    type Error = CountryError;
    fn try_from(text: String) -> Result<Country, CountryError> {
        text.parse()
    }
}
impl From<Country> for String {
    fn from(country: Country) -> String {
        country.as_str().to_owned()
    }
}
impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the numbering plan says a number is for. Porting makes it a presumption, not a fact about the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// A mobile range.
    Mobile,
    /// The plan does not tell fixed from mobile (all of North America).
    FixedOrMobile,
    /// A fixed line: cannot be counted on to receive texts.
    Landline,
    /// Free for the caller.
    TollFree,
    /// Premium rate or shared cost.
    Premium,
    /// An internet-telephony range.
    Voip,
    /// Three to six digits without a country code: not a person.
    ShortCode,
    /// Pagers, personal numbers, voice mail, universal access numbers, or a number no range knows.
    Unknown,
}

impl From<PhoneNumberType> for NumberKind {
    fn from(kind: PhoneNumberType) -> NumberKind {
        match kind {
            PhoneNumberType::Mobile => NumberKind::Mobile,
            PhoneNumberType::FixedLineOrMobile => NumberKind::FixedOrMobile,
            PhoneNumberType::FixedLine => NumberKind::Landline,
            PhoneNumberType::TollFree => NumberKind::TollFree,
            PhoneNumberType::PremiumRate | PhoneNumberType::SharedCost => NumberKind::Premium,
            PhoneNumberType::VoIP => NumberKind::Voip,
            _ => NumberKind::Unknown,
        }
    }
}

/// A number read for sending, and what the numbering plan says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedNumber {
    /// The number.
    pub phone: Phone,
    /// The country of its range; the five US territories count as US. `None`: none (toll-free, satellite) or unknown.
    pub country: Option<Country>,
    /// What its range is for.
    pub kind: NumberKind,
    /// The number lies in a range in service. Gates sending only; opt-outs take any digits ([`Digits`]).
    pub valid: bool,
}

/// Reads a number to send to. Separators are dropped, a national form takes `default_country`'s code; nothing else
/// changes: a text whose digits would have to be rewritten is [`PhoneError::Ambiguous`], because the result could be
/// another person. Numbers outside any range in service come back with `valid: false`, not as an error.
pub fn parse_for_sending(text: &str, default_country: Option<Country>) -> Result<ParsedNumber, PhoneError> {
    if default_country.is_some() {
        return parse(text, default_country);
    }
    LAST.with_borrow_mut(|last| match last {
        Some((read, parsed)) if read == text => parsed.clone(),
        _ => last.insert((text.to_owned(), parse(text, None))).1.clone(),
    })
}

thread_local! {
    /// The number read last. A request's number is read when it comes in and again when it is judged, by one thread, and
    /// reading one takes longer than judging it.
    static LAST: RefCell<Option<(String, Result<ParsedNumber, PhoneError>)>> = const { RefCell::new(None) };
}

fn parse(text: &str, default_country: Option<Country>) -> Result<ParsedNumber, PhoneError> {
    let typed = Typed::read(text)?;
    let region = default_country.and_then(|c| Region::try_from(c.as_str()).ok());
    if !typed.international && region.is_none() {
        return Err(PhoneError::CountryUnknown);
    }
    let number = PHONE_NUMBER_UTIL
        .parse_and_keep_raw_input(typed.dialled(), region)
        .map_err(|_| PhoneError::NotANumber)?;
    let phone = e164(&number)?;
    if !typed.is_same_number(&phone, &number) {
        return Err(PhoneError::Ambiguous);
    }
    if !typed.international && typed.digits.len() <= 6 {
        return Ok(ParsedNumber {
            phone,
            country: default_country,
            kind: NumberKind::ShortCode,
            valid: false,
        });
    }
    Ok(ParsedNumber {
        country: number.get_region_code().and_then(country_of),
        kind: number.get_type().into(),
        valid: number.is_valid(),
        phone,
    })
}

fn e164(number: &PhoneNumber) -> Result<Phone, PhoneError> {
    Phone::from_e164(&number.format_as(PhoneNumberFormat::E164)).map_err(|_| PhoneError::NotANumber)
}

/// The numbering plan treats PR, GU, VI, AS and MP as countries; the law treats them as parts of the US.
fn country_of(region: Region) -> Option<Country> {
    let code = region.as_region_str();
    if matches!(&*code, "PR" | "GU" | "VI" | "AS" | "MP") { Some(Country::US) } else { code.parse().ok() }
}

/// The digits a person typed, and whether they claimed an international form.
struct Typed {
    digits: String,
    international: bool,
}

impl Typed {
    fn read(text: &str) -> Result<Typed, PhoneError> {
        if text.chars().count() > TEXT_MAX {
            return Err(PhoneError::TooLong);
        }
        let mut typed = Typed { digits: String::new(), international: false };
        for c in text.chars() {
            match c {
                '+' | '\u{ff0b}' if typed.digits.is_empty() && !typed.international => {
                    typed.international = true
                }
                _ if is_separator(c) => {}
                _ => typed.digits.push(decimal(c).ok_or(PhoneError::Character)?),
            }
        }
        if typed.digits.is_empty() { Err(PhoneError::Empty) } else { Ok(typed) }
    }

    fn dialled(&self) -> String {
        if self.international { format!("+{}", self.digits) } else { self.digits.clone() }
    }

    /// Whether `phone` is what was typed, but for an added country code or a dialling prefix: its international or
    /// national form must read back as the same digits.
    fn is_same_number(&self, phone: &Phone, number: &PhoneNumber) -> bool {
        let full = phone.digits();
        if self.international || self.digits == full {
            return self.digits == full;
        }
        if number.country_code_source() == CountryCodeSource::FromNumberWithIdd {
            return self.digits.ends_with(full);
        }
        let national = number.format_as(PhoneNumberFormat::National);
        number.get_national_significant_number() == self.digits
            || national.chars().filter(char::is_ascii_digit).eq(self.digits.chars())
    }
}

/// Spaces, dashes, dots, brackets, slashes, and the invisible direction marks that come along when one copies.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2007}' | '-' | '.' | '(' | ')' | '/' | '\u{ad}')
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The ASCII digit for a decimal digit of the scripts phones offer (Latin, full width, Arabic, Persian, Devanagari).
fn decimal(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => '0',
        '\u{ff10}'..='\u{ff19}' => '\u{ff10}',
        '\u{660}'..='\u{669}' => '\u{660}',
        '\u{6f0}'..='\u{6f9}' => '\u{6f0}',
        '\u{966}'..='\u{96f}' => '\u{966}',
        _ => return None,
    };
    char::from_digit(c as u32 - zero as u32, 10)
}

#[cfg(test)]
mod tests;
