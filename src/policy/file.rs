//! The shapes of policy files. Unknown keys are refused; every file says where its value comes from.
//!
//! `pack.toml` names the set; `<country>[/<region>]/jurisdiction.toml` describes a place; every other `.toml` is one rule
//! whose `id` is its path without the ending.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::model::consent::{Category, Channel};
use crate::model::facts::SenderKind;
use crate::model::{Jurisdiction, ZoneName};

/// Longest time an overdue rule may be warned of before it holds, in days.
pub const HOLD_AFTER_DAYS_MAX: u32 = 3_650;

/// `pack.toml`: the set as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackFile {
    /// The set's own version, chosen by whoever edits it, as in `2026.11`.
    pub version: String,
    /// What a rule past its review date does.
    pub on_stale: OnStale,
    /// Where that is a warning: so many days after the review date the rule holds all the same, 0 to 3,650; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_after_days: Option<u32>,
    /// What the set is and who answers for it.
    pub note: String,
}

/// What happens when a rule that applies is past its review date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    /// Say so in every verdict.
    Warn,
    /// Hold until somebody reviewed it.
    Hold,
}

/// An operator's word on rules past their review date; what it leaves out is as the pack says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Staleness {
    /// What such a rule does.
    pub on_stale: Option<OnStale>,
    /// Days after the review date from which it holds all the same, 0 to 3,650.
    pub hold_after_days: Option<u32>,
}

/// `jurisdiction.toml`: a place the set knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JurisdictionFile {
    /// Its name in rules; the folder's path.
    pub jurisdiction: Jurisdiction,
    /// Its name for people.
    pub name: String,
    /// Every zone its people may live in. Empty for a country: those of its regions.
    #[serde(default)]
    pub zones: Vec<ZoneName>,
    /// What was found about it that is no rule.
    #[serde(default)]
    pub remark: Option<String>,
    /// Where that was read.
    pub sources: Vec<String>,
    /// How sure we are that nothing is missing.
    pub confidence: Confidence,
    /// When somebody last looked.
    pub last_verified: Date,
}

/// Every other file: one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The path without `.toml`, as in `us/fl/quiet_hours`.
    pub id: String,
    /// Which kind of value follows; see [`super::value::Value`].
    pub kind: String,
    /// The place it holds in; `any` for everywhere.
    pub jurisdiction: String,
    /// Who made it.
    pub layer: Layer,
    /// Channels it holds for.
    pub channels: Vec<Channel>,
    /// Categories it holds for.
    pub categories: Vec<Category>,
    /// Kinds of sender it holds for; absent: all.
    #[serde(default)]
    pub sender_kinds: Option<Vec<SenderKind>>,
    /// It holds only for messages about a cart.
    #[serde(default)]
    pub carts_only: bool,
    /// The clause.
    pub citation: String,
    /// Where it was read.
    pub sources: Vec<String>,
    /// First day it holds, anywhere on earth.
    pub effective_from: Date,
    /// Last day it holds, anywhere on earth; absent: until further notice.
    #[serde(default)]
    pub effective_to: Option<Date>,
    /// How sure we are of the value.
    pub confidence: Confidence,
    /// Whether the rule reaches text messages.
    #[serde(default)]
    pub applies_to_text: Option<Reach>,
    /// What the cited text itself says, where that is known.
    #[serde(default)]
    pub law: Option<String>,
    /// How the shipped value stands to it.
    pub ship_vs_law: Stance,
    /// Why they differ, and what else an officer should know.
    #[serde(default)]
    pub note: Option<String>,
    /// Who added it; required for dated overrides.
    #[serde(default)]
    pub author: Option<String>,
    /// When somebody last compared it with its source.
    pub last_verified: Date,
    /// When somebody has to look again.
    pub review_by: Date,
    /// What the rule says; its shape depends on `kind`.
    #[serde(default = "no_value")]
    pub value: serde_json::Value,
    /// Situations that show it at work, run by `consentry policy test`.
    #[serde(default, rename = "test", skip_serializing)]
    pub tests: Vec<serde_json::Value>,
}

fn no_value() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// Who made a rule. A person's own stated hours may widen house hours, never the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Statute, regulation or regulator.
    Law,
    /// Carriers and their association.
    Carrier,
    /// App stores and push services.
    Store,
    /// This product's own limits.
    House,
}

/// How sure a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Primary text, or several agreeing legal sources.
    High,
    /// One legal source, or several vendors.
    Medium,
    /// One vendor, disagreement, or not verified.
    Low,
}

/// Whether a rule written for calls reaches texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It does.
    Yes,
    /// Probably.
    Likely,
    /// Nobody knows.
    Unclear,
    /// It does not; shipped out of caution.
    No,
}

/// How the shipped value stands to the law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// The same.
    Same,
    /// Stricter.
    Stricter,
    /// The value covers a part of what the law asks of the shop; the note says what is left to it.
    Partly,
    /// No law speaks; a choice of this product or of carriers.
    NoLaw,
}
