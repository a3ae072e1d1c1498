//! fjall 3: one keyspace, snapshot reads, bounded memtables.
//!
//! Plain reads of fjall are not isolated from a batch that is being applied. Nor are its snapshots: a flush or
//! compaction that ends meanwhile moves the visible sequence number past the batch (lsm-tree 3.1.10,
//! `upgrade_version_with_seqno`), and a snapshot taken then shows a half of it, later more. So the writer takes a
//! snapshot after each commit, while none is under way, and readers get that one; they never wait for the writer.
//!
//! Its journal is not synced by a commit; a rotation and a memtable flush sync it first (read in its source), so
//! what a power cut leaves is the state after some earlier batch.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use fjall::config::PinningPolicy;
use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, LsmError, PersistMode, Readable, Snapshot};
use parking_lot::Mutex;

use crate::store::{Batch, Engine, KeyRange, Kv, KvError, KvOptions, KvRead, KvResult, Order, Row};

/// Flushes and compactions share one background thread: the machine has work of its own.
const WORKER_THREADS: usize = 1;
/// How much journal may wait for a flush, in bytes.
const JOURNAL_BYTES: u64 = 256 << 20;

/// An index kept by fjall.
pub struct FjallKv {
    /// Taken when no commit was under way.
    newest: ArcSwap<Snapshot>,
    rows: Keyspace,
    database: Database,
    /// Held while a batch is applied and the snapshot after it is taken.
    committing: Mutex<()>,
}

struct FjallSnapshot {
    snapshot: Arc<Snapshot>,
    rows: Keyspace,
}

impl fmt::Debug for FjallKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FjallKv")
    }
}

fn failed(error: Error) -> KvError {
    match error {
        Error::Locked => KvError::Locked(Engine::Fjall),
        // A failed sync or worker poisons fjall until it is opened again.
        Error::Poisoned => Engine::Fjall.failed("an earlier write failed and nothing later can be trusted"),
        Error::Io(e) | Error::Storage(LsmError::Io(e)) if !means_damage(&e) => Engine::Fjall.failed(e),
        other => Engine::Fjall.damaged(other),
    }
}

/// Whether the system's error says that files are missing or cut, rather than that they could not be used.
fn means_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

impl FjallKv {
    /// Opens or creates the index in `dir`.
    pub fn open(dir: &Path, options: &KvOptions) -> KvResult<Self> {
        let database = Database::builder(dir)
            .cache_size(options.cache_bytes)
            .worker_threads(WORKER_THREADS)
            .max_journaling_size(JOURNAL_BYTES)
            .open()
            .map_err(failed)?;
        let memtable = options.memtable_bytes;
        // Filters and the lists of blocks stay in memory, about 2 bytes a row: most rows a send asks for do not exist.
        let create = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable)
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_pinning_policy(PinningPolicy::all(true))
        };
        let rows = database.keyspace("rows", create).map_err(failed)?;
        let newest = ArcSwap::from_pointee(database.snapshot());
        Ok(Self { newest, rows, database, committing: Mutex::new(()) })
    }
}

impl KvRead for FjallKv {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        Ok(self.rows.get(key).map_err(failed)?.map(|v| v.to_vec()))
    }
    fn see(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> KvResult<bool> {
        Ok(self.rows.get(key).map_err(failed)?.map(|value| see(&value)).is_some())
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        scan(&self.newest.load(), &self.rows, range, order, limit)
    }
}

impl Kv for FjallKv {
    fn snapshot(&self) -> KvResult<Box<dyn KvRead>> {
        Ok(Box::new(FjallSnapshot { snapshot: self.newest.load_full(), rows: self.rows.clone() }))
    }

    fn commit(&self, batch: Batch) -> KvResult<()> {
        batch.check()?;
        let mut write = self.database.batch();
        for (key, value) in batch {
            match value {
                Some(value) => write.insert(&self.rows, key, value),
                None => write.remove(&self.rows, key),
            }
        }
        let _committing = self.committing.lock();
        write.commit().map_err(failed)?;
        self.newest.store(Arc::new(self.database.snapshot()));
        Ok(())
    }

    fn flush(&self) -> KvResult<()> {
        self.database.persist(PersistMode::SyncData).map_err(failed)
    }
}

impl KvRead for FjallSnapshot {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        Ok(self.snapshot.get(&self.rows, key).map_err(failed)?.map(|v| v.to_vec()))
    }
    fn see(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> KvResult<bool> {
        Ok(self.snapshot.get(&self.rows, key).map_err(failed)?.map(|value| see(&value)).is_some())
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        scan(&self.snapshot, &self.rows, range, order, limit)
    }
}

fn scan(at: &Snapshot, rows: &Keyspace, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let mut iter = at.range::<&[u8], _>(rows, range.bounds());
    let mut out = Vec::new();
    while out.len() < limit {
        let next = match order {
            Order::Forward => iter.next(),
            Order::Reverse => iter.next_back(),
        };
        let Some(row) = next else { break };
        let (key, value) = row.into_inner().map_err(failed)?;
        out.push((key.to_vec(), value.to_vec()));
    }
    Ok(out)
}
