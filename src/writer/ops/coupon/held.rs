//! The codes a person holds, and what an opt-out does to them.

use std::sync::Arc;

use super::{coupon_of, pool_of, write};
use crate::ledger::rows::{HeldCoupon, HeldCoupons, keys};
use crate::model::SubjectId;
use crate::model::cart::{Coupon, CouponState, OnOptOut};
use crate::model::consent::OptOut;
use crate::model::outgoing::Message;
use crate::model::subject::bounds;
use crate::writer::cx::Cx;
use crate::writer::op::OpError;

/// Why a code is worth nothing after an opt-out.
pub const OPTED_OUT: &str = "OPTED_OUT";

/// Codes promised or sent to somebody that are neither redeemed nor void; among them may be some that have run out.
pub fn held_by(cx: &mut Cx<'_>, subject: &SubjectId) -> Result<Vec<HeldCoupon>, OpError> {
    let row = cx.get::<HeldCoupons>(&keys::held_coupons(subject))?;
    Ok(row.map(|row| row.codes.clone()).unwrap_or_default())
}

/// Refuses a further code for somebody who holds as many as an opt-out can void at once.
pub fn has_room(cx: &mut Cx<'_>, subject: &SubjectId) -> Result<(), OpError> {
    let now = cx.now;
    let live = held_by(cx, subject)?.iter().filter(|h| h.expires_at.is_none_or(|end| end > now)).count();
    if live < bounds::COUPONS {
        return Ok(());
    }
    Err(OpError::SubjectBusy("64 coupon codes are with them that were not redeemed yet"))
}

/// Every code of somebody that an opt-out ends: its text left, its pool says so, and the opt-out covers what brought it,
/// however long ago that was. Codes of messages that still wait return to their pool when those die: nobody saw them.
pub fn ended_by(cx: &mut Cx<'_>, subject: &SubjectId, opt_out: &OptOut) -> Result<Vec<Arc<Coupon>>, OpError> {
    let mut ended = Vec::new();
    for held in held_by(cx, subject)? {
        let Some(coupon) = coupon_of(cx, &held.brand, &held.code)? else { continue };
        if coupon.state == CouponState::Issued && ends(cx, &coupon, opt_out)? {
            ended.push(coupon);
        }
    }
    Ok(ended)
}

/// Whether an opt-out is one that ends this code.
pub(super) fn ends(cx: &mut Cx<'_>, coupon: &Coupon, opt_out: &OptOut) -> Result<bool, OpError> {
    let Some(id) = &coupon.message else { return Ok(false) };
    let Some(message) = cx.get::<Message>(&keys::message(id))? else { return Ok(false) };
    let spec = &message.spec;
    let pool = pool_of(cx, &coupon.brand, &coupon.pool)?;
    Ok(pool.is_some_and(|pool| pool.on_opt_out == OnOptOut::Void)
        && opt_out.covers(&spec.brand, &spec.program, spec.category, spec.channel))
}

/// Voids the code of somebody whom the opt-out reaches but is not written to, in an entry of their own chain: so it
/// stays void when the person who opted out is erased.
pub fn void_for_opt_out(cx: &mut Cx<'_>, coupon: &Coupon, actor: &str) -> Result<(), OpError> {
    let state = CouponState::Voided { at: cx.now, reason: OPTED_OUT.to_owned() };
    write(cx, coupon, state, "VOIDED", None, actor).map(|_| ())
}
