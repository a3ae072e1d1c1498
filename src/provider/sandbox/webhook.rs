//! What the virtual carrier tells us: its signature, its events, its list. Authenticate the raw bytes first.

use hmac::{Hmac, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::class_of;
use crate::inbound::event::{InboundEvent, InboundText, Receipt, Unreadable};
use crate::inbound::voice::{Proof, Voice, Webhook};
use crate::model::outgoing::ProviderError;
use crate::model::{Instant, MessageState};

/// The header with `t=<unix seconds>,v1=<hex HMAC-SHA256 of t, a dot and the raw body>`.
pub const SIGNATURE_HEADER: &str = "x-sandbox-signature";
/// How far the signature's time may lie from ours, either way.
const TOLERANCE_SECONDS: i64 = 300;
/// Most events in one body.
const EVENTS_MAX: usize = 500;

/// The virtual carrier's voice.
pub struct Sandbox;

impl Voice for Sandbox {
    fn secrets(&self) -> &'static [&'static str] {
        &["webhook", "webhook_next"]
    }
    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        verify(&webhook.headers, &webhook.body, proof.secrets, proof.now).is_ok()
    }
    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        parse(&webhook.body)
    }
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No header, or not of that form.
    #[error("the signature header is missing or malformed")]
    Malformed,
    /// Signed too long ago, or ahead of our clock.
    #[error("the signature is older or newer than 300 seconds")]
    Stale,
    /// No secret made it.
    #[error("the signature does not match")]
    Mismatch,
}

/// Checks a webhook's signature against each live secret.
pub fn verify(
    headers: &HeaderMap,
    raw: &[u8],
    secrets: &[SecretString],
    now: Instant,
) -> Result<(), SignatureError> {
    let mut values = headers.get_all(SIGNATURE_HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(SignatureError::Malformed) };
    let (time, given) = value.to_str().ok().and_then(split).ok_or(SignatureError::Malformed)?;
    let matches = |secret: &SecretString| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(raw);
        mac.verify_slice(&given).is_ok()
    };
    if !secrets.iter().any(matches) {
        return Err(SignatureError::Mismatch);
    }
    let signed: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    match signed.abs_diff(now.as_seconds()) <= TOLERANCE_SECONDS.unsigned_abs() {
        true => Ok(()),
        false => Err(SignatureError::Stale),
    }
}

/// The time as it was signed, and the signature's bytes.
fn split(header: &str) -> Option<(&str, [u8; 32])> {
    let (time, signature) = header.split_once(',')?;
    let time = time.strip_prefix("t=").filter(|t| t.len() <= 12 && t.bytes().all(|b| b.is_ascii_digit()))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(signature.strip_prefix("v1=")?, &mut bytes).ok()?;
    Some((time, bytes))
}

/// An authentic body that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the carrier's words cannot be understood: {0}")]
pub struct ParseError(String);

#[derive(Deserialize)]
struct Events {
    events: Vec<Value>,
}

#[derive(Deserialize)]
struct Event {
    occurred_at: Instant,
    message: Message,
}

/// A text as events and lists show it. Unknown fields are new ones, not errors.
#[derive(Deserialize)]
struct Message {
    id: String,
    from: String,
    to: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    client_ref: Option<String>,
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    created_at: Option<Instant>,
    #[serde(default)]
    updated_at: Option<Instant>,
}

#[derive(Deserialize)]
struct List {
    messages: Vec<Message>,
    next: Option<u64>,
}

/// One page of the carrier's list.
#[derive(Debug)]
pub struct Page {
    /// What it tells, oldest first.
    pub events: Vec<InboundEvent>,
    /// Where the next page begins.
    pub next: Option<u64>,
}

/// Reads the events of one webhook. What says nothing new ("queued") gives no event; what cannot be understood hides
/// neither itself nor the others, because it may be a STOP.
pub fn parse(raw: &[u8]) -> Vec<InboundEvent> {
    let nothing = |reason: String| {
        let provider_id = format!("sha256:{}", hex::encode(Sha256::digest(raw)));
        vec![InboundEvent::Unreadable(Unreadable { provider_id, from: None, to: String::new(), reason })]
    };
    match serde_json::from_slice::<Events>(raw) {
        Err(e) => nothing(place(&e)),
        Ok(body) if body.events.len() > EVENTS_MAX => {
            nothing(format!("more than {EVENTS_MAX} events at once"))
        }
        Ok(body) => body.events.iter().filter_map(one).collect(),
    }
}

fn one(value: &Value) -> Option<InboundEvent> {
    match Event::deserialize(value) {
        Ok(told) if told.message.status == "received" && told.message.text.is_none() => {
            Some(unreadable(value, "a text without its words"))
        }
        Ok(told) => event(told.message, told.occurred_at),
        Err(_) => Some(unreadable(value, "an event of another form")),
    }
}

/// Its sender is a person, unless it tells of a message of ours.
fn unreadable(value: &Value, reason: &str) -> InboundEvent {
    let said = |name: &str| value.pointer(&format!("/message/{name}")).and_then(Value::as_str);
    let ours = value.get("type").and_then(Value::as_str) == Some("message.status");
    let bytes = value.to_string();
    InboundEvent::Unreadable(Unreadable {
        provider_id: said("id")
            .map_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(bytes))), str::to_owned),
        from: said("from").filter(|_| !ours).map(str::to_owned),
        to: said("to").unwrap_or_default().to_owned(),
        reason: reason.to_owned(),
    })
}

/// Reads one page of `GET /v1/messages`.
pub fn parse_list(raw: &[u8]) -> Result<Page, ParseError> {
    let list: List = serde_json::from_slice(raw).map_err(|e| ParseError(place(&e)))?;
    let told = |m: Message| {
        let at = m.updated_at.or(m.created_at).unwrap_or(Instant::EPOCH);
        event(m, at)
    };
    Ok(Page { events: list.messages.into_iter().filter_map(told).collect(), next: list.next })
}

/// Where JSON went wrong, without the words around it, which may be a person's.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {} of the body", error.line(), error.column())
}

fn event(message: Message, at: Instant) -> Option<InboundEvent> {
    let state = match message.status.as_str() {
        "received" => {
            return Some(InboundEvent::Text(InboundText {
                provider_id: message.id,
                from: message.from,
                to: message.to,
                text: message.text.unwrap_or_default(),
                provider_flag: None,
                received_at: Some(at),
                weak: false,
            }));
        }
        "queued" => return None,
        "sent" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "undelivered" => MessageState::Undelivered,
        "failed" => MessageState::Failed,
        "rejected" => MessageState::Rejected,
        "expired" => MessageState::Expired,
        _ => MessageState::Unknown,
    };
    let error = message.error.map(|code| ProviderError {
        class: class_of(&code),
        text: format!("the carrier says {}", code.chars().take(100).collect::<String>()),
        code: code.chars().take(64).collect(),
    });
    Some(InboundEvent::Receipt(Receipt {
        message: message.client_ref.and_then(|r| r.parse().ok()),
        provider_id: message.id,
        state,
        error,
        carrier_at: Some(at),
    }))
}
