//! What the virtual carrier's answers mean: taken, certainly not taken, or unclear.

use http::StatusCode;
use serde::Deserialize;

use crate::model::outgoing::ErrorClass;
use crate::provider::http::{Answer, HttpError};
use crate::provider::{Failure, Handover};

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Reads the answer to a submission.
///
/// The carrier documents 4xx and 503 as "not accepted". Everything else that is not a clean 202 may have been
/// accepted: 500 after the fact, a page of HTML from something in between, a body cut short.
pub fn submitted(said: &Answer) -> Handover {
    let status = said.status.as_u16();
    match status {
        202 => match serde_json::from_slice::<Accepted>(&said.body) {
            Ok(accepted) if !accepted.id.is_empty() => Handover::Accepted { ids: vec![accepted.id] },
            _ => unclear(status, "accepted without an id"),
        },
        429 | 503 => {
            let after = said.retry_after().and_then(|d| u32::try_from(d.as_secs()).ok());
            not_taken(ErrorClass::Retryable, code_of(said), after)
        }
        401 | 403 => not_taken(ErrorClass::PermanentAccount, code_of(said), None),
        400..=499 => {
            let code = code_of(said);
            Handover::Rejected(failure(class_of(&code), code, "the carrier refused it"))
        }
        _ => unclear(status, "not an answer this carrier documents"),
    }
}

/// Reads the lack of an answer.
pub fn not_answered(error: &HttpError) -> Handover {
    match error.may_have_been_sent() {
        false => Handover::NotTaken {
            failure: failure(ErrorClass::Retryable, "not_sent".to_owned(), &error.to_string()),
            after_seconds: None,
        },
        true => Handover::Unclear(failure(ErrorClass::Ambiguous, "no_answer".to_owned(), &error.to_string())),
    }
}

/// The address is nothing a carrier could reach.
pub fn unaddressable() -> Handover {
    let class = ErrorClass::PermanentRecipient;
    Handover::Rejected(failure(class, "not_a_number".to_owned(), "the address is not a telephone number"))
}

/// What an error code of the carrier means for us.
pub fn class_of(code: &str) -> ErrorClass {
    match code {
        "opted_out" => ErrorClass::OptedOut,
        "unknown_subscriber" => ErrorClass::PermanentRecipient,
        "sender_unregistered" => ErrorClass::PermanentSender,
        "absent_subscriber" | "validity_expired" => ErrorClass::Retryable,
        // What we do not know is not tried again with the same content.
        _ => ErrorClass::PermanentContent,
    }
}

fn code_of(said: &Answer) -> String {
    let code = serde_json::from_slice::<Refused>(&said.body).map(|r| r.error.code);
    code.unwrap_or_else(|_| said.status.as_u16().to_string()).chars().take(64).collect()
}

fn not_taken(class: ErrorClass, code: String, after_seconds: Option<u32>) -> Handover {
    Handover::NotTaken { failure: failure(class, code, "the carrier did not take it"), after_seconds }
}

fn unclear(status: u16, text: &str) -> Handover {
    let known =
        StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("unknown status");
    Handover::Unclear(failure(ErrorClass::Ambiguous, status.to_string(), &format!("{text} ({known})")))
}

fn failure(class: ErrorClass, code: String, text: &str) -> Failure {
    Failure { class, code, text: text.chars().take(200).collect() }
}
