//! Bird's events: Standard Webhooks signatures (standardwebhooks.com), one event a request, in no order.

use serde_json::Value;

use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{
    Proof, TOLERANCE, Voice, Webhook, any_secret, base64, filled_at, hash, hmac_sha256, instant_at,
    is_recent, provider_error, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};
use crate::provider::bird::class_of;

/// Where our reference stands in what a message carries.
const REFERENCE: &str = "/metadata/consentry_message";

/// One workspace's events.
pub struct Bird;

impl Voice for Bird {
    fn secrets(&self) -> &'static [&'static str] {
        &["webhook_secret", "webhook_secret_next"]
    }

    fn fault_of(&self, secret: &str) -> Option<&'static str> {
        key(secret).is_none().then_some("must be a signing secret, whsec_ and Base64")
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let header = |name: &str| webhook.header(name);
        let (Some(id), Some(time), Some(given)) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
        else {
            return false;
        };
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", &webhook.body];
        // The key is Base64 behind its prefix; one that is not makes no signature at all.
        let sign = |secret: &[u8]| {
            let text = std::str::from_utf8(secret).unwrap_or_default();
            key(text).map(|key| hmac_sha256(&key, &parts)).unwrap_or_default()
        };
        let signed = given.split(' ').filter_map(|one| base64(one.strip_prefix("v1,")?));
        let right = signed.filter(|s| s.len() == 32).any(|s| any_secret(proof.secrets, &s, sign));
        right && is_recent(time, proof.now, TOLERANCE)
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let Ok(body) = serde_json::from_slice::<Value>(&webhook.body) else {
            return vec![unreadable(webhook.hash(), None, None, "the body is no JSON")];
        };
        let data = body.get("data").unwrap_or(&Value::Null);
        let at = instant_at(&body, "/timestamp");
        let Some(kind) = text_at(&body, "/type") else {
            return vec![unreadable(webhook.hash(), None, None, "an event without a type")];
        };
        match kind.as_str() {
            "sms.received" => vec![text(data, "/sms_id", at)],
            "sms_suppression.created" => vec![suppression(data, at)],
            // Unknown events are to be tolerated, says the vendor.
            other => match other.strip_prefix("sms.").and_then(state_of) {
                Some(state) => vec![receipt(data, "/sms_id", "/error", state, at)],
                None => Vec::new(),
            },
        }
    }
}

/// The key behind its prefix.
fn key(secret: &str) -> Option<Vec<u8>> {
    base64(secret.strip_prefix("whsec_").unwrap_or(secret)).filter(|key| !key.is_empty())
}

fn text(data: &Value, id: &str, at: Option<Instant>) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(data, id),
        from: filled_at(data, "/from"),
        to: text_at(data, "/to"),
        text: text_at(data, "/text"),
        at,
        ..Spoken::default()
    };
    spoken.event(|| hash(data.to_string().as_bytes()))
}

/// A suppression: the person's opt-out from one sender, by keyword, carrier or hand. The event and the list have the same
/// id, so that it counts once.
pub(crate) fn suppression(data: &Value, at: Option<Instant>) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(data, "/suppression_id").or_else(|| filled_at(data, "/id")),
        from: filled_at(data, "/destination"),
        to: filled_at(data, "/originator"),
        text: Some("STOP".to_owned()),
        flag: Some("STOP".to_owned()),
        at,
        ..Spoken::default()
    };
    spoken.event(|| hash(data.to_string().as_bytes()))
}

/// A message of the list; none for no news.
pub(crate) fn message(entry: &Value) -> Option<InboundEvent> {
    let at = instant_at(entry, "/created_at");
    if text_at(entry, "/direction").as_deref() == Some("inbound") {
        return Some(text(entry, "/id", at));
    }
    let state = state_of(&text_at(entry, "/status")?)?;
    let at = instant_at(entry, "/delivered_at").or_else(|| instant_at(entry, "/last_error/occurred_at"));
    Some(receipt(entry, "/id", "/last_error", state, at))
}

fn receipt(data: &Value, id: &str, error: &str, state: MessageState, at: Option<Instant>) -> InboundEvent {
    let code = text_at(data, &format!("{error}/code"));
    let error = code.map(|code| {
        let words = text_at(data, &format!("{error}/description")).unwrap_or_default();
        provider_error(class_of(&code), code, &words)
    });
    let stopped = error.as_ref().is_some_and(|e| e.class == ErrorClass::OptedOut);
    let failed = matches!(state, MessageState::Failed | MessageState::Undelivered);
    InboundEvent::Receipt(Receipt {
        message: text_at(data, REFERENCE).and_then(|r| r.parse().ok()),
        provider_id: filled_at(data, id).unwrap_or_default(),
        state: if stopped && failed { MessageState::Rejected } else { state },
        error,
        carrier_at: at,
    })
}

/// The state a status stands for; none: no news, or not a message's.
fn state_of(status: &str) -> Option<MessageState> {
    Some(match status {
        "sent" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "undelivered" => MessageState::Undelivered,
        "failed" | "canceled" => MessageState::Failed,
        "rejected" => MessageState::Rejected,
        "expired" => MessageState::Expired,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::testing::{authentic, post};

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    const BODY: &str = r#"{"type":"sms.received","timestamp":"2026-01-01T12:00:00Z","data":{"sms_id":"sms_01krdgeqcxet5s7t44vh8rt9mg","from":"+15555550123","to":"+15555550100","text":"STOP"}}"#;
    const HEADERS: [(&str, &str); 3] = [
        ("webhook-id", "msg_01krdgeqcxet5s7t44vh8rt9mg"),
        ("webhook-timestamp", "1767268800"),
        ("webhook-signature", "v1,Cxfbw8JIvaxAP+jSSygqlkvD70Gqnkn+VdVL8/vnuzQ="),
    ];

    #[test]
    fn the_vector_covers_id_time_and_body() {
        let know = |headers: &[(&'static str, &str)], body: &str, secrets: &[&str], seconds| {
            authentic(&Bird, &post("/h", headers, body), secrets, seconds)
        };
        assert!(know(&HEADERS, BODY, &[SECRET], 0) && know(&HEADERS, BODY, &["whsec_AAAA", SECRET], 300));
        assert!(!know(&HEADERS, BODY, &[SECRET], 301) && !know(&HEADERS, BODY, &[SECRET], -301));
        assert!(!know(&HEADERS, BODY, &["whsec_AAAA"], 0));
        assert!(!know(&HEADERS, BODY, &["whsec_???"], 0), "a secret that is none opens nothing");
        assert!(!know(&HEADERS, &BODY.replace("STOP", "START"), &[SECRET], 0));
        for n in 0..3 {
            let mut headers = HEADERS;
            headers[n].1 = "1767268801";
            assert!(!know(&headers, BODY, &[SECRET], 0), "{}", headers[n].0);
        }
        let mut rotated = HEADERS;
        let both = format!("v1,AAAA v2,x {}", HEADERS[2].1);
        rotated[2].1 = &both;
        assert!(know(&rotated, BODY, &[SECRET], 0), "any of a list");
        let mut empty = HEADERS;
        empty[2].1 = "v1,";
        assert!(!know(&empty, BODY, &["whsec_???"], 0), "nothing is no signature");
    }

    #[test]
    fn events_become_texts_and_receipts() {
        let read = |body: &str| Bird.read(&post("/h", &[], body), Instant::EPOCH);
        assert!(
            matches!(&read(BODY)[..], [InboundEvent::Text(t)] if t.text == "STOP" && t.received_at.is_some())
        );
        let stop = r#"{"type":"sms_suppression.created","timestamp":"2026-01-01T12:00:00Z","data":{"suppression_id":"ssu_1","destination":"+12125550123","originator":"+18555550100","reason":"carrier_opted_out"}}"#;
        assert!(
            matches!(&read(stop)[..], [InboundEvent::Text(t)] if t.provider_id == "ssu_1" && t.from == "+12125550123")
        );
        assert_eq!(read(r#"{"type":"email.sent","data":{}}"#), []);
        assert_eq!(read(r#"{"type":"sms.accepted","data":{}}"#), []);
        assert!(matches!(&read("{}")[..], [InboundEvent::Unreadable(_)]));
        use MessageState::*;
        for (kind, code, state, class) in [
            ("sent", "", Sent, None),
            ("delivered", "", Delivered, None),
            ("undelivered", "unreachable", Undelivered, Some(ErrorClass::Retryable)),
            ("failed", "recipient_opted_out", Rejected, Some(ErrorClass::OptedOut)),
            ("rejected", "sender_unregistered", Rejected, Some(ErrorClass::PermanentSender)),
            ("expired", "", Expired, None),
        ] {
            let error = if code.is_empty() {
                "null".to_owned()
            } else {
                format!(r#"{{"code":"{code}","description":"d"}}"#)
            };
            let body = format!(
                r#"{{"type":"sms.{kind}","timestamp":"2026-01-01T12:00:00Z","data":{{"sms_id":"s1","error":{error},"metadata":{{"consentry_message":"07070707070707070707070707070707"}}}}}}"#
            );
            let events = read(&body);
            let [InboundEvent::Receipt(r)] = &events[..] else { panic!("{events:?}") };
            assert_eq!((r.state, r.error.as_ref().map(|e| e.class)), (state, class), "{kind}");
            assert!(r.message.is_some());
        }
    }
}
