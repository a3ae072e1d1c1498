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

/// Bytes of a webhook's body that one entry keeps, as base64 beside its head and what was read from it.
pub const RAW_BYTES_MAX: usize = 512 << 10;
/// Bytes of the query of its URL.
pub const RAW_HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of an id that a provider gave a text.
const FOREIGN_ID_MAX: usize = 512;

/// A provider's id as it is kept: one longer than any provider's by its beginning and its hash, the same each time.
pub fn kept_id(id: String) -> String {
    use sha2::{Digest, Sha256};
    if id.len() <= FOREIGN_ID_MAX {
        return id;
    }
    let begins: String = id.chars().take(64).collect();
    format!("{begins}#{}", hex::encode(Sha256::digest(&id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::body::{Body, RawBody};
    use base64::Engine;

    /// The largest webhook that is taken in, and the worst that can be read from it, each fit an entry.
    #[test]
    fn the_largest_webhook_fits_its_entry() {
        let raw = RawBody {
            connection: "c".repeat(64).parse().expect("a slug"),
            method: "POST".to_owned(),
            query: "\"".repeat(RAW_HEAD_BYTES_MAX),
            content_type: "\"".repeat(128),
            body: base64::engine::general_purpose::STANDARD.encode(vec![0; RAW_BYTES_MAX]),
            listening: true,
        };
        assert!(Body::Raw(raw).encode().is_ok());
        let long = "\u{1}".repeat(RAW_BYTES_MAX);
        assert_eq!(kept_id(long.clone()), kept_id(long.clone()));
        assert_ne!(kept_id(long.clone()), kept_id(long[1..].to_owned()));
        assert!(kept_id(long).len() < 512);
        assert_eq!(kept_id("SM1".to_owned()), "SM1");
    }
}
