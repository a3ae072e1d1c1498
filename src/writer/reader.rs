//! Reading without writing: the newest durable state as one snapshot, with the same eyes operations have.

use std::sync::Arc;

use super::core::applied_through;
use super::cx::{Cx, EntrySource, Recorded};
use super::env::Env;
use super::op::OpError;
use super::prepare::Prepared;
use crate::ledger::seal::KeySource;
use crate::ledger::state::State;
use crate::store::{KvError, KvRead, SharedKv};

/// Reads for everyone but the writer. Cheap to clone; never blocks it.
#[derive(Clone)]
pub struct Reader {
    env: Arc<Env>,
    kv: SharedKv,
    source: Arc<dyn EntrySource>,
    keys: Arc<dyn KeySource + Send + Sync>,
}

impl Reader {
    /// A reader of a ledger and its index.
    pub fn new(
        env: Arc<Env>,
        kv: SharedKv,
        source: Arc<dyn EntrySource>,
        keys: Arc<dyn KeySource + Send + Sync>,
    ) -> Reader {
        Reader { env, kv, source, keys }
    }

    /// Looks at one moment. What `look` emits is judged and folded for its own eyes and then forgotten: that is how a
    /// dry run decides.
    pub fn look<T>(&self, look: impl FnOnce(&mut Cx<'_>) -> Result<T, OpError>) -> Result<T, OpError> {
        let seen = self.env.commits();
        let snapshot = self.kv.snapshot().map_err(|e| OpError::Fatal(e.to_string()))?;
        let now = self.env.clock.now();
        let state = State::over(&*snapshot).keeping(&self.env.objects, seen);
        let mut cx = Cx::new(&self.env, state, &*self.source, &*self.keys, self.source.size(), now);
        look(&mut cx)
    }

    /// Thinks an operation out on the newest durable state. None where that cannot be checked later, and where it failed:
    /// then the writer does it, and says why.
    pub fn prepare<P>(&self, think: impl FnOnce(&mut Cx<'_>) -> Result<P, OpError>) -> Option<Prepared<P>> {
        // Before the snapshot: a commit between the two is then looked for twice, never missed.
        let seen = self.env.commits();
        let snapshot = self.kv.snapshot().ok()?;
        let at = self.env.clock.now();
        let state = State::over(&*snapshot).keeping(&self.env.objects, seen);
        let mut cx = Cx::new(&self.env, state, &*self.source, &*self.keys, self.source.size(), at);
        let plan = think(&mut cx).ok()?;
        let policies = cx.policies.clone();
        Some(Prepared { plan, reads: cx.into_reads()?, seen, at, policies })
    }

    /// The rows of this moment, for walks over many that must not be remembered.
    pub fn rows(&self) -> Result<Box<dyn KvRead>, KvError> {
        self.kv.snapshot()
    }

    /// Durable entries, bodies open where they can be.
    pub fn entries(&self) -> &dyn EntrySource {
        &*self.source
    }

    /// Entries from `from` on, at most `limit`, of which every later look shows what they changed: the newest durable ones may
    /// not have reached the index yet.
    pub fn settled(&self, from: u64, limit: usize) -> Result<Vec<Recorded>, OpError> {
        let rows = self.kv.snapshot().map_err(|e| OpError::Fatal(e.to_string()))?;
        let through = applied_through(&*rows).map_err(|e| OpError::Fatal(e.to_string()))?;
        match usize::try_from(through.saturating_sub(from)).unwrap_or(usize::MAX).min(limit) {
            0 => Ok(Vec::new()),
            limit => self.source.read(from, limit).map_err(OpError::Fatal),
        }
    }

    /// The surroundings.
    pub fn env(&self) -> &Arc<Env> {
        &self.env
    }
}
