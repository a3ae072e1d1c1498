//! The sorted heads tree: one leaf a chain, so that a log can show how long each chain is and that an id has none.
//!
//! Leaves are `"consentry/heads/v1" ‖ subject_id ‖ count ‖ last leaf hash`, sorted by subject id and hashed as RFC 6962,
//! section 2.1, says. The root stands in a `HEADS` entry, with the size of the log it covers; anybody who has all
//! entries computes it again. Of a tree only one hash and one id for 256 leaves are kept (1.9 MB for 10 million chains);
//! a path needs the 256 leaves around it, which are read again.

use tlog_tiles::{Hash, node_hash, record_hash};

use super::tree::{InclusionProof, ProofError, Root};
use crate::model::{EntryHash, SubjectId};

#[cfg(test)]
mod tests;

/// Begins every leaf.
pub const TAG: &[u8; 18] = b"consentry/heads/v1";
/// Leaves of one block; the top of the tree is made of whole blocks.
pub const BLOCK_LEAVES: usize = 256;
const MAGIC: &[u8; 8] = b"cstryhds";
const HEADER_BYTES: usize = 8 + 8 + 8;
const BLOCK_BYTES: usize = 16 + 32;

/// The end of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Whose chain.
    pub subject: SubjectId,
    /// Its entries.
    pub count: u64,
    /// Leaf hash of the last.
    pub last: EntryHash,
}

impl ChainHead {
    /// The 74 bytes that are hashed.
    pub fn bytes(&self) -> [u8; 74] {
        let mut out = [0; 74];
        out[..18].copy_from_slice(TAG);
        out[18..34].copy_from_slice(&self.subject.0);
        out[34..42].copy_from_slice(&self.count.to_be_bytes());
        out[42..].copy_from_slice(&self.last.0);
        out
    }

    /// Its RFC 6962 leaf hash.
    pub fn hash(&self) -> EntryHash {
        EntryHash(record_hash(&self.bytes()).0)
    }
}

/// Where a chain's head stands in the tree, and the hashes from there up to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedHead {
    pub head: ChainHead,
    /// Its place among all heads, from 0.
    pub position: u64,
    /// Siblings on the way up, lowest first.
    pub path: Vec<[u8; 32]>,
}

impl PlacedHead {
    /// Checks that it stands there in the tree of `subjects` heads with this root.
    pub fn check(&self, subjects: u64, root: Root) -> Result<(), ProofError> {
        let proof = InclusionProof { index: self.position, size: subjects, hashes: self.path.clone() };
        proof.check(self.head.hash(), root)
    }
}

/// Why an id has no chain: its would-be neighbours stand next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// The greatest id below; none when it would be the first.
    pub before: Option<PlacedHead>,
    /// The least id above; none when it would be the last.
    pub after: Option<PlacedHead>,
}

impl Absence {
    /// Checks that `subject` has no head in the tree of `subjects` heads with this root.
    pub fn check(&self, subject: &SubjectId, subjects: u64, root: Root) -> Result<(), ProofError> {
        let next = self.before.as_ref().map_or(0, |before| before.position.saturating_add(1));
        let sorted = self.before.as_ref().is_none_or(|before| before.head.subject < *subject)
            && self.after.as_ref().is_none_or(|after| *subject < after.head.subject);
        let adjacent = match &self.after {
            Some(after) => after.position == next,
            None => next == subjects,
        };
        let empty = subjects > 0 || root == Root::EMPTY;
        if !(sorted && adjacent && empty) {
            return Err(ProofError::Wrong);
        }
        [&self.before, &self.after].into_iter().flatten().try_for_each(|placed| placed.check(subjects, root))
    }
}

/// 256 leaves, or fewer at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    first: SubjectId,
    hash: [u8; 32],
}

/// The upper part of a heads tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadsTree {
    covered: u64,
    subjects: u64,
    blocks: Vec<Block>,
}

/// Builds a tree from heads in the order of their ids, in memory of one block and 48 bytes for each that went before.
#[derive(Debug)]
pub struct HeadsBuilder {
    tree: HeadsTree,
    last: Option<SubjectId>,
    open: Vec<[u8; 32]>,
    first: SubjectId,
}

impl HeadsBuilder {
    /// A tree over the chains of the first `covered` entries of a log.
    pub fn new(covered: u64) -> HeadsBuilder {
        let tree = HeadsTree { covered, subjects: 0, blocks: Vec::new() };
        HeadsBuilder { tree, last: None, open: Vec::with_capacity(BLOCK_LEAVES), first: SubjectId([0; 16]) }
    }

    /// Adds the next head; false, and nothing added, when its id does not come after the one before.
    pub fn push(&mut self, head: &ChainHead) -> bool {
        if self.last.is_some_and(|last| last >= head.subject) {
            return false;
        }
        self.last = Some(head.subject);
        if self.open.is_empty() {
            self.first = head.subject;
        }
        self.open.push(head.hash().0);
        self.tree.subjects += 1;
        if self.open.len() == BLOCK_LEAVES {
            self.close();
        }
        true
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.tree.blocks.push(Block { first: self.first, hash: root_of(&self.open) });
            self.open.clear();
        }
    }

    /// The tree.
    pub fn finish(mut self) -> HeadsTree {
        self.close();
        self.tree
    }
}

impl HeadsTree {
    /// Entries of the log whose chains it covers.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Chains in it.
    pub fn subjects(&self) -> u64 {
        self.subjects
    }

    /// The root.
    pub fn root(&self) -> Root {
        match self.blocks.is_empty() {
            true => Root::EMPTY,
            false => Root(root_of(&self.hashes())),
        }
    }

    fn hashes(&self) -> Vec<[u8; 32]> {
        self.blocks.iter().map(|block| block.hash).collect()
    }

    /// The block that holds `subject`, or would: its number, its first id and that of the next block. None: an empty tree.
    pub fn block_of(&self, subject: &SubjectId) -> Option<(usize, SubjectId, Option<SubjectId>)> {
        let number = self.blocks.partition_point(|block| block.first <= *subject).saturating_sub(1);
        let first = self.blocks.get(number)?.first;
        Some((number, first, self.blocks.get(number + 1).map(|next| next.first)))
    }

    /// Ids of a block's first head and of the next block's.
    pub fn block(&self, number: usize) -> Option<(SubjectId, Option<SubjectId>)> {
        let first = self.blocks.get(number)?.first;
        Some((first, self.blocks.get(number + 1).map(|next| next.first)))
    }

    /// Places the head at `slot` of block `number`, all of whose heads are given. None when they are not those of the tree.
    pub fn place(&self, number: usize, heads: &[ChainHead], slot: usize) -> Option<PlacedHead> {
        let leaves: Vec<[u8; 32]> = heads.iter().map(|head| head.hash().0).collect();
        let block = self.blocks.get(number)?;
        if heads.is_empty() || root_of(&leaves) != block.hash {
            return None;
        }
        let mut path = path_of(&leaves, slot);
        path.extend(path_of(&self.hashes(), number));
        let position = (number * BLOCK_LEAVES + slot) as u64;
        Some(PlacedHead { head: *heads.get(slot)?, position, path })
    }

    /// As bytes, for a file: it can always be made again from the index.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.blocks.len() * BLOCK_BYTES + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.covered.to_le_bytes());
        out.extend_from_slice(&self.subjects.to_le_bytes());
        for block in &self.blocks {
            out.extend_from_slice(&block.first.0);
            out.extend_from_slice(&block.hash);
        }
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// Reads [`HeadsTree::encode`]; nothing when the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Option<HeadsTree> {
        let (rest, crc) = bytes.split_last_chunk::<4>()?;
        let (header, blocks) = rest.split_first_chunk::<HEADER_BYTES>()?;
        if crc32c::crc32c(rest).to_le_bytes() != *crc || &header[..8] != MAGIC {
            return None;
        }
        let number = |at: usize| header[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let (covered, subjects) = (number(8)?, number(16)?);
        let read = |b: &[u8]| {
            Some(Block { first: SubjectId(b[..16].try_into().ok()?), hash: b[16..].try_into().ok()? })
        };
        let blocks: Option<Vec<Block>> = blocks.chunks(BLOCK_BYTES).map(read).collect();
        let tree = HeadsTree { covered, subjects, blocks: blocks? };
        (tree.blocks.len() == (subjects as usize).div_ceil(BLOCK_LEAVES)).then_some(tree)
    }
}

/// Where RFC 6962 splits `n` > 1 leaves: the largest power of two below `n`.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// The root over hashes; they are the leaves, or roots of complete trees of one size and a last one that may be smaller.
fn root_of(hashes: &[[u8; 32]]) -> [u8; 32] {
    match hashes {
        [] => Root::EMPTY.0,
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(Hash(root_of(left)), Hash(root_of(right))).0
        }
    }
}

/// The siblings on the way from `at` up, lowest first.
fn path_of(hashes: &[[u8; 32]], at: usize) -> Vec<[u8; 32]> {
    let mut path = Vec::new();
    let (mut hashes, mut at) = (hashes, at);
    while hashes.len() > 1 {
        let (left, right) = hashes.split_at(split(hashes.len()));
        let sibling;
        (hashes, sibling, at) =
            if at < left.len() { (left, right, at) } else { (right, left, at - left.len()) };
        path.push(root_of(sibling));
    }
    path.reverse();
    path
}
