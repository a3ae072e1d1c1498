//! The adapter against the real virtual carrier over sockets, and its webhook reader against the carrier's posts.

use std::sync::Arc;

use proptest::prelude::*;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::request::validity_seconds;
use super::webhook::{SIGNATURE_HEADER, SignatureError, parse, verify};
use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::entropy::SeededEntropy;
use crate::model::outgoing::ErrorClass;
use crate::model::subject::Address;
use crate::model::{Channel, MessageId, MessageState, Span};
use crate::provider::http::{AddressRule, HttpLimits};
use crate::provider::{Gathered, IntentDraft};
use crate::sandbox::carrier::behaviour::{Behaviour, Fault, FaultChance};
use crate::sandbox::carrier::webhooks::signature;
use crate::sandbox::{Carrier, CarrierSettings};
use crate::web::{Bounds, serve};
use crate::writer::CommitProof;

const PHONE: &str = "+12125550123";

fn now() -> Instant {
    Instant::from_seconds(1_767_268_800)
}

fn http() -> HttpClient {
    HttpClient::new(HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() })
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

struct World {
    carrier: Carrier,
    provider: SandboxProvider,
    clock: ManualClock,
    _stop: DropGuard,
}

async fn world(faults: &[Fault]) -> World {
    let stop = CancellationToken::new();
    let clock = ManualClock::at(now());
    let faults = faults.iter().map(|fault| FaultChance { fault: *fault, percent: 100 }).collect();
    let settings = CarrierSettings {
        behaviour: Behaviour { faults, ..Behaviour::instant() },
        ..CarrierSettings::new("token".to_owned(), "secret".to_owned())
    };
    let entropy = Arc::new(SeededEntropy::new(5));
    let carrier = Carrier::start(settings, Arc::new(clock.clone()), entropy, http(), stop.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let router = crate::sandbox::carrier::http::router(carrier.clone());
    tokio::spawn(serve(listener, None, router, Bounds::default(), stop.clone()));
    let provider =
        SandboxProvider::new(http(), Arc::new(clock.clone()), &base, secret("token")).expect("settings");
    World { carrier, provider, clock, _stop: stop.drop_guard() }
}

fn dispatch(n: u8, to: &str) -> Dispatch {
    let draft = IntentDraft {
        message: MessageId([n; 16]),
        entry: 0,
        channel: Channel::Sms,
        connection: "sandbox".parse().expect("an id"),
        from: "+18555550100".to_owned(),
        to: Address::Phone(to.trim_start_matches('+').to_owned()),
        text: "Your cart waits. Reply STOP to opt out.".to_owned(),
        parts: 1,
        committed_at: now(),
        not_after: now() + Span::seconds(2),
        deliver_by: Some(now() + Span::hours(2)),
        push: None,
    };
    Dispatch::seal(draft, &CommitProof::pretend(1)).expect("durable")
}

#[tokio::test]
async fn a_message_is_taken_under_our_reference_and_listed_with_it() {
    let world = world(&[]).await;
    let Handover::Accepted { ids } = world.provider.send(dispatch(7, PHONE)).await else {
        panic!("not accepted")
    };
    let kept = world.carrier.find(&ids[0]).expect("kept");
    assert_eq!(kept.client_ref, Some(MessageId([7; 16]).to_string()));
    assert_eq!(kept.to.as_str(), PHONE);
    loop {
        let listed = Gathered::default();
        world.provider.reconcile(now(), &listed).await.expect("listed");
        if let [InboundEvent::Receipt(receipt)] = &listed.events()[..]
            && receipt.state == MessageState::Delivered
        {
            assert_eq!((receipt.message, &receipt.provider_id), (Some(MessageId([7; 16])), &ids[0]));
            break;
        }
    }
}

#[tokio::test]
async fn each_answer_means_taken_not_taken_or_unclear() {
    let throttled = Fault::Throttled { retry_after_seconds: Some(7) };
    for (fault, expected) in [
        (Fault::OptedOut, "rejected OptedOut opted_out"),
        (Fault::UnknownSubscriber, "rejected PermanentRecipient unknown_subscriber"),
        (Fault::ContentBlocked, "rejected PermanentContent content_blocked"),
        (Fault::SenderUnregistered, "rejected PermanentSender sender_unregistered"),
        (throttled, "not taken Retryable throttled Some(7)"),
        (Fault::Throttled { retry_after_seconds: None }, "not taken Retryable throttled None"),
        (Fault::Unavailable, "not taken Retryable unavailable None"),
        (Fault::FailsAfterAccept, "unclear 500"),
        (Fault::ResetAfterAccept, "unclear no_answer"),
        (Fault::BadContentType, "unclear 200"),
        (Fault::OversizedBody, "unclear no_answer"),
    ] {
        let world = world(&[fault]).await;
        let handover = world.provider.send(dispatch(1, PHONE)).await;
        let seen = match &handover {
            Handover::Rejected(f) => format!("rejected {:?} {}", f.class, f.code),
            Handover::NotTaken { failure: f, after_seconds } => {
                format!("not taken {:?} {} {after_seconds:?}", f.class, f.code)
            }
            Handover::Unclear(f) => format!("unclear {}", f.code),
            Handover::Accepted { .. } => "accepted".to_owned(),
            Handover::Void => "void".to_owned(),
        };
        assert_eq!(seen, expected, "{fault:?}");
        let kept = !world.carrier.thread(PHONE, 1).is_empty();
        assert_eq!(kept, seen.starts_with("unclear"), "{fault:?}: unclear exactly when it may be out there");
    }
}

#[tokio::test]
async fn nobody_there_means_not_taken_and_a_wrong_token_is_the_accounts_fault() {
    let world = world(&[]).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let clock = Arc::new(world.clock.clone());
    let nobody =
        SandboxProvider::new(http(), clock.clone(), &format!("http://{closed}"), secret("t")).expect("ok");
    assert!(matches!(nobody.send(dispatch(1, PHONE)).await, Handover::NotTaken { .. }));
    assert!(nobody.reconcile(now(), &Gathered::default()).await.is_err());
    let stranger = SandboxProvider::new(http(), clock, &world.provider.base, secret("wrong")).expect("ok");
    let Handover::NotTaken { failure, .. } = stranger.send(dispatch(1, PHONE)).await else { panic!("taken") };
    assert_eq!(failure.class, ErrorClass::PermanentAccount);
}

#[tokio::test]
async fn a_void_intent_reaches_nobody() {
    let world = world(&[]).await;
    world.clock.advance(Span::micros(2_000_001));
    assert_eq!(world.provider.send(dispatch(1, PHONE)).await, Handover::Void);
    world.clock.set(now() - Span::micros(1));
    assert_eq!(world.provider.send(dispatch(1, PHONE)).await, Handover::Void);
    assert!(world.carrier.thread(PHONE, 1).is_empty());
}

#[tokio::test]
async fn an_address_that_is_no_number_is_rejected() {
    let world = world(&[]).await;
    let handover = world.provider.send(dispatch(1, "x5f5f5f")).await;
    assert!(matches!(handover, Handover::Rejected(f) if f.class == ErrorClass::PermanentRecipient));
}

#[tokio::test]
async fn reconcile_pulls_both_directions_over_many_pages() {
    let world = world(&[]).await;
    world.carrier.type_text(PHONE, Some("+18555550100"), "before").expect("kept");
    world.clock.advance(Span::seconds(10));
    for n in 0..1_100 {
        world.carrier.type_text(PHONE, Some("+18555550100"), &format!("STOP {n}")).expect("kept");
    }
    let gathered = Gathered::default();
    world.provider.reconcile(now() + Span::seconds(5), &gathered).await.expect("listed");
    let events = gathered.events();
    assert_eq!(events.len(), 1_100);
    let InboundEvent::Text(first) = &events[0] else { panic!("not a text") };
    assert_eq!(
        (first.text.as_str(), first.from.as_str(), first.to.as_str()),
        ("STOP 0", PHONE, "+18555550100")
    );
    assert!(first.received_at >= Some(now()));
}

fn signed(secret: &str, at: Instant, body: &[u8]) -> http::HeaderMap {
    let value = signature(secret, at.as_seconds(), body).parse().expect("a header");
    http::HeaderMap::from_iter([(http::HeaderName::from_static(SIGNATURE_HEADER), value)])
}

#[test]
fn a_signature_holds_for_its_body_its_secret_and_five_minutes() {
    let body = br#"{"events":[]}"#;
    let secrets = [secret("old"), secret("new")];
    for name in ["old", "new"] {
        assert_eq!(verify(&signed(name, now(), body), body, &secrets, now()), Ok(()));
    }
    let stale =
        |offset: i64| verify(&signed("new", now(), body), body, &secrets, now() + Span::seconds(offset));
    assert_eq!((stale(300), stale(-300)), (Ok(()), Ok(())));
    assert_eq!((stale(301), stale(-301)), (Err(SignatureError::Stale), Err(SignatureError::Stale)));
    let headers = signed("new", now(), body);
    assert_eq!(verify(&headers, b"{\"events\":[] }", &secrets, now()), Err(SignatureError::Mismatch));
    assert_eq!(verify(&headers, body, &secrets[..1], now()), Err(SignatureError::Mismatch));
    assert_eq!(verify(&headers, body, &[], now()), Err(SignatureError::Mismatch));
    let mut twice = headers.clone();
    twice.append(SIGNATURE_HEADER, "t=1,v1=00".parse().expect("a header"));
    for bad in [http::HeaderMap::new(), twice] {
        assert_eq!(verify(&bad, body, &secrets, now()), Err(SignatureError::Malformed));
    }
}

#[test]
fn events_become_texts_and_receipts() {
    let body = br#"{"events":[
        {"id":"e1","type":"message.received","occurred_at":"2026-01-01T12:00:00Z","message":
            {"id":"m1","from":"+12125550123","to":"+18555550100","text":"Stop!","parts":1,"status":"received","new":1}},
        {"id":"e2","type":"message.status","occurred_at":"2026-01-01T12:00:01Z","message":
            {"id":"m2","from":"a","to":"b","client_ref":"07070707070707070707070707070707","status":"rejected","error":"opted_out"}},
        {"id":"e3","type":"message.status","occurred_at":"2026-01-01T12:00:01Z","message":
            {"id":"m3","from":"a","to":"b","status":"queued"}}]}"#;
    let events = parse(body);
    assert_eq!(events.len(), 2);
    assert!(matches!(&events[0], InboundEvent::Text(t) if t.text == "Stop!" && t.received_at == Some(now())));
    let InboundEvent::Receipt(receipt) = &events[1] else { panic!("not a receipt") };
    assert_eq!((receipt.message, receipt.state), (Some(MessageId([7; 16])), MessageState::Rejected));
    assert_eq!(receipt.error.as_ref().map(|e| e.class), Some(ErrorClass::OptedOut));
}

#[test]
fn what_cannot_be_understood_names_its_sender_and_hides_nothing_else() {
    let text = r#"{"id":"e1","type":"message.received","occurred_at":"2026-01-01T12:00:00Z","message":
        {"id":"m1","from":"+12125550123","to":"+18555550100","text":"Stop!","status":"received"}}"#;
    let broken =
        r#"{"type":"message.received","message":{"from":"+12125550124","to":"+18555550100","text":"STOP"}}"#;
    let receipt = r#"{"type":"message.status","message":{"from":"+18555550100"}}"#;
    let events = parse(format!("{{\"events\":[{broken},{receipt},{text},7]}}").as_bytes());
    let [
        InboundEvent::Unreadable(a),
        InboundEvent::Unreadable(b),
        InboundEvent::Text(_),
        InboundEvent::Unreadable(c),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(a.from.as_deref(), Some("+12125550124"));
    assert_eq!((&b.from, &c.from), (&None, &None), "a receipt comes from ourselves");
    assert!(!format!("{events:?}").contains("555") && !format!("{events:?}").contains("STOP"), "{events:?}");
    for nonsense in ["", "[]", "{}", "{\"events\":7}"] {
        assert!(matches!(parse(nonsense.as_bytes())[..], [InboundEvent::Unreadable(_)]), "{nonsense}");
    }
}

#[test]
fn validity_never_outlives_the_permission() {
    let at = |micros: i64| validity_seconds(Some(now() + Span::micros(micros)), now());
    assert_eq!((at(7_999_999), at(500_000), at(-1)), (7, 1, 1));
    assert_eq!(validity_seconds(None, now()), 172_800);
}

#[test]
fn settings_are_checked_once() {
    let make = |base: &str, token: &str| {
        SandboxProvider::new(http(), Arc::new(SystemClock), base, secret(token)).map(|_| ())
    };
    assert_eq!(make("http://127.0.0.1:8080/", "t"), Ok(()));
    assert_eq!(make("127.0.0.1:8080", "t"), Err(SettingsError::Url));
    assert_eq!(make("http://127.0.0.1:8080", "a\nb"), Err(SettingsError::Token));
}

proptest! {
    #[test]
    fn no_body_and_no_header_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300), header in ".*") {
        let _ = parse(&body);
        let _ = webhook::parse_list(&body);
        if let Ok(value) = http::HeaderValue::from_str(&header) {
            let headers = http::HeaderMap::from_iter([(http::HeaderName::from_static(SIGNATURE_HEADER), value)]);
            prop_assert!(verify(&headers, &body, &[secret("s")], now()).is_err());
        }
    }
}
