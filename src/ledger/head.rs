//! `HEAD`: the last checkpoint that was signed, durable before anyone sees it, kept outside the store.
//!
//! Whoever restores an old backup and goes on would sign a history that contradicts the published one, and would
//! have forgotten opt-outs. `HEAD` notices: a ledger that is shorter, or has another root at that size, does not open.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub mod rotation;

use super::LedgerError;
use super::checkpoint::{CheckpointError, LogKey, Origin, SignedCheckpoint};
use super::tree::{Root, TreeReader};
use crate::disk::SharedDisk;
use crate::entropy::Entropy;

const WAYS_ON: &str = "Nothing was changed. Either put the missing entries back: `consentry recover --from DIR`; or give this \
                       history up: `consentry recover --new-epoch --reason TEXT`, after which sending stays paused until \
                       the providers were asked what was missed";
const HEAD_BYTES_MAX: usize = 100_000;

/// Why a ledger does not open although its files are sound.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Entries that a checkpoint was signed over are gone.
    #[error("the ledger has {found} entries, but {signed} were signed for: {} entries are missing. {WAYS_ON}", signed - found)]
    Shorter {
        /// Entries in the ledger.
        found: u64,
        /// Entries the last checkpoint covers.
        signed: u64,
    },
    /// The entries are not those that were signed.
    #[error(
        "the first {size} entries have the root {found}, but {signed} was signed: this is another history. {WAYS_ON}"
    )]
    OtherRoot {
        /// Entries the last checkpoint covers.
        size: u64,
        /// The root they have now.
        found: Root,
        /// The root that was signed.
        signed: Root,
    },
    /// There are entries and no `HEAD`.
    #[error("{} is missing, but the ledger has {entries} entries: without it nobody can tell whether some are lost. {WAYS_ON}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Entries in the ledger.
        entries: u64,
    },
    /// `HEAD` does not verify.
    #[error("{} is not a checkpoint of this log: {source}. {WAYS_ON}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
    /// A checkpoint would contradict the last one. A bug, or memory that forgets.
    #[error(
        "refusing to sign {size} entries after {signed} were signed: no checkpoint may contradict an earlier one"
    )]
    Backwards {
        /// Entries to be signed.
        size: u64,
        /// Entries signed before.
        signed: u64,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl HeadError {
    /// Whether the volume is full: nothing is broken, space helps.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Ledger(e) if e.is_full())
    }
}

/// The last signed checkpoint of a log.
#[derive(Debug)]
pub struct Head {
    disk: SharedDisk,
    path: PathBuf,
    newest: SignedCheckpoint,
}

impl Head {
    /// Reads `HEAD` at `path` and checks that the ledger still holds what it was signed over. A log without entries
    /// starts with a checkpoint of size 0, so that from the first entry on a missing `HEAD` means a loss.
    pub fn open(disk: &SharedDisk, path: &Path, key: &LogKey, tree: &TreeReader) -> Result<Self, HeadError> {
        let bytes = disk.read_whole(path, HEAD_BYTES_MAX).map_err(LedgerError::from)?;
        let Some(bytes) = bytes else {
            if tree.size() > 0 {
                return Err(HeadError::Missing { path: path.to_owned(), entries: tree.size() });
            }
            let newest = key.sign(0, Root::EMPTY);
            disk.write_whole(path, newest.note().as_bytes()).map_err(LedgerError::from)?;
            return Ok(Self { disk: disk.clone(), path: path.to_owned(), newest });
        };
        let newest = std::str::from_utf8(&bytes)
            .map_err(|_| CheckpointError::Text("it is not UTF-8"))
            .and_then(|note| SignedCheckpoint::verify(note, &key.verifiers()))
            .map_err(|source| HeadError::Unreadable { path: path.to_owned(), source })?;
        let head = Self { disk: disk.clone(), path: path.to_owned(), newest };
        head.check(tree)?;
        Ok(head)
    }

    fn check(&self, tree: &TreeReader) -> Result<(), HeadError> {
        let (size, signed) = (self.newest.size(), self.newest.root());
        if tree.size() < size {
            return Err(HeadError::Shorter { found: tree.size(), signed: size });
        }
        let found = tree.root_at(size)?;
        if found == signed { Ok(()) } else { Err(HeadError::OtherRoot { size, found, signed }) }
    }

    /// The last signed checkpoint.
    pub fn newest(&self) -> &SignedCheckpoint {
        &self.newest
    }

    /// Signs a newer checkpoint and makes it durable; only then may it be shown to anybody. The entries it covers
    /// must be durable. A crash in here leaves the older one or the newer one.
    pub fn advance(&mut self, key: &LogKey, size: u64, root: Root) -> Result<&SignedCheckpoint, HeadError> {
        let signed = self.newest.size();
        if size < signed || (size == signed && root != self.newest.root()) {
            return Err(HeadError::Backwards { size, signed });
        }
        if size > signed {
            let newer = key.sign(size, root);
            self.disk.write_whole(&self.path, newer.note().as_bytes()).map_err(LedgerError::from)?;
            self.newest = newer;
        }
        Ok(&self.newest)
    }
}

/// The signing key in the file at `path`; nothing when there is no file.
///
/// # Errors
/// [`HeadError::Unreadable`] when the file holds no key, or one of another log.
pub fn load_key(disk: &SharedDisk, path: &Path, origin: &Origin) -> Result<Option<LogKey>, HeadError> {
    let bytes = disk.read_whole(path, 4096).map_err(LedgerError::from)?.map(Zeroizing::new);
    let Some(bytes) = bytes else { return Ok(None) };
    let key = std::str::from_utf8(&bytes).map_err(|_| CheckpointError::Key("signing"));
    let key = key.and_then(str::parse::<LogKey>).and_then(|key| {
        let other = CheckpointError::OtherLog { name: key.verifier().name().to_owned() };
        if key.verifier().name() == origin.as_str() { Ok(key) } else { Err(other) }
    });
    key.map(Some).map_err(|source| HeadError::Unreadable { path: path.to_owned(), source })
}

/// Makes a signing key and keeps it in the file at `path`, durably. Only for a log that has none: a checkpoint by
/// another key would not verify.
pub fn create_key(
    disk: &SharedDisk,
    path: &Path,
    origin: &Origin,
    entropy: &dyn Entropy,
) -> Result<LogKey, HeadError> {
    let key = LogKey::generate(origin, entropy);
    disk.write_whole(path, key.expose().as_bytes()).map_err(LedgerError::from)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
