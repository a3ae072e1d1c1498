//! Requests and answers as Infobip documents them.

use serde_json::json;

use super::*;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn infobip() -> Infobip {
    given(&[("url", "https://abc12.api.infobip.com")], Infobip::new)
}

#[test]
fn a_message_goes_under_our_own_id() {
    let request = infobip().submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://abc12.api.infobip.com/sms/3/messages");
    assert_eq!(request.headers["authorization"], "App api_key");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let id = "07070707070707070707070707070707";
    let expected = json!({"messages": [{
        "sender": "18555550100",
        "destinations": [{"to": "12125550123", "messageId": id}],
        "content": {"text": "Your cart waits – reply STOP to opt out & end."},
        "options": {"validityPeriod": {"amount": 7200, "timeUnit": "SECONDS"}},
        "webhooks": {"callbackData": id, "contentType": "application/json"},
    }]});
    assert_eq!(body, expected);
}

#[test]
fn a_200_may_still_refuse() {
    let body = |group: u32, id: u32| {
        format!(
            r#"{{"bulkId":"b","messages":[{{"messageId":"m1","status":{{"groupId":{group},"groupName":"G","id":{id},"name":"N","description":"about 41793026727"}},"destination":"41793026727"}}]}}"#
        )
    };
    for (group, id, expected) in [
        (1, 26, "accepted m1"),
        (5, 23, "accepted m1"),
        (5, 10, "rejected OptedOut 10"),
        (5, 14, "rejected OptedOut 14"),
        (5, 8, "rejected PermanentRecipient 8"),
        (5, 13, "rejected PermanentSender 13"),
        (5, 12, "not taken PermanentAccount 12 None"),
        (5, 20, "not taken Retryable 20 None"),
        (5, 25, "rejected PermanentContent 25"),
        (9, 99, "unclear 99"),
    ] {
        let handover = infobip().submitted(&said(200, &body(group, id)));
        assert_eq!(shown(&handover), expected, "{group} {id}");
        assert!(!format!("{handover:?}").contains("4179"), "{handover:?}");
    }
    let fault = r#"{"requestError":{"serviceException":{"messageId":"BAD_REQUEST","text":"Bad Request"}}}"#;
    for (status, body, expected) in [
        (400, fault, "rejected PermanentContent 400"),
        (400, r#"{"errorCode":"E400","description":"Bad"}"#, "rejected PermanentContent 400"),
        (401, fault, "not taken PermanentAccount 401 None"),
        (429, fault, "not taken Retryable 429 None"),
        (500, fault, "unclear 500"),
        (200, r#"{"messages":[]}"#, "unclear 200"),
    ] {
        assert_eq!(shown(&infobip().submitted(&said(status, body))), expected, "{status} {body}");
    }
}

#[test]
fn logs_and_inbox_are_pulled() {
    let (infobip, since) = (infobip(), now());
    let lists = infobip.lists(since, now()).expect("lists");
    assert_eq!(
        lists[1].uri.query(),
        Some("sentSince=2026-01-01T12%3A00%3A00.000%2B0000&limit=200&useCursor=true")
    );
    assert_eq!(lists[0].uri.path(), "/sms/1/inbox/reports");
    let logs = r#"{"results":[{"messageId":"07070707070707070707070707070707","destination":"1","doneAt":"2026-01-01T13:00:00.000+0100",
        "status":{"groupId":3,"id":5,"name":"DELIVERED_TO_HANDSET"},"error":{"id":0}}],"cursor":{"limit":1000,"nextCursor":"c2"}}"#;
    let page = infobip.page(&lists[1], since, &said(200, logs), now()).expect("a page");
    let [InboundEvent::Receipt(receipt)] = &page.events[..] else { panic!("{:?}", page.events) };
    assert_eq!((receipt.state, receipt.carrier_at), (MessageState::Delivered, Some(now())));
    assert!(receipt.message.is_some());
    assert!(page.next.expect("another").uri.to_string().ends_with("cursor=c2"));
    let inbox = r#"{"results":[{"messageId":"i1","from":"12125550123","to":"18555550100","text":"Stop now","cleanText":"now",
        "keyword":"STOP","receivedAt":"2026-01-01T12:00:00.000+0000"}],"messageCount":1,"pendingMessageCount":0}"#;
    let page = infobip.page(&lists[0], since, &said(200, inbox), now()).expect("a page");
    assert!(matches!(&page.events[..], [InboundEvent::Text(t)] if t.text == "Stop now"));
    assert!(page.next.is_none());
    assert!(infobip.tells_once(&lists[0]) && !infobip.tells_once(&lists[1]));
}
