//! What another policy set would change: every recorded decision and every waiting message, judged under both.
//!
//! Both judge the same facts at the same instant, so what differs is the rules' doing. What a changed decision would have
//! led to afterwards is not followed: a message refused now would not have counted for the caps of the next.

use crate::audit::replay::{Met, NoKeys, Options, ReplayError, asked, walk};
use crate::decide::{Engine, decide};
use crate::ledger::rows::keys;
use crate::ledger::state::{Row, State};
use crate::model::cart::Cart;
use crate::model::facts::Phase;
use crate::model::outgoing::Message;
use crate::model::subject::Subject;
use crate::model::{Instant, MessageId, MessageState, Outcome, ProgramId, Verdict};
use crate::store::SharedKv;
use crate::writer::ops::send::{facts_for, request_of};
use crate::writer::{Cx, EntrySource, Env, OpError};

/// Messages looked at in one go.
const PAGE: usize = 512;

/// The two sets.
pub struct Pair<'e> {
    pub before: &'e Engine,
    pub after: &'e Engine,
}

/// One decision that comes out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Its entry; none: a message that waits now.
    pub entry: Option<u64>,
    pub message: MessageId,
    pub program: ProgramId,
    /// Where the message stands; for a recorded decision: none.
    pub state: Option<MessageState>,
    pub before: Verdict,
    pub after: Verdict,
}

/// How many were judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub decisions: u64,
    pub decisions_changed: u64,
    /// Decisions about people who were erased since.
    pub skipped: u64,
    pub waiting: u64,
    pub waiting_changed: u64,
}

/// Judges everything twice; `scratch` is an empty index. Messages that wait are judged for `now`.
pub fn compare(
    env: &Env,
    source: &dyn EntrySource,
    scratch: &SharedKv,
    options: &Options,
    pair: &Pair<'_>,
    now: Instant,
    mut see: impl FnMut(Changed),
) -> Result<Totals, ReplayError> {
    let mut totals = Totals::default();
    walk(env, source, scratch, options, |met| {
        let Met::Asked(cx, entry, question) = met else {
            totals.skipped += 1;
            return Ok(true);
        };
        for hash in &question.hashes {
            if cx.get::<Subject>(&keys::subject(&hash.subject))?.is_none() {
                totals.skipped += 1;
                return Ok(true);
            }
        }
        totals.decisions += 1;
        let (facts, request) = asked(cx, &question)?;
        let at = question.verdict.evaluated_at;
        let (before, after) =
            (decide(pair.before, &facts, &request, at), decide(pair.after, &facts, &request, at));
        if differ(&before, &after) {
            totals.decisions_changed += 1;
            let (message, program) = (question.spec.id, question.spec.program.clone());
            see(Changed { entry: Some(entry.index), message, program, state: None, before, after });
        }
        Ok(true)
    })?;
    waiting(env, source, scratch, pair, now, &mut totals, &mut see)
        .map_err(|e| ReplayError::Entry { index: source.size(), why: e.to_string() })?;
    Ok(totals)
}

/// Whether two verdicts would have been acted on differently, or rest on other reasons.
fn differ(a: &Verdict, b: &Verdict) -> bool {
    let said = |v: &Verdict| {
        let codes: Vec<_> = v.reasons.iter().map(|r| (r.effect, r.code.clone(), r.rule.clone())).collect();
        (v.outcome, v.hold_until, v.send_not_after, codes)
    };
    said(a) != said(b)
}

fn waiting(
    env: &Env,
    source: &dyn EntrySource,
    scratch: &SharedKv,
    pair: &Pair<'_>,
    now: Instant,
    totals: &mut Totals,
    see: &mut impl FnMut(Changed),
) -> Result<(), OpError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let state = State::over(&**scratch);
        let mut cx = Cx::new(env, state, source, &NoKeys, source.size(), now);
        let page = cx.state.scan::<Message>(&[Message::TABLE], after.as_deref(), PAGE)?;
        let whole = page.len() == PAGE;
        after = page.last().map(|(key, _)| key.clone());
        for (_, message) in page.into_iter().filter(|(_, message)| message.state.is_waiting()) {
            totals.waiting += 1;
            let (old, new) = judge_waiting(&mut cx, pair, &message)?;
            // A message that may leave now is not changed by when it may leave at the latest.
            let same_end = old.outcome == Outcome::Admit && new.outcome == Outcome::Admit;
            if differ(&old, &new) && !(same_end && old.reasons == new.reasons) {
                totals.waiting_changed += 1;
                see(Changed {
                    entry: None,
                    message: message.spec.id,
                    program: message.spec.program.clone(),
                    state: Some(message.state),
                    before: old,
                    after: new,
                });
            }
        }
        if !whole {
            return Ok(());
        }
    }
}

/// The second decision of a message, as if it were due now.
fn judge_waiting(cx: &mut Cx<'_>, pair: &Pair<'_>, message: &Message) -> Result<(Verdict, Verdict), OpError> {
    let spec = &message.spec;
    let subject = cx.subject(&spec.subject)?;
    let cart = match &spec.cart {
        Some(id) => cx.get::<Cart>(&keys::cart(&spec.brand, id))?,
        None => None,
    };
    let now = cx.now;
    let facts = facts_for(cx, spec, &subject, cart.as_deref(), &[], None, now)?;
    let request = request_of(spec, Phase::Dispatch, &subject);
    Ok((decide(pair.before, &facts, &request, now), decide(pair.after, &facts, &request, now)))
}

#[cfg(test)]
mod tests;
