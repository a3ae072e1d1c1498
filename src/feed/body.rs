//! What a webhook says: type, time, and the event as `WatchEvents` tells it, in protobuf's own JSON.

use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};

use crate::pb::FILE_DESCRIPTOR_SET;
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::event::Event;

static EVENT: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("our own descriptors");
    pool.get_message_by_name("consentry.v1.Event").expect("it is in them")
});

/// The kind that a configuration names, as in `opt_out`; none: there is no such kind.
pub fn kind_of(name: &str) -> Option<wire::EventKind> {
    let full = format!("EVENT_KIND_{}", name.to_ascii_uppercase());
    let kind = wire::EventKind::from_str_name(&full)?;
    (kind != wire::EventKind::Unspecified && name == name.to_ascii_lowercase()).then_some(kind)
}

/// The body of an event. Types are part of the contract: what happened, its group first.
pub fn render(event: &wire::Event) -> Vec<u8> {
    let told = DynamicMessage::decode(EVENT.clone(), event.encode_to_vec().as_slice());
    let data = told.ok().and_then(|told| serde_json::to_value(&told).ok()).unwrap_or(Value::Null);
    let at = data.get("occurredAt").cloned().unwrap_or(Value::Null);
    json!({ "type": type_of(event), "timestamp": at, "data": data }).to_string().into_bytes()
}

fn type_of(event: &wire::Event) -> String {
    let own = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase();
    match &event.event {
        Some(Event::Message(message)) => {
            format!("message.{}", own(message.state().as_str_name(), "MESSAGE_STATE_"))
        }
        Some(Event::Consent(_)) => "consent.changed".to_owned(),
        Some(Event::OptOut(opt_out)) if opt_out.lifted_reason.is_empty() => "opt_out.recorded".to_owned(),
        Some(Event::OptOut(_)) => "opt_out.lifted".to_owned(),
        Some(Event::Inbound(_)) => "inbound.received".to_owned(),
        Some(Event::Click(_)) => "link.clicked".to_owned(),
        Some(Event::Coupon(_)) => "coupon.changed".to_owned(),
        Some(Event::CouponPoolLow(_)) => "coupon_pool.low".to_owned(),
        Some(Event::Cart(_)) => "cart.changed".to_owned(),
        Some(Event::Lane(_)) => "lane.changed".to_owned(),
        Some(Event::Heartbeat(_)) | None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_in_protobufs_json() {
        let message = wire::Message {
            id: "ab".repeat(16),
            state: wire::MessageState::Delivered.into(),
            subject: Some(wire::Subject {
                address: Some(wire::subject::Address::Phone("+12125550123".to_owned())),
            }),
            ..wire::Message::default()
        };
        let event = wire::Event {
            position: "5.1".to_owned(),
            occurred_at: Some(prost_types::Timestamp { seconds: 1_780_000_000, nanos: 0 }),
            brand: "main".to_owned(),
            event: Some(Event::Message(message)),
        };
        let body: Value = serde_json::from_slice(&render(&event)).expect("JSON");
        assert_eq!(body["type"], "message.delivered");
        assert_eq!(body["timestamp"], "2026-05-28T20:26:40Z");
        assert_eq!(body["data"]["message"]["state"], "MESSAGE_STATE_DELIVERED");
        assert_eq!(body["data"]["message"]["subject"]["phone"], "+12125550123");
    }

    #[test]
    fn kinds_are_named_as_the_contract_names_them() {
        assert_eq!(kind_of("opt_out"), Some(wire::EventKind::OptOut));
        for name in ["unspecified", "OPT_OUT", "optout", ""] {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }
}
