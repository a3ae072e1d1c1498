//! The carrier over real sockets: a client that submits, a receiver that takes webhooks.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::behaviour::{Between, FaultChance};
use super::*;
use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::provider::http::{AddressRule, Answer, HttpError, HttpLimits, NotSent, Outgoing, Unclear};
use crate::web::{Bounds, serve};

const DEADLINE: Duration = Duration::from_secs(20);
const PHONE: &str = "+12125550123";

/// What the receiver of webhooks saw and will answer.
#[derive(Clone)]
struct Receiver {
    seen: mpsc::UnboundedSender<(String, Bytes)>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

struct World {
    base: String,
    hooks: String,
    http: HttpClient,
    carrier: Carrier,
    receiver: Receiver,
    seen: mpsc::UnboundedReceiver<(String, Bytes)>,
    _stop: tokio_util::sync::DropGuard,
}

fn http() -> HttpClient {
    HttpClient::new(HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() })
}

fn clock() -> SharedClock {
    Arc::new(ManualClock::at(Instant::from_seconds(1_767_268_800)))
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    (listener, address)
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get(webhooks::SIGNATURE_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let _ = receiver.seen.send((signature.to_owned(), body));
    receiver.answers.lock().pop_front().unwrap_or(StatusCode::OK)
}

impl World {
    async fn new(behaviour: Behaviour) -> World {
        let stop = CancellationToken::new();
        let (sender, seen) = mpsc::unbounded_channel();
        let receiver = Receiver { seen: sender, answers: Arc::default() };
        let (hook_listener, hooks) = listen().await;
        let hook_router = axum::Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(serve(hook_listener, None, hook_router, Bounds::default(), stop.clone()));
        let settings = CarrierSettings {
            webhooks: WebhookSettings {
                url: Some(format!("{hooks}/hook").into()),
                retry_ms: [1, 1],
                ..Default::default()
            },
            behaviour,
            ..CarrierSettings::new("token".to_owned(), "secret".to_owned())
        };
        let entropy = Arc::new(SeededEntropy::new(1));
        let carrier = Carrier::start(settings, clock(), entropy, http(), stop.clone());
        let (listener, base) = listen().await;
        tokio::spawn(serve(
            listener,
            None,
            super::http::router(carrier.clone()),
            Bounds::default(),
            stop.clone(),
        ));
        World { base, hooks, http: http(), carrier, receiver, seen, _stop: stop.drop_guard() }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Result<Answer, HttpError> {
        let uri = format!("{}{path}", self.base).parse().expect("a uri");
        let mut request = Outgoing::post(uri, "application/json", body.to_string())
            .header(::http::header::AUTHORIZATION, HeaderValue::from_static("Bearer token"));
        request.method = method.parse().expect("a method");
        self.http.send(request, DEADLINE).await
    }

    async fn submit(&self) -> Result<Answer, HttpError> {
        let body = json!({"from": "+18555550100", "to": PHONE, "text": "Hello", "client_ref": "m1"});
        self.call("POST", "/v1/messages", body).await
    }

    /// The events of the next POST, after its signature was checked.
    async fn events(&mut self) -> Vec<Value> {
        let (signature, body) = self.seen.recv().await.expect("a webhook");
        assert_eq!(signature, webhooks::signature("secret", 1_767_268_800, &body));
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        body["events"].as_array().expect("events").clone()
    }

    async fn statuses(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let events = self.events().await;
            seen.extend(events.iter().map(|e| e["message"]["status"].as_str().expect("text").to_owned()));
        }
        seen
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn always(fault: Fault) -> Behaviour {
    Behaviour { faults: vec![FaultChance { fault, percent: 100 }], ..Behaviour::instant() }
}

#[tokio::test]
async fn a_text_is_taken_delivered_and_told() {
    let behaviour = Behaviour { final_ms: Between::new(60, 60), ..Behaviour::instant() };
    let mut world = World::new(behaviour).await;
    let answer = world.submit().await.expect("an answer");
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let id = json_of(&answer)["id"].as_str().expect("an id").to_owned();
    assert_eq!(json_of(&answer)["parts"], 1);

    let first = world.events().await;
    assert_eq!(first[0]["message"]["client_ref"], "m1");
    assert_eq!(first[0]["message"]["id"], id.as_str());
    assert_eq!(first[0]["message"]["text"], Value::Null, "a receipt repeats no text");
    assert_eq!(world.statuses(1).await, ["delivered"]);
    let kept =
        json_of(&world.call("GET", &format!("/v1/messages/{id}"), Value::Null).await.expect("an answer"));
    assert_eq!((kept["status"].as_str(), kept["text"].as_str()), (Some("delivered"), Some("Hello")));
}

#[tokio::test]
async fn a_reply_typed_on_the_phone_goes_to_the_last_sender_and_into_the_list() {
    let mut world = World::new(Behaviour::instant()).await;
    let path = format!("/v1/phones/{PHONE}/texts");
    let nobody = world.call("POST", &path, json!({"text": "STOP"})).await.expect("an answer");
    assert_eq!(nobody.status, StatusCode::CONFLICT);

    world.submit().await.expect("an answer");
    world.statuses(2).await;
    world.call("POST", &path, json!({"text": "STOP"})).await.expect("an answer");
    let event = world.events().await.remove(0);
    assert_eq!(event["type"], "message.received");
    assert_eq!(
        (event["message"]["text"].as_str(), event["message"]["to"].as_str()),
        (Some("STOP"), Some("+18555550100"))
    );

    let list =
        world.call("GET", "/v1/messages?direction=inbound&since=2026-01-01T12:00:00Z", Value::Null).await;
    let list = json_of(&list.expect("an answer"));
    assert_eq!(list["messages"].as_array().map(Vec::len), Some(1));
    let later =
        world.call("GET", "/v1/messages?direction=inbound&since=2026-01-01T12:00:01Z", Value::Null).await;
    assert_eq!(json_of(&later.expect("an answer"))["messages"], json!([]));
}

#[tokio::test]
async fn the_list_comes_in_pages() {
    let world = World::new(Behaviour::instant()).await;
    for _ in 0..5 {
        world.submit().await.expect("an answer");
    }
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/v1/messages?limit=2&after={after}");
        let page = json_of(&world.call("GET", &path, Value::Null).await.expect("an answer"));
        seen.extend(page["messages"].as_array().expect("texts").iter().map(|m| m["seq"].as_u64()));
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, [Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[tokio::test]
async fn strangers_are_turned_away_and_bad_requests_told_everything() {
    let world = World::new(Behaviour::instant()).await;
    let uri: ::http::Uri = format!("{}/v1/messages", world.base).parse().expect("a uri");
    let answer = world.http.send(Outgoing::get(uri), DEADLINE).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    let bad = json!({"from": "", "to": "12", "text": "", "validity_seconds": 0, "status_url": "ftp://x"});
    let answer = world.call("POST", "/v1/messages", bad).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(json_of(&answer)["error"]["problems"].as_array().map(Vec::len), Some(5));
    let typo = json!({"from": "a", "to": PHONE, "text": "x", "txet": "y"});
    assert_eq!(world.call("POST", "/v1/messages", typo).await.expect("an answer").status, 400);
    assert_eq!(
        world.call("PUT", "/v1/behaviour", json!({"outcome": "sent"})).await.expect("an answer").status,
        400
    );
}

#[tokio::test]
async fn refusals_keep_nothing() {
    let throttled = Fault::Throttled { retry_after_seconds: Some(9) };
    for (fault, status, code) in [
        (Fault::OptedOut, 422, "opted_out"),
        (Fault::UnknownSubscriber, 422, "unknown_subscriber"),
        (Fault::ContentBlocked, 422, "content_blocked"),
        (throttled, 429, "throttled"),
        (Fault::Unavailable, 503, "unavailable"),
    ] {
        let world = World::new(always(fault)).await;
        let answer = world.submit().await.expect("an answer");
        assert_eq!(
            (answer.status.as_u16(), json_of(&answer)["error"]["code"].as_str()),
            (status, Some(code))
        );
        assert_eq!(answer.retry_after().is_some(), fault == throttled);
        assert!(world.carrier.thread(PHONE, 10).is_empty(), "{fault:?} kept the text");
    }
}

#[tokio::test]
async fn unclear_answers_keep_the_text() {
    for fault in [
        Fault::FailsAfterAccept,
        Fault::ResetAfterAccept,
        Fault::BadContentType,
        Fault::OversizedBody,
        Fault::SlowAnswer { millis: 1 },
    ] {
        let world = World::new(always(fault)).await;
        let result = world.submit().await;
        let seen = match (fault, &result) {
            (Fault::FailsAfterAccept, Ok(a)) => a.status == 500,
            (Fault::BadContentType, Ok(a)) => a.content_type() == "text/html",
            (Fault::SlowAnswer { .. }, Ok(a)) => a.status == 202,
            (Fault::ResetAfterAccept, Err(HttpError::Unclear { why: Unclear::Broken(_), .. })) => true,
            (Fault::OversizedBody, Err(HttpError::Unclear { why: Unclear::AnswerTooLong(_), .. })) => true,
            _ => false,
        };
        assert!(seen, "{fault:?}: {result:?}");
        assert_eq!(world.carrier.thread(PHONE, 10).len(), 1, "{fault:?} lost the text");
    }
}

#[tokio::test]
async fn one_number_can_be_treated_apart() {
    let world = World::new(Behaviour::instant()).await;
    let path = format!("/v1/numbers/{PHONE}/behaviour");
    let own = json!({"faults": [{"kind": "throttled", "percent": 100}]});
    assert_eq!(world.call("PUT", &path, own).await.expect("an answer").status, 200);
    assert_eq!(world.submit().await.expect("an answer").status, 429);
    world.call("DELETE", &path, Value::Null).await.expect("an answer");
    assert_eq!(world.submit().await.expect("an answer").status, 202);
}

#[tokio::test]
async fn a_webhook_is_tried_three_times_with_the_same_events() {
    let mut world = World::new(Behaviour::instant()).await;
    world.receiver.answers.lock().extend([StatusCode::INTERNAL_SERVER_ERROR; 2]);
    world.carrier.type_text(PHONE, Some("+18555550100"), "STOP").expect("a text");
    let tries = [world.events().await, world.events().await, world.events().await];
    assert!(tries.iter().all(|t| t == &tries[0]), "{tries:?}");

    world.receiver.answers.lock().extend([StatusCode::INTERNAL_SERVER_ERROR; 3]);
    world.carrier.type_text(PHONE, Some("+18555550100"), "lost").expect("a text");
    for _ in 0..3 {
        assert_eq!(world.events().await[0]["message"]["text"], "lost");
    }
    world.carrier.type_text(PHONE, Some("+18555550100"), "next").expect("a text");
    assert_eq!(world.events().await[0]["message"]["text"], "next", "three tries and no fourth");
}

#[tokio::test]
async fn while_the_way_is_cut_only_the_list_knows() {
    let mut world = World::new(Behaviour::instant()).await;
    let url = format!("{}/hook", world.hooks);
    world.call("PUT", "/v1/webhooks", json!({"url": url, "cut": true})).await.expect("an answer");
    world.carrier.type_text(PHONE, Some("+18555550100"), "STOP").expect("a text");
    world.submit().await.expect("an answer");
    assert_eq!(world.carrier.list(&Filter { limit: 10, ..Filter::default() }).len(), 2);
    // What is queued is decided when taken from the queue; let the postman see "cut" before mending the way.
    while world.carrier.0.outbox.capacity() < webhooks::QUEUE_MAX {
        tokio::task::yield_now().await;
    }
    assert!(world.seen.try_recv().is_err());
}

#[tokio::test]
async fn one_seed_gives_the_same_answers() {
    let run = |seed: u64| {
        let entropy = Arc::new(SeededEntropy::new(seed));
        let settings = CarrierSettings {
            behaviour: Behaviour::bad_day(&*entropy),
            ..CarrierSettings::new("t".to_owned(), "s".to_owned())
        };
        let stop = CancellationToken::new();
        let carrier = Carrier::start(settings, clock(), entropy, http(), stop.clone());
        let replies: Vec<_> = (0..50).map(|n| carrier.submit(submission(n))).collect();
        stop.cancel();
        replies
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}

fn submission(n: u32) -> Submission {
    let body = json!({"from": "+18555550100", "to": format!("+121255501{n:02}"), "text": "Hi"});
    serde_json::from_value(body).expect("a submission")
}

#[tokio::test]
async fn nothing_listens_after_the_end() {
    let world = World::new(Behaviour::instant()).await;
    let (base, http) = (world.base.clone(), world.http.clone());
    drop(world);
    let uri: ::http::Uri = format!("{base}/v1/messages").parse().expect("a uri");
    loop {
        match http.send(Outgoing::get(uri.clone()), DEADLINE).await {
            Err(HttpError::NotSent { why: NotSent::Connect(_), .. }) => break,
            _ => tokio::task::yield_now().await,
        }
    }
}
