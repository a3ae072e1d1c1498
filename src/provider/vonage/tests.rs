//! Requests and answers of both APIs as Vonage documents them.

use serde_json::{Value, json};

use super::*;
use crate::provider::faults::{dispatch, dispatch_from, given, now, pairs, said, shown};

fn vonage(api: &str) -> Vonage {
    given(&[("api_key", "abcd1234"), ("api", api)], Vonage::new)
}

#[test]
fn the_sms_api_takes_a_form_in_the_texts_own_alphabet() {
    let request = vonage("sms").submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://rest.nexmo.com/sms/json");
    assert_eq!(request.headers["authorization"], "Basic YWJjZDEyMzQ6YXBpX3NlY3JldA==");
    let expected = [
        ("from", "18555550100"),
        ("to", "12125550123"),
        ("text", "Your cart waits – reply STOP to opt out & end."),
        ("type", "unicode"),
        ("client-ref", "07070707070707070707070707070707"),
        ("status-report-req", "1"),
        ("ttl", "7200000"),
    ];
    let form = pairs(std::str::from_utf8(&request.body).expect("ASCII"));
    assert_eq!(form, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    let plain = vonage("sms").submit(&dispatch_from(7, "AcmeInc", "447700900001", "Plain €"), now());
    let form = pairs(std::str::from_utf8(&plain.expect("a request").body).expect("ASCII"));
    assert!(form.contains(&("type".to_owned(), "text".to_owned())), "{form:?}");
    assert!(form.contains(&("from".to_owned(), "AcmeInc".to_owned())), "{form:?}");
}

#[test]
fn the_messages_api_takes_json_with_seconds() {
    let request = vonage("messages").submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://api.nexmo.com/v1/messages");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "channel": "sms", "message_type": "text", "from": "18555550100", "to": "12125550123", "ttl": 7200,
        "text": "Your cart waits – reply STOP to opt out & end.", "sms": {"encoding_type": "auto"},
        "client_ref": "07070707070707070707070707070707",
        "webhook_url": "https://gw.example.com/webhooks/main/path_token?ref=07070707070707070707070707070707",
    });
    assert_eq!(body, expected);
}

#[test]
fn an_sms_answer_is_read_part_by_part() {
    let part = |status: &str, id: &str| {
        format!(r#"{{"to":"1","message-id":"{id}","status":"{status}","error-text":"about 447700900001"}}"#)
    };
    let body = |parts: &[String]| {
        format!(r#"{{"message-count":"{}","messages":[{}]}}"#, parts.len(), parts.join(","))
    };
    for (parts, expected) in [
        (vec![part("0", "a")], "accepted a"),
        (vec![part("0", "a"), part("0", "b")], "accepted a,b"),
        (vec![part("0", "a"), part("1", "")], "unclear 1"),
        (vec![part("0", "")], "unclear 200"),
        (vec![part("1", "")], "not taken Retryable 1 None"),
        (vec![part("4", "")], "not taken PermanentAccount 4 None"),
        (vec![part("5", "")], "unclear 5"),
        (vec![part("29", "")], "rejected PermanentAccount 29"),
        (vec![part("6", "")], "rejected PermanentRecipient 6"),
        (vec![part("7", "")], "rejected OptedOut 7"),
        (vec![part("12", "")], "rejected PermanentContent 12"),
        (vec![part("15", "")], "rejected PermanentSender 15"),
        (vec![], "unclear 200"),
    ] {
        let handover = vonage("sms").submitted(&said(200, &body(&parts)));
        assert_eq!(shown(&handover), expected, "{parts:?}");
        assert!(!format!("{handover:?}").contains("4477"), "{handover:?}");
    }
    let sms = vonage("sms");
    let throttled = said(200, &body(&[part("1", "")]));
    let Handover::NotTaken { failure, .. } = sms.submitted(&throttled) else { panic!("taken") };
    assert!(sms.throttles(&throttled, &failure));
}

#[test]
fn a_messages_answer_names_its_problem() {
    let problem = |code: &str| {
        format!(
            r#"{{"type":"https://developer.vonage.com/api-errors/messages#{code}","title":"t","detail":"d","instance":"i"}}"#
        )
    };
    for (status, body, expected) in [
        (202, r#"{"message_uuid":"aaaaaaaa-bbbb"}"#.to_owned(), "accepted aaaaaaaa-bbbb"),
        (202, "{}".to_owned(), "unclear 202"),
        (422, problem("1150"), "rejected PermanentContent 1150"),
        (422, problem("1120"), "rejected PermanentSender 1120"),
        (422, problem("1240"), "rejected OptedOut 1240"),
        (422, r#"{"type":"x","title":"Invalid params"}"#.to_owned(), "rejected PermanentContent 422"),
        (401, problem("1"), "not taken PermanentAccount 401 None"),
        (402, "{}".to_owned(), "not taken PermanentAccount 402 None"),
        (429, problem("1000"), "not taken Retryable 429 None"),
        (500, "{}".to_owned(), "unclear 500"),
    ] {
        assert_eq!(shown(&vonage("messages").submitted(&said(status, &body))), expected, "{status} {body}");
    }
}

#[test]
fn it_has_no_list() {
    assert!(vonage("sms").lists(now(), now()).is_err());
}
