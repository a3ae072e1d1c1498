//! Bandwidth Messaging v2: `POST /api/v2/users/{accountId}/messages` (dev.bandwidth.com/apis/messaging-apis/messaging).
//!
//! No idempotency; `tag` brings our reference back. Callbacks go to the application's address, not to one of a message.

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, basic};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::bandwidth::failed_as;
use crate::inbound::event::{InboundEvent, Receipt};
use crate::inbound::voice::{provider_error, unreadable};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};

/// Entries of a page.
const PAGE: &str = "500";

/// One Bandwidth account with one application.
pub struct Bandwidth {
    base: String,
    account: String,
    application: String,
    authorization: HeaderValue,
}

impl Bandwidth {
    /// An account from a connection: `account_id`, `application_id`, `api_user`, `api_password`; also `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        Ok(Self {
            base: given.base("https://messaging.bandwidth.com")?,
            account: given.segment("account_id")?.to_owned(),
            application: given.setting("application_id")?.to_owned(),
            authorization: basic(given.setting("api_user")?, &given.secret("api_password")?),
        })
    }

    fn url(&self) -> String {
        format!("{}/api/v2/users/{}/messages", self.base, self.account)
    }

    fn messages(&self, since: Instant, token: Option<&str>) -> Option<Outgoing> {
        let since = since.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let mut query = vec![("fromDateTime", since.as_str()), ("limit", PAGE)];
        query.extend(token.map(|token| ("pageToken", token)));
        request::get(&self.url(), &self.authorization, &query)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Submit<'a> {
    application_id: &'a str,
    from: &'a str,
    to: [String; 1],
    text: &'a str,
    tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
}

#[derive(Deserialize)]
struct Taken {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    page_info: PageInfo,
    messages: Vec<Message>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    source_tn: Option<String>,
    destination_tn: Option<String>,
    message_status: String,
    message_direction: String,
    #[serde(default)]
    error_code: Option<u32>,
    #[serde(default)]
    receive_time: Option<Instant>,
}

impl Vendor for Bandwidth {
    fn submit(&self, dispatch: &Dispatch, _: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            application_id: &self.application,
            from: dispatch.from(),
            to: [request::e164(dispatch).ok_or_else(reply::unaddressable)?],
            text: dispatch.text(),
            tag: dispatch.message().to_string(),
            expiration: dispatch
                .deliver_by()
                .map(|by| by.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        };
        request::post_json(&self.url(), &self.authorization, &body).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200..=202) {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.id.is_empty() => reply::accepted(taken.id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        match reply::json::<Refused>(said) {
            Some(refused) if status == 400 => {
                reply::refused(ErrorClass::PermanentContent, &refused.kind, &refused.description, None)
            }
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.messages(since, None)])
    }

    fn page(&self, _: &Outgoing, since: Instant, said: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let token = list.page_info.next_page_token.filter(|token| !token.is_empty());
        let next = token.and_then(|token| self.messages(since, Some(&token)));
        Ok(Page { events: list.messages.into_iter().filter_map(event).collect(), next })
    }
}

/// A listed message. The list holds no words: a text we did not hear may have been a STOP, so its sender is suspended
/// until somebody has looked it up.
fn event(message: Message) -> Option<InboundEvent> {
    if message.message_direction.eq_ignore_ascii_case("INBOUND") {
        let reason = "heard of in the provider's list alone, without its words";
        return Some(unreadable(message.message_id, message.source_tn, message.destination_tn, reason));
    }
    let code = message.error_code.filter(|code| *code != 0);
    let state = match message.message_status.to_ascii_uppercase().as_str() {
        "SENT" => MessageState::Sent,
        "DELIVERED" => MessageState::Delivered,
        "FAILED" | "UNDELIVERED" => code.map_or(MessageState::Undelivered, failed_as),
        _ => return None,
    };
    Some(InboundEvent::Receipt(Receipt {
        message: None,
        provider_id: message.message_id,
        state,
        error: code.map(|code| provider_error(class_of(code), code, &message.message_status)),
        carrier_at: message.receive_time,
    }))
}

/// What a Bandwidth error code means for us (dev.bandwidth.com/docs/messaging/errors).
pub fn class_of(code: u32) -> ErrorClass {
    match code {
        // 4482 and 4772: on a carrier's or Bandwidth's blocklist, most likely after an opt-out or a complaint.
        4775 | 4482 | 4772 => ErrorClass::OptedOut,
        4303 | 4404 | 4406 | 4720 | 4721 => ErrorClass::PermanentRecipient,
        4403 | 4405 | 4407 | 4740 | 4481 | 4773 | 4774 | 4795 => ErrorClass::PermanentSender,
        4301 | 4302 | 4470 | 4770 | 4771 => ErrorClass::PermanentContent,
        4360 | 4702 | 4780 | 4781 | 4785 | 5100 | 5101 | 5111 | 5211 | 5220 | 5600 => ErrorClass::Retryable,
        4000..=4999 => ErrorClass::PermanentContent,
        _ => ErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
