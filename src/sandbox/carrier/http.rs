//! The carrier's HTTP interface: what a provider's API reference would describe.

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Carrier;
use super::behaviour::Behaviour;
use super::book::Filter;
use super::record::{Direction, Record};
use super::submission::{Answer, Submission};
use super::webhooks::WebhookSettings;
use crate::model::Instant;
use crate::web::HangUp;

/// Largest request body.
const BODY_MAX: usize = 64 * 1024;
/// Most texts in one list.
const LIST_MAX: usize = 500;

/// Routes under `/v1`, each behind the bearer token.
///
/// | route | does |
/// |---|---|
/// | `POST /v1/messages` | takes a text: 202 `{id, parts}` |
/// | `GET /v1/messages?direction&since&after&limit` | lists texts in order of arrival, to reconcile from |
/// | `GET /v1/messages/{id}` | one text |
/// | `GET /v1/phones` | the virtual phones |
/// | `POST /v1/phones/{number}/texts` | types a text on a phone: `{text, to?}` |
/// | `GET`, `PUT /v1/behaviour` | how everyone is treated |
/// | `GET`, `PUT`, `DELETE /v1/numbers/{number}/behaviour` | how one number is treated |
/// | `GET`, `PUT /v1/webhooks` | where events go and how faithfully |
pub fn router(carrier: Carrier) -> Router {
    Router::new()
        .route("/v1/messages", post(submit).get(list))
        .route("/v1/messages/{id}", get(find))
        .route("/v1/phones", get(phones))
        .route("/v1/phones/{number}/texts", post(type_text))
        .route("/v1/behaviour", get(behaviour).put(set_behaviour))
        .route(
            "/v1/numbers/{number}/behaviour",
            get(behaviour_of).put(set_behaviour_of).delete(clear_behaviour),
        )
        .route("/v1/webhooks", get(webhooks).put(set_webhooks))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(carrier.clone(), authenticate))
        .with_state(carrier)
}

async fn authenticate(State(carrier): State<Carrier>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    match header.and_then(|h| h.strip_prefix("Bearer ")) {
        Some(token) if carrier.knows(token) => next.run(request).await,
        _ => problem(StatusCode::UNAUTHORIZED, "unauthenticated", ["a valid bearer token is needed"]),
    }
}

fn problem<M: Into<String>>(
    status: StatusCode,
    code: &str,
    messages: impl IntoIterator<Item = M>,
) -> Response {
    let problems: Vec<String> = messages.into_iter().map(Into::into).collect();
    (status, Json(json!({ "error": { "code": code, "problems": problems } }))).into_response()
}

fn invalid<M: Into<String>>(problems: impl IntoIterator<Item = M>) -> Response {
    problem(StatusCode::BAD_REQUEST, "invalid", problems)
}

fn no_room() -> Response {
    invalid(["too many numbers have a behaviour of their own"])
}

type Body<T> = Result<Json<T>, JsonRejection>;

async fn submit(State(carrier): State<Carrier>, body: Body<Submission>) -> Response {
    let submission = match body {
        Ok(Json(submission)) => submission,
        Err(rejection) => return invalid([rejection.body_text()]),
    };
    let problems = submission.problems();
    if !problems.is_empty() {
        return invalid(problems);
    }
    let reply = carrier.submit(submission);
    if !reply.wait.is_zero() {
        tokio::time::sleep(reply.wait).await;
    }
    on_the_wire(reply.answer)
}

fn on_the_wire(answer: Answer) -> Response {
    match answer {
        Answer::Accepted { id, parts } => {
            (StatusCode::ACCEPTED, Json(json!({ "id": id, "parts": parts }))).into_response()
        }
        Answer::Oversized { id } => {
            let padding = " ".repeat(4 << 20);
            (StatusCode::ACCEPTED, Json(json!({ "id": id, "parts": 1, "note": padding }))).into_response()
        }
        Answer::Error { status, code, retry_after } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = problem(status, code, ["the carrier was told to answer so"]);
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        Answer::Html => {
            ([(header::CONTENT_TYPE, "text/html")], "<html><title>Sign in</title></html>").into_response()
        }
        Answer::HangUp => HangUp::response(),
    }
}

/// Query of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    direction: Option<Direction>,
    since: Option<String>,
    after: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Listed {
    messages: Vec<Record>,
    /// Ask again with `after` set to this; null at the end.
    next: Option<u64>,
}

async fn list(
    State(carrier): State<Carrier>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return invalid([rejection.body_text()]),
    };
    let since = match query.since.as_deref().map(Instant::parse).transpose() {
        Ok(since) => since,
        Err(error) => return invalid([format!("since: must be RFC 3339: {error}")]),
    };
    let limit = query.limit.unwrap_or(100).clamp(1, LIST_MAX);
    let filter = Filter { direction: query.direction, since, after: query.after, limit: limit + 1 };
    let mut messages = carrier.list(&filter);
    let more = messages.len() > limit;
    messages.truncate(limit);
    let next = if more { messages.last().map(|m| m.seq) } else { None };
    Json(Listed { messages, next }).into_response()
}

async fn find(State(carrier): State<Carrier>, Path(id): Path<String>) -> Response {
    match carrier.find(&id) {
        Some(record) => Json(record).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not_found", ["no such text, or forgotten since"]),
    }
}

async fn phones(State(carrier): State<Carrier>) -> Response {
    Json(json!({ "phones": carrier.phones() })).into_response()
}

/// What someone types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Typed {
    /// 1 to 1,600 characters.
    pub text: String,
    /// The sender it answers; the last one that texted this phone when absent.
    #[serde(default)]
    pub to: Option<String>,
}

async fn type_text(
    State(carrier): State<Carrier>,
    Path(number): Path<String>,
    body: Body<Typed>,
) -> Response {
    match body {
        Ok(Json(typed)) => typed_on(&carrier, &number, &typed),
        Err(rejection) => invalid([rejection.body_text()]),
    }
}

/// Types a text and answers it as kept.
pub(crate) fn typed_on(carrier: &Carrier, number: &str, typed: &Typed) -> Response {
    if !(1..=1_600).contains(&typed.text.chars().count()) {
        return invalid(["text: must have 1 to 1600 characters"]);
    }
    match carrier.type_text(number, typed.to.as_deref(), &typed.text) {
        Some(record) => (StatusCode::CREATED, Json(record)).into_response(),
        None => problem(
            StatusCode::CONFLICT,
            "nobody_to_answer",
            ["no text came to this phone yet: say whom to text in `to`"],
        ),
    }
}

async fn behaviour(State(carrier): State<Carrier>) -> Response {
    Json(carrier.behaviour(None)).into_response()
}

async fn set_behaviour(State(carrier): State<Carrier>, body: Body<Behaviour>) -> Response {
    checked(body, Behaviour::problems, |b| {
        carrier.set_behaviour(b.clone());
        Json(b).into_response()
    })
}

async fn behaviour_of(State(carrier): State<Carrier>, Path(number): Path<String>) -> Response {
    Json(carrier.behaviour(Some(&number))).into_response()
}

async fn set_behaviour_of(
    State(carrier): State<Carrier>,
    Path(number): Path<String>,
    body: Body<Behaviour>,
) -> Response {
    checked(body, Behaviour::problems, |b| match carrier.set_behaviour_of(&number, Some(b.clone())) {
        true => Json(b).into_response(),
        false => no_room(),
    })
}

async fn clear_behaviour(State(carrier): State<Carrier>, Path(number): Path<String>) -> Response {
    carrier.set_behaviour_of(&number, None);
    StatusCode::NO_CONTENT.into_response()
}

async fn webhooks(State(carrier): State<Carrier>) -> Response {
    Json(carrier.webhooks()).into_response()
}

async fn set_webhooks(State(carrier): State<Carrier>, body: Body<WebhookSettings>) -> Response {
    checked(body, WebhookSettings::problems, |w| {
        carrier.set_webhooks(w.clone());
        Json(w).into_response()
    })
}

/// Runs `accept` on a body that parses and has no problems.
fn checked<T>(
    body: Body<T>,
    problems: impl Fn(&T) -> Vec<String>,
    accept: impl FnOnce(T) -> Response,
) -> Response {
    match body {
        Err(rejection) => invalid([rejection.body_text()]),
        Ok(Json(value)) => match problems(&value) {
            found if found.is_empty() => accept(value),
            found => invalid(found),
        },
    }
}
