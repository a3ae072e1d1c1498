//! Requests and answers as Bandwidth documents them.

use serde_json::{Value, json};

use super::*;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn bandwidth() -> Bandwidth {
    let settings = [("account_id", "900000"), ("application_id", "app-1"), ("api_user", "user")];
    given(&settings, Bandwidth::new)
}

#[test]
fn a_message_becomes_json_with_our_tag() {
    let request = bandwidth().submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://messaging.bandwidth.com/api/v2/users/900000/messages");
    assert_eq!(request.headers["authorization"], "Basic dXNlcjphcGlfcGFzc3dvcmQ=");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "applicationId": "app-1", "from": "+18555550100", "to": ["+12125550123"],
        "text": "Your cart waits – reply STOP to opt out & end.",
        "tag": "07070707070707070707070707070707", "expiration": "2026-01-01T14:00:00Z",
    });
    assert_eq!(body, expected);
}

#[test]
fn answers_become_outcomes() {
    for (status, body, expected) in [
        (
            202,
            r#"{"id":"1589228074636lm4k2je7j7jklbn2","segmentCount":1}"#,
            "accepted 1589228074636lm4k2je7j7jklbn2",
        ),
        (202, "{}", "unclear 202"),
        (
            400,
            r#"{"type":"bad-request","description":"to +12125550123 is invalid"}"#,
            "rejected PermanentContent bad-request",
        ),
        (401, r#"{"type":"unauthorized","description":""}"#, "not taken PermanentAccount 401 None"),
        (403, r#"{"type":"forbidden","description":""}"#, "not taken PermanentAccount 403 None"),
        (
            429,
            r#"{"type":"max-message-queue-size-exceeded","description":""}"#,
            "not taken Retryable 429 None",
        ),
        (500, r#"{"type":"internal-server-error","description":""}"#, "unclear 500"),
    ] {
        let handover = bandwidth().submitted(&said(status, body));
        assert_eq!(shown(&handover), expected, "{status} {body}");
        assert!(!format!("{handover:?}").contains("555"), "{handover:?}");
    }
}

#[test]
fn the_list_tells_of_texts_without_their_words() {
    let (bandwidth, since) = (bandwidth(), now());
    let asked = bandwidth.lists(since, now()).expect("a list").remove(0);
    assert_eq!(asked.uri.query(), Some("fromDateTime=2026-01-01T12%3A00%3A00.000Z&limit=500"));
    let body = r#"{"totalCount":3,"pageInfo":{"nextPageToken":"tok 1"},"messages":[
        {"messageId":"m1","messageDirection":"INBOUND","messageStatus":"RECEIVED","sourceTn":"+12125550123","destinationTn":"+18555550100"},
        {"messageId":"m2","messageDirection":"OUTBOUND","messageStatus":"FAILED","errorCode":4775,"receiveTime":"2026-01-01T12:00:05.000Z"},
        {"messageId":"m3","messageDirection":"OUTBOUND","messageStatus":"QUEUED"}]}"#;
    let page = bandwidth.page(&asked, since, &said(200, body), now()).expect("a page");
    let [InboundEvent::Unreadable(text), InboundEvent::Receipt(receipt)] = page.events.as_slice() else {
        panic!("{:?}", page.events)
    };
    assert_eq!(text.from.as_deref(), Some("+12125550123"));
    assert_eq!(
        (receipt.state, receipt.error.as_ref().map(|e| e.class)),
        (MessageState::Rejected, Some(ErrorClass::OptedOut))
    );
    assert!(page.next.expect("another").uri.to_string().ends_with("pageToken=tok+1"));
}
