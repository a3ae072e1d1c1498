//! Rows of the index as typed values, read through an overlay that remembers what one batch changed.
//!
//! Everything here can be thrown away and folded again from the ledger, so rows are `postcard`: compact, and
//! free to change shape between releases (the index's schema number then forces a rebuild).

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::quality::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;

use parking_lot::RwLock;

use crate::store::{KeyRange, KvError, KvRead, Order};

/// Why state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The engine failed.
    #[error(transparent)]
    Store(#[from] KvError),
    /// A row does not decode: the index was written by something else. `consentry rebuild` makes it anew.
    #[error("a row of table '{table}' does not decode; run `consentry rebuild`: {reason}")]
    Damaged { table: char, reason: postcard::Error },
}

/// A row of one table of the index.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// First byte of its keys.
    const TABLE: u8;
}

type Shared = Arc<dyn Any + Send + Sync>;

/// Rows that one decision looks at, about.
const SLOTS: usize = 28;

struct Slot {
    value: Option<Shared>,
    /// Set when the row was changed: how to write it down.
    encode: Option<fn(&Shared) -> Vec<u8>>,
    dirty: bool,
}

/// Rows of one table kept decoded from snapshot to snapshot: for those that everybody reads and hardly anybody changes.
pub struct KeptRows {
    table: u8,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The last commit that changed the table. Who reads an earlier state gets nothing here, and leaves nothing.
    since: u64,
    rows: HashMap<Vec<u8>, Option<Shared>, RandomState>,
}

impl KeptRows {
    /// Most rows kept.
    const ROWS_MAX: usize = 4_096;

    /// Keeps rows of this type.
    pub fn of<R: Row>() -> KeptRows {
        KeptRows { table: R::TABLE, kept: RwLock::default() }
    }

    /// Called before the commit of that number: forgets all if it changes the table.
    pub fn before_commit(&self, number: u64, changes: &[Change]) {
        if changes.iter().any(|(key, _)| key.first() == Some(&self.table)) {
            self.forget(number);
        }
    }

    /// Nothing from before the commit of that number counts any more.
    pub fn forget(&self, number: u64) {
        *self.kept.write() = Kept { since: number, ..Kept::default() };
    }

    fn get(&self, key: &[u8], seen: u64) -> Option<Option<Shared>> {
        let kept = self.kept.read();
        if seen < kept.since { None } else { kept.rows.get(key).cloned() }
    }

    fn put(&self, key: &[u8], seen: u64, row: &Option<Shared>) {
        let mut kept = self.kept.write();
        if seen >= kept.since && kept.rows.len() < Self::ROWS_MAX {
            kept.rows.insert(key.to_vec(), row.clone());
        }
    }
}

/// The index as one batch sees it: a base that does not move, and the batch's own changes on top.
pub struct State<'a> {
    base: &'a dyn KvRead,
    slots: HashMap<Vec<u8>, Slot, RandomState>,
    /// A range was read: which rows it would have found cannot be told from the slots.
    ranged: bool,
    /// Rows kept from earlier, and the last commit that the base is known to show.
    kept: Option<(&'a KeptRows, u64)>,
}

/// Every row somebody looked at while nothing changed, and how it stood.
pub struct Reads(Vec<(Vec<u8>, Option<Shared>)>);

impl Reads {
    /// Keys of the rows, also of those that were not there.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|(key, _)| key.as_slice())
    }
}

/// One change of the index: a key and its new bytes, or none to delete it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

fn encode_row<R: Row>(row: &Shared) -> Vec<u8> {
    let row = row.downcast_ref::<R>().expect("a slot holds the row type it was put with");
    postcard::to_extend(row, Vec::with_capacity(512)).expect("rows hold nothing that postcard cannot write")
}

/// Reads a row's bytes.
pub fn decode_row<R: Row>(bytes: &[u8]) -> Result<R, StateError> {
    postcard::from_bytes(bytes).map_err(|reason| StateError::Damaged { table: R::TABLE as char, reason })
}

/// A key: the table, then the parts. Parts of variable length carry their length, so that no two rows share a key.
pub fn key<R: Row>(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|p| p.len() + 1).sum::<usize>());
    key.push(R::TABLE);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// A text as part of a key that other parts follow: its length in one byte, then the text (at most 255 bytes).
pub fn sized(text: &str) -> Vec<u8> {
    let bytes = &text.as_bytes()[..text.len().min(255)];
    let mut part = Vec::with_capacity(1 + bytes.len());
    part.push(bytes.len() as u8);
    part.extend_from_slice(bytes);
    part
}

impl<'a> State<'a> {
    /// State as `base` has it, unchanged so far.
    pub fn over(base: &'a dyn KvRead) -> Self {
        let slots = HashMap::with_capacity_and_hasher(SLOTS, RandomState::default());
        Self { base, slots, ranged: false, kept: None }
    }

    /// The same, with rows kept from earlier. The base shows the commit `seen`, and perhaps later ones.
    pub fn keeping(self, rows: &'a KeptRows, seen: u64) -> Self {
        Self { kept: Some((rows, seen)), ..self }
    }

    /// The row under `key`, if there is one.
    pub fn get<R: Row>(&mut self, key: &[u8]) -> Result<Option<Arc<R>>, StateError> {
        debug_assert_eq!(key.first(), Some(&R::TABLE));
        if let Some(slot) = self.slots.get(key) {
            return Ok(slot.value.clone().map(|v| v.downcast::<R>().expect("one row type a table")));
        }
        let kept = self.kept.filter(|(rows, _)| rows.table == R::TABLE);
        if let Some(known) = kept.and_then(|(rows, seen)| rows.get(key, seen)) {
            self.slots.insert(key.to_vec(), Slot { value: known.clone(), encode: None, dirty: false });
            return Ok(known.map(|v| v.downcast::<R>().expect("one row type a table")));
        }
        let mut read = None;
        self.base.see(key, &mut |bytes| read = Some(decode_row::<R>(bytes)))?;
        let value = read.transpose()?.map(Arc::new);
        let shared = value.clone().map(|v| v as Shared);
        if let Some((rows, seen)) = kept {
            rows.put(key, seen, &shared);
        }
        self.slots.insert(key.to_vec(), Slot { value: shared, encode: None, dirty: false });
        Ok(value)
    }

    /// Puts a row. Only the fold calls this: state changes by entries and by nothing else.
    pub fn put<R: Row>(&mut self, key: Vec<u8>, row: impl Into<Arc<R>>) {
        debug_assert_eq!(key.first(), Some(&R::TABLE));
        let row: Arc<R> = row.into();
        self.slots.insert(key, Slot { value: Some(row), encode: Some(encode_row::<R>), dirty: true });
    }

    /// Changes a row where it lies, without a copy unless somebody else holds it; none if there is no such row. Only the
    /// fold calls this.
    pub fn change<R: Row, T>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut R) -> T,
    ) -> Result<Option<T>, StateError> {
        drop(self.get::<R>(key)?);
        let slot = self.slots.get_mut(key).expect("every row that was asked for has its slot");
        let Some(row) = slot.value.take() else { return Ok(None) };
        let mut row = row.downcast::<R>().expect("one row type a table");
        let result = change(Arc::make_mut(&mut row));
        *slot = Slot { value: Some(row), encode: Some(encode_row::<R>), dirty: true };
        Ok(Some(result))
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.slots.insert(key, Slot { value: None, encode: None, dirty: true });
    }

    /// Rows whose keys start with `prefix`, in key order, at most `limit`, from `after` (exclusive) on.
    pub fn scan<R: Row>(
        &mut self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Arc<R>)>, StateError> {
        self.ranged = true;
        let within = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let changed: Vec<Vec<u8>> = self
            .slots
            .iter()
            .filter(|(key, slot)| slot.dirty && within(key))
            .map(|(k, _)| k.clone())
            .collect();
        let mut range = KeyRange::prefix(prefix);
        if let Some(after) = after {
            range = range.after(after);
        }
        let stored = self.base.scan(&range, Order::Forward, limit + changed.len())?;
        let mut found: BTreeMap<Vec<u8>, Option<_>> = stored.into_iter().map(|(k, v)| (k, Some(v))).collect();
        found.extend(changed.into_iter().map(|key| (key, None)));
        let mut rows = Vec::new();
        for (key, bytes) in found {
            if rows.len() == limit {
                break;
            }
            let row = match bytes {
                // Nothing of this batch stands before it: what was read is the row.
                Some(bytes) if !self.slots.contains_key(&key) => Some(Arc::new(decode_row::<R>(&bytes)?)),
                _ => self.get::<R>(&key)?,
            };
            rows.extend(row.map(|row| (key, row)));
        }
        Ok(rows)
    }

    /// Rows whose keys start with `prefix` against key order, at most `limit`, from `before` (exclusive) down. Reads the
    /// base alone: for those who look and never change.
    pub fn scan_back<R: Row>(
        &mut self,
        prefix: &[u8],
        before: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Arc<R>)>, StateError> {
        self.ranged = true;
        let mut range = KeyRange::prefix(prefix);
        if let Some(before) = before {
            range = range.before(before);
        }
        let rows = self.base.scan(&range, Order::Reverse, limit)?;
        rows.into_iter().map(|(key, bytes)| Ok((key, Arc::new(decode_row::<R>(&bytes)?)))).collect()
    }

    /// The rows looked at; none when rows were changed or ranges read: those cannot be checked row by row.
    pub fn into_reads(self) -> Option<Reads> {
        if self.ranged || self.slots.values().any(|slot| slot.dirty) {
            return None;
        }
        Some(Reads(self.slots.into_iter().map(|(key, slot)| (key, slot.value)).collect()))
    }

    /// Whether this batch changed the row.
    pub fn has_changed(&self, key: &[u8]) -> bool {
        self.slots.get(key).is_some_and(|slot| slot.dirty)
    }

    /// Takes rows as read that are known to stand as they were.
    pub fn take_reads(&mut self, reads: Reads) {
        for (key, value) in reads.0 {
            self.slots.entry(key).or_insert(Slot { value, encode: None, dirty: false });
        }
    }

    /// What this batch changed, in key order.
    pub fn into_changes(self) -> Vec<Change> {
        let mut changed: Vec<(Vec<u8>, Slot)> =
            self.slots.into_iter().filter(|(_, slot)| slot.dirty).collect();
        changed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let encoded = changed.into_iter().map(|(key, slot)| {
            let bytes = match (slot.value, slot.encode) {
                (Some(value), Some(encode)) => Some(encode(&value)),
                _ => None,
            };
            (key, bytes)
        });
        encoded.collect()
    }
}
