//! What can be wrong with the files of a ledger, in words for the person who has to act on it.

use std::path::{Path, PathBuf};

use super::keys::MasterKeyId;
use super::tree::ProofError;
use crate::disk::DiskError;
use crate::model::SubjectId;

/// Why a ledger file was refused or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Bytes that were once acknowledged are not what they were. Nothing was changed.
    #[error(
        "{} is damaged at byte {offset}: {why}; nothing was changed. Restore the file from a backup, or run \
         `consentry recover`",
        file.display()
    )]
    Damaged {
        /// The damaged or missing file.
        file: PathBuf,
        /// The first byte that is wrong.
        offset: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// A later release wrote the file.
    #[error("{} has format {found}, this release reads up to {known}: use the release that wrote it", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version this release reads.
        known: u32,
    },
    /// The file belongs to another log, or is another kind of file.
    #[error("{} belongs to another log or is no {kind} file", file.display())]
    OtherLog {
        /// The file.
        file: PathBuf,
        /// What it should be.
        kind: &'static str,
    },
    /// Something to be written is longer than readers accept.
    #[error("{what} has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The stored hashes of the tree are wrong. They are a view: nothing is lost.
    #[error("the tree hashes in {} do not add up; delete the folder and restart to make them again", file.display())]
    Hashes {
        /// The file of hashes.
        file: PathBuf,
    },
    /// The master key does not open a data key.
    #[error("the master key does not open the keys in {}: it is another key, or the file was changed", file.display())]
    WrongMasterKey {
        /// The key file.
        file: PathBuf,
    },
    /// The folder's keys are wrapped under another master key than the one given.
    #[error("{}", other_master_key(file, given, wrapped.as_ref()))]
    OtherMasterKey {
        /// The first key file it does not open.
        file: PathBuf,
        /// The key given.
        given: MasterKeyId,
        /// The key that the folder says its keys are wrapped under.
        wrapped: Option<MasterKeyId>,
    },
    /// A key was to be made for a subject that has one, or had one that was destroyed.
    #[error("subject {0} has or had a key; a second one would make its entries unreadable")]
    KnownSubject(SubjectId),
    /// A proof was asked for that cannot exist.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A write failed in a way after which nobody knows what is durable. Only a restart reads it back.
    #[error("an earlier write to {} failed; restart to read back what is durable", file.display())]
    Poisoned {
        /// The file that was being written.
        file: PathBuf,
    },
}

fn other_master_key(file: &Path, given: &MasterKeyId, wrapped: Option<&MasterKeyId>) -> String {
    let told = format!("the master key {given} does not open the keys in {}", file.display());
    match wrapped {
        Some(wrapped) if wrapped != given => format!(
            "{told}: they are wrapped under {wrapped}. If the master key was rotated, name that one in keys.master; if keys/ was \
             put back from a backup, give the key of that time, or run `consentry rotate-master-key` from it to this one"
        ),
        Some(_) => format!(
            "{told}, though the folder says it does: files of different times were put together, or one was changed. \
             `consentry rotate-master-key` with the other key makes them one again"
        ),
        None => format!("{told}: it is another key, or the file was changed"),
    }
}

impl LedgerError {
    pub(super) fn damaged(file: &Path, offset: u64, why: &'static str) -> Self {
        Self::Damaged { file: file.to_owned(), offset, why }
    }
    /// Whether the volume is full: nothing is broken, space helps.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk(e) if e.is_full())
    }
}

/// The result of working on ledger files.
pub type LedgerResult<T> = Result<T, LedgerError>;
