//! A wrapper that cannot be logged by accident.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Holds what must never reach a log: a phone number, a text, a token. `Debug` and `Display` show `…`; reading takes
/// the visible word [`Redacted::expose`]. Serialises as what it holds: it guards logs, not answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps `inner`.
    pub const fn new(inner: T) -> Self {
        Self(inner)
    }
    /// The value, for use and not for logs.
    pub const fn expose(&self) -> &T {
        &self.0
    }
    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Redacted<String> {
    /// The text, for use and not for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(inner: T) -> Self {
        Self(inner)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_tells() {
        let phone = Redacted::new("+12125550123".to_owned());
        assert_eq!(format!("{phone} {phone:?} {:?}", Some(&phone)), "… … Some(…)");
        assert_eq!(phone.as_str(), "+12125550123");
    }
}
