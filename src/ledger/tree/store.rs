//! The hashes of the tree on disk: `tree/hashes`, 32 bytes each in the order of RFC 6962 stored hashes.
//!
//! A view like the index: never synced by a commit, made again from the segments when it is missing or wrong.
//! `tree/mark` says up to which size it was synced, and the root there; opening trusts that much, if the root
//! still comes out, and hashes the entries after it again (at most [`MARK_EVERY`], well under a second).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tlog_tiles::{Error as TlogError, Hash, HashReader, prove_record, prove_tree};
use tlog_tiles::{stored_hash_count, stored_hash_index, sub_tree_index, tree_hash};

use super::{ConsistencyProof, Edge, InclusionProof, ProofError, Root};
use crate::disk::{DiskFile, SharedDisk};
use crate::ledger::entry::leaf_hash;
use crate::ledger::frame::{u32_at, u64_at};
use crate::ledger::segment::Reader;
use crate::ledger::{LedgerError, LedgerResult};
use crate::model::EntryHash;

/// After this many entries the hashes are synced and marked.
pub const MARK_EVERY: u64 = 1 << 16;
const MARK_MAGIC: &[u8; 8] = b"cstrytre";
const MARK_BYTES: usize = 84;
const HASH_BYTES: u64 = 32;
/// Hashes are written in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// The writing end of the tree.
#[derive(Debug)]
pub struct Tree {
    disk: SharedDisk,
    dir: PathBuf,
    log: [u8; 32],
    edge: Edge,
    marked: u64,
    reader: TreeReader,
}

/// Roots and proofs while the writer appends. Clones are cheap and may go to any thread.
#[derive(Debug, Clone)]
pub struct TreeReader {
    path: Arc<PathBuf>,
    file: Arc<dyn DiskFile>,
    size: Arc<AtomicU64>,
}

impl Tree {
    /// Opens the tree in the folder `dir` and brings it to the length of the log; answers how many entries it had
    /// to hash. `log` is the [log's id](crate::ledger::segment::log_id).
    pub fn open(disk: &SharedDisk, dir: &Path, log: [u8; 32], entries: &Reader) -> LedgerResult<(Self, u64)> {
        disk.create_dir(dir)?;
        let path = dir.join("hashes");
        let file = disk.open_or_create(&path)?;
        let reader = TreeReader { path: Arc::new(path), file, size: Arc::default() };
        let edge = match read_mark(disk, dir, &log)? {
            Some((size, root)) if size <= entries.len() => reader.edge_at(size, root)?.unwrap_or_default(),
            _ => Edge::new(),
        };
        reader.file.truncate(bytes_of(edge.size()))?;
        reader.size.store(edge.size(), Ordering::Release);
        let marked = edge.size();
        let mut tree = Self { disk: disk.clone(), dir: dir.to_owned(), log, edge, marked, reader };
        let rehashed = tree.catch_up(entries)?;
        Ok((tree, rehashed))
    }

    /// How many entries it covers.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root over all entries.
    pub fn root(&self) -> Root {
        self.edge.root()
    }

    /// A reading end.
    pub fn reader(&self) -> TreeReader {
        self.reader.clone()
    }

    /// Adds the leaf hashes of the entries that follow. On error none was added; the hashes can be added again.
    pub fn append(&mut self, leaves: &[EntryHash]) -> LedgerResult<()> {
        let mut edge = self.edge.clone();
        let mut bytes = Vec::with_capacity(leaves.len() * 2 * HASH_BYTES as usize);
        for leaf in leaves {
            edge.push(*leaf, |hash| bytes.extend_from_slice(&hash));
        }
        if let Err(e) = self.reader.file.append(&bytes) {
            // Whatever part was written goes; if that fails too, the next opening cuts it.
            self.reader.file.truncate(bytes_of(self.edge.size()))?;
            return Err(e.into());
        }
        self.edge = edge;
        self.reader.size.store(self.edge.size(), Ordering::Release);
        if self.edge.size() - self.marked >= MARK_EVERY {
            self.mark()?;
        }
        Ok(())
    }

    /// Hashes the entries of the log that are not in the tree yet; answers how many those were.
    pub fn catch_up(&mut self, entries: &Reader) -> LedgerResult<u64> {
        let before = self.size();
        let mut leaves = Vec::new();
        for entry in entries.entries(before) {
            leaves.push(leaf_hash(&entry?.leaf));
            if leaves.len() * 64 >= PIECE_BYTES {
                self.append(&leaves)?;
                leaves.clear();
            }
        }
        self.append(&leaves)?;
        Ok(self.size() - before)
    }

    /// Syncs the hashes and notes that they are: the next opening starts from here. Worth calling before a stop.
    pub fn mark(&mut self) -> LedgerResult<()> {
        // A crash before the mark leaves the older one, which is still true.
        self.reader.file.sync_data()?;
        let mut bytes = Vec::with_capacity(MARK_BYTES);
        bytes.extend_from_slice(MARK_MAGIC);
        bytes.extend_from_slice(&self.log);
        bytes.extend_from_slice(&self.size().to_le_bytes());
        bytes.extend_from_slice(&self.root().0);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        self.disk.write_whole(&self.dir.join("mark"), &bytes)?;
        self.marked = self.size();
        Ok(())
    }
}

fn bytes_of(size: u64) -> u64 {
    stored_hash_count(size) * HASH_BYTES
}

/// The size and root of the last mark of this log, if it reads well.
fn read_mark(disk: &SharedDisk, dir: &Path, log: &[u8; 32]) -> LedgerResult<Option<(u64, Root)>> {
    let bytes = disk.read_whole(&dir.join("mark"), 4096)?.unwrap_or_default();
    let Some(bytes) = bytes.first_chunk::<MARK_BYTES>().filter(|_| bytes.len() == MARK_BYTES) else {
        return Ok(None);
    };
    let known = &bytes[..8] == MARK_MAGIC
        && &bytes[8..40] == log
        && crc32c::crc32c(&bytes[..80]) == u32_at(bytes, 80);
    let mut root = [0; 32];
    root.copy_from_slice(&bytes[48..80]);
    Ok(known.then_some((u64_at(bytes, 40), Root(root))))
}

impl TreeReader {
    /// How many entries the tree covers.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The root of the first `size` entries.
    pub fn root_at(&self, size: u64) -> LedgerResult<Root> {
        self.in_range(size, self.size() + 1)?;
        tree_hash(size, self).map(|hash| Root(hash.0)).map_err(|_| self.wrong())
    }

    /// Proves that entry `index` is in the tree of the first `size` entries. Checked before it is handed out.
    pub fn inclusion(&self, index: u64, size: u64) -> LedgerResult<InclusionProof> {
        let root = self.root_at(size)?;
        self.in_range(index, size)?;
        let hashes = prove_record(size, index, self).map_err(|_| self.wrong())?;
        let proof = InclusionProof { index, size, hashes: hashes.into_iter().map(|h| h.0).collect() };
        let leaf = self.read(stored_hash_index(0, index)).map_err(|_| self.wrong())?;
        proof.check(EntryHash(leaf.0), root).map_err(|_| self.wrong())?;
        Ok(proof)
    }

    /// Proves that the tree of `size` entries extends that of `old_size`. Checked before it is handed out.
    pub fn consistency(&self, old_size: u64, size: u64) -> LedgerResult<ConsistencyProof> {
        let root = self.root_at(size)?;
        self.in_range(old_size, size + 1)?;
        let hashes = if old_size == 0 {
            Vec::new()
        } else {
            prove_tree(size, old_size, self).map_err(|_| self.wrong())?
        };
        let proof = ConsistencyProof { old_size, size, hashes: hashes.into_iter().map(|h| h.0).collect() };
        proof.check(self.root_at(old_size)?, root).map_err(|_| self.wrong())?;
        Ok(proof)
    }

    /// The hash over the `number`th complete subtree of `2^level` entries.
    pub fn node(&self, level: u8, number: u64) -> LedgerResult<[u8; 32]> {
        let end = number.checked_add(1).and_then(|n| n.checked_mul(1 << u32::from(level.min(63))));
        self.in_range(end.unwrap_or(u64::MAX).saturating_sub(1), self.size())?;
        self.read(stored_hash_index(level, number)).map(|hash| hash.0).map_err(|_| self.wrong())
    }

    /// The leaf hash of entry `index`.
    pub fn leaf(&self, index: u64) -> LedgerResult<EntryHash> {
        self.in_range(index, self.size())?;
        self.read(stored_hash_index(0, index)).map(|hash| EntryHash(hash.0)).map_err(|_| self.wrong())
    }

    fn in_range(&self, asked: u64, end: u64) -> LedgerResult<()> {
        if asked < end { Ok(()) } else { Err(ProofError::Range { asked, size: self.size() }.into()) }
    }

    fn wrong(&self) -> LedgerError {
        LedgerError::Hashes { file: self.path.as_ref().clone() }
    }

    fn read(&self, index: u64) -> Result<Hash, TlogError> {
        let mut hash = Hash::default();
        match self.file.read_at(index * HASH_BYTES, &mut hash.0) {
            Ok(32) => Ok(hash),
            _ => Err(TlogError::IndexesNotInTree),
        }
    }

    /// The edge at `size`, if the stored hashes lead to `root` there.
    fn edge_at(&self, size: u64, root: Root) -> LedgerResult<Option<Edge>> {
        if self.file.len()? < bytes_of(size) {
            return Ok(None);
        }
        let complete = self.read_hashes(&sub_tree_index(0, size, Vec::new())).ok();
        let edge = complete.map(|complete| Edge { size, complete });
        Ok(edge.filter(|edge| edge.root() == root))
    }
}

impl HashReader for TreeReader {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TlogError> {
        indexes.iter().map(|index| self.read(*index)).collect()
    }
}
