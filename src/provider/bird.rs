//! Bird's platform API: `POST /v1/sms/messages` (docs.bird.com/api).
//!
//! `Idempotency-Key` makes a repeat harmless; metadata brings our reference back. A validity is a preview that ordinary
//! accounts are refused, so none is given.

use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request;
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::bird::{message, suppression};
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;

const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
/// Why a text is sent, where no template says so; the first is the default.
const CATEGORIES: [&str; 4] = ["marketing", "transactional", "service", "authentication"];
const PAGE: &str = "100";

/// One Bird workspace.
pub struct Bird {
    base: String,
    category: &'static str,
    authorization: HeaderValue,
}

impl Bird {
    /// A workspace from a connection: `api_key`, whose prefix names the region; also `category`, `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let key = given.secret("api_key")?;
        let usual =
            region_of(key.expose_secret()).map(|region| format!("https://{region}.platform.bird.com"));
        let base = match (usual, given.optional("url")) {
            (None, None) => {
                return Err(BuildError::Secret("api_key", "must begin with bk_ and a region, or url be set"));
            }
            (usual, _) => given.base(&usual.unwrap_or_default())?,
        };
        let authorization = given.authorization("Bearer", "api_key")?;
        Ok(Self { base, category: given.choice("category", &CATEGORIES)?, authorization })
    }

    fn list(&self, what: &str, since: Option<Instant>, cursor: Option<&str>) -> Option<Outgoing> {
        let since = since.map(|since| since.to_string());
        let mut query = vec![("limit", PAGE)];
        query.extend(since.as_deref().map(|since| ("created_after", since)));
        query.extend(cursor.map(|cursor| ("starting_after", cursor)));
        request::get(&format!("{}/v1/sms/{what}", self.base), &self.authorization, &query)
    }
}

/// `bk_{region}_…`
fn region_of(key: &str) -> Option<&str> {
    let (region, _) = key.strip_prefix("bk_").or_else(|| key.strip_prefix("bm_"))?.split_once('_')?;
    let fine = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fine.then_some(region)
}

#[derive(Serialize)]
struct Submit<'a> {
    from: &'a str,
    to: String,
    text: &'a str,
    category: &'static str,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    consentry_message: String,
}

#[derive(Deserialize)]
struct Taken {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Fault,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Value>,
    #[serde(default)]
    next_cursor: Option<String>,
}

impl Vendor for Bird {
    fn submit(&self, dispatch: &Dispatch, _: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            from: dispatch.from(),
            to: request::e164(dispatch).ok_or_else(reply::unaddressable)?,
            text: dispatch.text(),
            category: self.category,
            metadata: Metadata { consentry_message: dispatch.message().to_string() },
        };
        let url = format!("{}/v1/sms/messages", self.base);
        let key = HeaderValue::from_str(&dispatch.message().to_string()).map_err(|_| reply::unbuildable())?;
        let post = request::post_json(&url, &self.authorization, &body).ok_or_else(reply::unbuildable)?;
        Ok(post.header(IDEMPOTENCY, key))
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200..=202) {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.id.is_empty() => reply::accepted(taken.id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        let Some(Refused { error }) = reply::json::<Refused>(said) else { return reply::by_status(said) };
        match (status, error.kind.as_str()) {
            // The same key is under way or was used for something else: the first telling counts.
            (409, _) => reply::unclear(said.status, "a conflict under our key"),
            (421, _) => reply::refused(ErrorClass::PermanentAccount, 421, "another region's account", None),
            (400 | 412 | 413 | 422, _) => {
                reply::refused(request_class(&error.code), &error.code, &error.message, None)
            }
            (403, _) if class_of(&error.code) == ErrorClass::OptedOut => {
                reply::refused(ErrorClass::OptedOut, &error.code, &error.message, None)
            }
            _ => reply::by_status(said),
        }
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.list("suppressions", None, None), self.list("messages", Some(since), None)])
    }

    fn page(
        &self,
        request: &Outgoing,
        since: Instant,
        said: &Answer,
        _: Instant,
    ) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let cursor = list.next_cursor.filter(|cursor| !cursor.is_empty());
        if !request.uri.path().ends_with("/suppressions") {
            let next = cursor.and_then(|cursor| self.list("messages", Some(since), Some(&cursor)));
            return Ok(Page { events: list.data.iter().filter_map(message).collect(), next });
        }
        // The newest come first, and there is no filter by time.
        let at = |entry: &Value| crate::inbound::voice::instant_at(entry, "/effective_at");
        let fresh = |entry: &&Value| at(entry).is_none_or(|at| at >= since);
        let whole = list.data.iter().all(|entry| fresh(&entry));
        let events = list.data.iter().filter(fresh).map(|entry| suppression(entry, at(entry))).collect();
        let next = cursor.filter(|_| whole && !list.data.is_empty());
        Ok(Page { events, next: next.and_then(|cursor| self.list("suppressions", None, Some(&cursor))) })
    }
}

/// What a refused request means for us: its codes name resources, as in `SMSInvalidRecipient`.
fn request_class(code: &str) -> ErrorClass {
    match code {
        "SMSInvalidRecipient" => ErrorClass::PermanentRecipient,
        "SMSSenderNotConfigured" | "SenderCategoryNotPermitted" => ErrorClass::PermanentSender,
        other => match class_of(other) {
            // A refusal is a refusal, whatever it would mean in a receipt.
            ErrorClass::Ambiguous => ErrorClass::PermanentContent,
            class => class,
        },
    }
}

/// What the code of a failed message means for us.
pub fn class_of(code: &str) -> ErrorClass {
    match code {
        "recipient_opted_out" | "blocked_by_recipient" => ErrorClass::OptedOut,
        "invalid_destination" | "landline_unreachable" => ErrorClass::PermanentRecipient,
        "sender_unregistered" => ErrorClass::PermanentSender,
        "blocked_by_carrier" | "blocked_by_fraud_protection" | "content_rejected" => {
            ErrorClass::PermanentContent
        }
        "insufficient_balance" => ErrorClass::PermanentAccount,
        "unreachable" | "provider_unavailable" => ErrorClass::Retryable,
        _ => ErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests;
