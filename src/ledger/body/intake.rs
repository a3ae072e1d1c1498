//! What registries say about numbers, and what was brought over from other systems.

use serde::{Deserialize, Serialize};

use super::{Actor, Operation};
use crate::model::facts::NumberCheck;

/// A registry or carrier was asked about a number, and this is what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberCheckBody {
    pub check: NumberCheck,
    pub operation: Option<Operation>,
    pub actor: Actor,
}

/// Every opt-out of another system has been taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportBody {
    /// The system, as the caller names it: consents of the same name may follow.
    pub source: String,
    /// The import that ended.
    pub import_id: String,
    /// Number of its last row.
    pub rows: u64,
    pub actor: Actor,
}
