//! Requests and answers as RFC 8030 and 8292 ask for; the body is judged by `http_ece`, the token by `py-vapid`.

use super::*;
use crate::model::Span;
use crate::provider::faults::push::{UA_AUTH, UA_PUBLIC, VAPID_PRIVATE, VAPID_PUBLIC, bytes, notification};
use crate::provider::faults::{connection, now, said, shown};
use secrecy::SecretString;

pub(crate) fn web_push(settings: &[(&str, &str)]) -> WebPush {
    let usual = [("subject", "mailto:ops@shop.example"), ("public_key", VAPID_PUBLIC)];
    let all: Vec<(&str, &str)> = usual.iter().chain(settings).copied().collect();
    let connection = connection("web_push", &all);
    let secret = |_: &str| Some(SecretString::from(VAPID_PRIVATE));
    WebPush::new(&Given { connection: &connection, secret: &secret }).expect("settings")
}

fn subscription(endpoint: &str) -> Destination {
    Destination::Subscription {
        endpoint: endpoint.to_owned(),
        p256dh: bytes(UA_PUBLIC),
        auth: bytes(UA_AUTH),
    }
}

fn submit(web: &WebPush, endpoint: &str) -> Result<Outgoing, Handover> {
    web.submit(&notification(7, PushPlatform::WebPush, subscription(endpoint)), now())
}

#[test]
fn a_notification_becomes_an_encrypted_request() {
    let web = web_push(&[]);
    let request = submit(&web, "https://updates.push.services.mozilla.com/wpush/v2/abc").expect("a request");
    let header = |name: &str| request.headers[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header("content-encoding"), "aes128gcm");
    assert_eq!(header("ttl"), "7200");
    assert_eq!(header("urgency"), "normal");
    assert!(header("topic").len() == 32 && header("topic").bytes().all(|b| b.is_ascii_hexdigit()));
    assert!(header("authorization").starts_with("vapid t=eyJ"));
    assert!(header("authorization").ends_with(&format!(",k={VAPID_PUBLIC}")));
    let text = String::from_utf8_lossy(&request.body);
    assert!(!text.contains("cart"), "nobody on the way can read it");
    let again = submit(&web, "https://updates.push.services.mozilla.com/wpush/v2/abc").expect("a request");
    assert_ne!(again.body, request.body, "a fresh key and salt each time");
    assert_eq!(again.headers["authorization"], request.headers["authorization"], "one token for some hours");
}

#[test]
fn only_named_push_services_are_spoken_to() {
    let (usual, own) = (web_push(&[]), web_push(&[(PUSH_HOSTS, "push.intra.example, 127.0.0.1")]));
    for (endpoint, by_default, by_name) in [
        ("https://fcm.googleapis.com/fcm/send/x", true, true),
        ("https://web.push.apple.com/x", true, true),
        ("https://db5p.notify.windows.com/w/?token=x", true, true),
        ("https://fcm.googleapis.com:443/x", true, true),
        ("https://FCM.googleapis.com/x", true, true),
        ("https://fcm.googleapis.com:8443/x", false, false),
        ("http://fcm.googleapis.com/x", false, false),
        ("https://fcm.googleapis.com.evil.example/x", false, false),
        ("https://evil-fcm.googleapis.com/x", false, false),
        ("https://push.apple.com/x", false, false),
        ("https://evilpush.apple.com/x", false, false),
        ("https://fcm.googleapis.com@evil.example/x", false, false),
        ("https://push.intra.example:8443/x", false, true),
        ("http://push.intra.example/x", false, false),
        ("https://169.254.169.254/latest", false, false),
        ("http://127.0.0.1:9/x", false, true),
        ("file:///etc/passwd", false, false),
        ("", false, false),
    ] {
        assert_eq!(endpoint_at(endpoint, &usual.hosts).is_some(), by_default, "{endpoint}");
        assert_eq!(endpoint_at(endpoint, &own.hosts).is_some(), by_name, "{endpoint}");
    }
    let refused = submit(&usual, "https://evil.example/x").expect_err("refused");
    assert_eq!(
        shown(&refused),
        "rejected PermanentSender endpoint_not_allowed",
        "the subscription is not dead"
    );
}

#[test]
fn a_token_lives_less_than_a_day_and_is_bound_to_its_origin() {
    let web = web_push(&[]);
    let claims = |endpoint: &str, at: Instant| {
        let value = web.authorization(&endpoint.parse().expect("a URI"), at).expect("a token");
        let text = value.to_str().expect("ASCII").to_owned();
        let part = text.split('.').nth(1).expect("three parts").to_owned();
        serde_json::from_slice::<serde_json::Value>(&bytes(&part)).expect("JSON")
    };
    for hours in 0..30 {
        let at = now() + Span::hours(hours);
        let claims = claims("https://fcm.googleapis.com/fcm/send/x", at);
        assert_eq!(claims["aud"], "https://fcm.googleapis.com");
        let left = claims["exp"].as_i64().expect("a number") - at.as_seconds();
        assert!((12 * 3_600..24 * 3_600).contains(&left), "hour {hours}: {left}");
    }
    for (endpoint, aud) in [
        ("https://web.push.apple.com:443/x", "https://web.push.apple.com"),
        ("https://User@Web.Push.Apple.com/x", "https://web.push.apple.com"),
        ("https://push.intra.example:8443/x", "https://push.intra.example:8443"),
    ] {
        assert_eq!(claims(endpoint, now())["aud"], aud);
    }
}

#[test]
fn answers_become_outcomes() {
    let web = web_push(&[]);
    for (status, expected) in [
        (201, "accepted "),
        (200, "accepted "),
        (202, "accepted "),
        (204, "accepted "),
        (400, "rejected PermanentContent 400"),
        (401, "rejected PermanentSender 401"),
        (403, "rejected PermanentSender 403"),
        (404, "rejected PermanentRecipient 404"),
        (410, "rejected PermanentRecipient 410"),
        (413, "rejected PermanentContent 413"),
        (429, "not taken Retryable 429 Some(60)"),
        (301, "unclear 301"),
        (500, "unclear 500"),
        (503, "unclear 503"),
    ] {
        assert_eq!(shown(&web.submitted(&said(status, ""))), expected, "{status}");
    }
    let mut taken = said(201, "");
    taken.headers.insert("location", HeaderValue::from_static("https://push.example/m/gAAAA"));
    assert_eq!(shown(&web.submitted(&taken)), "accepted gAAAA");
    let mut later = said(429, "");
    later.headers.insert("retry-after", HeaderValue::from_static("7"));
    assert_eq!(shown(&web.submitted(&later)), "not taken Retryable 429 Some(7)");
}

#[test]
fn a_key_that_does_not_fit_is_named() {
    let given = |subject: &str, public: &str, private: &str| {
        let connection = connection("web_push", &[("subject", subject), ("public_key", public)]);
        let private = private.to_owned();
        let secret = move |_: &str| Some(SecretString::from(private.clone()));
        let made = WebPush::new(&Given { connection: &connection, secret: &secret }).map(|_| ());
        made.map_err(|e| e.to_string())
    };
    let mail = "mailto:ops@shop.example";
    assert_eq!(given(mail, VAPID_PUBLIC, VAPID_PRIVATE), Ok(()));
    assert_eq!(given("https://shop.example", VAPID_PUBLIC, VAPID_PRIVATE), Ok(()));
    for (subject, public, private, field) in [
        ("ops@shop.example", VAPID_PUBLIC, VAPID_PRIVATE, "settings.subject"),
        (mail, "AAAA", VAPID_PRIVATE, "settings.public_key"),
        (mail, UA_PUBLIC, VAPID_PRIVATE, "secrets.private_key"),
        (mail, VAPID_PUBLIC, "AAAA", "secrets.private_key"),
    ] {
        let error = given(subject, public, private).expect_err(field);
        assert!(error.starts_with(field), "{error}");
    }
}
