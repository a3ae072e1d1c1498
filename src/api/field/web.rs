//! Links. The text is kept as written; only its shape is checked here, its host by a rule.

use super::Fields;
use crate::content::links::target_host;

/// Longest link taken, in characters.
const LINK_MAX: usize = 2_048;

/// A checked `https` link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebLink {
    /// As written.
    pub url: String,
    /// Its host in lower case.
    pub host: String,
}

impl Fields {
    /// A `https` link that may be empty.
    pub fn link(&mut self, field: &str, text: String) -> Option<Option<WebLink>> {
        if text.is_empty() {
            return Some(None);
        }
        match target_host(&text) {
            Ok(host) => Some(Some(WebLink { url: text, host })),
            Err(problem) => self.refuse(field, problem),
        }
    }

    /// A `https` link that must be given.
    pub fn required_link(&mut self, field: &str, text: String) -> Option<WebLink> {
        match self.link(field, text)? {
            Some(link) => Some(link),
            None => self.refuse(field, "is required"),
        }
    }

    /// A place inside an app or on the web that may be empty: `https`, or a scheme of the app's own.
    pub fn deep_link(&mut self, field: &str, text: String) -> Option<Option<String>> {
        if text.is_empty() || text.starts_with("https:") {
            return self.link(field, text).map(|link| link.map(|l| l.url));
        }
        let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let shape = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.len() < text.len()
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
        let runs_code =
            ["http", "javascript", "data", "file", "blob", "vbscript", "intent"].contains(&scheme.as_str());
        if !shape || runs_code || text.len() > LINK_MAX || text.chars().any(|c| c.is_control() || c == ' ') {
            return self.refuse(
                field,
                "must be an https link or one of the app's own scheme, at most 2,048 characters",
            );
        }
        Some(Some(text))
    }

    /// A bare host name, in lower case; may be empty.
    pub fn host(&mut self, field: &str, text: &str) -> Option<Option<String>> {
        if text.is_empty() {
            return Some(None);
        }
        let host = text.to_ascii_lowercase();
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let good = host.len() <= 253 && host.split('.').all(label);
        if good {
            Some(Some(host))
        } else {
            self.refuse(field, "must be a host name, as in shop.example.com")
        }
    }
}
