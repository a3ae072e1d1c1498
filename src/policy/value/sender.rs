//! What a sender must be, and how one that is a name must be spelled.

use serde::{Deserialize, Serialize};

/// What a sender must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderDuty {
    /// Registered with whoever must know it.
    Registered,
    /// Of, or permitted to reach, the person's country.
    ReachesCountry,
    /// Something else: kinds named by the rule are not carried at all.
    Unsupported,
}

/// A duty of senders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderNeed {
    /// Which.
    pub require: SenderDuty,
}

/// How a name must be spelled, as registers prescribe it; case does not matter. A list that is empty asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderName {
    /// It begins with one of these.
    #[serde(default)]
    pub begins_with: Vec<String>,
    /// It ends with one of these.
    #[serde(default)]
    pub ends_with: Vec<String>,
    /// It ends with none of these.
    #[serde(default)]
    pub never_ends_with: Vec<String>,
}

impl SenderName {
    /// What is wrong with a name, in one sentence; none: nothing.
    pub fn problem(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_uppercase();
        let upper = |affix: &String| affix.to_ascii_uppercase();
        let begins = self.begins_with.iter().any(|affix| name.starts_with(&upper(affix)));
        let ends = |with: &[String]| with.iter().any(|affix| name.ends_with(&upper(affix)));
        if !self.begins_with.is_empty() && !begins {
            return Some(format!("must begin with {}", self.begins_with.join(" or ")));
        }
        if !self.ends_with.is_empty() && !ends(&self.ends_with) {
            return Some(format!("must end with {}", self.ends_with.join(" or ")));
        }
        let wrong = ends(&self.never_ends_with);
        wrong.then(|| format!("must not end with {}", self.never_ends_with.join(" or ")))
    }

    pub(super) fn problems(&self) -> Vec<&'static str> {
        let mut all = self.begins_with.iter().chain(&self.ends_with).chain(&self.never_ends_with).peekable();
        if all.peek().is_none() {
            return vec!["one of begins_with, ends_with and never_ends_with must name something"];
        }
        let fine =
            |affix: &String| (1..=10).contains(&affix.len()) && affix.bytes().all(|b| b.is_ascii_graphic());
        if all.all(fine) {
            Vec::new()
        } else {
            vec!["what a name begins or ends with has 1 to 10 visible characters"]
        }
    }
}
