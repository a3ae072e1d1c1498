//! Events on their way to the gateway: signed, grouped, tried three times, then given up.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::{Semaphore, mpsc};

use super::record::{Direction, Record, Status};
use crate::clock::SharedClock;
use crate::model::Instant;
use crate::provider::http::{HttpClient, Outgoing};
use crate::telemetry::Redacted;

/// The header with the signature: `t=<unix seconds>,v1=<hex>`.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-sandbox-signature");
/// How long the receiver may take, as with the stricter providers.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Events waiting for delivery; beyond, the carrier forgets them (the list still has the texts).
pub const QUEUE_MAX: usize = 8_192;
/// POSTs under way at once.
const PARALLEL: usize = 16;

/// Where events go and how faithfully.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// The address of inbound texts and, unless a text names its own, receipts. None: nothing is told.
    #[serde(default)]
    pub url: Option<Redacted<String>>,
    /// True while the way to the gateway is cut: events vanish without a try.
    #[serde(default)]
    pub cut: bool,
    /// In how many of 100 POSTs the carrier repeats itself although it was heard.
    #[serde(default)]
    pub duplicate_percent: u8,
    /// Most events in one POST, 1 to 100.
    #[serde(default = "ten")]
    pub batch_max: usize,
    /// Milliseconds before the second and the third try.
    #[serde(default = "moderate")]
    pub retry_ms: [u32; 2],
}

fn ten() -> usize {
    10
}
fn moderate() -> [u32; 2] {
    [2_000, 15_000]
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { url: None, cut: false, duplicate_percent: 0, batch_max: ten(), retry_ms: moderate() }
    }
}

impl WebhookSettings {
    /// Everything wrong with it, as `field: what`.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.url.as_ref().is_some_and(|u| !is_web_address(u.as_str())) {
            found.push("url: must be an http or https address".to_owned());
        }
        if self.duplicate_percent > 100 {
            found.push("duplicate_percent: must be 0 to 100".to_owned());
        }
        if !(1..=100).contains(&self.batch_max) {
            found.push("batch_max: must be 1 to 100".to_owned());
        }
        if self.retry_ms.iter().any(|ms| *ms > 600_000) {
            found.push("retry_ms: at most 600000 each".to_owned());
        }
        found
    }
}

/// Whether a URL can be posted to.
pub fn is_web_address(url: &str) -> bool {
    url.len() <= 2_048
        && url.parse::<http::Uri>().is_ok_and(|u| {
            matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some_and(|h| !h.is_empty())
        })
}

/// One event with its destination.
#[derive(Debug, Clone)]
pub struct Event {
    /// Names the event; repeated tries and duplicates keep it.
    pub id: String,
    /// When it happened, which may be long before it is told.
    pub occurred_at: Instant,
    /// The text, in the state the event tells of.
    pub record: Record,
    /// Where it goes.
    pub url: Redacted<String>,
    /// Whether the carrier repeats it.
    pub twice: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    events: Vec<EventBody<'a>>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    occurred_at: Instant,
    message: MessageBody<'a>,
}

/// A receipt carries no text; an inbound event does.
#[derive(Serialize)]
struct MessageBody<'a> {
    id: &'a str,
    from: &'a str,
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ref: Option<&'a str>,
    parts: u32,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Event {
    fn body(&self) -> EventBody<'_> {
        let r = &self.record;
        let inbound = r.direction == Direction::Inbound;
        EventBody {
            id: &self.id,
            kind: if inbound { "message.received" } else { "message.status" },
            occurred_at: self.occurred_at,
            message: MessageBody {
                id: &r.id,
                from: r.from.as_str(),
                to: r.to.as_str(),
                text: inbound.then_some(r.text.as_str()),
                client_ref: r.client_ref.as_deref(),
                parts: r.parts,
                status: r.status,
                error: r.error.as_deref(),
            },
        }
    }
}

/// The signature header's value: HMAC-SHA256 over `t`, a dot and the raw body.
pub fn signature(secret: &str, unix_seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={unix_seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Posts events until the queue closes.
pub struct Postman {
    /// The client; must be allowed to call the gateway's address.
    pub http: HttpClient,
    /// Dates the signatures.
    pub clock: SharedClock,
    /// Signs.
    pub secret: Redacted<String>,
}

impl Postman {
    /// Takes events as they come, several for one address together, and delivers up to 16 groups at once.
    pub async fn run(
        self,
        mut queue: mpsc::Receiver<Event>,
        settings: impl Fn() -> WebhookSettings + Send + 'static,
    ) {
        let postman = Arc::new(self);
        let slots = Arc::new(Semaphore::new(PARALLEL));
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, 100).await > 0 {
            let now = settings();
            for group in grouped(std::mem::take(&mut waiting), now.batch_max) {
                let Ok(slot) = slots.clone().acquire_owned().await else { return };
                if now.cut {
                    continue;
                }
                let (postman, retry_ms) = (postman.clone(), now.retry_ms);
                tokio::spawn(async move {
                    postman.deliver(&group, retry_ms).await;
                    drop(slot);
                });
            }
        }
    }

    async fn deliver(&self, group: &[Event], retry_ms: [u32; 2]) {
        let Some(first) = group.first() else { return };
        let events = group.iter().map(Event::body).collect();
        let body = serde_json::to_vec(&Body { events }).expect("plain values become JSON");
        for wait in [None, Some(retry_ms[0]), Some(retry_ms[1])] {
            if let Some(ms) = wait {
                tokio::time::sleep(Duration::from_millis(u64::from(ms))).await;
            }
            if self.post(first.url.as_str(), &body).await {
                if first.twice {
                    self.post(first.url.as_str(), &body).await;
                }
                return;
            }
        }
        tracing::warn!(events = group.len(), "sandbox carrier gave up on a webhook after three tries");
    }

    /// One try; true when the receiver said 2xx.
    async fn post(&self, url: &str, body: &[u8]) -> bool {
        let Ok(uri) = url.parse() else { return false };
        let signature = signature(self.secret.as_str(), self.clock.now().as_seconds(), body);
        let value = HeaderValue::from_str(&signature).expect("digits and hex make a header");
        let post = Outgoing::post(uri, "application/json", body.to_vec()).header(SIGNATURE_HEADER, value);
        match self.http.send(post, ANSWER_WITHIN).await {
            Ok(answer) => answer.status.is_success(),
            Err(error) => {
                tracing::debug!(%error, "sandbox carrier could not deliver a webhook");
                false
            }
        }
    }
}

/// Cuts a queue into groups for one address, at most `max` events each, in order.
fn grouped(events: Vec<Event>, max: usize) -> Vec<Vec<Event>> {
    let mut groups: Vec<Vec<Event>> = Vec::new();
    for event in events {
        match groups.last_mut() {
            Some(group) if group.len() < max && group[0].url == event.url => group.push(event),
            _ => groups.push(vec![event]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_computes() {
        // printf '1767268800.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            signature("secret", 1_767_268_800, b"{}"),
            "t=1767268800,v1=749c0398f327aa9439449258320a5b0b40eb6e9a9a811060256a40212ab46c0f"
        );
    }
}
