//! Vonage's webhooks: the SMS API's signed parameters and the Messages API's signed token.
//!
//! Long texts of the SMS API come in parts; each part is read as it comes, so that a STOP in any of them counts at once.

use hmac::Hmac;
use md5::{Digest, Md5};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::endpoint::{EndpointError, Settings};
use super::event::{InboundEvent, Receipt, TextPart};
use super::form::Form;
use super::spoken::Spoken;
use super::voice::{
    Algorithm, Judged, Proof, Voice, Webhook, any_secret, filled_at, instant, instant_at, jwt, mac,
    provider_error, same, sha256_hex, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState, Span};
use crate::provider::vonage::{APIS, messages_class, receipt_class};

/// A redelivery may keep its old time for the 24 hours it is repeated; ids make a repetition harmless.
const AGE_MAX: Span = Span::seconds(24 * 3_600 + 300);
const AHEAD_MAX: Span = Span::seconds(300);
const METHODS: [&str; 5] = ["sha256", "sha512", "sha1", "md5", "md5hash"];

/// The voice of a connection: the setting `api` says which of the two.
pub fn voice(settings: &Settings<'_>) -> Result<Box<dyn Voice>, EndpointError> {
    let api_key = settings.get("api_key").map(str::to_owned);
    match settings.get("api").unwrap_or(APIS[0]) {
        "messages" => Ok(Box::new(Messages { api_key })),
        "sms" => {
            let method = settings.get("signature_method").unwrap_or(METHODS[0]);
            let method = METHODS.iter().find(|known| **known == method).copied();
            let wrong = || settings.wrong("signature_method", "must be sha256, sha512, sha1, md5 or md5hash");
            Ok(Box::new(Sms { api_key, method: method.ok_or_else(wrong)? }))
        }
        _ => Err(settings.wrong("api", "must be sms or messages")),
    }
}

const SECRETS: &[&str] = &["signature_secret", "signature_secret_next"];

fn in_time(signed: i64, now: Instant) -> bool {
    let at = Instant::from_seconds(signed.clamp(0, 1 << 40));
    now.since(at) <= AGE_MAX && at.since(now) <= AHEAD_MAX
}

struct Sms {
    api_key: Option<String>,
    method: &'static str,
}

impl Sms {
    /// What is signed (developer.vonage.com/concepts/guides/signing-messages).
    fn canonical(parameters: &[(String, String)]) -> String {
        let mut pairs: Vec<&(String, String)> = parameters.iter().filter(|(name, _)| name != "sig").collect();
        pairs.sort();
        let one = |(name, value): &(String, String)| format!("&{name}={}", value.replace(['&', '='], "_"));
        pairs.into_iter().map(one).collect()
    }

    fn sign(&self, secret: &[u8], text: &str) -> Vec<u8> {
        let text = text.as_bytes();
        match self.method {
            "md5hash" => Md5::new().chain_update(text).chain_update(secret).finalize().to_vec(),
            "md5" => mac::<Hmac<Md5>>(secret, &[text]),
            "sha1" => mac::<Hmac<Sha1>>(secret, &[text]),
            "sha512" => mac::<Hmac<Sha512>>(secret, &[text]),
            _ => mac::<Hmac<Sha256>>(secret, &[text]),
        }
    }
}

impl Voice for Sms {
    fn secrets(&self) -> &'static [&'static str] {
        SECRETS
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let form = Form::of(webhook.fields());
        let Some(given) = form.get("sig").and_then(|sig| hex::decode(sig).ok()) else { return false };
        let text = Self::canonical(form.pairs());
        let right = any_secret(proof.secrets, &given, |secret| self.sign(secret, &text));
        let ours = form.get("api-key").zip(self.api_key.as_deref()).is_none_or(|(named, ours)| named == ours);
        let time = form.get("timestamp").and_then(|t| t.parse().ok());
        right && ours && time.is_some_and(|signed| in_time(signed, proof.now))
    }

    /// "A rare unsigned callback may occur" (developer.vonage.com, "Signing messages"): a signed one follows a 5xx.
    fn judge(&self, webhook: &Webhook, proof: &Proof<'_>) -> Judged {
        match Form::of(webhook.fields()).get("sig") {
            Some(_) => Judged::from(self.is_authentic(webhook, proof)),
            None => Judged::Unsigned,
        }
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let form = Form::of(webhook.fields());
        let id = form.filled("messageId").map(str::to_owned);
        match form.filled("status") {
            Some(status) => receipt(&form, status, id, webhook).into_iter().collect(),
            None => vec![text(&form, id, webhook)],
        }
    }
}

/// `2026-01-01 12:00:00`, UTC.
fn at(form: &Form) -> Option<Instant> {
    instant(&format!("{}Z", form.get("message-timestamp")?.replace(' ', "T")))
}

fn text(form: &Form, id: Option<String>, webhook: &Webhook) -> InboundEvent {
    let spoken = Spoken {
        id,
        from: form.filled("msisdn").map(str::to_owned),
        to: form.get("to").map(str::to_owned),
        text: form.get("text").map(str::to_owned),
        at: at(form),
        ..Spoken::default()
    };
    match (spoken.event(|| webhook.hash()), part(form)) {
        (InboundEvent::Text(text), Some(part)) => InboundEvent::Part(text, part),
        (event, _) => event,
    }
}

/// Which part of a long text it is: such come one by one (developer.vonage.com, "Inbound SMS": `concat`).
fn part(form: &Form) -> Option<TextPart> {
    let number = |name: &str| form.filled(name)?.parse::<u8>().ok();
    let (total, number) = (number("concat-total")?, number("concat-part")?);
    let reference = form.filled("concat-ref")?.to_owned();
    let concat = form.get("concat") == Some("true");
    (concat && total > 1 && (1..=total).contains(&number)).then_some(TextPart { reference, total, number })
}

fn receipt(form: &Form, status: &str, id: Option<String>, webhook: &Webhook) -> Option<InboundEvent> {
    let code = form.filled("err-code").filter(|code| *code != "0");
    let error = code.map(|code| provider_error(receipt_class(code), code, status));
    let stopped = error.as_ref().is_some_and(|e| e.class == ErrorClass::OptedOut);
    let state = match status {
        "accepted" | "buffered" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "failed" | "rejected" if stopped => MessageState::Rejected,
        "failed" => MessageState::Failed,
        "rejected" => MessageState::Rejected,
        "expired" => MessageState::Expired,
        "unknown" => MessageState::Unknown,
        _ => {
            let id = id.unwrap_or_else(|| webhook.hash());
            return Some(unreadable(id, None, None, "unknown status"));
        }
    };
    Some(InboundEvent::Receipt(Receipt {
        message: form.get("client-ref").and_then(|r| r.parse().ok()).or_else(|| webhook.reference()),
        provider_id: id.unwrap_or_default(),
        state,
        error,
        carrier_at: at(form),
    }))
}

struct Messages {
    api_key: Option<String>,
}

impl Voice for Messages {
    fn secrets(&self) -> &'static [&'static str] {
        SECRETS
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let token = webhook.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let claims = token.and_then(|token| jwt(token, proof.secrets, &[Algorithm::Hs256]));
        let Some(claims) = claims else { return false };
        // The vendor's own helper checks the token alone, which would leave the body open.
        let hash = text_at(&claims, "/payload_hash").unwrap_or_default();
        let whole = same(sha256_hex(&webhook.body).as_bytes(), hash.as_bytes());
        let named = text_at(&claims, "/api_key");
        let ours = named.zip(self.api_key.as_deref()).is_none_or(|(named, ours)| named == ours);
        let time = claims.get("iat").and_then(Value::as_i64);
        whole && ours && time.is_some_and(|signed| in_time(signed, proof.now))
    }

    /// See [`Sms::judge`].
    fn judge(&self, webhook: &Webhook, proof: &Proof<'_>) -> Judged {
        match webhook.headers.contains_key(http::header::AUTHORIZATION) {
            true => Judged::from(self.is_authentic(webhook, proof)),
            false => Judged::Unsigned,
        }
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let Ok(body) = serde_json::from_slice::<Value>(&webhook.body) else {
            return vec![unreadable(webhook.hash(), None, None, "the body is no JSON")];
        };
        let id = filled_at(&body, "/message_uuid");
        match text_at(&body, "/status") {
            Some(status) => messages_receipt(&body, &status, id, webhook).into_iter().collect(),
            None => vec![messages_text(&body, id, webhook)],
        }
    }
}

fn messages_text(body: &Value, id: Option<String>, webhook: &Webhook) -> InboundEvent {
    let spoken = Spoken {
        id,
        from: filled_at(body, "/from"),
        to: text_at(body, "/to"),
        text: text_at(body, "/text"),
        at: instant_at(body, "/timestamp"),
        ..Spoken::default()
    };
    spoken.event(|| webhook.hash())
}

fn messages_receipt(
    body: &Value,
    status: &str,
    id: Option<String>,
    webhook: &Webhook,
) -> Option<InboundEvent> {
    // The code is the error's title, or stands behind the `#` of its type.
    let title = text_at(body, "/error/title").unwrap_or_default();
    let kind = text_at(body, "/error/type").unwrap_or_default();
    let behind = kind.rsplit_once('#').map(|(_, code)| code).unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let code = [behind, title.as_str()].into_iter().find(|text| digits(text)).map(str::to_owned);
    let error = code.map(|code| {
        let words = text_at(body, "/error/detail").unwrap_or_default();
        provider_error(messages_class(&code), code, &words)
    });
    let expired = text_at(body, "/error/detail").is_some_and(|d| d.to_ascii_lowercase().contains("expired"));
    let state = match status {
        "submitted" => MessageState::Sent,
        "delivered" | "read" => MessageState::Delivered,
        "rejected" if expired => MessageState::Expired,
        "rejected" => MessageState::Rejected,
        "undeliverable" => MessageState::Failed,
        _ => {
            let id = id.unwrap_or_else(|| webhook.hash());
            return Some(unreadable(id, None, None, "unknown status"));
        }
    };
    Some(InboundEvent::Receipt(Receipt {
        message: text_at(body, "/client_ref").and_then(|r| r.parse().ok()).or_else(|| webhook.reference()),
        provider_id: id.unwrap_or_default(),
        state,
        error,
        carrier_at: instant_at(body, "/timestamp"),
    }))
}

#[cfg(test)]
mod tests;
