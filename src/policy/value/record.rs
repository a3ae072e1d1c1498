//! Rules about the books rather than the message: how fast an opt-out must hold, how long records are kept.

use serde::{Deserialize, Serialize};

/// How long the law lets an opt-out take. An outer limit, never a target: here an opt-out holds at receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutDeadline {
    /// In hours; 0: at once. Absent where the law counts business days.
    #[serde(default)]
    pub hours: Option<u32>,
    /// In business days of the place.
    #[serde(default)]
    pub business_days: Option<u32>,
}

impl OptOutDeadline {
    pub(super) fn is_sound(&self) -> bool {
        match (self.hours, self.business_days) {
            (Some(hours), None) => hours <= 24 * 366,
            (None, Some(days)) => (1..=366).contains(&days),
            _ => false,
        }
    }
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Proof of consent, counted from its last use.
    Consent,
    /// An opt-out request.
    OptOut,
    /// What was sent, and when.
    Messages,
}

/// Least time records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Which records.
    pub of: Kept,
    /// How many days, 1 to 36,600.
    pub days: u32,
}
