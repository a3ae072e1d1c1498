//! A provider in this process: takes messages as Twilio does, reports each delivered, and is the shop's own server besides.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes as Body;
use consentry::web::{self, Bounds};
use hmac::{Hmac, Mac};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The account's token, which signs its webhooks.
pub const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Under which the gateway says it is reached: what signatures cover.
pub const PUBLIC_URL: &str = "https://gw.shop.example";
/// The key of the shop's own webhook: 32 bytes of 7.
pub const SHOP_KEY: [u8; 32] = [7; 32];
const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// A form as it came.
pub type Form = Vec<(String, String)>;

#[derive(Default)]
struct Seen {
    /// Messages taken, with the credentials they came with.
    messages: Vec<(String, Form)>,
    /// Events told to the shop.
    events: Vec<Value>,
    /// Where the gateway listens.
    gateway: String,
}

#[derive(Clone, Default)]
pub struct Provider {
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
}

impl Provider {
    /// Starts one; answers it and its address.
    pub async fn start(stop: CancellationToken) -> (Provider, String) {
        let provider = Provider::default();
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        let router = Router::new()
            .route(&path, post(take).get(list))
            .route("/events", post(event))
            .route("/healthz", get(|| async { "ok" }))
            .with_state(provider.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(web::serve(listener, None, router, Bounds::default(), stop));
        (provider, address)
    }

    /// Tells it where webhooks go.
    pub fn calls_back(&self, gateway: &str) {
        self.seen.lock().expect("no panic").gateway = gateway.to_owned();
    }

    /// Messages taken so far.
    pub fn messages(&self) -> Vec<(String, Form)> {
        self.seen.lock().expect("no panic").messages.clone()
    }

    /// Types of the events the shop was told.
    pub fn events(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        seen.events.iter().map(|e| e["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is: impl Fn(&Provider) -> bool) {
        let waits = async {
            while !is(self) {
                self.news.notified().await;
            }
        };
        let within = std::time::Duration::from_secs(60);
        tokio::time::timeout(within, waits).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Posts a webhook as Twilio signs it; answers the gateway's status.
    pub async fn call(&self, path: &str, form: &[(&str, &str)]) -> u16 {
        let gateway = self.seen.lock().expect("no panic").gateway.clone();
        let mut signed = format!("{PUBLIC_URL}{path}");
        let mut sorted = form.to_vec();
        sorted.sort_unstable();
        sorted.iter().for_each(|(name, value)| signed += &format!("{name}{value}"));
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).expect("any length");
        mac.update(signed.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(format!("{gateway}{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-twilio-signature", signature)
            .body(Full::new(Body::from(body)))
            .expect("a request");
        let client: Client<HttpConnector, Full<Body>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.expect("the gateway answers");
        let status = answer.status().as_u16();
        let _ = answer.into_body().collect().await;
        status
    }
}

fn field<'a>(form: &'a Form, name: &str) -> &'a str {
    form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

async fn take(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let form: Form = form_urlencoded::parse(&body).into_owned().collect();
    let credentials =
        headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let sid = {
        let mut seen = provider.seen.lock().expect("no panic");
        seen.messages.push((credentials, form.clone()));
        format!("SM{:032}", seen.messages.len())
    };
    provider.news.notify_waiters();
    provider.news.notify_one();
    let told = sid.clone();
    // At once: such a receipt may well be there before the answer.
    tokio::spawn(async move {
        let callback = field(&form, "StatusCallback").split('#').next().unwrap_or_default();
        let path = callback.strip_prefix(PUBLIC_URL).expect("the public address").to_owned();
        let told = [
            ("AccountSid", ACCOUNT),
            ("From", field(&form, "From")),
            ("MessageSid", told.as_str()),
            ("MessageStatus", "delivered"),
            ("To", field(&form, "To")),
        ];
        assert_eq!(provider.call(&path, &told).await, 200, "a receipt is taken");
    });
    let answer = serde_json::json!({ "sid": sid, "status": "queued" }).to_string();
    (StatusCode::CREATED, [("content-type", "application/json")], answer)
}

async fn list() -> impl IntoResponse {
    ([("content-type", "application/json")], r#"{"messages":[],"next_page_uri":null}"#)
}

/// The shop's own server: takes what is signed, refuses everything else.
async fn event(State(provider): State<Provider>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&SHOP_KEY).expect("any length");
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(&body);
    let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    if !header("webhook-signature").split(' ').any(|one| one == expected) {
        return StatusCode::UNAUTHORIZED;
    }
    let event = serde_json::from_slice(&body).expect("JSON");
    provider.seen.lock().expect("no panic").events.push(event);
    provider.news.notify_waiters();
    provider.news.notify_one();
    StatusCode::NO_CONTENT
}
