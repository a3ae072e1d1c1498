//! Twilio Programmable Messaging: `Messages.json` (twilio.com/docs/messaging/api/message-resource).
//!
//! No idempotency and no reference of ours: the callback's address carries the message id, and the signature covers it.

use http::HeaderValue;
use serde::Deserialize;

use super::account::{Page, Vendor, asked, listed, no_list};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback, basic};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::event::{InboundEvent, InboundText, Receipt};
use crate::inbound::twilio::{error_class, state_of};
use crate::model::Instant;
use crate::model::outgoing::ProviderError;

/// Bounds of `ValidityPeriod`, seconds.
const VALIDITY: (i64, i64) = (1, 36_000);
/// How Twilio is to repeat a callback that failed; by default it gives up after anything but a lost connection
/// (twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
const OVERRIDES: &str = "#rc=5&rp=all";

/// One Twilio account.
pub struct Twilio {
    base: String,
    account: String,
    service: Option<String>,
    authorization: HeaderValue,
    callback: Callback,
}

impl Twilio {
    /// An account from a connection: `account_sid`, `auth_token`; also `messaging_service_sid`, an API key, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let account = given.segment("account_sid")?.to_owned();
        let authorization = match given.optional("api_key_sid") {
            Some(key) => basic(key, &given.secret("api_key_secret")?),
            None => basic(&account, &given.secret("auth_token")?),
        };
        let service = given.optional("messaging_service_sid").map(str::to_owned);
        let base = given.base("https://api.twilio.com")?;
        Ok(Self { base, account, service, authorization, callback: given.needed_callback()? })
    }

    fn url(&self) -> String {
        format!("{}/2010-04-01/Accounts/{}/Messages.json", self.base, self.account)
    }
}

#[derive(Deserialize)]
struct Created {
    sid: String,
}

#[derive(Deserialize)]
struct Refused {
    code: u32,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct List {
    messages: Vec<Message>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    direction: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    body: Option<String>,
    status: String,
    #[serde(default)]
    error_code: Option<u32>,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    date_updated: Option<String>,
}

impl Vendor for Twilio {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let to = request::e164(dispatch).ok_or_else(reply::unaddressable)?;
        let callback = format!("{}{OVERRIDES}", self.callback.of(dispatch.message()));
        let validity = request::seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1).map(|s| s.to_string());
        let mut fields = vec![
            ("To", to.as_str()),
            ("From", dispatch.from()),
            ("Body", dispatch.text()),
            ("StatusCallback", &callback),
        ];
        // With both, the service sends from this very number.
        fields.extend(self.service.as_deref().map(|service| ("MessagingServiceSid", service)));
        fields.extend(validity.as_deref().map(|seconds| ("ValidityPeriod", seconds)));
        request::post_form(&self.url(), &self.authorization, &fields).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200 | 201) {
            return match reply::json::<Created>(said) {
                Some(created) if !created.sid.is_empty() => reply::accepted(created.sid),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        match reply::json::<Refused>(said) {
            // The account may not text this country; others it may.
            Some(told) if told.code == 21_408 => {
                reply::never(error_class(told.code), told.code, &told.message)
            }
            // 20429 and 429: "requests are not processed", twilio.com/docs/api/errors/20429.
            Some(told) if (400..500).contains(&status) && status != 429 => {
                let after = reply::after_seconds(said);
                reply::refused(error_class(told.code), told.code, &told.message, after)
            }
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        let from = format!("{:.0}", since.to_jiff());
        let query = [("DateSent>", from.as_str()), ("PageSize", "100")];
        asked([request::get(&self.url(), &self.authorization, &query)])
    }

    fn page(&self, _: &Outgoing, _: Instant, said: &Answer, now: Instant) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let next = match list.next_page_uri.filter(|next| !next.is_empty()) {
            None => None,
            // The next page is on the same account, or the account's token would go elsewhere.
            Some(next) if next.starts_with(&format!("/2010-04-01/Accounts/{}/", self.account)) => {
                request::get(&format!("{}{next}", self.base), &self.authorization, &[])
            }
            Some(_) => return no_list("the list's next page is not one of this account"),
        };
        Ok(Page { events: list.messages.into_iter().filter_map(|m| event(m, now)).collect(), next })
    }
}

/// A listed message as its webhook would have told it.
fn event(message: Message, now: Instant) -> Option<InboundEvent> {
    let at = message.date_updated.as_deref().and_then(rfc2822).filter(|at| *at <= now);
    if message.direction == "inbound" {
        return Some(InboundEvent::Text(InboundText {
            provider_id: message.sid,
            from: message.from.unwrap_or_default(),
            to: message.to.unwrap_or_default(),
            text: message.body.unwrap_or_default(),
            provider_flag: None,
            received_at: at,
            weak: false,
        }));
    }
    let code = message.error_code.filter(|code| *code != 0);
    let state = state_of(&message.status, code)??;
    let error = code.map(|code| ProviderError {
        class: error_class(code),
        code: code.to_string(),
        text: reply::masked(message.error_message.as_deref().unwrap_or_default()),
    });
    Some(InboundEvent::Receipt(Receipt {
        message: None,
        provider_id: message.sid,
        state,
        error,
        carrier_at: at,
    }))
}

/// `Thu, 01 Jan 2026 12:00:00 +0000`.
fn rfc2822(text: &str) -> Option<Instant> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| Instant::from_jiff(zoned.timestamp()))
}

#[cfg(test)]
mod tests;
