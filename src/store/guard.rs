//! Watches an index in use: its first sign of damage condemns it, so that the next start folds it anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Batch, Engine, KeyRange, Kv, KvError, KvRead, KvResult, Order, Row, SharedKv, condemn};

/// The index `kv` of `engine` below the folder `index`, watched.
pub fn watched(kv: SharedKv, engine: Engine, index: &Path) -> SharedKv {
    let mark = Arc::new(Mark { engine, index: index.to_owned(), made: AtomicBool::new(false) });
    Arc::new(Watched { kv, mark })
}

#[derive(Debug)]
struct Mark {
    engine: Engine,
    index: PathBuf,
    made: AtomicBool,
}

impl Mark {
    /// Passes an answer on. Both engines panic in places where they meet what they did not write; that is damage too.
    fn ask<T>(&self, ask: impl FnOnce() -> KvResult<T>) -> KvResult<T> {
        let answer = catch_unwind(AssertUnwindSafe(ask));
        let answer = answer.unwrap_or_else(|_| Err(self.engine.damaged("it panicked while in use")));
        if let Err(KvError::Damaged { detail, .. }) = &answer
            && !self.made.swap(true, Ordering::Relaxed)
        {
            tracing::error!(engine = %self.engine, detail, "the index is damaged; the next start folds it anew");
            if let Err(e) = condemn(self.engine, &self.index, detail) {
                tracing::error!(error = %e, "the damaged index cannot be marked: run `consentry rebuild`");
            }
        }
        answer
    }
}

#[derive(Debug)]
struct Watched {
    kv: SharedKv,
    mark: Arc<Mark>,
}

impl KvRead for Watched {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.mark.ask(|| self.kv.get(key))
    }
    fn see(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> KvResult<bool> {
        self.mark.ask(|| self.kv.see(key, see))
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        self.mark.ask(|| self.kv.scan(range, order, limit))
    }
}

impl Kv for Watched {
    fn snapshot(&self) -> KvResult<Box<dyn KvRead>> {
        let snapshot = self.mark.ask(|| self.kv.snapshot())?;
        Ok(Box::new(WatchedSnapshot { snapshot, mark: self.mark.clone() }))
    }
    fn commit(&self, batch: Batch) -> KvResult<()> {
        self.mark.ask(|| self.kv.commit(batch))
    }
    fn flush(&self) -> KvResult<()> {
        self.mark.ask(|| self.kv.flush())
    }
}

struct WatchedSnapshot {
    snapshot: Box<dyn KvRead>,
    mark: Arc<Mark>,
}

impl KvRead for WatchedSnapshot {
    fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
        self.mark.ask(|| self.snapshot.get(key))
    }
    fn see(&self, key: &[u8], see: &mut dyn FnMut(&[u8])) -> KvResult<bool> {
        self.mark.ask(|| self.snapshot.see(key, see))
    }
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> KvResult<Vec<Row>> {
        self.mark.ask(|| self.snapshot.scan(range, order, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{KvOptions, open_or_wipe, verdict};

    /// An engine that answers well until it meets the key `bad`.
    #[derive(Debug)]
    struct Rotten {
        panics: bool,
    }

    impl KvRead for Rotten {
        fn get(&self, key: &[u8]) -> KvResult<Option<Vec<u8>>> {
            match (key == b"bad", self.panics) {
                (false, _) => Ok(None),
                (true, false) => Err(Engine::Fjall.damaged("a block does not match its checksum")),
                (true, true) => panic!("a page that nobody wrote"),
            }
        }
        fn scan(&self, _: &KeyRange, _: Order, _: usize) -> KvResult<Vec<Row>> {
            Err(KvError::SnapshotTooOld)
        }
    }

    impl Kv for Rotten {
        fn snapshot(&self) -> KvResult<Box<dyn KvRead>> {
            Ok(Box::new(Rotten { panics: self.panics }))
        }
        fn commit(&self, _: Batch) -> KvResult<()> {
            Ok(())
        }
        fn flush(&self) -> KvResult<()> {
            Err(Engine::Fjall.failed("the disk is away"))
        }
    }

    #[test]
    fn damage_met_in_use_has_the_next_start_wipe_the_index() {
        for (panics, of_snapshot) in [(false, false), (false, true), (true, false), (true, true)] {
            let dir = tempfile::tempdir().expect("a folder");
            let options = KvOptions { cache_bytes: 1 << 20, ..KvOptions::default() };
            drop(open_or_wipe(Engine::Fjall, dir.path(), &options).expect("an index"));
            let kv = watched(Arc::new(Rotten { panics }), Engine::Fjall, dir.path());
            assert!(kv.get(b"good").is_ok() && kv.flush().is_err());
            assert!(kv.scan(&KeyRange::all(), Order::Forward, 1).is_err());
            assert!(!verdict(Engine::Fjall, dir.path()).exists(), "nothing of that is damage");
            let answer = match of_snapshot {
                true => kv.snapshot().expect("a snapshot").get(b"bad"),
                false => kv.get(b"bad"),
            };
            assert!(matches!(answer, Err(KvError::Damaged { .. })), "{answer:?}");
            let opened = open_or_wipe(Engine::Fjall, dir.path(), &options).expect("opens");
            let why = opened.wiped.expect("wiped");
            assert!(why.contains(if panics { "panicked" } else { "checksum" }), "{why}");
            drop(opened.kv);
            let again = open_or_wipe(Engine::Fjall, dir.path(), &options).expect("opens");
            assert_eq!(again.wiped, None, "wiped once is enough");
        }
    }
}
