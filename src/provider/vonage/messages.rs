//! The Messages API v1, for SMS.

use serde::{Deserialize, Serialize};

use super::{VALIDITY, Vonage};
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;
use crate::provider::http::{Answer, Outgoing};
use crate::provider::request::{self, bare, digits, seconds_left};
use crate::provider::{Dispatch, Handover, reply};

#[derive(Serialize)]
struct Submit<'a> {
    channel: &'static str,
    message_type: &'static str,
    from: &'a str,
    to: &'a str,
    text: &'a str,
    client_ref: String,
    sms: Sms,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

#[derive(Serialize)]
struct Sms {
    encoding_type: &'static str,
}

pub(super) fn submit(vonage: &Vonage, dispatch: &Dispatch, now: Instant) -> Option<Outgoing> {
    let body = Submit {
        channel: "sms",
        message_type: "text",
        from: bare(dispatch.from()),
        to: digits(dispatch)?,
        text: dispatch.text(),
        client_ref: dispatch.message().to_string(),
        sms: Sms { encoding_type: "auto" },
        ttl: seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1),
        webhook_url: vonage.callback.as_ref().map(|callback| callback.of(dispatch.message())),
    };
    request::post_json(&format!("{}/v1/messages", vonage.base), &vonage.authorization, &body)
}

#[derive(Deserialize)]
struct Taken {
    message_uuid: String,
}

/// A problem document (RFC 9457); the code stands behind the `#` of its type.
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    title: String,
}

pub(super) fn submitted(said: &Answer) -> Handover {
    let status = said.status.as_u16();
    if matches!(status, 200 | 202) {
        return match reply::json::<Taken>(said) {
            Some(taken) if !taken.message_uuid.is_empty() => reply::accepted(taken.message_uuid),
            _ => reply::unclear(said.status, "accepted without an id"),
        };
    }
    match reply::json::<Problem>(said) {
        Some(problem) if matches!(status, 400 | 403 | 422) => {
            match problem.kind.rsplit_once('#').map(|(_, code)| code).filter(|code| is_code(code)) {
                Some(code) => reply::refused(class_of(code), code, &problem.title, None),
                None if status == 403 => reply::by_status(said),
                None => reply::refused(ErrorClass::PermanentContent, status, &problem.title, None),
            }
        }
        _ => reply::by_status(said),
    }
}

fn is_code(text: &str) -> bool {
    (3..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// What an error code of this API means for us (developer.vonage.com/api-errors/messages).
pub fn class_of(code: &str) -> ErrorClass {
    match code {
        // 1050: barred at Vonage altogether. 1240: the person sent STOP.
        "1050" | "1240" => ErrorClass::OptedOut,
        "1170" | "1190" => ErrorClass::PermanentRecipient,
        "1120" => ErrorClass::PermanentSender,
        "1060" | "1070" | "1160" => ErrorClass::PermanentAccount,
        "1000" | "1180" | "1220" | "1230" | "1241" | "1260" => ErrorClass::Retryable,
        _ => ErrorClass::PermanentContent,
    }
}
