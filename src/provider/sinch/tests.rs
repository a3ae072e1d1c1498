//! Requests and answers as Sinch documents them.

use serde_json::json;

use super::*;
use crate::model::MessageState;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn sinch() -> Sinch {
    given(&[("service_plan_id", "plan1"), ("region", "eu")], Sinch::new)
}

#[test]
fn a_message_becomes_a_batch_of_one() {
    let request = sinch().submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://eu.sms.api.sinch.com/xms/v1/plan1/batches");
    assert_eq!(request.headers["authorization"], "Bearer api_token");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "type": "mt_text", "from": "18555550100", "to": ["12125550123"], "delivery_report": "per_recipient",
        "body": "Your cart waits – reply STOP to opt out & end.",
        "client_reference": "07070707070707070707070707070707", "expire_at": "2026-01-01T14:00:00Z",
        "callback_url": "https://gw.example.com/webhooks/main/path_token?ref=07070707070707070707070707070707",
    });
    assert_eq!(body, expected);
}

#[test]
fn answers_become_outcomes() {
    for (status, body, expected) in [
        (201, r#"{"id":"01FC66621XXXXX119Z8PMV1QPQ","to":["1"]}"#, "accepted 01FC66621XXXXX119Z8PMV1QPQ"),
        (201, "{}", "unclear 201"),
        (
            400,
            r#"{"code":"syntax_constraint_violation","text":"bad 15551231234"}"#,
            "rejected PermanentContent syntax_constraint_violation",
        ),
        (401, "", "not taken PermanentAccount 401 None"),
        (403, r#"{"code":"forbidden","text":"no"}"#, "not taken PermanentAccount forbidden None"),
        (429, r#"{"code":"x","text":"y"}"#, "not taken Retryable 429 None"),
        (503, "", "unclear 503"),
    ] {
        assert_eq!(shown(&sinch().submitted(&said(status, body))), expected, "{status} {body}");
    }
}

#[test]
fn both_lists_are_pulled_page_by_page() {
    let (sinch, since) = (sinch(), now());
    let lists = sinch.lists(since, now()).expect("lists");
    assert_eq!(lists.len(), 2);
    assert_eq!(lists[0].uri.query(), Some("start_date=2026-01-01T12%3A00%3A00Z&page=0&page_size=100"));
    let inbounds = r#"{"count":101,"page":0,"page_size":100,"inbounds":[{"id":"i1","type":"mo_text","from":"12125550123",
        "to":"18555550100","body":"STOP","received_at":"2026-01-01T12:00:05.000Z"}]}"#;
    let page = sinch.page(&lists[0], since, &said(200, inbounds), now()).expect("a page");
    assert!(matches!(&page.events[..], [InboundEvent::Text(t)] if t.text == "STOP"));
    assert!(page.next.expect("another").uri.query().is_some_and(|q| q.contains("page=1")));
    let reports = r#"{"count":1,"page":0,"delivery_reports":[{"type":"recipient_delivery_report_sms","batch_id":"b1","code":0,
        "status":"Delivered","at":"2026-01-01T12:00:07Z","client_reference":"07070707070707070707070707070707","recipient":"1"}]}"#;
    let page = sinch.page(&lists[1], since, &said(200, reports), now()).expect("a page");
    let [InboundEvent::Receipt(receipt)] = &page.events[..] else { panic!("{:?}", page.events) };
    assert_eq!((receipt.provider_id.as_str(), receipt.state), ("b1", MessageState::Delivered));
    assert!(receipt.message.is_some() && page.next.is_none());
}
