//! Touches of other tools.

use crate::api::auth::Caller;
use crate::api::convert::{names, subject};
use crate::api::field::{Fields, Lines, TimeRule};
use crate::api::service::idempotency;
use crate::model::Span;
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::external::RecordExternalSend;

/// Reads a report of another tool's touch.
pub fn external_send(
    f: &mut Fields,
    mut wire: wire::RecordExternalSendRequest,
    caller: &Caller,
) -> Option<RecordExternalSend> {
    let key = f.idempotency_key(std::mem::take(&mut wire.idempotency_key));
    subject::canonical(&mut wire.subject);
    let idempotency = idempotency("RecordExternalSend", key.unwrap_or_default(), &wire);
    let known = !idempotency.key.is_empty();
    let brand = f.id("brand", &wire.brand);
    let to = subject::target(f, wire.subject);
    let medium = f.named("channel", wire.channel, names::external_channel);
    let cart = f.optional_id("cart_id", &wire.cart_id);
    let at = f.time("sent_at", wire.sent_at, TimeRule::HappenedWithin(Span::days(30)));
    let tool = f.text("source", wire.source, 0..=64, Lines::One);
    known.then_some(())?;
    Some(RecordExternalSend {
        brand: brand?,
        to: to?,
        medium: medium?.to_owned(),
        at: at?,
        cart: cart?,
        tool: tool?,
        idempotency,
        actor: caller.key.clone(),
    })
}
