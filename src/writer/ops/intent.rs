//! The second decision: made in the same commit as the intent, so that nothing can come between them.

use std::sync::Arc;

use super::send::{
    Whereabouts, channel_name, codes, facts_for, filled, final_text, outcome_name, request_of, route,
    state_hashes, wake_at,
};
use crate::content::language::Language;
use crate::decide::decide;
use crate::ledger::body::{Body, IntentBody, RedecisionBody, StateHash};
use crate::ledger::rows::keys;
use crate::model::cart::Cart;
use crate::model::facts::{Inputs, Phase};
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::phone::parse_for_sending;
use crate::model::registry::{Sender, Validity};
use crate::model::spend::Cost;
use crate::model::subject::Subject;
use crate::model::{
    Category, Channel, Code, Instant, MessageId, MessageState, Outcome, SenderId, Span, Verdict,
};
use crate::provider::{IntentDraft, PushHandover};
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// An intent that did not reach the socket this long after its commit is void (pitfall 6).
pub const INTENT_LIFE: Span = Span::seconds(2);
/// Least time before a window's end at which a message is still handed over: the carrier needs some of it.
const MARGIN_MIN: Span = Span::seconds(60);
/// How long a message waits that is lawful and has no way out.
const NO_WAY_OUT: Span = Span::minutes(1);
/// How long after its validity a hand-over without word counts as unknown.
const RESOLVE_AFTER: Span = Span::hours(72);

/// The same for a push service: it answers at once or never, and tells nothing later.
const RESOLVE_PUSH_AFTER: Span = Span::minutes(5);
/// How long a push service may keep a notification without an end, as earlier releases accepted them.
const PUSH_LIFE: Span = Span::hours(24);

/// Asks whether a due message may leave now. The lane holds a permit already.
pub struct Intent {
    pub message: MessageId,
    /// The sender whose lane gave the permit, where it is not the one the message was accepted for: that one's provider
    /// certainly did not take it, or is out of order.
    pub stands_in: Option<SenderId>,
}

impl Intent {
    /// Asks for a message to leave by the sender it was accepted for.
    pub fn of(message: MessageId) -> Intent {
        Intent { message, stands_in: None }
    }
}

/// What became of the question.
#[derive(Debug)]
pub enum IntentAnswer {
    /// It may leave: seal it with the proof that comes with this answer.
    Go(Box<IntentDraft>),
    /// Not now.
    Held { until: Instant },
    /// Never: refused, cancelled or expired at the second decision.
    Ended(MessageState),
    /// It was not waiting: already in hand-over or final, or not due yet.
    NotWaiting,
}

impl Op for Intent {
    type Answer = IntentAnswer;
    const PRIORITY: Priority = Priority::Intent;

    fn run(self, cx: &mut Cx<'_>) -> Result<IntentAnswer, OpError> {
        let Some(message) = cx.get::<Message>(&keys::message(&self.message))? else {
            return Err(OpError::NotFound { what: "message", id: self.message.to_string() });
        };
        let early = message.due.is_none_or(|due| due > cx.now);
        if !message.state.is_waiting() || early {
            return Ok(IntentAnswer::NotWaiting);
        }
        if let Some(moved) = super::elsewhere::move_on(cx, &message)? {
            return Ok(moved);
        }
        let spec = &message.spec;
        let subject = cx.subject(&spec.subject)?;
        let cart = match &spec.cart {
            Some(id) => cx.get::<Cart>(&keys::cart(&spec.brand, id))?,
            None => None,
        };
        let hashes = state_hashes(cx, &subject)?;
        let own = match &spec.sender {
            Some(id) => cx.sender(id.as_str())?,
            None => None,
        };
        let request = request_of(spec, Phase::Dispatch, &subject);
        if let (Some(wanted), Some(own)) = (&self.stands_in, &own) {
            let others = route::standbys(&mut cx.state, spec, own)?;
            if let Some(other) = others.into_iter().find(|other| other.id == *wanted) {
                let by = by_way_of(spec, &other);
                let facts = facts_for(cx, &by, &subject, cart.as_deref(), &[], None, cx.now)?;
                let inputs = Box::new(Inputs { facts, request: request.clone() });
                let (verdict, not_after) = judge(cx, &by, &inputs, Some(&other))?;
                if verdict.outcome == Outcome::Admit {
                    return go(cx, &message, Judged { hashes, verdict, inputs }, &other, not_after);
                }
            }
        }
        let facts = facts_for(cx, spec, &subject, cart.as_deref(), &[], None, cx.now)?;
        let inputs = Box::new(Inputs { facts, request });
        let (verdict, not_after) = judge(cx, spec, &inputs, own.as_deref())?;
        let judged = Judged { hashes, verdict, inputs };
        match (judged.verdict.outcome, own) {
            // The permit is another lane's, and that way is not lawful: it waits for its own.
            (Outcome::Admit, Some(own)) if self.stands_in.is_none() => {
                go(cx, &message, judged, &own, not_after)
            }
            _ => stay(cx, &message, judged),
        }
    }
}

/// What a message would be with another sender than the one it was accepted for.
pub fn by_way_of(spec: &MessageSpec, sender: &Sender) -> MessageSpec {
    MessageSpec {
        sender: Some(sender.id.clone()),
        connection: Some(sender.connection.clone()),
        ..spec.clone()
    }
}

/// The second decision, with what it was made from.
struct Judged {
    hashes: Vec<StateHash>,
    verdict: Verdict,
    inputs: Box<Inputs>,
}

/// The verdict of this instant; where the window ends too soon for the provider, the verdict of that end.
fn judge(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    inputs: &Inputs,
    sender: Option<&Sender>,
) -> Result<(Verdict, Instant), OpError> {
    let Inputs { facts, request } = inputs;
    let verdict = decide(&cx.policies.engine, facts, request, cx.now);
    let Some(end) = verdict.send_not_after.filter(|_| verdict.outcome == Outcome::Admit) else {
        return Ok((verdict, cx.now));
    };
    let margin = match sender {
        Some(sender) => margin_of(cx, sender)?,
        None => MARGIN_MIN,
    };
    let not_after = if spec.automatic.is_some() { end } else { end - margin };
    if cx.now <= not_after {
        return Ok((verdict, not_after.min(cx.now + INTENT_LIFE)));
    }
    let after = decide(&cx.policies.engine, facts, request, end + Span::seconds(3));
    Ok((if after.outcome == Outcome::Admit { verdict } else { after }, end))
}

/// How long before the end of its window a message has to be handed over on this sender's connection.
fn margin_of(cx: &mut Cx<'_>, sender: &Sender) -> Result<Span, OpError> {
    let connection = cx.connection(sender.connection.as_str())?;
    let seconds = match connection.map(|c| c.validity) {
        Some(Validity::Native { min_seconds, .. }) => min_seconds,
        Some(Validity::None { queue_seconds }) => queue_seconds,
        None => 0,
    };
    Ok(Span::seconds(i64::from(seconds)).max(MARGIN_MIN))
}

fn go(
    cx: &mut Cx<'_>,
    message: &Message,
    judged: Judged,
    sender: &Sender,
    not_after: Instant,
) -> Result<IntentAnswer, OpError> {
    let Judged { hashes, verdict, inputs } = judged;
    let spec = &message.spec;
    let subject = cx.subject(&spec.subject)?;
    let coupon_expires_at = super::coupon::expires_at(cx, &spec.brand, spec.coupon.as_ref(), cx.now)?;
    let text = final_text(cx, spec, &subject, coupon_expires_at)?;
    let deliver_by = deliver_by(cx, sender, &verdict, spec)?;
    let push = handover(cx, spec, &subject, coupon_expires_at)?;
    let resolve_after = if push.is_some() { RESOLVE_PUSH_AFTER } else { RESOLVE_AFTER };
    let last_word = if push.is_some() { cx.now } else { deliver_by.unwrap_or(cx.now) };
    let mut public =
        about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), outcome_name(&verdict));
    public.codes = codes(&verdict);
    let connection = cx.connection(sender.connection.as_str())?;
    let country =
        spec.to.phone().and_then(|p| parse_for_sending(p.expose(), None).ok()).and_then(|n| n.country);
    let date = |zone: &str| cx.policies.engine.zones().local_date(zone, cx.now);
    let body = IntentBody {
        message: spec.id,
        state_hashes: hashes,
        verdict: Arc::new(verdict),
        text: text.clone(),
        sender: sender.id.clone(),
        connection: sender.connection.clone(),
        to: spec.to.clone(),
        coupon_expires_at,
        not_after,
        resolve_by: last_word + resolve_after,
        throttle: (sender.throttle.id.clone(), date(&sender.throttle.reset_zone)),
        tax_id: sender.tax_id_cap.as_ref().map(|cap| (cap.tax_id.clone(), date(&cap.reset_zone))),
        stands_in_for: spec.sender.clone().filter(|own| *own != sender.id),
        cost: connection.and_then(|c| Cost::of(&c.prices, country, spec.parts)),
        inputs: Some(inputs),
    };
    let entry = cx.emit(spec.subject, Some(&spec.brand), public, Body::Intent(Box::new(body)))?;
    Ok(IntentAnswer::Go(Box::new(IntentDraft {
        message: spec.id,
        entry,
        channel: spec.channel,
        connection: sender.connection.clone(),
        from: sender.address.clone(),
        to: spec.to.clone(),
        text,
        parts: spec.parts,
        committed_at: cx.now,
        not_after,
        deliver_by,
        push,
    })))
}

/// The deadline the provider is told, where it takes one: the window's end, within what the provider allows.
fn deliver_by(
    cx: &mut Cx<'_>,
    sender: &Sender,
    verdict: &Verdict,
    spec: &MessageSpec,
) -> Result<Option<Instant>, OpError> {
    let connection = cx.connection(sender.connection.as_str())?;
    let Some(Validity::Native { min_seconds, max_seconds }) = connection.map(|c| c.validity) else {
        return Ok(None);
    };
    let least = cx.now + Span::seconds(i64::from(min_seconds));
    let mut most = cx.now + Span::seconds(i64::from(max_seconds));
    if spec.channel == Channel::Push {
        // A phone that was off must not show it days later.
        most = most.min(spec.expires_at.unwrap_or(cx.now + PUSH_LIFE));
    }
    Ok(Some(verdict.send_not_after.unwrap_or(most).min(most).max(least)))
}

/// The notification as it leaves, and where to; none for texts.
fn handover(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    subject: &Subject,
    coupon_expires_at: Option<Instant>,
) -> Result<Option<Box<PushHandover>>, OpError> {
    let (Some(push), Some(row)) = (&spec.push, cx.device(&spec.subject)?) else { return Ok(None) };
    let Some(destination) = row.device.live().cloned() else { return Ok(None) };
    let zone = Whereabouts::of(subject, &[], cx.now).zone();
    let language = Language::from_tag(&spec.language).unwrap_or_default();
    let content = filled(cx, &push.content, spec.coupon.as_ref(), coupon_expires_at, &zone, language);
    Ok(Some(Box::new(PushHandover {
        platform: row.device.platform,
        destination,
        destination_at: row.device.destination_at,
        collapse_id: content.collapse_id(&spec.brand),
        content,
        urgent: spec.category != Category::Marketing,
    })))
}

fn stay(cx: &mut Cx<'_>, message: &Message, judged: Judged) -> Result<IntentAnswer, OpError> {
    let Judged { hashes, verdict, inputs } = judged;
    let spec = &message.spec;
    let (state, due) = match verdict.outcome {
        Outcome::Refuse => (ended_as(&verdict), None),
        Outcome::Hold => (MessageState::Held, Some(wake_at(&verdict, spec, cx.now))),
        // Admitted, but its sender is gone, or cannot be reached and nobody may stand in: it waits, until its end.
        Outcome::Admit => (MessageState::Held, Some(cx.now + NO_WAY_OUT)),
    };
    let mut public =
        about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), outcome_name(&verdict));
    public.codes = codes(&verdict);
    let body = RedecisionBody {
        message: spec.id,
        state_hashes: hashes,
        verdict: Arc::new(verdict),
        state,
        due,
        inputs: Some(inputs),
        moved_to: None,
    };
    cx.emit(spec.subject, Some(&spec.brand), public, Body::Redecision(Box::new(body)))?;
    Ok(match due {
        Some(until) => IntentAnswer::Held { until },
        None => IntentAnswer::Ended(state),
    })
}

/// What a refusal at the second decision means for the message: the person or the shop withdrew it, its time ran out, or
/// it is no longer lawful.
pub(super) fn ended_as(verdict: &Verdict) -> MessageState {
    let any = |codes: &[Code]| codes.iter().any(|code| verdict.has(code));
    if any(&[Code::OptedOut, Code::CartClosed, Code::Suppressed]) {
        MessageState::Cancelled
    } else if any(&[
        Code::MessageExpired,
        Code::NoLegalWindow,
        Code::CartStale,
        Code::AutomaticTextLate,
        Code::SenderBacklog,
    ]) {
        MessageState::Expired
    } else {
        MessageState::Refused
    }
}
