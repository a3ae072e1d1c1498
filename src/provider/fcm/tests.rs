//! Requests and answers as Google documents them.

use serde_json::{Value, json};

use super::*;
use crate::model::device::Destination;
use crate::provider::faults::push::{notification, service_account};
use crate::provider::faults::{connection, now, pairs, said, shown};

fn fcm(settings: &[(&str, &str)]) -> Fcm {
    let connection = connection("fcm", settings);
    let secret = |_: &str| Some(SecretString::from(service_account("https://oauth2.googleapis.com/token")));
    Fcm::new(&Given { connection: &connection, secret: &secret }).expect("settings")
}

fn ready(settings: &[(&str, &str)]) -> Fcm {
    let fcm = fcm(settings);
    let granted = said(200, r#"{"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"}"#);
    fcm.credential_answered(&granted, now()).expect("granted");
    fcm
}

fn dispatch() -> Dispatch {
    notification(7, PushPlatform::Fcm, Destination::Token("fcm:token_1".to_owned()))
}

#[test]
fn a_token_is_asked_for_once_and_again_before_it_ends() {
    let fcm = fcm(&[]);
    let asked = fcm.credential(now()).expect("askable").expect("there is none yet");
    assert_eq!(asked.uri.to_string(), "https://oauth2.googleapis.com/token");
    let form = pairs(std::str::from_utf8(&asked.body).expect("UTF-8"));
    assert_eq!(form[0], ("grant_type".to_owned(), GRANT.to_owned()));
    assert_eq!(form[1].1.split('.').count(), 3, "the assertion itself is judged by google-auth and PyJWT");
    let granted = said(200, r#"{"access_token":"ya29.token","expires_in":3599}"#);
    fcm.credential_answered(&granted, now()).expect("granted");
    for (minutes, asks) in [(0, false), (54, false), (55, true), (61, true)] {
        let again = fcm.credential(now() + Span::minutes(minutes)).expect("askable");
        assert_eq!(again.is_some(), asks, "after {minutes} minutes");
    }
}

#[test]
fn a_refused_account_is_told_from_a_service_that_is_away() {
    let answer = |status, body: &str| {
        shown(&fcm(&[]).credential_answered(&said(status, body), now()).expect_err("no token"))
    };
    assert_eq!(answer(400, r#"{"error":"invalid_grant"}"#), "not taken PermanentAccount oauth None");
    assert_eq!(answer(401, ""), "not taken PermanentAccount oauth None");
    assert_eq!(answer(500, "{}"), "not taken Retryable oauth None");
    assert_eq!(answer(200, "<html>"), "not taken Retryable oauth None");
}

#[test]
fn a_notification_becomes_json_under_the_access_token() {
    let request = ready(&[("android_channel", "offers")]).submit(&dispatch(), now()).expect("a request");
    assert_eq!(request.uri.to_string(), "https://fcm.googleapis.com/v1/projects/fable-shop/messages:send");
    assert_eq!(request.headers["authorization"], "Bearer ya29.token");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let message = &body["message"];
    assert_eq!(message["token"], "fcm:token_1");
    let key = message["android"]["collapse_key"].as_str().expect("a text");
    assert_eq!(key.len(), 32);
    assert_eq!(message["android"]["ttl"], "7200s");
    assert_eq!(message["android"]["priority"], "NORMAL");
    assert_eq!(message["apns"]["headers"]["apns-collapse-id"], key);
    assert_eq!(message["webpush"]["headers"], json!({ "TTL": "7200", "Topic": key, "Urgency": "normal" }));
    let data = message["data"].as_object().expect("an object");
    assert!(data.values().all(Value::is_string), "FCM takes texts alone: {data:?}");
    assert!(!data.keys().any(|k| k.starts_with("google") || k.starts_with("gcm") || k == "from"), "{data:?}");
    let buttons: Value = serde_json::from_str(data["actions"].as_str().expect("a text")).expect("JSON");
    assert_eq!(buttons[0]["id"], "buy");
}

/// Each platform shows words, picture, link and buttons by what it itself reads: Android no buttons in a `notification`, an
/// Apple device no picture without `mutable-content`, a browser no link but an `https` one.
#[test]
fn each_platform_gets_what_it_can_show() {
    let fcm = ready(&[("android_channel", "offers")]);
    let (dispatch, (title, body)) = (dispatch(), ("Fable & Fern", "Your cart waits – 1 left."));
    let image = "https://shop.example/boots.png";
    let sealed = push::handed(&dispatch, PushPlatform::Fcm).expect("a notification");
    let made = |change: fn(&mut crate::model::notification::Notification)| {
        let mut push = sealed.clone();
        change(&mut push.content);
        let message = message(&fcm, &dispatch, &push, "t", now());
        serde_json::to_value(&message).expect("JSON")
    };
    let rich = made(|_| ());
    assert!(rich.get("notification").is_none() && rich["android"].get("notification").is_none(), "{rich}");
    for (name, value) in [("title", title), ("body", body), ("image_url", image)] {
        assert_eq!(rich["data"][name], value, "the app shows it itself");
    }
    let alert = json!({ "title": title, "body": body });
    assert_eq!(rich["apns"]["payload"], json!({ "aps": { "alert": alert, "mutable-content": 1 } }));
    assert_eq!(rich["apns"]["fcm_options"], json!({ "image": image }));
    let web = json!({
        "tag": rich["data"]["tag"], "title": title, "body": body, "image": image,
        "actions": [{ "action": "buy", "title": "Finish" }],
    });
    assert_eq!(rich["webpush"]["notification"], web);
    assert_eq!(rich["webpush"]["fcm_options"], json!({ "link": "https://go.fable.example/c0de" }));

    let plain = made(|content| content.actions.clear());
    assert_eq!(plain["notification"], json!({ "title": title, "body": body, "image": image }));
    let tag = &plain["data"]["tag"];
    assert_eq!(plain["android"]["notification"], json!({ "tag": tag, "channel_id": "offers" }));
    assert_eq!(plain["apns"]["payload"], json!({ "aps": { "mutable-content": 1 } }));
    assert_eq!(plain["apns"]["fcm_options"], json!({ "image": image }));
    assert_eq!(plain["webpush"]["notification"], json!({ "tag": tag }));
    assert!(["title", "body", "image_url", "actions"].iter().all(|name| plain["data"].get(*name).is_none()));

    let bare = made(|content| {
        content.actions.clear();
        content.image_url.clear();
        content.deep_link = "shop://cart".to_owned();
    });
    assert!(bare["apns"].get("payload").is_none() && bare["apns"].get("fcm_options").is_none());
    assert!(bare["webpush"].get("fcm_options").is_none(), "Google would refuse the whole message");
    assert_eq!(bare["data"]["deep_link"], "shop://cart");
}

#[test]
fn answers_become_outcomes() {
    let fcm = ready(&[]);
    let fault = |status: &str, code: &str, field: &str| {
        json!({ "error": { "code": 0, "status": status, "message": "m", "details": [
            { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code },
            { "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{ "field": field }] },
        ]}})
        .to_string()
    };
    let plain = |status: &str| json!({ "error": { "status": status, "message": "m" } }).to_string();
    for (status, body, expected) in [
        (200, r#"{"name":"projects/p/messages/0:1"}"#.to_owned(), "accepted projects/p/messages/0:1"),
        (200, "{}".to_owned(), "unclear 200"),
        (404, fault("NOT_FOUND", "UNREGISTERED", ""), "rejected PermanentRecipient UNREGISTERED"),
        (
            403,
            fault("PERMISSION_DENIED", "SENDER_ID_MISMATCH", ""),
            "rejected PermanentRecipient SENDER_ID_MISMATCH",
        ),
        (
            400,
            fault("INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"),
            "rejected PermanentRecipient INVALID_ARGUMENT",
        ),
        (
            400,
            fault("INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data"),
            "rejected PermanentContent INVALID_ARGUMENT",
        ),
        (400, plain("INVALID_ARGUMENT"), "rejected PermanentContent INVALID_ARGUMENT"),
        (
            401,
            fault("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", ""),
            "not taken PermanentAccount THIRD_PARTY_AUTH_ERROR None",
        ),
        (401, plain("UNAUTHENTICATED"), "not taken PermanentAccount UNAUTHENTICATED None"),
        (403, plain("PERMISSION_DENIED"), "not taken PermanentAccount PERMISSION_DENIED None"),
        (404, plain("NOT_FOUND"), "not taken PermanentAccount 404 None"),
        (
            429,
            fault("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", ""),
            "not taken Retryable QUOTA_EXCEEDED Some(60)",
        ),
        (503, fault("UNAVAILABLE", "UNAVAILABLE", ""), "not taken Retryable UNAVAILABLE None"),
        (503, plain("UNAVAILABLE"), "unclear 503"),
        (500, fault("INTERNAL", "INTERNAL", ""), "unclear 500"),
    ] {
        assert_eq!(shown(&fcm.submitted(&said(status, &body))), expected, "{status} {body}");
    }
}

#[test]
fn a_stale_token_is_dropped_and_another_services_fault_is_not_mistaken_for_it() {
    for (status, body, stale) in [
        (401, r#"{"error":{"status":"UNAUTHENTICATED"}}"#, true),
        (401, "<html>", false),
        (403, r#"{"error":{"status":"PERMISSION_DENIED"}}"#, false),
        (
            401,
            r#"{"error":{"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"THIRD_PARTY_AUTH_ERROR"}]}}"#,
            false,
        ),
    ] {
        let fcm = ready(&[]);
        assert_eq!(fcm.is_stale(&said(status, body)), stale, "{status} {body}");
        assert_eq!(fcm.credential(now()).expect("askable").is_some(), stale, "{status} {body}");
    }
}

#[test]
fn a_broken_service_account_is_named_without_being_shown() {
    let connection = connection("fcm", &[]);
    let good = service_account("https://oauth2.googleapis.com/token");
    for (text, why) in [
        ("no json".to_owned(), "JSON file"),
        (good.replace("BEGIN PRIVATE KEY", "BEGIN NOTHING"), "RSA key"),
        (good.replace("fable-shop", "a/b"), "project_id"),
        (good.replace("https://oauth2", "ftp://oauth2"), "token_url"),
    ] {
        let secret = |_: &str| Some(SecretString::from(text.clone()));
        let error = Fcm::new(&Given { connection: &connection, secret: &secret }).map(|_| ());
        let error = error.expect_err(why).to_string();
        assert!(error.contains(why) && !error.contains("MII"), "{error}");
    }
}
