//! The vectors of both signatures, good and tampered, and what their bodies say.

use super::*;
use crate::inbound::testing::{authentic, get, post};

const SECRET: &str = "my_signature_secret_0123456789abcdef";
const QUERY: &str = "api-key=abcd1234&keyword=STOP&message-timestamp=2026-01-01+12%3A00%3A00&messageId=0A0000000123ABCD1&msisdn=447700900001&nonce=aaaaaaaa-bbbb-cccc-dddd-0123456789ab&text=STOP+%26+go%3Dnow&timestamp=1767268800&to=447700900000&type=text";
const SIGNATURES: [(&str, &str); 4] = [
    ("md5hash", "962d1a40be0fa7f2a99317a64a1a1e79"),
    ("md5", "2f8ecd84e4a667d4e7b893ee85582f67"),
    ("sha256", "e9f8504b2de7bf08b1660a812fe8aec380b6739ccd09e31fdcb15f25f2353639"),
    (
        "sha512",
        "d327fcc3d73518e931e1ac96fecd99844c808724641d6e232e89320e45a5fd564bf8c98983b2dfe4a5ec0ff570fab3f0fb8a5fde36663ea4cc561304c0446c88",
    ),
];
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NjcyNjg4MDAsImp0aSI6ImM1YmE4ZjI0LTFhMTQtNGMxMC1iZmRmLTNmYmU4Y2U1MTFiNSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6IjFhYzk1NDdmZmVjNjFiNjg1MWVmOTA5NTc2N2IxODViMTM3NjYyODk2MzIwY2U1NGMzN2VjNmI0MGM3ODhhMjMiLCJhcGlfa2V5IjoiYWJjZDEyMzQiLCJhcHBsaWNhdGlvbl9pZCI6ImFhYWFhYWFhLWJiYmItY2NjYy1kZGRkLTAxMjM0NTY3ODlhYiJ9.Ah6tsS4nSZZbbPQbPaa0PBcWzL-X--RUQ_cjb8nZteM";
const BODY: &str = r#"{"channel":"sms","message_uuid":"aaaaaaaa-bbbb-cccc-dddd-0123456789ab","to":"447700900000","from":"447700900001","timestamp":"2026-01-01T12:00:00.000Z","text":"STOP","message_type":"text"}"#;

fn sms(method: &'static str) -> Sms {
    Sms { api_key: Some("abcd1234".to_owned()), method }
}

fn messages() -> Messages {
    Messages { api_key: Some("abcd1234".to_owned()) }
}

#[test]
fn every_method_holds_for_its_parameters_alone() {
    for (method, signature) in SIGNATURES {
        let by_get = get(&format!("/h?{QUERY}&sig={}", signature.to_uppercase()), &[]);
        let by_form = post("/h", &[], &format!("{QUERY}&sig={signature}"));
        for webhook in [by_get, by_form] {
            let known = |secrets: &[&str], seconds| authentic(&sms(method), &webhook, secrets, seconds);
            assert!(known(&[SECRET], 0) && known(&["other", SECRET], 0), "{method}");
            assert!(
                known(&[SECRET], 86_700) && !known(&[SECRET], 86_701),
                "{method}: a day and five minutes"
            );
            assert!(known(&[SECRET], -300) && !known(&[SECRET], -301), "{method}");
            assert!(!known(&["other"], 0), "{method}");
        }
        let tampered = QUERY.replace("STOP+%26", "START+%26");
        assert!(!authentic(
            &sms(method),
            &post("/h", &[], &format!("{tampered}&sig={signature}")),
            &[SECRET],
            0
        ));
        assert!(!authentic(&sms(method), &post("/h", &[], QUERY), &[SECRET], 0), "{method}: unsigned");
        let others = SIGNATURES.iter().filter(|(name, _)| *name != method);
        for (name, other) in others {
            let webhook = post("/h", &[], &format!("{QUERY}&sig={other}"));
            assert!(!authentic(&sms(method), &webhook, &[SECRET], 0), "{name} passed as {method}");
        }
    }
    let stranger = Sms { api_key: Some("other".to_owned()), method: "sha256" };
    let webhook = post("/h", &[], &format!("{QUERY}&sig={}", SIGNATURES[2].1));
    assert!(!authentic(&stranger, &webhook, &[SECRET], 0), "another account");
}

#[test]
fn json_parameters_are_signed_alike() {
    let form = Form::parse(QUERY.as_bytes());
    let object: serde_json::Map<String, Value> =
        form.pairs().iter().map(|(n, v)| (n.clone(), Value::String(v.clone()))).collect();
    let mut signed = object.clone();
    signed.insert("sig".to_owned(), Value::String(SIGNATURES[2].1.to_owned()));
    let body = Value::Object(signed).to_string();
    let webhook = post("/h", &[("content-type", "application/json")], &body);
    assert!(authentic(&sms("sha256"), &webhook, &[SECRET], 0));
    let [InboundEvent::Text(text)] = &sms("sha256").read(&webhook, Instant::EPOCH)[..] else {
        panic!("no text")
    };
    assert_eq!((text.from.as_str(), text.text.as_str()), ("447700900001", "STOP & go=now"));
    assert_eq!(text.received_at, Instant::parse("2026-01-01T12:00:00Z").ok());
}

#[test]
fn the_signed_token_covers_its_body() {
    let bearer = format!("Bearer {TOKEN}");
    let webhook = |body: &str| post("/h", &[("authorization", &bearer)], body);
    assert!(authentic(&messages(), &webhook(BODY), &[SECRET], 0));
    assert!(authentic(&messages(), &webhook(BODY), &["other", SECRET], 0));
    assert!(!authentic(&messages(), &webhook(&BODY.replace("STOP", "START")), &[SECRET], 0), "another body");
    assert!(!authentic(&messages(), &webhook(BODY), &["other"], 0));
    assert!(!authentic(&messages(), &webhook(BODY), &[SECRET], 86_701));
    assert!(!authentic(&messages(), &post("/h", &[], BODY), &[SECRET], 0));
    let (_, rest) = TOKEN.split_once('.').expect("three parts");
    // {"alg":"none"}
    let none = format!("Bearer eyJhbGciOiJub25lIn0.{rest}");
    assert!(!authentic(&messages(), &post("/h", &[("authorization", &none)], BODY), &[SECRET], 0));
    let stranger = Messages { api_key: Some("other".to_owned()) };
    assert!(!authentic(&stranger, &webhook(BODY), &[SECRET], 0));
}

#[test]
fn receipts_of_the_sms_api() {
    use MessageState::*;
    for (status, code, state, class) in [
        ("accepted", "0", Sent, None),
        ("buffered", "", Sent, None),
        ("delivered", "0", Delivered, None),
        ("failed", "9", Rejected, Some(ErrorClass::OptedOut)),
        ("rejected", "53", Rejected, Some(ErrorClass::OptedOut)),
        ("failed", "3", Failed, Some(ErrorClass::PermanentRecipient)),
        ("failed", "6", Failed, Some(ErrorClass::PermanentContent)),
        ("expired", "2", Expired, Some(ErrorClass::Retryable)),
        ("unknown", "99", Unknown, Some(ErrorClass::Ambiguous)),
    ] {
        let body = format!(
            "msisdn=447700900001&to=AcmeInc&messageId=M1&status={status}&err-code={code}&client-ref=07070707070707070707070707070707"
        );
        let events = sms("sha256").read(&post("/h", &[], &body), Instant::EPOCH);
        let [InboundEvent::Receipt(r)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((r.state, r.error.as_ref().map(|e| e.class)), (state, class), "{status} {code}");
        assert_eq!(r.message, "07070707070707070707070707070707".parse().ok());
    }
    let odd = sms("sha256").read(&post("/h", &[], "messageId=M1&status=teleported&msisdn=1"), Instant::EPOCH);
    assert!(matches!(&odd[..], [InboundEvent::Unreadable(u)] if u.from.is_none()));
    let part = sms("sha256").read(&post("/h", &[], "messageId=M1&msisdn=447700900001"), Instant::EPOCH);
    assert!(matches!(&part[..], [InboundEvent::Unreadable(u)] if u.from.is_some()));
}

#[test]
fn texts_and_receipts_of_the_messages_api() {
    use MessageState::*;
    let read = |body: &str| messages().read(&post("/h", &[], body), Instant::EPOCH);
    assert!(
        matches!(&read(BODY)[..], [InboundEvent::Text(t)] if t.text == "STOP" && t.from == "447700900001")
    );
    assert!(matches!(&read("[")[..], [InboundEvent::Unreadable(_)]));
    for (status, error, state, class) in [
        ("submitted", "", Sent, None),
        ("delivered", "", Delivered, None),
        (
            "rejected",
            r#""error":{"title":"1240","detail":"opted out"},"#,
            Rejected,
            Some(ErrorClass::OptedOut),
        ),
        (
            "rejected",
            r#""error":{"type":"https://developer.vonage.com/api-errors/messages#1190","title":"x"},"#,
            Rejected,
            Some(ErrorClass::PermanentRecipient),
        ),
        (
            "rejected",
            r#""error":{"title":"1330","detail":"message expired"},"#,
            Expired,
            Some(ErrorClass::PermanentContent),
        ),
        ("undeliverable", r#""error":{"title":"1230"},"#, Failed, Some(ErrorClass::Retryable)),
    ] {
        let body = format!(
            r#"{{{error}"message_uuid":"u1","status":"{status}","client_ref":"07070707070707070707070707070707","timestamp":"2026-01-01T12:00:00Z"}}"#
        );
        let events = read(&body);
        let [InboundEvent::Receipt(r)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((r.state, r.error.as_ref().map(|e| e.class)), (state, class), "{body}");
        assert!(r.message.is_some() && r.carrier_at.is_some());
    }
}
