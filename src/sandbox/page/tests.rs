//! The page's interface over a real socket and a scripted gateway.

mod double;

use std::time::Duration;

use axum::http::HeaderName;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::clock::OffsetClock;
use crate::entropy::SeededEntropy;
use crate::provider::http::{AddressRule, Answer, HttpClient, HttpLimits, Outgoing};
use crate::sandbox::CarrierSettings;
use crate::sandbox::carrier::behaviour::Behaviour;
use crate::sandbox::carrier::book::Phone;
use crate::sandbox::gateway::Standing;
use crate::web::{Bounds, serve};
use double::Double;

const DEADLINE: Duration = Duration::from_secs(20);
const DANA: &str = "+12125550123";

struct World {
    base: String,
    http: HttpClient,
    gateway: Arc<Double>,
    carrier: Carrier,
    _stop: tokio_util::sync::DropGuard,
}

impl World {
    async fn new() -> World {
        let stop = CancellationToken::new();
        let limits = HttpLimits { addresses: AddressRule::PublicAndLoopback, ..HttpLimits::default() };
        let http = HttpClient::new(limits);
        let clock = OffsetClock::default();
        let phone = Phone {
            number: DANA.to_owned().into(),
            label: "Dana".to_owned(),
            place: "New York".to_owned(),
            zone: "America/New_York".to_owned(),
        };
        let settings = CarrierSettings {
            phones: vec![phone],
            behaviour: Behaviour::instant(),
            ..CarrierSettings::new("token".to_owned(), "secret".to_owned())
        };
        let entropy = Arc::new(SeededEntropy::new(1));
        let carrier = Carrier::start(settings, Arc::new(clock.clone()), entropy, http.clone(), stop.clone());
        let gateway = Arc::new(Double::new(carrier.clone(), clock, "", &[(DANA, Standing::OptedIn)]));
        let page = Page::new(carrier.clone(), gateway.clone(), &["http://go.test".to_owned()], stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(serve(listener, None, page.router(), Bounds::default(), stop.clone()));
        World { base, http, gateway, carrier, _stop: stop.drop_guard() }
    }

    async fn get(&self, path: &str) -> Answer {
        let uri = format!("{}{path}", self.base).parse().expect("a uri");
        self.http.send(Outgoing::get(uri), DEADLINE).await.expect("an answer")
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let uri = format!("{}{path}", self.base).parse().expect("a uri");
        let post = Outgoing::post(uri, "application/json", body.to_string());
        let answer = self.http.send(post, DEADLINE).await.expect("an answer");
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn checkout(&self, form: &'static str) -> (u16, String) {
        let uri = format!("{}/shop/checkout", self.base).parse().expect("a uri");
        let post = Outgoing::post(uri, "application/x-www-form-urlencoded", form);
        let answer = self.http.send(post, DEADLINE).await.expect("an answer");
        (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn by_day(&self) {
        let noon = json!({"zone": "America/New_York", "time": "12:00"});
        assert_eq!(self.post("/sandbox/clock", noon).await.0, 200);
    }

    async fn cart(&self) -> String {
        let cart = json!({"phone": DANA, "item": "<b>Boots</b>", "cents": 8_905});
        let (status, cart) = self.post("/sandbox/carts", cart).await;
        assert_eq!(status, 200);
        cart["id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = World::new().await;
    for (path, kind) in
        [("/", "text/html"), ("/sandbox/page.css", "text/css"), ("/sandbox/page.js", "text/javascript")]
    {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.content_type().as_str()), (200, kind));
        let body = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
        for outside in
            ["http://", "https://", "//cdn", "@import", "style=\"", "onclick=\"", "innerHTML", "eval("]
        {
            let outside = outside.to_owned();
            assert!(!body.replace("(https?:", "").contains(&outside), "{path} holds {outside}");
        }
        let policy = answer.headers.get("content-security-policy").and_then(|v| v.to_str().ok());
        let policy = policy.expect("a policy");
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-src 'self' http://go.test;"), "{policy}");
    }
}

#[tokio::test]
async fn a_story_from_cart_to_coupon_to_stop() {
    let world = World::new().await;
    world.by_day().await;
    let cart = world.cart().await;
    let (_, decision) = world.post(&format!("/sandbox/carts/{cart}/remind"), json!({})).await;
    assert_eq!(decision["verdict"]["outcome"], "ADMIT", "{decision}");

    let (status, html) = world.checkout("cart=cart-1&code=WRONG&action=redeem").await;
    assert!(status == 200 && html.contains("UNKNOWN_CODE") && html.contains("value=\"WRONG\""), "{html}");
    let (_, html) = world.checkout("cart=cart-1&code=SAVE10&action=redeem").await;
    assert!(html.contains("Coupon SAVE10"), "{html}");
    assert!(html.contains("$89.05") && !html.contains("<b>Boots"), "amount shown, text escaped: {html}");
    let (_, html) = world.checkout("cart=cart-1&action=buy").await;
    assert!(html.contains("your order is placed"), "{html}");

    let (status, typed) = world.post(&format!("/sandbox/phones/{DANA}/texts"), json!({"text": "STOP"})).await;
    assert_eq!((status, typed["direction"].as_str()), (201, Some("inbound")));
    world.gateway.opt_out(DANA);
    let cart = world.cart().await;
    let (_, decision) = world.post(&format!("/sandbox/carts/{cart}/remind"), json!({})).await;
    assert_eq!(decision["verdict"]["reasons"][0]["code"], "OPTED_OUT");

    let state: Value = serde_json::from_slice(&world.get("/sandbox/state").await.body).expect("JSON");
    assert_eq!(state["phones"][0]["standing"], "opted_out");
    assert_eq!(state["phones"][0]["thread"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (state["decisions"].as_array().map(Vec::len), state["carts"].as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
}

#[tokio::test]
async fn the_clock_goes_forward_only() {
    let world = World::new().await;
    let before = world.gateway.now();
    let (status, _) = world.post("/sandbox/clock", json!({"seconds": 3_600})).await;
    assert!(status == 200 && world.gateway.now().since(before).as_seconds() >= 3_600);
    for bad in [json!({"seconds": -1}), json!({"zone": "Nowhere", "time": "09:00"})] {
        let (status, said) = world.post("/sandbox/clock", bad).await;
        assert!(status == 409 && said["problem"].is_string(), "{said}");
    }
    assert_eq!(world.post("/sandbox/clock", json!({"hours": 1})).await.0, 400);
}

#[tokio::test]
async fn another_sites_page_cannot_press_buttons() {
    let world = World::new().await;
    let uri = format!("{}/sandbox/clock", world.base).parse().expect("a uri");
    let post = Outgoing::post(uri, "application/json", json!({"seconds": 60}).to_string())
        .header(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("cross-site"));
    assert_eq!(world.http.send(post, DEADLINE).await.expect("an answer").status, 403);
}

#[tokio::test]
async fn a_phone_can_be_put_into_a_worse_network_and_back() {
    let world = World::new().await;
    let path = format!("/sandbox/phones/{DANA}/network");
    for name in ["slow", "receipts_lost", "hangs_up", "off", "throttled", "not_in_service"] {
        assert_eq!(world.post(&path, json!({"network": name})).await.0, 204, "{name}");
        let behaviour = world.carrier.behaviour(Some(DANA));
        assert!(behaviour != Behaviour::instant() && behaviour.problems().is_empty(), "{name}");
    }
    world.post(&path, json!({"network": "works"})).await;
    assert_eq!(world.carrier.behaviour(Some(DANA)), Behaviour::instant());
    assert_eq!(world.post(&path, json!({"network": "moon"})).await.0, 400);
}

#[tokio::test]
async fn the_feed_tells_texts_decisions_and_the_clock() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    let world = World::new().await;
    world.by_day().await;
    let stop = CancellationToken::new();
    let page = Page::new(world.carrier.clone(), world.gateway.clone(), &[], stop.clone());
    let request =
        Request::builder().uri("/sandbox/events").body(axum::body::Body::empty()).expect("a request");
    let mut feed = page.router().oneshot(request).await.expect("an answer").into_body();
    let cart = world.cart().await;
    world.post(&format!("/sandbox/carts/{cart}/remind"), json!({})).await;
    let mut seen = String::new();
    while !["event: clock", "event: decision", "\"status\":\"delivered\""].iter().all(|e| seen.contains(e)) {
        let frame = tokio::time::timeout(DEADLINE, feed.frame()).await.expect("in time").expect("more");
        seen += &String::from_utf8_lossy(frame.expect("a frame").data_ref().expect("data"));
    }
    stop.cancel();
    while tokio::time::timeout(DEADLINE, feed.frame()).await.expect("the feed ends with the server").is_some()
    {
    }
}
