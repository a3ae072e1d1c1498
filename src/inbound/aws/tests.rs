//! SNS's signature, good and tampered (the certificate and key of `sns.pem` were made for this test), and what comes in it.

use secrecy::SecretString;

use super::*;
use crate::inbound::testing::{now, post};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:sms-inbound";
const CERT_URL: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0000000000000000.pem";
const TEXT: &str = r#"{"originationNumber":"+15555550123","destinationNumber":"+15555550100","messageKeyword":"STOP","messageBody":"STOP","inboundMessageId":"cae173d2-66b9-564c-8309-21f858e9fb84"}"#;
const SIGNATURE: &str = "2tMt+MN0sQE9+QNwr5NRYds0SJsTqn+roVnikRpCqmjJ65bp8WzajkbZX9J5ozZeCLlGldEYLg38qKGYuUnxOdCklUZGBC+SE1+P9FMFsX7vDrCzKkEUOlAsl81diHndctNOW4Czd0TjTu+YXK06goMzaFg6Z5lrn1V9/E1lguKdBu1AdKPfSN/AbjCf+F7/GLtxkAq/K9/iMuwRpChkstXwEGtRIvEPLw29oWgFTWzfMkyBB6Ryks6ywsOZb0QvzrVh9N2LfSlV+t5mxFtTUhL2CfphvC1YxKpXzL7y98tpXsDjhuykwqaaqv+LJLIfkenqmZ6pPyn/b6nQ+rfgrw==";
const WITH_SUBJECT: &str = "dU9fae109CTuGsfvTUqQsn6uwpqv6+R3fU6sJoiJBBV1EqQPPOFXL0wchtLTLCUsCamO9rUKzHUr8FXvPmSUPtDklXZFdwv+cJNsUkBzn/O9FFFm6k2/cX5PLNBV+KxLDiZ2+W3xac0hFLjEK5FJQkMWZ0wDKVr1Ia/KFB5e4EaD8vNs103zjvaNOa/jxx1wuomu4j9eWWyoslXIpkWHlEHuBsu8VKyYOTg4m6g7X+q6d9OcDCDNli25ofz0gIpYUVu13dyDeRTkEpa6Os/qsbbgO2KF09oZLXjh2o4wuhWhBYcs3CzU7aL4jxydCTUvtXpz9UEfLnltIsU7MfOq2g==";
const SUBSCRIBE: &str = "I/q+d0FYa2QMxxr2yuNjpsTJLrWeXg5N2nD7AenaijWKyajz4tyXHGLeSr2i5JJ9wYeEp91xUU1+ahPTn9TDjmHGZFJGIWl4wc854HAXeiopwoKzh3zlA3hSrXCYMMOIGoBkGfJp39FUXLIuk5iUKDjwxtHRUdwnzHYkfPJFVwUidRledp4gTL42PrvmzeSD1l22eo+q6tEpyoLoiFtvWqsEU7oRtyjzPSu7GItFLDOsox8cmvN7obxx0zDxyns7gkMZbjaT3OJ7inVGvSYokjEveTDhLv87aR+MzT54CwReeiSF5Sa2VHgSjd4F2AxHT5phS33iXHXHWLPoAkE0hw==";

fn aws(topics: &[&str]) -> Aws {
    let aws = Aws {
        topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        http: HttpClient::new(HttpLimits::default()),
        certificates: Mutex::default(),
    };
    let certificate = CertificateDer::from_pem_slice(include_bytes!("sns.pem")).expect("PEM");
    aws.keep(CERT_URL.to_owned(), certificate);
    aws
}

fn notification(signature: &str, change: impl FnOnce(&mut Value)) -> Webhook {
    let mut message = serde_json::json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": TEXT, "Timestamp": "2026-01-01T12:00:00.000Z", "SignatureVersion": "2",
        "Signature": signature, "SigningCertURL": CERT_URL, "UnsubscribeURL": "https://example.com",
    });
    change(&mut message);
    post("/h", &[("content-type", "text/plain; charset=UTF-8")], &message.to_string())
}

fn judge(aws: &Aws, webhook: &Webhook, seconds: i64) -> Judged {
    let none: [SecretString; 0] = [];
    aws.judge(webhook, &Proof { url: "", secrets: &none, now: now() + Span::seconds(seconds) })
}

#[test]
fn the_documented_string_is_signed() {
    let webhook = notification(SIGNATURE, |_| {});
    let text = canonical(&parsed(&webhook).expect("JSON")).expect("complete");
    let digest = crate::inbound::voice::sha256_hex(text.as_bytes());
    assert_eq!(digest, "f1ee282656bef9472ee907a3bf53ed3d2b06846d04dd72019cafe3503263ffc9");
}

#[test]
fn a_signature_covers_every_field_and_our_topics_alone() {
    let ours = aws(&[TOPIC]);
    assert_eq!(judge(&ours, &notification(SIGNATURE, |_| {}), 0), Judged::Yes);
    assert_eq!(judge(&ours, &notification(SIGNATURE, |_| {}), 24 * 3_600), Judged::Yes);
    assert_eq!(judge(&ours, &notification(SIGNATURE, |_| {}), 24 * 3_600 + 1), Judged::No);
    assert_eq!(judge(&ours, &notification(SIGNATURE, |_| {}), -301), Judged::No);
    let subject = notification(WITH_SUBJECT, |m| m["Subject"] = "Hello".into());
    assert_eq!(judge(&ours, &subject, 0), Judged::Yes);
    for (name, value) in [
        ("Message", "{}"),
        ("MessageId", "x"),
        ("Subject", "x"),
        ("Timestamp", "2026-01-01T12:00:01.000Z"),
        ("TopicArn", "arn:aws:sns:us-east-1:123456789012:other"),
        ("Type", "UnsubscribeConfirmation"),
        ("SignatureVersion", "1"),
        ("Signature", "AAAA"),
    ] {
        let tampered = notification(SIGNATURE, |m| m[name] = value.into());
        assert_eq!(judge(&ours, &tampered, 0), Judged::No, "{name}");
    }
    let other = aws(&["arn:aws:sns:us-east-1:999999999999:theirs"]);
    assert_eq!(judge(&other, &notification(SIGNATURE, |_| {}), 0), Judged::No, "another customer's topic");
}

#[test]
fn a_certificate_comes_from_sns_or_not_at_all() {
    let ours = aws(&[TOPIC]);
    for url in [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
        "https://evil.example/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://a@sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com/other.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem?x=1",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-../x.pem",
    ] {
        let webhook = notification(SIGNATURE, |m| m["SigningCertURL"] = url.into());
        assert_eq!(judge(&ours, &webhook, 0), Judged::No, "{url}");
    }
    let new = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem";
    let webhook = notification(SIGNATURE, |m| m["SigningCertURL"] = new.into());
    assert_eq!(judge(&ours, &webhook, 0), Judged::Unknown, "not fetched yet");
    let china = aws(&["arn:aws-cn:sns:cn-north-1:123456789012:t"]);
    assert!(
        china.is_sns("https://sns.cn-north-1.amazonaws.com.cn/x")
            && !china.is_sns("https://sns.cn-north-1.amazonaws.com/x")
    );
    for n in 0..40 {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("sns.pem")).expect("PEM");
        ours.keep(n.to_string(), certificate);
    }
    assert!(ours.certificates.lock().len() <= CERTIFICATES_MAX);
}

#[tokio::test]
async fn a_subscription_is_confirmed_at_sns_or_not_at_all() {
    let url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:123456789012:sms-inbound&Token=2336412f37";
    let confirmation = |url: &str| {
        notification(SUBSCRIBE, |m| {
            m["Type"] = "SubscriptionConfirmation".into();
            m["MessageId"] = "165545c9-2a5c-472c-8df2-7ff2be2b3b1b".into();
            m["Message"] = "You have chosen to subscribe".into();
            m["SubscribeURL"] = url.into();
            m["Token"] = "2336412f37".into();
        })
    };
    let ours = aws(&[TOPIC]);
    assert_eq!(judge(&ours, &confirmation(url), 0), Judged::Yes);
    let elsewhere = confirmation("https://evil.example/?Action=ConfirmSubscription");
    assert_eq!(judge(&ours, &elsewhere, 0), Judged::No);
    assert!(!ours.follow_up(&elsewhere).await, "nothing is fetched from elsewhere");
    assert!(ours.follow_up(&notification(SIGNATURE, |_| {})).await, "a notification needs nothing");
    assert_eq!(ours.read(&confirmation(url), now()), []);
}

#[tokio::test]
async fn certificates_are_fetched_once_and_what_is_none_is_not_kept() {
    use crate::provider::faults::peer::{Act, Peer};
    use crate::provider::http::AddressRule;
    let limits = HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() };
    let ours = Aws { http: HttpClient::new(limits), ..aws(&[TOPIC]) };
    let answer = |status: &str, body: &str| {
        Act::Say(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let pem = include_str!("sns.pem");
    let peer = Peer::plays(vec![
        answer("500 X", pem),
        answer("200 OK", "no certificate"),
        answer("200 OK", pem),
        answer("403 X", ""),
        answer("200 OK", ""),
    ])
    .await;
    let url = format!("{}/SimpleNotificationService-1.pem", peer.url);
    for known in [false, false, true] {
        ours.fetch(url.clone()).await;
        assert_eq!(ours.certificates.lock().contains_key(&url), known);
    }
    assert!(!ours.confirm(&peer.url).await, "a refusal is no confirmation");
    assert!(ours.confirm(&peer.url).await);
    assert!(!ours.confirm("no address").await);
    ours.prepare(&notification(SIGNATURE, |_| {})).await;
    assert_eq!(peer.seen().len(), 5, "what is known is not fetched again");
}

#[test]
fn texts_and_receipts() {
    let ours = aws(&[TOPIC]);
    let read = |inner: &str| ours.read(&notification("", |m| m["Message"] = inner.into()), now());
    let [InboundEvent::Text(text)] = &read(TEXT)[..] else { panic!("no text") };
    assert_eq!(
        (text.from.as_str(), text.to.as_str(), text.text.as_str()),
        ("+15555550123", "+15555550100", "STOP")
    );
    let wordless = TEXT.replace("messageBody", "other");
    assert!(matches!(&read(&wordless)[..], [InboundEvent::Unreadable(u)] if u.from.is_some()));
    assert!(matches!(&read("hello")[..], [InboundEvent::Unreadable(_)]));
    assert_eq!(read("Successfully validated SNS topic for Amazon Pinpoint"), []);
    use MessageState::*;
    for (event, state, class) in [
        ("TEXT_QUEUED", None, None),
        ("TEXT_SENT", Some(Sent), None),
        ("TEXT_SUCCESSFUL", Some(Sent), None),
        ("TEXT_DELIVERED", Some(Delivered), None),
        ("MEDIA_DELIVERED", Some(Delivered), None),
        ("TEXT_INVALID", Some(Rejected), Some(ErrorClass::PermanentRecipient)),
        ("TEXT_CARRIER_BLOCKED", Some(Rejected), Some(ErrorClass::PermanentContent)),
        ("TEXT_UNREACHABLE", Some(Undelivered), Some(ErrorClass::Retryable)),
        ("TEXT_TTL_EXPIRED", Some(Expired), Some(ErrorClass::Retryable)),
        ("TEXT_UNKNOWN", Some(Unknown), Some(ErrorClass::Ambiguous)),
        ("MEDIA_FILE_SIZE_EXCEEDED", Some(Failed), Some(ErrorClass::PermanentContent)),
    ] {
        let inner = format!(
            r#"{{"eventType":"{event}","eventTimestamp":1767268800000,"messageId":"m1","messageStatusDescription":"d","context":{{"consentry_message":"07070707070707070707070707070707"}}}}"#
        );
        let events = read(&inner);
        let seen = events.first().map(|event| match event {
            InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
            other => panic!("{other:?}"),
        });
        assert_eq!(seen, state.map(|state| (state, class)), "{event}");
        if let [InboundEvent::Receipt(r)] = &events[..] {
            assert_eq!((r.message.is_some(), r.carrier_at), (true, Some(now())));
        }
    }
}

/// moto signs notifications with certificates of its own; we must believe the sound ones and no other.
#[test]
fn motos_notifications_are_believed_and_tampered_ones_are_not() {
    for seed in ["1", "2"] {
        let Some(said) = crate::inbound::peers::run("sns", seed, "") else { return };
        let (mut good, mut bad) = (0, 0);
        for line in said.lines() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let field = |name: &str| case[name].as_str().expect("a text");
            let ours = aws(&[field("topic")]);
            let certificate = CertificateDer::from_pem_slice(field("certificate").as_bytes()).expect("PEM");
            ours.keep(field("url").to_owned(), certificate);
            let webhook = post("/h", &[("content-type", "text/plain; charset=UTF-8")], field("body"));
            let at = instant_at(&parsed(&webhook).expect("JSON"), "/Timestamp").unwrap_or(now());
            let judged = ours.judge(&webhook, &Proof { url: "", secrets: &[], now: at });
            let sound = case["good"].as_bool().expect("a verdict");
            assert_eq!(judged == Judged::Yes, sound, "seed {seed}: {judged:?} {line}");
            *(if sound { &mut good } else { &mut bad }) += 1;
            if sound {
                assert!(matches!(&ours.read(&webhook, at)[..], [InboundEvent::Text(_)]), "{line}");
            }
        }
        assert!(good >= 5 && bad >= 5, "seed {seed}: {good} good and {bad} bad ones");
        eprintln!("sns seed {seed}: moto and we agree on {good} good and {bad} bad notifications");
    }
}

#[test]
fn the_end_of_a_subscription_is_a_loss_of_hearing() {
    let ours = aws(&[TOPIC]);
    for (kind, silent) in
        [("Notification", false), ("SubscriptionConfirmation", false), ("UnsubscribeConfirmation", true)]
    {
        let webhook = notification(SIGNATURE, |m| m["Type"] = kind.into());
        assert_eq!(ours.falls_silent(&webhook), silent, "{kind}");
    }
}
