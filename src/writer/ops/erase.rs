//! Restricting and erasing a person, and the legal holds that forbid it.

mod hold;
mod piece;
mod restrict;
#[cfg(test)]
mod tests;

pub use hold::{ClearLegalHold, SetLegalHold};
pub use piece::{BeginErasure, Forget};
pub use restrict::{Restrict, Restricted};

use crate::erasure::inventory::{Inventory, STEP};
use crate::ledger::body::{
    Body, CancelledBody, ErasureBody, ForgottenBody, Ground, SpentCoupon, SuppressionBody,
};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::keys;
use crate::model::cart::{Coupon, CouponState};
use crate::model::outgoing::Message;
use crate::model::subject::Subject;
use crate::model::{BrandId, EntryHash, MessageId, MessageState, Span, SubjectId};
use crate::writer::ops::send::channel_name;
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// Local dates whose parts may still count for a carrier's daily cap somewhere.
const CAPS_LOOK_BACK: Span = Span::hours(48);
/// How long a caller waits while a message is in hand-over.
const ON_ITS_WAY: Span = Span::seconds(30);

/// Records that people are erased. Their keys are the caller's to destroy once this is durable.
pub struct Erase {
    /// What their chains have led to, taken before.
    pub inventories: Vec<Inventory>,
    pub reason: String,
    pub actor: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Erased {
    /// Recorded; the keys must go now.
    Recorded,
    /// A hold forbids it; nothing was written.
    Held(Vec<Ground>),
    /// A chain has grown since its inventory; nothing was written.
    Moved,
}

impl Op for Erase {
    type Answer = Erased;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Erased, OpError> {
        self.carry_out(cx, false)
    }
}

/// The same of people whose erasure happened, and is unknown to a ledger that was restored from an older backup. Holds of
/// that time were cleared since, and what was being handed over then has long come to its end: neither hinders it.
pub struct EraseAgain(pub Erase);

impl Op for EraseAgain {
    type Answer = Erased;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Erased, OpError> {
        self.0.carry_out(cx, true)
    }
}

impl Erase {
    fn carry_out(self, cx: &mut Cx<'_>, again: bool) -> Result<Erased, OpError> {
        let mut people = Vec::with_capacity(self.inventories.len());
        for inventory in &self.inventories {
            let missing = || OpError::NotFound { what: "person", id: inventory.subject.to_string() };
            let person = cx.get::<Subject>(&keys::subject(&inventory.subject))?.ok_or_else(missing)?;
            if person.chain_length != inventory.length {
                return Ok(Erased::Moved);
            }
            if !again {
                let held = cx.holds_on(&person)?;
                if !held.is_empty() {
                    return Ok(Erased::Held(held));
                }
                nothing_on_its_way(cx, &inventory.rows.messages)?;
            }
            people.push(person);
        }
        for (mut inventory, person) in self.inventories.into_iter().zip(&people) {
            cancel_what_waits(cx, person, &self.actor)?;
            forget_all(cx, &mut inventory)?;
            suppress(cx, &inventory, person)?;
            let body = ErasureBody {
                subject: person.id,
                raw_day: None,
                reason: self.reason.clone(),
                actor: self.actor.clone(),
            };
            cx.emit(SELLER_CHAIN, None, Public::default(), Body::Erasure(body))?;
        }
        Ok(Erased::Recorded)
    }
}

/// What is being handed over has an outcome to come, which needs the person's chain.
fn nothing_on_its_way(cx: &mut Cx<'_>, messages: &[MessageId]) -> Result<(), OpError> {
    for id in messages {
        let message = cx.get::<Message>(&keys::message(id))?;
        if message.is_some_and(|m| m.state == MessageState::Sending) {
            return Err(OpError::Unavailable {
                what: "a message to this person is being handed over",
                retry_after: ON_ITS_WAY,
            });
        }
    }
    Ok(())
}

/// What waits dies now: its coupon goes back and its cart forgets it.
fn cancel_what_waits(cx: &mut Cx<'_>, person: &Subject, actor: &str) -> Result<(), OpError> {
    for open in &person.open {
        let Some(message) = cx.get::<Message>(&keys::message(&open.id))? else { continue };
        if !message.state.is_waiting() {
            continue;
        }
        let spec = &message.spec;
        let public = about_message(&spec.id, spec.program.as_str(), channel_name(spec.channel), "CANCELLED");
        let body = CancelledBody {
            message: open.id,
            reason: "the person is erased".to_owned(),
            actor: actor.to_owned(),
        };
        cx.emit(person.id, Some(&spec.brand), public, Body::Cancelled(body))?;
    }
    Ok(())
}

fn forget(cx: &mut Cx<'_>, subject: SubjectId, rows: ForgottenBody) -> Result<(), OpError> {
    if rows.is_empty() {
        return Ok(());
    }
    let public = Public { outcome: "FORGOTTEN".to_owned(), ..Public::default() };
    cx.emit(subject, None, public, Body::Forgotten(Box::new(rows))).map(|_| ())
}

/// Forgets all of an inventory, in entries that fit.
fn forget_all(cx: &mut Cx<'_>, inventory: &mut Inventory) -> Result<(), OpError> {
    while let Some(piece) = inventory.next_piece(STEP) {
        forget(cx, inventory.subject, piece.rows)?;
        spend(cx, inventory.subject, &piece.coupons)?;
    }
    let throttle = std::mem::take(&mut inventory.rows.throttle);
    forget(cx, inventory.subject, std::mem::take(&mut inventory.rows))?;
    for counted in throttle.chunks(STEP) {
        let rows = ForgottenBody { throttle: counted.to_vec(), ..ForgottenBody::default() };
        forget(cx, inventory.subject, rows)?;
    }
    inventory.rows.throttle = throttle;
    Ok(())
}

/// The address stays blocked, and codes the person had stay spent.
fn suppress(cx: &mut Cx<'_>, inventory: &Inventory, person: &Subject) -> Result<(), OpError> {
    let recent = (cx.now - CAPS_LOOK_BACK).to_string();
    let recent = |date: &str| recent.get(..10).is_none_or(|first| date >= first);
    let throttle = inventory.rows.throttle.iter().filter(|(_, date, _)| recent(date)).cloned().collect();
    let coupons = spent(cx, person.id, &inventory.coupons)?;
    suppression(cx, person, coupons, throttle, false)
}

/// Codes of a person who is being erased over several commits.
fn spend(cx: &mut Cx<'_>, subject: SubjectId, codes: &[(BrandId, String)]) -> Result<(), OpError> {
    let coupons = spent(cx, subject, codes)?;
    if coupons.is_empty() {
        return Ok(());
    }
    let person = cx.subject(&subject)?;
    suppression(cx, &person, coupons, Vec::new(), true)
}

fn suppression(
    cx: &mut Cx<'_>,
    person: &Subject,
    coupons: Vec<SpentCoupon>,
    throttle: Vec<(String, String, u64)>,
    codes_only: bool,
) -> Result<(), OpError> {
    let key = cx.env.fold.address_key(&person.address);
    let address = key[1..].try_into().map(EntryHash);
    let address = address.map_err(|_| OpError::Fatal("an address key of another form".to_owned()))?;
    let body = SuppressionBody { address, since: cx.now, coupons, throttle, codes_only };
    let outcome = if codes_only { "SPENT" } else { "SUPPRESSED" };
    let public = Public { outcome: outcome.to_owned(), ..Public::default() };
    cx.emit(SELLER_CHAIN, None, public, Body::Suppression(body)).map(|_| ())
}

/// Those of the codes that are the person's, as they stand.
fn spent(
    cx: &mut Cx<'_>,
    subject: SubjectId,
    codes: &[(BrandId, String)],
) -> Result<Vec<SpentCoupon>, OpError> {
    let mut coupons = Vec::new();
    for (brand, code) in codes {
        let Some(coupon) = cx.get::<Coupon>(&keys::coupon(brand, code))? else { continue };
        if coupon.subject == Some(subject) && coupon.state != CouponState::Free {
            coupons.push(SpentCoupon {
                brand: brand.clone(),
                pool: coupon.pool.clone(),
                code: coupon.code.clone(),
                state: coupon.state.clone(),
                expires_at: coupon.expires_at,
            });
        }
    }
    Ok(coupons)
}
