//! The Merkle tree over the leaves (RFC 6962, section 2): hashing, roots and proofs, from values alone.
//!
//! Hashing and proof arithmetic are those of the `tlog_tiles` crate. [`store`] keeps the hashes on disk.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tlog_tiles::{EMPTY_HASH, Hash, check_record, check_tree, node_hash};

use crate::model::EntryHash;

pub mod store;
#[cfg(test)]
mod tests;

pub use store::{Tree, TreeReader};

/// The hash of a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Root(pub [u8; 32]);

impl Root {
    /// The root of a tree without entries.
    pub const EMPTY: Root = Root(EMPTY_HASH.0);
}

impl fmt::Display for Root {
    /// Base64, as in checkpoints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index or size lies outside the tree.
    #[error("{asked} is outside a tree of {size} entries")]
    Range {
        /// The index or older size.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root of the tree")]
    Wrong,
}

/// Shows that an entry is in a tree: the hashes from the leaf up to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The position of the entry.
    pub index: u64,
    /// How many entries the tree has.
    pub size: u64,
    /// Siblings on the way up, lowest first.
    pub hashes: Vec<[u8; 32]>,
}

/// Shows that a tree begins with all entries of an older one, in the same order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The size of the older tree.
    pub old_size: u64,
    /// The size of the newer tree.
    pub size: u64,
    /// Hashes of the parts, in the order of RFC 6962.
    pub hashes: Vec<[u8; 32]>,
}

impl InclusionProof {
    /// Checks that the entry with this leaf hash stands at the proof's index in the tree with this root.
    pub fn check(&self, leaf: EntryHash, root: Root) -> Result<(), ProofError> {
        if self.index >= self.size {
            return Err(ProofError::Range { asked: self.index, size: self.size });
        }
        let hashes: Vec<Hash> = self.hashes.iter().copied().map(Hash).collect();
        check_record(&hashes, self.size, Hash(root.0), self.index, Hash(leaf.0))
            .map_err(|_| ProofError::Wrong)
    }
}

impl ConsistencyProof {
    /// Checks that the tree with root `root` extends the one with root `old_root`.
    pub fn check(&self, old_root: Root, root: Root) -> Result<(), ProofError> {
        if self.old_size > self.size {
            return Err(ProofError::Range { asked: self.old_size, size: self.size });
        }
        if self.old_size == 0 {
            // Every tree extends the empty one; nothing may pretend to prove it.
            let empty = old_root == Root::EMPTY && self.hashes.is_empty();
            return if empty { Ok(()) } else { Err(ProofError::Wrong) };
        }
        let hashes: Vec<Hash> = self.hashes.iter().copied().map(Hash).collect();
        check_tree(&hashes, self.size, Hash(root.0), self.old_size, Hash(old_root.0))
            .map_err(|_| ProofError::Wrong)
    }
}

/// The right edge of a tree: all it takes to add leaves and know the root. At most 64 hashes.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each bit of `size`.
    complete: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and shows each hash that is now final: the leaf's, then those of the subtrees it completes.
    pub fn push(&mut self, leaf: EntryHash, mut stored: impl FnMut([u8; 32])) {
        let mut hash = Hash(leaf.0);
        stored(hash.0);
        let mut rest = self.size;
        while rest & 1 == 1 {
            let left = self.complete.pop().expect("one subtree for each bit of the size");
            hash = node_hash(left, hash);
            stored(hash.0);
            rest >>= 1;
        }
        self.complete.push(hash);
        self.size += 1;
    }

    /// The root: at most 64 hashings.
    pub fn root(&self) -> Root {
        let mut smallest_first = self.complete.iter().rev().copied();
        let Some(first) = smallest_first.next() else { return Root::EMPTY };
        Root(smallest_first.fold(first, |right, left| node_hash(left, right)).0)
    }
}
