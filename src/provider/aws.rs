//! AWS End User Messaging SMS: `PinpointSMSVoiceV2.SendTextMessage` (docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2).
//!
//! No idempotency; `Context` brings our reference back in events. Client faults are 400, throttling too, so the type of
//! the fault says what it is.

pub mod sigv4;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sigv4::{Credentials, Signed};

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, credential, seconds_left, uri};
use super::{Dispatch, Failure, Handover, ReconcileError, reply};
use crate::inbound::event::{InboundEvent, InboundText};
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const JSON: &str = "application/x-amz-json-1.0";
/// Bounds of `TimeToLive`, seconds.
const VALIDITY: (i64, i64) = (5, 259_200);
const TYPES: [&str; 2] = ["PROMOTIONAL", "TRANSACTIONAL"];
/// Entries of a page.
const PAGE: u32 = 100;

/// One AWS account in one region.
pub struct Aws {
    base: String,
    region: String,
    key_id: String,
    secret: SecretString,
    session: Option<SecretString>,
    configuration_set: String,
    message_type: &'static str,
    opt_out_lists: Vec<String>,
}

impl Aws {
    /// An account from a connection: `region`, `access_key_id`, `secret_access_key`, `configuration_set` (without it
    /// there are no receipts); also `session_token`, `message_type`, `opt_out_lists`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let region = given.segment("region")?.to_owned();
        let lists = given.optional("opt_out_lists").unwrap_or("Default");
        Ok(Self {
            base: given.base(&format!("https://sms-voice.{region}.amazonaws.com"))?,
            region,
            key_id: given.segment("access_key_id")?.to_owned(),
            secret: given.secret("secret_access_key")?,
            session: (given.secret)("session_token"),
            configuration_set: given.setting("configuration_set")?.to_owned(),
            message_type: given.choice("message_type", &TYPES)?,
            opt_out_lists: lists.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// A signed call of an operation.
    fn call(&self, operation: &str, body: &impl Serialize, now: Instant) -> Option<Outgoing> {
        let uri = uri(&format!("{}/", self.base))?;
        let host = uri.authority()?.to_string();
        let target = format!("PinpointSMSVoiceV2.{operation}");
        let body = serde_json::to_vec(body).ok()?;
        let date = now.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string();
        let session = self.session.as_ref().map(|session| session.expose_secret());
        let mut headers = vec![
            ("content-type", JSON),
            ("host", host.as_str()),
            ("x-amz-date", date.as_str()),
            ("x-amz-target", target.as_str()),
        ];
        if let Some(session) = session {
            headers.insert(3, ("x-amz-security-token", session));
        }
        let signed = Signed { method: "POST", path: "/", query: "", headers: &headers, body: &body };
        let keys = Credentials {
            key_id: &self.key_id,
            secret: self.secret.expose_secret(),
            region: &self.region,
            service: "sms-voice",
        };
        let authorization = credential(&sigv4::authorization(&signed, &keys, &date))?;
        let mut post = Outgoing::post(uri, JSON, body)
            .header(CONTENT_TYPE, HeaderValue::from_static(JSON))
            .header(TARGET, HeaderValue::from_str(&target).ok()?)
            .header(DATE, HeaderValue::from_str(&date).ok()?)
            .header(AUTHORIZATION, authorization);
        if let Some(session) = session {
            post = post.header(TOKEN, credential(session)?);
        }
        Some(post)
    }

    fn opt_outs(&self, list: &str, token: Option<String>, now: Instant) -> Option<Outgoing> {
        let body = Describe { opt_out_list_name: list, max_results: PAGE, next_token: token };
        self.call("DescribeOptedOutNumbers", &body, now)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Submit<'a> {
    destination_phone_number: String,
    origination_identity: &'a str,
    message_body: &'a str,
    message_type: &'static str,
    configuration_set_name: &'a str,
    context: Context,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_live: Option<i64>,
}

#[derive(Serialize)]
struct Context {
    consentry_message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Describe<'a> {
    opt_out_list_name: &'a str,
    max_results: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Taken {
    message_id: String,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "__type")]
    kind: String,
    #[serde(rename = "Message", alias = "message", default)]
    message: String,
    #[serde(rename = "Reason", default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptOuts {
    #[serde(default)]
    opt_out_list_name: String,
    #[serde(default)]
    opted_out_numbers: Vec<OptOut>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OptOut {
    opted_out_number: String,
    /// Seconds since 1970, with a fraction.
    opted_out_timestamp: f64,
}

/// The fault by which AWS asks to slow down.
const THROTTLING: &str = "ThrottlingException";

impl Vendor for Aws {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            destination_phone_number: request::e164(dispatch).ok_or_else(reply::unaddressable)?,
            origination_identity: dispatch.from(),
            message_body: dispatch.text(),
            message_type: self.message_type,
            configuration_set_name: &self.configuration_set,
            context: Context { consentry_message: dispatch.message().to_string() },
            time_to_live: seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1),
        };
        self.call("SendTextMessage", &body, now).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if status == 200 {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.message_id.is_empty() => reply::accepted(taken.message_id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        match reply::json::<Refused>(said) {
            Some(refused) if matches!(status, 400 | 403 | 429) => {
                // `com.amazonaws.pinpointsmsvoicev2#ConflictException`, or the last part alone.
                let kind = refused.kind.rsplit('#').next().unwrap_or_default();
                let reason = refused.reason.as_deref().unwrap_or_default();
                let code = if reason.is_empty() { kind } else { reason };
                let after = reply::after_seconds(said);
                if reason == "DESTINATION_PHONE_NUMBER_NOT_VERIFIED" {
                    return reply::never(class_of(kind, reason), code, &refused.message);
                }
                reply::refused(class_of(kind, reason), code, &refused.message, after)
            }
            _ => reply::by_status(said),
        }
    }

    fn throttles(&self, said: &Answer, failure: &Failure) -> bool {
        said.status == http::StatusCode::TOO_MANY_REQUESTS || failure.code == THROTTLING
    }

    /// Throttling is a 400 here.
    fn throttles_lists(&self, said: &Answer) -> bool {
        let named = || reply::json::<Refused>(said).is_some_and(|refused| refused.kind.ends_with(THROTTLING));
        said.status == http::StatusCode::TOO_MANY_REQUESTS || named()
    }

    fn lists(&self, _: Instant, now: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked(self.opt_out_lists.iter().map(|list| self.opt_outs(list, None, now)))
    }

    fn page(
        &self,
        _: &Outgoing,
        since: Instant,
        said: &Answer,
        now: Instant,
    ) -> Result<Page, ReconcileError> {
        let list: OptOuts = listed(said)?;
        let events =
            list.opted_out_numbers.iter().filter_map(|o| event(&list.opt_out_list_name, o, since)).collect();
        let token = list.next_token.filter(|token| !token.is_empty());
        let next = token.and_then(|token| self.opt_outs(&list.opt_out_list_name, Some(token), now));
        Ok(Page { events, next })
    }
}

/// A number on an opt-out list; the list does not say which of our numbers the STOP went to.
fn event(list: &str, opt_out: &OptOut, since: Instant) -> Option<InboundEvent> {
    let at = Instant::from_micros((opt_out.opted_out_timestamp * 1e6) as i64);
    (at >= since).then(|| {
        InboundEvent::Text(InboundText {
            provider_id: format!("optout:{list}:{}:{at}", opt_out.opted_out_number),
            from: opt_out.opted_out_number.clone(),
            to: String::new(),
            text: "STOP".to_owned(),
            provider_flag: Some("STOP".to_owned()),
            received_at: Some(at),
            weak: false,
        })
    })
}

/// What a fault of this type and reason means for us (botocore's model of `pinpoint-sms-voice-v2`).
pub fn class_of(kind: &str, reason: &str) -> ErrorClass {
    match (kind, reason) {
        (_, "DESTINATION_PHONE_NUMBER_OPTED_OUT") => ErrorClass::OptedOut,
        (
            _,
            "NO_ORIGINATION_IDENTITIES_FOUND"
            | "RESOURCE_NOT_ACTIVE"
            | "NUMBER_CAPABILITIES_MISMATCH"
            | "MESSAGE_TYPE_MISMATCH"
            | "SENDER_ID_NOT_REGISTERED"
            | "SENDER_ID_NOT_SUPPORTED"
            | "SENDER_ID_REQUIRES_REGISTRATION"
            | "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        )
        | ("ResourceNotFoundException", _) => ErrorClass::PermanentSender,
        (THROTTLING, _) => ErrorClass::Retryable,
        ("InternalServerException", _) => ErrorClass::Ambiguous,
        (
            "ServiceQuotaExceededException"
            | "AccessDeniedException"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "ExpiredTokenException"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignatureException"
            | "OptInRequired",
            _,
        )
        // In the sandbox only verified numbers may be texted.
        | (_, "DESTINATION_PHONE_NUMBER_NOT_VERIFIED") => ErrorClass::PermanentAccount,
        _ => ErrorClass::PermanentContent,
    }
}

#[cfg(test)]
mod tests;
