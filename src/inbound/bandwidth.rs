//! Bandwidth's callbacks: an array of events, proven by `Basic` credentials alone. There is no signature.

use serde_json::Value;

use super::endpoint::{EndpointError, Settings};
use super::event::{InboundEvent, InboundText, Receipt};
use super::voice::{
    Proof, Voice, Webhook, filled_at, hash, instant_at, is_basic, provider_error, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};
use crate::provider::bandwidth::class_of;

/// One application's callbacks.
pub struct Bandwidth {
    user: String,
}

impl Bandwidth {
    /// As the setting `webhook_user` names it.
    pub fn new(settings: &Settings<'_>) -> Result<Bandwidth, EndpointError> {
        Ok(Bandwidth { user: settings.needed("webhook_user")?.to_owned() })
    }
}

impl Voice for Bandwidth {
    fn secrets(&self) -> &'static [&'static str] {
        &["webhook_password", "webhook_password_next"]
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        is_basic(webhook, &self.user, proof.secrets)
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        match serde_json::from_slice::<Value>(&webhook.body) {
            Ok(Value::Array(events)) => events.iter().filter_map(event).collect(),
            _ => vec![unreadable(webhook.hash(), None, None, "the body is no JSON array")],
        }
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
    let (id, from) = (filled_at(event, "/message/id"), filled_at(event, "/message/from"));
    // `to` beside the message is the number of ours this copy is for.
    let to = filled_at(event, "/to").or_else(|| filled_at(event, "/message/owner"));
    match (id, from, text_at(event, "/message/text")) {
        (Some(provider_id), Some(from), Some(text)) => InboundEvent::Text(InboundText {
            provider_id,
            from,
            to: to.unwrap_or_default(),
            text,
            provider_flag: None,
            received_at: instant_at(event, "/message/time").or_else(|| instant_at(event, "/time")),
            weak: false,
        }),
        (id, from, _) => {
            let id = id.unwrap_or_else(|| hash(event.to_string().as_bytes()));
            unreadable(id, from, to, "no id, sender or text")
        }
    }
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
