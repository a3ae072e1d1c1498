//! Bandwidth's callbacks: an array of events, proven by `Basic` credentials alone. There is no signature.

use serde_json::Value;

use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{Webhook, filled_at, hash, instant_at, provider_error, text_at, unreadable};
use crate::model::MessageState;
use crate::model::outgoing::ErrorClass;
use crate::provider::bandwidth::class_of;

/// What a callback says.
pub fn read(webhook: &Webhook) -> Vec<InboundEvent> {
    match serde_json::from_slice::<Value>(&webhook.body) {
        Ok(Value::Array(events)) => events.iter().filter_map(event).collect(),
        _ => vec![unreadable(webhook.hash(), None, None, "the body is no JSON array")],
    }
}

fn event(event: &Value) -> Option<InboundEvent> {
    let kind = text_at(event, "/type").unwrap_or_default();
    let code = event.get("errorCode").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    let state = match kind.as_str() {
        "message-sending" => return None,
        "message-sent" => MessageState::Sent,
        "message-delivered" | "message-read" => MessageState::Delivered,
        "message-failed" => code.map_or(MessageState::Failed, failed_as),
        // Our own message coming back is no person's word.
        _ if text_at(event, "/message/direction").as_deref() == Some("out") => return None,
        _ => return Some(text(event)),
    };
    let words = text_at(event, "/description").unwrap_or_default();
    Some(InboundEvent::Receipt(Receipt {
        message: text_at(event, "/message/tag").and_then(|tag| tag.parse().ok()),
        provider_id: filled_at(event, "/message/id").unwrap_or_default(),
        state,
        error: code.map(|code| provider_error(class_of(code), code, &words)),
        carrier_at: instant_at(event, "/time"),
    }))
}

fn text(event: &Value) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(event, "/message/id"),
        from: filled_at(event, "/message/from"),
        // `to` beside the message is the number of ours this copy is for.
        to: filled_at(event, "/to").or_else(|| filled_at(event, "/message/owner")),
        text: text_at(event, "/message/text"),
        at: instant_at(event, "/message/time").or_else(|| instant_at(event, "/time")),
        ..Spoken::default()
    };
    spoken.event(|| hash(event.to_string().as_bytes()))
}

/// What a failure of this code comes to.
pub(crate) fn failed_as(code: u32) -> MessageState {
    match code {
        4360 => MessageState::Expired,
        // No receipt in time: it may have arrived.
        9902 => MessageState::Unknown,
        4702 | 4720 | 4721 => MessageState::Undelivered,
        5000..=5999 => MessageState::Failed,
        _ => match class_of(code) {
            ErrorClass::OptedOut | ErrorClass::PermanentContent | ErrorClass::PermanentSender => {
                MessageState::Rejected
            }
            _ => MessageState::Failed,
        },
    }
}

#[cfg(test)]
mod tests;
