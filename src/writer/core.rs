//! One batch from operations to answers. Owned by the writer's thread; the simulation calls it directly.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cx::{Cx, EntrySource, Outcome, PendingEntry, Recorded};
use super::env::Env;
use super::op::{CallError, CommitProof, OpError, QueuedOp, Reply};
use super::prepare::Recent;
use super::queues::Room;
use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, Public, SELLER_CHAIN};
use crate::ledger::fold::FoldError;
use crate::ledger::rows::{EngineRow, SCHEMA_VERSION, keys};
use crate::ledger::seal::{DataKey, KeySource};
use crate::ledger::state::{State, StateError};
use crate::model::{Instant, Span, SubjectId};
use crate::policy::PolicySet;
use crate::store::{Batch, KeyRange, KvError, KvRead, Order, SharedKv};

/// Row of the index that says how much of the ledger it holds; outside every table.
pub const APPLIED_KEY: &[u8] = b"\0applied";
/// Entries folded between two commits of the index during recovery.
const FOLD_CHUNK: usize = 1_024;
/// A clock that stepped back by more than this is not to be trusted with windows.
const STEP_BACK_MAX: Span = Span::seconds(5);

/// Where entries become durable.
pub trait Log: Send {
    /// Durable entries.
    fn size(&self) -> u64;
    /// Instant of the newest entry.
    fn last_instant(&self) -> Option<Instant>;
    /// Makes keys and entries durable, keys first: a crash between leaves a key that seals nothing. Returns only
    /// when a power cut can no longer take the entries away.
    fn append(&mut self, keys: &[(SubjectId, DataKey)], entries: &[PendingEntry]) -> Result<(), String>;
    /// Keeps a policy set beside the entries it will judge, under its hash, so that their decisions can be made again
    /// when another one is in force. Does nothing when it is there.
    fn keep_policy(&mut self, _hash: &[u8; 32], _canonical: &[u8]) -> Result<(), String> {
        Ok(())
    }
    /// Room on its volume, as last seen.
    fn room(&self) -> Room {
        Room::Enough
    }
    /// Called between batches with the present instant: checkpoints, rolling, housekeeping.
    fn tick(&mut self, now: Instant) -> Result<(), String>;
    /// The last checkpoint, before the process ends.
    fn close(&mut self) -> Result<(), String>;
}

/// Told of every durable entry, in order, after its batch was folded and before its answers leave.
pub type Listener = Box<dyn FnMut(&Arc<[Entry]>) + Send>;

/// Why the writer stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The ledger could not be written or read.
    #[error("ledger: {0}")]
    Log(String),
    /// The index failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The index does not decode.
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry does not fold.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// An operation found something that cannot be.
    #[error("{0}")]
    Broken(String),
    /// The clock went back.
    #[error("the clock stepped back by {} s; local hours can no longer be trusted: fix the clock and start again", by.as_seconds())]
    ClockStepped { by: Span },
    /// Keys are gone that no entry says were destroyed: an older `keys/` was put beside a newer ledger.
    #[error(
        "keys/ lacks the keys of {subjects} subjects, and no entry says they were destroyed: opt-outs among their \
             entries cannot be read. Put back a keys/ at least as new as the ledger"
    )]
    KeysMissing { subjects: usize },
    /// The index is of another shape, or ahead of the ledger: delete it and start again.
    #[error("the index does not belong to this ledger ({0}); it is only a view: run `consentry rebuild`")]
    ForeignIndex(String),
}

/// The writer's own: ledger, index, surroundings.
pub struct Core {
    env: Arc<Env>,
    log: Box<dyn Log>,
    kv: SharedKv,
    source: Arc<dyn EntrySource>,
    keys: Arc<dyn KeySource + Send + Sync>,
    listeners: Vec<Listener>,
    last: Instant,
    /// The policy set that was kept last.
    kept: Option<[u8; 32]>,
    recent: Recent,
}

/// What the index remembers of its own making: entries applied, and its shape.
fn applied(kv: &SharedKv) -> Result<Option<(u64, u32)>, KvError> {
    Ok(kv.get(APPLIED_KEY)?.and_then(|bytes| postcard::from_bytes(&bytes).ok()))
}

/// Entries whose changes these rows show.
pub fn applied_through(rows: &dyn KvRead) -> Result<u64, KvError> {
    let row = rows.get(APPLIED_KEY)?;
    Ok(row
        .and_then(|bytes| postcard::from_bytes::<(u64, u32)>(&bytes).ok())
        .map_or(0, |(through, _)| through))
}

fn put_applied(batch: &mut Batch, through: u64) {
    let value = postcard::to_stdvec(&(through, SCHEMA_VERSION)).expect("two numbers always encode");
    batch.put(APPLIED_KEY, value);
}

impl Core {
    /// Opens over a ledger and an index that may lag behind it: folds what the index has not seen. This is how every
    /// start begins, after a crash or not. A crash during it leaves the index at an earlier chunk, nothing else.
    pub fn open(
        env: Arc<Env>,
        log: Box<dyn Log>,
        kv: SharedKv,
        source: Arc<dyn EntrySource>,
        keys: Arc<dyn KeySource + Send + Sync>,
    ) -> Result<Core, CoreError> {
        let last = log.last_instant().unwrap_or(Instant::EPOCH);
        // Whatever was thought out before this start is thought out again.
        let recent = Recent::from(env.commits() + 1);
        let mut core = Core { env, log, kv, source, keys, listeners: Vec::new(), last, kept: None, recent };
        core.catch_up()?;
        core.env.backlog.load(&*core.kv)?;
        core.env.objects.forget(core.env.commits() + 1);
        core.env.set_commits(core.env.commits() + 1);
        Ok(core)
    }

    /// Whether an index has another shape than this release's, or holds more than a ledger of `size` entries.
    pub fn is_foreign(kv: &SharedKv, size: u64) -> Result<bool, KvError> {
        match applied(kv)? {
            Some((through, schema)) => Ok(schema != SCHEMA_VERSION || through > size),
            // Rows nobody says how they came about.
            None => Ok(!kv.scan(&KeyRange::all(), Order::Forward, 1)?.is_empty()),
        }
    }

    fn catch_up(&mut self) -> Result<(), CoreError> {
        let size = self.log.size();
        let mut through = match applied(&self.kv)? {
            Some((_, schema)) if schema != SCHEMA_VERSION => {
                return Err(CoreError::ForeignIndex(format!("shape {schema}, expected {SCHEMA_VERSION}")));
            }
            Some((through, _)) if through > size => {
                return Err(CoreError::ForeignIndex(format!("it holds {through} entries of {size}")));
            }
            Some((through, _)) => through,
            None => 0,
        };
        let mut closed: BTreeSet<SubjectId> = BTreeSet::new();
        while through < size {
            let recorded = self.source.read(through, FOLD_CHUNK).map_err(CoreError::Log)?;
            if recorded.is_empty() {
                return Err(CoreError::Log(format!("entry {through} of {size} cannot be read")));
            }
            through += recorded.len() as u64;
            let kv = self.kv.clone();
            let mut state = State::over(&*kv);
            for one in &recorded {
                match one {
                    Recorded::Open(entry) => self.env.fold.apply(&mut state, entry)?,
                    Recorded::Erased { index, leaf } => {
                        closed.insert(leaf.subject);
                        self.env.fold.apply_erased(&mut state, *index, leaf);
                    }
                }
            }
            commit(&self.kv, state.into_changes(), through)?;
        }
        self.check_closed(closed)
    }

    /// Whoever's entries did not open must be somebody whose key the ledger says was destroyed.
    fn check_closed(&self, closed: BTreeSet<SubjectId>) -> Result<(), CoreError> {
        let mut subjects = 0;
        for subject in closed {
            let said = self.kv.get(&keys::erased(&subject))?.is_some();
            subjects += usize::from(!said);
        }
        if subjects == 0 {
            return Ok(());
        }
        // Folded without them, the index must not be taken for whole at the next start.
        let mut batch = Batch::new();
        batch.delete(APPLIED_KEY);
        self.kv.commit(batch)?;
        Err(CoreError::KeysMissing { subjects })
    }

    /// Adds someone to be told of every durable entry.
    pub fn listen(&mut self, listener: Listener) {
        self.listeners.push(listener);
    }

    /// Durable entries.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Room on the ledger's volume.
    pub fn room(&self) -> Room {
        self.log.room()
    }

    /// Carries out a batch. An error means that nothing more can be made durable; everyone in the batch was told.
    pub fn run(&mut self, batch: Vec<QueuedOp>) -> Result<(), CoreError> {
        let mut replies = Vec::with_capacity(batch.len());
        match self.work(batch, &mut replies) {
            Ok(proof) => {
                answer(replies, || Ok(proof));
                self.log.tick(self.last).map_err(CoreError::Log)
            }
            Err(e) => {
                answer(replies, || Err(CallError::Unavailable(e.to_string())));
                Err(e)
            }
        }
    }

    fn work(&mut self, batch: Vec<QueuedOp>, replies: &mut Vec<Reply>) -> Result<CommitProof, CoreError> {
        let now = match self.instant() {
            Ok(now) => now,
            Err(e) => {
                self.refuse(batch, &e.to_string());
                return Err(e);
            }
        };
        let kv = self.kv.clone();
        let (source, keys, env) = (self.source.clone(), self.keys.clone(), self.env.clone());
        let base = self.log.size();
        let policies = env.policies();
        self.keep_policy(policies.engine.policy());
        let state = State::over(&*kv).keeping(&env.objects, env.commits());
        let mut cx = Cx::new(&env, state, &*source, &*keys, base, now).after(&self.recent);
        cx.policies = policies;
        let mut fatal = declare_engine(&mut cx).err().map(|e| e.to_string());
        for op in batch {
            let (reply, failed) = op.run(&mut cx);
            replies.push(reply);
            fatal = fatal.or(failed);
        }
        if let Some(reason) = fatal {
            return Err(CoreError::Broken(reason));
        }
        self.last = cx.now;
        self.settle(cx.finish())
    }

    /// Before anything is judged by it. A set that cannot be kept must not stop an opt-out: it is tried again with the
    /// next batch, and only what it judges in between cannot be made again without the files it came from.
    fn keep_policy(&mut self, policy: &PolicySet) {
        let hash = policy.hash();
        if self.kept == Some(hash) {
            return;
        }
        match self.log.keep_policy(&hash, policy.canonical()) {
            Ok(()) => self.kept = Some(hash),
            Err(error) => tracing::error!(error, "the policy set in force could not be kept"),
        }
    }

    /// Ledger first, then index, then listeners. A crash between the first two is what `open` repairs.
    fn settle(&mut self, outcome: Outcome) -> Result<CommitProof, CoreError> {
        if !outcome.entries.is_empty() {
            self.log.append(&outcome.new_keys, &outcome.entries).map_err(CoreError::Log)?;
            let newest = self.recent.committed(&outcome.changes);
            self.env.objects.before_commit(newest, &outcome.changes);
            self.env.backlog.learn(&outcome.changes)?;
            commit(&self.kv, outcome.changes, self.log.size())?;
            self.env.set_commits(newest);
            let entries: Arc<[Entry]> = outcome.entries.into_iter().map(|pending| pending.entry).collect();
            for listener in &mut self.listeners {
                listener(&entries);
            }
        }
        Ok(CommitProof::new(self.log.size()))
    }

    /// The batch's instant: the clock's, never before an earlier entry's.
    fn instant(&self) -> Result<Instant, CoreError> {
        let now = self.env.clock.now();
        if now + STEP_BACK_MAX < self.last {
            return Err(CoreError::ClockStepped { by: self.last.since(now) });
        }
        Ok(now.max(self.last))
    }

    /// Tells operations that will not be carried out.
    pub fn refuse(&self, batch: Vec<QueuedOp>, reason: &str) {
        for op in batch {
            op.refuse(CallError::Unavailable(reason.to_owned()));
        }
    }

    /// Flushes the index and signs a last checkpoint.
    pub fn close(&mut self) -> Result<(), CoreError> {
        self.kv.flush()?;
        self.log.close().map_err(CoreError::Log)
    }
}

fn answer(replies: Vec<Reply>, result: impl Fn() -> Result<CommitProof, CallError>) {
    for reply in replies {
        reply(result());
    }
}

fn commit(kv: &SharedKv, changes: Vec<crate::ledger::state::Change>, through: u64) -> Result<(), KvError> {
    let mut batch = Batch::from_iter(changes);
    put_applied(&mut batch, through);
    kv.commit(batch)
}

/// The first entry an engine writes describes it, so that every hash in a leaf can be looked up in the same log.
fn declare_engine(cx: &mut Cx<'_>) -> Result<(), OpError> {
    let hash = cx.policies.engine_hash;
    if cx.get::<EngineRow>(&keys::engine(&hash))?.is_none() {
        let body = Body::Engine(cx.policies.described.clone());
        cx.emit(SELLER_CHAIN, None, Public::default(), body)?;
    }
    Ok(())
}
