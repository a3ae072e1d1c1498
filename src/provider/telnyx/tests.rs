//! Requests and answers as Telnyx documents them.

use serde_json::{Value, json};

use super::*;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn telnyx(settings: &[(&str, &str)]) -> Telnyx {
    given(settings, Telnyx::new)
}

#[test]
fn a_message_becomes_json_under_its_idempotency_key() {
    let request = telnyx(&[("messaging_profile_id", "p1")]).submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://api.telnyx.com/v2/messages");
    assert_eq!(request.headers["authorization"], "Bearer api_key");
    assert_eq!(request.headers["idempotency-key"], "07070707070707070707070707070707");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "from": "+18555550100", "to": "+12125550123", "type": "SMS", "messaging_profile_id": "p1",
        "text": "Your cart waits – reply STOP to opt out & end.",
        "webhook_url": "https://gw.example.com/webhooks/main/path_token?ref=07070707070707070707070707070707",
    });
    assert_eq!(body, expected);
}

#[test]
fn answers_become_outcomes() {
    let error =
        |code: &str| format!(r#"{{"errors":[{{"code":"{code}","title":"t","detail":"to +12125550123"}}]}}"#);
    for (status, body, expected) in [
        (200, r#"{"data":{"id":"40385f64","to":[{"status":"queued"}]}}"#.to_owned(), "accepted 40385f64"),
        (200, r#"{"data":{"id":""}}"#.to_owned(), "unclear 200"),
        (400, error("40300"), "rejected OptedOut 40300"),
        (403, error("40300"), "rejected OptedOut 40300"),
        (403, error("40010"), "rejected PermanentSender 40010"),
        (403, error("10010"), "not taken PermanentAccount 403 None"),
        (400, error("40310"), "rejected PermanentRecipient 40310"),
        (400, error("40305"), "rejected PermanentSender 40305"),
        (422, error("10015"), "rejected PermanentContent 10015"),
        (400, error("40318"), "not taken Retryable 40318 None"),
        (401, error("10009"), "not taken PermanentAccount 401 None"),
        (429, error("10011"), "not taken Retryable 429 None"),
        (408, error("10008"), "unclear 408"),
        (500, error("10007"), "unclear 500"),
    ] {
        assert_eq!(shown(&telnyx(&[]).submitted(&said(status, &body))), expected, "{status} {body}");
    }
    let mut throttled = said(429, &error("10011"));
    throttled.headers.insert("x-ratelimit-reset", HeaderValue::from_static("3.2"));
    assert_eq!(shown(&telnyx(&[]).submitted(&throttled)), "not taken Retryable 429 Some(4)");
}

#[test]
fn the_opt_out_list_names_the_person_who_may_not_be_reached() {
    let telnyx = telnyx(&[]);
    let since = now();
    let asked = telnyx.lists(since, now()).expect("a list").remove(0);
    assert_eq!(
        asked.uri.query(),
        Some("created_at%5Bgte%5D=2026-01-01T12%3A00%3A00Z&page%5Bnumber%5D=1&page%5Bsize%5D=250")
    );
    let body = r#"{"data":[{"created_at":"2026-01-01T12:00:05Z","from":"+18555550100","to":"+12125550123",
        "keyword":"STOP","messaging_profile_id":"p1"}],"meta":{"page_number":1,"page_size":250,"total_pages":2,"total_results":251}}"#;
    let page = telnyx.page(&asked, since, &said(200, body), now()).expect("a page");
    let [InboundEvent::Text(text)] = page.events.as_slice() else { panic!("{:?}", page.events) };
    assert_eq!((text.from.as_str(), text.to.as_str()), ("+12125550123", "+18555550100"));
    assert_eq!(text.provider_flag.as_deref(), Some("STOP"));
    let next = page.next.expect("another").uri.to_string();
    assert!(next.contains("page%5Bnumber%5D=2"), "{next}");
    let last = body.replace("\"page_number\":1", "\"page_number\":2");
    assert!(telnyx.page(&asked, since, &said(200, &last), now()).expect("a page").next.is_none());
}
