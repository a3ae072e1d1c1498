//! MessageBird's REST API, the older one of what is Bird now: `POST /messages` (developers.messagebird.com/api/sms-messaging).
//!
//! No idempotency; `reference` brings our reference back.

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{Page, Vendor, asked, listed};
use super::http::{Answer, Outgoing};
use super::registry::{BuildError, Given};
use super::request::{self, Callback, bare, seconds_left};
use super::{Dispatch, Handover, ReconcileError, reply};
use crate::inbound::messagebird::listed_text;
use crate::inbound::voice::instant_at;
use crate::model::Instant;
use crate::model::outgoing::ErrorClass;

/// Bounds of a validity, seconds.
const VALIDITY: (i64, i64) = (1, 172_800);
/// Entries of a page.
const PAGE: u64 = 200;

/// One MessageBird account.
pub struct MessageBird {
    base: String,
    authorization: HeaderValue,
    callback: Option<Callback>,
}

impl MessageBird {
    /// An account from a connection: `access_key`; also `url`.
    pub fn new(given: &Given<'_>) -> Result<Self, BuildError> {
        let authorization = given.authorization("AccessKey", "access_key")?;
        Ok(Self {
            base: given.base("https://rest.messagebird.com")?,
            authorization,
            callback: given.callback(),
        })
    }

    fn texts(&self, since: Instant, offset: u64) -> Option<Outgoing> {
        let since = since.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (offset, limit) = (offset.to_string(), PAGE.to_string());
        let query = [
            ("direction", "mo"),
            ("from", since.as_str()),
            ("limit", limit.as_str()),
            ("offset", offset.as_str()),
        ];
        request::get(&format!("{}/messages", self.base), &self.authorization, &query)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Submit<'a> {
    originator: &'a str,
    recipients: [&'a str; 1],
    body: &'a str,
    reference: String,
    datacoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    report_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity: Option<i64>,
}

#[derive(Deserialize)]
struct Taken {
    id: String,
}

#[derive(Deserialize)]
struct Refused {
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: u32,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    total_count: u64,
    #[serde(default)]
    items: Vec<Value>,
}

impl Vendor for MessageBird {
    fn submit(&self, dispatch: &Dispatch, now: Instant) -> Result<Outgoing, Handover> {
        let body = Submit {
            originator: bare(dispatch.from()),
            recipients: [request::digits(dispatch).ok_or_else(reply::unaddressable)?],
            body: dispatch.text(),
            reference: dispatch.message().to_string(),
            datacoding: "auto",
            report_url: self.callback.as_ref().map(|callback| callback.of(dispatch.message())),
            validity: seconds_left(dispatch, now, VALIDITY.0, VALIDITY.1),
        };
        let url = format!("{}/messages", self.base);
        request::post_json(&url, &self.authorization, &body).ok_or_else(reply::unbuildable)
    }

    fn submitted(&self, said: &Answer) -> Handover {
        let status = said.status.as_u16();
        if matches!(status, 200 | 201) {
            return match reply::json::<Taken>(said) {
                Some(taken) if !taken.id.is_empty() => reply::accepted(taken.id),
                _ => reply::unclear(said.status, "accepted without an id"),
            };
        }
        let fault = reply::json::<Refused>(said).and_then(|refused| refused.errors.into_iter().next());
        match fault {
            Some(fault) if matches!(status, 400 | 402 | 422) => {
                let class = request_class(fault.code, fault.parameter.as_deref());
                reply::refused(class, fault.code, &fault.description, None)
            }
            _ => reply::by_status(said),
        }
    }

    fn lists(&self, since: Instant, _: Instant) -> Result<Vec<Outgoing>, ReconcileError> {
        asked([self.texts(since, 0)])
    }

    fn page(&self, _: &Outgoing, since: Instant, said: &Answer, _: Instant) -> Result<Page, ReconcileError> {
        let list: List = listed(said)?;
        let more = !list.items.is_empty() && list.offset + PAGE < list.total_count;
        let next = if more { self.texts(since, list.offset + PAGE) } else { None };
        // The filter by time is not in every copy of the documentation; what is older is known.
        let fresh = |item: &&Value| instant_at(item, "/createdDatetime").is_none_or(|at| at >= since);
        Ok(Page { events: list.items.iter().filter(fresh).map(listed_text).collect(), next })
    }
}

/// What an error of a submission means for us.
fn request_class(code: u32, parameter: Option<&str>) -> ErrorClass {
    match (code, parameter) {
        (9 | 10, Some("recipients" | "recipient")) => ErrorClass::PermanentRecipient,
        (9 | 10, Some("originator")) => ErrorClass::PermanentSender,
        (2 | 25, _) => ErrorClass::PermanentAccount,
        (98 | 99, _) => ErrorClass::Ambiguous,
        _ => ErrorClass::PermanentContent,
    }
}

/// What the error code of a report means for us.
pub fn class_of(code: u32) -> ErrorClass {
    match code {
        103 => ErrorClass::OptedOut,
        1 | 5 | 12 => ErrorClass::PermanentRecipient,
        6 | 27 | 31..=34 => ErrorClass::Retryable,
        _ => ErrorClass::Ambiguous,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inbound::event::InboundEvent;
    use crate::provider::faults::{dispatch, given, now, said, shown};

    fn messagebird() -> MessageBird {
        given(&[], MessageBird::new)
    }

    #[test]
    fn a_message_becomes_json_with_our_reference() {
        let request = messagebird().submit(&dispatch(7), now()).expect("a request");
        assert_eq!(request.uri.to_string(), "https://rest.messagebird.com/messages");
        assert_eq!(request.headers["authorization"], "AccessKey access_key");
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let id = "07070707070707070707070707070707";
        let expected = json!({
            "originator": "18555550100", "recipients": ["12125550123"], "validity": 7200, "reference": id,
            "body": "Your cart waits – reply STOP to opt out & end.", "datacoding": "auto",
            "reportUrl": format!("https://gw.example.com/webhooks/main/path_token?ref={id}"),
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn answers_become_outcomes() {
        let error = |code: u32, parameter: &str| {
            format!(
                r#"{{"errors":[{{"code":{code},"description":"about 31612345678","parameter":"{parameter}"}}]}}"#
            )
        };
        for (status, body, expected) in [
            (
                201,
                r#"{"id":"e8077d803532c0b5937c639b60216938","recipients":{"totalCount":1}}"#.to_owned(),
                "accepted e8077d803532c0b5937c639b60216938",
            ),
            (201, "{}".to_owned(), "unclear 201"),
            (422, error(10, "recipients"), "rejected PermanentRecipient 10"),
            (422, error(9, "originator"), "rejected PermanentSender 9"),
            (422, error(21, ""), "rejected PermanentContent 21"),
            (402, error(25, ""), "not taken PermanentAccount 25 None"),
            (401, error(2, "access_key"), "not taken PermanentAccount 401 None"),
            (422, error(99, ""), "unclear 99"),
            (429, "{}".to_owned(), "not taken Retryable 429 None"),
            (500, error(99, ""), "unclear 500"),
        ] {
            let handover = messagebird().submitted(&said(status, &body));
            assert_eq!(shown(&handover), expected, "{status} {body}");
            assert!(!format!("{handover:?}").contains("3161"), "{handover:?}");
        }
    }

    #[test]
    fn texts_are_listed_page_by_page() {
        let (messagebird, since) = (messagebird(), now());
        let asked = messagebird.lists(since, now()).expect("a list").remove(0);
        assert_eq!(asked.uri.query(), Some("direction=mo&from=2026-01-01T12%3A00%3A00Z&limit=200&offset=0"));
        let body = r#"{"offset":0,"limit":200,"count":2,"totalCount":201,"items":[
            {"id":"i1","direction":"mo","originator":"12125550123","body":"STOP","createdDatetime":"2026-01-01T12:00:05+00:00",
             "recipients":{"items":[{"recipient":18555550100}]}},
            {"id":"i0","direction":"mo","originator":"1","body":"old","createdDatetime":"2025-01-01T12:00:05+00:00"}]}"#;
        let page = messagebird.page(&asked, since, &said(200, body), now()).expect("a page");
        let [InboundEvent::Text(text)] = &page.events[..] else { panic!("{:?}", page.events) };
        assert_eq!(
            (text.text.as_str(), text.from.as_str(), text.to.as_str()),
            ("STOP", "12125550123", "18555550100")
        );
        assert!(page.next.expect("another").uri.to_string().ends_with("offset=200"));
    }
}
