//! A courier against a subscriber that fails, comes back, and checks who speaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine as _;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::signature::Key;
use super::{Courier, Doors, Subscription, Wanted};
use crate::api::testing::{Shop, by};
use crate::clock::Clock;
use crate::disk::{SharedDisk, SimDisk};
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::consent_service_client::ConsentServiceClient;
use crate::provider::http::AddressRule;
use crate::web::{self, Bounds};

/// One request as it came.
#[derive(Debug, Clone)]
struct Got {
    id: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Clone, Default)]
struct Peer {
    got: Arc<Mutex<Vec<Got>>>,
    /// What it answers.
    says: Arc<AtomicU16>,
}

impl Peer {
    async fn start(stop: CancellationToken) -> (Peer, http::Uri) {
        let peer = Peer::default();
        peer.answer(200);
        let router = Router::new().fallback(take).with_state(peer.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        tokio::spawn(web::serve(listener, None, router, Bounds::default(), stop));
        (peer, url.parse().expect("a URL"))
    }

    fn answer(&self, status: u16) {
        self.says.store(status, Ordering::Relaxed);
    }

    fn taken(&self) -> Vec<Got> {
        self.got.lock().clone()
    }
}

async fn take(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers[name].to_str().expect("ASCII").to_owned();
    let signed = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    peer.got.lock().push(Got {
        id: text("webhook-id"),
        headers: signed.iter().map(|name| ((*name).to_owned(), text(name))).collect(),
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    });
    StatusCode::from_u16(peer.says.load(Ordering::Relaxed)).expect("a status")
}

fn secret(n: u8) -> String {
    format!("whsec_{}", base64::prelude::BASE64_STANDARD.encode([n; 32]))
}

fn courier(shop: &Shop, disk: &SharedDisk, url: &http::Uri, kinds: &[wire::EventKind]) -> Arc<Courier> {
    let wanted = Wanted { kinds: kinds.iter().map(|k| *k as i32).collect(), ..Wanted::default() };
    let to = Subscription {
        id: "shop".to_owned(),
        url: url.clone(),
        wanted,
        keys: Box::new(|| [1, 2].iter().filter_map(|n| Key::parse(&secret(*n)).ok()).collect()),
        addresses: AddressRule::PublicAndLoopback,
        log: "main-e1".to_owned(),
    };
    let doors = Doors { reader: shop.gateway.reader.clone(), disk: disk.clone(), data_dir: "data".into() };
    Arc::new(Courier::open(to, doors).expect("it opens"))
}

/// Runs it until the token is cancelled.
fn run(shop: &Shop, courier: &Arc<Courier>) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let stop = CancellationToken::new();
    (stop.clone(), tokio::spawn(courier.clone().run(shop.gateway.watch(), stop)))
}

async fn until(courier: &Courier, what: &str, is: impl Fn() -> bool) {
    let waits = async {
        while !is() {
            courier.wake();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn stop_of(shop: &Shop, phone: &str, key: &str) {
    let request = wire::RecordOptOutRequest {
        brand: "main".into(),
        subject: Some(wire::Subject { address: Some(wire::subject::Address::Phone(phone.into())) }),
        source: wire::OptOutSource::Email.into(),
        text: format!("stop {key}"),
        idempotency_key: key.into(),
        ..wire::RecordOptOutRequest::default()
    };
    let mut client = ConsentServiceClient::new(shop.channel.clone());
    client.record_opt_out(by("writer", request)).await.expect("recorded");
}

fn texts(got: &[Got]) -> Vec<String> {
    let text = |g: &Got| {
        let body: Value = serde_json::from_str(&g.body).expect("JSON");
        body["data"]["optOut"]["text"].as_str().unwrap_or_default().to_owned()
    };
    got.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_fails_hears_everything_later_and_in_order() {
    let shop = Shop::open().await;
    shop.clock.set(crate::clock::SystemClock.now());
    let over = CancellationToken::new();
    let (peer, url) = Peer::start(over.clone()).await;
    let disk = SimDisk::new(3).shared();
    let kinds = [wire::EventKind::OptOut];
    let first = courier(&shop, &disk, &url, &kinds);
    let (stop, ended) = run(&shop, &first);
    peer.answer(500);
    for (phone, key) in [("+12125550101", "a1"), ("+12125550101", "a2"), ("+12125550102", "b1")] {
        stop_of(&shop, phone, key).await;
    }
    until(&first, "both heads fail", || {
        first.standing().waiting.iter().filter(|l| l.attempts == 1).count() == 2
    })
    .await;
    assert_eq!(first.standing().why, "it answered 500");
    let mut seen = texts(&peer.taken());
    seen.sort();
    assert_eq!(seen, ["stop a1", "stop b1"], "the second word of a person waits for the first");

    // The process ends; the next one goes on, with what happened in between.
    stop.cancel();
    ended.await.expect("no panic");
    stop_of(&shop, "+12125550102", "b2").await;
    let second = courier(&shop, &disk, &url, &kinds);
    assert_eq!(second.standing().waiting.len(), 3);
    peer.answer(204);
    shop.clock.advance(Span::seconds(10));
    let (stop, ended) = run(&shop, &second);
    until(&second, "all is told", || peer.taken().len() == 6 && second.standing().waiting.is_empty()).await;
    let got = peer.taken();
    let after = texts(&got[2..]);
    for pair in [["stop a1", "stop a2"], ["stop b1", "stop b2"]] {
        let at = pair.map(|text| after.iter().position(|t| t == text).expect("told"));
        assert!(at[0] < at[1], "{after:?}");
    }
    let id_of = |text: &str| {
        let all: Vec<&String> =
            got.iter().filter(|g| texts(&[(*g).clone()])[0] == text).map(|g| &g.id).collect();
        (all.len(), all.iter().all(|id| *id == all[0]))
    };
    assert_eq!(id_of("stop a1"), (2, true), "a repeat is known by its id");

    // The library judges every one of them; with a byte changed, or the other secret alone, none or all.
    let case = |secret: String, got: &Got, body: String| {
        let headers: serde_json::Map<String, Value> =
            got.headers.iter().map(|(n, v)| (n.clone(), v.clone().into())).collect();
        json!({ "secret": secret, "headers": headers, "body": body }).to_string() + "\n"
    };
    let mut asked = String::new();
    for one in &got {
        asked += &case(secret(1), one, one.body.clone());
        asked += &case(secret(2), one, one.body.clone());
        asked += &case(secret(1), one, one.body.replacen("stop", "stoP", 1));
        asked += &case(secret(3), one, one.body.clone());
    }
    if let Some(said) = crate::inbound::peers::run("webhooks", "", &asked) {
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said, ["good", "good", "bad", "bad"].repeat(got.len()));
    }
    stop.cancel();
    ended.await.expect("no panic");
    over.cancel();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_three_days_is_laid_aside_and_replayed() {
    let shop = Shop::open().await;
    let over = CancellationToken::new();
    let (peer, url) = Peer::start(over.clone()).await;
    let disk = SimDisk::new(4).shared();
    let courier = courier(&shop, &disk, &url, &[wire::EventKind::OptOut]);
    let (stop, ended) = run(&shop, &courier);
    peer.answer(503);
    stop_of(&shop, "+12125550101", "a1").await;
    for attempt in 1..=10 {
        until(&courier, "an attempt", || peer.taken().len() == attempt).await;
        let seen = || {
            let standing = courier.standing();
            standing.dead.len() == 1 || standing.waiting.iter().any(|l| l.attempts as usize == attempt)
        };
        until(&courier, "it is noted", seen).await;
        shop.clock.advance(Span::hours(30));
    }
    assert_eq!(courier.standing().dead.len(), 1);

    // What comes after it is not held up, and what was laid aside can be sent again.
    peer.answer(200);
    stop_of(&shop, "+12125550101", "a2").await;
    until(&courier, "the next is told", || texts(&peer.taken()).contains(&"stop a2".to_owned())).await;
    assert_eq!(courier.replay(&[]), 1);
    until(&courier, "it is told after all", || {
        let standing = courier.standing();
        standing.dead.is_empty() && standing.waiting.is_empty()
    })
    .await;
    assert_eq!(texts(&peer.taken()).last().map(String::as_str), Some("stop a1"));
    stop.cancel();
    ended.await.expect("no panic");
    over.cancel();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_not_called() {
    let shop = Shop::open().await;
    let over = CancellationToken::new();
    let (peer, url) = Peer::start(over.clone()).await;
    let made = courier(&shop, &SimDisk::new(5).shared(), &url, &[]);
    let to = Subscription {
        id: "public".to_owned(),
        url,
        wanted: Wanted::default(),
        keys: Box::new(|| Key::parse(&secret(1)).into_iter().collect()),
        addresses: AddressRule::PublicOnly,
        log: made.subscription().log.clone(),
    };
    let doors = Doors {
        reader: shop.gateway.reader.clone(),
        disk: SimDisk::new(6).shared(),
        data_dir: "data".into(),
    };
    let courier = Arc::new(Courier::open(to, doors).expect("it opens"));
    let (stop, ended) = run(&shop, &courier);
    stop_of(&shop, "+12125550101", "a1").await;
    until(&courier, "it is refused", || !courier.standing().why.is_empty()).await;
    assert!(peer.taken().is_empty(), "nothing left: {}", courier.standing().why);
    stop.cancel();
    ended.await.expect("no panic");
    over.cancel();
    shop.close().await;
}
