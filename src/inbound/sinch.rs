//! Sinch's webhooks: texts and recipient delivery reports. There is no flag and no code for an opt-out; STOP is a text.
//!
//! Proof is by arrangement with the account manager: HMAC headers, or `Basic` credentials. Sinch repeats 5xx for more than
//! a day and never repeats 4xx, so a signed time may be two days old; ids make repetitions harmless.

use serde_json::Value;

use super::endpoint::{EndpointError, Settings};
use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{
    Proof, Voice, Webhook, any_secret, base64, filled_at, hash, hmac_sha256, instant_at, is_basic, is_recent,
    provider_error, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState, Span};
use crate::provider::sinch::class_of;

const AGE_MAX: Span = Span::hours(48);

/// One plan's webhooks.
pub struct Sinch {
    /// `Basic` credentials of this user instead of a signature.
    user: Option<String>,
}

impl Sinch {
    /// As the settings `webhook_auth` (`hmac` or `basic`) and `webhook_user` say.
    pub fn new(settings: &Settings<'_>) -> Result<Sinch, EndpointError> {
        match settings.get("webhook_auth").unwrap_or("hmac") {
            "hmac" => Ok(Sinch { user: None }),
            "basic" => Ok(Sinch { user: Some(settings.needed("webhook_user")?.to_owned()) }),
            _ => Err(settings.wrong("webhook_auth", "must be hmac or basic")),
        }
    }
}

impl Voice for Sinch {
    fn secrets(&self) -> &'static [&'static str] {
        &["webhook_secret", "webhook_secret_next"]
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        if let Some(user) = &self.user {
            return is_basic(webhook, user, proof.secrets);
        }
        let header = |name: &str| webhook.header(&format!("x-sinch-webhook-signature{name}"));
        let (Some(given), Some(nonce), Some(time)) =
            (header("").and_then(base64), header("-nonce"), header("-timestamp"))
        else {
            return false;
        };
        let parts = [webhook.body.as_slice(), b".", nonce.as_bytes(), b".", time.as_bytes()];
        any_secret(proof.secrets, &given, |secret| hmac_sha256(secret, &parts))
            && is_recent(time, proof.now, AGE_MAX)
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let Ok(body) = serde_json::from_slice::<Value>(&webhook.body) else {
            return vec![unreadable(webhook.hash(), None, None, "the body is no JSON")];
        };
        let kind = text_at(&body, "/type").unwrap_or_default();
        match kind.as_str() {
            "recipient_delivery_report_sms" | "recipient_delivery_report_mms" => {
                recipient_report(&body).into_iter().collect()
            }
            // A summary of a batch says nothing of a person; we ask for reports by recipient.
            "delivery_report_sms" | "delivery_report_mms" => Vec::new(),
            _ => vec![text(&body)],
        }
    }
}

/// A text, as webhooks and the list show it.
pub(crate) fn text(body: &Value) -> InboundEvent {
    let words = text_at(body, "/body").or_else(|| text_at(body, "/body/message"));
    let binary = text_at(body, "/type").as_deref() == Some("mo_binary");
    let spoken = Spoken {
        id: filled_at(body, "/id"),
        from: filled_at(body, "/from"),
        to: text_at(body, "/to"),
        text: words.filter(|_| !binary),
        at: instant_at(body, "/received_at"),
        ..Spoken::default()
    };
    spoken.event(|| hash(body.to_string().as_bytes()))
}

/// A recipient's delivery report, as webhooks and the list show it; none for no news.
pub(crate) fn recipient_report(body: &Value) -> Option<InboundEvent> {
    let id = filled_at(body, "/batch_id").unwrap_or_default();
    let status = text_at(body, "/status").unwrap_or_default();
    let code = body.get("code").and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    let mut error = code.filter(|code| *code > 401).map(|code| provider_error(class_of(code), code, &status));
    // Case differs between the vendor's documents.
    let state = match status.to_ascii_lowercase().as_str() {
        "queued" => return None,
        "dispatched" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "failed" | "aborted" | "cancelled" => MessageState::Failed,
        "expired" => MessageState::Expired,
        "rejected" => MessageState::Rejected,
        // "May happen if the destination is an invalid MSISDN or an opted out subscriber": the person may have said no.
        "deleted" => {
            error = Some(provider_error(ErrorClass::OptedOut, "deleted", "deleted by the carrier"));
            MessageState::Rejected
        }
        "unknown" => MessageState::Unknown,
        _ => return Some(unreadable(id, None, None, "unknown status")),
    };
    Some(InboundEvent::Receipt(Receipt {
        message: text_at(body, "/client_reference").and_then(|r| r.parse().ok()),
        provider_id: id,
        state,
        error: error.filter(|_| !matches!(state, MessageState::Sent | MessageState::Delivered)),
        carrier_at: instant_at(body, "/operator_status_at").or_else(|| instant_at(body, "/at")),
    }))
}

#[cfg(test)]
mod tests;
