//! The SMS API: every answer is 200, one entry a part.

use serde::Deserialize;

use super::{VALIDITY, Vonage};
use crate::content::segments::segment;
use crate::model::Instant;
use crate::model::facts::Encoding;
use crate::model::outgoing::ErrorClass;
use crate::provider::http::{Answer, Outgoing};
use crate::provider::request::{self, bare, digits, seconds_left};
use crate::provider::{Dispatch, Handover, reply};

pub(super) fn submit(vonage: &Vonage, dispatch: &Dispatch, now: Instant) -> Option<Outgoing> {
    let reference = dispatch.message().to_string();
    // In milliseconds here, in seconds in the Messages API.
    let ttl = seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1).map(|s| (s * 1_000).to_string());
    // "text" garbles whatever is outside the GSM alphabet.
    let unicode = segment(dispatch.text()).encoding == Encoding::Ucs2;
    let mut fields = vec![
        ("from", bare(dispatch.from())),
        ("to", digits(dispatch)?),
        ("text", dispatch.text()),
        ("type", if unicode { "unicode" } else { "text" }),
        ("client-ref", &reference),
        ("status-report-req", "1"),
    ];
    fields.extend(ttl.as_deref().map(|ttl| ("ttl", ttl)));
    request::post_form(&format!("{}/sms/json", vonage.base), &vonage.authorization, &fields)
}

#[derive(Deserialize)]
struct Answered {
    messages: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    status: String,
    #[serde(rename = "message-id", default)]
    id: String,
    #[serde(rename = "error-text", default)]
    error: String,
}

pub(super) fn submitted(said: &Answer) -> Handover {
    let parts = match reply::json::<Answered>(said) {
        Some(answered) if said.status == 200 && !answered.messages.is_empty() => answered.messages,
        _ => return reply::by_status(said),
    };
    let taken: Vec<String> =
        parts.iter().filter(|p| p.status == "0" && !p.id.is_empty()).map(|p| p.id.clone()).collect();
    if taken.len() == parts.len() {
        return Handover::Accepted { ids: taken };
    }
    if let Some(part) = parts.iter().find(|p| p.status != "0") {
        if taken.is_empty() && part.status == "29" {
            // A trial account and a number that is not on its list.
            return reply::never(class_of(&part.status), &part.status, &part.error);
        }
        if taken.is_empty() {
            return reply::refused(class_of(&part.status), &part.status, &part.error, None);
        }
        // Some parts are on their way: a second try would show them twice.
        let text = format!("{} of {} parts taken: {}", taken.len(), parts.len(), part.error);
        return Handover::Unclear(reply::failure(ErrorClass::Ambiguous, &part.status, &text));
    }
    reply::unclear(said.status, "accepted without an id")
}

/// What a status of a submission means for us (developer.vonage.com/messaging/sms/guides/troubleshooting-sms).
pub fn class_of(status: &str) -> ErrorClass {
    match status {
        "1" | "10" => ErrorClass::Retryable,
        "5" => ErrorClass::Ambiguous,
        // Barred: Vonage keeps this number from being texted at all.
        "7" => ErrorClass::OptedOut,
        "6" | "33" => ErrorClass::PermanentRecipient,
        "15" => ErrorClass::PermanentSender,
        "4" | "8" | "9" | "11" | "14" | "23" | "29" | "32" => ErrorClass::PermanentAccount,
        _ => ErrorClass::PermanentContent,
    }
}

/// What the `err-code` of a receipt means for us (developer.vonage.com/messaging/sms/guides/delivery-receipts).
pub fn receipt_class(code: &str) -> ErrorClass {
    match code {
        // 53: India's registry holds no consent of this person.
        "9" | "53" => ErrorClass::OptedOut,
        "3" | "4" => ErrorClass::PermanentRecipient,
        "50" | "51" => ErrorClass::PermanentSender,
        "2" | "5" | "7" | "8" | "12" | "15" => ErrorClass::Retryable,
        "1" | "99" => ErrorClass::Ambiguous,
        _ => ErrorClass::PermanentContent,
    }
}
