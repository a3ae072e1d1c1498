//! The vector, good and tampered, and what bodies say.

use super::*;
use crate::inbound::testing::{authentic, post};

const SECRET: &str = "foo_secret1234";
const BODY: &str = r#"{"body":"STOP","from":"15555550123","id":"01XXXXX21XXXXX119Z8P1XXXXX","operator_id":"310260","received_at":"2026-01-01T12:00:00.000Z","to":"15555550100","type":"mo_text"}"#;
const HEADERS: [(&str, &str); 4] = [
    ("x-sinch-webhook-signature", "JEpwHp9dP+CRju7rq9mCruxz+8Mc+GzZxyM8If5Du2Y="),
    ("x-sinch-webhook-signature-nonce", "01FJA8B4A7BM43YGWSG9GBV067"),
    ("x-sinch-webhook-signature-timestamp", "1767268800"),
    ("x-sinch-webhook-signature-algorithm", "HmacSHA256"),
];

fn signed() -> Sinch {
    Sinch { user: None }
}

#[test]
fn the_vector_covers_body_nonce_and_time() {
    assert!(authentic(&signed(), &post("/h", &HEADERS, BODY), &[SECRET], 0));
    assert!(authentic(&signed(), &post("/h", &HEADERS, BODY), &["other", SECRET], 48 * 3_600));
    assert!(!authentic(&signed(), &post("/h", &HEADERS, BODY), &[SECRET], 48 * 3_600 + 1));
    assert!(!authentic(&signed(), &post("/h", &HEADERS, BODY), &["other"], 0));
    assert!(!authentic(&signed(), &post("/h", &HEADERS, &BODY.replace("STOP", "START")), &[SECRET], 0));
    for n in 0..3 {
        let mut headers = HEADERS;
        headers[n].1 = "1767268801";
        assert!(!authentic(&signed(), &post("/h", &headers, BODY), &[SECRET], 0), "{}", headers[n].0);
        let missing: Vec<_> = HEADERS.iter().copied().filter(|(name, _)| *name != HEADERS[n].0).collect();
        assert!(!authentic(&signed(), &post("/h", &missing, BODY), &[SECRET], 0), "no {}", HEADERS[n].0);
    }
}

#[test]
fn basic_credentials_where_they_were_arranged() {
    let sinch = Sinch { user: Some("cbuser".to_owned()) };
    let basic = [("authorization", "Basic Y2J1c2VyOmNiLXBAc3M6d29yZA==")];
    assert!(authentic(&sinch, &post("/h", &basic, BODY), &["old", "cb-p@ss:word"], 0));
    assert!(!authentic(&sinch, &post("/h", &basic, BODY), &["cb-p@ss"], 0));
    assert!(
        !authentic(&sinch, &post("/h", &HEADERS, BODY), &[SECRET], 0),
        "a signature is not what was arranged"
    );
    assert!(!authentic(&signed(), &post("/h", &basic, BODY), &["cb-p@ss:word"], 0));
}

#[test]
fn texts_reports_and_what_cannot_be_read() {
    let read = |body: &str| signed().read(&post("/h", &[], body), Instant::EPOCH);
    let [InboundEvent::Text(text)] = &read(BODY)[..] else { panic!("no text") };
    assert_eq!(
        (text.from.as_str(), text.to.as_str(), text.text.as_str()),
        ("15555550123", "15555550100", "STOP")
    );
    let binary = BODY.replace("mo_text", "mo_binary");
    assert!(matches!(&read(&binary)[..], [InboundEvent::Unreadable(u)] if u.from.is_some()));
    let media = r#"{"type":"mo_media","id":"i","from":"1","to":"2","body":{"message":"stop","media":[]}}"#;
    assert!(matches!(&read(media)[..], [InboundEvent::Text(t)] if t.text == "stop"));
    assert!(matches!(&read("")[..], [InboundEvent::Unreadable(_)]));
    assert_eq!(read(r#"{"type":"delivery_report_sms","batch_id":"b"}"#), []);
    use MessageState::*;
    for (status, code, state, class) in [
        ("Queued", 400, None, None),
        ("Dispatched", 401, Some(Sent), None),
        ("DELIVERED", 0, Some(Delivered), None),
        ("Failed", 404, Some(Failed), Some(ErrorClass::Retryable)),
        ("Rejected", 402, Some(Rejected), Some(ErrorClass::PermanentContent)),
        ("Expired", 406, Some(Expired), Some(ErrorClass::Retryable)),
        ("Deleted", 0, Some(Rejected), Some(ErrorClass::OptedOut)),
        ("Unknown", 0, Some(Unknown), None),
    ] {
        let body = format!(
            r#"{{"type":"recipient_delivery_report_sms","batch_id":"b1","recipient":"1","code":{code},"status":"{status}","at":"2026-01-01T12:00:00Z","client_reference":"07070707070707070707070707070707"}}"#
        );
        let events = read(&body);
        let seen = events.first().map(|event| match event {
            InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
            other => panic!("{other:?}"),
        });
        assert_eq!(seen, state.map(|state| (state, class)), "{status}");
    }
}
