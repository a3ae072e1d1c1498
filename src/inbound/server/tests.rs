//! STOPs beside a crowd of callers. The strictest provider waits two seconds for its answer (developers.telnyx.com,
//! "Receiving webhooks"); how long the slowest took is printed and not asserted: the machine may be busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{StreamExt, stream};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::api::testing::{Shop, by};
use crate::ledger::body::{Body as EntryBody, Object, RegistryBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::model::registry::Connection;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::message_service_client::MessageServiceClient;
use crate::provider::faults;
use crate::writer::{Cx, Op, OpError, Priority, Recorded};

/// Callers that send as fast as they are answered.
const CALLERS: usize = 48;
/// Texts that come in meanwhile, and how many at once.
const TEXTS: usize = 120;
const AT_ONCE: usize = 12;

struct Add(Connection);

impl Op for Add {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;
    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let object = Object::Connection(self.0);
        let body = RegistryBody { object, reason: String::new(), actor: "test".to_owned() };
        cx.emit(SELLER_CHAIN, None, Public::default(), EntryBody::Registry(body)).map(|_| ())
    }
}

fn stop_from(n: usize, key: &SigningKey, now: Instant) -> Request {
    stop_of(n, key, now, 0, "")
}

/// The same, made larger: by a field nobody reads, and by what stands behind the path.
fn stop_of(n: usize, key: &SigningKey, now: Instant, more: usize, query: &str) -> Request {
    let pad = "x".repeat(more);
    let body = format!(
        r#"{{"pad":"{pad}","data":{{"event_type":"message.received","id":"e{n}","payload":{{"direction":"inbound","id":"m{n}","from":{{"phone_number":"+1212555{n:04}"}},"to":[{{"phone_number":"+18005550100"}}],"text":"STOP","type":"SMS"}}}}}}"#
    );
    let time = now.as_seconds().to_string();
    let signature = key.sign(format!("{time}|{body}").as_bytes());
    Request::post(format!("/webhooks/main/token{query}"))
        .header("content-type", "application/json")
        .header("telnyx-timestamp", time)
        .header("telnyx-signature-ed25519", BASE64_STANDARD.encode(signature.to_bytes()))
        .body(Body::from(body))
        .expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn stops_are_durable_and_answered_while_callers_crowd() {
    let shop = Shop::open().await;
    let key = SigningKey::from_bytes(&[9; 32]);
    let connection =
        Connection { token_sha256: Sha256::digest(b"token").into(), ..faults::connection("telnyx", &[]) };
    shop.gateway.writer.call(Add(connection.clone())).await.expect("taken");
    let public = BASE64_STANDARD.encode(key.verifying_key().as_bytes());
    let secret = move |name: &str| (name == "public_key").then(|| SecretString::from(public.clone()));
    let endpoints = Arc::new(Endpoints::default());
    endpoints.put(Endpoint::new(&connection, secret).expect("known"));
    let clock: SharedClock = Arc::new(shop.clock.clone());
    let webhooks =
        Webhooks::new(shop.gateway.writer.clone(), endpoints, Hearing::new(clock.clone()), clock, 65_536);

    let (over, sent) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let crowd: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (over, sent, channel) = (over.clone(), sent.clone(), shop.channel.clone());
            tokio::spawn(async move {
                let mut client = MessageServiceClient::new(channel);
                while !over.is_cancelled() {
                    let n = sent.fetch_add(1, Ordering::Relaxed);
                    let phone = format!("+1305555{:04}", n % 10_000);
                    let request = wire::SendMessageRequest {
                        brand: "main".into(),
                        program: "orders".into(),
                        subject: Some(wire::Subject { address: Some(wire::subject::Address::Phone(phone)) }),
                        channel: wire::Channel::Sms.into(),
                        content: Some(wire::send_message_request::Content::Body("Your order".into())),
                        idempotency_key: format!("crowd {caller} {n}"),
                        ..wire::SendMessageRequest::default()
                    };
                    client.send_message(by("sender", request)).await.expect("a verdict");
                }
            })
        })
        .collect();
    while sent.load(Ordering::Relaxed) < 2 * CALLERS {
        tokio::task::yield_now().await;
    }
    let now = crate::clock::Clock::now(&shop.clock);
    let answers = stream::iter(0..TEXTS).map(|n| {
        let (router, request) = (webhooks.router(), stop_from(n, &key, now));
        async move {
            let begun = std::time::Instant::now();
            let answer = router.oneshot(request).await.expect("it answers");
            (answer.status(), begun.elapsed())
        }
    });
    let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
    let crowded = sent.load(Ordering::Relaxed);
    over.cancel();
    for caller in crowd {
        caller.await.expect("no panic");
    }
    let slowest = answers.iter().map(|(_, took)| *took).max().expect("some");
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK), "{answers:?}");
    println!("{TEXTS} STOPs, the slowest in {slowest:?}, with {crowded} calls beside them");
    let stops = |r: &&Recorded| matches!(r, Recorded::Open(e) if matches!(e.body, EntryBody::OptOut(_)));
    let recorded = shop.gateway.reader.entries().read(0, 50_000).expect("readable");
    assert_eq!(recorded.iter().filter(stops).count(), TEXTS, "every one is in the ledger");
    shop.close().await;
}

/// A configuration once let in webhooks of 16 MiB, and an entry holds 1.4 MB: an authentic STOP that could not be kept.
#[tokio::test]
async fn whatever_is_let_in_can_be_kept() {
    let shop = Shop::open().await;
    let key = SigningKey::from_bytes(&[9; 32]);
    let connection =
        Connection { token_sha256: Sha256::digest(b"token").into(), ..faults::connection("telnyx", &[]) };
    shop.gateway.writer.call(Add(connection.clone())).await.expect("taken");
    let public = BASE64_STANDARD.encode(key.verifying_key().as_bytes());
    let secret = move |name: &str| (name == "public_key").then(|| SecretString::from(public.clone()));
    let endpoints = Arc::new(Endpoints::default());
    endpoints.put(Endpoint::new(&connection, secret).expect("known"));
    let clock: SharedClock = Arc::new(shop.clock.clone());
    let hearing = Hearing::new(clock.clone());
    let webhooks = Webhooks::new(shop.gateway.writer.clone(), endpoints, hearing, clock, 16 << 20);
    let now = crate::clock::Clock::now(&shop.clock);
    let query = |bytes: usize| format!("?{}", "q".repeat(bytes));
    let table = [
        (RAW_BYTES_MAX - 1_024, query(RAW_HEAD_BYTES_MAX), StatusCode::OK),
        (RAW_BYTES_MAX, String::new(), StatusCode::PAYLOAD_TOO_LARGE),
        (0, query(RAW_HEAD_BYTES_MAX + 1), StatusCode::URI_TOO_LONG),
    ];
    for (n, (more, query, status)) in table.into_iter().enumerate() {
        let request = stop_of(n, &key, now, more, &query);
        let answer = webhooks.router().oneshot(request).await.expect("it answers");
        assert_eq!(answer.status(), status, "{more} bytes more");
    }
    shop.close().await;
}

/// Vonage says that a callback may now and then come without a signature, and that a signed one follows a 5xx.
#[tokio::test]
async fn one_unsigned_callback_asks_for_a_signed_one_and_several_mean_that_we_are_deaf() {
    let shop = Shop::open().await;
    let clock: SharedClock = Arc::new(shop.clock.clone());
    for (api, header, kind) in
        [("sms", "", "application/x-www-form-urlencoded"), ("messages", "authorization", "application/json")]
    {
        let settings = [("api_key", "k"), ("api", api)];
        let connection = Connection {
            token_sha256: Sha256::digest(b"token").into(),
            ..faults::connection("vonage", &settings)
        };
        let endpoints = Arc::new(Endpoints::default());
        endpoints.put(Endpoint::new(&connection, faults::secret).expect("known"));
        let hearing = Hearing::new(clock.clone());
        hearing.begin(&connection.id, crate::model::registry::Reconcile::Operator, None);
        let webhooks =
            Webhooks::new(shop.gateway.writer.clone(), endpoints, hearing.clone(), clock.clone(), 65_536);
        let call = |signed: bool| {
            let post = Request::post("/webhooks/main/token").header("content-type", kind);
            let post = if signed && !header.is_empty() { post.header(header, "Bearer a.b.c") } else { post };
            let body = match (api, signed) {
                ("sms", true) => "msisdn=12125550123&text=STOP&messageId=m1&sig=00",
                ("sms", false) => "msisdn=12125550123&text=STOP&messageId=m1",
                _ => r#"{"from":"12125550123","text":"STOP","message_uuid":"m1"}"#,
            };
            webhooks.router().oneshot(post.body(Body::from(body)).expect("a request"))
        };
        for n in 1..=3 {
            let answer = call(false).await.expect("answered");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{api} {n}");
            assert_eq!(hearing.is_unbroken(&connection.id), n < 3, "{api} {n}");
        }
        hearing.caught_up(&connection.id, clock.now() + crate::model::Span::seconds(1));
        assert!(hearing.is_unbroken(&connection.id), "{api}");
        let wrong = call(true).await.expect("answered");
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{api}");
        assert!(!hearing.is_unbroken(&connection.id), "{api}: a wrong one means that our secret is wrong");
    }
}
