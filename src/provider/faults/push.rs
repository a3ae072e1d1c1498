//! The push services against the same broken peers. What differs: their answers may mean "taken" without a body, no receipt
//! ever comes, and Google wants a token first.

use super::peer::{Act, Peer, json};
use super::{ANSWER, class, client, connection, now, shown};
use crate::clock::ManualClock;
use crate::model::device::{Destination, PushPlatform};
use crate::model::notification::{Notification, NotificationAction};
use crate::model::outgoing::ErrorClass;
use crate::model::subject::Address;
use crate::model::{Channel, Instant, MessageId, Span};
use crate::provider::{Dispatch, Handover, IntentDraft, PushHandover, SharedProvider, registry};
use crate::writer::CommitProof;
use secrecy::SecretString;
use std::sync::Arc;

/// A key as Apple hands it out, made for these tests.
pub const P8: &str = include_str!("apns.key.pem");
/// A pair for VAPID, made for these tests.
pub const VAPID_PRIVATE: &str = "T7oIZq8luUahGcTu7COAiZEgg7kAfbG0d-0S6yqZgss";
pub const VAPID_PUBLIC: &str =
    "BLZoDvkCom3GINJXEtvU49Uu6qmuLB_SBNwS6Gh7AFRbmmtHSjffVVROWUAj4WjOafJHUWfWUpZ3MMu21e6kB6o";
/// The browser of RFC 8291, appendix A.
pub const UA_PUBLIC: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
pub const UA_AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// Base64url without padding.
pub fn bytes(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The file Google hands out, with a key made for these tests.
pub fn service_account(token_uri: &str) -> String {
    serde_json::json!({
        "type": "service_account", "project_id": "fable-shop", "private_key_id": "k1",
        "private_key": include_str!("service_account.key.pem"),
        "client_email": "push@fable-shop.iam.gserviceaccount.com", "token_uri": token_uri,
    })
    .to_string()
}

/// A notification with everything in it, two hours left.
pub fn notification(n: u8, platform: PushPlatform, destination: Destination) -> Dispatch {
    notification_at(now(), n, platform, destination)
}

/// The same at another instant.
pub fn notification_at(now: Instant, n: u8, platform: PushPlatform, destination: Destination) -> Dispatch {
    let brand = "main".parse().expect("a slug");
    let content = Notification {
        title: "Fable & Fern".to_owned(),
        body: "Your cart waits – 1 left.".to_owned(),
        image_url: "https://shop.example/boots.png".to_owned(),
        deep_link: "https://go.fable.example/c0de".to_owned(),
        opt_out_url: "https://go.fable.example/opt-out/c0de".to_owned(),
        collapse_key: "cart-1".to_owned(),
        actions: vec![NotificationAction {
            id: "buy".to_owned(),
            title: "Finish".to_owned(),
            url: "shop://cart".to_owned(),
        }],
    };
    let draft = IntentDraft {
        message: MessageId([n; 16]),
        entry: 0,
        channel: Channel::Push,
        connection: "main".parse().expect("an id"),
        from: "com.fable.shop".to_owned(),
        to: Address::Device { app: "com.fable.shop".to_owned(), installation: "i1".to_owned() },
        text: content.words(),
        parts: 1,
        committed_at: now,
        not_after: now + Span::seconds(2),
        deliver_by: Some(now + Span::hours(2)),
        push: Some(Box::new(PushHandover {
            platform,
            destination,
            destination_at: now - Span::days(1),
            collapse_id: content.collapse_id(&brand),
            content,
            urgent: false,
        })),
    };
    Dispatch::seal(draft, &CommitProof::pretend(1)).expect("durable")
}

/// One push service in the suite.
pub(super) struct Case {
    pub(super) provider: &'static str,
    pub(super) platform: PushPlatform,
    /// Status, headers and body that mean "taken", and the id in them.
    taken: (u16, &'static str, &'static str, &'static str),
    /// A whole head is enough: the body says nothing.
    by_head: bool,
    /// How it says that the installation is gone.
    pub(super) gone: (u16, &'static str),
    /// How it says that it is asked too often, without a time; whether the whole account rests then.
    pub(super) throttled: (u16, &'static str, bool),
    /// How long it waits then.
    waits: Option<u32>,
    /// How it refuses the account as a whole; none: it refuses messages alone.
    refused: Option<(u16, &'static str)>,
}

pub(super) const CASES: [Case; 3] = [
    Case {
        provider: "apns",
        platform: PushPlatform::Apns,
        taken: (200, "apns-id: eabeae54\r\n", "", "eabeae54"),
        by_head: true,
        gone: (410, r#"{"reason":"Unregistered","timestamp":1767268799000}"#),
        throttled: (429, r#"{"reason":"TooManyProviderTokenUpdates"}"#, true),
        waits: None,
        refused: Some((403, r#"{"reason":"InvalidProviderToken"}"#)),
    },
    Case {
        provider: "fcm",
        platform: PushPlatform::Fcm,
        taken: (200, "", r#"{"name":"projects/p/messages/1"}"#, "projects/p/messages/1"),
        by_head: false,
        gone: (
            404,
            r#"{"error":{"status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}"#,
        ),
        throttled: (
            429,
            r#"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"QUOTA_EXCEEDED"}]}}"#,
            true,
        ),
        waits: Some(60),
        refused: Some((403, r#"{"error":{"status":"PERMISSION_DENIED"}}"#)),
    },
    Case {
        provider: "web_push",
        platform: PushPlatform::WebPush,
        taken: (201, "location: https://push.example/m/1a2b\r\n", "", "1a2b"),
        by_head: true,
        gone: (410, ""),
        throttled: (429, "", false),
        waits: Some(60),
        refused: None,
    },
];

/// Whether a provider runs here.
pub fn covers(provider: &str) -> bool {
    CASES.iter().any(|case| case.provider == provider)
}

fn secret(tokens: &Peer) -> impl Fn(&str) -> Option<SecretString> + use<> {
    let account = service_account(&format!("{}/token", tokens.url));
    move |name: &str| {
        Some(SecretString::from(match name {
            "service_account" => account.clone(),
            _ => P8.to_owned(),
        }))
    }
}

/// A peer that gives access tokens for ever.
pub(super) async fn tokens() -> Peer {
    Peer::plays(vec![Act::Say(json(200, "", r#"{"access_token":"ya29.x","expires_in":3599}"#))]).await
}

pub(super) fn adapter(case: &Case, url: &str, tokens: &Peer, clock: &ManualClock) -> SharedProvider {
    let settings: Vec<(&str, &str)> = match case.provider {
        "apns" => vec![("team_id", "DEF123GHIJ"), ("key_id", "ABC123DEFG"), ("url", url)],
        "fcm" => vec![("url", url)],
        _ => vec![
            ("subject", "mailto:ops@shop.example"),
            ("public_key", VAPID_PUBLIC),
            ("push_hosts", "127.0.0.1"),
        ],
    };
    let connection = connection(case.provider, &settings);
    let read = secret(tokens);
    let vapid = |name: &str| match (case.provider, name) {
        ("web_push", "private_key") => Some(SecretString::from(VAPID_PRIVATE)),
        _ => read(name),
    };
    registry::build_over(&connection, &vapid, Arc::new(clock.clone()), client())
        .unwrap_or_else(|e| panic!("{}: {e}", case.provider))
}

pub(super) fn to(case: &Case, peer: &Peer) -> Destination {
    match case.platform {
        PushPlatform::WebPush => Destination::Subscription {
            endpoint: format!("{}/push/abc", peer.url),
            p256dh: bytes(UA_PUBLIC),
            auth: bytes(UA_AUTH),
        },
        _ => Destination::Token("00fc13adff785122".to_owned()),
    }
}

pub(super) fn taken(case: &Case) -> Act {
    Act::Say(json(case.taken.0, case.taken.1, case.taken.2))
}

/// Sends one notification to a peer that plays `acts`; answers the outcome and what the peer saw.
async fn send(case: &Case, acts: Vec<Act>) -> (Handover, Vec<String>) {
    let (peer, tokens) = (Peer::plays(acts).await, tokens().await);
    let adapter = adapter(case, &peer.url, &tokens, &ManualClock::at(now()));
    let handover = adapter.send(notification(7, case.platform, to(case, &peer))).await;
    (handover, peer.seen())
}

#[tokio::test]
async fn what_is_taken_is_taken_once_under_its_id() {
    for case in &CASES {
        let (handover, seen) = send(case, vec![taken(case)]).await;
        assert_eq!(shown(&handover), format!("accepted {}", case.taken.3), "{}", case.provider);
        assert_eq!(seen.len(), 1, "{}", case.provider);
        assert!(seen[0].to_ascii_lowercase().contains("authorization: "), "{}", case.provider);
    }
}

/// What may have been taken is never sent again, and never called lost.
#[tokio::test]
async fn whatever_breaks_after_the_request_is_unclear_and_is_not_repeated() {
    for case in &CASES {
        let (status, headers, body) = (case.taken.0, case.taken.1, case.taken.2);
        let head = |kind: &str, length: usize| {
            format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{headers}content-length: {length}\r\n\r\n"
            )
        };
        let half = format!("{}{body}", head("application/json", body.len() + 9)).into_bytes();
        let huge = [head("application/json", 10 << 20).into_bytes(), vec![b' '; 10 << 20]].concat();
        let mut faults = vec![
            ("time-out after accept", Act::Silence),
            ("hang-up after accept", Act::SayAndHangUp(Vec::new())),
            ("reset mid-body", Act::SayAndHangUp(half)),
            ("10 MB", Act::SayAndHangUp(huge)),
            ("slow loris", Act::Drip(head("application/json", 99_999).into_bytes())),
            ("500", Act::Say(json(500, "", "{}"))),
            ("502 of a proxy", Act::Say(b"HTTP/1.1 502 X\r\ncontent-length: 1\r\n\r\nx".to_vec())),
            ("503", Act::Say(json(503, "retry-after: 3\r\n", "{}"))),
            ("504", Act::Say(json(504, "", ""))),
        ];
        if !case.by_head {
            let html = format!("{}<html></html>", head("text/html", 13)).into_bytes();
            faults.push(("wrong content type", Act::Say(html)));
            faults.push(("empty", Act::Say(json(status, headers, "{}"))));
        }
        if case.provider == "apns" {
            faults.push(("200 of somebody else", Act::Say(json(200, "", "{}"))));
        }
        for (name, act) in faults {
            let (handover, seen) = send(case, vec![act]).await;
            let what = format!("{} {name}: {}", case.provider, shown(&handover));
            assert!(matches!(handover, Handover::Unclear(_)), "{what}");
            assert_eq!(class(&handover), Some(ErrorClass::Ambiguous), "{what}");
            assert_eq!(seen.len(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_gone_installation_is_known_by_the_documented_answer_alone() {
    for case in &CASES {
        let (status, body) = case.gone;
        let (handover, _) = send(case, vec![Act::Say(json(status, "", body))]).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        assert!(
            matches!(&handover, Handover::Rejected(f) if f.class == ErrorClass::PermanentRecipient),
            "{what}"
        );
        for (status, body) in [(400, "{}"), (403, "{}"), (413, ""), (500, ""), (503, "")] {
            let (handover, _) = send(case, vec![Act::Say(json(status, "", body))]).await;
            let what = format!("{} {status}: {}", case.provider, shown(&handover));
            assert_ne!(class(&handover), Some(ErrorClass::PermanentRecipient), "{what}");
        }
    }
}

#[tokio::test]
async fn throttled_means_not_taken() {
    for case in &CASES {
        let (status, body, rests) = case.throttled;
        for (header, wait) in [("retry-after: 7\r\n", Some(7)), ("", case.waits)] {
            let (peer, tokens) =
                (Peer::plays(vec![Act::Say(json(status, header, body)), taken(case)]).await, tokens().await);
            let clock = ManualClock::at(now());
            let adapter = adapter(case, &peer.url, &tokens, &clock);
            let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
            let what = format!("{} {header}: {}", case.provider, shown(&handover));
            assert_eq!(class(&handover), Some(ErrorClass::Retryable), "{what}");
            let Handover::NotTaken { after_seconds, .. } = handover else { panic!("{what}") };
            assert_eq!(after_seconds, wait, "{what}");
            assert_eq!(adapter.resting_until().is_some(), rests, "{what}");
            let second = adapter.send(notification(2, case.platform, to(case, &peer))).await;
            assert_eq!(matches!(second, Handover::Accepted { .. }), !rests, "{what}: {}", shown(&second));
            assert_eq!(peer.seen().len(), 1 + usize::from(!rests), "{what}");
        }
    }
}

#[tokio::test]
async fn a_refused_account_keeps_its_messages() {
    for case in &CASES {
        let Some((status, body)) = case.refused else { continue };
        let (peer, tokens) = (Peer::plays(vec![Act::Say(json(status, "", body))]).await, tokens().await);
        let adapter = adapter(case, &peer.url, &tokens, &ManualClock::at(now()));
        let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        assert!(matches!(handover, Handover::NotTaken { after_seconds: Some(60), .. }), "{what}");
        assert_eq!(class(&handover), Some(ErrorClass::PermanentAccount), "{what}");
        assert!(adapter.resting_until().is_some(), "{what}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_nothing() {
    for case in &CASES {
        let (peer, tokens) = (Peer::expired(vec![taken(case)]).await, tokens().await);
        let adapter = adapter(case, &peer.url, &tokens, &ManualClock::at(now()));
        let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
        let what = format!("{}: {}", case.provider, shown(&handover));
        let not_sent = matches!(&handover, Handover::NotTaken { failure, .. } if failure.code == "not_sent");
        assert!(not_sent, "{what}");
        assert!(peer.seen().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_dead_peer_opens_the_circuit_and_loses_nothing() {
    for case in &CASES {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let tokens = tokens().await;
        let adapter = adapter(case, &url, &tokens, &ManualClock::at(now()));
        let dead = match case.platform {
            PushPlatform::WebPush => Destination::Subscription {
                endpoint: format!("{url}/x"),
                p256dh: bytes(UA_PUBLIC),
                auth: bytes(UA_AUTH),
            },
            _ => Destination::Token("00ff".to_owned()),
        };
        for n in 0..7 {
            let handover = adapter.send(notification(n, case.platform, dead.clone())).await;
            let Handover::NotTaken { failure, .. } = handover else { panic!("{}", case.provider) };
            let code = if n < 5 { "not_sent" } else { "resting" };
            assert_eq!(failure.code, code, "{} message {n}", case.provider);
        }
    }
}

/// An endpoint comes from a browser: one dead name, or one that leads where we do not go, is no word about the others.
#[tokio::test]
async fn one_dead_browser_service_leaves_the_others_alone() {
    let case = CASES.iter().find(|case| case.provider == "web_push").expect("a case");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dead = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let (peer, tokens) = (Peer::plays(vec![taken(case)]).await, tokens().await);
    let connection = connection(
        "web_push",
        &[
            ("subject", "mailto:ops@shop.example"),
            ("public_key", VAPID_PUBLIC),
            ("push_hosts", "127.0.0.1, 10.1.2.3"),
        ],
    );
    let secret = |_: &str| Some(SecretString::from(VAPID_PRIVATE));
    let clock = Arc::new(ManualClock::at(now()));
    let adapter = registry::build_over(&connection, &secret, clock, client()).expect("built");
    let at = |url: &str| Destination::Subscription {
        endpoint: format!("{url}/x"),
        p256dh: bytes(UA_PUBLIC),
        auth: bytes(UA_AUTH),
    };
    let code = |handover: Handover| match handover {
        Handover::NotTaken { failure, .. } => failure.code,
        other => panic!("{}", shown(&other)),
    };
    for n in 0..7 {
        let private = adapter.send(notification(n, case.platform, at("https://10.1.2.3"))).await;
        assert_eq!(code(private), "not_sent", "our own refusal is nobody's failure");
        let expected = if n < 5 { "not_sent" } else { "resting" };
        assert_eq!(code(adapter.send(notification(n, case.platform, at(&dead))).await), expected, "{n}");
    }
    assert_eq!(adapter.resting_until(), None, "the lane goes on");
    let alive = adapter.send(notification(9, case.platform, to(case, &peer))).await;
    assert!(matches!(alive, Handover::Accepted { .. }), "{}", shown(&alive));
    assert!(tokens.seen().is_empty());
}

#[tokio::test]
async fn a_text_or_another_services_installation_never_leaves() {
    for case in &CASES {
        let (peer, tokens) = (Peer::plays(vec![taken(case)]).await, tokens().await);
        let adapter = adapter(case, &peer.url, &tokens, &ManualClock::at(now()));
        let other = if case.provider == "fcm" { PushPlatform::Apns } else { PushPlatform::Fcm };
        for wrong in [super::dispatch(1), notification(1, other, Destination::Token("00ff".to_owned()))] {
            let handover = adapter.send(wrong).await;
            let what = format!("{}: {}", case.provider, shown(&handover));
            assert_eq!(class(&handover), Some(ErrorClass::PermanentSender), "{what}");
        }
        assert!(peer.seen().is_empty(), "{}", case.provider);
    }
}

#[tokio::test]
async fn a_void_intent_never_leaves() {
    for case in &CASES {
        let (peer, tokens) = (Peer::plays(vec![taken(case)]).await, tokens().await);
        let clock = ManualClock::at(now() + Span::micros(2_000_001));
        let adapter = adapter(case, &peer.url, &tokens, &clock);
        let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
        assert_eq!(handover, Handover::Void, "{}", case.provider);
        assert!(peer.seen().is_empty() && tokens.seen().is_empty(), "{}", case.provider);
    }
}

/// One question for a token, however many messages wait for it; a stale one is replaced once; a refusing or broken token
/// service sends nothing and loses nothing.
#[tokio::test]
async fn googles_token_is_fetched_once_and_replaced_once() {
    let case = &CASES[1];
    let clock = ManualClock::at(now());
    let (peer, given) = (Peer::plays(vec![taken(case)]).await, tokens().await);
    let shared = adapter(case, &peer.url, &given, &clock);
    let all = (0..8).map(|n| shared.send(notification(n, case.platform, to(case, &peer))));
    for handover in futures_util::future::join_all(all).await {
        assert!(matches!(handover, Handover::Accepted { .. }), "{}", shown(&handover));
    }
    assert_eq!((peer.seen().len(), given.seen().len()), (8, 1));

    let stale = r#"{"error":{"status":"UNAUTHENTICATED"}}"#;
    for (acts, accepted, requests) in [
        (vec![Act::Say(json(401, "", stale)), taken(case)], true, 2),
        (vec![Act::Say(json(401, "", stale))], false, 2),
    ] {
        let (peer, given) = (Peer::plays(acts).await, tokens().await);
        let adapter = adapter(case, &peer.url, &given, &clock);
        let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
        assert_eq!(matches!(handover, Handover::Accepted { .. }), accepted, "{}", shown(&handover));
        assert_eq!((peer.seen().len(), given.seen().len()), (requests, 2), "refreshed once, never more");
    }

    for (name, act, code) in [
        ("refused", Act::Say(json(400, "", r#"{"error":"invalid_grant"}"#)), ErrorClass::PermanentAccount),
        ("500", Act::Say(json(500, "", "")), ErrorClass::Retryable),
        ("hang-up", Act::SayAndHangUp(Vec::new()), ErrorClass::Retryable),
        ("silence", Act::Silence, ErrorClass::Retryable),
        ("html", Act::Say(json(200, "", "<html>")), ErrorClass::Retryable),
    ] {
        let (peer, broken) = (Peer::plays(vec![taken(case)]).await, Peer::plays(vec![act]).await);
        let adapter = adapter(case, &peer.url, &broken, &clock);
        let began = tokio::time::Instant::now();
        let handover = adapter.send(notification(1, case.platform, to(case, &peer))).await;
        assert_eq!(class(&handover), Some(code), "{name}: {}", shown(&handover));
        assert!(matches!(handover, Handover::NotTaken { .. }), "{name}: {}", shown(&handover));
        assert!(peer.seen().is_empty(), "{name}: nothing was told");
        assert!(began.elapsed() < ANSWER * 20, "{name}: every wait ends");
    }
}
