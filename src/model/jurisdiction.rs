//! Names of places that have rules: a country (`us`) or a region of one (`us/fl`).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::text::serde_as_text;

use super::phone::Country;

/// Why a text names no jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a country in two lower-case letters, or country/region as in us/fl (region 1 to 8 of a-z 0-9 -)"
)]
pub struct JurisdictionError;

/// A country by its ISO 3166-1 code in lower case, or one of its regions by ISO 3166-2 (`us/fl`, `ca/on`).
/// Territories that share the rules of a country are its regions: Puerto Rico is `us/pr`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction(Arc<str>);

serde_as_text!(Jurisdiction);

impl Jurisdiction {
    /// A country as a whole.
    pub fn of(country: Country) -> Jurisdiction {
        Jurisdiction(country.as_str().to_ascii_lowercase().into())
    }
    /// The name as it stands in rule files: `us`, `us/fl`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is that country or a region of it.
    pub fn is_in(&self, country: Country) -> bool {
        self.country().eq_ignore_ascii_case(country.as_str())
    }
    /// The two letters of the country, in lower case.
    pub fn country(&self) -> &str {
        &self.0[..2]
    }
    /// The region inside the country, when this names one.
    pub fn region(&self) -> Option<&str> {
        self.0.get(3..)
    }
    /// The country this region lies in; a country has none.
    pub fn parent(&self) -> Option<Jurisdiction> {
        self.region().map(|_| Jurisdiction(self.country().into()))
    }
    /// True for a country as a whole: the region is not known, so every region of it counts.
    pub fn is_country(&self) -> bool {
        self.0.len() == 2
    }
}

impl FromStr for Jurisdiction {
    type Err = JurisdictionError;
    fn from_str(text: &str) -> Result<Self, JurisdictionError> {
        let (country, region) = match text.split_once('/') {
            Some((country, region)) => (country, Some(region)),
            None => (text, None),
        };
        let lower = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase());
        let inner = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if country.len() != 2 || !lower(country) {
            return Err(JurisdictionError);
        }
        match region {
            Some(region) if !(1..=8).contains(&region.len()) || !inner(region) => Err(JurisdictionError),
            _ => Ok(Self(text.into())),
        }
    }
}
impl TryFrom<String> for Jurisdiction {
    type Error = JurisdictionError;
    fn try_from(text: String) -> Result<Self, JurisdictionError> {
        text.parse()
    }
}
impl From<Jurisdiction> for String {
    fn from(name: Jurisdiction) -> String {
        name.0.as_ref().to_owned()
    }
}
impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_and_regions() {
        let fl: Jurisdiction = "us/fl".parse().expect("a region");
        assert!(
            fl.is_in(Country::US) && !fl.is_in(Country::CA) && Jurisdiction::of(Country::US).is_country()
        );
        assert_eq!((fl.country(), fl.region(), fl.is_country()), ("us", Some("fl"), false));
        assert_eq!(fl.parent().map(String::from).as_deref(), Some("us"));
        for bad in ["", "u", "US", "usa", "us/", "us/FL", "us/fl/x", "us-fl", "ü/x"] {
            assert!(bad.parse::<Jurisdiction>().is_err(), "{bad}");
        }
    }
}
