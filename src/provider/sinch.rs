//! Sinch SMS: `POST /xms/v1/{service_plan_id}/batches` (developers.sinch.com/docs/sms/api-reference).
//!
//! No idempotency; `client_reference` brings our reference back. Receipts are keyed by batch and recipient; we send to one.

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback, bare};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::event::InboundEvent;
use crate::inbound::sinch::{recipient_report, text};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, Span};

/// Entries of a page; Sinch gives at most 100.
const PAGE: u64 = 100;
/// Latest `expire_at` after the sending.
const EXPIRY_MAX: Span = Span::days(3);
const REGIONS: [&str; 5] = ["us", "eu", "au", "br", "ca"];

/// One service plan.
pub struct Sinch {
    base: String,
    plan: String,
    authorization: HeaderValue,
    callback: Option<Callback>,
}

impl Sinch {
    /// A plan from a connection: `service_plan_id`, `api_token`; also `region`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let region = given.choice("region", &REGIONS)?;
        Ok(Self {
            base: given.base(&format!("https://{region}.sms.api.sinch.com"))?,
            plan: given.segment("service_plan_id")?.to_owned(),
            authorization: given.authorization("Bearer", "api_token")?,
            callback: given.callback(),
        })
    }

    fn url(&self, what: &str) -> String {
        format!("{}/xms/v1/{}/{what}", self.base, self.plan)
    }

    fn list(&self, what: &str, since: Instant, page: u64) -> Option<Outgoing> {
        let (since, page, size) = (since.to_string(), page.to_string(), PAGE.to_string());
        let query = [("start_date", since.as_str()), ("page", page.as_str()), ("page_size", size.as_str())];
        request::get(&self.url(what), &self.authorization, &query)
    }

    fn inbounds(&self, since: Instant, page: u64) -> Option<Outgoing> {
        self.list("inbounds", since, page)
    }

    fn reports(&self, since: Instant, page: u64) -> Option<Outgoing> {
        self.list("delivery_reports", since, page)
    }
}

#[derive(Serialize)]
struct Submit<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    from: &'a str,
    to: [&'a str; 1],
    body: &'a str,
    /// One callback a state, intermediate ones too.
    delivery_report: &'static str,
    client_reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<String>,
}

#[derive(Deserialize)]
struct Taken {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    page: u64,
    #[serde(default)]
    inbounds: Vec<Value>,
    #[serde(default)]
    delivery_reports: Vec<Value>,
}

impl Vendor for Sinch {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            kind: "mt_text",
            from: bare(dispatch.from()),
            to: [request::digits(dispatch).ok_or_else(reply::unaddressable)?],
            body: dispatch.text(),
            delivery_report: "per_recipient",
            client_reference: dispatch.message().to_string(),
            callback_url: self.callback.as_ref().map(|callback| callback.of(dispatch.message())),
            expire_at: dispatch.deliver_by().map(|by| by.min(now + EXPIRY_MAX).to_string()),
        };
        request::post_json(&self.url("batches"), &self.authorization, &body).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200 | 201) {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.id.is_empty() => reply::accepted(taken.id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        match reply::json::<Refused>(said) {
            Some(refused) if matches!(status, 400 | 403) => {
                reply::refused(request_class(status, &refused.code), &refused.code, &refused.text, None)
            }
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.inbounds(since, 0), self.reports(since, 0)])
    }

    fn page(
        &self,
        request: &Outgoing,
        since: Instant,
        said: &Answer,
        _: Instant,
    ) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let of_texts = request.uri.path().ends_with("/inbounds");
        let events: Vec<InboundEvent> = match of_texts {
            true => list.inbounds.iter().map(text).collect(),
            false => list.delivery_reports.iter().filter_map(recipient_report).collect(),
        };
        let seen = list.inbounds.len() + list.delivery_reports.len();
        let more = seen > 0 && (list.page + 1) * PAGE < list.count;
        let next = match more {
            true if of_texts => self.inbounds(since, list.page + 1),
            true => self.reports(since, list.page + 1),
            false => None,
        };
        Ok(Page { events, next })
    }
}

/// What an error of a submission means for us (developers.sinch.com/docs/sms/api-reference/status-codes).
fn request_class(status: u16, code: &str) -> ErrorClass {
    match code {
        "unauthorized" | "missing_callback_url" | "unknown_service_plan" => ErrorClass::PermanentAccount,
        // 403: the plan may not do this; nothing about the message can change it.
        _ if status == 403 => ErrorClass::PermanentAccount,
        _ => ErrorClass::PermanentContent,
    }
}

/// What the code of a delivery report means for us. There is none for an opt-out.
pub fn class_of(code: u32) -> ErrorClass {
    match code {
        402 | 405 | 411 | 414 | 415 | 416 | 418 => ErrorClass::PermanentContent,
        404 | 403 | 406 | 407 | 417 => ErrorClass::Retryable,
        408 | 410 => ErrorClass::PermanentSender,
        412 | 413 => ErrorClass::PermanentAccount,
        _ => ErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
