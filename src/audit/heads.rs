//! The heads tree of a running log: built from the index once a day and when a bundle needs it, recorded as a `HEADS`
//! entry, kept in one small file, and asked for the head of one chain or its absence.
//!
//! The rows `chain ‖ number → index` are walked in the order of ids. Rows of later entries are left out, so the tree of a
//! size can be built again at any time, whatever came after. Memory: one page of rows and 48 bytes for 256 chains.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::disk::SharedDisk;
use crate::ledger::LedgerError;
use crate::ledger::heads::{Absence, BLOCK_LEAVES, ChainHead, HeadsBuilder, HeadsTree, PlacedHead};
use crate::ledger::rows::{ChainRow, HeadsRow, keys};
use crate::ledger::state::Row;
use crate::ledger::tree::TreeReader;
use crate::model::{Instant, Span, SubjectId};
use crate::store::embedded::Books;
use crate::store::{KeyRange, KvError, KvRead, Order};
use crate::writer::ops::heads::RecordHeads;
use crate::writer::{CallError, Reader, WriterHandle, applied_through};

#[cfg(test)]
mod tests;

/// Chain rows read at once.
const PAGE: usize = 4_096;
/// How often a walk begins again because the index forgot the snapshot under it.
const TRIES: usize = 3;
/// Largest file of a heads tree that is read: 350 million chains.
const FILE_BYTES_MAX: usize = 64 << 20;
/// A new root is recorded when the newest is older.
pub const EVERY: Span = Span::hours(24);
/// How often that is looked at, the first time included.
const LOOK: Duration = Duration::from_secs(600);
/// How long a signed checkpoint over a new root is waited for.
const SIGNED_WITHIN: Duration = Duration::from_secs(5);
const SIGNED_POLL: Duration = Duration::from_millis(50);

/// Why there is no heads tree.
#[derive(Debug, thiserror::Error)]
pub enum HeadsError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] KvError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row is not what the fold writes, or the tree is not the one that was recorded.
    #[error("the heads of the chains cannot be told: {0}; run `consentry rebuild`")]
    Rows(&'static str),
    /// The root could not be recorded.
    #[error("the root of the chain heads could not be recorded: {0}")]
    Writer(#[from] CallError),
    /// The walk's thread ended.
    #[error("the gateway is stopping")]
    Stopping,
}

/// A root that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Index of its `HEADS` entry.
    pub entry: u64,
    /// Entries covered.
    pub covered: u64,
    /// When it was recorded.
    pub at: Instant,
}

/// What the tree says about an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its chain ends so.
    Present(PlacedHead),
    /// It has no chain.
    Absent(Absence),
}

/// Shows every chain of the first `covered` entries to `see`, in the order of ids from `from` on, up to `until`; `see`
/// answers whether it wants more.
fn walk(
    rows: &dyn KvRead,
    tree: &TreeReader,
    covered: u64,
    (from, until): (SubjectId, Option<SubjectId>),
    mut see: impl FnMut(ChainHead) -> bool,
) -> Result<(), HeadsError> {
    let start = keys::chain(&from, 0);
    let mut range = match until {
        Some(until) => KeyRange::between(start, keys::chain(&until, 0)),
        None => KeyRange::between(start, vec![ChainRow::TABLE + 1]),
    };
    let mut open: Option<(SubjectId, u64, u64)> = None;
    let tell = |(subject, count, index): (SubjectId, u64, u64)| -> Result<ChainHead, HeadsError> {
        Ok(ChainHead { subject, count, last: tree.leaf(index)? })
    };
    loop {
        let page = rows.scan(&range, Order::Forward, PAGE)?;
        for (key, value) in &page {
            let (subject, number) = read_key(key).ok_or(HeadsError::Rows("a key of another form"))?;
            let row: ChainRow =
                postcard::from_bytes(value).map_err(|_| HeadsError::Rows("a row of another form"))?;
            if row.index >= covered {
                continue;
            }
            if let Some(done) = open.replace((subject, number, row.index)).filter(|done| done.0 != subject)
                && !see(tell(done)?)
            {
                return Ok(());
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => range = range.after(key),
            _ => break,
        }
    }
    if let Some(done) = open {
        see(tell(done)?);
    }
    Ok(())
}

fn read_key(key: &[u8]) -> Option<(SubjectId, u64)> {
    let (subject, number) = key.get(1..)?.split_at_checked(16)?;
    Some((subject.try_into().ok()?, u64::from_be_bytes(number.try_into().ok()?)))
}

/// Builds the tree over the first `covered` entries.
pub fn build(rows: &dyn KvRead, tree: &TreeReader, covered: u64) -> Result<HeadsTree, HeadsError> {
    let mut builder = HeadsBuilder::new(covered);
    let mut sorted = true;
    walk(rows, tree, covered, (SubjectId([0; 16]), None), |head| {
        sorted &= builder.push(&head);
        sorted
    })?;
    if sorted { Ok(builder.finish()) } else { Err(HeadsError::Rows("ids out of order")) }
}

/// What `tree` says about a subject, with the hashes that show it.
pub fn standing(
    rows: &dyn KvRead,
    hashes: &TreeReader,
    tree: &HeadsTree,
    subject: &SubjectId,
) -> Result<Standing, HeadsError> {
    let nobody = Standing::Absent(Absence { before: None, after: None });
    let Some((number, first, next)) = tree.block_of(subject) else { return Ok(nobody) };
    let heads = heads_of(rows, hashes, tree.covered(), (first, next))?;
    let place = |number: usize, heads: &[ChainHead], slot: usize| {
        tree.place(number, heads, slot).ok_or(HeadsError::Rows("a block that is not in the tree"))
    };
    let slot = heads.partition_point(|head| head.subject < *subject);
    if heads.get(slot).is_some_and(|head| head.subject == *subject) {
        return place(number, &heads, slot).map(Standing::Present);
    }
    let before = slot.checked_sub(1).map(|slot| place(number, &heads, slot)).transpose()?;
    let after = if slot < heads.len() {
        Some(place(number, &heads, slot)?)
    } else if let Some(block) = tree.block(number + 1) {
        let heads = heads_of(rows, hashes, tree.covered(), block)?;
        Some(place(number + 1, &heads, 0)?)
    } else {
        None
    };
    Ok(Standing::Absent(Absence { before, after }))
}

/// The heads of one block.
fn heads_of(
    rows: &dyn KvRead,
    hashes: &TreeReader,
    covered: u64,
    block: (SubjectId, Option<SubjectId>),
) -> Result<Vec<ChainHead>, HeadsError> {
    let mut heads = Vec::with_capacity(BLOCK_LEAVES);
    walk(rows, hashes, covered, block, |head| {
        heads.push(head);
        heads.len() <= BLOCK_LEAVES
    })?;
    Ok(heads)
}

/// The newest recorded root whose entry lies below `size`.
pub fn newest(rows: &dyn KvRead, size: u64) -> Result<Option<Recorded>, HeadsError> {
    let range = KeyRange::between(keys::heads(0), keys::heads(size));
    let Some((key, value)) = rows.scan(&range, Order::Reverse, 1)?.pop() else { return Ok(None) };
    let entry = key.get(1..).and_then(|k| k.try_into().ok()).map(u64::from_be_bytes);
    let row: Option<HeadsRow> = postcard::from_bytes(&value).ok();
    match (entry, row) {
        (Some(entry), Some(row)) => Ok(Some(Recorded { entry, covered: row.covered_size, at: row.at })),
        _ => Err(HeadsError::Rows("a row of the heads table has another form")),
    }
}

/// Keeps the upper part of one tree in memory and in a file that may be deleted at any time.
#[derive(Debug)]
pub struct HeadsShelf {
    disk: SharedDisk,
    path: PathBuf,
    tree: Mutex<Option<Arc<HeadsTree>>>,
    /// Held while a tree is built, so that two who need the same one build it once.
    building: Mutex<()>,
}

impl HeadsShelf {
    /// A shelf with one place on disk.
    pub fn new(disk: &SharedDisk, path: &Path) -> HeadsShelf {
        HeadsShelf {
            disk: disk.clone(),
            path: path.to_owned(),
            tree: Mutex::default(),
            building: Mutex::default(),
        }
    }

    fn known(&self, covered: u64) -> Option<Arc<HeadsTree>> {
        self.tree.lock().clone().filter(|tree| tree.covered() == covered)
    }

    /// The tree over the first `covered` entries: remembered, read from the file, or built.
    pub fn tree(&self, reader: &Reader, books: &Books, covered: u64) -> Result<Arc<HeadsTree>, HeadsError> {
        let _turn = self.building.lock();
        if let Some(tree) = self.known(covered) {
            return Ok(tree);
        }
        let kept = self.disk.read_whole(&self.path, FILE_BYTES_MAX).ok().flatten();
        let kept = kept.and_then(|bytes| HeadsTree::decode(&bytes)).filter(|tree| tree.covered() == covered);
        let tree = match kept {
            Some(tree) => Arc::new(tree),
            None => {
                let tree = Arc::new(again(|| build(&*reader.rows()?, books.tree(), covered))?);
                // It is only a saving of time: without the file the tree is built again.
                if let Err(e) = self.disk.write_whole(&self.path, &tree.encode()) {
                    tracing::warn!(error = %e, "the tree of chain heads could not be kept");
                }
                tree
            }
        };
        *self.tree.lock() = Some(tree.clone());
        Ok(tree)
    }
}

/// Tries again with a new snapshot when so much was written that the old one is gone.
fn again<T>(mut walk: impl FnMut() -> Result<T, HeadsError>) -> Result<T, HeadsError> {
    for _ in 1..TRIES {
        match walk() {
            Err(HeadsError::Index(KvError::SnapshotTooOld)) => {}
            done => return done,
        }
    }
    walk()
}

/// What a recorded root says about a subject. Takes as long as a walk over the index when the tree has to be built.
pub fn standing_at(
    reader: &Reader,
    books: &Books,
    recorded: &Recorded,
    subject: &SubjectId,
) -> Result<Standing, HeadsError> {
    let tree = books.heads().tree(reader, books, recorded.covered)?;
    again(|| standing(&*reader.rows()?, books.tree(), &tree, subject))
}

/// Records the root over everything durable now; answers the index of its entry.
pub async fn record(reader: &Reader, books: &Books, writer: &WriterHandle) -> Result<u64, HeadsError> {
    let (walker, shelf) = (reader.clone(), books.clone());
    let built = tokio::task::spawn_blocking(move || {
        // The index may lag behind the log by what is being written; nothing below its newest row can still change.
        let covered = shelf.tree().size();
        let rows = walker.rows()?;
        let covered = covered.min(applied_through(&*rows)?);
        drop(rows);
        shelf.heads().tree(&walker, &shelf, covered)
    });
    let tree = built.await.map_err(|_| HeadsError::Stopping)??;
    let op = RecordHeads { covered_size: tree.covered(), subjects: tree.subjects(), root: tree.root().0 };
    Ok(writer.call(op).await?.answer)
}

/// Waits until a signed checkpoint covers entry `index`; false when none came within 5 seconds.
pub async fn signed(books: &Books, index: u64) -> bool {
    let covered = async {
        while books.checkpoint().size() <= index {
            tokio::time::sleep(SIGNED_POLL).await;
        }
    };
    tokio::time::timeout(SIGNED_WITHIN, covered).await.is_ok()
}

/// Records a root once a day, when entries were written since the last.
pub async fn daily(reader: Reader, books: Books, writer: WriterHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let due = reader.rows().map_err(HeadsError::from).and_then(|rows| newest(&*rows, u64::MAX));
        let now = reader.env().clock.now();
        match due {
            Ok(Some(last)) if now.since(last.at) < EVERY || last.entry + 1 >= books.tree().size() => {}
            Ok(None) if books.tree().size() == 0 => {}
            Ok(_) => {
                if let Err(e) = record(&reader, &books, &writer).await {
                    tracing::warn!(error = %e, "the heads of the chains were not recorded today");
                }
            }
            Err(e) => tracing::warn!(error = %e, "the heads of the chains could not be looked up"),
        }
    }
}
