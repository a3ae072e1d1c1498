//! What entries do to one person's record: consent, opt-outs, preferences, texts, touches of other tools.

use super::{Fold, FoldError, missing, put_subject, shop, subject_of};
use crate::ledger::body::{
    ConsentBody, ConsentCause, ExternalSendBody, InboundBody, NumberCheckBody, Operation, OptOutBody,
    OptOutLiftedBody, PreferencesBody, ReviewBody, SubjectBody,
};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{
    AddressRow, CustomerRow, InboundRow, InboundTextRow, OperationRow, ReviewRow, keys,
};
use crate::ledger::state::State;
use crate::model::consent::Night;
use crate::model::facts::CheckAnswer;
use crate::model::location::LocationHint;
use crate::model::message::{Medium, MessageState, Touch};
use crate::model::subject::{NumberCheck, Subject, bounds};
use crate::model::{
    Category, Channel, Consent, ConsentState, CustomerId, Instant, OptOut, OptOutScope, OptOutSource,
    ProgramId, Span, SubjectId,
};

pub(super) fn subject(
    fold: &Fold,
    state: &mut State<'_>,
    entry: &Entry,
    body: &SubjectBody,
) -> Result<(), FoldError> {
    let key = fold.address_key(&body.address);
    let suppressed = state.get::<AddressRow>(&key)?.is_some_and(|row| row.suppressed);
    state.put(key, AddressRow { subject: Some(entry.leaf.subject), suppressed });
    let mut subject = Subject::new(entry.leaf.subject, body.address.clone(), entry.leaf.instant);
    subject.chain_length = entry.leaf.number;
    subject.chain_last = entry.hash;
    put_subject(state, subject);
    Ok(())
}

pub(super) fn consent(state: &mut State<'_>, entry: &Entry, body: &ConsentBody) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    let at = entry.leaf.instant;
    let own_act = matches!(body.cause, ConsentCause::Confirmation | ConsentCause::Keyword);
    for change in &body.changes {
        put_consent(&mut subject, &change.consent);
        if change.consent.state == ConsentState::Granted {
            subject.changed_at = None;
            if own_act {
                reopen(&mut subject.opt_outs, &change.consent, at);
            }
        }
    }
    if own_act {
        let changed = |program: &ProgramId| body.changes.iter().any(|c| c.consent.program == *program);
        subject.pending.retain(|p| !p.programs.iter().any(changed));
    }
    if body.cause == ConsentCause::NumberChanged {
        subject.changed_at = Some(at);
        subject.pending.clear();
    }
    merge_hints(&mut subject, &body.hints);
    if let Some(customer) = &body.customer {
        join_customer(state, &mut subject, customer)?;
    }
    put_subject(state, subject);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

/// One consent a program and channel, and beside a grant at most one attempt that waits for the person's YES. What is
/// refused or waits never takes the place of a grant: START must find it again.
fn put_consent(subject: &mut Subject, new: &Consent) {
    use ConsentState::{Granted, PendingConfirmation, Refused};
    let same = |c: &Consent| c.program == new.program && c.channel == new.channel;
    let stays = |old: ConsentState| match new.state {
        Refused => matches!(old, Granted | PendingConfirmation),
        PendingConfirmation => old == Granted,
        _ => false,
    };
    if new.state == Refused && subject.consents.iter().any(|c| same(c) && stays(c.state)) {
        return;
    }
    subject.consents.retain(|old| !same(old) || stays(old.state));
    // The writer refuses a 33rd consent; a ledger of another release keeps the newest.
    if subject.consents.len() >= bounds::CONSENTS {
        subject.consents.remove(0);
    }
    subject.consents.push(new.clone());
}

/// The person's own act after an opt-out opens this one program on this one channel again, whatever the opt-out covered.
pub fn reopen(opt_outs: &mut [OptOut], consent: &Consent, at: Instant) {
    let covers =
        |o: &OptOut| o.covers(&consent.brand, &consent.program, Category::Marketing, consent.channel);
    for opt_out in opt_outs.iter_mut().filter(|o| o.holds_at(at) && covers(o)) {
        lift(opt_out, std::slice::from_ref(&consent.program), Some(consent.channel), at);
    }
}

fn lift(opt_out: &mut OptOut, programs: &[ProgramId], channel: Option<Channel>, at: Instant) {
    if programs.is_empty() {
        opt_out.lifted_at = Some(at);
        return;
    }
    for channel in [Channel::Sms, Channel::Push].into_iter().filter(|c| channel.is_none_or(|only| only == *c))
    {
        opt_out.lifted_for.extend(programs.iter().map(|p| (p.clone(), channel)));
    }
    opt_out.lifted_for.sort();
    opt_out.lifted_for.dedup();
}

pub(super) fn opt_out(state: &mut State<'_>, entry: &Entry, body: &OptOutBody) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    put_opt_out(&mut subject.opt_outs, body.opt_out.clone());
    // Written into the consent itself: the opt-out may make room for others one day, and the night does not come back then.
    for consent in &mut subject.consents {
        if consent.night_is_taken_back([&body.opt_out]) {
            consent.night = Night::No;
        }
    }
    if let Some(customer) = &body.customer {
        join_customer(state, &mut subject, customer)?;
    }
    put_subject(state, subject);
    for (brand, code) in &body.voided {
        shop::void_for_opt_out(state, entry, brand, code)?;
    }
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

/// There is always room for an opt-out: an older one that the new one says again goes first, then lifted ones; at worst
/// all become one opt-out from everything, as hard to lift as the hardest: never narrower than what the person asked for.
pub fn put_opt_out(opt_outs: &mut Vec<OptOut>, new: OptOut) {
    opt_outs.retain(|old| !is_said_again(old, &new));
    if opt_outs.len() >= bounds::OPT_OUTS {
        opt_outs.retain(|old| old.lifted_at.is_none());
    }
    if opt_outs.len() >= bounds::OPT_OUTS {
        let hardest = opt_outs.iter().find(|o| !liftable_by_text(o)).map_or(new.source, |o| o.source);
        let source = if liftable_by_text(&new) { hardest } else { new.source };
        let received_at = opt_outs.iter().map(|o| o.received_at).fold(new.received_at, Instant::max);
        opt_outs.clear();
        opt_outs.push(OptOut { scope: OptOutScope::All, source, received_at, ..new });
    } else {
        opt_outs.push(new);
    }
}

/// Whether forgetting `old` loses nothing: `new` reaches as far, came the same way and later. One that came another way
/// stays, because what lifts the one may not lift the other.
fn is_said_again(old: &OptOut, new: &OptOut) -> bool {
    let named = old.scope_named || !new.scope_named;
    let later = old.received_at <= new.received_at && old.recorded_at <= new.recorded_at;
    old.scope == new.scope && (old.lifted_at.is_some() || old.source == new.source && named && later)
}

/// Lifts the opt-outs an entry names.
pub fn lift_named(opt_outs: &mut [OptOut], body: &OptOutLiftedBody, at: Instant) {
    for opt_out in opt_outs.iter_mut().filter(|o| body.recorded_at.contains(&o.recorded_at)) {
        lift(opt_out, &body.programs, body.channel, at);
    }
}

pub(super) fn opt_out_lifted(
    state: &mut State<'_>,
    entry: &Entry,
    body: &OptOutLiftedBody,
) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    lift_named(&mut subject.opt_outs, body, entry.leaf.instant);
    put_subject(state, subject);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

pub(super) fn preferences(
    state: &mut State<'_>,
    entry: &Entry,
    body: &PreferencesBody,
) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    subject.preferences = body.preferences.clone();
    merge_hints(&mut subject, &body.hints);
    put_subject(state, subject);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

/// The newest answer of each kind stays; an older one brought later is history. So is one that says nothing: it does not
/// take back a yes (47 CFR 64.1200(m): "no data" gives no shelter), only a newer no does.
pub(super) fn number_check(
    state: &mut State<'_>,
    entry: &Entry,
    body: &NumberCheckBody,
) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    let check = &body.check;
    let stays = |old: &NumberCheck| {
        let outweighs = old.answer == CheckAnswer::Yes
            && (check.answer == CheckAnswer::NoData || old.asked_at == check.asked_at);
        old.kind == check.kind && (old.asked_at > check.asked_at || outweighs)
    };
    if !subject.checks.iter().any(stays) {
        subject.checks.retain(|old| old.kind != check.kind);
        subject.checks.push(check.clone());
        subject.checks.sort_by_key(|check| check.kind);
    }
    put_subject(state, subject);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

pub(super) fn inbound(state: &mut State<'_>, entry: &Entry, body: &InboundBody) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    let day = super::raw_day_of(entry.leaf.instant);
    let count = if subject.inbound.0 == day { subject.inbound.1 } else { 0 };
    subject.inbound = (day, count + 1);
    if body.review {
        // Only what may have been a STOP suspends marketing; a YES to nothing merely waits for somebody to look.
        if body.class == "UNCERTAIN" && subject.reviews.len() < bounds::REVIEWS {
            subject.reviews.push(entry.index);
        }
        let row = ReviewRow { subject: subject.id, at: entry.leaf.instant };
        state.put(keys::review(entry.index), row);
    }
    let row =
        InboundTextRow { subject: subject.id, at: entry.leaf.instant, review: body.review, resolved: None };
    state.put(keys::inbound_text(entry.index), row);
    put_subject(state, subject);
    state.put(keys::inbound(&body.connection, &body.provider_id), InboundRow { index: entry.index });
    Ok(())
}

pub(super) fn review(state: &mut State<'_>, entry: &Entry, body: &ReviewBody) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    subject.reviews.retain(|index| *index != body.inbound);
    put_subject(state, subject);
    state.delete(keys::review(body.inbound));
    let key = keys::inbound_text(body.inbound);
    let text = state.get::<InboundTextRow>(&key)?.ok_or_else(|| missing(entry, "its text"))?;
    state.put(key, InboundTextRow { resolved: Some(entry.index), ..*text });
    Ok(())
}

pub(super) fn external_send(
    state: &mut State<'_>,
    entry: &Entry,
    body: &ExternalSendBody,
) -> Result<(), FoldError> {
    let mut subject = subject_of(state, entry)?;
    let touch = Touch {
        message: None,
        at: body.at,
        medium: medium(&body.medium),
        brand: body.brand.clone(),
        program: None,
        category: Category::Marketing,
        cart: body.cart.clone(),
        subject_matter: None,
        parts: 1,
        state: MessageState::Sent,
        external: true,
    };
    put_touch(&mut subject, touch, entry.leaf.instant);
    put_subject(state, subject);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

/// The medium of a touch as `RecordExternalSend` names it.
pub fn medium(name: &str) -> Medium {
    match name {
        "SMS" => Medium::Sms,
        "PUSH" => Medium::Push,
        "EMAIL" => Medium::Email,
        "AD" => Medium::Ad,
        "PHONE_CALL" => Medium::Call,
        _ => Medium::Other,
    }
}

/// Keeps touches of 30 days, oldest first, at most 64.
pub(super) fn put_touch(subject: &mut Subject, touch: Touch, now: Instant) {
    let horizon = now - Span::days(30);
    subject.touches.retain(|t| t.at >= horizon);
    let place = subject.touches.partition_point(|t| t.at <= touch.at);
    subject.touches.insert(place, touch);
    if subject.touches.len() > bounds::TOUCHES {
        subject.touches.remove(0);
    }
}

/// One hint a source, the newest.
pub(super) fn merge_hints(subject: &mut Subject, hints: &[LocationHint]) {
    for hint in hints {
        match subject.hints.iter().position(|h| h.source == hint.source) {
            Some(at) if subject.hints[at].observed_at > hint.observed_at => {}
            Some(at) => subject.hints[at] = hint.clone(),
            None if subject.hints.len() < bounds::HINTS => subject.hints.push(hint.clone()),
            None => {}
        }
    }
}

/// Ties the subject to a customer. The writer refuses a tie beyond the bounds. Of those that an earlier release took all the
/// same, a fifth customer is not kept, as it was not then; addresses of one customer are all listed, so that nobody is
/// missing where the customer is meant.
pub(super) fn join_customer(
    state: &mut State<'_>,
    subject: &mut Subject,
    customer: &CustomerId,
) -> Result<(), FoldError> {
    if !subject.customers.contains(customer) {
        if subject.customers.len() >= bounds::CUSTOMERS {
            return Ok(());
        }
        subject.customers.push(customer.clone());
    }
    let key = keys::customer(customer);
    let mut row = state.get::<CustomerRow>(&key)?.map(|r| (*r).clone()).unwrap_or_default();
    if !row.subjects.contains(&subject.id) {
        row.subjects.push(subject.id);
        state.put(key, row);
    }
    Ok(())
}

/// Remembers where the answer to a request stands.
pub(super) fn put_operation(state: &mut State<'_>, entry: &Entry, operation: Option<&Operation>) {
    if let Some(operation) = operation {
        let row = OperationRow { request_sha256: operation.request_sha256, entry: entry.index };
        state.put(keys::operation(&operation.id), row);
    }
}

/// Whether START by text may lift this opt-out: only what came by text or from the network.
pub fn liftable_by_text(opt_out: &OptOut) -> bool {
    matches!(opt_out.source, OptOutSource::SmsReply | OptOutSource::Provider)
}

/// The record of a subject that an entry says exists.
pub(super) fn subject_by_id(
    state: &mut State<'_>,
    entry: &Entry,
    id: &SubjectId,
) -> Result<Subject, FoldError> {
    state
        .get::<Subject>(&keys::subject(id))?
        .map(|s| (*s).clone())
        .ok_or_else(|| missing(entry, "the message's subject"))
}
