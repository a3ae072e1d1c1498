//! Credentials and bodies as Bandwidth documents them.

use super::*;
use crate::inbound::basic::Basic;
use crate::inbound::testing::{authentic, post};
use crate::model::Instant;

const BASIC: [(&str, &str); 1] = [("authorization", "Basic Y2J1c2VyOmNiLXBAc3M6d29yZA==")];

fn bandwidth() -> Basic {
    Basic { user: "cbuser".to_owned(), read }
}

#[test]
fn credentials_are_the_only_proof() {
    let know = |headers: &[(&'static str, &str)], secrets: &[&str]| {
        authentic(&bandwidth(), &post("/h", headers, "[]"), secrets, 0)
    };
    assert!(know(&BASIC, &["cb-p@ss:word"]), "split at the first colon");
    assert!(know(&BASIC, &["new", "cb-p@ss:word"]));
    assert!(!know(&BASIC, &["word"]) && !know(&BASIC, &["cb-p@ss:worD"]));
    assert!(!know(&[], &["cb-p@ss:word"]));
    assert!(!know(&[("authorization", "Bearer Y2J1c2VyOmNiLXBAc3M6d29yZA==")], &["cb-p@ss:word"]));
    let stranger = Basic { user: "other".to_owned(), read };
    assert!(!authentic(&stranger, &post("/h", &BASIC, "[]"), &["cb-p@ss:word"], 0));
}

#[test]
fn one_array_holds_many_events() {
    let body = r#"[
      {"type":"message-received","time":"2026-01-01T12:00:00.000Z","to":"+18555550100","description":"Incoming message received",
       "message":{"id":"m1","time":"2026-01-01T11:59:59.000Z","to":["+18555550100"],"from":"+12125550123","text":"Stop please",
       "applicationId":"app-1","media":[],"owner":"+18555550100","direction":"in","segmentCount":1}},
      {"type":"message-sending","message":{"id":"m2","direction":"out"}},
      {"type":"message-received","to":"+18555550100","message":{"id":"m3","from":"+12125550124","direction":"in"}}]"#;
    let events = read(&post("/h", &[], body));
    let [InboundEvent::Text(text), InboundEvent::Unreadable(odd)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (text.from.as_str(), text.to.as_str(), text.text.as_str()),
        ("+12125550123", "+18555550100", "Stop please")
    );
    assert_eq!(text.received_at, Instant::parse("2026-01-01T11:59:59Z").ok());
    assert_eq!(odd.from.as_deref(), Some("+12125550124"));
    assert!(matches!(&read(&post("/h", &[], "{}"))[..], [InboundEvent::Unreadable(_)]));
}

#[test]
fn receipts_come_under_our_tag() {
    use MessageState::*;
    for (kind, code, state, class) in [
        ("message-sent", 0, Sent, None),
        ("message-delivered", 0, Delivered, None),
        ("message-failed", 4775, Rejected, Some(ErrorClass::OptedOut)),
        ("message-failed", 4482, Rejected, Some(ErrorClass::OptedOut)),
        ("message-failed", 4720, Undelivered, Some(ErrorClass::PermanentRecipient)),
        ("message-failed", 4773, Rejected, Some(ErrorClass::PermanentSender)),
        ("message-failed", 4770, Rejected, Some(ErrorClass::PermanentContent)),
        ("message-failed", 4360, Expired, Some(ErrorClass::Retryable)),
        ("message-failed", 5220, Failed, Some(ErrorClass::Retryable)),
        ("message-failed", 9902, Unknown, Some(ErrorClass::Ambiguous)),
    ] {
        let error = if code == 0 { String::new() } else { format!(r#""errorCode":{code},"#) };
        let body = format!(
            r#"[{{"type":"{kind}",{error}"time":"2026-01-01T12:00:00Z","description":"d","message":{{"id":"m1","tag":"07070707070707070707070707070707","direction":"out"}}}}]"#
        );
        let events = read(&post("/h", &[], &body));
        let [InboundEvent::Receipt(r)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((r.state, r.error.as_ref().map(|e| e.class)), (state, class), "{kind} {code}");
        assert!(r.message.is_some());
    }
}
