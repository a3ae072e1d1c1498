//! MessageBird's webhooks (REST API): a signed token over address and body; texts and status reports.

use serde_json::Value;

use super::event::{InboundEvent, Receipt};
use super::form::Form;
use super::spoken::Spoken;
use super::voice::{
    Algorithm, Proof, Voice, Webhook, filled_at, hash, instant, instant_at, jwt, provider_error, same,
    sha256_hex, text_at, unreadable,
};
use crate::model::outgoing::ErrorClass;
use crate::model::{Instant, MessageState};
use crate::provider::messagebird::class_of;

/// How far `nbf` and `exp` may be overstepped, seconds.
const LEEWAY: i64 = 1;

/// One account's webhooks.
pub struct MessageBird;

impl Voice for MessageBird {
    fn secrets(&self) -> &'static [&'static str] {
        &["signing_key", "signing_key_next"]
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let algorithms = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
        let token = webhook.header("messagebird-signature-jwt");
        let claims = token.and_then(|token| jwt(token, proof.secrets, &algorithms));
        let Some(claims) = claims else { return false };
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let (Some(from), Some(until)) = (number("nbf"), number("exp")) else { return false };
        let now = proof.now.as_seconds();
        let covers = |claim: &str, bytes: &[u8]| {
            text_at(&claims, claim).is_some_and(|hash| same(hash.as_bytes(), sha256_hex(bytes).as_bytes()))
        };
        let body = match webhook.body.is_empty() {
            true => claims.get("payload_hash").is_none(),
            false => covers("/payload_hash", &webhook.body),
        };
        let issued = text_at(&claims, "/iss").as_deref() == Some("MessageBird");
        let in_time = now >= from.saturating_sub(LEEWAY) && now <= until.saturating_add(LEEWAY);
        issued && in_time && body && covers("/url_hash", proof.url.as_bytes())
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let fields = Form::of(webhook.fields());
        let id = fields.filled("id").map(str::to_owned);
        match fields.filled("status") {
            Some(status) if fields.get("body").is_none() => vec![report(&fields, status, id, webhook)],
            _ => vec![Some(text(&fields, id, webhook))],
        }
        .into_iter()
        .flatten()
        .collect()
    }

    fn answer(&self) -> (&'static str, &'static str) {
        ("text/plain", "OK")
    }
}

fn text(fields: &Form, id: Option<String>, webhook: &Webhook) -> InboundEvent {
    let spoken = Spoken {
        id,
        from: fields.filled("originator").map(str::to_owned),
        to: fields.get("recipient").map(str::to_owned),
        text: fields.get("body").map(str::to_owned),
        at: fields.get("createdDatetime").and_then(instant),
        ..Spoken::default()
    };
    spoken.event(|| webhook.hash())
}

fn report(fields: &Form, status: &str, id: Option<String>, webhook: &Webhook) -> Option<InboundEvent> {
    let code = fields.filled("statusErrorCode").and_then(|code| code.parse::<u32>().ok()).filter(|c| *c != 0);
    let words = fields.get("statusReason").unwrap_or(status);
    let error = code.map(|code| provider_error(class_of(code), code, words));
    let stopped = error.as_ref().is_some_and(|e| e.class == ErrorClass::OptedOut);
    let state = match status {
        "scheduled" | "buffered" => return None,
        "sent" => MessageState::Sent,
        "delivered" => MessageState::Delivered,
        "expired" => MessageState::Expired,
        "delivery_failed" if stopped => MessageState::Rejected,
        "delivery_failed" => MessageState::Undelivered,
        _ => return Some(unreadable(id.unwrap_or_else(|| webhook.hash()), None, None, "unknown status")),
    };
    Some(InboundEvent::Receipt(Receipt {
        message: fields.get("reference").and_then(|r| r.parse().ok()).or_else(|| webhook.reference()),
        provider_id: id.unwrap_or_default(),
        state,
        error,
        carrier_at: fields.get("statusDatetime").and_then(instant),
    }))
}

/// A text as the list shows it.
pub(crate) fn listed_text(item: &Value) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(item, "/id"),
        from: filled_at(item, "/originator"),
        to: text_at(item, "/recipients/items/0/recipient").or_else(|| text_at(item, "/recipient")),
        text: text_at(item, "/body"),
        at: instant_at(item, "/createdDatetime"),
        ..Spoken::default()
    };
    spoken.event(|| hash(item.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::testing::{authentic, get, post};

    const KEY: &str = "mb-signing-key-0123456789abcdef0123";
    const PATH: &str = "/hooks/mb/in?tenant=acme";
    const BODY: &str = r#"{"id":"e8077d803532c0b5937c639b60216938","recipient":"15555550100","originator":"15555550123","body":"STOP","createdDatetime":"2026-01-01T12:00:00+00:00"}"#;
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTc2NzI2ODgwMCwiZXhwIjoxNzY3MjY4ODYwLCJqdGkiOiJiOTJjNWE2ZS05ZTc5LTRhMDctYTU1Yi02ZTVhNmVlMWI0YTAiLCJ1cmxfaGFzaCI6IjE2NDUxYjVhMTc5MjcyODI1NzhhZjkyYTRkZWYzZGUxY2M5ZWI5M2Y1MGQ0ZTc3YmEzZWMzYzQ0YTkyNWRlMTciLCJwYXlsb2FkX2hhc2giOiIyZDk0NTZiOGViMzlkYjk5MmJmNTkzMzJmOTFlOWE1ZDRhMzQ0NmM0OGE0Nzc5YWFlM2I5YzM5NWY0ZjFmOWQ4In0.TzllSwe5C9AJTO0CXfZeTmuUGZBYma_1YK8hHQnxxis";

    #[test]
    fn the_vector_covers_address_body_and_a_minute() {
        let know = |path: &str, body: &str, keys: &[&str], seconds| {
            authentic(&MessageBird, &post(path, &[("messagebird-signature-jwt", TOKEN)], body), keys, seconds)
        };
        assert!(know(PATH, BODY, &[KEY], 10) && know(PATH, BODY, &["next", KEY], 61));
        assert!(
            !know(PATH, BODY, &[KEY], 62) && !know(PATH, BODY, &[KEY], -2) && know(PATH, BODY, &[KEY], -1)
        );
        assert!(!know("/hooks/mb/in?tenant=other", BODY, &[KEY], 10), "another address");
        assert!(!know(PATH, &BODY.replace("STOP", "START"), &[KEY], 10), "another body");
        assert!(!know(PATH, "", &[KEY], 10), "no body");
        assert!(!know(PATH, BODY, &["other"], 10));
        assert!(!authentic(&MessageBird, &post(PATH, &[], BODY), &[KEY], 10));
    }

    #[test]
    fn texts_and_reports_however_they_come() {
        let read = |webhook: &Webhook| MessageBird.read(webhook, Instant::EPOCH);
        let json = post(PATH, &[("content-type", "application/json")], BODY);
        assert!(
            matches!(&read(&json)[..], [InboundEvent::Text(t)] if t.text == "STOP" && t.received_at.is_some())
        );
        let form = post(PATH, &[], "id=i1&recipient=1&originator=15555550123&body=stop");
        assert!(matches!(&read(&form)[..], [InboundEvent::Text(t)] if t.text == "stop"));
        assert!(matches!(&read(&post(PATH, &[], "id=i1&originator=1"))[..], [InboundEvent::Unreadable(_)]));
        use MessageState::*;
        for (status, code, state, class) in [
            ("buffered", "", None, None),
            ("sent", "", Some(Sent), None),
            ("delivered", "", Some(Delivered), None),
            ("delivery_failed", "1", Some(Undelivered), Some(ErrorClass::PermanentRecipient)),
            ("delivery_failed", "103", Some(Rejected), Some(ErrorClass::OptedOut)),
            ("expired", "", Some(Expired), None),
        ] {
            let path = format!(
                "/h?id=m1&reference=07070707070707070707070707070707&recipient=1&status={status}&statusErrorCode={code}&statusDatetime=2026-01-01T12%3A00%3A00%2B00%3A00"
            );
            let events = read(&get(&path, &[]));
            let seen = events.first().map(|event| match event {
                InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
                other => panic!("{other:?}"),
            });
            assert_eq!(seen, state.map(|state| (state, class)), "{status}");
            if let [InboundEvent::Receipt(r)] = &events[..] {
                assert!(r.message.is_some() && r.carrier_at.is_some());
            }
        }
    }
}
