//! Requests and answers as Plivo documents them.

use serde_json::{Value, json};

use super::*;
use crate::model::MessageState;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn plivo() -> Plivo {
    given(&[("auth_id", "MA1")], Plivo::new)
}

#[test]
fn a_message_becomes_json_with_our_id_in_the_callback() {
    let request = plivo().submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://api.plivo.com/v1/Account/MA1/Message/");
    assert_eq!(request.headers["authorization"], "Basic TUExOmF1dGhfdG9rZW4=");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "src": "18555550100", "dst": "12125550123", "type": "sms", "method": "POST", "message_expiry": 7200,
        "text": "Your cart waits – reply STOP to opt out & end.",
        "url": "https://gw.example.com/webhooks/main/path_token?ref=07070707070707070707070707070707",
    });
    assert_eq!(body, expected);
}

#[test]
fn answers_become_outcomes() {
    for (status, body, expected) in [
        (202, r#"{"api_id":"x","message":"message(s) queued","message_uuid":["u1"]}"#, "accepted u1"),
        (202, r#"{"api_id":"x","message_uuid":[]}"#, "unclear 202"),
        (400, r#"{"api_id":"x","error":"src is invalid: 18555550100"}"#, "rejected PermanentContent 400"),
        (401, "Could not verify your access level", "not taken PermanentAccount 401 None"),
        (404, r#"{"error":"not found"}"#, "not taken PermanentAccount 404 None"),
        (429, r#"{"error":"slow down"}"#, "not taken Retryable 429 None"),
        (500, r#"{"error":"oops"}"#, "unclear 500"),
    ] {
        let handover = plivo().submitted(&said(status, body));
        assert_eq!(shown(&handover), expected, "{status} {body}");
        assert!(!format!("{handover:?}").contains("555"), "{handover:?}");
    }
}

#[test]
fn the_list_tells_of_texts_without_their_words() {
    let (plivo, since) = (plivo(), now());
    let asked = plivo.lists(since, now()).expect("a list").remove(0);
    assert_eq!(asked.uri.query(), Some("message_time__gte=2026-01-01+12%3A00%3A00&limit=20&offset=0"));
    let body = r#"{"api_id":"x","meta":{"limit":20,"next":"/v1/Account/MA1/Message/?limit=20&offset=20","offset":0,"previous":null,"total_count":21},
        "objects":[
        {"message_uuid":"u1","message_direction":"inbound","message_state":"delivered","from_number":"12125550123","to_number":"18555550100","message_time":"2026-01-01 12:00:05+00:00","error_code":null},
        {"message_uuid":"u2","message_direction":"outbound","message_state":"undelivered","error_code":"200","message_time":"2026-01-01 12:00:06+00:00"},
        {"message_uuid":"u3","message_direction":"outbound","message_state":"queued","error_code":"000","message_time":""}]}"#;
    let page = plivo.page(&asked, since, &said(200, body), now()).expect("a page");
    let [InboundEvent::Unreadable(text), InboundEvent::Receipt(receipt)] = page.events.as_slice() else {
        panic!("{:?}", page.events)
    };
    assert_eq!((text.provider_id.as_str(), text.from.as_deref()), ("u1", Some("12125550123")));
    assert_eq!(receipt.state, MessageState::Rejected);
    assert_eq!(receipt.error.as_ref().map(|e| e.class), Some(ErrorClass::OptedOut));
    assert_eq!(receipt.carrier_at, Instant::parse("2026-01-01T12:00:06Z").ok());
    assert!(page.next.expect("another").uri.to_string().ends_with("offset=20"));
}
