//! Runs recorded decisions again: fold up to each one, judge the same request at the same instant, compare bytes.
//!
//! Entries of another engine are skipped, never called equal: their release has to replay them (invariant 4).

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::decide::decide;
use crate::ledger::body::{Body, StateHash};
use crate::ledger::entry::Entry;
use crate::ledger::rows::keys;
use crate::ledger::state::State;
use crate::model::cart::Cart;
use crate::model::facts::Phase;
use crate::model::location::LocationHint;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::subject::Subject;
use crate::model::{Instant, Verdict};
use crate::store::{Batch, KvError, SharedKv};
use crate::writer::ops::send::{facts_for, request_of};
use crate::writer::{Cx, EntrySource, Env, OpError, Recorded};

/// Entries read and folded in one go.
const CHUNK: usize = 512;

/// Why a replay could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The ledger could not be read.
    #[error("the ledger could not be read: {0}")]
    Read(String),
    /// It does not fold.
    #[error("entry {index} could not be replayed: {why}")]
    Entry { index: u64, why: String },
    /// The scratch index failed.
    #[error(transparent)]
    Kv(#[from] KvError),
}

/// A decision that came out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    pub index: u64,
    /// What differs: `verdict`, `state`.
    pub what: &'static str,
    pub recorded: String,
    pub replayed: String,
}

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Decisions judged again, all equal unless listed.
    pub replayed: u64,
    /// Decisions of other engines, and of erased people.
    pub skipped: u64,
    pub differences: Vec<Difference>,
}

/// Replays a whole ledger over an empty scratch index. Memory grows with the index, not with the log.
pub fn replay(env: &Env, source: &dyn EntrySource, scratch: &SharedKv) -> Result<Report, ReplayError> {
    let mut report = Report::default();
    let mut from = 0;
    while from < source.size() {
        let chunk = source.read(from, CHUNK).map_err(ReplayError::Read)?;
        if chunk.is_empty() {
            return Err(ReplayError::Read(format!("entry {from} is missing")));
        }
        from += chunk.len() as u64;
        let mut state = State::over(&**scratch);
        for recorded in chunk {
            match recorded {
                Recorded::Erased { index, leaf } => {
                    env.fold.apply_erased(&mut state, index, &leaf);
                    report.skipped += 1;
                }
                Recorded::Open(entry) => state = one(env, source, state, &entry, &mut report)?,
            }
        }
        let mut batch = Batch::new();
        for (key, value) in state.into_changes() {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        scratch.commit(batch)?;
    }
    Ok(report)
}

fn one<'a>(
    env: &'a Env,
    source: &'a dyn EntrySource,
    state: State<'a>,
    entry: &Entry,
    report: &mut Report,
) -> Result<State<'a>, ReplayError> {
    let fail = |why: String| ReplayError::Entry { index: entry.index, why };
    let mut cx = Cx::new(env, state, source, &NoKeys, entry.index, entry.leaf.instant);
    if let Some(question) = question(&mut cx, &entry.body).map_err(|e| fail(e.to_string()))? {
        if entry.leaf.engine == cx.policies.engine_hash {
            judge(&mut cx, entry.index, &question, report).map_err(|e| fail(e.to_string()))?;
        } else {
            report.skipped += 1;
        }
    }
    let mut state = cx.state;
    env.fold.apply(&mut state, entry).map_err(|e| fail(e.to_string()))?;
    Ok(state)
}

/// What was asked when a decision was recorded.
struct Question {
    spec: MessageSpec,
    phase: Phase,
    hints: Vec<LocationHint>,
    lane_free_at: Option<Instant>,
    verdict: Verdict,
    hashes: Vec<StateHash>,
}

fn question(cx: &mut Cx<'_>, body: &Body) -> Result<Option<Question>, OpError> {
    let (message, verdict, hashes) = match body {
        Body::Decision(body) => {
            return Ok(Some(Question {
                spec: body.message.clone(),
                phase: Phase::Accept,
                hints: body.hints.clone(),
                lane_free_at: body.lane_free_at,
                verdict: body.verdict.clone(),
                hashes: body.state_hashes.clone(),
            }));
        }
        Body::Intent(body) => (body.message, &body.verdict, &body.state_hashes),
        Body::Redecision(body) => (body.message, &body.verdict, &body.state_hashes),
        _ => return Ok(None),
    };
    let Some(message) = cx.get::<Message>(&keys::message(&message))? else {
        return Err(OpError::Fatal("a decision names a message that no entry accepted".to_owned()));
    };
    Ok(Some(Question {
        spec: message.spec.clone(),
        phase: Phase::Dispatch,
        hints: Vec::new(),
        lane_free_at: None,
        verdict: verdict.clone(),
        hashes: hashes.clone(),
    }))
}

fn judge(cx: &mut Cx<'_>, index: u64, question: &Question, report: &mut Report) -> Result<(), OpError> {
    let spec = &question.spec;
    for hash in &question.hashes {
        // Somebody in the reach was erased since: what the decision knew of them is gone.
        if cx.get::<Subject>(&keys::subject(&hash.subject))?.is_none() {
            report.skipped += 1;
            return Ok(());
        }
    }
    report.replayed += 1;
    for hash in &question.hashes {
        let member: Arc<Subject> = cx.subject(&hash.subject)?;
        let bytes = postcard::to_stdvec(&*member).map_err(|e| OpError::Fatal(e.to_string()))?;
        let found: [u8; 32] = Sha256::digest(bytes).into();
        if found != hash.sha256 {
            let (recorded, replayed) = (hex::encode(hash.sha256), hex::encode(found));
            report.differences.push(Difference { index, what: "state", recorded, replayed });
        }
    }
    let subject = cx.subject(&spec.subject)?;
    let cart = match &spec.cart {
        Some(id) => cx.get::<Cart>(&keys::cart(&spec.brand, id))?,
        None => None,
    };
    let at = question.verdict.evaluated_at;
    let facts_at = if question.phase == Phase::Dispatch { cx.now } else { at };
    let facts =
        facts_for(cx, spec, &subject, cart.as_deref(), &question.hints, question.lane_free_at, facts_at)?;
    let verdict = decide(&cx.policies.engine, &facts, &request_of(spec, question.phase), at);
    if verdict != question.verdict {
        let json = |v: &Verdict| serde_json::to_string(v).unwrap_or_default();
        let (recorded, replayed) = (json(&question.verdict), json(&verdict));
        report.differences.push(Difference { index, what: "verdict", recorded, replayed });
    }
    Ok(())
}

/// A replay writes nothing, so it needs no keys.
struct NoKeys;

impl crate::ledger::seal::KeySource for NoKeys {
    fn data_key(&self, _: &crate::model::SubjectId) -> Result<Option<crate::ledger::seal::DataKey>, String> {
        Err("a replay writes nothing".to_owned())
    }
}
