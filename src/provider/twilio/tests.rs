//! Requests and answers as Twilio documents them.

use super::*;
use crate::model::MessageState;
use crate::model::outgoing::ErrorClass;
use crate::provider::faults::{dispatch, given, now, pairs, said, shown};

fn twilio(more: &[(&str, &str)]) -> Twilio {
    given(&[&[("account_sid", "AC1")], more].concat(), Twilio::new)
}

#[test]
fn a_message_becomes_a_form_with_our_id_in_the_callback() {
    let request = twilio(&[]).submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(request.headers["authorization"], "Basic QUMxOmF1dGhfdG9rZW4=");
    assert!(request.headers["authorization"].is_sensitive());
    let form = pairs(std::str::from_utf8(&request.body).expect("ASCII"));
    let callback =
        "https://gw.example.com/webhooks/main/path_token?ref=07070707070707070707070707070707#rc=5&rp=all";
    let expected = [
        ("To", "+12125550123"),
        ("From", "+18555550100"),
        ("Body", "Your cart waits – reply STOP to opt out & end."),
        ("StatusCallback", callback),
        ("ValidityPeriod", "7200"),
    ];
    assert_eq!(form, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(format!("{request:?}"), "POST api.twilio.com");
}

#[test]
fn a_service_and_an_api_key_are_used_where_given() {
    let twilio =
        twilio(&[("messaging_service_sid", "MG1"), ("api_key_sid", "SK1"), ("url", "http://127.0.0.1:9/")]);
    let request = twilio.submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "http://127.0.0.1:9/2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(request.headers["authorization"], "Basic U0sxOmFwaV9rZXlfc2VjcmV0");
    let form = pairs(std::str::from_utf8(&request.body).expect("ASCII"));
    assert!(form.contains(&("MessagingServiceSid".to_owned(), "MG1".to_owned())));
    assert!(form.contains(&("From".to_owned(), "+18555550100".to_owned())));
}

#[test]
fn answers_become_outcomes() {
    let error = |code: u32| {
        format!(r#"{{"code":{code},"message":"about +12125550123","more_info":"x","status":400}}"#)
    };
    for (status, body, expected) in [
        (201, r#"{"sid":"SM9","status":"accepted"}"#.to_owned(), "accepted SM9"),
        (201, r#"{"sid":""}"#.to_owned(), "unclear 201"),
        (400, error(21_610), "rejected OptedOut 21610"),
        (400, error(21_211), "rejected PermanentRecipient 21211"),
        (400, error(21_606), "rejected PermanentSender 21606"),
        (400, error(21_617), "rejected PermanentContent 21617"),
        (400, error(21_611), "not taken Retryable 21611 None"),
        (400, error(21_408), "rejected PermanentAccount 21408"),
        (401, error(20_003), "not taken PermanentAccount 20003 None"),
        (429, error(20_429), "not taken Retryable 429 None"),
        (503, error(20_503), "unclear 503"),
        (404, "<html>".to_owned(), "not taken PermanentAccount 404 None"),
    ] {
        let handover = twilio(&[]).submitted(&said(status, &body));
        assert_eq!(shown(&handover), expected, "{status} {body}");
        assert!(!format!("{handover:?}").contains("555"), "{handover:?}");
    }
}

#[test]
fn the_list_tells_what_webhooks_would_have() {
    let twilio = twilio(&[]);
    let asked = twilio.lists(now(), now()).expect("a list").remove(0);
    assert_eq!(asked.uri.query(), Some("DateSent%3E=2026-01-01T12%3A00%3A00Z&PageSize=100"));
    let body = r#"{"messages":[
        {"sid":"SM1","direction":"inbound","from":"+12125550123","to":"+18555550100","body":"STOP","status":"received",
         "error_code":null,"date_updated":"Thu, 01 Jan 2026 11:59:00 +0000"},
        {"sid":"SM2","direction":"outbound-api","from":"a","to":"b","body":"x","status":"undelivered","error_code":30007,
         "error_message":"filtered","date_updated":"Thu, 01 Jan 2026 11:58:00 +0000"},
        {"sid":"SM3","direction":"outbound-api","status":"queued","error_code":null}],
        "next_page_uri":"/2010-04-01/Accounts/AC1/Messages.json?PageSize=100&Page=1&PageToken=PASM3"}"#;
    let page = twilio.page(&asked, now(), &said(200, body), now()).expect("a page");
    let [InboundEvent::Text(text), InboundEvent::Receipt(receipt)] = page.events.as_slice() else {
        panic!("{:?}", page.events)
    };
    assert_eq!((text.text.as_str(), text.from.as_str()), ("STOP", "+12125550123"));
    assert_eq!(text.received_at, Instant::parse("2026-01-01T11:59:00Z").ok());
    assert_eq!((receipt.provider_id.as_str(), receipt.state), ("SM2", MessageState::Rejected));
    assert_eq!(receipt.error.as_ref().map(|e| e.class), Some(ErrorClass::PermanentContent));
    let next = page.next.expect("another page").uri.to_string();
    assert_eq!(
        next,
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json?PageSize=100&Page=1&PageToken=PASM3"
    );
    let stranger = r#"{"messages":[],"next_page_uri":"/2010-04-01/Accounts/AC2/Messages.json"}"#;
    assert!(twilio.page(&asked, now(), &said(200, stranger), now()).is_err());
}
