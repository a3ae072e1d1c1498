//! Restricting and erasing a person, and the legal holds that forbid it.

mod hold;
#[cfg(test)]
mod tests;

pub use hold::{ClearLegalHold, SetLegalHold};

use std::sync::Arc;

use super::Target;
use super::opt_out::{Stop, stop};
use crate::erasure::inventory::Inventory;
use crate::erasure::retention;
use crate::ledger::body::{
    Body, CancelledBody, ErasureBody, ForgottenBody, Ground, RestrictionBody, SpentCoupon, SuppressionBody,
};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{RestrictedRow, keys};
use crate::model::cart::{Coupon, CouponState};
use crate::model::outgoing::Message;
use crate::model::subject::Subject;
use crate::model::{EntryHash, Instant, MessageState, OptOutScope, OptOutSource, Span, SubjectId};
use crate::writer::ops::send::channel_name;
use crate::writer::{Cx, Op, OpError, Priority, about_message};

/// Rows one entry names; more go into further entries.
const ROWS_MAX: usize = 4_000;
/// Local dates whose parts may still count for a carrier's daily cap somewhere.
const CAPS_LOOK_BACK: Span = Span::hours(48);
/// How long a caller waits while a message is in hand-over.
const ON_ITS_WAY: Span = Span::seconds(30);

/// A restriction as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Restricted {
    pub erase_after: Instant,
    pub grounds: Vec<Ground>,
}

/// Opts a person out of everything, closes the record to normal reads and sets when it is erased. Asking again answers the
/// same.
pub struct Restrict {
    pub target: Target,
    pub reason: String,
    pub actor: String,
}

impl Op for Restrict {
    type Answer = Restricted;
    const PRIORITY: Priority = Priority::Inbound;

    fn run(self, cx: &mut Cx<'_>) -> Result<Restricted, OpError> {
        let people = cx.subjects_of(&self.target)?;
        if people.is_empty() {
            return Err(OpError::NotFound { what: "person", id: "as named".to_owned() });
        }
        let mut answer = Restricted { erase_after: cx.now, grounds: Vec::new() };
        let mut fresh: Vec<Arc<Subject>> = Vec::new();
        for person in people {
            match cx.get::<RestrictedRow>(&keys::restricted(&person.id))? {
                Some(row) => {
                    let number = cx.number(&person.address);
                    let ground = retention::ground(retention::class_of(number.as_ref()), row.since);
                    answer.keep(Ground { until: Some(row.erase_after), ..ground });
                }
                None => fresh.push(person),
            }
        }
        if !fresh.is_empty() {
            self.restrict(cx, &fresh, &mut answer)?;
        }
        for person in &fresh {
            answer.grounds.extend(cx.holds_on(person)?);
        }
        answer.grounds.extend(retention::what_stays(
            cx.env.backups_until(answer.erase_after),
            cx.env.erasures().is_some(),
        ));
        Ok(answer)
    }
}

impl Restrict {
    fn restrict(
        self,
        cx: &mut Cx<'_>,
        people: &[Arc<Subject>],
        answer: &mut Restricted,
    ) -> Result<(), OpError> {
        let ids: Vec<SubjectId> = people.iter().map(|p| p.id).collect();
        let wish = Stop {
            brand: None,
            scope: OptOutScope::All,
            scope_named: false,
            source: OptOutSource::Operator,
            text: self.reason.clone(),
            received_at: cx.now,
            sender: None,
            customer: None,
            operation: None,
            actor: self.actor.clone(),
        };
        stop(cx, &ids, wish)?;
        for person in people {
            let number = cx.number(&person.address);
            // Proof is needed for as long after the last message as after the request, whichever is later.
            let last = person.touches.iter().map(|touch| touch.at).fold(cx.now, Instant::max);
            let ground = retention::ground(retention::class_of(number.as_ref()), last);
            let erase_after = ground.until.unwrap_or(last);
            answer.keep(ground.clone());
            let body = RestrictionBody {
                erase_after,
                grounds: vec![ground],
                reason: self.reason.clone(),
                actor: self.actor.clone(),
            };
            let public = Public { outcome: "RESTRICTED".to_owned(), ..Public::default() };
            cx.emit(person.id, None, public, Body::Restriction(body))?;
        }
        Ok(())
    }
}

impl Restricted {
    fn keep(&mut self, ground: Ground) {
        self.erase_after = ground.until.map_or(self.erase_after, |until| until.max(self.erase_after));
        if !self.grounds.contains(&ground) {
            self.grounds.push(ground);
        }
    }
}

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
                nothing_on_its_way(cx, inventory)?;
            }
            people.push(person);
        }
        for (inventory, person) in self.inventories.iter().zip(&people) {
            cancel_what_waits(cx, person, &self.actor)?;
            forget(cx, inventory)?;
            suppress(cx, inventory, person)?;
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
fn nothing_on_its_way(cx: &mut Cx<'_>, inventory: &Inventory) -> Result<(), OpError> {
    for id in &inventory.rows.messages {
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

fn forget(cx: &mut Cx<'_>, inventory: &Inventory) -> Result<(), OpError> {
    for rows in pieces(&inventory.rows) {
        let public = Public { outcome: "FORGOTTEN".to_owned(), ..Public::default() };
        cx.emit(inventory.subject, None, public, Body::Forgotten(Box::new(rows)))?;
    }
    Ok(())
}

/// Cuts a long list into bodies that fit an entry. Carts go with the messages that name them, so they come with each.
fn pieces(rows: &ForgottenBody) -> Vec<ForgottenBody> {
    let mut pieces = Vec::new();
    let mut add = |piece: ForgottenBody| pieces.push(piece);
    let whole = rows.len() <= ROWS_MAX;
    if whole {
        add(rows.clone());
        return pieces;
    }
    for messages in rows.messages.chunks(ROWS_MAX) {
        let (messages, carts) = (messages.to_vec(), rows.carts.clone());
        add(ForgottenBody { messages, carts, ..ForgottenBody::default() });
    }
    for links in rows.links.chunks(ROWS_MAX) {
        add(ForgottenBody { links: links.to_vec(), ..ForgottenBody::default() });
    }
    for operations in rows.operations.chunks(ROWS_MAX) {
        add(ForgottenBody { operations: operations.to_vec(), ..ForgottenBody::default() });
    }
    for inbound in rows.inbound.chunks(ROWS_MAX) {
        add(ForgottenBody { inbound: inbound.to_vec(), ..ForgottenBody::default() });
    }
    for throttle in rows.throttle.chunks(ROWS_MAX) {
        add(ForgottenBody { throttle: throttle.to_vec(), ..ForgottenBody::default() });
    }
    for texts in rows.texts.chunks(ROWS_MAX) {
        add(ForgottenBody { texts: texts.to_vec(), ..ForgottenBody::default() });
    }
    pieces
}

/// The address stays blocked, and codes the person had stay spent.
fn suppress(cx: &mut Cx<'_>, inventory: &Inventory, person: &Subject) -> Result<(), OpError> {
    let mut coupons = Vec::new();
    for (brand, code) in &inventory.coupons {
        let Some(coupon) = cx.get::<Coupon>(&keys::coupon(brand, code))? else { continue };
        if coupon.subject == Some(person.id) && coupon.state != CouponState::Free {
            coupons.push(SpentCoupon {
                brand: brand.clone(),
                pool: coupon.pool.clone(),
                code: coupon.code.clone(),
                state: coupon.state.clone(),
                expires_at: coupon.expires_at,
            });
        }
    }
    let key = cx.env.fold.address_key(&person.address);
    let address = key[1..].try_into().map(EntryHash);
    let address = address.map_err(|_| OpError::Fatal("an address key of another form".to_owned()))?;
    let recent = (cx.now - CAPS_LOOK_BACK).to_string();
    let recent = |date: &str| recent.get(..10).is_none_or(|first| date >= first);
    let throttle = inventory.rows.throttle.iter().filter(|(_, date, _)| recent(date)).cloned().collect();
    let body = SuppressionBody { address, since: cx.now, coupons, throttle };
    let public = Public { outcome: "SUPPRESSED".to_owned(), ..Public::default() };
    cx.emit(SELLER_CHAIN, None, public, Body::Suppression(body)).map(|_| ())
}
