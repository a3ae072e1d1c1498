//! After a restore: what the list of erasures names and the restored ledger does not know is erased again.

use super::inventory;
use super::list::{ErasureList, ListError};
use crate::gateway::offline::Offline;
use crate::ledger::body::Body;
use crate::ledger::rows::{ErasedRow, keys};
use crate::ledger::state::Row;
use crate::model::subject::Subject;
use crate::store::{KeyRange, Order};
use crate::writer::ops::erase::{Erase, EraseAgain, Erased, Forget};
use crate::writer::{CallError, OpError, Reader};

/// Rows looked at in one go.
const PAGE: usize = 1_000;
const REASON: &str = "erased before; the ledger was restored from an older backup";
const ACTOR: &str = "gateway";

/// Why ledger and list do not agree.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] OpError),
    /// An erasure was not recorded.
    #[error(transparent)]
    Writer(#[from] CallError),
    /// An erasure is recorded, its key is still there.
    #[error("an erasure is recorded, but the key is not destroyed yet ({0}); the next start tries again")]
    Keys(String),
}

/// Makes ledger and list name the same erasures; answers how many people had to be erased again. Called before anybody is
/// served, so that nobody comes back for a moment.
pub fn agree(offline: &mut Offline, list: &ErasureList) -> Result<usize, AgainError> {
    let reader = offline.reader();
    let mut again = 0;
    for subject in list.subjects() {
        // Whom the folder does not know it cannot forget. Chains that are nobody's have no record, so whatever stands in
        // the list, the seller's own key is not touched.
        let known = reader.look(|cx| {
            let erased = cx.get::<ErasedRow>(&keys::erased(&subject))?.is_some();
            Ok(!erased && cx.get::<Subject>(&keys::subject(&subject))?.is_some())
        })?;
        if !known {
            continue;
        }
        let mut inventory = inventory::take(&reader, subject)?;
        if inventory.is_long(inventory::STEP) {
            while let Some(piece) = inventory.next_piece(inventory::STEP) {
                offline.run(Forget { piece, again: true })?;
            }
            inventory = inventory::take(&reader, subject)?;
        }
        let inventories = vec![inventory];
        let op = EraseAgain(Erase { inventories, reason: REASON.to_owned(), actor: ACTOR.to_owned() });
        match offline.run(op)? {
            Erased::Recorded => again += 1,
            Erased::Held(_) | Erased::Moved => {
                let why = format!("the erasure of {subject} was not taken though nobody else writes");
                return Err(OpError::Fatal(why).into());
            }
        }
        offline.books.keys().destroy(&[subject]).map_err(|e| AgainError::Keys(e.to_string()))?;
    }
    if again > 0 {
        tracing::warn!(again, "people whom the list of erasures names were there again, and are erased");
    }
    write_down(&reader, list)?;
    Ok(again)
}

/// Adds the erasures of people that the ledger knows and the list lacks.
pub fn write_down(reader: &Reader, list: &ErasureList) -> Result<(), AgainError> {
    let fatal = |e: String| AgainError::Read(OpError::Fatal(e));
    let rows = reader.rows().map_err(|e| fatal(e.to_string()))?;
    let mut range = KeyRange::prefix([ErasedRow::TABLE]);
    loop {
        let page = rows.scan(&range, Order::Forward, PAGE).map_err(|e| fatal(e.to_string()))?;
        let mut missing = Vec::new();
        for (key, value) in &page {
            let Ok(subject) = key[1..].try_into() else { continue };
            if list.has(&subject) {
                continue;
            }
            let row: ErasedRow = postcard::from_bytes(value).map_err(|e| fatal(e.to_string()))?;
            let entry = reader.entries().entry(row.index).map_err(fatal)?;
            // Days of webhook bodies are forgotten by age, whatever was restored.
            let person =
                entry.filter(|entry| matches!(&entry.body, Body::Erasure(body) if body.raw_day.is_none()));
            missing.extend(person.map(|entry| (subject, entry.leaf.instant)));
        }
        list.note(&missing)?;
        match page.last() {
            Some((key, _)) if page.len() == PAGE => range = range.after(key),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
