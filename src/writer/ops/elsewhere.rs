//! A push message whose installation can show nothing when it is due: it moves on, once, to another installation of the
//! person or becomes a text, where the caller wished so. One message, one place in every cap.

use std::sync::Arc;

use super::Target;
use super::intent::{IntentAnswer, ended_as};
use super::send::{
    Draft, SendRequest, Way, Words, channel_name, codes, facts_for, other_installation, outcome_name,
    request_of, state_hashes, wake_at,
};
use crate::decide::decide;
use crate::ledger::body::{Body, DecisionBody, Moved, RedecisionBody};
use crate::ledger::rows::keys;
use crate::model::cart::Cart;
use crate::model::facts::{Inputs, Phase};
use crate::model::notification::PushSpec;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::subject::{Address, Subject};
use crate::model::{Channel, Code, Effect, MessageState, Outcome, Verdict};
use crate::writer::ops::cart::CartChange;
use crate::writer::{Cx, OpError, about_message};

/// Moves a message on, if its installation can show nothing, that alone stands in its way, and there is somewhere to go.
/// None: it stays, and its second decision says what becomes of it.
pub(super) fn move_on(cx: &mut Cx<'_>, message: &Message) -> Result<Option<IntentAnswer>, OpError> {
    let Some(push) = message.spec.push.as_deref() else { return Ok(None) };
    if cx.device(&message.spec.subject)?.is_some_and(|row| row.device.can_show()) {
        return Ok(None);
    }
    let subject = cx.subject(&message.spec.subject)?;
    let cart = match &message.spec.cart {
        Some(id) => cx.get::<Cart>(&keys::cart(&message.spec.brand, id))?,
        None => None,
    };
    let hashes = state_hashes(cx, &subject)?;
    let (here, here_from) = judge(cx, &message.spec, &subject, cart.as_deref(), &[])?;
    if !only_permission_is_missing(&here) {
        return Ok(None);
    }
    let Some(way) = way_on(cx, message, push, &subject)? else { return Ok(None) };
    let Some(draft) = redraft(cx, message, push, way, cart)? else { return Ok(None) };

    let spec = &message.spec;
    let mut public =
        about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), outcome_name(&here));
    public.codes = codes(&here);
    let left = RedecisionBody {
        message: spec.id,
        state_hashes: hashes,
        verdict: Arc::new(here),
        state: MessageState::Cancelled,
        due: None,
        inputs: Some(here_from),
        moved_to: Some(draft.subject.id),
    };
    cx.emit(spec.subject, Some(&spec.brand), public, Body::Redecision(Box::new(left)))?;

    // Only now: what is judged there is a state in which the message is here no more.
    let cart = match &spec.cart {
        Some(id) => cx.get::<Cart>(&keys::cart(&spec.brand, id))?,
        None => None,
    };
    let Draft { spec: new, subject: whose, .. } = draft;
    let (there, there_from) = judge(cx, &new, &whose, cart.as_deref(), &subject.hints)?;
    let there_hashes = state_hashes(cx, &whose)?;
    let (state, due) = match there.outcome {
        Outcome::Admit => (MessageState::Queued, Some(cx.now)),
        Outcome::Hold => (MessageState::Held, Some(wake_at(&there, &new, cx.now))),
        Outcome::Refuse => (ended_as(&there), None),
    };
    let mut public =
        about_message(&new.id, new.program.as_str(), channel_name(new.channel), outcome_name(&there));
    public.codes = codes(&there);
    let (to, brand) = (new.subject, new.brand.clone());
    let arrived = DecisionBody {
        message: Arc::new(new),
        request_sha256: message.request_sha256,
        hints: subject.hints.clone(),
        state_hashes: there_hashes,
        lane_free_at: None,
        verdict: Arc::new(there),
        state,
        due,
        inputs: Some(there_from),
        moved: Some(Moved {
            from: spec.subject,
            accepted_at: message.accepted_at,
            first: message.first.clone(),
            entry: message.entry,
        }),
    };
    cx.emit(to, Some(&brand), public, Body::Decision(Box::new(arrived)))?;
    Ok(Some(match due {
        Some(until) => IntentAnswer::Held { until },
        None => IntentAnswer::Ended(state),
    }))
}

fn judge(
    cx: &mut Cx<'_>,
    spec: &MessageSpec,
    subject: &Subject,
    cart: Option<&Cart>,
    hints: &[crate::model::location::LocationHint],
) -> Result<(Verdict, Box<Inputs>), OpError> {
    let facts = facts_for(cx, spec, subject, cart, hints, None, cx.now)?;
    let request = request_of(spec, Phase::Dispatch, subject);
    let verdict = decide(&cx.policies.engine, &facts, &request, cx.now);
    Ok((verdict, Box::new(Inputs { facts, request })))
}

/// A person who opted out, a cart that is closed: what ends a message anywhere ends it here.
fn only_permission_is_missing(verdict: &Verdict) -> bool {
    let mut refusals = verdict.reasons.iter().filter(|reason| reason.effect == Effect::Refuse).peekable();
    refusals.peek().is_some() && refusals.all(|reason| reason.code == Code::PushPermissionMissing)
}

fn way_on(
    cx: &mut Cx<'_>,
    message: &Message,
    push: &PushSpec,
    own: &Subject,
) -> Result<Option<Way>, OpError> {
    let spec = &message.spec;
    if push.any_installation
        && let Some(to) = other_installation(cx, own, &spec.brand, &spec.program)?
    {
        let text_to = push.text_to;
        return Ok(Some(Way { to, channel: Channel::Push, text_to, any_installation: true }));
    }
    let Some(id) = &push.text_to else { return Ok(None) };
    // Erased since, or somebody else's now: there is no telephone of theirs.
    let Some(phone) = cx.get::<Subject>(&keys::subject(id))? else { return Ok(None) };
    let still = matches!(phone.address, Address::Phone(_)) && phone.changed_at.is_none();
    let to = phone.address.clone();
    Ok(still.then_some(Way { to, channel: Channel::Sms, text_to: None, any_installation: false }))
}

/// The message made again for another address. What cannot be made there (a text that comes out too long, a record that
/// is full) stays where it is.
fn redraft(
    cx: &mut Cx<'_>,
    message: &Message,
    push: &PushSpec,
    way: Way,
    cart: Option<std::sync::Arc<Cart>>,
) -> Result<Option<Draft>, OpError> {
    let spec = &message.spec;
    let target = match &way.to {
        Address::Device { app, installation } => {
            Target::Device { app: app.clone(), installation: installation.clone() }
        }
        Address::Phone(digits) => Target::Phone(crate::model::phone::Digits::received(digits, None)),
    };
    let request = SendRequest {
        idempotency_key: String::new(),
        request_sha256: message.request_sha256,
        brand: spec.brand.clone(),
        program: spec.program.clone(),
        target,
        channel: way.channel,
        fallback_to_sms: false,
        sender: None,
        cart: None,
        words: Words::Push(push.words.clone()),
        variables: push.variables.clone(),
        link_url: push.link_url.clone(),
        coupon_pool: spec.coupon.as_ref().map(|coupon| coupon.pool.clone()),
        hints: Vec::new(),
        on_hold: spec.on_hold,
        expires_at: spec.expires_at,
        labels: spec.labels.clone(),
        actor: spec.actor.clone(),
    };
    let cart = cart.map(|cart| CartChange { cart, changed: false });
    match Draft::to(cx, &request, spec.id, way, cart) {
        Ok(draft) if draft.subject.chain_length > 0 => Ok(Some(draft)),
        Ok(_) => Ok(None),
        Err(OpError::Fatal(why)) => Err(OpError::Fatal(why)),
        Err(_) => Ok(None),
    }
}
