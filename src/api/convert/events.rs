//! What one entry of the log tells a watching caller.

use crate::api::convert::inbound::{Review, inbound};
use crate::api::convert::{cart, consent, coupon, link, timestamp};
use crate::api::message::show;
use crate::ledger::body::{Body, Object};
use crate::ledger::entry::Entry;
use crate::ledger::rows::keys;
use crate::model::MessageId;
use crate::model::cart::{Cart, CouponPool, Link, PoolSource};
use crate::model::outgoing::Message;
use crate::model::subject::{Address, Subject};
use crate::pb::consentry::v1 as wire;
use crate::pb::consentry::v1::event::Event;
use crate::writer::{Cx, OpError};

/// The kind of an event, for filters.
pub fn kind(event: &wire::Event) -> wire::EventKind {
    match &event.event {
        Some(Event::Message(_)) => wire::EventKind::Message,
        Some(Event::Consent(_)) => wire::EventKind::Consent,
        Some(Event::OptOut(_)) => wire::EventKind::OptOut,
        Some(Event::Inbound(_)) => wire::EventKind::Inbound,
        Some(Event::Click(_)) => wire::EventKind::Click,
        Some(Event::Coupon(_)) => wire::EventKind::Coupon,
        Some(Event::CouponPoolLow(_)) => wire::EventKind::CouponPoolLow,
        Some(Event::Cart(_)) => wire::EventKind::Cart,
        Some(Event::Lane(_)) => wire::EventKind::Lane,
        Some(Event::Heartbeat(_)) | None => wire::EventKind::Unspecified,
    }
}

/// The events of an entry, always the same and in the same order, so that a position can point between them. Messages,
/// carts and pools are shown as they stand now.
pub fn of_entry(cx: &mut Cx<'_>, entry: &Entry) -> Result<Vec<wire::Event>, OpError> {
    let told = match &entry.body {
        Body::Decision(body) => {
            let mut told = message(cx, &body.message.id)?;
            told.extend(low_pool(cx, entry, &body.message.id)?);
            told
        }
        Body::Intent(body) => message(cx, &body.message)?,
        Body::Redecision(body) => message(cx, &body.message)?,
        Body::Outcome(body) => message(cx, &body.message)?,
        Body::Cancelled(body) => message(cx, &body.message)?,
        Body::Receipt(body) => match &body.message {
            Some(id) => message(cx, id)?,
            None => Vec::new(),
        },
        Body::Consent(body) => {
            let (whose, at) = (whose(cx, entry)?, entry.leaf.instant);
            let changed = |change| Event::Consent(consent::changed(change, &whose, at));
            body.changes.iter().map(changed).collect()
        }
        Body::OptOut(body) => {
            let whose = whose(cx, entry)?;
            let mut told = consent::opt_out(&body.opt_out, &whose);
            told.text = body.text.clone();
            told.cancelled_messages = body.cancelled.iter().map(ToString::to_string).collect();
            told.in_flight_messages = body.in_flight.iter().map(ToString::to_string).collect();
            told.entry_hash = entry.hash.0.to_vec();
            vec![Event::OptOut(told)]
        }
        Body::OptOutLifted(body) => lifted(cx, entry, &body.recorded_at, &body.text)?,
        Body::Inbound(body) => {
            let from = whose(cx, entry)?;
            let review = if body.review { Review::Open } else { Review::NotNeeded };
            vec![Event::Inbound(inbound(entry.index, body, &from, review))]
        }
        Body::Click(body) => match cx.get::<Link>(&keys::link(&body.code))? {
            Some(row) => body.clicks.iter().map(|c| Event::Click(link::click(c, &row, false))).collect(),
            None => Vec::new(),
        },
        Body::Coupon(body) => vec![Event::Coupon(coupon::coupon(&body.coupon, entry.leaf.instant))],
        Body::Cart(body) => {
            let row = cx.get::<Cart>(&keys::cart(&body.cart.brand, &body.cart.id))?;
            row.map(|row| Event::Cart(cart::cart(&row))).into_iter().collect()
        }
        Body::Registry(body) => lane(&body.object, &body.reason),
        _ => Vec::new(),
    };
    let brand = entry.leaf.brand.as_ref().map(ToString::to_string).unwrap_or_default();
    let event = |event| wire::Event {
        position: String::new(),
        occurred_at: Some(timestamp(entry.leaf.instant)),
        brand: brand.clone(),
        event: Some(event),
    };
    Ok(told.into_iter().map(event).collect())
}

fn message(cx: &mut Cx<'_>, id: &MessageId) -> Result<Vec<Event>, OpError> {
    match cx.get::<Message>(&keys::message(id))? {
        Some(row) => Ok(vec![Event::Message(show(cx, &row)?)]),
        None => Ok(Vec::new()),
    }
}

/// A pool of the shop's own codes that runs low, told with each message that took one.
fn low_pool(cx: &mut Cx<'_>, entry: &Entry, id: &MessageId) -> Result<Option<Event>, OpError> {
    let row = cx.get::<Message>(&keys::message(id))?;
    let (Some(row), Some(brand)) = (row, &entry.leaf.brand) else { return Ok(None) };
    let Some(promised) = &row.spec.coupon else { return Ok(None) };
    let pool = cx.get::<CouponPool>(&keys::pool(brand, &promised.pool))?;
    let low = pool.filter(|pool| pool.source == PoolSource::Imported && pool.free < pool.low_water);
    Ok(low.map(|pool| Event::CouponPoolLow(coupon::pool(&pool))))
}

fn lifted(
    cx: &mut Cx<'_>,
    entry: &Entry,
    recorded_at: &[crate::model::Instant],
    why: &str,
) -> Result<Vec<Event>, OpError> {
    let subject = cx.get::<Subject>(&keys::subject(&entry.leaf.subject))?;
    let Some(subject) = subject else { return Ok(Vec::new()) };
    let named = subject.opt_outs.iter().filter(|opt_out| recorded_at.contains(&opt_out.recorded_at));
    let shown = named.map(|opt_out| {
        let shown = consent::opt_out(opt_out, &subject.address);
        Event::OptOut(wire::OptOut { lifted_reason: why.to_owned(), ..shown })
    });
    Ok(shown.collect())
}

/// The address behind an entry's chain.
fn whose(cx: &mut Cx<'_>, entry: &Entry) -> Result<Address, OpError> {
    let subject = cx.get::<Subject>(&keys::subject(&entry.leaf.subject))?;
    subject
        .map(|subject| subject.address.clone())
        .ok_or_else(|| OpError::Fatal("an entry of a person's chain has no person".to_owned()))
}

/// A sender that was written down, as the lane it is.
fn lane(object: &Object, reason: &str) -> Vec<Event> {
    let Object::Sender(sender) = object else { return Vec::new() };
    vec![Event::Lane(wire::LaneChange {
        sender: sender.id.to_string(),
        connection: sender.connection.to_string(),
        paused: sender.paused,
        reason: reason.to_owned(),
    })]
}
