//! Where a message ends in the ledger, for every vendor: its fate at the peer, then the vendor's own receipt for it.

use proptest::prelude::*;

use super::peer::{Act, Peer, json};
use super::{CASES, Case, adapter, connection, dispatch_from, now, secret, taken};
use crate::clock::Clock as _;
use crate::clock::ManualClock;
use crate::inbound::endpoint::{Authentic, Endpoint, Webhook};
use crate::inbound::event::InboundEvent;
use crate::ledger::body::{Body, Object};
use crate::ledger::rows::keys;
use crate::model::outgoing::{ErrorClass, Message};
use crate::model::{MessageId, MessageState, Span};
use crate::provider::{Handover, reply};
use crate::writer::ops::fixture::{Accept, Next, Step, shop};
use crate::writer::ops::outcome::RecordOutcome;
use crate::writer::ops::webhook::{Delivery, ReceiveReceipts};
use crate::writer::testing::TestWriter;

/// The message's number in our reference, `0707…`.
const N: u8 = 7;

/// A ledger in which the message's intent is durable and its hand-over under way.
fn leaving(case: &Case) -> TestWriter {
    let mut writer = shop();
    writer.set_up([Object::Connection(connection(case.provider, case.settings))]);
    let id = MessageId([N; 16]);
    writer.run(Accept { id, to: 1, cart: None, pool: None, link: None }).expect("accepted");
    writer.run(Next(id, Step::Leave)).expect("left");
    writer
}

/// What the peer does, as the adapter tells it.
async fn handed_over(case: &Case, act: Act) -> (Handover, usize) {
    let peer = Peer::plays(vec![act]).await;
    let adapter = adapter(case, &peer.url, &ManualClock::at(now()));
    let handover = adapter.send(dispatch_from(N, "+18555550100", "12125550101", "Your cart waits.")).await;
    (handover, peer.seen().len())
}

fn record(writer: &mut TestWriter, handover: Handover) -> MessageState {
    let done = RecordOutcome { message: MessageId([N; 16]), handover, handed_over_at: Some(now()) };
    writer.run(done).expect("recorded")
}

fn state(writer: &TestWriter) -> MessageState {
    let key = keys::message(&MessageId([N; 16]));
    writer.look(|state| state.get::<Message>(&key).expect("readable").expect("known").state)
}

/// The connection's own ear.
fn ear(case: &Case) -> Endpoint {
    Endpoint::new(&connection(case.provider, case.settings), secret).expect("an ear")
}

/// The vendor's receipt "delivered" for our reference, through the connection's own ear.
fn delivered(writer: &mut TestWriter, case: &Case) {
    let reference = MessageId([N; 16]).to_string();
    let body = case.delivered.replace("REF", &reference);
    let kind =
        if body.starts_with(['{', '[']) { "application/json" } else { "application/x-www-form-urlencoded" };
    let webhook = Webhook {
        method: http::Method::POST,
        path_and_query: format!("/webhooks/main/token?ref={reference}"),
        headers: http::HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static(kind),
        )]),
        body: body.into_bytes(),
    };
    let events = ear(case).read(&webhook, now());
    assert!(matches!(&events[..], [InboundEvent::Receipt(_)]), "{}: {events:?}", case.provider);
    let connection = "main".parse().expect("a slug");
    let delivery = Delivery { connection, raw: None, events, listening: false };
    writer.run(ReceiveReceipts(delivery)).expect("taken");
}

#[tokio::test]
async fn a_message_of_unclear_fate_waits_for_its_receipt_and_is_never_sent_again() {
    for case in CASES {
        let mut writer = leaving(case);
        let (handover, requests) = handed_over(case, Act::SayAndHangUp(Vec::new())).await;
        assert_eq!(requests, 1 + usize::from(case.repeats), "{}", case.provider);
        assert_eq!(record(&mut writer, handover), MessageState::Sending, "{}", case.provider);
        delivered(&mut writer, case);
        assert_eq!(state(&writer), MessageState::Delivered, "{}: our reference comes back", case.provider);
        writer.check_fold();
    }
}

#[tokio::test]
async fn a_message_taken_is_sent_then_delivered() {
    for case in CASES {
        let mut writer = leaving(case);
        let (handover, _) = handed_over(case, taken(case)).await;
        assert_eq!(record(&mut writer, handover), MessageState::Sent, "{}", case.provider);
        delivered(&mut writer, case);
        // Vonage's receipt is for the part the answer named, and so is everyone's.
        assert_eq!(state(&writer), MessageState::Delivered, "{}", case.provider);
    }
}

#[tokio::test]
async fn a_message_not_taken_waits_and_a_person_who_opted_out_is_left_alone() {
    for case in CASES {
        let mut writer = leaving(case);
        let (status, body) = case.throttled;
        let (handover, _) = handed_over(case, Act::Say(json(status, "", body))).await;
        assert_eq!(record(&mut writer, handover), MessageState::Queued, "{}", case.provider);

        let Some((status, body)) = case.opted_out else { continue };
        let mut writer = leaving(case);
        let (handover, _) = handed_over(case, Act::Say(json(status, "", body))).await;
        assert_eq!(record(&mut writer, handover), MessageState::Rejected, "{}", case.provider);
        let stopped = writer.entries().iter().any(|entry| matches!(entry.body, Body::OptOut(_)));
        assert!(stopped, "{}: the provider's word is the person's", case.provider);
        writer.check_fold();
    }
}

/// The same message leaves again and again, each time with this outcome. Answers its state after 30 of them.
fn after_thirty(handover: &Handover) -> MessageState {
    let mut writer = leaving(&CASES[0]);
    let id = MessageId([N; 16]);
    for _ in 0..30 {
        if record(&mut writer, handover.clone()) != MessageState::Queued {
            break;
        }
        writer.advance(Span::hours(1));
        writer.run(Next(id, Step::Leave)).expect("left again");
    }
    state(&writer)
}

/// Revoked credentials are mended within hours, and what waits for them is still lawful then.
#[test]
fn what_is_the_accounts_fault_uses_no_message_up() {
    let not_taken = |class, code: &str| reply::refused(class, code, "no", None);
    for (class, code, given_up) in [
        (ErrorClass::PermanentAccount, "401", false),
        (ErrorClass::Retryable, "resting", false),
        (ErrorClass::Retryable, "not_bound", false),
        (ErrorClass::Retryable, "oauth", false),
        (ErrorClass::Retryable, "NO_CONNECTION", false),
        (ErrorClass::Retryable, "not_sent", false),
        // What a provider says of this message alone, over and over.
        (ErrorClass::Retryable, "420", true),
    ] {
        let expected = if given_up { MessageState::NotSent } else { MessageState::Sending };
        assert_eq!(after_thirty(&not_taken(class, code)), expected, "{class:?} {code}");
    }
}

#[test]
fn a_refused_account_is_asked_again_after_a_minute_not_at_once() {
    let mut writer = leaving(&CASES[0]);
    let refused = reply::refused(ErrorClass::PermanentAccount, "0x0e", "invalid password", None);
    assert_eq!(record(&mut writer, refused), MessageState::Queued);
    let key = keys::message(&MessageId([N; 16]));
    let due = writer.look(|state| state.get::<Message>(&key).expect("readable").expect("known").due);
    assert_eq!(due, Some(writer.clock.now() + Span::seconds(60)));
}

/// The doubt stays, so that nobody sends it again; the opt-out is true whatever became of the message.
#[test]
fn an_opt_out_told_with_a_doubt_counts_and_the_message_stays_in_doubt() {
    let mut writer = leaving(&CASES[0]);
    let doubt = Handover::Unclear(reply::failure(ErrorClass::OptedOut, "40300", "blocked"));
    assert_eq!(record(&mut writer, doubt), MessageState::Sending);
    assert!(writer.entries().iter().any(|entry| matches!(entry.body, Body::OptOut(_))));
    writer.check_fold();
}

/// Every header an ear looks at.
const HEADERS: [&str; 16] = [
    "authorization",
    "messagebird-signature-jwt",
    "telnyx-signature-ed25519",
    "telnyx-timestamp",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-plivo-signature-v2",
    "x-plivo-signature-v2-nonce",
    "x-plivo-signature-v3",
    "x-plivo-signature-v3-nonce",
    "x-sinch-webhook-signature",
    "x-sinch-webhook-signature-nonce",
    "x-sinch-webhook-signature-timestamp",
    "x-twilio-signature",
    "x-twilio-webhooks-signature-settings",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever comes in, an ear says no and reads on; nothing made by chance is authentic.
    #[test]
    fn no_request_makes_an_ear_panic(
        at in 0usize..200,
        cut in 0usize..200,
        junk in "(null|[0-9]{1,20}|-1|\\{\\}|\\[|\"|&|=|%|é|.){0,3}",
        header in "(Bearer |Basic |v1,)?[a-zA-Z0-9+/=._ -]{0,60}",
        json in any::<bool>(),
        query in "(\\?[a-z=&%0-9]{0,20})?",
    ) {
        for case in CASES {
            let sound: Vec<char> = case.delivered.chars().collect();
            let (head, tail) = sound.split_at(at.min(sound.len()));
            let body: String = head.iter().chain(&junk.chars().collect::<Vec<_>>()).chain(tail.iter().skip(cut / 20)).collect();
            let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
            let mut headers = http::HeaderMap::new();
            headers.insert("content-type", kind.parse().expect("a type"));
            for name in HEADERS {
                headers.insert(name, header.parse().expect("visible ASCII"));
            }
            for method in [http::Method::POST, http::Method::GET] {
                let path_and_query = format!("/webhooks/main/token{query}");
                let webhook =
                    Webhook { method, path_and_query, headers: headers.clone(), body: body.clone().into_bytes() };
                let ear = ear(case);
                prop_assert_ne!(ear.authenticate(&webhook, now()), Authentic::Yes, "{} {}", case.provider, body);
                let _ = ear.read(&webhook, now());
            }
        }
    }
}
