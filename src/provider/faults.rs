//! Every vendor against the same broken peers: nothing is sent twice knowingly, nothing is lost, the outcome is right.

mod ends;
pub mod peer;
pub mod push;
mod push_ends;

use std::sync::Arc;
use std::time::Duration;

use peer::{Act, Peer, json};
use secrecy::SecretString;

use super::http::{AddressRule, HttpClient, HttpLimits};
use super::{Dispatch, Gathered, Handover, IntentDraft, ReconcileError, SharedProvider, registry};
use crate::clock::ManualClock;
use crate::dispatch::Carrier;
use crate::dispatch::route::Health;
use crate::inbound::event::InboundEvent;
use crate::model::outgoing::ErrorClass;
use crate::model::registry::{Connection, Reconcile, Validity};
use crate::model::subject::Address;
use crate::model::{Channel, Instant, MessageId, Span};
use crate::writer::CommitProof;

/// How long a hand-over waits for its answer here.
const ANSWER: Duration = Duration::from_millis(250);

/// One vendor in the suite.
struct Case {
    provider: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// An answer that means "taken", and the id in it.
    taken: (u16, &'static str, &'static str),
    /// How it says that it is asked too often, without a time.
    throttled: (u16, &'static str),
    /// How it says that the person opted out, where it does so in the answer.
    opted_out: Option<(u16, &'static str)>,
    /// The same request twice makes one message.
    repeats: bool,
    /// Its receipt "delivered", with `REF` where our reference stands.
    delivered: &'static str,
}

const CASES: &[Case] = &[
    Case {
        provider: "aws",
        settings: &[
            ("region", "us-east-1"),
            ("access_key_id", "AK"),
            ("configuration_set", "s"),
            ("topic_arns", "arn:aws:sns:us-east-1:1:t"),
        ],
        taken: (200, r#"{"MessageId":"a1"}"#, "a1"),
        throttled: (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#),
        opted_out: Some((
            400,
            r#"{"__type":"ConflictException","Message":"m","Reason":"DESTINATION_PHONE_NUMBER_OPTED_OUT"}"#,
        )),
        repeats: false,
        delivered: r#"{"Type":"Notification","Message":"{\"eventType\":\"TEXT_DELIVERED\",\"messageId\":\"a1\",\"context\":{\"consentry_message\":\"REF\"}}"}"#,
    },
    Case {
        provider: "bandwidth",
        settings: &[
            ("account_id", "900000"),
            ("application_id", "app-1"),
            ("api_user", "user"),
            ("webhook_user", "u"),
        ],
        taken: (202, r#"{"id":"b1","segmentCount":1}"#, "b1"),
        throttled: (429, r#"{"type":"max-message-queue-size-exceeded","description":"queue full"}"#),
        opted_out: None,
        repeats: false,
        delivered: r#"[{"type":"message-delivered","message":{"id":"b1","tag":"REF","direction":"out"}}]"#,
    },
    Case {
        provider: "bird",
        settings: &[],
        taken: (202, r#"{"id":"sms_1","status":"accepted"}"#, "sms_1"),
        throttled: (429, r#"{"error":{"type":"rate_limit","code":"x","message":"slow down"}}"#),
        opted_out: Some((
            422,
            r#"{"error":{"type":"validation","code":"recipient_opted_out","message":"m"}}"#,
        )),
        repeats: true,
        delivered: r#"{"type":"sms.delivered","data":{"sms_id":"sms_1","metadata":{"consentry_message":"REF"}}}"#,
    },
    Case {
        provider: "infobip",
        settings: &[("webhook_user", "u")],
        taken: (200, r#"{"messages":[{"messageId":"i1","status":{"groupId":1,"id":26}}]}"#, "i1"),
        throttled: (429, r#"{"requestError":{"serviceException":{"text":"Too many requests"}}}"#),
        opted_out: Some((200, r#"{"messages":[{"messageId":"i1","status":{"groupId":5,"id":14}}]}"#)),
        repeats: true,
        delivered: r#"{"results":[{"messageId":"i1","status":{"groupId":3,"id":5},"callbackData":"REF"}]}"#,
    },
    Case {
        provider: "messagebird",
        settings: &[],
        taken: (201, r#"{"id":"mb1"}"#, "mb1"),
        throttled: (429, r#"{"errors":[{"code":30,"description":"too many requests"}]}"#),
        opted_out: None,
        repeats: false,
        delivered: "id=mb1&reference=REF&status=delivered",
    },
    Case {
        provider: "plivo",
        settings: &[("auth_id", "MA1")],
        taken: (202, r#"{"message":"message(s) queued","message_uuid":["u1"]}"#, "u1"),
        throttled: (429, r#"{"error":"too many requests"}"#),
        opted_out: None,
        repeats: false,
        delivered: "MessageUUID=u1&Status=delivered",
    },
    Case {
        provider: "sinch",
        settings: &[("service_plan_id", "plan1")],
        taken: (201, r#"{"id":"s1","type":"mt_text"}"#, "s1"),
        throttled: (429, r#"{"code":"too_many_requests","text":"slow down"}"#),
        opted_out: None,
        repeats: false,
        delivered: r#"{"type":"recipient_delivery_report_sms","batch_id":"s1","status":"Delivered","client_reference":"REF"}"#,
    },
    Case {
        provider: "telnyx",
        settings: &[],
        taken: (200, r#"{"data":{"id":"t1","to":[{"status":"queued"}]}}"#, "t1"),
        throttled: (429, r#"{"errors":[{"code":"10011","title":"Too many requests"}]}"#),
        opted_out: Some((400, r#"{"errors":[{"code":"40300","title":"Blocked due to STOP message"}]}"#)),
        repeats: true,
        delivered: r#"{"data":{"event_type":"message.finalized","payload":{"id":"t1","to":[{"status":"delivered"}]}}}"#,
    },
    Case {
        provider: "twilio",
        settings: &[("account_sid", "AC1")],
        taken: (201, r#"{"sid":"SM1","status":"queued","error_code":null}"#, "SM1"),
        throttled: (429, r#"{"code":20429,"message":"Too Many Requests","status":429}"#),
        opted_out: Some((
            400,
            r#"{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}"#,
        )),
        repeats: false,
        delivered: "MessageSid=SM1&MessageStatus=delivered",
    },
    Case {
        provider: "vonage",
        settings: &[("api_key", "abcd1234")],
        taken: (200, r#"{"messages":[{"status":"0","message-id":"v1"}]}"#, "v1"),
        throttled: (200, r#"{"messages":[{"status":"1","error-text":"Throttled"}]}"#),
        opted_out: Some((200, r#"{"messages":[{"status":"7","error-text":"Number barred"}]}"#)),
        repeats: false,
        delivered: "messageId=v1&status=delivered&err-code=0&client-ref=REF",
    },
    Case {
        provider: "vonage",
        settings: &[("api_key", "abcd1234"), ("api", "messages")],
        taken: (202, r#"{"message_uuid":"v2"}"#, "v2"),
        throttled: (
            429,
            r#"{"type":"https://developer.vonage.com/api-errors#throttled","title":"Rate Limit Hit"}"#,
        ),
        opted_out: None,
        repeats: false,
        delivered: r#"{"message_uuid":"v2","status":"delivered","client_ref":"REF"}"#,
    },
];

/// The instant the manual clock of these tests stands at: 2026-01-01T12:00:00Z.
pub fn now() -> Instant {
    Instant::from_seconds(1_767_268_800)
}

/// A message to a person in New York, with two hours left.
pub fn dispatch(n: u8) -> Dispatch {
    dispatch_from(n, "+18555550100", "12125550123", "Your cart waits – reply STOP to opt out & end.")
}

/// The same from, to and with what a test wants.
pub fn dispatch_from(n: u8, from: &str, to: &str, text: &str) -> Dispatch {
    let draft = IntentDraft {
        message: MessageId([n; 16]),
        entry: 0,
        channel: Channel::Sms,
        connection: "main".parse().expect("an id"),
        from: from.to_owned(),
        to: Address::Phone(to.to_owned()),
        text: text.to_owned(),
        parts: 1,
        committed_at: now(),
        not_after: now() + Span::seconds(2),
        deliver_by: Some(now() + Span::hours(2)),
        push: None,
    };
    Dispatch::seal(draft, &CommitProof::pretend(1)).expect("durable")
}

/// A connection of a vendor with these settings.
pub fn connection(provider: &str, settings: &[(&str, &str)]) -> Connection {
    Connection {
        id: "main".parse().expect("a slug"),
        provider: provider.to_owned(),
        settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        secrets: Vec::new(),
        public_url: "https://gw.example.com".to_owned(),
        token_sha256: [0; 32],
        validity: Validity::Native { min_seconds: 1, max_seconds: 36_000 },
        reconcile: Reconcile::List,
        slots: 4,
        prices: Vec::new(),
    }
}

/// Every secret is its own name.
pub fn secret(name: &str) -> Option<SecretString> {
    Some(SecretString::from(name.to_owned()))
}

/// A vendor's pure half, for tests of requests and answers.
pub fn given<V>(
    settings: &[(&str, &str)],
    make: impl FnOnce(&registry::Given<'_>) -> Result<V, registry::BuildError>,
) -> V {
    let connection = connection("any", settings);
    make(&registry::Given { connection: &connection, secret: &secret }).expect("settings")
}

/// An answer of a vendor.
pub fn said(status: u16, body: &str) -> super::http::Answer {
    super::http::Answer {
        status: http::StatusCode::from_u16(status).expect("a status"),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// One line about an outcome, for tables.
pub fn shown(handover: &Handover) -> String {
    match handover {
        Handover::Accepted { ids } => format!("accepted {}", ids.join(",")),
        Handover::Rejected(f) => format!("rejected {:?} {}", f.class, f.code),
        Handover::NotTaken { failure: f, after_seconds } => {
            format!("not taken {:?} {} {after_seconds:?}", f.class, f.code)
        }
        Handover::Unclear(f) => format!("unclear {}", f.code),
        Handover::Void => "void".to_owned(),
    }
}

/// A request's form or query as pairs.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A client that may call this machine.
pub fn client() -> HttpClient {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS")
        .with_root_certificates(peer::roots())
        .with_no_client_auth();
    let limits =
        HttpLimits { addresses: AddressRule::PublicAndLoopback, answer: ANSWER, ..HttpLimits::default() };
    HttpClient::with_tls(limits, tls)
}

fn adapter(case: &Case, url: &str, clock: &ManualClock) -> SharedProvider {
    let settings: Vec<(&str, &str)> = case.settings.iter().copied().chain([("url", url)]).collect();
    let connection = connection(case.provider, &settings);
    registry::build_over(&connection, &secret, Arc::new(clock.clone()), client())
        .unwrap_or_else(|e| panic!("{}: {e}", case.provider))
}

fn taken(case: &Case) -> Act {
    Act::Say(json(case.taken.0, "", case.taken.1))
}

/// Sends one message to a peer that plays `acts`; answers the outcome and what the peer saw.
async fn send(case: &Case, acts: Vec<Act>) -> (Handover, Vec<String>) {
    let peer = Peer::plays(acts).await;
    let handover = adapter(case, &peer.url, &ManualClock::at(now())).send(dispatch(7)).await;
    (handover, peer.seen())
}

fn class(handover: &Handover) -> Option<ErrorClass> {
    match handover {
        Handover::Rejected(f) | Handover::Unclear(f) | Handover::NotTaken { failure: f, .. } => Some(f.class),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_taken_is_taken_once_under_its_id() {
    for case in CASES {
        let (handover, seen) = send(case, vec![taken(case)]).await;
        assert_eq!(shown(&handover), format!("accepted {}", case.taken.2), "{}", case.provider);
        assert_eq!(seen.len(), 1, "{}", case.provider);
        assert!(seen[0].contains("12125550123"), "{}: {}", case.provider, seen[0]);
    }
}

/// What may have been taken is never sent again, unless the vendor knows it by its key; and it is never called lost.
#[tokio::test]
async fn whatever_breaks_after_the_request_is_unclear() {
    for case in CASES {
        let (status, body) = (case.taken.0, case.taken.1);
        let half = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len() + 9
        );
        let huge = [
            format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: 10485760\r\n\r\n"
            )
            .into_bytes(),
            vec![b' '; 10 << 20],
        ]
        .concat();
        let html = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"
        );
        let drip =
            format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n");
        let faults = [
            ("time-out after accept", Act::Silence),
            ("hang-up after accept", Act::SayAndHangUp(Vec::new())),
            ("reset mid-body", Act::SayAndHangUp(half.into_bytes())),
            ("wrong content type", Act::Say(html.into_bytes())),
            ("10 MB", Act::SayAndHangUp(huge)),
            ("slow loris", Act::Drip(drip.into_bytes())),
            ("empty", Act::Say(json(status, "", "{}"))),
            ("500", Act::Say(json(500, "", "{}"))),
            (
                "502 of a proxy",
                Act::Say(b"HTTP/1.1 502 X\r\ncontent-type: text/html\r\ncontent-length: 1\r\n\r\nx".to_vec()),
            ),
            ("503", Act::Say(json(503, "retry-after: 3\r\n", "{}"))),
            ("504", Act::Say(json(504, "", ""))),
        ];
        for (name, act) in faults {
            let (handover, seen) = send(case, vec![act]).await;
            let what = format!("{} {name}: {}", case.provider, shown(&handover));
            assert!(matches!(handover, Handover::Unclear(_)), "{what}");
            let most = if case.repeats { 2 } else { 1 };
            assert!((1..=most).contains(&seen.len()), "{what}: {} requests", seen.len());
            assert!(seen.iter().all(|request| *request == seen[0]), "{what}: a repeat must be the same");
            assert_eq!(class(&handover), Some(ErrorClass::Ambiguous), "{what}");
        }
    }
}

#[tokio::test]
async fn a_vendor_that_knows_repeats_is_told_again_and_others_are_not() {
    for case in CASES {
        let (handover, seen) = send(case, vec![Act::SayAndHangUp(Vec::new()), taken(case)]).await;
        let expected = if case.repeats { "accepted" } else { "unclear" };
        assert!(shown(&handover).starts_with(expected), "{}: {}", case.provider, shown(&handover));
        assert_eq!(seen.len(), 1 + usize::from(case.repeats), "{}", case.provider);
    }
}

/// After a first try of unclear fate a refusal may be about what changed since: it must not lead to a second sender's try.
#[tokio::test]
async fn a_refused_repeat_leaves_the_first_try_in_doubt() {
    for case in CASES.iter().filter(|case| case.repeats) {
        for status in [400, 401, 403, 422, 429] {
            let acts = vec![Act::SayAndHangUp(Vec::new()), Act::Say(json(status, "", "{}"))];
            let (handover, seen) = send(case, acts).await;
            let what = format!("{} {status}: {}", case.provider, shown(&handover));
            assert!(matches!(handover, Handover::Unclear(_)), "{what}");
            assert_eq!((class(&handover), seen.len()), (Some(ErrorClass::Ambiguous), 2), "{what}");
        }
        let (status, body) = case.opted_out.expect("each of them tells");
        let acts = vec![Act::SayAndHangUp(Vec::new()), Act::Say(json(status, "", body))];
        let (handover, _) = send(case, acts).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        assert!(matches!(&handover, Handover::Unclear(f) if f.class == ErrorClass::OptedOut), "{what}");
    }
}

fn case_of(provider: &str) -> &'static Case {
    CASES.iter().find(|case| case.provider == provider).expect("a case")
}

/// Pulls the list of a peer that plays `acts`.
async fn pull(provider: &str, acts: Vec<Act>) -> (Result<(), ReconcileError>, Vec<InboundEvent>, usize) {
    let peer = Peer::plays(acts).await;
    let gathered = Gathered::default();
    let adapter = adapter(case_of(provider), &peer.url, &ManualClock::at(now()));
    let pulled = adapter.reconcile(now(), &gathered).await;
    (pulled, gathered.events(), peer.seen().len())
}

/// A full page of Infobip's inbox.
fn inbox_page() -> String {
    let text = |n: usize| {
        format!(
            r#"{{"messageId":"i{n}","from":"1212555{n:04}","to":"18555550100","text":"STOP","receivedAt":"2026-01-01T12:00:00.000+0000"}}"#
        )
    };
    format!(r#"{{"results":[{}]}}"#, (0..200).map(text).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn what_a_list_tells_once_is_handed_on_although_the_next_page_fails() {
    let say = |status, body: &str| Act::Say(json(status, "", body));
    let (pulled, events, asked) = pull("infobip", vec![say(200, &inbox_page()), say(500, "{}")]).await;
    assert!(pulled.is_err());
    assert_eq!((events.len(), asked), (200, 2));
}

#[tokio::test]
async fn a_throttled_list_goes_on_at_the_page_it_stopped_at() {
    let say = |body: &str| Act::Say(json(200, "", body));
    let hasty = |status, body: &str| Act::Say(json(status, "retry-after: 0\r\n", body));
    let numbers = |n: u8, more: &str| {
        say(&format!(
            r#"{{"OptOutListName":"Default","OptedOutNumbers":[{{"OptedOutNumber":"+1212555010{n}","OptedOutTimestamp":1767268801.0}}]{more}}}"#
        ))
    };
    let slow =
        r#"{"__type":"com.amazonaws.pinpointsmsvoicev2#ThrottlingException","message":"Rate exceeded"}"#;
    let acts = vec![numbers(1, r#","NextToken":"t""#), hasty(400, slow), hasty(429, "{}"), numbers(2, "")];
    let (pulled, events, asked) = pull("aws", acts).await;
    assert_eq!((pulled, events.len(), asked), (Ok(()), 2, 4));
    let acts = vec![say(&inbox_page()), hasty(429, "{}"), say(r#"{"results":[]}"#)];
    let (pulled, events, asked) = pull("infobip", acts).await;
    assert_eq!((pulled, events.len(), asked), (Ok(()), 200, 4), "inbox, haste, inbox, log");
    // Not for ever.
    let (pulled, _, asked) = pull("telnyx", vec![hasty(429, "{}")]).await;
    assert!(pulled.is_err());
    assert_eq!(asked, 7);
}

#[tokio::test]
async fn throttled_means_not_taken_and_the_account_rests() {
    for case in CASES {
        let (status, body) = case.throttled;
        for (header, wait) in [("retry-after: 7\r\n", Some(7)), ("", None)] {
            if !header.is_empty() && status != 429 {
                continue;
            }
            let peer = Peer::plays(vec![Act::Say(json(status, header, body)), taken(case)]).await;
            let clock = ManualClock::at(now());
            let adapter = adapter(case, &peer.url, &clock);
            let handover = adapter.send(dispatch(1)).await;
            let what = format!("{} {header}: {}", case.provider, shown(&handover));
            assert_eq!(class(&handover), Some(ErrorClass::Retryable), "{what}");
            let Handover::NotTaken { after_seconds, .. } = handover else { panic!("{what}") };
            assert_eq!(after_seconds, wait, "{what}");
            let until = adapter.resting_until().unwrap_or_else(|| panic!("{what}: must rest"));
            let carrier = Carrier { provider: adapter.clone(), slots: 1, paused: false };
            let health = (carrier.health(now()), carrier.health(until));
            assert_eq!(health, (Health::Rests, Health::Open), "{what}: its lanes rest as long");
            assert_eq!(until, now() + Span::seconds(wait.map_or(1, i64::from)), "{what}");
            // Meanwhile nothing reaches the peer.
            assert!(matches!(adapter.send(dispatch(2)).await, Handover::NotTaken { .. }), "{what}");
            assert_eq!(peer.seen().len(), 1, "{what}");
            clock.set(until);
            // Its intent is two seconds old at most, so a new one comes after the rest.
            let later = Dispatch::seal(
                IntentDraft { committed_at: until, not_after: until + Span::seconds(2), ..draft_of(3) },
                &CommitProof::pretend(1),
            );
            let handover = adapter.send(later.expect("durable")).await;
            assert!(matches!(handover, Handover::Accepted { .. }), "{what}: {}", shown(&handover));
            assert_eq!(adapter.resting_until(), None, "{what}");
        }
    }
}

fn draft_of(n: u8) -> IntentDraft {
    IntentDraft {
        message: MessageId([n; 16]),
        entry: 0,
        channel: Channel::Sms,
        connection: "main".parse().expect("an id"),
        from: "+18555550100".to_owned(),
        to: Address::Phone("12125550123".to_owned()),
        text: "Your cart waits.".to_owned(),
        parts: 1,
        committed_at: now(),
        not_after: now() + Span::seconds(2),
        deliver_by: Some(now() + Span::hours(2)),
        push: None,
    }
}

#[tokio::test]
async fn a_refused_account_keeps_its_messages() {
    for case in CASES {
        for status in [401, 403] {
            let peer = Peer::plays(vec![Act::Say(json(status, "", "{}"))]).await;
            let adapter = adapter(case, &peer.url, &ManualClock::at(now()));
            let handover = adapter.send(dispatch(1)).await;
            let what = format!("{} {status}: {}", case.provider, shown(&handover));
            assert_eq!(class(&handover), Some(ErrorClass::PermanentAccount), "{what}");
            assert!(matches!(handover, Handover::NotTaken { after_seconds: Some(60), .. }), "{what}");
            assert!(adapter.resting_until().is_some(), "{what}");
        }
    }
}

#[tokio::test]
async fn an_opted_out_person_is_known_by_the_answer() {
    for case in CASES {
        let Some((status, body)) = case.opted_out else { continue };
        let (handover, _) = send(case, vec![Act::Say(json(status, "", body))]).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        assert!(matches!(&handover, Handover::Rejected(f) if f.class == ErrorClass::OptedOut), "{what}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_nothing() {
    for case in CASES {
        let peer = Peer::expired(vec![taken(case)]).await;
        let handover = adapter(case, &peer.url, &ManualClock::at(now())).send(dispatch(1)).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        assert!(
            matches!(&handover, Handover::NotTaken { failure, .. } if failure.code == "not_sent"),
            "{what}"
        );
        assert!(peer.seen().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_dead_peer_opens_the_circuit_and_loses_nothing() {
    for case in CASES {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let adapter = adapter(case, &url, &ManualClock::at(now()));
        for n in 0..7 {
            let handover = adapter.send(dispatch(n)).await;
            let Handover::NotTaken { failure, .. } = handover else { panic!("{}", case.provider) };
            let code = if n < 5 { "not_sent" } else { "resting" };
            assert_eq!(failure.code, code, "{} message {n}", case.provider);
        }
        assert!(adapter.resting_until().is_some(), "{}", case.provider);
    }
}

#[tokio::test]
async fn an_address_that_is_no_number_never_leaves() {
    for case in CASES {
        let peer = Peer::plays(vec![taken(case)]).await;
        let adapter = adapter(case, &peer.url, &ManualClock::at(now()));
        let handover = adapter.send(dispatch_from(1, "+18555550100", "x5f5f", "hello")).await;
        assert_eq!(class(&handover), Some(ErrorClass::PermanentRecipient), "{}", case.provider);
        assert!(peer.seen().is_empty(), "{}", case.provider);
    }
}

#[tokio::test]
async fn a_void_intent_never_leaves() {
    for case in CASES {
        let peer = Peer::plays(vec![taken(case)]).await;
        let clock = ManualClock::at(now() + Span::micros(2_000_001));
        assert_eq!(
            adapter(case, &peer.url, &clock).send(dispatch(1)).await,
            Handover::Void,
            "{}",
            case.provider
        );
        assert!(peer.seen().is_empty(), "{}", case.provider);
    }
}

#[test]
fn the_suite_covers_every_adapter() {
    for provider in registry::PROVIDERS.iter().filter(|p| **p != "sandbox") {
        // SMPP has a run of its own, on PDUs: src/provider/smpp/tests.rs.
        let own = push::covers(provider) || *provider == "smpp";
        let runs = CASES.iter().any(|case| case.provider == *provider) || own;
        assert!(runs, "{provider} is in no fault run");
        assert!(crate::config::shape_of(provider).is_some(), "{provider} has no shape in the configuration");
    }
    let clock = Arc::new(ManualClock::at(now()));
    let unknown =
        registry::build(&connection("pigeon", &[]), &secret, clock.clone(), AddressRule::PublicOnly);
    assert!(matches!(unknown.map(|_| ()), Err(registry::BuildError::Provider(_))));
    let bare = registry::build(&connection("twilio", &[]), &secret, clock, AddressRule::PublicOnly);
    assert_eq!(
        bare.map(|_| ()).expect_err("no account").to_string(),
        "settings.account_sid: is required by this provider"
    );
}
