//! A message on the wire.

use crate::api::convert::verdict::{EngineInForce, verdict};
use crate::api::convert::{maybe_timestamp, names, spend, subject, timestamp};
use crate::model::notification::Notification;
use crate::model::outgoing::{ErrorClass, Message, MessageSpec, ProviderError};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::link::short_url;

/// What a message does not hold itself.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Host of the brand's short links.
    pub short_domain: String,
    /// Human clicks on its link.
    pub human_clicks: u64,
}

/// A message as it stands.
pub fn message(message: &Message, around: &Around, engine: EngineInForce<'_>) -> wire::Message {
    let spec = &message.spec;
    let body = if message.sent_text.is_empty() { &spec.preview } else { &message.sent_text };
    let origin = match &spec.automatic {
        Some(automatic) => names::automatic(automatic.kind),
        None => wire::MessageOrigin::Caller,
    };
    let link = spec.link.as_ref().map(|link| short_url(&around.short_domain, &link.code));
    let coupon = spec.coupon.as_ref();
    wire::Message {
        id: spec.id.to_string(),
        brand: spec.brand.to_string(),
        program: spec.program.to_string(),
        category: names::category(spec.category).into(),
        subject: Some(subject::subject(&spec.to)),
        channel: names::channel(spec.channel).into(),
        sender: text(message.sender()),
        state: names::message_state(message.state).into(),
        verdict: Some(verdict(&message.first, Some(message.entry), engine)),
        dispatch_verdict: message.last.as_ref().map(|last| verdict(last, None, engine)),
        body: if spec.push.is_some() { String::new() } else { body.clone() },
        push: spec.push.as_ref().map(|push| notification(&push.preview)),
        encoding: encoding(spec).into(),
        segments: if spec.push.is_some() { 0 } else { spec.parts },
        link: link.unwrap_or_default(),
        coupon: coupon.and_then(|coupon| coupon.code.clone()).unwrap_or_default(),
        coupon_pool: text(coupon.map(|coupon| &coupon.pool)),
        cart_id: text(spec.cart.as_ref()),
        labels: spec.labels.iter().cloned().collect(),
        locale: spec.language.clone(),
        template: text(spec.template.as_ref()),
        origin: origin.into(),
        requested_by: spec.actor.clone(),
        created_at: Some(timestamp(message.accepted_at)),
        due_at: maybe_timestamp(message.due),
        expires_at: maybe_timestamp(spec.expires_at),
        sending_at: maybe_timestamp(message.intent_at),
        sent_at: maybe_timestamp(message.sent_at),
        delivered_at: maybe_timestamp(message.delivered_at),
        updated_at: Some(timestamp(message.changed_at)),
        connection: text(message.connection()),
        provider_message_ids: message.provider_ids.clone(),
        error: message.error.as_ref().map(delivery_error),
        human_clicks: around.human_clicks,
        cost: message.cost.as_ref().filter(|_| message.was_taken()).map(spend::money),
    }
}

/// The alphabet of a text; a notification has none.
pub fn encoding(spec: &MessageSpec) -> wire::Encoding {
    if spec.push.is_some() { wire::Encoding::Unspecified } else { names::encoding(spec.encoding) }
}

/// A notification as it goes out.
pub fn notification(content: &Notification) -> wire::PushContent {
    wire::PushContent {
        title: content.title.clone(),
        body: content.body.clone(),
        image_url: content.image_url.clone(),
        deep_link: content.deep_link.clone(),
        collapse_key: content.collapse_key.clone(),
        actions: content
            .actions
            .iter()
            .map(|action| wire::PushAction {
                id: action.id.clone(),
                title: action.title.clone(),
                url: action.url.clone(),
            })
            .collect(),
    }
}

fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn delivery_error(error: &ProviderError) -> wire::DeliveryError {
    let class = match error.class {
        ErrorClass::OptedOut => "OPTED_OUT",
        ErrorClass::PermanentRecipient => "PERMANENT_RECIPIENT",
        ErrorClass::PermanentSender => "PERMANENT_SENDER",
        ErrorClass::PermanentContent => "PERMANENT_CONTENT",
        ErrorClass::PermanentAccount => "PERMANENT_ACCOUNT",
        ErrorClass::Retryable => "RETRYABLE",
        ErrorClass::Ambiguous => "AMBIGUOUS",
    };
    wire::DeliveryError {
        code: error.code.clone(),
        error_class: class.to_owned(),
        detail: error.text.clone(),
    }
}
