//! `GET` and `POST /webhooks/{connection}/{token}`: authentic first, then durable, then 2xx.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;

use super::endpoint::{Authentic, Endpoint, Endpoints, Webhook};
use super::event::InboundEvent;
use super::hearing::Hearing;
use super::quarantine::Quarantine;
use crate::clock::SharedClock;
use crate::ledger::body::{RAW_BYTES_MAX, RAW_HEAD_BYTES_MAX};
use crate::model::{ConnectionId, Instant};
use crate::telemetry::metrics;
use crate::writer::ops::webhook::{Delivery, Raw, ReceiveReceipts, ReceiveTexts, Received};
use crate::writer::{CallError, WriterHandle};

/// Longest wait for a body; the strictest provider hangs up after 2 seconds, the most patient after 15.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Requests without a signature in a row from which on we count as deaf.
const UNSIGNED_MAX: u32 = 3;

/// Everything the listener works with.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    writer: WriterHandle,
    endpoints: Arc<Endpoints>,
    hearing: Hearing,
    clock: SharedClock,
    quarantine: Quarantine,
    /// Requests in a row that bore no signature, by connection.
    unsigned: Mutex<HashMap<ConnectionId, u32>>,
    body_max: usize,
}

impl Webhooks {
    /// A listener over the ears of all connections. Bodies of more than `body_max` bytes are refused, and those of more than
    /// [`RAW_BYTES_MAX`], which could not be kept.
    pub fn new(
        writer: WriterHandle,
        endpoints: Arc<Endpoints>,
        hearing: Hearing,
        clock: SharedClock,
        body_max: usize,
    ) -> Webhooks {
        let (quarantine, unsigned) = (Quarantine::default(), Mutex::default());
        let body_max = body_max.min(RAW_BYTES_MAX);
        Webhooks(Arc::new(Inner { writer, endpoints, hearing, clock, quarantine, unsigned, body_max }))
    }

    /// The route.
    pub fn router(&self) -> Router {
        Router::new().route("/webhooks/{connection}/{token}", get(take).post(take)).with_state(self.clone())
    }

    /// Judges again what could not be judged: call it when a connection's secrets can be read again. Answers how many
    /// were authentic and are durable now.
    pub async fn release(&self, connection: &ConnectionId) -> usize {
        let Some(endpoint) = self.0.endpoints.get(connection.as_str()) else { return 0 };
        let mut taken = 0;
        for webhook in self.0.quarantine.release(connection) {
            if self.judged(&endpoint, webhook, self.0.clock.now()).await.status().is_success() {
                taken += 1;
            }
        }
        taken
    }

    /// Authentic, then durable, then answered.
    async fn judged(&self, endpoint: &Endpoint, webhook: Webhook, begun: Instant) -> Response {
        let connection = endpoint.connection();
        endpoint.prepare(&webhook).await;
        match endpoint.authenticate(&webhook, begun) {
            Authentic::Yes if !endpoint.follow_up(&webhook).await => {
                metrics::webhook(connection, "refused");
                refused(StatusCode::SERVICE_UNAVAILABLE)
            }
            Authentic::Yes => {
                self.0.unsigned.lock().remove(connection);
                let silent = endpoint.falls_silent(&webhook);
                let answer = self.kept(endpoint, webhook, begun).await;
                if silent {
                    self.0.hearing.failed(connection);
                    tracing::error!(%connection, "the provider ended our subscription: what people write no longer reaches us");
                }
                answer
            }
            Authentic::Unsigned => {
                metrics::webhook(connection, "unauthenticated");
                self.unsigned(connection);
                // Not 401: it is to come again, signed.
                refused(StatusCode::SERVICE_UNAVAILABLE)
            }
            Authentic::No => {
                metrics::webhook(connection, "unauthenticated");
                // Whoever knows the path's token is the provider, or has it from there: a wrong signature most likely
                // means that our secret is the wrong one, and that we are deaf.
                self.0.hearing.failed(connection);
                tracing::warn!(%connection, "a webhook's signature does not match any secret of its connection");
                refused(StatusCode::UNAUTHORIZED)
            }
            Authentic::Unknown => {
                metrics::webhook(connection, "refused");
                self.0.hearing.failed(connection);
                tracing::error!(%connection, "a webhook cannot be judged: its connection's secrets cannot be read");
                self.0.quarantine.keep(connection.clone(), webhook);
                refused(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// One now and then is nothing to worry about; several in a row most likely mean that the provider does not sign.
    fn unsigned(&self, connection: &ConnectionId) {
        let mut unsigned = self.0.unsigned.lock();
        let count = unsigned.entry(connection.clone()).or_default();
        *count = count.saturating_add(1);
        if *count >= UNSIGNED_MAX {
            self.0.hearing.failed(connection);
            tracing::error!(%connection, count, "webhooks come without a signature: have the provider sign them");
        } else {
            tracing::warn!(%connection, "a webhook bore no signature; the provider was asked to send it again");
        }
    }

    async fn kept(&self, endpoint: &Endpoint, webhook: Webhook, begun: Instant) -> Response {
        match self.keep(endpoint, webhook, begun).await {
            Ok(_) => {
                let (kind, body) = endpoint.answer();
                ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
            }
            Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// Keeps what a provider said that is known to be authentic, and acts on it: durable once it answers.
    pub async fn keep(
        &self,
        endpoint: &Endpoint,
        webhook: Webhook,
        begun: Instant,
    ) -> Result<Received, CallError> {
        let connection = endpoint.connection();
        let events = endpoint.read(&webhook, begun);
        let from_person = events.iter().any(InboundEvent::is_from_person);
        let delivery = Delivery {
            connection: connection.clone(),
            events,
            listening: self.0.hearing.is_unbroken(connection),
            raw: Some(Raw {
                method: webhook.method.to_string(),
                query: webhook.query().to_owned(),
                content_type: webhook.content_type().chars().take(128).collect(),
                body: webhook.body,
            }),
        };
        let committed = self.commit(delivery, from_person).await;
        match &committed {
            Ok(received) => {
                self.0.hearing.stored(connection);
                alarm(connection, received);
                metrics::webhook(connection, if received.new > 0 { "accepted" } else { "duplicate" });
                if received.stopped > 0 {
                    metrics::stop_to_block(self.0.clock.now().since(begun));
                }
            }
            Err(error) => {
                // Not 2xx: the provider must not believe that we know. Some come again, the others' lists are pulled.
                metrics::webhook(connection, "refused");
                self.0.hearing.failed(connection);
                tracing::error!(%connection, %error, "an authentic webhook could not be made durable");
            }
        }
        committed
    }

    async fn commit(&self, delivery: Delivery, from_person: bool) -> Result<Received, CallError> {
        let durable = match from_person {
            true => self.0.writer.call(ReceiveTexts(delivery)).await?,
            false => self.0.writer.call(ReceiveReceipts(delivery)).await?,
        };
        Ok(durable.answer)
    }
}

/// Tells what somebody should look at. Never a number, never a word of a person.
pub(super) fn alarm(connection: &ConnectionId, received: &Received) {
    if received.unreadable > 0 {
        let events = received.unreadable;
        tracing::error!(%connection, events, "authentic events could not be understood; their senders are suspended");
    }
    if received.review > 0 {
        let texts = received.review;
        tracing::warn!(%connection, texts, "texts wait for a person's judgement");
    }
    for _ in 0..received.parked {
        metrics::unmatched_receipt(connection);
    }
    metrics::outlived_receipts(received.outlived);
    for message in &received.late {
        tracing::warn!(%connection, %message, "LATE_DELIVERY: a message arrived after the end of its legal window");
    }
}

fn refused(status: StatusCode) -> Response {
    (status, status.canonical_reason().unwrap_or_default()).into_response()
}

// Neither path nor token: whoever knows them may speak for the provider.
#[tracing::instrument(name = "webhook", skip_all, fields(connection))]
async fn take(
    State(webhooks): State<Webhooks>,
    Path((connection, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let begun = webhooks.0.clock.now();
    let Some(endpoint) = webhooks.0.endpoints.get(&connection) else { return refused(StatusCode::NOT_FOUND) };
    tracing::Span::current().record("connection", endpoint.connection().as_str());
    if !endpoint.knows(&token) {
        metrics::webhook(endpoint.connection(), "unauthenticated");
        return refused(StatusCode::UNAUTHORIZED);
    }
    let (head, body) = request.into_parts();
    if head.uri.query().is_some_and(|query| query.len() > RAW_HEAD_BYTES_MAX) {
        metrics::webhook(endpoint.connection(), "refused");
        webhooks.0.hearing.failed(endpoint.connection());
        return refused(StatusCode::URI_TOO_LONG);
    }
    let body = match read(body, webhooks.0.body_max).await {
        Ok(body) => body,
        Err(status) => {
            metrics::webhook(endpoint.connection(), "refused");
            webhooks.0.hearing.failed(endpoint.connection());
            return refused(status);
        }
    };
    let webhook = Webhook {
        method: head.method,
        path_and_query: head.uri.path_and_query().map_or_else(String::new, |p| p.as_str().to_owned()),
        headers: head.headers,
        body,
    };
    webhooks.judged(&endpoint, webhook, begun).await
}

/// The whole body, within its bounds.
async fn read(body: Body, most: usize) -> Result<Vec<u8>, StatusCode> {
    let whole = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, most)).await;
    match whole {
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests;
