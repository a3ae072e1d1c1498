//! A writer over memory, for tests of operations: `TestWriter::new().run(op)`.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::core::{Core, CoreError, Log};
use super::cx::{EntrySource, PendingEntry, Recorded};
use super::env::{Env, Policies};
use super::op::{CallError, Op, QueuedOp};
use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::ledger::body::Body;
use crate::ledger::entry::{Entry, Leaf, leaf_hash};
use crate::ledger::seal::{self, DataKey, KeySource};
use crate::ledger::state::State;
use crate::model::{Instant, Span, SubjectId, Zones};
use crate::store::{KvOptions, SharedKv, kv};

/// Leaves, blobs and keys in memory; never durable, never anywhere but in tests.
#[derive(Clone, Default)]
pub struct MemoryLog {
    entries: Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>,
    keys: Arc<Mutex<HashMap<SubjectId, DataKey>>>,
}

impl MemoryLog {
    /// Destroys a key.
    pub fn forget(&self, subject: &SubjectId) {
        self.keys.lock().remove(subject);
    }
}

impl Log for MemoryLog {
    fn size(&self) -> u64 {
        self.entries.lock().len() as u64
    }
    fn last_instant(&self) -> Option<Instant> {
        self.entries.lock().last().map(|(leaf, _)| Leaf::decode(leaf).expect("we wrote it").instant)
    }
    fn append(&mut self, keys: &[(SubjectId, DataKey)], entries: &[PendingEntry]) -> Result<(), String> {
        self.keys.lock().extend(keys.iter().cloned());
        self.entries.lock().extend(entries.iter().map(|e| (e.leaf.clone(), e.blob.clone())));
        Ok(())
    }
    fn tick(&mut self, _: Instant) -> Result<(), String> {
        Ok(())
    }
    fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

impl EntrySource for MemoryLog {
    fn size(&self) -> u64 {
        Log::size(self)
    }
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Recorded>, String> {
        let entries = self.entries.lock();
        let read = |(n, (bytes, blob)): (usize, &(Vec<u8>, Vec<u8>))| {
            let leaf = Leaf::decode(bytes).map_err(|e| e.to_string())?;
            let index = from + n as u64;
            let Some(key) = self.keys.lock().get(&leaf.subject).cloned() else {
                return Ok(Recorded::Erased { index, leaf });
            };
            let opened = seal::open(&key, &leaf.seal, blob).map_err(|e| e.to_string())?;
            let body = Body::decode(leaf.kind, &opened.plaintext).map_err(|e| e.to_string())?;
            Ok(Recorded::Open(Entry { index, hash: leaf_hash(bytes), leaf, body }))
        };
        entries.iter().skip(from as usize).take(limit).enumerate().map(read).collect()
    }
}

impl KeySource for MemoryLog {
    fn data_key(&self, subject: &SubjectId) -> Result<Option<DataKey>, String> {
        Ok(self.keys.lock().get(subject).cloned())
    }
}

/// A writer that carries out one operation a batch, at the instant of a clock that the test holds.
pub struct TestWriter {
    pub clock: ManualClock,
    pub env: Arc<Env>,
    pub log: MemoryLog,
    pub kv: SharedKv,
    core: Core,
}

impl Default for TestWriter {
    fn default() -> TestWriter {
        TestWriter::new()
    }
}

impl TestWriter {
    /// A fresh writer; it is Monday 2026-06-01, 12:00 in New York.
    pub fn new() -> TestWriter {
        let policy = crate::policy::embedded::load().expect("the packs of this release compile");
        let engine = crate::decide::Engine::new(Arc::new(policy), Zones::bundled()).expect("zones fit");
        TestWriter::with(Policies::new(engine))
    }

    /// A fresh writer under these policies.
    pub fn with(policies: Policies) -> TestWriter {
        let clock = ManualClock::at(Instant::parse("2026-06-01T16:00:00Z").expect("RFC 3339"));
        let seller = "shop".parse().expect("a slug");
        let entropy = Arc::new(SeededEntropy::new(1));
        let env = Arc::new(Env::new(seller, [1; 32], [2; 32], policies, Arc::new(clock.clone()), entropy));
        let (log, kv): (MemoryLog, SharedKv) =
            (MemoryLog::default(), Arc::new(kv::memory::open(&KvOptions::default())));
        let core = TestWriter::open(&env, &log, &kv).expect("an empty ledger opens");
        TestWriter { clock, env, log, kv, core }
    }

    fn open(env: &Arc<Env>, log: &MemoryLog, kv: &SharedKv) -> Result<Core, CoreError> {
        let keys = Arc::new(log.clone());
        Core::open(env.clone(), Box::new(log.clone()), kv.clone(), Arc::new(log.clone()), keys)
    }

    /// Carries out one operation.
    pub fn run<O: Op>(&mut self, op: O) -> Result<O::Answer, CallError> {
        let (queued, mut told) = QueuedOp::new(op);
        let _ = self.core.run(vec![queued]);
        told.try_recv().expect("every operation is answered").map(|durable| durable.answer)
    }

    /// Carries out a batch; whoever queued it has the answers.
    pub fn run_batch(&mut self, batch: Vec<QueuedOp>) {
        let _ = self.core.run(batch);
    }

    /// Carries out operations in one batch, one after another, as callers that came at the same time.
    pub fn run_together<O: Op>(&mut self, ops: Vec<O>) -> Vec<Result<O::Answer, CallError>> {
        let (batch, told): (Vec<_>, Vec<_>) = ops.into_iter().map(QueuedOp::new).unzip();
        let _ = self.core.run(batch);
        let answer = |mut told: Told<O::Answer>| {
            told.try_recv().expect("every operation is answered").map(|durable| durable.answer)
        };
        told.into_iter().map(answer).collect()
    }

    /// Hands the core over to whoever runs it on; clock, log and index stay in the test's hands.
    pub fn into_core(self) -> Core {
        self.core
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Span) {
        self.clock.advance(span);
    }

    /// Sets the operator's objects up, one entry each.
    pub fn set_up(&mut self, objects: impl IntoIterator<Item = crate::ledger::body::Object>) {
        for object in objects {
            self.run(SetUp(object)).expect("an object is always taken");
        }
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&mut State<'_>) -> T) -> T {
        let snapshot = self.kv.snapshot().expect("memory answers");
        look(&mut State::over(&*snapshot))
    }

    /// A reader of what was written.
    pub fn reader(&self) -> super::Reader {
        let source = Arc::new(self.log.clone());
        super::Reader::new(self.env.clone(), self.kv.clone(), source.clone(), source)
    }

    /// A reader whose index lags behind the log by all of it, as it does between the two for a moment.
    pub fn lagging_reader(&self) -> super::Reader {
        let source = Arc::new(self.log.clone());
        let nothing = Arc::new(kv::memory::open(&KvOptions::default()));
        super::Reader::new(self.env.clone(), nothing, source.clone(), source)
    }

    /// Every entry so far, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        let all = self.log.read(0, usize::MAX).expect("memory answers");
        all.into_iter()
            .filter_map(|recorded| match recorded {
                Recorded::Open(entry) => Some(entry),
                Recorded::Erased { .. } => None,
            })
            .collect()
    }

    /// A reader of an index folded anew.
    pub fn rebuilt_reader(&self) -> super::Reader {
        let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        TestWriter::open(&self.env, &self.log, &kv).expect("the ledger folds");
        let source = Arc::new(self.log.clone());
        super::Reader::new(self.env.clone(), kv, source.clone(), source)
    }

    /// Folds the whole ledger into an empty index and demands the same rows: state is a fold or it is a bug.
    pub fn check_fold(&self) {
        let kv: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        TestWriter::open(&self.env, &self.log, &kv).expect("the ledger folds");
        let rows = |kv: &SharedKv| {
            kv.scan(&crate::store::KeyRange::all(), crate::store::Order::Forward, usize::MAX).expect("memory")
        };
        assert_eq!(rows(&kv), rows(&self.kv), "a rebuilt index differs from the one the writer left");
    }

    /// Judges every recorded decision again and demands the same bytes (invariant 4).
    pub fn check_replay(&self) {
        let scratch: SharedKv = Arc::new(kv::memory::open(&KvOptions::default()));
        let report = crate::audit::replay::replay(&self.env, &self.log, &scratch).expect("it replays");
        assert_eq!(report.differences, [], "a recorded decision came out differently");
    }
}

type Told<T> = tokio::sync::oneshot::Receiver<Result<super::op::Durable<T>, CallError>>;

struct SetUp(crate::ledger::body::Object);

impl Op for SetUp {
    type Answer = ();
    const PRIORITY: super::op::Priority = super::op::Priority::Api;
    fn run(self, cx: &mut super::cx::Cx<'_>) -> Result<(), super::op::OpError> {
        let body = crate::ledger::body::RegistryBody {
            object: self.0,
            reason: String::new(),
            actor: "test".to_owned(),
        };
        let public = crate::ledger::entry::Public::default();
        cx.emit(crate::ledger::entry::SELLER_CHAIN, None, public, Body::Registry(body)).map(|_| ())
    }
}

#[test]
fn a_repeated_start_folds_to_the_same_index() {
    let mut writer = TestWriter::new();
    let seller = crate::model::registry::Seller {
        id: "shop".parse().expect("a slug"),
        legal_name: "Shop Ltd".to_owned(),
        host: "gw.shop.example".to_owned(),
        postal_address: String::new(),
    };
    writer.set_up([crate::ledger::body::Object::Seller(seller)]);
    assert_eq!(writer.entries().len(), 2, "the engine and the seller");
    writer.check_fold();
    // Who follows the log waits for the index: an event made from rows that lag would be left out for good.
    let settled = |reader: super::Reader, from| reader.settled(from, 10).expect("memory answers").len();
    assert_eq!(
        (settled(writer.reader(), 0), settled(writer.reader(), 1), settled(writer.reader(), 9)),
        (2, 1, 0)
    );
    assert_eq!(settled(writer.lagging_reader(), 0), 0, "nothing is in its index yet");
}
