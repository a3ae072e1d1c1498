//! The index: one flat, ordered space of keys behind a four-verb trait, thrown away and rebuilt at will.
//!
//! The ledger is the truth; what is here is a fold of it. So a commit is atomic but not durable: after a power cut
//! the index may lag behind, and whoever writes it stores how far it got (`applied_through`) in the same batch.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod batch;
#[cfg(test)]
mod contract;
pub mod embedded;
mod guard;
pub mod kv;
pub mod maintain;
mod range;

pub use batch::Batch;
pub use range::{KeyRange, Order};

/// The longest key in bytes; the shortest has one.
pub const KEY_BYTES_MAX: usize = 1024;
/// The longest value in bytes.
pub const VALUE_BYTES_MAX: usize = 128 * 1024;

/// One key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// A shared index.
pub type SharedKv = Arc<dyn Kv>;

/// Why the index did not answer.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// A key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("an index key has {0} bytes; 1 to {KEY_BYTES_MAX} are allowed")]
    KeyLength(usize),
    /// A value is longer than [`VALUE_BYTES_MAX`].
    #[error("an index value has {0} bytes; at most {VALUE_BYTES_MAX} are allowed")]
    ValueLength(usize),
    /// So much was written since the snapshot was taken that its rows are gone; take a new one and go on.
    #[error("the snapshot is too old: too much was written since it was taken")]
    SnapshotTooOld,
    /// Another process has the index open.
    #[error("the {0} index is in use by another process")]
    Locked(Engine),
    /// The files of the index cannot be understood. Nothing is lost: wipe it and fold the ledger again.
    #[error("the {engine} index is damaged ({detail}); it is only a view: delete it and start again")]
    Damaged {
        /// The engine that complained.
        engine: Engine,
        /// What it said.
        detail: String,
    },
    /// The engine failed and can no longer be trusted: the process must end and start again.
    #[error("the {engine} index failed: {detail}")]
    Failed {
        /// The engine that failed.
        engine: Engine,
        /// What it said.
        detail: String,
    },
}

/// The result of asking the index.
pub type KvResult<T> = Result<T, KvError>;

/// Reads, from the newest state or from a snapshot.
pub trait KvRead: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>>;
    /// Shows the value of `key` where it lies; answers whether there is one.
    fn see(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> KvResult<bool> {
        Ok(self.get(key)?.map(|value| see(&value)).is_some())
    }
    /// At most `limit` rows of `range` in key order or against it. Ask again with the rest of the range for more.
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>>;
}

/// An ordered index with one writer. Reads through [`KvRead`] see the newest committed batch and are meant for the
/// writer itself; everyone else reads a [snapshot](Kv::snapshot).
pub trait Kv: KvRead + fmt::Debug {
    /// The state of this moment. Keep it for a request, not for hours.
    fn snapshot(&self) -> KvResult<Box<dyn KvRead>>;
    /// Applies all of `batch` or nothing. Not durable: a power cut may undo the newest batches, never an older one alone.
    fn commit(&self, batch: Batch) -> KvResult<()>;
    /// Makes what was committed durable. Worth calling before a clean stop: it saves folding at the next start.
    fn flush(&self) -> KvResult<()>;
}

/// Which engine keeps the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// A log-structured merge tree; the default.
    #[default]
    Fjall,
    /// sled 0.34.
    Sled,
    /// A tree in memory, for simulation and short-lived sandboxes.
    Memory,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 3] = [Engine::Fjall, Engine::Sled, Engine::Memory];

    /// The name in configuration and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Fjall => "fjall",
            Engine::Sled => "sled",
            Engine::Memory => "memory",
        }
    }

    pub(crate) fn failed(self, detail: impl fmt::Display) -> KvError {
        KvError::Failed { engine: self, detail: detail.to_string() }
    }

    pub(crate) fn damaged(self, detail: impl fmt::Display) -> KvError {
        KvError::Damaged { engine: self, detail: detail.to_string() }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Engine {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Engine::ALL.into_iter().find(|e| e.as_str() == text);
        found.ok_or_else(|| "must be fjall, sled or memory".to_owned())
    }
}

/// How much memory an engine may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvOptions {
    /// The block or page cache in bytes. Default 256 MiB.
    pub cache_bytes: u64,
    /// fjall: one memtable in bytes; two live at once, under pressure up to five. Default 48 MiB.
    pub memtable_bytes: u64,
    /// sled, memory: what old snapshots may hold back before they expire, in bytes. Default 128 MiB.
    pub history_bytes: usize,
}

impl Default for KvOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, memtable_bytes: 48 << 20, history_bytes: 128 << 20 }
    }
}

/// An opened index.
#[derive(Debug)]
pub struct Opened {
    /// The index.
    pub kv: SharedKv,
    /// Why it was wiped, when it was: everything must be folded again.
    pub wiped: Option<String>,
}

/// Where `engine` keeps its files below `index`: each has its own folder, so that changing the engine never
/// shows one the files of another.
pub fn folder(engine: Engine, index: &Path) -> PathBuf {
    index.join(engine.as_str())
}

/// Opens the index of `engine` below the folder `index`, creating it when it is missing.
///
/// # Errors
/// [`KvError::Locked`], [`KvError::Damaged`] or [`KvError::Failed`].
pub fn open(engine: Engine, index: &Path, options: &KvOptions) -> KvResult<SharedKv> {
    let dir = folder(engine, index);
    // Both engines have places where damaged files make them panic instead of complaining.
    let opened = std::panic::catch_unwind(|| -> KvResult<SharedKv> {
        Ok(match engine {
            Engine::Fjall => {
                guard::watched(Arc::new(kv::fjall::FjallKv::open(&dir, options)?), engine, index)
            }
            Engine::Sled => guard::watched(Arc::new(kv::sled::open(&dir, options)?), engine, index),
            Engine::Memory => Arc::new(kv::memory::open(options)),
        })
    });
    opened.unwrap_or_else(|_| Err(engine.damaged("it panicked while opening")))
}

/// Opens like [`open`], but wipes a damaged or [condemned](condemn) index and starts it empty.
pub fn open_or_wipe(engine: Engine, index: &Path, options: &KvOptions) -> KvResult<Opened> {
    let condemned = std::fs::read_to_string(verdict(engine, index)).ok();
    let damage = match condemned {
        Some(why) => why,
        None => match open(engine, index, options) {
            Err(KvError::Damaged { detail, .. }) => detail,
            other => return Ok(Opened { kv: other?, wiped: None }),
        },
    };
    wipe(engine, index)?;
    Ok(Opened { kv: open(engine, index, options)?, wiped: Some(damage) })
}

/// Has the next [`open_or_wipe`] wipe an index that turned out damaged while it was in use, for the reason `why`.
pub fn condemn(engine: Engine, index: &Path, why: &str) -> KvResult<()> {
    std::fs::write(verdict(engine, index), why).map_err(|e| engine.failed(e))
}

/// Deletes the files of an index that is not open.
pub fn wipe(engine: Engine, index: &Path) -> KvResult<()> {
    let missing_is_fine = |result: std::io::Result<()>| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(engine.failed(e)),
        _ => Ok(()),
    };
    missing_is_fine(std::fs::remove_dir_all(folder(engine, index)))?;
    // Last, so that a crash in between leaves the verdict standing.
    missing_is_fine(std::fs::remove_file(verdict(engine, index)))
}

fn verdict(engine: Engine, index: &Path) -> PathBuf {
    index.join(format!("{engine}.condemned"))
}
