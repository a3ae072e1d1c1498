//! Forgetting people: what is kept and for how long, what goes, and the daily job. `docs/erasure.md` tells it for people.
//!
//! | file | owns |
//! |---|---|
//! | [`retention`] | how long proof is kept, by place, with citation |
//! | [`inventory`] | the rows that a person's chain has led to |
//! | [`list`] | who was erased, off the data folder |
//! | [`again`] | erasures that a restored folder does not know of |
//!
//! An erasure is entries first, then the key: a crash in between is made good at the next start, from the entries.

pub mod again;
pub mod inventory;
pub mod list;
pub mod retention;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ledger::body::Ground;
use crate::ledger::keys::Keys;
use crate::ledger::rows::RestrictedRow;
use crate::ledger::state::Row;
use crate::model::{Instant, SubjectId};
use crate::store::{KeyRange, Order};
use crate::writer::ops::erase::{BeginErasure, Erase, Erased, Forget};
use crate::writer::{CallError, Env, OpError, Reader, WriterHandle};

/// How often it is looked who is due.
const EVERY: Duration = Duration::from_secs(3_600);
/// People looked at in one go.
const PAGE: usize = 1_000;
/// How often an inventory is taken again because the chain had grown.
const TRIES: usize = 4;

/// Why an erasure was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The writer said no, or is away.
    #[error(transparent)]
    Writer(#[from] CallError),
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] OpError),
    /// The entries are durable, the key is still there: the next start destroys it.
    #[error("the erasure is recorded, but the keys are not destroyed yet ({0}); the next start tries again")]
    Keys(String),
    /// Entries of the person kept coming.
    #[error("entries of this person keep coming; try again in a moment")]
    Moving,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

/// What an erasure came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Gone, but for these.
    Erased(Vec<Ground>),
    /// A legal hold forbids it.
    Held(Vec<Ground>),
}

/// Erases people: entries, then keys. Answers when both are durable.
pub async fn erase(
    reader: &Reader,
    writer: &WriterHandle,
    keys: &Arc<Keys>,
    subjects: Vec<SubjectId>,
    reason: &str,
    actor: &str,
) -> Result<Done, EraseError> {
    erase_in_steps(reader, writer, keys, subjects, (reason, actor), inventory::STEP).await
}

/// As [`erase`], with so many rows a commit. Whoever has more is forgotten in pieces: the writer is never kept from others
/// for long, and what a crash breaks off is taken up by [`erase_due`].
async fn erase_in_steps(
    reader: &Reader,
    writer: &WriterHandle,
    keys: &Arc<Keys>,
    subjects: Vec<SubjectId>,
    (reason, actor): (&str, &str),
    step: usize,
) -> Result<Done, EraseError> {
    for _ in 0..TRIES {
        let (looker, wanted) = (reader.clone(), subjects.clone());
        let taken = tokio::task::spawn_blocking(move || {
            wanted.into_iter().map(|subject| inventory::take(&looker, subject)).collect::<Result<Vec<_>, _>>()
        });
        let mut inventories = taken.await.map_err(|_| EraseError::Stopping)??;
        if inventories.iter().any(|inventory| inventory.is_long(step)) {
            let (subjects, reason, actor) = (subjects.clone(), reason.to_owned(), actor.to_owned());
            let held = writer.call(BeginErasure { subjects, reason, actor }).await?.answer;
            if !held.is_empty() {
                return Ok(Done::Held(held));
            }
            for inventory in &mut inventories {
                while let Some(piece) = inventory.next_piece(step) {
                    if let Erased::Held(grounds) = writer.call(Forget { piece, again: false }).await?.answer {
                        return Ok(Done::Held(grounds));
                    }
                }
            }
            // Its entries are part of the chain now: what is left is looked at anew.
            continue;
        }
        let op = Erase { inventories, reason: reason.to_owned(), actor: actor.to_owned() };
        match writer.call(op).await?.answer {
            Erased::Moved => {}
            Erased::Held(grounds) => return Ok(Done::Held(grounds)),
            Erased::Recorded => {
                let (keys, env, gone) = (keys.clone(), reader.env().clone(), subjects.clone());
                let destroyed = tokio::task::spawn_blocking(move || {
                    let destroyed = keys.destroy(&gone);
                    note(&env, &gone);
                    destroyed
                });
                let destroyed = destroyed.await;
                destroyed.map_err(|_| EraseError::Stopping)?.map_err(|e| EraseError::Keys(e.to_string()))?;
                return Ok(Done::Erased(retention::what_stays(
                    reader.env().backups_until(reader.env().clock.now()),
                    reader.env().erasures().is_some(),
                )));
            }
        }
    }
    Err(EraseError::Moving)
}

/// Writes erasures into the list outside. That it cannot be written hinders no erasure: the next look tries again.
fn note(env: &Env, gone: &[SubjectId]) {
    let Some(list) = env.erasures() else { return };
    let now = env.clock.now();
    let gone: Vec<_> = gone.iter().map(|subject| (*subject, now)).collect();
    if let Err(e) = list.note(&gone) {
        tracing::error!(error = %e, "an erasure is not in the list outside the data folder yet");
    }
}

/// People whose retention has ended at `now`, at most a page of them after `after`.
fn due(
    reader: &Reader,
    after: Option<&[u8]>,
    now: Instant,
) -> Result<(Vec<SubjectId>, Option<Vec<u8>>), EraseError> {
    let fatal = |e: String| EraseError::Read(OpError::Fatal(e));
    let mut range = KeyRange::prefix([RestrictedRow::TABLE]);
    if let Some(after) = after {
        range = range.after(after);
    }
    let rows = reader.rows().map_err(|e| fatal(e.to_string()))?;
    let page = rows.scan(&range, Order::Forward, PAGE).map_err(|e| fatal(e.to_string()))?;
    let mut found = Vec::new();
    for (key, value) in &page {
        let row: RestrictedRow = postcard::from_bytes(value).map_err(|e| fatal(e.to_string()))?;
        if row.erase_after <= now {
            found.extend(SubjectId::try_from(&key[1..]).ok());
        }
    }
    let next = page.last().filter(|_| page.len() == PAGE).map(|(key, _)| key.clone());
    Ok((found, next))
}

/// Erases everybody whose retention has ended and whom no hold covers, and whose erasure was broken off; answers how many.
/// Where somebody could not be erased, the others are all the same, and the last reason is the answer.
pub async fn erase_due(
    reader: &Reader,
    writer: &WriterHandle,
    keys: &Arc<Keys>,
) -> Result<usize, EraseError> {
    let (mut after, mut erased, mut failed) = (None, 0, None);
    loop {
        let (people, next) = due(reader, after.as_deref(), reader.env().clock.now())?;
        for subject in people {
            match erase(reader, writer, keys, vec![subject], "retention has ended", "gateway").await {
                Ok(done) => erased += usize::from(matches!(done, Done::Erased(_))),
                Err(EraseError::Stopping) => return Err(EraseError::Stopping),
                // One person's message on its way keeps nobody else from being forgotten.
                Err(e) => failed = Some(e),
            }
        }
        match (next, failed.take()) {
            (Some(next), kept) => (after, failed) = (Some(next), kept),
            (None, Some(e)) => return Err(e),
            (None, None) => return Ok(erased),
        }
    }
}

/// Looks at start and then every hour who is due, until `stop`: a gateway that is often started anew erases, too.
pub async fn daily(reader: Reader, writer: WriterHandle, keys: Arc<Keys>, stop: CancellationToken) {
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        match erase_due(&reader, &writer, &keys).await {
            Ok(0) => {}
            Ok(people) => tracing::info!(people, "people were erased at the end of their retention"),
            Err(e) => tracing::error!(error = %e, "people whose retention has ended were not erased"),
        }
        if let Some(list) = reader.env().erasures() {
            let reader = reader.clone();
            let told = tokio::task::spawn_blocking(move || again::write_down(&reader, &list)).await;
            if let Ok(Err(e)) = told {
                tracing::error!(error = %e, "erasures are missing in the list outside the data folder");
            }
        }
    }
}
