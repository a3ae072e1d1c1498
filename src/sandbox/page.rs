//! The page at `/`: phones one can hold, a clock one can move, a shop to play, and every decision with its reasons.

pub mod checkout;
pub mod feed;
pub mod network;
pub mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::carrier::http::{Typed, typed_on};
use super::gateway::{Declined, Gateway};
use super::jump::Jump;
use super::{Carrier, carrier};
use network::Network;

const HTML: &str = include_str!("page/index.html");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");

/// What the page is made from.
#[derive(Clone)]
pub struct Page(Arc<Parts>);

struct Parts {
    carrier: Carrier,
    gateway: Arc<dyn Gateway>,
    policy: HeaderValue,
    stop: CancellationToken,
}

impl Page {
    /// A page over `carrier` and `gateway`. `link_origins` are the origins of the brand's short links, as in
    /// `http://127.0.0.1:8080`: the phones' browser may show what they lead to. Event streams end with `stop`.
    pub fn new(
        carrier: Carrier,
        gateway: Arc<dyn Gateway>,
        link_origins: &[String],
        stop: CancellationToken,
    ) -> Self {
        let policy = HeaderValue::from_str(&content_policy(link_origins))
            .unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self(Arc::new(Parts { carrier, gateway, policy, stop }))
    }

    /// The page, its interface under `/sandbox/`, the shop's checkout, and the carrier's own interface.
    pub fn router(self) -> Router {
        let api = carrier::http::router(self.0.carrier.clone());
        let page = Router::new()
            .route("/", get(|| asset("text/html; charset=utf-8", HTML)))
            .route("/sandbox/page.css", get(|| asset("text/css; charset=utf-8", CSS)))
            .route("/sandbox/page.js", get(|| asset("text/javascript; charset=utf-8", JS)))
            .route("/sandbox/state", get(state::show))
            .route("/sandbox/events", get(feed::stream))
            .route("/sandbox/clock", post(jump))
            .route("/sandbox/phones/{number}/texts", post(type_text))
            .route("/sandbox/phones/{number}/network", post(set_network))
            .route("/sandbox/phones/{number}/opt-in", post(opt_in))
            .route("/sandbox/carts", post(abandon))
            .route("/sandbox/carts/{id}/remind", post(remind))
            .route("/sandbox/carts/{id}/redeem", post(redeem))
            .route("/sandbox/carts/{id}/purchase", post(purchase))
            .route("/shop/checkout", get(checkout::show).post(checkout::act))
            .layer(DefaultBodyLimit::max(16 * 1024))
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .with_state(self);
        page.merge(api)
    }

    fn carrier(&self) -> &Carrier {
        &self.0.carrier
    }
    fn gateway(&self) -> &dyn Gateway {
        &*self.0.gateway
    }
}

/// Nothing from elsewhere, no inline code; frames only for our checkout and the brand's links.
fn content_policy(link_origins: &[String]) -> String {
    let frames = link_origins.join(" ");
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         frame-src 'self' {frames}; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// Refuses what another site's page sends, and puts the content policy on everything.
async fn guard(State(page): State<Page>, request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_from_here(request.headers()) {
        return said(StatusCode::FORBIDDEN, "this came from another site");
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, page.0.policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Browsers tell where a request comes from (Fetch Metadata); programs that are no browser say nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None => true,
        Some(site) => site == b"same-origin" || site == b"none",
    }
}

fn said(status: StatusCode, sentence: impl Into<String>) -> Response {
    (status, Json(json!({ "problem": sentence.into() }))).into_response()
}

fn answered<T: serde::Serialize>(result: Result<T, Declined>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(Declined(sentence)) => said(StatusCode::CONFLICT, sentence),
    }
}

type Body<T> = Result<Json<T>, JsonRejection>;

fn bad(rejection: JsonRejection) -> Response {
    said(StatusCode::BAD_REQUEST, rejection.body_text())
}

async fn jump(State(page): State<Page>, body: Body<Jump>) -> Response {
    let jump = match body {
        Ok(Json(jump)) => jump,
        Err(rejection) => return bad(rejection),
    };
    let moved = jump.target(page.gateway().now()).map_err(|e| Declined(e.to_string()));
    answered(moved.and_then(|at| page.gateway().jump_to(at)).map(|()| json!({ "now": page.gateway().now() })))
}

async fn type_text(State(page): State<Page>, Path(number): Path<String>, body: Body<Typed>) -> Response {
    match body {
        Ok(Json(typed)) => typed_on(page.carrier(), &number, &typed),
        Err(rejection) => bad(rejection),
    }
}

/// Which network a phone is in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkChoice {
    network: Network,
}

async fn set_network(
    State(page): State<Page>,
    Path(number): Path<String>,
    body: Body<NetworkChoice>,
) -> Response {
    match body {
        Ok(Json(choice)) => {
            page.carrier().set_behaviour_of(&number, choice.network.behaviour());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(rejection) => bad(rejection),
    }
}

async fn opt_in(State(page): State<Page>, Path(number): Path<String>) -> Response {
    answered(page.gateway().opt_in(&number).await.map(|standing| json!({ "standing": standing })))
}

/// A cart to leave behind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCart {
    phone: String,
    item: String,
    cents: u32,
}

async fn abandon(State(page): State<Page>, body: Body<NewCart>) -> Response {
    match body {
        Ok(Json(cart)) => answered(page.gateway().abandon_cart(&cart.phone, &cart.item, cart.cents).await),
        Err(rejection) => bad(rejection),
    }
}

async fn remind(State(page): State<Page>, Path(id): Path<String>) -> Response {
    answered(page.gateway().remind(&id).await)
}

/// A coupon entered at the till.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coupon {
    code: String,
}

async fn redeem(State(page): State<Page>, Path(id): Path<String>, body: Body<Coupon>) -> Response {
    match body {
        Ok(Json(coupon)) => answered(page.gateway().redeem(&id, coupon.code.trim()).await),
        Err(rejection) => bad(rejection),
    }
}

async fn purchase(State(page): State<Page>, Path(id): Path<String>) -> Response {
    answered(page.gateway().purchase(&id).await)
}
