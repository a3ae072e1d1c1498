//! Requests and answers as Apple documents them.

use serde_json::{Value, json};

use super::*;
use crate::provider::faults::push::{P8, notification};
use crate::provider::faults::{connection, now, said, shown};
use secrecy::SecretString;

fn apns(settings: &[(&str, &str)]) -> Apns {
    let all: Vec<(&str, &str)> =
        [("team_id", "DEF123GHIJ"), ("key_id", "ABC123DEFG")].iter().chain(settings).copied().collect();
    let connection = connection("apns", &all);
    let secret = |_: &str| Some(SecretString::from(P8));
    Apns::new(&Given { connection: &connection, secret: &secret }).expect("settings")
}

const TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

fn dispatch() -> Dispatch {
    notification(7, PushPlatform::Apns, crate::model::device::Destination::Token(TOKEN.to_owned()))
}

#[test]
fn a_notification_becomes_a_request_with_apples_headers() {
    let request = apns(&[]).submit(&dispatch(), now()).expect("a request");
    assert_eq!(request.uri.to_string(), format!("https://api.push.apple.com/3/device/{TOKEN}"));
    let header = |name: &str| request.headers[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header("apns-topic"), "com.fable.shop");
    assert_eq!(header("apns-push-type"), "alert");
    assert_eq!(header("apns-priority"), "5");
    assert_eq!(header("apns-expiration"), (now() + Span::hours(2)).as_seconds().to_string());
    assert_eq!(header("apns-collapse-id").len(), 32);
    assert_eq!(header("apns-id"), "07070707-0707-0707-0707-070707070707");
    assert!(header("authorization").starts_with("bearer eyJ"), "the token itself is judged by PyJWT");
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(body["aps"]["alert"], json!({ "title": "Fable & Fern", "body": "Your cart waits – 1 left." }));
    assert_eq!(body["aps"]["mutable-content"], 1);
    assert_eq!(body["deep_link"], "https://go.fable.example/c0de");
    assert_eq!(body["image_url"], "https://shop.example/boots.png");
    assert_eq!(body["opt_out_url"], "https://go.fable.example/opt-out/c0de");
    assert_eq!(body["actions"][0], json!({ "id": "buy", "title": "Finish", "url": "shop://cart" }));
    let sandbox = apns(&[("environment", "sandbox"), ("topic", "com.other")]).submit(&dispatch(), now());
    let sandbox = sandbox.expect("a request");
    assert_eq!(sandbox.uri.host(), Some("api.sandbox.push.apple.com"));
    assert_eq!(sandbox.headers["apns-topic"], "com.other");
}

#[test]
fn one_provider_token_serves_forty_minutes_and_its_age_stays_under_an_hour() {
    let apns = apns(&[]);
    let iat = |at: Instant| {
        use base64::Engine as _;
        let value = apns.authorization(at).expect("a token");
        let text = value.to_str().expect("ASCII").to_owned();
        let claims = text.split('.').nth(1).expect("three parts").to_owned();
        let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        (text, claims["iat"].as_i64().expect("a number"))
    };
    let (mut last, mut made) = (String::new(), Vec::new());
    for minute in 0..240 {
        let at = now() + Span::minutes(minute);
        let (text, iat) = iat(at);
        assert!((0..3_600).contains(&(at.as_seconds() - iat)), "minute {minute}: {iat}");
        if text != last {
            made.push(minute);
            last = text;
        }
    }
    assert!(
        made.windows(2).all(|pair| pair[1] - pair[0] >= 20),
        "not more often than every 20 minutes: {made:?}"
    );
}

#[test]
fn answers_become_outcomes() {
    let apns = apns(&[]);
    let reason = |reason: &str| format!(r#"{{"reason":"{reason}"}}"#);
    for (status, body, expected) in [
        (200, String::new(), "unclear 200"),
        (400, reason("BadDeviceToken"), "rejected PermanentSender BadDeviceToken"),
        (400, reason("DeviceTokenNotForTopic"), "rejected PermanentSender DeviceTokenNotForTopic"),
        (400, reason("TopicDisallowed"), "not taken PermanentAccount TopicDisallowed None"),
        (400, reason("PayloadEmpty"), "rejected PermanentContent PayloadEmpty"),
        (403, reason("ExpiredProviderToken"), "not taken PermanentAccount ExpiredProviderToken None"),
        (403, reason("InvalidProviderToken"), "not taken PermanentAccount InvalidProviderToken None"),
        (404, reason("BadPath"), "not taken PermanentAccount BadPath None"),
        (410, reason("Unregistered"), "rejected PermanentRecipient Unregistered"),
        (410, reason("ExpiredToken"), "rejected PermanentRecipient ExpiredToken"),
        (410, reason("SomethingNew"), "rejected PermanentContent SomethingNew"),
        (413, reason("PayloadTooLarge"), "rejected PermanentContent PayloadTooLarge"),
        (429, reason("TooManyRequests"), "not taken Retryable TooManyRequests Some(60)"),
        (429, reason("TooManyProviderTokenUpdates"), "not taken Retryable TooManyProviderTokenUpdates None"),
        (500, reason("InternalServerError"), "unclear 500"),
        (503, reason("ServiceUnavailable"), "not taken Retryable ServiceUnavailable None"),
        (503, reason("Shutdown"), "not taken Retryable Shutdown None"),
        (410, "gone".to_owned(), "rejected PermanentContent 410"),
    ] {
        assert_eq!(shown(&apns.submitted(&said(status, &body))), expected, "{status} {body}");
    }
    let mut taken = said(200, "");
    taken.headers.insert("apns-id", HeaderValue::from_static("eabeae54-14a8-11e5-b60b-1697f925ec7b"));
    assert_eq!(shown(&apns.submitted(&taken)), "accepted eabeae54-14a8-11e5-b60b-1697f925ec7b");
}

#[test]
fn a_token_reported_anew_since_it_died_lives() {
    let apns = apns(&[]);
    let died = |at: Instant| {
        let ms = at.as_micros() / 1_000;
        said(410, &format!(r#"{{"reason":"Unregistered","timestamp":{ms}}}"#))
    };
    // The installation of the dispatch was written down a day ago.
    let older = apns.submitted_for(&dispatch(), &died(now() - Span::days(2)));
    assert_eq!(shown(&older), "not taken Retryable Unregistered Some(60)");
    let newer = apns.submitted_for(&dispatch(), &died(now() - Span::hours(1)));
    assert_eq!(shown(&newer), "rejected PermanentRecipient Unregistered");
}

#[test]
fn only_the_throttling_of_the_team_rests_its_lanes() {
    let apns = apns(&[]);
    for (reason, rests) in [("TooManyRequests", false), ("TooManyProviderTokenUpdates", true)] {
        let answer = said(429, &format!(r#"{{"reason":"{reason}"}}"#));
        let Handover::NotTaken { failure, .. } = apns.submitted(&answer) else { panic!("{reason}") };
        assert_eq!(apns.throttles(&answer, &failure), rests, "{reason}");
    }
}

#[test]
fn what_is_no_token_never_reaches_the_path() {
    for bad in ["", "../../x", "00ff?x", "zz"] {
        let to = crate::model::device::Destination::Token(bad.to_owned());
        let refused = apns(&[]).submit(&notification(7, PushPlatform::Apns, to), now()).expect_err(bad);
        assert_eq!(shown(&refused), "rejected PermanentSender not_an_installation", "{bad}");
    }
}
