//! What entries do to a message: accepted, sent, held on, final; and to what it holds on to.

use super::person::{merge_hints, put_touch, subject_by_id};
use super::{FoldError, change_subject, missing, put_subject, shop, subject_of};
use crate::ledger::body::{
    CancelledBody, DecisionBody, IntentBody, OutcomeBody, ReceiptBody, RedecisionBody,
};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{
    DueRow, ParkedReceipt, ParkedSince, ProviderIdRow, ThrottleDay, WaitingParts, keys,
};
use crate::ledger::state::{Row, State, StateError};
use crate::model::facts::{AutomaticKind, AutomaticText};
use crate::model::message::{MessageState, Touch};
use crate::model::outgoing::{Message, MessageSpec, Route};
use crate::model::subject::{OpenMessage, PendingOptIn, SentAutomatic, Subject, bounds};
use crate::model::{Instant, MessageId, Span, SubjectId};

const QUARTER_SECONDS: i64 = 900;
/// How long a receipt waits for its message.
pub const PARKED_FOR: Span = Span::hours(24);
/// Receipts that are given up when a further one comes: more than one, so that what piled up goes.
const OUTLIVED_AT_ONCE: usize = 8;

/// Whether a message in this state stands in the table of what is due.
pub fn is_due_row_needed(state: MessageState) -> bool {
    state.is_waiting() || state == MessageState::Sending
}

pub(super) fn decision(state: &mut State<'_>, entry: &Entry, body: &DecisionBody) -> Result<(), FoldError> {
    let spec = &body.message;
    let at = entry.leaf.instant;
    let moved = body.moved.as_ref();
    let message = Message {
        spec: spec.clone(),
        request_sha256: body.request_sha256,
        accepted_at: moved.map_or(at, |moved| moved.accepted_at),
        state: body.state,
        changed_at: at,
        first: moved.map_or_else(|| body.verdict.clone(), |moved| moved.first.clone()),
        last: moved.map(|_| body.verdict.clone()),
        due: body.due,
        intent_at: None,
        not_after: None,
        sent_at: None,
        delivered_at: None,
        sent_text: String::new(),
        provider_ids: Vec::new(),
        parts_delivered: Vec::new(),
        error: None,
        voided_intents: 0,
        routes: Vec::new(),
        cost: None,
        entry: moved.map_or(entry.index, |moved| moved.entry),
    };
    let waits = body.state.is_waiting();
    change_subject(state, entry, |subject| {
        merge_hints(subject, &body.hints);
        if waits {
            open(subject, &message, body.due.unwrap_or(at));
        }
    })?;
    if waits {
        shop::link_of_message(state, spec, at);
        shop::reserve_coupon(state, entry, spec)?;
        shop::cart_waits(state, entry, spec)?;
    }
    put_due(state, &message)?;
    state.put(keys::message(&spec.id), message);
    Ok(())
}

fn touch_of(spec: &MessageSpec, state: MessageState, at: Instant) -> Touch {
    Touch {
        message: Some(spec.id),
        at,
        medium: spec.channel.into(),
        brand: spec.brand.clone(),
        program: Some(spec.program.clone()),
        category: spec.category,
        cart: spec.cart.clone(),
        subject_matter: Some(spec.subject_matter.clone()),
        parts: spec.parts,
        state,
        external: false,
    }
}

/// The message joins what is open for the person; an opt-in request also waits for its YES.
fn open(subject: &mut Subject, message: &Message, due: Instant) {
    let spec = &message.spec;
    subject.open.push(OpenMessage {
        id: spec.id,
        automatic: spec.automatic.is_some(),
        touch: touch_of(spec, message.state, due),
    });
    if let (Some(automatic), Some(sender)) = (&spec.automatic, &spec.sender)
        && automatic.kind == AutomaticKind::OptInRequest
    {
        subject.pending.retain(|p| !p.programs.contains(&spec.program));
        if subject.pending.len() >= bounds::PENDING {
            subject.pending.remove(0);
        }
        subject.pending.push(PendingOptIn {
            programs: vec![spec.program.clone()],
            channel: spec.channel,
            sender: sender.clone(),
            message: spec.id,
            captured_at: automatic.trigger,
            requested_at: message.accepted_at,
        });
    }
}

pub(super) fn intent(state: &mut State<'_>, entry: &Entry, body: &IntentBody) -> Result<(), FoldError> {
    let mut message = message_of(state, entry, &body.message)?;
    let at = entry.leaf.instant;
    unput_due(state, &message)?;
    set(&mut message, MessageState::Sending, at);
    message.last = Some(body.verdict.clone());
    message.intent_at = Some(at);
    message.not_after = Some(body.not_after);
    message.sent_text = body.text.clone();
    message.due = Some(body.resolve_by);
    message.cost = body.cost.clone();
    let route = Route { sender: body.sender.clone(), connection: body.connection.clone() };
    message.routes.retain(|known| *known != route);
    message.routes.push(route);
    let mut subject = subject_of(state, entry)?;
    subject.open.retain(|o| o.id != body.message);
    match &message.spec.automatic {
        Some(automatic) => note_automatic(&mut subject, automatic, at),
        None => put_touch(&mut subject, touch_of(&message.spec, MessageState::Sending, at), at),
    }
    // Whoever stands in once is not whom the person knows.
    if body.stands_in_for.is_none() {
        let program = message.spec.program.clone();
        subject.last_senders.retain(|(p, _)| *p != program);
        subject.last_senders.push((program, body.sender.clone()));
        if subject.last_senders.len() > bounds::CONSENTS {
            subject.last_senders.remove(0);
        }
    }
    put_subject(state, subject);
    let parts = u64::from(message.spec.parts);
    for (group, date) in body.counts_on() {
        count_parts(state, &group, &date, |counted| counted + parts)?;
    }
    shop::issue_coupon(state, entry, &message.spec, body.coupon_expires_at)?;
    shop::cart_leaves(state, &message.spec, at)?;
    put(state, message)
}

pub(super) fn redecision(
    state: &mut State<'_>,
    entry: &Entry,
    body: &RedecisionBody,
) -> Result<(), FoldError> {
    let mut message = message_of(state, entry, &body.message)?;
    let at = entry.leaf.instant;
    unput_due(state, &message)?;
    set(&mut message, body.state, at);
    message.last = Some(body.verdict.clone());
    message.due = body.due;
    let mut subject = subject_of(state, entry)?;
    if body.moved_to.is_some() {
        // From the next entry on it is another person's address's; nothing of it stays in this chain.
        release(state, entry, subject, &message)?;
        state.delete(keys::message(&body.message));
        return Ok(());
    }
    if body.state.is_waiting() {
        for open in subject.open.iter_mut().filter(|o| o.id == body.message) {
            open.touch.state = body.state;
            open.touch.at = body.due.unwrap_or(at);
        }
        put_subject(state, subject);
    } else {
        release(state, entry, subject, &message)?;
    }
    put(state, message)
}

pub(super) fn cancelled(state: &mut State<'_>, entry: &Entry, body: &CancelledBody) -> Result<(), FoldError> {
    let mut message = message_of(state, entry, &body.message)?;
    unput_due(state, &message)?;
    set(&mut message, MessageState::Cancelled, entry.leaf.instant);
    message.due = None;
    let subject = subject_of(state, entry)?;
    release(state, entry, subject, &message)?;
    put(state, message)
}

/// A message that never left gives back its coupon and its place.
fn release(
    state: &mut State<'_>,
    entry: &Entry,
    mut subject: Subject,
    message: &Message,
) -> Result<(), FoldError> {
    subject.open.retain(|o| o.id != message.spec.id);
    subject.pending.retain(|p| p.message != message.spec.id);
    put_subject(state, subject);
    shop::return_coupon(state, entry, &message.spec)?;
    shop::cart_no_longer_waits(state, &message.spec)
}

pub(super) fn outcome(state: &mut State<'_>, entry: &Entry, body: &OutcomeBody) -> Result<(), FoldError> {
    let mut message = message_of(state, entry, &body.message)?;
    let at = entry.leaf.instant;
    unput_due(state, &message)?;
    set(&mut message, body.state, at);
    message.error = body.error.clone();
    message.due = body.due;
    let mut subject = subject_of(state, entry)?;
    match body.state {
        MessageState::Queued => {
            // The intent was void: nothing left. The message waits again and is decided afresh.
            message.voided_intents += 1;
            subject.touches.retain(|t| t.message != Some(body.message));
            let trigger = message.spec.automatic.as_ref().map(|a| (a.kind, a.trigger));
            subject.automatic.retain(|s| Some((s.kind, s.trigger)) != trigger);
            subject.open.push(OpenMessage {
                id: body.message,
                automatic: message.spec.automatic.is_some(),
                touch: touch_of(&message.spec, MessageState::Queued, body.due.unwrap_or(at)),
            });
            put_subject(state, subject);
            shop::hold_coupon_again(state, entry, &message.spec)?;
            shop::cart_waits(state, entry, &message.spec)?;
            shop::cart_learns(state, &message.spec, body.state)?;
        }
        MessageState::Sent => {
            message.sent_at = body.handed_over_at.or(Some(at));
            message.provider_ids = body.provider_ids.clone();
            set_touch(&mut subject, &body.message, MessageState::Sent);
            let spec = &message.spec;
            subject.use_consent(&spec.program, spec.channel, message.sent_at.unwrap_or(at));
            put_subject(state, subject);
            shop::cart_learns(state, &message.spec, body.state)?;
            if let Some(connection) = message.connection() {
                for id in &body.provider_ids {
                    let row = ProviderIdRow { message: body.message, at };
                    state.put(keys::provider_id(connection, id), row);
                }
            }
        }
        _ => {
            set_touch(&mut subject, &body.message, body.state);
            put_subject(state, subject);
            shop::cart_learns(state, &message.spec, body.state)?;
            if !body.state.reached_out() {
                shop::return_coupon(state, entry, &message.spec)?;
            }
        }
    }
    put(state, message)
}

fn set_touch(subject: &mut Subject, id: &MessageId, to: MessageState) {
    for touch in subject.touches.iter_mut().filter(|t| t.message.as_ref() == Some(id)) {
        touch.state = to;
    }
}

pub(super) fn receipt(state: &mut State<'_>, entry: &Entry, body: &ReceiptBody) -> Result<(), FoldError> {
    let parked = keys::parked(&body.connection, &body.provider_id);
    unpark(state, &parked)?;
    let Some(id) = &body.message else {
        let at = entry.leaf.instant;
        for key in outlived_receipts(state, at)? {
            unpark(state, &key)?;
        }
        state.put(keys::parked_since(at, &parked), ParkedSince);
        state.put(parked, ParkedReceipt { state: body.state, at, entry: entry.index });
        return Ok(());
    };
    let mut message = message_of(state, entry, id)?;
    let (at, waited) = (entry.leaf.instant, message.state.is_waiting());
    unput_due(state, &message)?;
    if !body.provider_id.is_empty() && !message.provider_ids.contains(&body.provider_id) {
        message.provider_ids.push(body.provider_id.clone());
        let row = ProviderIdRow { message: *id, at };
        state.put(keys::provider_id(&body.connection, &body.provider_id), row);
    }
    let arrived = body.part_delivered || body.state == MessageState::Delivered;
    if arrived && !message.parts_delivered.contains(&body.provider_id) {
        message.parts_delivered.push(body.provider_id.clone());
    }
    set(&mut message, body.state, at);
    message.due = None;
    message.error = body.error.clone();
    message.sent_at = message.sent_at.or(message.intent_at);
    if body.state == MessageState::Delivered {
        message.delivered_at = body.carrier_at.or(Some(at));
    }
    let mut subject = subject_by_id(state, entry, &message.spec.subject)?;
    if waited && !body.state.reached_out() {
        release(state, entry, subject, &message)?;
    } else {
        if waited {
            left_after_all(state, entry, &mut subject, &message)?;
        }
        set_touch(&mut subject, id, body.state);
        if matches!(body.state, MessageState::Sent | MessageState::Delivered) {
            let spec = &message.spec;
            subject.use_consent(&spec.program, spec.channel, message.sent_at.unwrap_or(at));
        }
        put_subject(state, subject);
        shop::cart_learns(state, &message.spec, body.state)?;
    }
    put(state, message)
}

/// Receipts that have waited for their message too long at `now`: those a further one takes the places of. So no more are
/// kept than came in a day.
pub fn outlived_receipts(state: &mut State<'_>, now: Instant) -> Result<Vec<Vec<u8>>, StateError> {
    let oldest = state.scan::<ParkedSince>(&[ParkedSince::TABLE], None, OUTLIVED_AT_ONCE)?;
    let waited = oldest.iter().filter_map(|(key, _)| keys::read_parked_since(key));
    Ok(waited.filter(|(at, _)| now.since(*at) > PARKED_FOR).map(|(_, parked)| parked).collect())
}

fn unpark(state: &mut State<'_>, key: &[u8]) -> Result<(), FoldError> {
    if let Some(row) = state.get::<ParkedReceipt>(key)? {
        state.delete(keys::parked_since(row.at, key));
        state.delete(key.to_vec());
    }
    Ok(())
}

/// The provider had said that it did not take it, so it waited again; now it turns out that it left with that intent.
fn left_after_all(
    state: &mut State<'_>,
    entry: &Entry,
    subject: &mut Subject,
    message: &Message,
) -> Result<(), FoldError> {
    let (spec, now) = (&message.spec, entry.leaf.instant);
    let at = message.intent_at.unwrap_or(now);
    subject.open.retain(|o| o.id != spec.id);
    match &spec.automatic {
        Some(automatic) => note_automatic(subject, automatic, at),
        None => put_touch(subject, touch_of(spec, message.state, at), now),
    }
    shop::issue_coupon_late(state, entry, spec, at)?;
    shop::cart_leaves(state, spec, at)
}

fn note_automatic(subject: &mut Subject, automatic: &AutomaticText, at: Instant) {
    if subject.automatic.len() >= bounds::AUTOMATIC {
        subject.automatic.remove(0);
    }
    subject.automatic.push(SentAutomatic { kind: automatic.kind, trigger: automatic.trigger, at });
}

fn message_of(state: &mut State<'_>, entry: &Entry, id: &MessageId) -> Result<Message, FoldError> {
    state
        .get::<Message>(&keys::message(id))?
        .map(|m| (*m).clone())
        .ok_or_else(|| missing(entry, "its message"))
}

/// Changes how many parts a throttle group has sent on a date; a day without any has no row.
pub(super) fn count_parts(
    state: &mut State<'_>,
    group: &str,
    date: &str,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), FoldError> {
    let key = keys::throttle_day(group, date);
    match change(state.get::<ThrottleDay>(&key)?.map_or(0, |day| day.parts)) {
        0 => state.delete(key),
        parts => state.put(key, ThrottleDay { parts }),
    }
    Ok(())
}

/// Takes away a message of somebody who is being erased, and what leads to it.
pub(super) fn forget(state: &mut State<'_>, whose: &SubjectId, id: &MessageId) -> Result<(), FoldError> {
    let Some(message) = state.get::<Message>(&keys::message(id))? else { return Ok(()) };
    if message.spec.subject != *whose {
        // It moved on to another address of theirs, and goes with that one.
        return Ok(());
    }
    unput_due(state, &message)?;
    let routes = message.routes.iter().map(|route| &route.connection);
    for connection in routes.chain(&message.spec.connection) {
        message.provider_ids.iter().for_each(|id| state.delete(keys::provider_id(connection, id)));
    }
    state.delete(keys::message(id));
    Ok(())
}

fn set(message: &mut Message, to: MessageState, at: Instant) {
    message.state = to;
    message.changed_at = at;
}

fn put(state: &mut State<'_>, message: Message) -> Result<(), FoldError> {
    put_due(state, &message)?;
    state.put(keys::message(&message.spec.id), message);
    Ok(())
}

fn put_due(state: &mut State<'_>, message: &Message) -> Result<(), FoldError> {
    let Some(due) = message.due.filter(|_| is_due_row_needed(message.state)) else { return Ok(()) };
    let row = if message.state == MessageState::Sending { DueRow::Resolve } else { DueRow::Wake };
    state.put(keys::due(due, &message.spec.id), row);
    count_waiting(state, message, due, |parts| parts + u64::from(message.spec.parts))
}

fn unput_due(state: &mut State<'_>, message: &Message) -> Result<(), FoldError> {
    let Some(due) = message.due.filter(|_| is_due_row_needed(message.state)) else { return Ok(()) };
    state.delete(keys::due(due, &message.spec.id));
    count_waiting(state, message, due, |parts| parts.saturating_sub(u64::from(message.spec.parts)))
}

/// Changes what waits for a message's sender in the quarter of an hour of `due`, if the message waits; a quarter in which
/// nothing is due has no row.
fn count_waiting(
    state: &mut State<'_>,
    message: &Message,
    due: Instant,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), FoldError> {
    let Some(sender) = message.spec.sender.as_ref().filter(|_| message.state.is_waiting()) else {
        return Ok(());
    };
    let key = keys::waiting_parts(sender, quarter_of(due));
    match change(state.get::<WaitingParts>(&key)?.map_or(0, |row| row.parts)) {
        0 => state.delete(key),
        parts => state.put(key, WaitingParts { parts }),
    }
    Ok(())
}

/// The quarter of an hour an instant lies in, counted from the epoch. As long as the spread of what waits for a window.
pub fn quarter_of(at: Instant) -> i64 {
    at.as_seconds().div_euclid(QUARTER_SECONDS)
}

/// The first instant of a quarter of an hour.
pub fn quarter_begins(quarter: i64) -> Instant {
    Instant::from_seconds(quarter.saturating_mul(QUARTER_SECONDS))
}
