//! Plivo's webhooks: signature generations V3 and V2, texts and status callbacks.
//!
//! V3 covers everything. V2 covers the address and a nonce, not a word of the content: a captured pair of headers would
//! let anybody write any text. So V2 must be asked for by the setting `signature`, its nonce belongs to the first body it
//! came with, and a text under it may stop but never start.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::endpoint::{EndpointError, Settings};
use super::event::{InboundEvent, Receipt};
use super::form::Form;
use super::spoken::Spoken;
use super::voice::{
    Proof, Voice, Webhook, any_secret, base64, hmac_sha256, provider_error, sha256_hex, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};
use crate::provider::plivo::class_of;

/// Nonces of V2 that are remembered.
const NONCES_MAX: usize = 10_000;

/// One account's webhooks.
pub struct Plivo {
    /// V2 is accepted, and only V2; what it is remembered by.
    weak: Option<Nonces>,
}

impl Plivo {
    /// As the setting `signature` says: `v3` or `v2`.
    pub fn new(settings: &Settings<'_>) -> Result<Plivo, EndpointError> {
        match settings.get("signature").unwrap_or("v3") {
            "v3" => Ok(Plivo { weak: None }),
            "v2" => Ok(Plivo { weak: Some(Nonces::default()) }),
            _ => Err(settings.wrong("signature", "must be v3 or v2")),
        }
    }
}

/// Which body each nonce came with. A restart forgets them; the ledger still knows every text's id.
#[derive(Default)]
struct Nonces(Mutex<VecDeque<(String, String)>>);

impl Nonces {
    /// Whether a nonce is new or comes again with the same body.
    fn fits(&self, nonce: &str, body_sha256: String) -> bool {
        let mut known = self.0.lock();
        if let Some((_, body)) = known.iter().find(|(n, _)| n == nonce) {
            return *body == body_sha256;
        }
        if known.len() == NONCES_MAX {
            known.pop_front();
        }
        known.push_back((nonce.to_owned(), body_sha256));
        true
    }
}

/// What V3 signs (plivo.com/docs/messaging/concepts/signature-validation).
fn canonical_v3(url: &str, is_get: bool, body: &Form, nonce: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let sorted = |form: &Form| {
        let mut pairs = form.pairs().to_vec();
        pairs.sort();
        pairs
    };
    let mut query = sorted(&Form::parse(query.as_bytes()));
    let body = sorted(body);
    if is_get {
        query.extend(body.iter().cloned());
        query.sort();
    }
    let mut text = base.to_owned();
    let with_body = !is_get && !body.is_empty();
    if !query.is_empty() || with_body {
        text.push('?');
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text.push_str(&pairs.join("&"));
    }
    if with_body {
        if !query.is_empty() {
            text.push('.');
        }
        body.iter().for_each(|(name, value)| {
            text.push_str(name);
            text.push_str(value);
        });
    }
    format!("{text}.{nonce}")
}

impl Voice for Plivo {
    fn secrets(&self) -> &'static [&'static str] {
        &["auth_token", "auth_token_next"]
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let is_get = webhook.method == http::Method::GET;
        let header = |name: &str| webhook.header(name).map(str::to_owned);
        let Some(nonces) = &self.weak else {
            let (given, nonce) = (header("x-plivo-signature-v3"), header("x-plivo-signature-v3-nonce"));
            let (Some(given), Some(nonce)) = (given, nonce) else { return false };
            let form = if is_get { Form::parse(b"") } else { webhook.form() };
            let text = canonical_v3(proof.url, is_get, &form, &nonce);
            // A rotation at Plivo signs with both tokens.
            return given.split(',').filter_map(base64).any(|signature| {
                any_secret(proof.secrets, &signature, |secret| hmac_sha256(secret, &[text.as_bytes()]))
            });
        };
        let (given, nonce) = (header("x-plivo-signature-v2"), header("x-plivo-signature-v2-nonce"));
        let (Some(given), Some(nonce)) = (given.as_deref().and_then(base64), nonce) else { return false };
        let url = proof.url.split('?').next().unwrap_or_default();
        any_secret(proof.secrets, &given, |secret| hmac_sha256(secret, &[url.as_bytes(), nonce.as_bytes()]))
            && nonces.fits(&nonce, sha256_hex(&[webhook.query().as_bytes(), b"\n", &webhook.body].concat()))
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let form = webhook.parameters();
        let id = form.filled("MessageUUID").map(str::to_owned);
        match form.filled("Status") {
            Some(status) => receipt(&form, status, id, webhook).into_iter().collect(),
            None => vec![text(&form, id, webhook, self.weak.is_some())],
        }
    }
}

fn text(form: &Form, id: Option<String>, webhook: &Webhook, weak: bool) -> InboundEvent {
    let spoken = Spoken {
        id,
        from: form.filled("From").map(str::to_owned),
        to: form.get("To").map(str::to_owned),
        text: form.get("Text").map(str::to_owned),
        weak,
        ..Spoken::default()
    };
    spoken.event(|| webhook.hash())
}

fn receipt(form: &Form, status: &str, id: Option<String>, webhook: &Webhook) -> Option<InboundEvent> {
    let code = form.filled("ErrorCode").filter(|code| !matches!(*code, "0" | "000"));
    let class = code.map(class_of);
    let Some(state) = state_of(status, class, code) else {
        return Some(unreadable(id.unwrap_or_else(|| webhook.hash()), None, None, "unknown Status"));
    };
    Some(InboundEvent::Receipt(Receipt {
        message: webhook.reference(),
        provider_id: id.unwrap_or_default(),
        state: state?,
        error: code.map(|code| provider_error(class_of(code), code, status)),
        carrier_at: None,
    }))
}

/// The state a status and its error stand for; `Some(None)`: no news; `None`: unknown.
pub(crate) fn state_of(
    status: &str,
    class: Option<ErrorClass>,
    code: Option<&str>,
) -> Option<Option<MessageState>> {
    let policy = matches!(class, Some(ErrorClass::OptedOut | ErrorClass::PermanentSender))
        || matches!(code, Some("30" | "030" | "100" | "450"));
    Some(match status.to_ascii_lowercase().as_str() {
        "queued" => None,
        "sent" => Some(MessageState::Sent),
        "delivered" | "read" => Some(MessageState::Delivered),
        "undelivered" | "failed" if code == Some("420") => Some(MessageState::Expired),
        "undelivered" | "failed" if policy => Some(MessageState::Rejected),
        "undelivered" => Some(MessageState::Undelivered),
        "failed" => Some(MessageState::Failed),
        "rejected" => Some(MessageState::Rejected),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
