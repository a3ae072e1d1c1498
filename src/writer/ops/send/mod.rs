//! Sending: a message is drafted, judged and written down in one commit, or not at all.

mod automatic;
mod draft;
mod facts;
mod first;
mod push;
pub mod route;
#[cfg(test)]
pub mod tests;
mod text;

use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use super::link::short_url;
pub use automatic::{AutomaticSend, renewal_ids, send_automatic, send_renewal};
pub use draft::Draft;
pub use facts::{Whereabouts, facts_for, state_hash};
pub(super) use facts::{jitter, state_hashes};
pub(super) use push::{Way, filled, other_installation};
pub(super) use text::final_text;

use super::{Target, cart, coupon};
use crate::ledger::body::{Body, DecisionBody, SubjectBody};
use crate::ledger::entry::Public;
use crate::ledger::rows::keys;
use crate::model::cart::Money;
use crate::model::facts::{AutomaticText, Inputs, OnHold, Phase, Request};
use crate::model::location::LocationHint;
use crate::model::notification::PushWords;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::subject::{Subject, bounds};
use crate::model::{
    BrandId, CartId, Channel, Instant, MessageId, MessageState, Outcome, PoolId, ProgramId, SenderId, Span,
    SubjectId, TemplateId, Verdict,
};
use crate::writer::{Cx, Op, OpError, Planned, Prepared, Priority, Reader, about_message};

/// A cart as a send names it.
#[derive(Debug, Clone, PartialEq)]
pub struct CartInput {
    pub id: CartId,
    pub value: Option<Money>,
    pub checkout_url: String,
    pub abandoned_at: Option<Instant>,
}

/// Where the words come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Words {
    /// Given with the request; placeholders are filled.
    Body(String),
    /// A stored template.
    Template(TemplateId),
    /// A notification, for push.
    Push(PushWords),
}

/// A message as a caller asks for it, checked in form.
#[derive(Debug, Clone, PartialEq)]
pub struct SendRequest {
    /// 1 to 128 bytes; names one attempt.
    pub idempotency_key: String,
    /// SHA-256 of the request without its key.
    pub request_sha256: [u8; 32],
    pub brand: BrandId,
    pub program: ProgramId,
    pub target: Target,
    pub channel: Channel,
    /// With push: as a text, where no installation can show it.
    pub fallback_to_sms: bool,
    /// None: the program's own choice.
    pub sender: Option<SenderId>,
    pub cart: Option<CartInput>,
    pub words: Words,
    /// Sorted by name.
    pub variables: Vec<(String, String)>,
    /// Empty: the cart's checkout URL.
    pub link_url: String,
    pub coupon_pool: Option<PoolId>,
    pub hints: Vec<LocationHint>,
    pub on_hold: OnHold,
    pub expires_at: Option<Instant>,
    /// Sorted by name.
    pub labels: Vec<(String, String)>,
    pub actor: String,
}

/// The message as it stands, and the verdict its attempt got first.
#[derive(Debug, Clone, PartialEq)]
pub struct SendAnswer {
    pub message: Arc<Message>,
    pub verdict: Arc<Verdict>,
    /// The key was used before for the same request.
    pub repeated: bool,
}

/// Accepts a message: one decision, recorded.
pub struct Send {
    request: SendRequest,
    plan: Option<Prepared<Plan>>,
}

impl Send {
    /// To be thought out when its turn comes.
    pub fn new(request: SendRequest) -> Send {
        Send { request, plan: None }
    }

    /// Thought out now, on the caller's thread; again when its turn comes, if anything it rests on changed by then.
    pub fn prepared(request: SendRequest, reader: &Reader) -> Send {
        let plan = reader.prepare(|cx| plan(cx, &request));
        Send { request, plan }
    }
}

impl Op for Send {
    type Answer = SendAnswer;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<SendAnswer, OpError> {
        let plan = match self.plan.and_then(|prepared| cx.still_stands(prepared)) {
            Some(plan) => plan,
            None => plan(cx, &self.request)?,
        };
        match plan {
            Plan::Repeat(message) => {
                Ok(SendAnswer { verdict: message.first.clone(), message, repeated: true })
            }
            Plan::Record(recording) => {
                let message = record(cx, *recording)?;
                Ok(SendAnswer { verdict: message.first.clone(), message, repeated: false })
            }
        }
    }
}

/// What an attempt comes to.
enum Plan {
    /// The key named the same attempt before.
    Repeat(Arc<Message>),
    /// Judged; to be written down.
    Record(Box<Recording>),
}

/// A judged message and the entries that say so: the subject and the cart if they are new, then the decision.
struct Recording {
    id: MessageId,
    brand: BrandId,
    entries: Vec<Planned>,
}

fn plan(cx: &mut Cx<'_>, request: &SendRequest) -> Result<Plan, OpError> {
    let id = MessageId::derive(&cx.env.seller, &request.idempotency_key);
    if let Some(known) = cx.get::<Message>(&keys::message(&id))? {
        if known.request_sha256 != request.request_sha256 {
            return Err(OpError::KeyReused);
        }
        return Ok(Plan::Repeat(known));
    }
    let draft = Draft::of_request(cx, request, id)?;
    let (verdict, inputs) = judge(cx, &draft, Phase::Accept, cx.now)?;
    Ok(Plan::Record(Box::new(recording(cx, draft, verdict, inputs, request.request_sha256)?)))
}

/// What `CheckMessage` asks: the verdict a send would get at an instant. Changes nothing; run it on a snapshot.
pub fn check(
    cx: &mut Cx<'_>,
    request: &SendRequest,
    at: Option<Instant>,
) -> Result<(MessageSpec, Verdict), OpError> {
    let id = MessageId::derive(&cx.env.seller, &request.idempotency_key);
    let draft = Draft::of_request(cx, request, id)?;
    let (verdict, inputs) = judge(cx, &draft, Phase::Check, at.unwrap_or(cx.now))?;
    Ok((MessageSpec { expires_at: inputs.request.expires_at, ..draft.spec }, verdict))
}

/// The verdict, and what it was made from: with the end it was judged by, which is the message's.
fn judge(
    cx: &mut Cx<'_>,
    draft: &Draft,
    phase: Phase,
    at: Instant,
) -> Result<(Verdict, Box<Inputs>), OpError> {
    let whereabouts = match at == cx.now {
        true => draft.whereabouts.clone(),
        false => Whereabouts::of(&draft.subject, &draft.hints, at),
    };
    let (spec, subject) = (&draft.spec, &*draft.subject);
    let facts = facts::facts_there(cx, spec, subject, draft.cart(), whereabouts, None, at)?;
    let mut case = Box::new(Inputs { facts, request: request_of(spec, phase, subject) });
    // The gateway's own answers stand in no queue: they go first.
    let sender = spec.sender.as_ref().filter(|_| spec.automatic.is_none());
    let busy = |due| sender.and_then(|sender| cx.env.backlog.free_at(sender, due, cx.now));
    let verdict = first::judged(&cx.policies.engine, &mut case, at, busy);
    Ok((verdict, case))
}

/// What a decision is asked about a message to somebody as they stand now: an answer that left since this one was
/// accepted counts against it.
pub fn request_of(spec: &MessageSpec, phase: Phase, subject: &Subject) -> Request {
    let now = |a: &AutomaticText| AutomaticText {
        last_sent: automatic::last_sent(subject, a.kind, a.trigger),
        ..a.clone()
    };
    Request {
        message: spec.id,
        channel: spec.channel,
        phase,
        on_hold: spec.on_hold,
        expires_at: spec.expires_at,
        subject_matter: Some(spec.subject_matter.clone()),
        automatic: spec.automatic.as_ref().map(now),
    }
}

/// The entries of a judged draft.
fn recording(
    cx: &mut Cx<'_>,
    draft: Draft,
    verdict: Verdict,
    inputs: Box<Inputs>,
    request_sha256: [u8; 32],
) -> Result<Recording, OpError> {
    let Draft { mut spec, subject, cart, hints, whereabouts: _ } = draft;
    spec.expires_at = inputs.request.expires_at;
    let mut entries = Vec::with_capacity(3);
    let hashes = state_hashes(cx, &subject)?;
    if subject.chain_length == 0 {
        spec.subject = SubjectId(cx.env.entropy.bytes());
        let body = Body::Subject(SubjectBody { address: spec.to.clone() });
        entries.push(cx.plan(spec.subject, None, Public::default(), body)?);
    }
    if let Some(cart) = cart {
        entries.extend(cart::planned(cx, cart, &spec.actor)?);
    }
    let (state, due) = accepted_as(&verdict, &spec, cx.now);
    let mut public =
        about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), outcome_name(&verdict));
    public.codes = codes(&verdict);
    let (id, brand, subject_id) = (spec.id, spec.brand.clone(), spec.subject);
    let body = DecisionBody {
        message: Arc::new(spec),
        request_sha256,
        hints,
        state_hashes: hashes,
        lane_free_at: inputs.facts.drains_at,
        verdict: Arc::new(verdict),
        state,
        due,
        inputs: Some(inputs),
        moved: None,
    };
    entries.push(cx.plan(subject_id, Some(&brand), public, Body::Decision(Box::new(body)))?);
    Ok(Recording { id, brand, entries })
}

/// Writes a judged draft down.
fn record(cx: &mut Cx<'_>, recording: Recording) -> Result<Arc<Message>, OpError> {
    let Recording { id, brand, entries } = recording;
    for entry in entries {
        cx.emit_planned(entry)?;
    }
    let message = cx
        .get::<Message>(&keys::message(&id))?
        .ok_or_else(|| OpError::Fatal("a decision left no message".to_owned()))?;
    if let Some(promise) = message.spec.coupon.as_ref().filter(|_| message.state.is_waiting()) {
        coupon::report_level(cx, &brand, promise)?;
    }
    Ok(message)
}

/// The state a verdict puts an accepted message in, and when it wakes.
fn accepted_as(verdict: &Verdict, spec: &MessageSpec, now: Instant) -> (MessageState, Option<Instant>) {
    match verdict.outcome {
        Outcome::Admit => (MessageState::Queued, Some(now)),
        Outcome::Hold => (MessageState::Held, Some(wake_at(verdict, spec, now))),
        Outcome::Refuse => (MessageState::Refused, None),
    }
}

/// When a held message wakes: at the lawful instant, spread so that not everybody's window opens at once. Without a known
/// instant (a paused sender) it is due now: the lanes leave it alone until what holds it has changed.
pub(super) fn wake_at(verdict: &Verdict, spec: &MessageSpec, now: Instant) -> Instant {
    match verdict.hold_until {
        Some(until) => until.max(now + Span::seconds(1)) + jitter(verdict, spec),
        None => now,
    }
}

/// Codes of a verdict, sorted and once each, for the leaf.
pub(super) fn codes(verdict: &Verdict) -> Vec<String> {
    let mut codes: Vec<String> = verdict.reasons.iter().map(|r| r.code.as_str().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

/// `SMS` or `PUSH`.
pub(super) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "SMS",
        Channel::Push => "PUSH",
    }
}

/// `ADMIT`, `HOLD` or `REFUSE`.
pub(super) fn outcome_name(verdict: &Verdict) -> &'static str {
    match verdict.outcome {
        Outcome::Admit => "ADMIT",
        Outcome::Hold => "HOLD",
        Outcome::Refuse => "REFUSE",
    }
}

/// Room for one more open message, and for the touch it will be: one too many would push an earlier one out of what caps
/// count. Automatic texts always have room and are no touches.
fn has_room(subject: &Subject, now: Instant) -> Result<(), OpError> {
    let open = subject.open.iter().filter(|o| !o.automatic).count();
    if open >= bounds::OPEN {
        return Err(OpError::SubjectBusy("16 messages wait for them already"));
    }
    let recent = subject.touches.iter().filter(|t| t.at >= now - Span::days(30)).count();
    if recent + open >= bounds::TOUCHES {
        return Err(OpError::SubjectBusy("64 touches of 30 days are on record or about to be"));
    }
    Ok(())
}

/// SHA-256 of a value's JSON: how requests that the gateway makes itself are told apart.
pub(super) fn json_sha256<T: serde::Serialize>(value: &T) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(value).unwrap_or_default()).into()
}
