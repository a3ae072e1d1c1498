//! One data folder: ledger, keys, tree, `HEAD` and the disposable index of one process.
//!
//! | in the folder | what | durability |
//! |---|---|---|
//! | `ledger/` | leaves and sealed blobs | truth |
//! | `keys/` | one data key a subject | truth; short-lived backups |
//! | `snapshots/` | pictures of pages that wordings were shown on, by SHA-256 | the hash alone proves nothing |
//! | `policies/` | every policy set that judged, by its hash | decisions it judged are made again with it |
//! | `HEAD` | last signed checkpoint | guards against rollback |
//! | `log.key`, `log.key.before` | sign checkpoints | secret; see the key table in `docs/` |
//! | `tree/` | Merkle hashes | disposable |
//! | `index/` | rows folded from the ledger | disposable |
//! | `heads` | the upper part of the newest tree of chain heads | disposable |
//! | `webhooks/` | how far each outgoing webhook was told, and what waits | lost: told from then on; backed up |
//! | `anchors/` | what outside anchors gave for checkpoints | evidence; backed up |
//!
//! Opening is recovery: whatever a crash left is cut, hashed and folded by the code every commit uses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::audit::heads::HeadsShelf;
use crate::disk::{DirLock, DiskError, SharedDisk};
use crate::entropy::SharedEntropy;
use crate::ledger::anchor::Shelf;
use crate::ledger::body::Body;
use crate::ledger::checkpoint::{LogKey, Origin, SignedCheckpoint, VerifierKey};
use crate::ledger::entry::{Entry, Leaf, leaf_hash};
use crate::ledger::head::rotation::{Former, load_before};
use crate::ledger::head::{Head, HeadError, create_key, load_key};
use crate::ledger::keys::{Keys, MasterKey};
use crate::ledger::seal::{self, DataKey, KeySource};
use crate::ledger::segment::{NewEntry, Reader, Recovery, SegmentOptions, Segments, Stored, log_id};
use crate::ledger::tree::{Tree, TreeReader};
use crate::ledger::{LedgerError, LedgerResult};
use crate::model::{EntryHash, Instant, Span, SubjectId};
use crate::writer::{EntrySource, Log, PendingEntry, Recorded, Room};

mod erased;
pub mod policies;
mod room;
pub mod snapshots;
#[cfg(test)]
mod tests;

pub use erased::destroy_erased;
use policies::PolicyShelf;
use room::Volume;
use snapshots::SnapshotShelf;

/// Least time between two checkpoints: each is two syncs.
const CHECKPOINT_EVERY: Span = Span::millis(500);

/// Why a data folder did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process works on it.
    #[error("{} is in use by another consentry process", path.display())]
    InUse { path: PathBuf },
    /// The ledger or the keys are damaged or unreadable.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger is not the one `HEAD` was signed over.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A file could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There are entries but no key to sign their checkpoints.
    #[error("{} is missing, and the ledger has entries: restore it, or open a new epoch with `consentry recover`", path.display())]
    LogKeyMissing { path: PathBuf },
    /// Ledger and `HEAD` are gone, keys are not: this is no new folder.
    #[error("{} knows {chains} chains, but the ledger is empty and HEAD is missing: they were lost. Put them back, as \
             `consentry recover` says", path.display())]
    Lost { path: PathBuf, chains: usize },
    /// The newest entry does not decode.
    #[error("the newest entry does not decode: {0}")]
    Entry(String),
}

/// How a data folder is opened.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedOptions {
    pub segments: SegmentOptions,
    /// Hold space back; off in simulation and short-lived sandboxes.
    pub reserve: bool,
    /// Whole days for which raw webhook bodies are kept; then the key of their day is destroyed. Default 30.
    pub raw_days: u32,
    /// Checkpoint and hash tiles are for everybody, without a key. They tell how much is written and when. Default no.
    pub public_tiles: bool,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        EmbeddedOptions {
            segments: SegmentOptions::default(),
            reserve: true,
            raw_days: 30,
            public_tiles: false,
        }
    }
}

/// Names of things in a data folder.
#[derive(Debug, Clone)]
pub struct DataDir(pub PathBuf);

impl DataDir {
    /// Leaves and blobs.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }
    /// Data keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
    /// Pictures of pages that wordings were shown on.
    pub fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }
    /// Policy sets that judged.
    pub fn policies(&self) -> PathBuf {
        self.0.join("policies")
    }
    /// Merkle hashes.
    pub fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }
    /// Folded rows.
    pub fn index(&self) -> PathBuf {
        self.0.join("index")
    }
    /// The upper part of the newest heads tree.
    pub fn heads(&self) -> PathBuf {
        self.0.join("heads")
    }
    /// Receipts of outside anchors for the log of one epoch.
    pub fn anchors(&self, epoch: u32) -> PathBuf {
        self.0.join("anchors").join(format!("e{epoch}"))
    }
    /// What is still to be told to each outgoing webhook.
    pub fn webhooks(&self) -> PathBuf {
        self.0.join("webhooks")
    }
    /// The last signed checkpoint.
    pub fn head(&self) -> PathBuf {
        self.0.join("HEAD")
    }
    /// The key that signs checkpoints.
    pub fn log_key(&self) -> PathBuf {
        self.0.join("log.key")
    }
    /// The key before it, for 90 days after a rotation.
    pub fn log_key_before(&self) -> PathBuf {
        self.0.join("log.key.before")
    }
    /// Space held back.
    pub fn reserve(&self) -> PathBuf {
        self.0.join("reserve")
    }
}

/// The writing end: what [`crate::writer::Core`] makes entries durable with.
pub struct EmbeddedLog {
    segments: Segments,
    tree: Tree,
    head: Head,
    key: LogKey,
    /// The end of the time in which the key before this one signs, too, and where that key lies.
    former: Option<(Instant, PathBuf)>,
    disk: SharedDisk,
    keys: Arc<Keys>,
    newest: Arc<ArcSwap<SignedCheckpoint>>,
    last_instant: Option<Instant>,
    signed_at: Instant,
    volume: Volume,
    policies: PolicyShelf,
    _lock: Box<dyn DirLock>,
}

/// The reading end, for any thread: entries, proofs, the newest checkpoint.
#[derive(Clone)]
pub struct Books {
    reader: Reader,
    tree: TreeReader,
    keys: Arc<Keys>,
    newest: Arc<ArcSwap<SignedCheckpoint>>,
    verifier: VerifierKey,
    former: Option<Former>,
    origin: Origin,
    heads: Arc<HeadsShelf>,
    policies: PolicyShelf,
    snapshots: SnapshotShelf,
    anchors: Arc<Shelf>,
    public_tiles: bool,
}

/// What opening found and did.
#[derive(Debug, Clone)]
pub struct Opened {
    pub recovery: Recovery,
    /// Entries whose hashes had to be made again.
    pub rehashed: u64,
}

impl EmbeddedLog {
    /// Opens the data folder `dir` of the log `origin`, or starts it.
    pub fn open(
        disk: &SharedDisk,
        dir: &Path,
        origin: &Origin,
        master: MasterKey,
        entropy: &SharedEntropy,
        options: EmbeddedOptions,
    ) -> Result<(EmbeddedLog, Books, Opened), OpenError> {
        let dir = DataDir(dir.to_owned());
        disk.create_dir(&dir.0)?;
        let lock = disk.lock_dir(&dir.0).map_err(|e| match e.is_locked() {
            true => OpenError::InUse { path: dir.0.clone() },
            false => OpenError::Disk(e),
        })?;
        let (segments, recovery) = Segments::open(disk, &dir.ledger(), origin.as_str(), options.segments)?;
        if segments.is_empty() && !disk.exists(&dir.head())? {
            // The first key is written long after the first HEAD: a first start that broke off has none.
            let chains = match disk.list(&dir.keys()) {
                Ok(_) => Keys::inspect(disk, &dir.keys(), origin.seller())?.len(),
                Err(_) => 0,
            };
            if chains > 0 {
                return Err(OpenError::Lost { path: dir.keys(), chains });
            }
        }
        let reader = segments.reader();
        let (tree, rehashed) = Tree::open(disk, &dir.tree(), log_id(origin.as_str()), &reader)?;
        let key = match load_key(disk, &dir.log_key(), origin)? {
            Some(key) => key,
            None if !segments.is_empty() => {
                return Err(OpenError::LogKeyMissing { path: dir.log_key() });
            }
            None => create_key(disk, &dir.log_key(), origin, &**entropy)?,
        };
        let before = load_before(disk, &dir.log_key_before(), &key)?;
        let former =
            before.as_ref().map(|(key, until)| Former { key: key.verifier().clone(), until: *until });
        let key = match before {
            Some((before, _)) => key.beside(before),
            None => key,
        };
        let head = Head::open(disk, &dir.head(), &key, &tree.reader())?;
        let keys = Arc::new(Keys::open(disk, &dir.keys(), origin.seller(), master, entropy.clone())?);
        let last_instant = match reader.len().checked_sub(1) {
            Some(last) => reader.get(last)?.map(|stored| Leaf::decode(&stored.leaf)).transpose(),
            None => Ok(None),
        };
        let last_instant =
            last_instant.map_err(|e| OpenError::Entry(e.to_string()))?.map(|leaf| leaf.instant);
        let volume = Volume::open(disk, &dir, options.reserve);
        let policies = PolicyShelf::new(disk, &dir.policies());
        let newest = Arc::new(ArcSwap::from_pointee(head.newest().clone()));
        let books = Books {
            reader,
            tree: tree.reader(),
            keys: keys.clone(),
            newest: newest.clone(),
            verifier: key.verifier().clone(),
            former: former.clone(),
            origin: origin.clone(),
            heads: Arc::new(HeadsShelf::new(disk, &dir.heads())),
            policies: policies.clone(),
            snapshots: SnapshotShelf::new(disk, &dir.snapshots()),
            anchors: Arc::new(Shelf::open(disk, &dir.anchors(origin.epoch()))?),
            public_tiles: options.public_tiles,
        };
        let log = EmbeddedLog {
            segments,
            tree,
            head,
            key,
            former: former.map(|former| (former.until, dir.log_key_before())),
            disk: disk.clone(),
            keys,
            newest,
            last_instant,
            signed_at: Instant::EPOCH,
            volume,
            policies,
            _lock: lock,
        };
        Ok((log, books, Opened { recovery, rehashed }))
    }

    /// The key that checkpoints verify with.
    pub fn verifier_key(&self) -> String {
        self.key.verifier().as_str().to_owned()
    }

    /// Keeps keys. A full volume gets the reserve.
    fn add_keys(&mut self, new: &[(SubjectId, DataKey)]) -> LedgerResult<()> {
        match self.keys.add(new) {
            Err(e) if e.is_full() && self.volume.give_up() => {
                // A part of them may be kept already.
                let rest = new.iter().filter(|(id, _)| !self.keys.knows(id)).cloned();
                self.keys.add(&rest.collect::<Vec<_>>())
            }
            added => added,
        }
    }

    /// Makes entries durable. A full volume gets the reserve.
    fn add_entries(&mut self, batch: &[NewEntry<'_>]) -> LedgerResult<()> {
        match self.segments.append(batch) {
            Err(e) if e.is_full() && self.volume.give_up() => self.segments.append(batch).map(drop),
            added => added.map(drop),
        }
    }

    /// Brings the tree to the length of the ledger, to which `new` were just added. On a full volume it lags behind
    /// until there is room: it is a view, and only checkpoints wait for it.
    fn grow_tree(&mut self, new: &[EntryHash]) -> LedgerResult<()> {
        let reader = self.segments.reader();
        let grown = if self.tree.size() + new.len() as u64 == self.segments.len() {
            self.tree.append(new)
        } else {
            self.tree.catch_up(&reader).map(drop)
        };
        let grown = match grown {
            Err(e) if e.is_full() && self.volume.give_up() => self.tree.catch_up(&reader).map(drop),
            grown => grown,
        };
        match grown {
            Err(e) if e.is_full() => {
                tracing::error!(error = %e, "the volume is full: checkpoints wait until there is room");
                Ok(())
            }
            grown => grown,
        }
    }

    /// Ends the time in which two keys sign. What was signed so far verifies with either.
    fn retire_former(&mut self, now: Instant) -> Result<(), String> {
        let Some((_, path)) = self.former.take_if(|(until, _)| *until <= now) else { return Ok(()) };
        self.key.alone();
        tracing::info!("the log's former key signs no longer");
        self.disk.remove_if_there(&path).map_err(|e| e.to_string())
    }

    /// Signs a checkpoint over the tree. On a full volume the older one stands until there is room.
    fn sign(&mut self) -> Result<(), HeadError> {
        let (size, root) = (self.tree.size(), self.tree.root());
        let mut signed = self.head.advance(&self.key, size, root).cloned();
        if signed.as_ref().is_err_and(HeadError::is_full) && self.volume.give_up() {
            signed = self.head.advance(&self.key, size, root).cloned();
        }
        match signed {
            Ok(signed) => self.newest.store(Arc::new(signed)),
            Err(e) if e.is_full() => {
                tracing::error!(error = %e, "the volume is full: no checkpoint can be signed until there is room");
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

impl Log for EmbeddedLog {
    fn size(&self) -> u64 {
        self.segments.len()
    }

    fn last_instant(&self) -> Option<Instant> {
        self.last_instant
    }

    fn append(&mut self, keys: &[(SubjectId, DataKey)], entries: &[PendingEntry]) -> Result<(), String> {
        // A crash after this line leaves keys that seal nothing.
        self.add_keys(keys).map_err(|e| e.to_string())?;
        let batch: Vec<NewEntry<'_>> =
            entries.iter().map(|e| NewEntry { leaf: &e.leaf, sealed: &e.blob }).collect();
        self.add_entries(&batch).map_err(|e| e.to_string())?;
        // From here on the batch is durable; the tree can always be made again from it.
        self.last_instant = entries.last().map(|e| e.entry.leaf.instant).or(self.last_instant);
        let hashes: Vec<EntryHash> = entries.iter().map(|e| e.entry.hash).collect();
        self.grow_tree(&hashes).map_err(|e| e.to_string())
    }

    fn keep_policy(&mut self, hash: &[u8; 32], canonical: &[u8]) -> Result<(), String> {
        self.policies.keep(hash, canonical).map_err(|e| e.to_string())
    }

    fn room(&self) -> Room {
        self.volume.room()
    }

    fn tick(&mut self, now: Instant) -> Result<(), String> {
        self.volume.look(now);
        self.retire_former(now)?;
        if self.tree.size() < self.segments.len() {
            self.grow_tree(&[]).map_err(|e| e.to_string())?;
        }
        let due = now.since(self.signed_at) >= CHECKPOINT_EVERY;
        if due && self.tree.size() > self.head.newest().size() {
            self.sign().map_err(|e| e.to_string())?;
            self.signed_at = now;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.grow_tree(&[]).map_err(|e| e.to_string())?;
        self.sign().map_err(|e| e.to_string())?;
        match self.tree.mark() {
            // The mark only saves hashing at the next start.
            Err(e) if !e.is_full() => Err(e.to_string()),
            _ => Ok(()),
        }
    }
}

impl Books {
    /// The newest signed checkpoint.
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.newest.load_full()
    }
    /// Proofs.
    pub fn tree(&self) -> &TreeReader {
        &self.tree
    }
    /// Stored bytes, as they are.
    pub fn stored(&self) -> &Reader {
        &self.reader
    }
    /// Data keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }
    /// The public key that checkpoints verify with.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
    /// The public keys that checkpoints signed at `now` verify with, each alone: after a rotation two.
    pub fn verifiers(&self, now: Instant) -> Vec<VerifierKey> {
        let former = self.former.iter().filter(|former| now < former.until).map(|former| former.key.clone());
        [self.verifier.clone()].into_iter().chain(former).collect()
    }
    /// Whether heads and hash tiles may be read by everybody.
    pub fn public_tiles(&self) -> bool {
        self.public_tiles
    }
    /// The upper parts of heads trees.
    pub fn heads(&self) -> &HeadsShelf {
        &self.heads
    }
    /// Policy sets that judged.
    pub fn policies(&self) -> &PolicyShelf {
        &self.policies
    }
    /// Pictures of pages that wordings were shown on.
    pub fn snapshots(&self) -> &SnapshotShelf {
        &self.snapshots
    }
    /// What outside anchors gave for checkpoints.
    pub fn anchors(&self) -> &Arc<Shelf> {
        &self.anchors
    }
    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Opens a stored entry.
    pub fn open(&self, stored: &Stored) -> Result<Recorded, String> {
        let of_entry = |e: &dyn std::fmt::Display| format!("entry {}: {e}", stored.index);
        let leaf = Leaf::decode(&stored.leaf).map_err(|e| of_entry(&e))?;
        let Some(key) = self.data_key(&leaf.subject)? else {
            return Ok(Recorded::Erased { index: stored.index, leaf });
        };
        let opened = seal::open(&key, &leaf.seal, &stored.sealed).map_err(|e| of_entry(&e))?;
        let body = Body::decode(leaf.kind, &opened.plaintext).map_err(|e| of_entry(&e))?;
        Ok(Recorded::Open(Entry { index: stored.index, hash: leaf_hash(&stored.leaf), leaf, body }))
    }

    /// Opens a sealed blob, within a buffer that serves for many: the plaintext that the leaf of `subject` commits to.
    /// Nothing: the key was destroyed.
    pub fn plaintext<'m>(
        &self,
        subject: &SubjectId,
        commitment: &[u8; 32],
        sealed: &[u8],
        within: &'m mut Vec<u8>,
    ) -> Result<Option<&'m [u8]>, String> {
        let Some(key) = self.data_key(subject)? else { return Ok(None) };
        let opened = seal::open_within(&key, commitment, sealed, within).map_err(|e| e.to_string())?;
        Ok(Some(opened.1))
    }
}

impl KeySource for Books {
    fn data_key(&self, subject: &SubjectId) -> Result<Option<DataKey>, String> {
        self.keys.get(subject).map_err(|e| e.to_string())
    }
}

impl EntrySource for Books {
    fn size(&self) -> u64 {
        self.reader.len()
    }

    fn read(&self, from: u64, limit: usize) -> Result<Vec<Recorded>, String> {
        if limit == 1 {
            let stored = self.reader.get(from).map_err(|e| e.to_string())?;
            return stored.iter().map(|s| self.open(s)).collect();
        }
        let stored = self.reader.entries(from).take(limit);
        stored.map(|s| s.map_err(|e| e.to_string()).and_then(|s| self.open(&s))).collect()
    }
}
