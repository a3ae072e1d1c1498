//! Telnyx Messaging v2: `POST /v2/messages` (developers.telnyx.com/api/messaging/send-message).
//!
//! `Idempotency-Key` makes a repeat harmless. No validity: a queued message is dropped after four hours.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::event::{InboundEvent, InboundText};
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;

const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
/// Entries of one page of opt-outs.
const PAGE: u32 = 250;

/// One Telnyx account.
pub struct Telnyx {
    base: String,
    profile: Option<String>,
    authorization: HeaderValue,
    callback: Option<Callback>,
}

impl Telnyx {
    /// An account from a connection: `api_key`; also `messaging_profile_id`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let authorization = given.authorization("Bearer", "api_key")?;
        Ok(Self {
            base: given.base("https://api.telnyx.com")?,
            profile: given.optional("messaging_profile_id").map(str::to_owned),
            authorization,
            callback: given.callback(),
        })
    }

    fn opt_outs(&self, since: Instant, page: u32) -> Option<Outgoing> {
        let (since, number, size) = (since.to_string(), page.to_string(), PAGE.to_string());
        let mut query = vec![
            ("created_at[gte]", since.as_str()),
            ("page[number]", number.as_str()),
            ("page[size]", size.as_str()),
        ];
        query.extend(self.profile.as_deref().map(|profile| ("filter[messaging_profile_id]", profile)));
        request::get(&format!("{}/v2/messaging_optouts", self.base), &self.authorization, &query)
    }
}

#[derive(Serialize)]
struct Submit<'a> {
    from: &'a str,
    to: String,
    text: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_profile_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

#[derive(Deserialize)]
struct Taken {
    data: TakenData,
}

#[derive(Deserialize)]
struct TakenData {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: String,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct OptOuts {
    data: Vec<OptOut>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize)]
struct OptOut {
    created_at: Option<Instant>,
    from: Option<String>,
    to: Option<String>,
    keyword: Option<String>,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    page_number: u32,
    #[serde(default)]
    total_pages: u32,
}

impl Vendor for Telnyx {
    fn submit(&self, dispatch: &Dispatch, _: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            from: dispatch.from(),
            to: request::e164(dispatch).ok_or_else(reply::unaddressable)?,
            text: dispatch.text(),
            kind: "SMS",
            messaging_profile_id: self.profile.as_deref(),
            webhook_url: self.callback.as_ref().map(|callback| callback.of(dispatch.message())),
        };
        let url = format!("{}/v2/messages", self.base);
        let key = HeaderValue::from_str(&dispatch.message().to_string()).map_err(|_| reply::unbuildable())?;
        let post = request::post_json(&url, &self.authorization, &body).ok_or_else(reply::unbuildable)?;
        Ok(post.header(IDEMPOTENCY, key))
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200..=202) {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.data.id.is_empty() => reply::accepted(taken.data.id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        let fault = reply::json::<Refused>(said).and_then(|refused| refused.errors.into_iter().next());
        match fault {
            // Codes of messaging are about the message, whatever the status; others with 401 and 403 about the account.
            Some(fault)
                if fault.code.starts_with("40") && matches!(status, 400..=407 | 410..=428)
                    || matches!(status, 400 | 406 | 410..=428) =>
            {
                let after = reply::after_seconds(said);
                reply::refused(class_of(&fault.code), fault.code, &fault.title, after)
            }
            Some(_) if status == 429 => {
                let after = reply::after_seconds(said).or_else(|| reset_seconds(said));
                reply::refused(ErrorClass::Retryable, 429, "too many requests", after)
            }
            _ => reply::by_status(said),
        }
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.opt_outs(since, 1)])
    }

    fn page(&self, _: &Outgoing, since: Instant, said: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        let list: OptOuts = listed(said)?;
        let next = match list.meta.page_number < list.meta.total_pages {
            true => self.opt_outs(since, list.meta.page_number.max(1) + 1),
            false => None,
        };
        Ok(Page { events: list.data.into_iter().filter_map(event).collect(), next })
    }
}

/// `x-ratelimit-reset`: seconds until the account may go on.
fn reset_seconds(said: &Answer) -> Option<u32> {
    let text = said.headers.get("x-ratelimit-reset")?.to_str().ok()?;
    text.trim().parse::<f64>().ok().filter(|s| (0.0..86_400.0).contains(s)).map(|s| s.ceil() as u32)
}

/// A block that a STOP made. `from` is our sender and `to` the person: the direction of the messages it stops.
fn event(block: OptOut) -> Option<InboundEvent> {
    let (ours, person) = (block.from.unwrap_or_default(), block.to?);
    let at = block.created_at.map(|at| at.to_string()).unwrap_or_default();
    Some(InboundEvent::Text(InboundText {
        provider_id: format!("optout:{ours}:{person}:{at}"),
        from: person,
        to: ours,
        text: block.keyword.unwrap_or_else(|| "STOP".to_owned()),
        provider_flag: Some("STOP".to_owned()),
        received_at: block.created_at,
        weak: false,
    }))
}

/// What a Telnyx error code means for us (developers.telnyx.com/docs/messaging/messages/error-codes). One that is not
/// listed is not tried again.
pub fn class_of(code: &str) -> ErrorClass {
    match code {
        "40300" => ErrorClass::OptedOut,
        "40001" | "40310" | "10002" | "10016" => ErrorClass::PermanentRecipient,
        "40003" | "40010" | "40013" | "40305" | "40308" | "40315" | "10001" => ErrorClass::PermanentSender,
        "10009" | "10010" | "40312" | "40314" => ErrorClass::PermanentAccount,
        "40005" | "40006" | "40008" | "40011" | "40318" | "10011" => ErrorClass::Retryable,
        // "Unexpected error" and "request timeout" do not say whether anything was sent.
        "10007" | "10008" => ErrorClass::Ambiguous,
        _ => ErrorClass::PermanentContent,
    }
}

#[cfg(test)]
mod tests;
