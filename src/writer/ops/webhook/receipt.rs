//! A receipt: what became of a message that was handed over. Ordered by rank, never by arrival.

use super::Received;
use crate::inbound::event::Receipt;
use crate::ledger::body::{Body, ReceiptBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::fold::{PARKED_FOR, outlived_receipts};
use crate::ledger::rows::{ParkedReceipt, ProviderIdRow, keys};
use crate::model::consent::OptOut;
use crate::model::outgoing::{ErrorClass, Message, ProviderError};
use crate::model::{Channel, ConnectionId, MessageId, MessageState, OptOutScope, OptOutSource};
use crate::writer::ops::device::declare_dead;
use crate::writer::ops::number::number_changed;
use crate::writer::ops::opt_out::{Stop, stop};
use crate::writer::ops::outcome::state_name;
use crate::writer::ops::send::channel_name;
use crate::writer::{Cx, OpError, about_message};

/// Whether a receipt says nothing new: its message has a better word, or it is parked already.
pub(super) fn is_known(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    receipt: &Receipt,
) -> Result<bool, OpError> {
    match message_of(cx, connection, receipt)? {
        Some(message) => Ok(next_state(&message, receipt).is_none()),
        None => {
            let parked = cx.get::<ParkedReceipt>(&keys::parked(connection, &receipt.provider_id))?;
            Ok(!receipt.state.is_final() || parked.is_some_and(|p| !outranks(receipt.state, p.state)))
        }
    }
}

/// The message a receipt speaks of: by our own reference, then by the provider's id on that connection.
fn message_of(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    receipt: &Receipt,
) -> Result<Option<std::sync::Arc<Message>>, OpError> {
    let row = match receipt.message {
        Some(id) => Some(id),
        None => {
            let row = cx.get::<ProviderIdRow>(&keys::provider_id(connection, &receipt.provider_id))?;
            row.map(|row| row.message)
        }
    };
    let Some(id) = row else { return Ok(None) };
    let message = cx.get::<Message>(&keys::message(&id))?;
    // A reference is only taken from an account the message left through.
    Ok(message.filter(|m| m.went_through(connection)))
}

/// Whether `new` replaces `old`: progress does, a final word once, and only `delivered` corrects what nobody knew.
fn outranks(new: MessageState, old: MessageState) -> bool {
    use MessageState::{Delivered, Expired, Held, Queued, Sending, Sent, Unknown};
    match old {
        Held | Queued => new.is_final(),
        Sending => new == Sent || new.is_final(),
        Sent => new.is_final(),
        Unknown | Expired => new == Delivered,
        _ => false,
    }
}

/// What a message becomes by a receipt, and whether one of its parts arrived while others are out; none: nothing new.
fn next_state(message: &Message, receipt: &Receipt) -> Option<(MessageState, bool)> {
    if !outranks(receipt.state, message.state) || message.intent_at.is_none() {
        return None;
    }
    let out = |id: &&String| **id != receipt.provider_id && !message.parts_delivered.contains(id);
    let parts_out = message.provider_ids.iter().filter(out).count();
    if receipt.state != MessageState::Delivered || parts_out == 0 {
        return Some((receipt.state, false));
    }
    let known = message.parts_delivered.contains(&receipt.provider_id);
    // Of a message that has its end one part alone changes nothing but what is known of the parts.
    let state = if message.state.is_final() { message.state } else { MessageState::Sent };
    (!known).then_some((state, true))
}

pub(super) fn act(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    receipt: Receipt,
    received: &mut Received,
) -> Result<(), OpError> {
    // An earlier event of the same delivery may have said it.
    if is_known(cx, connection, &receipt)? {
        received.known += 1;
        return Ok(());
    }
    received.new += 1;
    match message_of(cx, connection, &receipt)? {
        Some(message) => apply(cx, connection, &message, receipt, received),
        None => {
            received.parked += 1;
            received.outlived += outlived_receipts(&mut cx.state, cx.now)?.len();
            let body = body_of(connection, &receipt, receipt.state);
            let public = Public { outcome: state_name(receipt.state).to_owned(), ..Public::default() };
            cx.emit(SELLER_CHAIN, None, public, Body::Receipt(body)).map(|_| ())
        }
    }
}

fn body_of(connection: &ConnectionId, receipt: &Receipt, state: MessageState) -> ReceiptBody {
    ReceiptBody {
        message: None,
        connection: connection.clone(),
        provider_id: receipt.provider_id.clone(),
        state,
        error: receipt.error.clone(),
        carrier_at: receipt.carrier_at,
        late: false,
        part_delivered: false,
        cost: None,
    }
}

fn apply(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    message: &Message,
    receipt: Receipt,
    received: &mut Received,
) -> Result<(), OpError> {
    let Some((state, part)) = next_state(message, &receipt) else { return Ok(()) };
    let spec = &message.spec;
    let arrived_at = receipt.carrier_at.unwrap_or(cx.now);
    let late =
        receipt.state == MessageState::Delivered && message.not_after.is_some_and(|end| arrived_at > end);
    if late {
        received.late.push(spec.id);
    }
    let public =
        about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), state_name(state));
    let first_word = !matches!(message.state, MessageState::Sent | MessageState::Unknown);
    let taken = receipt.state.reached_out() || receipt.state == MessageState::Expired;
    let body = ReceiptBody {
        message: Some(spec.id),
        late,
        part_delivered: part,
        cost: message.cost.clone().filter(|_| first_word && taken && !message.state.is_final()),
        ..body_of(connection, &receipt, state)
    };
    cx.emit(spec.subject, Some(&spec.brand), public, Body::Receipt(body))?;
    let left_at = message.sent_at.or(message.intent_at).unwrap_or(cx.now);
    crate::writer::ops::consent::notice_is(cx, message, state, left_at)?;
    received.stopped += usize::from(person_said(cx, message, receipt.error.as_ref())?);
    Ok(())
}

/// What an error says about the person: an opt-out kept by the provider or network is one of ours; a dead number ends its
/// grants. Answers whether an opt-out was recorded.
pub(in crate::writer::ops) fn person_said(
    cx: &mut Cx<'_>,
    message: &Message,
    error: Option<&ProviderError>,
) -> Result<bool, OpError> {
    match error.map(|e| e.class) {
        Some(ErrorClass::OptedOut) => provider_opted_out(cx, message),
        // The push token is gone, not the person: consent stays.
        Some(ErrorClass::PermanentRecipient) if message.spec.channel == Channel::Push => {
            if let Some(error) = error {
                declare_dead(cx, message, error)?;
            }
            Ok(false)
        }
        Some(ErrorClass::PermanentRecipient) => {
            let said = error.map(|e| format!("{} {}", e.code, e.text)).unwrap_or_default();
            number_changed(cx, &message.spec.subject, said.trim(), cx.now)?;
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Records that the provider or network holds an opt-out of this message's person: ours is at least as wide as theirs, so
/// it is seller-wide. Nothing is written while the same stands already. Answers whether something was.
fn provider_opted_out(cx: &mut Cx<'_>, message: &Message) -> Result<bool, OpError> {
    let subject = cx.row_of(&message.spec.subject)?;
    let stands = |o: &OptOut| {
        o.source == OptOutSource::Provider
            && o.scope == OptOutScope::All
            && o.lifted_for.is_empty()
            && o.holds_at(cx.now)
    };
    if subject.opt_outs.iter().any(stands) {
        return Ok(false);
    }
    let wish = Stop::by_text("", cx.now, message.sender().cloned(), OptOutSource::Provider);
    stop(cx, &[subject.id], wish)?;
    Ok(true)
}

/// Takes up receipts that came before the outcome they belong to. Called in the commit that records provider ids.
pub(in crate::writer::ops) fn settle_parked(cx: &mut Cx<'_>, id: &MessageId) -> Result<(), OpError> {
    let Some(message) = cx.get::<Message>(&keys::message(id))? else { return Ok(()) };
    let Some(connection) = message.connection().cloned() else { return Ok(()) };
    for provider_id in &message.provider_ids {
        let Some(row) = cx.get::<ParkedReceipt>(&keys::parked(&connection, provider_id))? else { continue };
        if cx.now.since(row.at) > PARKED_FOR {
            continue;
        }
        let Some(entry) = cx.entry(row.entry)? else { continue };
        let Body::Receipt(body) = entry.body else { continue };
        let receipt = Receipt {
            message: Some(*id),
            provider_id: provider_id.clone(),
            state: body.state,
            error: body.error,
            carrier_at: body.carrier_at,
        };
        act(cx, &connection, receipt, &mut Received::default())?;
    }
    Ok(())
}
