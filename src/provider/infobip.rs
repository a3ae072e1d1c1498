//! Infobip SMS v3: `POST /sms/3/messages` (infobip.com/docs/api/channels/sms).
//!
//! The message id is ours: a second submission of it is refused as a duplicate, so that repeating is safe.

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, bare, seconds_left};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::event::InboundEvent;
use crate::inbound::infobip::{receipt, text};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};

/// Longest validity, seconds: 48 hours.
const VALIDITY: (i64, i64) = (1, 172_800);
/// Entries of a page.
const PAGE: usize = 200;
/// "Duplicate message id": the first submission was taken.
const DUPLICATE: u32 = 23;

/// One Infobip account.
pub struct Infobip {
    base: String,
    authorization: HeaderValue,
}

impl Infobip {
    /// An account from a connection: `url` (its own host name) and `api_key`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let url = given.setting("url")?;
        let authorization = given.authorization("App", "api_key")?;
        Ok(Self { base: given.base(url)?, authorization })
    }

    fn inbox(&self) -> Option<Outgoing> {
        let url = format!("{}/sms/1/inbox/reports", self.base);
        request::get(&url, &self.authorization, &[("limit", "200")])
    }

    fn logs(&self, since: Instant, cursor: Option<&str>) -> Option<Outgoing> {
        let since = since.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
        let mut query = vec![("sentSince", since.as_str()), ("limit", "200"), ("useCursor", "true")];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        request::get(&format!("{}/sms/3/logs", self.base), &self.authorization, &query)
    }
}

#[derive(Serialize)]
struct Submit<'a> {
    messages: [Message<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    sender: &'a str,
    destinations: [Destination<'a>; 1],
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
    webhooks: Webhooks,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination<'a> {
    to: &'a str,
    message_id: String,
}

#[derive(Serialize)]
struct Content<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    validity_period: Validity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validity {
    amount: i64,
    time_unit: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Webhooks {
    /// No address: one given with the message would carry no credentials, the account's subscription does.
    callback_data: String,
    content_type: &'static str,
}

#[derive(Deserialize)]
struct Answered {
    messages: Vec<Told>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(default)]
    message_id: String,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    group_id: u32,
    id: u32,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    results: Vec<Value>,
    #[serde(default)]
    cursor: Option<Cursor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Vendor for Infobip {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let id = dispatch.message().to_string();
        let seconds = seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1);
        let message = Message {
            sender: bare(dispatch.from()),
            destinations: [Destination {
                to: request::digits(dispatch).ok_or_else(reply::unaddressable)?,
                message_id: id.clone(),
            }],
            content: Content { text: dispatch.text() },
            options: seconds
                .map(|amount| Options { validity_period: Validity { amount, time_unit: "SECONDS" } }),
            webhooks: Webhooks { callback_data: id, content_type: "application/json" },
        };
        let url = format!("{}/sms/3/messages", self.base);
        request::post_json(&url, &self.authorization, &Submit { messages: [message] })
            .ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if status == 200 {
            let told =
                reply::json::<Answered>(said).and_then(|answered| answered.messages.into_iter().next());
            return match told {
                Some(told) => one(told),
                None => reply::unclear(said.status, "accepted without a message"),
            };
        }
        let words = reply::json::<Value>(said).map(|body| words_of(&body)).unwrap_or_default();
        match status {
            400 if !words.is_empty() => reply::refused(ErrorClass::PermanentContent, 400, &words, None),
            _ => reply::by_status(said),
        }
    }

    fn may_repeat(&self) -> bool {
        true
    }

    /// The inbox gives every text once: a crash between the pull of a page and its commit loses that page.
    fn tells_once(&self, asked: &Outgoing) -> bool {
        is_inbox(asked)
    }

    /// The inbox first: whoever said STOP there does not wait for a log of receipts.
    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.inbox(), self.logs(since, None)])
    }

    fn page(
        &self,
        request: &Outgoing,
        since: Instant,
        said: &Answer,
        _: Instant,
    ) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        if is_inbox(request) {
            // A full page: there are more, and the next question gives others.
            let next = if list.results.len() >= PAGE { self.inbox() } else { None };
            return Ok(Page { events: list.results.iter().map(text).collect(), next });
        }
        let events: Vec<InboundEvent> = list.results.iter().filter_map(receipt).collect();
        let cursor = list.cursor.and_then(|cursor| cursor.next_cursor).filter(|c| !c.is_empty());
        let next = cursor.filter(|_| !list.results.is_empty()).and_then(|c| self.logs(since, Some(&c)));
        Ok(Page { events, next })
    }
}

fn is_inbox(request: &Outgoing) -> bool {
    request.uri.path().ends_with("/inbox/reports")
}

/// One message's status in an answer of 200, which may still be a refusal.
fn one(told: Told) -> Handover {
    let Status { group_id, id, description } = told.status;
    match group_id {
        _ if id == DUPLICATE && !told.message_id.is_empty() => reply::accepted(told.message_id),
        0 | 1 | 3 if !told.message_id.is_empty() => reply::accepted(told.message_id),
        2 | 4 | 5 => reply::refused(status_class(id), id, &description, None),
        _ => reply::refused(ErrorClass::Ambiguous, id, "a status this provider does not document", None),
    }
}

/// The words of an error, in the old form and the new.
fn words_of(body: &Value) -> String {
    let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    at("/requestError/serviceException/text").or_else(|| at("/description")).unwrap_or_default()
}

/// What a status id means for us (infobip.com/docs/essentials/api-essentials/response-status-and-error-codes).
pub fn status_class(id: u32) -> ErrorClass {
    match id {
        // A do-not-disturb register, and a blocklist: somebody asked for no more texts.
        10 | 14 => ErrorClass::OptedOut,
        8 | 52 => ErrorClass::PermanentRecipient,
        11 | 13 => ErrorClass::PermanentSender,
        12 | 17 | 18 => ErrorClass::PermanentAccount,
        // 20: the flood filter counts by number and hour.
        15 | 20 | 21 => ErrorClass::Retryable,
        _ => ErrorClass::PermanentContent,
    }
}

/// What an error id of a receipt means for us; `permanent` is the provider's own word on those not listed.
pub fn error_class(id: u32, permanent: bool) -> ErrorClass {
    match id {
        573 | 603 | 2050 | 2052 => ErrorClass::OptedOut,
        1 | 9 | 11 | 13 | 629 | 3041 => ErrorClass::PermanentRecipient,
        488 | 571 | 572 | 594 => ErrorClass::PermanentSender,
        560 | 561 | 566 | 607 | 5492 => ErrorClass::PermanentContent,
        6 | 27 | 31 | 541 | 542 | 4098 | 4101 | 4202 => ErrorClass::Retryable,
        _ if permanent => ErrorClass::PermanentContent,
        _ => ErrorClass::Ambiguous,
    }
}

/// The state a status stands for; none: no news.
pub fn state_of(group: u32, id: u32) -> Option<MessageState> {
    match (group, id) {
        (1, 3 | 7) => Some(MessageState::Sent),
        (0 | 1, _) => None,
        (2, _) => Some(MessageState::Undelivered),
        // DELIVERED_TO_OPERATOR: the group says delivered, the handset has not said a word.
        (3, 2) => Some(MessageState::Sent),
        (3, _) => Some(MessageState::Delivered),
        (4, 29) => Some(MessageState::Unknown),
        (4, _) => Some(MessageState::Expired),
        (5, _) => Some(MessageState::Rejected),
        _ => Some(MessageState::Unknown),
    }
}

#[cfg(test)]
mod tests;
