//! Requests and answers as Bird documents them.

use serde_json::json;

use super::*;
use crate::inbound::event::InboundEvent;
use crate::model::MessageState;
use crate::provider::faults::{connection, dispatch, given, now, said, shown};
use secrecy::SecretString;

fn bird() -> Bird {
    given(&[("url", "https://us1.platform.bird.com")], Bird::new)
}

#[test]
fn the_key_names_the_region() {
    let made = |key: &'static str, settings: &[(&str, &str)]| {
        let connection = connection("bird", settings);
        let secret = |_: &str| Some(SecretString::from(key));
        Bird::new(&Given { connection: &connection, secret: &secret }).map(|bird| bird.base)
    };
    assert_eq!(made("bk_eu1_abc", &[]), Ok("https://eu1.platform.bird.com".to_owned()));
    assert!(matches!(made("abc", &[]), Err(BuildError::Secret("api_key", _))));
    assert!(matches!(made("bk_evil.example/_x", &[]), Err(BuildError::Secret("api_key", _))));
    assert_eq!(made("abc", &[("url", "http://127.0.0.1:9")]), Ok("http://127.0.0.1:9".to_owned()));
    assert!(matches!(made("bk_eu1_a", &[("category", "spam")]), Err(BuildError::Setting("category", _))));
}

#[test]
fn a_message_becomes_json_under_its_idempotency_key() {
    let request = bird().submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://us1.platform.bird.com/v1/sms/messages");
    assert_eq!(request.headers["authorization"], "Bearer api_key");
    assert_eq!(request.headers["idempotency-key"], "07070707070707070707070707070707");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "from": "+18555550100", "to": "+12125550123", "category": "marketing",
        "text": "Your cart waits – reply STOP to opt out & end.",
        "metadata": {"consentry_message": "07070707070707070707070707070707"},
    });
    assert_eq!(body, expected);
}

#[test]
fn answers_become_outcomes() {
    let error = |kind: &str, code: &str| {
        format!(r#"{{"error":{{"type":"{kind}","code":"{code}","message":"about +12125550123"}}}}"#)
    };
    for (status, body, expected) in [
        (
            202,
            r#"{"id":"sms_01krdgeqcxet5s7t44vh8rt9mg","status":"accepted"}"#.to_owned(),
            "accepted sms_01krdgeqcxet5s7t44vh8rt9mg",
        ),
        (202, "{}".to_owned(), "unclear 202"),
        (422, error("validation", "SMSInvalidRecipient"), "rejected PermanentRecipient SMSInvalidRecipient"),
        (
            422,
            error("validation", "SMSSenderNotConfigured"),
            "rejected PermanentSender SMSSenderNotConfigured",
        ),
        (422, error("validation", "recipient_opted_out"), "rejected OptedOut recipient_opted_out"),
        (
            422,
            error("validation", "SMSUnsupportedFeature"),
            "rejected PermanentContent SMSUnsupportedFeature",
        ),
        (401, error("auth", "x"), "not taken PermanentAccount 401 None"),
        (402, error("billing", "x"), "not taken PermanentAccount 402 None"),
        (403, error("permission", "x"), "not taken PermanentAccount 403 None"),
        (409, error("conflict", "x"), "unclear 409"),
        (421, error("misdirected", "x"), "not taken PermanentAccount 421 None"),
        (429, error("rate_limit", "x"), "not taken Retryable 429 None"),
        (503, error("service_unavailable", "x"), "unclear 503"),
    ] {
        let handover = bird().submitted(&said(status, &body));
        assert_eq!(shown(&handover), expected, "{status} {body}");
        assert!(!format!("{handover:?}").contains("555"), "{handover:?}");
    }
}

#[test]
fn suppressions_and_messages_are_pulled() {
    let (bird, since) = (bird(), now());
    let lists = bird.lists(since, now()).expect("lists");
    assert_eq!(lists[0].uri.to_string(), "https://us1.platform.bird.com/v1/sms/suppressions?limit=100");
    assert_eq!(lists[1].uri.query(), Some("limit=100&created_after=2026-01-01T12%3A00%3A00Z"));
    let entry = |id: &str, at: &str| {
        format!(
            r#"{{"id":"{id}","destination":"+12125550123","originator":"+18555550100","reason":"keyword_stop","effective_at":"{at}"}}"#
        )
    };
    let body = |old: &str| {
        format!(
            r#"{{"data":[{},{}],"next_cursor":"c2"}}"#,
            entry("ssu_1", "2026-01-01T12:00:09Z"),
            entry("ssu_2", old)
        )
    };
    let page = bird.page(&lists[0], since, &said(200, &body("2026-01-01T12:00:01Z")), now()).expect("a page");
    let [InboundEvent::Text(text), InboundEvent::Text(_)] = &page.events[..] else {
        panic!("{:?}", page.events)
    };
    assert_eq!(
        (text.provider_id.as_str(), text.from.as_str(), text.to.as_str()),
        ("ssu_1", "+12125550123", "+18555550100")
    );
    assert_eq!(text.provider_flag.as_deref(), Some("STOP"));
    assert!(
        page.next.expect("another").uri.to_string().ends_with("suppressions?limit=100&starting_after=c2")
    );
    let last = bird.page(&lists[0], since, &said(200, &body("2026-01-01T11:59:59Z")), now()).expect("a page");
    assert_eq!((last.events.len(), last.next.is_none()), (1, true), "older ones are known");
    let messages = r#"{"data":[
        {"id":"sms_1","direction":"inbound","status":"received","from":"+12125550123","to":"+18555550100","text":"Stop","created_at":"2026-01-01T12:00:05Z"},
        {"id":"sms_2","direction":"outbound","status":"undelivered","from":"a","to":"b","metadata":{"consentry_message":"07070707070707070707070707070707"},
         "last_error":{"code":"recipient_opted_out","description":"d"},"created_at":"2026-01-01T12:00:05Z"}],"next_cursor":null}"#;
    let page = bird.page(&lists[1], since, &said(200, messages), now()).expect("a page");
    let [InboundEvent::Text(text), InboundEvent::Receipt(receipt)] = &page.events[..] else {
        panic!("{:?}", page.events)
    };
    assert_eq!(text.text, "Stop");
    assert_eq!(
        (receipt.state, receipt.error.as_ref().map(|e| e.class)),
        (MessageState::Rejected, Some(ErrorClass::OptedOut))
    );
    assert!(receipt.message.is_some() && page.next.is_none());
}
