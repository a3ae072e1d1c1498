//! AWS End User Messaging through SNS: signed with RSA, two-way texts and event-destination receipts inside.
//!
//! Any AWS customer can send validly signed messages from a topic of their own, so only topics named in the settings count.
//! Signature version 1 (SHA-1) is refused: set the topic's `SignatureVersion` to 2. Raw delivery has no signature at all.

use std::collections::HashMap;

use http::Uri;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::endpoint::{EndpointError, Settings};
use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{
    Judged, Proof, Voice, Webhook, base64, filled_at, hash, instant_at, provider_error, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState, Span};
use crate::provider::BoxFuture;
use crate::provider::http::{HttpClient, HttpLimits, Outgoing};

/// SNS repeats for an hour at most; ids make repetitions harmless.
const AGE_MAX: Span = Span::hours(24);
const AHEAD_MAX: Span = Span::minutes(5);
/// Certificates kept; AWS has a few, changed about once a year.
const CERTIFICATES_MAX: usize = 16;
/// Longest wait for one, and for the confirmation of a subscription: SNS hangs up after 15 seconds.
const FETCH_WITHIN: std::time::Duration = std::time::Duration::from_secs(6);

/// The topics of one account.
pub struct Aws {
    topics: Vec<String>,
    http: HttpClient,
    /// Certificates by their address.
    certificates: Mutex<HashMap<String, CertificateDer<'static>>>,
}

impl Aws {
    /// As the setting `topic_arns` names them, separated by spaces.
    pub fn new(settings: &Settings<'_>) -> Result<Aws, EndpointError> {
        let topics: Vec<String> =
            settings.needed("topic_arns")?.split_whitespace().map(str::to_owned).collect();
        if topics.iter().any(|arn| region_of(arn).is_none()) {
            return Err(
                settings.wrong("topic_arns", "must be SNS topics, as in arn:aws:sns:us-east-1:123:name")
            );
        }
        let http = HttpClient::new(HttpLimits { answer_max: 64 << 10, ..HttpLimits::default() });
        Ok(Aws { topics, http, certificates: Mutex::default() })
    }

    /// Whether a URL leads to SNS in the region of one of our topics, over TLS and at its usual port.
    fn is_sns(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let ours = self.topics.iter().filter_map(|arn| region_of(arn)).any(|(partition, region)| {
            let end = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
            host == format!("sns.{region}.{end}")
        });
        uri.scheme_str() == Some("https") && ours
    }

    /// The address of the certificate a message names, where it may be fetched.
    fn certificate_url(&self, message: &Value) -> Option<String> {
        let url = text_at(message, "/SigningCertURL").or_else(|| text_at(message, "/SigningCertUrl"))?;
        let uri: Uri = url.parse().ok()?;
        let name = uri.path().strip_prefix("/SimpleNotificationService-")?.strip_suffix(".pem")?;
        let plain = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        (plain && uri.query().is_none() && self.is_sns(&url)).then_some(url)
    }

    async fn fetch(&self, url: String) {
        let Ok(uri) = url.parse() else { return };
        match self.http.send(Outgoing::get(uri), FETCH_WITHIN).await {
            Ok(said) if said.status.is_success() => match CertificateDer::from_pem_slice(&said.body) {
                Ok(certificate) => self.keep(url, certificate),
                Err(_) => tracing::error!("the certificate of SNS is no PEM"),
            },
            Ok(said) => {
                tracing::error!(status = said.status.as_u16(), "the certificate of SNS was not given")
            }
            Err(error) => tracing::error!(%error, "the certificate of SNS could not be fetched"),
        }
    }

    async fn confirm(&self, url: &str) -> bool {
        let Ok(uri) = url.parse() else { return false };
        match self.http.send(Outgoing::get(uri), FETCH_WITHIN).await {
            Ok(said) if said.status.is_success() => {
                tracing::info!("a subscription to an SNS topic is confirmed");
                true
            }
            _ => {
                tracing::error!("a subscription to an SNS topic could not be confirmed");
                false
            }
        }
    }

    fn keep(&self, url: String, certificate: CertificateDer<'static>) {
        let mut kept = self.certificates.lock();
        if kept.len() >= CERTIFICATES_MAX {
            kept.clear();
        }
        kept.insert(url, certificate);
    }

    /// Whether the message is signed by the certificate and tells of one of our topics, recently.
    fn is_signed(&self, message: &Value, certificate: &CertificateDer<'_>, now: Instant) -> bool {
        let signature = text_at(message, "/Signature").as_deref().and_then(base64);
        let (Some(signature), Some(text)) = (signature, canonical(message)) else { return false };
        let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return false };
        let algorithm = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
        let right = certificate.verify_signature(algorithm, text.as_bytes(), &signature).is_ok();
        let ours = text_at(message, "/TopicArn").is_some_and(|arn| self.topics.contains(&arn));
        let at = instant_at(message, "/Timestamp");
        let recent = at.is_some_and(|at| now.since(at) <= AGE_MAX && at.since(now) <= AHEAD_MAX);
        right && ours && recent && text_at(message, "/SignatureVersion").as_deref() == Some("2")
    }
}

/// Partition and region of a topic.
fn region_of(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.split(':');
    let (prefix, partition, service, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fine = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (prefix == "arn" && service == "sns" && fine(partition) && fine(region) && parts.count() == 2)
        .then_some((partition, region))
}

/// What is signed (docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
fn canonical(message: &Value) -> Option<String> {
    let names: &[&str] = match text_at(message, "/Type")?.as_str() {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return None,
    };
    let mut text = String::new();
    for name in names {
        match message.get(*name).and_then(Value::as_str) {
            Some(value) => text.push_str(&format!("{name}\n{value}\n")),
            None if *name == "Subject" => {}
            None => return None,
        }
    }
    Some(text)
}

fn parsed(webhook: &Webhook) -> Option<Value> {
    serde_json::from_slice(&webhook.body).ok()
}

impl Voice for Aws {
    /// SNS proves itself by certificate.
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    fn prepare<'a>(&'a self, webhook: &'a Webhook) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let url = parsed(webhook).and_then(|message| self.certificate_url(&message));
            let unknown = url.filter(|url| !self.certificates.lock().contains_key(url));
            if let Some(url) = unknown {
                self.fetch(url).await;
            }
        })
    }

    fn judge(&self, webhook: &Webhook, proof: &Proof<'_>) -> Judged {
        let Some(message) = parsed(webhook) else { return Judged::No };
        let Some(url) = self.certificate_url(&message) else { return Judged::No };
        // Its certificate could not be had: nobody can tell.
        let Some(certificate) = self.certificates.lock().get(&url).cloned() else { return Judged::Unknown };
        Judged::from(self.is_signed(&message, &certificate, proof.now))
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        self.judge(webhook, proof) == Judged::Yes
    }

    /// The subscription was ended at AWS: nothing comes by this topic any more.
    fn falls_silent(&self, webhook: &Webhook) -> bool {
        let kind = parsed(webhook).and_then(|message| text_at(&message, "/Type"));
        kind.as_deref() == Some("UnsubscribeConfirmation")
    }

    /// A subscription is confirmed by calling the address in it; SNS sends nothing before.
    fn follow_up<'a>(&'a self, webhook: &'a Webhook) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(message) = parsed(webhook) else { return true };
            if text_at(&message, "/Type").as_deref() != Some("SubscriptionConfirmation") {
                return true;
            }
            let url = text_at(&message, "/SubscribeURL").filter(|url| self.is_sns(url));
            match url {
                Some(url) => self.confirm(&url).await,
                None => false,
            }
        })
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let message = parsed(webhook).unwrap_or(Value::Null);
        if text_at(&message, "/Type").as_deref() != Some("Notification") {
            return Vec::new();
        }
        let inner = text_at(&message, "/Message").unwrap_or_default();
        match serde_json::from_str::<Value>(&inner) {
            Ok(event) if event.get("eventType").is_some() => receipt(&event).into_iter().collect(),
            Ok(event) if event.get("originationNumber").is_some() => vec![text(&event, &message)],
            // AWS itself says hello to a new event destination in plain words.
            _ if inner.is_empty() || inner.starts_with("Successfully validated SNS topic") => Vec::new(),
            _ => vec![unreadable(webhook.hash(), None, None, "neither a text nor an event")],
        }
    }
}

fn text(event: &Value, message: &Value) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(event, "/inboundMessageId"),
        from: filled_at(event, "/originationNumber"),
        to: text_at(event, "/destinationNumber"),
        text: text_at(event, "/messageBody"),
        at: instant_at(message, "/Timestamp"),
        ..Spoken::default()
    };
    spoken.event(|| hash(event.to_string().as_bytes()))
}

/// One event of a message; none for no news.
fn receipt(event: &Value) -> Option<InboundEvent> {
    let id = filled_at(event, "/messageId").unwrap_or_default();
    let kind = text_at(event, "/eventType").unwrap_or_default();
    let short = kind.split_once('_').map_or("", |(_, short)| short);
    let Some(state) = state_of(short) else {
        return Some(unreadable(id, None, None, "unknown eventType"));
    };
    let state = state?;
    let words = text_at(event, "/messageStatusDescription").unwrap_or_default();
    let millis = event.get("eventTimestamp").and_then(Value::as_i64);
    Some(InboundEvent::Receipt(Receipt {
        message: text_at(event, "/context/consentry_message").and_then(|r| r.parse().ok()),
        provider_id: id,
        state,
        error: class_of(short).map(|class| provider_error(class, &kind, &words)),
        carrier_at: millis.map(|millis| Instant::from_micros(millis.saturating_mul(1_000))),
    }))
}

/// The state an event stands for; `Some(None)`: no news; `None`: unknown.
fn state_of(event: &str) -> Option<Option<MessageState>> {
    Some(match event {
        "QUEUED" | "PENDING" => None,
        // Taken by the carrier; in some countries the last word there is.
        "SENT" | "SUCCESSFUL" => Some(MessageState::Sent),
        "DELIVERED" | "READ" => Some(MessageState::Delivered),
        "INVALID" | "INVALID_MESSAGE" | "BLOCKED" | "CARRIER_BLOCKED" | "SPAM" | "PROTECT_BLOCKED" => {
            Some(MessageState::Rejected)
        }
        "UNREACHABLE" | "CARRIER_UNREACHABLE" => Some(MessageState::Undelivered),
        "TTL_EXPIRED" => Some(MessageState::Expired),
        "FILE_INACCESSIBLE" | "FILE_TYPE_UNSUPPORTED" | "FILE_SIZE_EXCEEDED" => Some(MessageState::Failed),
        "UNKNOWN" => Some(MessageState::Unknown),
        _ => return None,
    })
}

fn class_of(event: &str) -> Option<ErrorClass> {
    match event {
        "INVALID" => Some(ErrorClass::PermanentRecipient),
        "INVALID_MESSAGE" | "BLOCKED" | "CARRIER_BLOCKED" | "SPAM" | "PROTECT_BLOCKED" => {
            Some(ErrorClass::PermanentContent)
        }
        "UNREACHABLE" | "CARRIER_UNREACHABLE" | "TTL_EXPIRED" => Some(ErrorClass::Retryable),
        "FILE_INACCESSIBLE" | "FILE_TYPE_UNSUPPORTED" | "FILE_SIZE_EXCEEDED" => {
            Some(ErrorClass::PermanentContent)
        }
        "UNKNOWN" => Some(ErrorClass::Ambiguous),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
