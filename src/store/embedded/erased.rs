//! What was erased stays erased: at every start the keys that the ledger says were destroyed are destroyed again.

use std::sync::Arc;

use crate::ledger::LedgerResult;
use crate::ledger::keys::Keys;
use crate::ledger::rows::ErasedRow;
use crate::ledger::state::Row;
use crate::model::SubjectId;
use crate::store::{KeyRange, Order, SharedKv};

/// Rows looked at in one go.
const LOOK: usize = 1_000;

/// Destroys the keys of everybody whose erasure the folded ledger records; answers how many were there again. They are
/// when `keys/` was restored from a backup, or when the process died between the entry and the destruction.
pub fn destroy_erased(kv: &SharedKv, keys: &Arc<Keys>) -> LedgerResult<usize> {
    let mut range = KeyRange::prefix([ErasedRow::TABLE]);
    let mut destroyed = 0;
    // An index that does not answer now answers nobody else either: the gateway will say so itself.
    while let Ok(rows) = kv.scan(&range, Order::Forward, LOOK) {
        let Some((last, _)) = rows.last() else { break };
        range = range.after(last);
        let subjects: Vec<SubjectId> =
            rows.iter().filter_map(|(key, _)| SubjectId::try_from(&key[1..]).ok()).collect();
        match keys.destroy(&subjects) {
            Ok(found) => destroyed += found,
            // Opt-outs must still be heard; the next start tries again.
            Err(e) if e.is_full() => {
                tracing::error!(error = %e, "keys of erased people are there again and cannot be destroyed")
            }
            Err(e) => return Err(e),
        }
    }
    if destroyed > 0 {
        tracing::warn!(destroyed, "keys that the ledger says were destroyed were there again, and are gone");
    }
    Ok(destroyed)
}
