//! Snapshots for engines that have none: what a commit overwrites is kept as long as a snapshot may ask for it.
//!
//! A read holds the lock for one call, a commit for one batch, so neither waits for a whole request of the other.
//! Kept rows are bounded: past the bound the oldest snapshot expires and its reads answer
//! [`KvError::SnapshotTooOld`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::store::{Batch, KeyRange, Kv, KvError, KvRead, KvResult, Order, Row};

/// The newest state of an engine.
pub trait Base: Send + Sync + fmt::Debug + 'static {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>>;
    /// The rows of a range that is not empty.
    fn rows<'a>(&'a self, range: &KeyRange, order: Order) -> Box<dyn Iterator<Item = KvResult<Row>> + 'a>;
    /// Applies a batch at once.
    fn apply(&mut self, batch: Batch) -> KvResult<()>;
    /// Makes the state durable.
    fn flush(&self) -> KvResult<()>;
}

/// An engine with snapshots.
#[derive(Debug)]
pub struct History<B>(Arc<RwLock<State<B>>>);

/// A value that was overwritten or removed by commit number `until`.
#[derive(Debug)]
struct Old {
    until: u64,
    value: Option<Vec<u8>>,
}

#[derive(Debug)]
struct State<B> {
    base: B,
    commits: u64,
    /// Open snapshots: the commit they were taken after, and how many.
    open: BTreeMap<u64, usize>,
    /// Snapshots taken before this commit have expired.
    expired_before: u64,
    /// For each key what it was, oldest first.
    old: BTreeMap<Vec<u8>, VecDeque<Old>>,
    /// The same in the order it was overwritten, for forgetting.
    overwritten: VecDeque<(u64, Vec<u8>)>,
    old_bytes: usize,
    old_bytes_max: usize,
}

/// Bookkeeping of one kept value beyond its key (twice) and content, in bytes, roughly.
const KEPT_OVERHEAD: usize = 128;

impl<B: Base> History<B> {
    /// Gives `base` snapshots that hold back at most `old_bytes_max` bytes.
    pub(super) fn new(base: B, old_bytes_max: usize) -> Self {
        Self(Arc::new(RwLock::new(State {
            base,
            commits: 0,
            open: BTreeMap::new(),
            expired_before: 0,
            old: BTreeMap::new(),
            overwritten: VecDeque::new(),
            old_bytes: 0,
            old_bytes_max,
        })))
    }
}

impl<B: Base> State<B> {
    /// Keeps what `batch` is about to overwrite, for those open snapshots that still see it.
    fn keep(&mut self, batch: &Batch, commit: u64) -> KvResult<()> {
        let Some((&newest, _)) = self.open.last_key_value() else { return Ok(()) };
        for (key, _) in batch.iter() {
            // Overwritten since the newest snapshot already: nobody can see the present value.
            if self.old.get(key).and_then(VecDeque::back).is_some_and(|old| old.until > newest) {
                continue;
            }
            let value = self.base.get(key)?;
            self.old_bytes += kept_bytes(key, value.as_deref());
            self.old.entry(key.to_vec()).or_default().push_back(Old { until: commit, value });
            self.overwritten.push_back((commit, key.to_vec()));
        }
        while self.old_bytes > self.old_bytes_max && !self.open.is_empty() {
            if let Some((oldest, _)) = self.open.pop_first() {
                self.expired_before = oldest + 1;
            }
            self.forget();
        }
        Ok(())
    }

    /// Drops old values that no open snapshot can see.
    fn forget(&mut self) {
        let seen_from = self.open.first_key_value().map_or(u64::MAX, |(&oldest, _)| oldest);
        while self.overwritten.front().is_some_and(|(until, _)| *until <= seen_from) {
            let Some((_, key)) = self.overwritten.pop_front() else { break };
            let Some(values) = self.old.get_mut(&key) else { continue };
            if let Some(old) = values.pop_front() {
                self.old_bytes -= kept_bytes(&key, old.value.as_deref());
            }
            if values.is_empty() {
                self.old.remove(&key);
            }
        }
    }

    fn close(&mut self, commit: u64) {
        if let Some(count) = self.open.get_mut(&commit) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&commit);
                self.forget();
            }
        }
    }

    /// What `key` was after `commit`, if it changed since.
    fn old_value(values: &VecDeque<Old>, commit: u64) -> Option<&Old> {
        values.iter().find(|old| old.until > commit)
    }

    fn get_at(&self, key: &[u8], commit: u64) -> KvResult<Option<Vec<u8>>> {
        match self.old.get(key).and_then(|values| Self::old_value(values, commit)) {
            Some(old) => Ok(old.value.clone()),
            None => self.base.get(key),
        }
    }

    fn scan_at(&self, range: &KeyRange, order: Order, limit: usize, commit: u64) -> KvResult<Vec<Row>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let changed = self.old.range::<[u8], _>(range.bounds());
        let changed = changed.filter_map(|(key, values)| Some((key, Self::old_value(values, commit)?)));
        let changed: Box<dyn Iterator<Item = (&Vec<u8>, &Old)>> = match order {
            Order::Forward => Box::new(changed),
            Order::Reverse => Box::new(changed.rev()),
        };
        let mut changed = changed.peekable();
        let mut newest = self.base.rows(range, order);
        let mut next_newest = newest.next().transpose()?;
        let mut out = Vec::new();
        while out.len() < limit {
            let by_key = match (&next_newest, changed.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((new, _)), Some((old, _))) => match order {
                    Order::Forward => new.cmp(old),
                    Order::Reverse => new.cmp(old).reverse(),
                },
            };
            let row = if by_key == Ordering::Less {
                next_newest.take()
            } else {
                changed.next().and_then(|(key, old)| Some((key.clone(), old.value.clone()?)))
            };
            // A key in both is the old one; the newest row is passed over.
            if by_key != Ordering::Greater {
                next_newest = newest.next().transpose()?;
            }
            out.extend(row);
        }
        Ok(out)
    }
}

fn kept_bytes(key: &[u8], value: Option<&[u8]>) -> usize {
    KEPT_OVERHEAD + 2 * key.len() + value.map_or(0, <[u8]>::len)
}

impl<B: Base> KvRead for History<B> {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.0.read().base.get(key)
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.0.read().base.rows(range, order).take(limit).collect()
    }
}

impl<B: Base> Kv for History<B> {
    fn snapshot(&self) -> KvResult<Box<dyn KvRead>> {
        let mut state = self.0.write();
        let commit = state.commits;
        *state.open.entry(commit).or_default() += 1;
        Ok(Box::new(HistorySnapshot { state: self.0.clone(), commit }))
    }

    fn commit(&self, batch: Batch) -> KvResult<()> {
        batch.check()?;
        let mut state = self.0.write();
        let commit = state.commits + 1;
        state.keep(&batch, commit)?;
        state.base.apply(batch)?;
        state.commits = commit;
        Ok(())
    }

    fn flush(&self) -> KvResult<()> {
        self.0.read().base.flush()
    }
}

/// The state after one commit.
#[derive(Debug)]
struct HistorySnapshot<B: Base> {
    state: Arc<RwLock<State<B>>>,
    commit: u64,
}

impl<B: Base> HistorySnapshot<B> {
    fn read<T>(&self, f: impl FnOnce(&State<B>) -> KvResult<T>) -> KvResult<T> {
        let state = self.state.read();
        if self.commit < state.expired_before {
            return Err(KvError::SnapshotTooOld);
        }
        f(&state)
    }
}

impl<B: Base> KvRead for HistorySnapshot<B> {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.read(|state| state.get_at(key, self.commit))
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        self.read(|state| state.scan_at(range, order, limit, self.commit))
    }
}

impl<B: Base> Drop for HistorySnapshot<B> {
    fn drop(&mut self) {
        self.state.write().close(self.commit);
    }
}
