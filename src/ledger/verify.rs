//! The check of a whole ledger from its bytes, by somebody who trusts nothing but a public key.
//!
//! Every record's checksum (the reader's work), every leaf's form, every subject's chain, the root at every
//! checkpoint given. Nothing here writes, asks a clock or needs a secret; memory is 57 bytes a subject in a hash
//! table (about 120 MB for 1 million), whatever the length of the ledger.

use std::collections::HashMap;

use super::checkpoint::Checkpoint;
use super::entry::leaf_hash;
use super::segment::Stored;
use super::tree::{Edge, Root};
use super::{LedgerError, LedgerResult};
use crate::model::{EntryHash, SubjectId};

#[cfg(test)]
mod tests;

/// What a leaf says about its place in its subject's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// Whose chain.
    pub subject: SubjectId,
    /// Its number there, from 1.
    pub number: u64,
    /// The hash of the leaf before it; none for the first.
    pub previous: Option<EntryHash>,
}

/// What was found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries read.
    pub entries: u64,
    /// How many chains they form.
    pub subjects: u64,
    /// The root over all of them.
    pub root: Root,
    /// Entries covered by the newest checkpoint given; those after it are not signed for yet.
    pub signed: u64,
}

/// What is not as it should be, and where.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Bytes cannot be read, or are not what was written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Entries do not follow one another.
    #[error("entry {found} stands where entry {expected} should")]
    Order {
        /// The index that was due.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A leaf is not in the format it claims.
    #[error("entry {index} is not a valid leaf: {why}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What is wrong.
        why: String,
    },
    /// A subject's chain is broken: an entry was left out, moved or changed.
    #[error("entry {index} breaks the chain of subject {subject}: {why}")]
    Chain {
        /// Its index.
        index: u64,
        /// Whose chain.
        subject: SubjectId,
        /// What is wrong.
        why: String,
    },
    /// The entries are not those a checkpoint was signed over.
    #[error("the first {size} entries have the root {found}, but the checkpoint says {signed}")]
    OtherRoot {
        /// Entries the checkpoint covers.
        size: u64,
        /// The root they have.
        found: Root,
        /// The root that was signed.
        signed: Root,
    },
    /// A checkpoint covers more entries than there are.
    #[error("there are {entries} entries, but a checkpoint covers {signed}: {} are missing", signed - entries)]
    Missing {
        /// Entries read.
        entries: u64,
        /// Entries the checkpoint covers.
        signed: u64,
    },
}

/// Checks `entries`, which are all of a log from index 0 on, against `checkpoints` of that log that are to be
/// believed: the newest one, and any older ones the verifier has kept. `link` decodes a leaf, refusing what is not
/// canonical. Stops at the first thing that is wrong.
pub fn verify<C: AsRef<Checkpoint>>(
    entries: impl Iterator<Item = LedgerResult<Stored>>,
    checkpoints: &[C],
    mut link: impl FnMut(u64, &[u8]) -> Result<ChainLink, String>,
) -> Result<Verified, VerifyError> {
    let mut chains = Chains::default();
    let mut edge = Edge::new();
    let mut due: Vec<&Checkpoint> = checkpoints.iter().map(AsRef::as_ref).collect();
    due.sort_by_key(|c| std::cmp::Reverse(c.size));
    let signed = due.first().map_or(0, |c| c.size);
    meet(&mut due, &edge)?;
    for stored in entries {
        let stored = stored?;
        let expected = edge.size();
        if stored.index != expected {
            return Err(VerifyError::Order { expected, found: stored.index });
        }
        let hash = leaf_hash(&stored.leaf);
        let place = link(expected, &stored.leaf).map_err(|why| VerifyError::Leaf { index: expected, why })?;
        chains.add(expected, place, hash)?;
        edge.push(hash, |_| {});
        meet(&mut due, &edge)?;
    }
    match due.last() {
        Some(missed) => Err(VerifyError::Missing { entries: edge.size(), signed: missed.size }),
        None => {
            let subjects = chains.0.len() as u64;
            Ok(Verified { entries: edge.size(), subjects, root: edge.root(), signed })
        }
    }
}

/// Compares the root with every checkpoint of this size; the smallest ones are last.
fn meet(due: &mut Vec<&Checkpoint>, edge: &Edge) -> Result<(), VerifyError> {
    while let Some(checkpoint) = due.pop_if(|c| c.size == edge.size()) {
        let (size, found, signed) = (edge.size(), edge.root(), checkpoint.root);
        if found != signed {
            return Err(VerifyError::OtherRoot { size, found, signed });
        }
    }
    Ok(())
}

/// The last number and hash of every subject.
#[derive(Debug, Default)]
struct Chains(HashMap<SubjectId, (u64, EntryHash)>);

impl Chains {
    fn add(&mut self, index: u64, link: ChainLink, hash: EntryHash) -> Result<(), VerifyError> {
        let last = self.0.insert(link.subject, (link.number, hash));
        let (number, previous) = last.map_or((1, None), |(number, hash)| (number + 1, Some(hash)));
        let why = if link.number != number {
            format!("it is number {}, number {number} is due", link.number)
        } else if link.previous != previous {
            "it does not name the leaf before it".to_owned()
        } else {
            return Ok(());
        };
        Err(VerifyError::Chain { index, subject: link.subject, why })
    }
}
