//! A hint at where a person may be. One a source is kept; sources add candidates and never cancel each other.

use serde::{Deserialize, Serialize};

use super::instant::Instant;

/// Where a hint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationSource {
    /// Billing address.
    Billing,
    /// Shipping address.
    Shipping,
    /// What the person stated.
    Stated,
    /// The device's own zone; expires after 30 days.
    Device,
    /// The network address; expires after 30 days.
    Ip,
}

/// One hint, as a caller reported it. Empty texts: not known.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationHint {
    pub source: LocationSource,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
    /// Subdivision without the country, as in `FL`.
    pub region: String,
    pub postal_code: String,
    /// IANA name.
    pub time_zone: String,
    pub observed_at: Instant,
}

impl std::fmt::Debug for LocationHint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocationHint({:?}, {}/{})", self.source, self.country, self.region)
    }
}
