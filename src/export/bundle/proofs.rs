//! Inclusion proofs of many entries in a row: neighbours share most of their hashes, so those are read once.

use std::cell::RefCell;
use std::collections::HashMap;

use tlog_tiles::{Error as TlogError, Hash, HashReader, prove_record};

use crate::export::ExportError;
use crate::ledger::tree::{InclusionProof, Root, TreeReader};
use crate::model::EntryHash;

/// Hashes remembered, 40 bytes each.
const REMEMBERED_MAX: usize = 1 << 15;

/// Makes proofs against one head.
pub struct Proofs<'a> {
    hashes: Remembering<'a>,
    size: u64,
    root: Root,
}

impl<'a> Proofs<'a> {
    /// Proofs in the tree of `size` entries with this root.
    pub fn new(tree: &'a TreeReader, size: u64, root: Root) -> Proofs<'a> {
        Proofs { hashes: Remembering { tree, known: RefCell::default() }, size, root }
    }

    /// The proof of one entry, checked before it is handed out.
    pub fn inclusion(&self, index: u64, leaf: EntryHash) -> Result<InclusionProof, ExportError> {
        let wrong = |e: String| ExportError::Entry(format!("entry {index} cannot be proved: {e}"));
        let hashes = prove_record(self.size, index, &self.hashes).map_err(|e| wrong(format!("{e:?}")))?;
        let hashes = hashes.into_iter().map(|h| h.0).collect();
        let proof = InclusionProof { index, size: self.size, hashes };
        proof.check(leaf, self.root).map_err(|e| wrong(e.to_string()))?;
        Ok(proof)
    }
}

struct Remembering<'a> {
    tree: &'a TreeReader,
    known: RefCell<HashMap<u64, Hash>>,
}

impl HashReader for Remembering<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TlogError> {
        let mut known = self.known.borrow_mut();
        if known.len() > REMEMBERED_MAX {
            known.clear();
        }
        let missing: Vec<u64> = indexes.iter().copied().filter(|i| !known.contains_key(i)).collect();
        for (index, hash) in missing.iter().zip(self.tree.read_hashes(&missing)?) {
            known.insert(*index, hash);
        }
        let found = indexes.iter().map(|i| known.get(i).copied().ok_or(TlogError::IndexesNotInTree));
        found.collect()
    }
}
