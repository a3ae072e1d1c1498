//! Runs recorded decisions again: fold up to each one, judge the same request at the same instant, compare bytes.
//!
//! Entries of another engine are skipped, never called equal: their release has to replay them (invariant 4).

use std::collections::BTreeMap;

use super::again::Skip;
use crate::decide::decide;
use crate::ledger::body::{Body, StateHash};
use crate::ledger::entry::{Entry, Leaf};
use crate::ledger::rows::keys;
use crate::ledger::state::State;
use crate::model::cart::Cart;
use crate::model::facts::{CartFacts, CouponFacts, Facts, Inputs, Phase, Request};
use crate::model::location::LocationHint;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::subject::Subject;
use crate::model::{BrandId, Instant, Verdict};
use crate::store::{Batch, KvError, SharedKv};
use crate::writer::ops::send::{facts_for, request_of, state_hash};
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
    /// What differs: `verdict`, `state`, `inputs`.
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
    /// Why, where it is known.
    pub because: BTreeMap<Skip, u64>,
    /// Decisions that came out differently; 0 where `differences` holds all of them.
    pub different: u64,
    pub differences: Vec<Difference>,
}

/// Which decisions are judged again. Everything before them is folded all the same.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only of this brand.
    pub brand: Option<BrandId>,
    /// Only from this instant on.
    pub from: Option<Instant>,
    /// Only before this instant.
    pub to: Option<Instant>,
    /// Judge with the policies of the surroundings, whatever engine judged then: shows what they would change.
    pub any_engine: bool,
}

/// One decision that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Its entry.
    pub index: u64,
    /// As recorded; none: nobody can open it any more.
    pub recorded: Option<Verdict>,
    /// As judged now; none: skipped.
    pub replayed: Option<Verdict>,
    /// Members of the reach whose state was another one: recorded and found, in hexadecimal.
    pub states: Vec<(String, String)>,
    /// The inputs recorded beside the verdict and those the entries before it give, as JSON, where they differ.
    pub inputs: Option<Box<(String, String)>>,
}

impl Judged {
    /// Whether it was judged again and came out as recorded. `any_engine` compares what was decided and why, for the
    /// engine's name is then another one of itself.
    pub fn is_equal(&self, any_engine: bool) -> bool {
        let (Some(recorded), Some(replayed)) = (&self.recorded, &self.replayed) else { return false };
        match any_engine {
            false => recorded == replayed && self.states.is_empty() && self.inputs.is_none(),
            true => {
                let said = |v: &Verdict| (v.outcome, v.hold_until, v.reasons.clone());
                said(recorded) == said(replayed)
            }
        }
    }
}

/// Replays a whole ledger over an empty scratch index. Memory grows with the index, not with the log.
pub fn replay(env: &Env, source: &dyn EntrySource, scratch: &SharedKv) -> Result<Report, ReplayError> {
    let mut report = Report::default();
    replay_with(env, source, scratch, &Options::default(), |judged| {
        report.note(judged);
        true
    })?;
    Ok(report)
}

impl Report {
    /// Takes note of one decision.
    pub fn note(&mut self, judged: Judged) {
        let index = judged.index;
        let (Some(recorded), Some(replayed)) = (judged.recorded, judged.replayed) else {
            self.skipped += 1;
            return;
        };
        self.replayed += 1;
        let states = judged.states.into_iter();
        self.differences.extend(states.map(|(recorded, replayed)| Difference {
            index,
            what: "state",
            recorded,
            replayed,
        }));
        if let Some((recorded, replayed)) = judged.inputs.map(|both| *both) {
            self.differences.push(Difference { index, what: "inputs", recorded, replayed });
        }
        if recorded != replayed {
            let (recorded, replayed) = (json(&recorded), json(&replayed));
            self.differences.push(Difference { index, what: "verdict", recorded, replayed });
        }
    }
}

/// Replays a ledger and shows each decision to `see`, which answers whether it wants more.
pub fn replay_with(
    env: &Env,
    source: &dyn EntrySource,
    scratch: &SharedKv,
    options: &Options,
    mut see: impl FnMut(Judged) -> bool,
) -> Result<(), ReplayError> {
    walk(env, source, scratch, options, |met| {
        let judged = match met {
            Met::Erased(index) => {
                Judged { index, recorded: None, replayed: None, states: Vec::new(), inputs: None }
            }
            Met::Asked(cx, entry, question) => {
                let ours = options.any_engine || entry.leaf.engine == cx.policies.engine_hash;
                let again = if ours { judge(cx, &question)? } else { None };
                let (index, recorded) = (entry.index, Some(question.verdict));
                match again {
                    None => Judged { index, recorded, replayed: None, states: Vec::new(), inputs: None },
                    Some((verdict, states, inputs)) => {
                        let kept = entry.body.decided().and_then(|d| d.inputs);
                        let differing = kept.filter(|kept| **kept != inputs);
                        let inputs = differing.map(|kept| Box::new((json(kept), json(&inputs))));
                        Judged { index, recorded, replayed: Some(verdict), states, inputs }
                    }
                }
            }
        };
        Ok(see(judged))
    })
}

/// What a walk through the ledger comes by.
pub(super) enum Met<'m, 'a> {
    /// An entry that nobody can open any more.
    Erased(u64),
    /// A decision, with state as it stood before it.
    Asked(&'m mut Cx<'a>, &'m Entry, Question),
}

/// Folds a ledger from its first entry and shows each decision to `see` before it is folded; ends early when `see` has
/// seen enough. Afterwards `scratch` holds state as the last entry left it.
pub(super) fn walk(
    env: &Env,
    source: &dyn EntrySource,
    scratch: &SharedKv,
    options: &Options,
    mut see: impl FnMut(Met<'_, '_>) -> Result<bool, OpError>,
) -> Result<(), ReplayError> {
    let (mut from, mut closed) = (0, false);
    while from < source.size() {
        let chunk = source.read(from, CHUNK).map_err(ReplayError::Read)?;
        if chunk.is_empty() {
            return Err(ReplayError::Read(format!("entry {from} is missing")));
        }
        from += chunk.len() as u64;
        let mut state = State::over(&**scratch);
        for recorded in chunk {
            let goes_on = match recorded {
                Recorded::Erased { index, leaf } => {
                    closed = true;
                    env.fold.apply_erased(&mut state, index, &leaf);
                    let fail = |e: OpError| ReplayError::Entry { index, why: e.to_string() };
                    !options.wants_leaf(&leaf) || see(Met::Erased(index)).map_err(fail)?
                }
                Recorded::Open(entry) if options.is_past(entry.leaf.instant) => return Ok(()),
                Recorded::Open(entry) => {
                    let goes_on;
                    (state, goes_on) = one(env, source, state, (&entry, closed), options, &mut see)?;
                    goes_on
                }
            };
            if !goes_on {
                return Ok(());
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
    Ok(())
}

impl Options {
    pub(super) fn is_past(&self, instant: Instant) -> bool {
        self.to.is_some_and(|to| instant >= to)
    }

    /// `brand`: empty for the whole seller.
    pub(super) fn wants(&self, instant: Instant, brand: &str) -> bool {
        self.from.is_none_or(|from| instant >= from)
            && !self.is_past(instant)
            && self.brand.as_ref().is_none_or(|wanted| wanted.as_str() == brand)
    }

    fn wants_leaf(&self, leaf: &Leaf) -> bool {
        self.wants(leaf.instant, leaf.brand.as_ref().map_or("", |brand| brand.as_str()))
    }
}

fn one<'a>(
    env: &'a Env,
    source: &'a dyn EntrySource,
    state: State<'a>,
    (entry, closed): (&Entry, bool),
    options: &Options,
    see: &mut impl FnMut(Met<'_, '_>) -> Result<bool, OpError>,
) -> Result<(State<'a>, bool), ReplayError> {
    let fail = |why: String| ReplayError::Entry { index: entry.index, why };
    let mut cx = Cx::new(env, state, source, &NoKeys, entry.index, entry.leaf.instant);
    let mut goes_on = true;
    if options.wants_leaf(&entry.leaf)
        && let Some(mut question) = question(&mut cx, &entry.body).map_err(|e| fail(e.to_string()))?
    {
        question.shared = entry.body.decided().and_then(|d| d.inputs).filter(|_| closed).map(Shared::of);
        goes_on = see(Met::Asked(&mut cx, entry, question)).map_err(|e| fail(e.to_string()))?;
    }
    let mut state = cx.state;
    env.fold.apply(&mut state, entry).map_err(|e| fail(e.to_string()))?;
    Ok((state, goes_on))
}

/// What was asked when a decision was recorded.
pub(super) struct Question {
    pub spec: MessageSpec,
    pub phase: Phase,
    pub hints: Vec<LocationHint>,
    pub lane_free_at: Option<Instant>,
    pub verdict: Verdict,
    pub hashes: Vec<StateHash>,
    /// Set once an entry before it was of somebody who is erased.
    pub shared: Option<Shared>,
}

/// What people share in what was known: a cart and a pool of coupons. Where one of them was erased since, the others' part
/// of it can no longer be made from the entries that are left; it is taken as it was recorded.
pub(super) struct Shared {
    cart: Option<CartFacts>,
    coupon: Option<CouponFacts>,
}

impl Shared {
    fn of(inputs: &Inputs) -> Shared {
        Shared { cart: inputs.facts.cart.clone(), coupon: inputs.facts.coupon.clone() }
    }
}

fn question(cx: &mut Cx<'_>, body: &Body) -> Result<Option<Question>, OpError> {
    let by = match body {
        Body::Intent(body) => Some((body.sender.clone(), body.connection.clone())),
        _ => None,
    };
    let (message, verdict, hashes) = match body {
        Body::Decision(body) => {
            return Ok(Some(Question {
                spec: (*body.message).clone(),
                phase: if body.moved.is_some() { Phase::Dispatch } else { Phase::Accept },
                hints: body.hints.clone(),
                lane_free_at: body.lane_free_at,
                verdict: (*body.verdict).clone(),
                hashes: body.state_hashes.clone(),
                shared: None,
            }));
        }
        Body::Intent(body) => (body.message, &body.verdict, &body.state_hashes),
        Body::Redecision(body) => (body.message, &body.verdict, &body.state_hashes),
        _ => return Ok(None),
    };
    let Some(message) = cx.get::<Message>(&keys::message(&message))? else {
        return Err(OpError::Fatal("a decision names a message that no entry accepted".to_owned()));
    };
    let mut spec = (*message.spec).clone();
    if let Some((sender, connection)) = by {
        (spec.sender, spec.connection) = (Some(sender), Some(connection));
    }
    Ok(Some(Question {
        spec,
        phase: Phase::Dispatch,
        hints: Vec::new(),
        lane_free_at: None,
        verdict: (**verdict).clone(),
        hashes: hashes.clone(),
        shared: None,
    }))
}

/// The verdict of now, and whose state was not as recorded. None: somebody in the reach was erased since, so what the
/// decision knew of them is gone.
fn judge(cx: &mut Cx<'_>, question: &Question) -> Result<Option<Found>, OpError> {
    let mut states = Vec::new();
    for hash in &question.hashes {
        let Some(member) = cx.get::<Subject>(&keys::subject(&hash.subject))? else { return Ok(None) };
        let found = state_hash(cx, &member)?;
        if found != hash.sha256 {
            states.push((hex::encode(hash.sha256), hex::encode(found)));
        }
    }
    let at = question.verdict.evaluated_at;
    let (facts, request) = asked(cx, question)?;
    let verdict = decide(&cx.policies.engine, &facts, &request, at);
    Ok(Some((verdict, states, Inputs { facts, request })))
}

/// The verdict of now, whose state was another one, and what the verdict was made from.
type Found = (Verdict, Vec<(String, String)>, Inputs);

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The facts and the request of a recorded decision, as state has them before it.
pub(super) fn asked(cx: &mut Cx<'_>, question: &Question) -> Result<(Facts, Request), OpError> {
    let spec = &question.spec;
    let subject = cx.subject(&spec.subject)?;
    let cart = match &spec.cart {
        Some(id) => cx.get::<Cart>(&keys::cart(&spec.brand, id))?,
        None => None,
    };
    let at = if question.phase == Phase::Dispatch { cx.now } else { question.verdict.evaluated_at };
    let (hints, lane) = (&question.hints, question.lane_free_at);
    let mut facts = facts_for(cx, spec, &subject, cart.as_deref(), hints, lane, at)?;
    if let Some(Shared { cart, coupon }) = &question.shared {
        (facts.cart, facts.coupon) = (cart.clone(), coupon.clone());
    }
    Ok((facts, request_of(spec, question.phase, &subject)))
}

/// A replay writes nothing, so it needs no keys.
pub(super) struct NoKeys;

impl crate::ledger::seal::KeySource for NoKeys {
    fn data_key(&self, _: &crate::model::SubjectId) -> Result<Option<crate::ledger::seal::DataKey>, String> {
        Err("a replay writes nothing".to_owned())
    }
}
