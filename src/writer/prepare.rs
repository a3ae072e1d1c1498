//! Operations thought out before their turn, on the caller's thread, and taken by the writer as they are when nothing
//! they looked at has changed since: optimistic concurrency. What did change is thought out again by the writer, so the
//! result is always that of operations carried out one after another. Measured in `docs/performance.md`.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::env::Policies;
use crate::ledger::state::{Change, Reads};
use crate::model::{Instant, Span};

/// A thought older than this is thought again: hours and caps go on meanwhile. As long as an intent lives.
pub(super) const LIFE: Span = Span::seconds(2);
/// Most batches, and most rows, whose changes are remembered: 2 s of many small batches, and at most 10 MiB.
const BATCHES_MAX: usize = 1_024;
const ROWS_MAX: usize = 1 << 18;

/// A plan, and all it rests on.
pub struct Prepared<P> {
    pub(super) plan: P,
    pub(super) reads: Reads,
    /// Commits that were done before the first row was read.
    pub(super) seen: u64,
    /// When it was thought out.
    pub(super) at: Instant,
    pub(super) policies: Arc<Policies>,
}

/// Which rows the newest commits changed. Rows by hash: two that share one make a plan be thought out again, no more.
pub(super) struct Recent {
    hasher: RandomState,
    /// Row to the last commit that changed it.
    changed: HashMap<u64, u64, RandomState>,
    /// Rows of each commit, the oldest first; the newest commit is `newest`.
    commits: VecDeque<Vec<u64>>,
    rows: usize,
    newest: u64,
}

impl Recent {
    /// Nothing is known of what happened up to `newest`.
    pub(super) fn from(newest: u64) -> Recent {
        let hasher = RandomState::default();
        Recent { hasher, changed: HashMap::default(), commits: VecDeque::new(), rows: 0, newest }
    }

    /// A commit of these changes; answers its number.
    pub(super) fn committed(&mut self, changes: &[Change]) -> u64 {
        self.newest += 1;
        let rows: Vec<u64> = changes.iter().map(|(key, _)| self.hasher.hash_one(key.as_slice())).collect();
        self.changed.extend(rows.iter().map(|row| (*row, self.newest)));
        self.rows += rows.len();
        self.commits.push_back(rows);
        while self.commits.len() > BATCHES_MAX || self.rows > ROWS_MAX {
            let Some(oldest) = self.commits.pop_front() else { break };
            let number = self.newest - self.commits.len() as u64;
            self.rows -= oldest.len();
            for row in oldest {
                if self.changed.get(&row) == Some(&number) {
                    self.changed.remove(&row);
                }
            }
        }
        self.newest
    }

    /// Whether none of the rows was changed by a commit after `seen`. Unsure is no.
    pub(super) fn unchanged_since(&self, seen: u64, reads: &Reads) -> bool {
        let known_from = self.newest - self.commits.len() as u64;
        let later = |key: &[u8]| self.changed.get(&self.hasher.hash_one(key)).is_some_and(|at| *at > seen);
        seen >= known_from && (seen >= self.newest || !reads.keys().any(later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::rows::keys;
    use crate::ledger::state::State;
    use crate::model::MessageId;
    use crate::model::outgoing::Message;
    use crate::store::{KvOptions, kv};

    fn key(n: u8) -> Vec<u8> {
        keys::message(&MessageId([n; 16]))
    }

    fn reads(of: &[u8]) -> Reads {
        let kv = kv::memory::open(&KvOptions::default());
        let mut state = State::over(&kv);
        for n in of {
            state.get::<Message>(&key(*n)).expect("memory answers");
        }
        state.into_reads().expect("nothing was changed")
    }

    #[test]
    fn only_a_later_change_of_a_row_that_was_read_counts() {
        let mut recent = Recent::from(7);
        let read = reads(&[1, 2]);
        assert!(recent.unchanged_since(7, &read) && !recent.unchanged_since(6, &read), "6 is not remembered");
        assert_eq!(recent.committed(&[(key(3), None)]), 8);
        assert!(recent.unchanged_since(7, &read));
        assert_eq!(recent.committed(&[(key(2), None)]), 9);
        assert!(!recent.unchanged_since(7, &read) && !recent.unchanged_since(8, &read));
        assert!(recent.unchanged_since(9, &read));
    }

    #[test]
    fn what_is_forgotten_counts_as_changed() {
        let mut recent = Recent::from(0);
        let read = reads(&[1]);
        recent.committed(&[(key(1), None)]);
        for _ in 0..BATCHES_MAX {
            recent.committed(&[(key(9), None)]);
        }
        assert!(!recent.unchanged_since(0, &read));
        assert!(recent.unchanged_since(1, &read), "the commit after it is still remembered");
        assert!(recent.changed.len() <= 2 && recent.rows <= BATCHES_MAX);
        let many: Vec<Change> = (0..=u8::MAX).map(|n| (key(n), None)).collect();
        for _ in 0..2 * ROWS_MAX / many.len() {
            recent.committed(&many);
        }
        assert!(recent.rows <= ROWS_MAX && recent.changed.len() == many.len());
    }
}
