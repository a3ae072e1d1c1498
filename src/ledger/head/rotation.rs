//! A log's key is replaced: for 90 days checkpoints bear two signatures, so that whoever was given the old key can go on
//! verifying until the new one has reached them.
//!
//! `log.key.before` holds the end of that time and the old key. It is for orderly changes; a key that leaked can sign other
//! histories as long as anybody believes it, and only a new epoch helps then.

use std::path::Path;

use zeroize::Zeroizing;

use super::{HEAD_BYTES_MAX, HeadError, load_key};
use crate::disk::SharedDisk;
use crate::entropy::Entropy;
use crate::ledger::LedgerError;
use crate::ledger::checkpoint::{CheckpointError, LogKey, Origin, SignedCheckpoint, VerifierKey};
use crate::model::{Instant, Span};

#[cfg(test)]
mod tests;

/// How long both keys sign.
pub const OVERLAP: Span = Span::days(90);
const FILE_BYTES_MAX: usize = 8_192;

/// What a rotation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    pub before: String,
    pub now: String,
    /// Until then both sign.
    pub until: Instant,
}

/// Why a key was not replaced. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// There is none.
    #[error("{0} is missing or holds no key: there is nothing to rotate")]
    NoKey(String),
    /// No more than two at a time.
    #[error("the key was rotated already: two sign until {until}, and a third cannot join them")]
    Underway { until: Instant },
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// The key before `current`, and until when it signs beside it; none when there is none, or it is of another epoch.
pub fn load_before(
    disk: &SharedDisk,
    path: &Path,
    current: &LogKey,
) -> Result<Option<(LogKey, Instant)>, HeadError> {
    let bytes = disk.read_whole(path, FILE_BYTES_MAX).map_err(LedgerError::from)?.map(Zeroizing::new);
    let Some(bytes) = bytes else { return Ok(None) };
    let unreadable =
        || HeadError::Unreadable { path: path.to_owned(), source: CheckpointError::Key("signing") };
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable())?;
    let (until, key) = text.split_once('\n').ok_or_else(unreadable)?;
    let until = Instant::parse(until).map_err(|_| unreadable())?;
    let key: LogKey = key.parse().map_err(|_| unreadable())?;
    let (old, new) = (key.verifier(), current.verifier());
    // The same key: a rotation that a crash ended before its last step.
    let beside = old.name() == new.name() && old.as_str() != new.as_str();
    Ok(beside.then_some((key, until)))
}

/// Replaces the key in the file `key`, with `HEAD` in `head`. The caller holds the folder.
///
/// A crash in here leaves the old key in force, or the new one with the old beside it; `HEAD` verifies with what is there.
pub fn rotate(
    disk: &SharedDisk,
    (key, before, head): (&Path, &Path, &Path),
    origin: &Origin,
    entropy: &dyn Entropy,
    now: Instant,
) -> Result<Rotated, RotateError> {
    let missing = || RotateError::NoKey(key.display().to_string());
    let old = load_key(disk, key, origin)?.ok_or_else(missing)?;
    if let Some((_, until)) = load_before(disk, before, &old)?.filter(|(_, until)| now < *until) {
        return Err(RotateError::Underway { until });
    }
    let note = disk.read_whole(head, HEAD_BYTES_MAX).map_err(|e| HeadError::from(LedgerError::from(e)))?;
    let note = note.ok_or_else(|| RotateError::NoKey(head.display().to_string()))?;
    let verified =
        SignedCheckpoint::verify(&String::from_utf8_lossy(&note), std::slice::from_ref(old.verifier()));
    let signed = verified.map_err(|source| HeadError::Unreadable { path: head.to_owned(), source })?;
    let until = now + OVERLAP;
    let new = LogKey::generate(origin, entropy);
    let write = |path: &Path, bytes: &[u8]| {
        disk.write_whole(path, bytes).map_err(|e| RotateError::from(HeadError::from(LedgerError::from(e))))
    };
    let kept = Zeroizing::new(format!("{until}\n{}", old.expose()));
    let names = (old.verifier().to_string(), new.verifier().to_string());
    write(before, kept.as_bytes())?;
    // The same statement with both signatures: it contradicts nothing.
    let both = new.clone().beside(old).sign(signed.size(), signed.root());
    write(head, both.note().as_bytes())?;
    write(key, new.expose().as_bytes())?;
    Ok(Rotated { before: names.0, now: names.1, until })
}

/// A key that may still be in force, for those who are told which keys verify.
#[derive(Debug, Clone)]
pub struct Former {
    pub key: VerifierKey,
    /// Until then it signs, too.
    pub until: Instant,
}
