//! Infobip's webhooks: up to 100 results a request, texts and receipts, proven by the subscription's `Basic` credentials.
//!
//! Its HMAC option is not offered here: neither the header nor what it covers is published.

use serde_json::Value;

use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{Webhook, filled_at, hash, instant_at, provider_error, text_at, unreadable};
use crate::provider::infobip::{error_class, state_of, status_class};

/// What a request says.
pub fn read(webhook: &Webhook) -> Vec<InboundEvent> {
    let body = serde_json::from_slice::<Value>(&webhook.body).ok();
    let Some(results) = body.as_ref().and_then(|b| b.get("results")).and_then(Value::as_array) else {
        return vec![unreadable(webhook.hash(), None, None, "the body has no results")];
    };
    let one = |r: &Value| if r.get("status").is_some() { receipt(r) } else { Some(text(r)) };
    results.iter().filter_map(one).collect()
}

/// A text. `cleanText` lacks the keyword, which may be the STOP: the whole text counts.
pub(crate) fn text(result: &Value) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(result, "/messageId"),
        from: filled_at(result, "/from"),
        to: text_at(result, "/to"),
        text: text_at(result, "/text"),
        at: instant_at(result, "/receivedAt"),
        ..Spoken::default()
    };
    spoken.event(|| hash(result.to_string().as_bytes()))
}

/// A receipt or an entry of the log; none for no news.
pub(crate) fn receipt(result: &Value) -> Option<InboundEvent> {
    let number =
        |pointer: &str| result.pointer(pointer).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let id = filled_at(result, "/messageId").unwrap_or_default();
    let (Some(group), Some(status)) = (number("/status/groupId"), number("/status/id")) else {
        return Some(unreadable(id, None, None, "a receipt without status"));
    };
    let state = state_of(group, status)?;
    let permanent = result.pointer("/error/permanent").and_then(Value::as_bool).unwrap_or(false);
    let told = number("/error/id").filter(|code| *code != 0);
    let error = match told {
        Some(code) => {
            let words = text_at(result, "/error/name").unwrap_or_default();
            Some(provider_error(error_class(code, permanent), code, &words))
        }
        None if group == 5 => {
            let words = text_at(result, "/status/name").unwrap_or_default();
            Some(provider_error(status_class(status), status, &words))
        }
        None => None,
    };
    // The id is ours already; callback data repeats it.
    let ours = text_at(result, "/callbackData").and_then(|r| r.parse().ok());
    Some(InboundEvent::Receipt(Receipt {
        message: ours.or_else(|| id.parse().ok()),
        provider_id: id,
        state,
        error,
        carrier_at: instant_at(result, "/doneAt"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::basic::Basic;
    use crate::inbound::testing::{authentic, post};
    use crate::model::outgoing::ErrorClass;
    use crate::model::{Instant, MessageState};

    const BASIC: [(&str, &str); 1] = [("authorization", "Basic Y2J1c2VyOmNiLXBAc3M6d29yZA==")];

    fn infobip() -> Basic {
        Basic { user: "cbuser".to_owned(), read }
    }

    #[test]
    fn credentials_are_the_proof() {
        let webhook = post("/h", &BASIC, "{}");
        assert!(authentic(&infobip(), &webhook, &["next", "cb-p@ss:word"], 0));
        assert!(!authentic(&infobip(), &webhook, &["cb-p@ss"], 0));
        assert!(!authentic(&infobip(), &post("/h", &[], "{}"), &["cb-p@ss:word"], 0));
    }

    #[test]
    fn many_results_and_both_kinds() {
        use MessageState::*;
        let id = "07070707070707070707070707070707";
        let receipt = |group: u32, status: u32, error: u32| {
            format!(
                r#"{{"messageId":"{id}","to":"1","doneAt":"2026-01-01T13:00:00.000+0100","status":{{"groupId":{group},"id":{status},"name":"N"}},"error":{{"id":{error},"name":"E","permanent":true}},"callbackData":"{id}"}}"#
            )
        };
        for (group, status, error, state, class) in [
            (1, 26, 0, None, None),
            (1, 7, 0, Some(Sent), None),
            (3, 5, 0, Some(Delivered), None),
            (3, 2, 0, Some(Sent), None),
            (2, 4, 603, Some(Undelivered), Some(ErrorClass::OptedOut)),
            (2, 9, 1, Some(Undelivered), Some(ErrorClass::PermanentRecipient)),
            (4, 15, 4101, Some(Expired), Some(ErrorClass::Retryable)),
            (4, 29, 0, Some(Unknown), None),
            (5, 10, 0, Some(Rejected), Some(ErrorClass::OptedOut)),
            (5, 6, 9_999, Some(Rejected), Some(ErrorClass::PermanentContent)),
        ] {
            let body = format!(r#"{{"results":[{}]}}"#, receipt(group, status, error));
            let events = read(&post("/h", &[], &body));
            let seen = events.first().map(|event| match event {
                InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
                other => panic!("{other:?}"),
            });
            assert_eq!(seen, state.map(|state| (state, class)), "{group} {status} {error}");
            if let [InboundEvent::Receipt(r)] = &events[..] {
                assert_eq!(
                    (r.message, r.carrier_at),
                    (id.parse().ok(), Instant::parse("2026-01-01T12:00:00Z").ok())
                );
            }
        }
        let text = r#"{"messageId":"i1","from":"12125550123","to":"18555550100","text":"STOP shop","cleanText":"shop","keyword":"STOP"}"#;
        let wordless = r#"{"messageId":"i2","from":"12125550124","to":"18555550100"}"#;
        let body = format!(r#"{{"results":[{text},{},{wordless}],"messageCount":3}}"#, receipt(3, 5, 0));
        let events = read(&post("/h", &[], &body));
        let [InboundEvent::Text(t), InboundEvent::Receipt(_), InboundEvent::Unreadable(u)] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((t.text.as_str(), u.from.as_deref()), ("STOP shop", Some("12125550124")));
        let odd = read(&post("/h", &[], "[]"));
        assert!(matches!(&odd[..], [InboundEvent::Unreadable(_)]));
    }
}
