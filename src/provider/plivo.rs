//! Plivo: `POST /v1/Account/{auth_id}/Message/` (plivo.com/docs/messaging/api/message).
//!
//! No idempotency and no reference of ours: the callback's address carries the message id.

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback, bare, basic, seconds_left};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::event::{InboundEvent, Receipt};
use crate::inbound::plivo::state_of;
use crate::inbound::voice::{instant, provider_error, unreadable};
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;

/// Bounds of `message_expiry`, seconds.
const VALIDITY: (i64, i64) = (5, 10_800);
/// Entries of a page; Plivo gives at most 20.
const PAGE: u64 = 20;

/// One Plivo account.
pub struct Plivo {
    base: String,
    account: String,
    authorization: HeaderValue,
    callback: Callback,
}

impl Plivo {
    /// An account from a connection: `auth_id`, `auth_token`; also `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let account = given.segment("auth_id")?.to_owned();
        let authorization = basic(&account, &given.secret("auth_token")?);
        let base = given.base("https://api.plivo.com")?;
        Ok(Self { base, account, authorization, callback: given.needed_callback()? })
    }

    /// The slash at the end is part of the address.
    fn url(&self) -> String {
        format!("{}/v1/Account/{}/Message/", self.base, self.account)
    }

    fn messages(&self, since: Instant, offset: u64) -> Option<Outgoing> {
        let (since, offset, limit) =
            (since.to_jiff().strftime("%Y-%m-%d %H:%M:%S").to_string(), offset.to_string(), PAGE.to_string());
        let query =
            [("message_time__gte", since.as_str()), ("limit", limit.as_str()), ("offset", offset.as_str())];
        request::get(&self.url(), &self.authorization, &query)
    }
}

#[derive(Serialize)]
struct Submit<'a> {
    src: &'a str,
    dst: &'a str,
    text: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry: Option<i64>,
}

#[derive(Deserialize)]
struct Taken {
    message_uuid: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

#[derive(Deserialize)]
struct List {
    meta: Meta,
    objects: Vec<Message>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    next: Option<String>,
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize)]
struct Message {
    message_uuid: String,
    message_direction: String,
    message_state: String,
    #[serde(default)]
    message_time: String,
    #[serde(default)]
    from_number: Option<String>,
    #[serde(default)]
    to_number: Option<String>,
    #[serde(default)]
    error_code: Option<String>,
}

impl Vendor for Plivo {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            src: bare(dispatch.from()),
            dst: request::digits(dispatch).ok_or_else(reply::unaddressable)?,
            text: dispatch.text(),
            kind: "sms",
            url: self.callback.of(dispatch.message()),
            method: "POST",
            message_expiry: seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1),
        };
        request::post_json(&self.url(), &self.authorization, &body).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200 | 202) {
            let ids = reply::json::<Taken>(said).map(|taken| taken.message_uuid).unwrap_or_default();
            return match ids.into_iter().find(|id| !id.is_empty()) {
                Some(id) => reply::accepted(id),
                None => reply::unclear(said.status, "accepted without an id"),
            };
        }
        match reply::json::<Refused>(said) {
            // There are no codes here, only words; what they mean stands in the status.
            Some(refused) if status == 400 => {
                reply::refused(ErrorClass::PermanentContent, 400, &refused.error, None)
            }
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.messages(since, 0)])
    }

    fn page(&self, _: &Outgoing, since: Instant, said: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let next = list.meta.next.and_then(|_| self.messages(since, list.meta.offset + PAGE));
        Ok(Page { events: list.objects.into_iter().filter_map(event).collect(), next })
    }
}

/// A listed message. The list holds no words: a text we did not hear may have been a STOP, so its sender is suspended
/// until somebody has looked it up.
fn event(message: Message) -> Option<InboundEvent> {
    if message.message_direction == "inbound" {
        let reason = "heard of in the provider's list alone, without its words";
        return Some(unreadable(message.message_uuid, message.from_number, message.to_number, reason));
    }
    let code = message.error_code.filter(|code| !matches!(code.as_str(), "" | "0" | "000"));
    let class = code.as_deref().map(class_of);
    let state = state_of(&message.message_state, class, code.as_deref())??;
    let at = message.message_time.replacen(' ', "T", 1).replace(' ', "");
    Some(InboundEvent::Receipt(Receipt {
        message: None,
        provider_id: message.message_uuid,
        state,
        error: code.map(|code| provider_error(class_of(&code), code, &message.message_state)),
        carrier_at: instant(&at),
    }))
}

/// What a Plivo error code means for us (plivo.com/docs/messaging/troubleshooting/error-codes).
pub fn class_of(code: &str) -> ErrorClass {
    match code.parse::<u32>().unwrap_or(u32::MAX) {
        200 => ErrorClass::OptedOut,
        50 | 70 => ErrorClass::PermanentRecipient,
        40 => ErrorClass::PermanentSender,
        10 | 30 | 60 | 90 | 100 | 110 | 201 => ErrorClass::PermanentContent,
        450 | 900 | 910 => ErrorClass::PermanentAccount,
        20 | 80 | 300 | 420 => ErrorClass::Retryable,
        // Registration of US numbers and campaigns.
        950..=999 => ErrorClass::PermanentSender,
        _ => ErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
