//! Codes: redeemed once, released when the order falls through, voided for good.
//!
//! The writer runs one operation after another, so of two redemptions at once exactly one wins without a lock.

mod held;
mod pool;

use std::sync::Arc;

pub use held::{ended_by, has_room, void_for_opt_out};
pub use pool::{
    CODE_CHARACTERS_MAX, CODES_A_BATCH, CouponChoice, CreateCouponPool, ImportCouponCodes, Imported,
    LOW_WATER, Skipped, expires_at, facts, next_code, pool_of, report_level,
};

use super::{Idempotency, Target};
use crate::ledger::body::{Body, CouponBody, Operation};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::keys;
use crate::model::cart::{Coupon, CouponPool, CouponState};
use crate::model::{BrandId, CartId, Channel, Instant, SubjectId};
use crate::telemetry::metrics;
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};

/// Redeems a code for an order. Repeating it for the same order is harmless.
#[derive(Debug, Clone)]
pub struct RedeemCoupon {
    pub brand: BrandId,
    /// Case does not matter.
    pub code: String,
    pub order_id: String,
    pub cart: Option<CartId>,
    /// Who redeems, if known.
    pub subject: Option<Target>,
    /// How the shopper came, if known; else taken as the exclusive channel.
    pub channel: Option<Channel>,
    pub idempotency: Idempotency,
    pub actor: String,
}

/// What a redemption came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedeemResult {
    /// This order has it.
    Redeemed,
    UnknownCode,
    /// Another order has it.
    AlreadyRedeemed,
    Expired,
    Voided,
    /// Its message has not left yet, or nobody was promised it.
    NotIssued,
    WrongCart,
    WrongSubject,
    WrongChannel,
}

impl RedeemResult {
    /// As the contract and the metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            RedeemResult::Redeemed => "REDEEMED",
            RedeemResult::UnknownCode => "UNKNOWN_CODE",
            RedeemResult::AlreadyRedeemed => "ALREADY_REDEEMED",
            RedeemResult::Expired => "EXPIRED",
            RedeemResult::Voided => "VOIDED",
            RedeemResult::NotIssued => "NOT_ISSUED",
            RedeemResult::WrongCart => "WRONG_CART",
            RedeemResult::WrongSubject => "WRONG_SUBJECT",
            RedeemResult::WrongChannel => "WRONG_CHANNEL",
        }
    }
}

/// The result, and the code as it is now.
#[derive(Debug, Clone)]
pub struct Redemption {
    pub result: RedeemResult,
    /// None: unknown code.
    pub coupon: Option<Arc<Coupon>>,
}

impl Op for RedeemCoupon {
    type Answer = Redemption;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Redemption, OpError> {
        cx.known_brand(&self.brand)?;
        let operation = self.idempotency.operation(&cx.env.seller);
        let repeated = cx.repeat_of(operation.as_ref())?.is_some();
        let Some(coupon) = coupon_of(cx, &self.brand, &self.code)? else {
            metrics::redemption(RedeemResult::UnknownCode.as_str());
            return Ok(Redemption { result: RedeemResult::UnknownCode, coupon: None });
        };
        if repeated || redeemed_by(&coupon, &self.order_id) {
            return Ok(Redemption { result: RedeemResult::Redeemed, coupon: Some(coupon) });
        }
        let refusal = self.refusal(cx, &coupon)?;
        metrics::redemption(refusal.unwrap_or(RedeemResult::Redeemed).as_str());
        if let Some(result) = refusal {
            return Ok(Redemption { result, coupon: Some(coupon) });
        }
        let state = CouponState::Redeemed { order_id: self.order_id, at: cx.now };
        let coupon = write(cx, &coupon, state, "REDEEMED", operation, &self.actor)?;
        Ok(Redemption { result: RedeemResult::Redeemed, coupon: Some(coupon) })
    }
}

impl RedeemCoupon {
    /// Why the code is not this order's to take; none: it is.
    fn refusal(&self, cx: &mut Cx<'_>, coupon: &Coupon) -> Result<Option<RedeemResult>, OpError> {
        let standing = match &coupon.state {
            CouponState::Redeemed { .. } => Some(RedeemResult::AlreadyRedeemed),
            CouponState::Voided { .. } => Some(RedeemResult::Voided),
            CouponState::Free | CouponState::Reserved => Some(RedeemResult::NotIssued),
            CouponState::Issued if coupon.expired_at(cx.now) => Some(RedeemResult::Expired),
            CouponState::Issued => None,
        };
        if standing.is_some() {
            return Ok(standing);
        }
        if coupon.cart.is_some() && coupon.cart != self.cart {
            return Ok(Some(RedeemResult::WrongCart));
        }
        if let (Some(target), Some(owner)) = (&self.subject, &coupon.subject)
            && !is_person(cx, target, owner)?
        {
            return Ok(Some(RedeemResult::WrongSubject));
        }
        let pool = pool_of(cx, &coupon.brand, &coupon.pool)?;
        let fits = pool.is_none_or(|pool| channel_fits(&pool, self.channel, cx.now));
        Ok((!fits).then_some(RedeemResult::WrongChannel))
    }
}

fn redeemed_by(coupon: &Coupon, order: &str) -> bool {
    matches!(&coupon.state, CouponState::Redeemed { order_id, .. } if order_id == order)
}

/// Whether the target is the owner or shares a customer with it: one person with a phone and an app.
fn is_person(cx: &mut Cx<'_>, target: &Target, owner: &SubjectId) -> Result<bool, OpError> {
    for subject in cx.subjects_of(target)? {
        if cx.reach(&subject)?.iter().any(|member| member.id == *owner) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn channel_fits(pool: &CouponPool, came_by: Option<Channel>, now: Instant) -> bool {
    let over = pool.exclusive_until.is_some_and(|end| now >= end);
    match (pool.exclusive_channel, came_by) {
        (Some(exclusive), Some(channel)) => over || exclusive == channel,
        _ => true,
    }
}

/// Undoes a redemption whose order fell through.
#[derive(Debug, Clone)]
pub struct ReleaseCoupon {
    pub brand: BrandId,
    pub code: String,
    /// The order that redeemed it.
    pub order_id: String,
    pub actor: String,
}

impl Op for ReleaseCoupon {
    type Answer = Arc<Coupon>;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Arc<Coupon>, OpError> {
        let coupon = known_coupon(cx, &self.brand, &self.code)?;
        if !redeemed_by(&coupon, &self.order_id) {
            let held = matches!(coupon.state, CouponState::Redeemed { .. });
            let why = if held { "another order redeemed it" } else { "it is not redeemed" };
            return Err(OpError::Precondition(format!("the coupon cannot be released: {why}")));
        }
        // A STOP in the meantime spared the code only because it was spent.
        match was_ended_meanwhile(cx, &coupon)? {
            true => {
                let state = CouponState::Voided { at: cx.now, reason: held::OPTED_OUT.to_owned() };
                write(cx, &coupon, state, "VOIDED", None, &self.actor)
            }
            false => write(cx, &coupon, CouponState::Issued, "RELEASED", None, &self.actor),
        }
    }
}

fn was_ended_meanwhile(cx: &mut Cx<'_>, coupon: &Coupon) -> Result<bool, OpError> {
    let Some(owner) = &coupon.subject else { return Ok(false) };
    let owner = cx.subject(owner)?;
    let (reach, now) = (cx.reach(&owner)?, cx.now);
    for opt_out in reach.iter().flat_map(|member| &member.opt_outs).filter(|o| o.holds_at(now)) {
        if held::ends(cx, coupon, opt_out)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes a code worthless for good. Voiding again is harmless.
#[derive(Debug, Clone)]
pub struct VoidCoupon {
    pub brand: BrandId,
    pub code: String,
    pub reason: String,
    pub actor: String,
}

impl Op for VoidCoupon {
    type Answer = Arc<Coupon>;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Arc<Coupon>, OpError> {
        let coupon = known_coupon(cx, &self.brand, &self.code)?;
        match &coupon.state {
            CouponState::Voided { .. } => Ok(coupon),
            CouponState::Redeemed { .. } => Err(OpError::Precondition(
                "the coupon is redeemed: release it first if its order fell through".to_owned(),
            )),
            _ => {
                let state = CouponState::Voided { at: cx.now, reason: self.reason };
                write(cx, &coupon, state, "VOIDED", None, &self.actor)
            }
        }
    }
}

/// A code's row; case does not matter.
pub fn coupon_of(cx: &mut Cx<'_>, brand: &BrandId, code: &str) -> Result<Option<Arc<Coupon>>, OpError> {
    if code.len() > CODE_CHARACTERS_MAX {
        return Ok(None);
    }
    cx.get::<Coupon>(&keys::coupon(brand, code))
}

fn known_coupon(cx: &mut Cx<'_>, brand: &BrandId, code: &str) -> Result<Arc<Coupon>, OpError> {
    cx.known_brand(brand)?;
    // A code is worth money: an error that is logged must not show it.
    let missing = || OpError::NotFound { what: "coupon", id: "(the code given)".to_owned() };
    coupon_of(cx, brand, code)?.ok_or_else(missing)
}

/// One entry in the chain of the person who holds the code.
fn write(
    cx: &mut Cx<'_>,
    known: &Coupon,
    state: CouponState,
    outcome: &str,
    operation: Option<Operation>,
    actor: &str,
) -> Result<Arc<Coupon>, OpError> {
    let chain = known.subject.unwrap_or(SELLER_CHAIN);
    let message_id = known.message.map(|m| m.0.to_vec()).unwrap_or_default();
    let public = Public { outcome: outcome.to_owned(), message_id, ..Public::default() };
    let coupon = Coupon { state, slot: None, ..known.clone() };
    let body = CouponBody { coupon, operation, actor: actor.to_owned() };
    cx.emit(chain, Some(&known.brand), public, Body::Coupon(body))?;
    known_coupon(cx, &known.brand, &known.code)
}

#[cfg(test)]
pub(super) mod tests;
