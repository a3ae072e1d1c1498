//! A message as a caller asks for it, and touches of other tools.

use std::collections::BTreeMap;

use crate::api::auth::Caller;
use crate::api::convert::{names, subject};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::api::service::request_hash;
use crate::model::facts::OnHold;
use crate::model::notification::{NotificationAction, PushWords};
use crate::model::{Channel, ProgramId, Span};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::send_message_request::Content;
use crate::writer::ops::send::{CartInput, SendRequest, Words};

/// Furthest end a caller may set.
const EXPIRES_MAX: Span = Span::days(30);
/// Longest text, in characters.
const BODY_MAX: usize = 1_600;

/// Whether a request must name its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// It is sent.
    Required,
    /// It is only asked about.
    Optional,
}

/// Reads a request; the hash is over everything but the key, numbers in one form.
pub fn request(
    f: &mut Fields,
    mut wire: wire::SendMessageRequest,
    key: Key,
    caller: &Caller,
) -> Option<SendRequest> {
    let key_text = std::mem::take(&mut wire.idempotency_key);
    let key = match key {
        Key::Optional if key_text.is_empty() => Some(String::new()),
        _ => f.idempotency_key(key_text),
    };
    let digits = subject::canonical(&mut wire.subject);
    let request_sha256 = request_hash(&wire);
    let brand = f.id("brand", &wire.brand);
    let program = f.id("program", &wire.program);
    let target = subject::target_read(f, wire.subject, digits);
    let asked = f.named("channel", wire.channel, names::channel_of);
    let words = words(f, asked, wire.content, wire.push);
    if wire.fallback_to_sms && asked == Some(Channel::Sms) {
        f.bad("fallback_to_sms", "is for channel PUSH only");
    }
    let sender = f.optional_id("sender", &wire.sender);
    let cart = f.optional("cart", wire.cart, cart);
    let variables = pairs(f, "variables", wire.variables, 32, 512);
    let link = f.link("link_url", wire.link_url);
    let coupon_pool = f.optional_id("coupon_pool", &wire.coupon_pool);
    let hints = subject::hints(f, wire.locations);
    let on_hold = f.maybe_named("on_hold", wire.on_hold, names::on_hold_of);
    let expires_at = f.time("expires_at", wire.expires_at, TimeRule::AheadBy(EXPIRES_MAX));
    let labels = pairs(f, "labels", wire.labels, 16, 128);
    Some(SendRequest {
        idempotency_key: key?,
        request_sha256,
        brand: brand?,
        program: program?,
        target: target?,
        channel: asked?,
        fallback_to_sms: wire.fallback_to_sms,
        sender: sender?,
        cart: cart?,
        words: words?,
        variables: variables?,
        link_url: link?.map(|link| link.url).unwrap_or_default(),
        coupon_pool: coupon_pool?,
        hints: hints?,
        on_hold: on_hold?.unwrap_or(OnHold::Hold),
        expires_at: expires_at?,
        labels: labels?,
        actor: caller.key.clone(),
    })
}

fn words(
    f: &mut Fields,
    channel: Option<Channel>,
    content: Option<Content>,
    push: Option<wire::PushContent>,
) -> Option<Words> {
    match channel? {
        Channel::Sms => {
            if push.is_some() {
                f.bad("push", "is for channel PUSH only");
            }
            match content {
                Some(Content::Body(text)) => f.text("body", text, 1..=BODY_MAX, Lines::Many).map(Words::Body),
                Some(Content::Template(id)) => f.id("template", &id).map(Words::Template),
                None => f.refuse("body", "is required, or a template"),
            }
        }
        Channel::Push => {
            if content.is_some() {
                f.bad("body", "is for channel SMS; give push instead");
            }
            f.required("push", push, push_words)
        }
    }
}

fn push_words(f: &mut Fields, push: wire::PushContent) -> Option<Words> {
    let title = f.text("title", push.title, 1..=128, Lines::One);
    let body = f.text("body", push.body, 1..=1_024, Lines::Many);
    let image = f.link("image_url", push.image_url);
    let deep = f.deep_link("deep_link", push.deep_link);
    let collapse = f.optional_id::<ProgramId>("collapse_key", &push.collapse_key);
    let actions = f.each("actions", push.actions, 0..=3, |f, action| {
        let id = f.id::<ProgramId>("id", &action.id);
        let title = f.text("title", action.title, 1..=32, Lines::One);
        let url = f.deep_link("url", action.url);
        let id = id?.to_string();
        Some(NotificationAction { id, title: title?, url: url?.unwrap_or_default() })
    });
    Some(Words::Push(PushWords {
        title: title?,
        body: body?,
        image_url: image?.map(|link| link.url).unwrap_or_default(),
        deep_link: deep?.unwrap_or_default(),
        collapse_key: collapse?.map(|key| key.to_string()),
        actions: actions?,
    }))
}

fn cart(f: &mut Fields, cart: wire::Cart) -> Option<CartInput> {
    let id = f.id("id", &cart.id);
    let value = f.money("value", cart.value);
    let checkout = f.link("checkout_url", cart.checkout_url);
    let abandoned_at = f.time("abandoned_at", cart.abandoned_at, TimeRule::Happened);
    Some(CartInput {
        id: id?,
        value: value?,
        checkout_url: checkout?.map(|link| link.url).unwrap_or_default(),
        abandoned_at: abandoned_at?,
    })
}

/// Names and values, sorted by name as the map is.
fn pairs(
    f: &mut Fields,
    field: &str,
    map: BTreeMap<String, String>,
    most: usize,
    value_max: usize,
) -> Option<Vec<(String, String)>> {
    if map.len() > most {
        return f.refuse(field, format!("must be at most {most} entries, not {}", map.len()));
    }
    let read: Vec<Option<(String, String)>> = map
        .into_iter()
        .map(|(name, value)| {
            let good = name.parse::<ProgramId>().is_ok();
            if !good {
                f.bad(field, "has a name that is not 1 to 64 of a-z A-Z 0-9 . _ : -");
            }
            let value = f.text(&format!("{field}[{}]", shown(&name)), value, 0..=value_max, Lines::Many);
            good.then_some(())?;
            Some((name, value?))
        })
        .collect();
    read.into_iter().collect()
}

/// A map's key in a field path, short and harmless.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
