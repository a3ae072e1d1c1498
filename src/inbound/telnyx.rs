//! Telnyx's webhooks (API v2): Ed25519 over time and body, one event a request.

use ed25519_dalek::{Signature, VerifyingKey};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::event::{InboundEvent, Receipt};
use super::spoken::Spoken;
use super::voice::{
    Proof, TOLERANCE, Voice, Webhook, base64, filled_at, instant_at, is_recent, provider_error, text_at,
    unreadable,
};
use crate::model::{Instant, MessageState};
use crate::provider::telnyx::class_of;

/// One account's webhooks. The "secret" is the account's public key, Base64, from the portal.
pub struct Telnyx;

impl Voice for Telnyx {
    fn secrets(&self) -> &'static [&'static str] {
        &["public_key", "public_key_next"]
    }

    fn fault_of(&self, secret: &str) -> Option<&'static str> {
        key(secret).is_none().then_some("must be the account's public key, 44 characters of Base64")
    }

    fn is_authentic(&self, webhook: &Webhook, proof: &Proof<'_>) -> bool {
        let time = webhook.header("telnyx-timestamp").unwrap_or_default();
        let signature = webhook.header("telnyx-signature-ed25519").and_then(base64);
        let Some(signature) = signature.and_then(|bytes| Signature::from_slice(&bytes).ok()) else {
            return false;
        };
        let signed = [time.as_bytes(), b"|", &webhook.body].concat();
        let right = proof.secrets.iter().filter_map(|secret| key(secret.expose_secret()));
        let right = right.fold(false, |yes, key| key.verify_strict(&signed, &signature).is_ok() | yes);
        right && is_recent(time, proof.now, TOLERANCE)
    }

    fn read(&self, webhook: &Webhook, _: Instant) -> Vec<InboundEvent> {
        let Ok(body) = serde_json::from_slice::<Value>(&webhook.body) else {
            return vec![unreadable(webhook.hash(), None, None, "the body is no JSON")];
        };
        let payload = body.pointer("/data/payload").unwrap_or(&Value::Null);
        match text_at(&body, "/data/event_type").as_deref() {
            Some("message.received") => vec![text(payload, webhook)],
            Some("message.sent" | "message.finalized") => receipts(payload, webhook),
            // Events of other products on the same address are not about messages.
            Some(_) if text_at(payload, "/direction").as_deref() != Some("inbound") => Vec::new(),
            _ => vec![text(payload, webhook)],
        }
    }
}

/// The account's public key.
fn key(text: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&base64(text)?.try_into().ok()?).ok()
}

fn text(payload: &Value, webhook: &Webhook) -> InboundEvent {
    let spoken = Spoken {
        id: filled_at(payload, "/id"),
        from: filled_at(payload, "/from/phone_number"),
        to: filled_at(payload, "/to/0/phone_number"),
        text: text_at(payload, "/text"),
        flag: text_at(payload, "/autoresponse_type").and_then(|kind| flag(&kind)),
        at: instant_at(payload, "/received_at"),
        ..Spoken::default()
    };
    spoken.event(|| webhook.hash())
}

/// What Telnyx itself made of a text.
fn flag(kind: &str) -> Option<String> {
    let flag = match kind.to_ascii_uppercase().as_str() {
        "OPT_OUT" | "STOP" => "STOP",
        "OPT_IN" | "START" => "START",
        "HELP" | "INFO" => "HELP",
        _ => return None,
    };
    Some(flag.to_owned())
}

/// One receipt a recipient; we send to one.
fn receipts(payload: &Value, webhook: &Webhook) -> Vec<InboundEvent> {
    let id = filled_at(payload, "/id").unwrap_or_default();
    let code = text_at(payload, "/errors/0/code");
    let error = code.map(|code| {
        let words = text_at(payload, "/errors/0/title").unwrap_or_default();
        provider_error(class_of(&code), code, &words)
    });
    let recipients = payload.pointer("/to").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let told = recipients.iter().filter_map(|recipient| {
        let status = text_at(recipient, "/status").unwrap_or_default();
        let Some(state) = state_of(&status) else {
            return Some(unreadable(id.clone(), None, None, "unknown status"));
        };
        let stopped = error.as_ref().is_some_and(|e| e.class == crate::model::outgoing::ErrorClass::OptedOut);
        Some(InboundEvent::Receipt(Receipt {
            message: webhook.reference(),
            provider_id: id.clone(),
            state: if stopped { MessageState::Rejected } else { state? },
            error: error.clone(),
            carrier_at: instant_at(payload, "/completed_at").or_else(|| instant_at(payload, "/sent_at")),
        }))
    });
    told.collect()
}

/// The state a status stands for; `Some(None)`: no news; `None`: unknown.
fn state_of(status: &str) -> Option<Option<MessageState>> {
    Some(match status {
        "queued" | "sending" => None,
        "sent" => Some(MessageState::Sent),
        "delivered" | "read" => Some(MessageState::Delivered),
        "delivery_failed" => Some(MessageState::Undelivered),
        "sending_failed" => Some(MessageState::Failed),
        "expired" => Some(MessageState::Expired),
        "delivery_unconfirmed" => Some(MessageState::Unknown),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::testing::{authentic, post};
    use crate::model::outgoing::ErrorClass;

    const KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const BODY: &str = r#"{"data":{"event_type":"message.received","id":"bf6307bd-884d-4c1f-b6ea-c62b8c495d3c","occurred_at":"2026-01-01T12:00:00.000Z","payload":{"direction":"inbound","from":{"phone_number":"+15555550123"},"id":"7ee4241c-f127-47e5-9c34-3aac291f8058","text":"STOP","to":[{"phone_number":"+15555550100"}],"type":"SMS"},"record_type":"event"}}"#;
    const SIGNATURE: &str =
        "+Vt8fS1B5AMzuwblwb0hQXB8QB5Wi7WY2b3CV3L7D45GSVAO0Fn87R47VoR+rVpHFaHqvnQNFNgokS+rNCSiBA==";

    fn signed(body: &str) -> Webhook {
        post("/h", &[("telnyx-signature-ed25519", SIGNATURE), ("telnyx-timestamp", "1767268800")], body)
    }

    #[test]
    fn the_vector_holds_for_five_minutes_and_its_body_alone() {
        let at = |seconds| authentic(&Telnyx, &signed(BODY), &[KEY], seconds);
        assert!(at(0) && at(299) && at(300) && at(-300));
        assert!(!at(301) && !at(-301));
        let other = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbk=";
        assert!(authentic(&Telnyx, &signed(BODY), &[other, KEY], 0), "either key of a rotation");
        assert!(!authentic(&Telnyx, &signed(BODY), &[other], 0));
        assert!(!authentic(&Telnyx, &signed(BODY), &["no key"], 0));
        assert!(!authentic(&Telnyx, &signed(&BODY.replace("STOP", "STOP ")), &[KEY], 0));
        assert!(!authentic(&Telnyx, &post("/h", &[], BODY), &[KEY], 0));
        let moved =
            post("/h", &[("telnyx-signature-ed25519", SIGNATURE), ("telnyx-timestamp", "1767268801")], BODY);
        assert!(!authentic(&Telnyx, &moved, &[KEY], 0));
    }

    #[test]
    fn a_text_and_what_telnyx_made_of_it() {
        let read = |body: &str| Telnyx.read(&post("/h", &[], body), Instant::EPOCH);
        let [InboundEvent::Text(text)] = &read(BODY)[..] else { panic!("not a text") };
        assert_eq!(
            (text.from.as_str(), text.to.as_str(), text.text.as_str()),
            ("+15555550123", "+15555550100", "STOP")
        );
        assert_eq!(text.provider_id, "7ee4241c-f127-47e5-9c34-3aac291f8058");
        let flagged = BODY.replace("\"type\":\"SMS\"", "\"autoresponse_type\":\"OPT_OUT\"");
        let [InboundEvent::Text(text)] = &read(&flagged)[..] else { panic!("not a text") };
        assert_eq!(text.provider_flag.as_deref(), Some("STOP"));
        let wordless = BODY.replace("\"text\":\"STOP\"", "\"text\":null");
        assert!(
            matches!(&read(&wordless)[..], [InboundEvent::Unreadable(u)] if u.from.as_deref() == Some("+15555550123"))
        );
        assert!(matches!(&read("{")[..], [InboundEvent::Unreadable(_)]));
        assert_eq!(
            read(r#"{"data":{"event_type":"call.initiated","payload":{"direction":"outgoing"}}}"#),
            []
        );
    }

    #[test]
    fn receipts_come_under_our_reference() {
        use MessageState::*;
        let path = "/h?ref=07070707070707070707070707070707";
        for (status, code, state, class) in [
            ("sent", "", Some(Sent), None),
            ("queued", "", None, None),
            ("delivered", "", Some(Delivered), None),
            ("delivery_failed", "40001", Some(Undelivered), Some(ErrorClass::PermanentRecipient)),
            ("sending_failed", "40300", Some(Rejected), Some(ErrorClass::OptedOut)),
            ("expired", "40005", Some(Expired), Some(ErrorClass::Retryable)),
            ("delivery_unconfirmed", "", Some(Unknown), None),
        ] {
            let errors =
                if code.is_empty() { String::new() } else { format!(r#"{{"code":"{code}","title":"t"}}"#) };
            let body = format!(
                r#"{{"data":{{"event_type":"message.finalized","payload":{{"id":"m1","to":[{{"phone_number":"+1","status":"{status}"}}],"errors":[{errors}]}}}}}}"#
            );
            let events = Telnyx.read(&post(path, &[], &body), Instant::EPOCH);
            let seen = events.first().map(|event| match event {
                InboundEvent::Receipt(r) => (r.state, r.error.as_ref().map(|e| e.class)),
                other => panic!("{other:?}"),
            });
            assert_eq!(seen, state.map(|state| (state, class)), "{status}");
            if let [InboundEvent::Receipt(r)] = &events[..] {
                assert_eq!(r.message, "07070707070707070707070707070707".parse().ok());
            }
        }
    }
}
