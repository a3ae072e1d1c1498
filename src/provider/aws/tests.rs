//! Requests and answers as AWS's service model has them.

use serde_json::{Value, json};

use super::*;
use crate::provider::faults::{dispatch, given, now, said, shown};

fn aws(more: &[(&str, &str)]) -> Aws {
    let settings = [("region", "us-east-1"), ("access_key_id", "AKIDEXAMPLE"), ("configuration_set", "set1")];
    given(&[&settings[..], more].concat(), Aws::new)
}

#[test]
fn a_message_becomes_a_signed_call() {
    let request = aws(&[]).submit(&dispatch(7), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://sms-voice.us-east-1.amazonaws.com/");
    assert_eq!(request.headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(request.headers["x-amz-target"], "PinpointSMSVoiceV2.SendTextMessage");
    assert_eq!(request.headers["x-amz-date"], "20260101T120000Z");
    assert_eq!(request.headers["x-amz-security-token"], "session_token");
    let authorization = request.headers["authorization"].to_str().expect("ASCII");
    assert!(
        authorization
            .contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,"),
        "{authorization}"
    );
    assert!(request.headers["authorization"].is_sensitive());
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let expected = json!({
        "DestinationPhoneNumber": "+12125550123", "OriginationIdentity": "+18555550100", "TimeToLive": 7200,
        "MessageBody": "Your cart waits – reply STOP to opt out & end.", "MessageType": "PROMOTIONAL",
        "ConfigurationSetName": "set1", "Context": {"consentry_message": "07070707070707070707070707070707"},
    });
    assert_eq!(body, expected);
}

#[test]
fn the_type_of_a_fault_says_what_it_is() {
    let fault = |kind: &str, reason: &str| {
        format!(
            r#"{{"__type":"com.amazonaws.pinpointsmsvoicev2#{kind}","Message":"about +12125550123","Reason":"{reason}"}}"#
        )
    };
    for (status, body, expected) in [
        (200, r#"{"MessageId":"m-1"}"#.to_owned(), "accepted m-1"),
        (200, "{}".to_owned(), "unclear 200"),
        (
            400,
            fault("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
            "rejected OptedOut DESTINATION_PHONE_NUMBER_OPTED_OUT",
        ),
        (
            400,
            fault("ConflictException", "RESOURCE_NOT_ACTIVE"),
            "rejected PermanentSender RESOURCE_NOT_ACTIVE",
        ),
        (
            400,
            fault("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
            "rejected PermanentAccount DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        ),
        (
            400,
            fault("ValidationException", "FIELD_VALIDATION_FAILED"),
            "rejected PermanentContent FIELD_VALIDATION_FAILED",
        ),
        (
            400,
            fault("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
            "not taken PermanentAccount MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT None",
        ),
        (
            400,
            r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#.to_owned(),
            "not taken Retryable ThrottlingException None",
        ),
        (
            400,
            r#"{"__type":"ExpiredTokenException","message":"old"}"#.to_owned(),
            "not taken PermanentAccount ExpiredTokenException None",
        ),
        (403, "<html>".to_owned(), "not taken PermanentAccount 403 None"),
        (500, fault("InternalServerException", ""), "unclear 500"),
    ] {
        let handover = aws(&[]).submitted(&said(status, &body));
        assert_eq!(shown(&handover), expected, "{status} {body}");
        assert!(!format!("{handover:?}").contains("555"), "{handover:?}");
    }
    let throttled = said(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);
    let Handover::NotTaken { failure, .. } = aws(&[]).submitted(&throttled) else { panic!("taken") };
    assert!(aws(&[]).throttles(&throttled, &failure), "throttling is 400 here");
}

#[test]
fn every_opt_out_list_is_pulled() {
    let (aws, since) = (aws(&[("opt_out_lists", "Default eu")]), now());
    let lists = aws.lists(since, now()).expect("lists");
    assert_eq!(lists.len(), 2);
    assert_eq!(lists[0].headers["x-amz-target"], "PinpointSMSVoiceV2.DescribeOptedOutNumbers");
    let body: Value = serde_json::from_slice(&lists[1].body).expect("JSON");
    assert_eq!(body, json!({"OptOutListName": "eu", "MaxResults": 100}));
    let told = r#"{"OptOutListName":"Default","OptedOutNumbers":[
        {"OptedOutNumber":"+12125550123","OptedOutTimestamp":1767268805.5,"EndUserOptedOut":true},
        {"OptedOutNumber":"+12125550124","OptedOutTimestamp":1767268799.0,"EndUserOptedOut":true}],"NextToken":"t2"}"#;
    let page = aws.page(&lists[0], since, &said(200, told), now()).expect("a page");
    let [InboundEvent::Text(text)] = &page.events[..] else { panic!("{:?}", page.events) };
    assert_eq!((text.from.as_str(), text.provider_flag.as_deref()), ("+12125550123", Some("STOP")));
    let next = page.next.expect("another");
    let body: Value = serde_json::from_slice(&next.body).expect("JSON");
    assert_eq!(body, json!({"OptOutListName": "Default", "MaxResults": 100, "NextToken": "t2"}));
}
