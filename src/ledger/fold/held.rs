//! Which codes a person holds: kept beside the codes themselves, for a person's touches are forgotten after 30 days and a
//! code may be good for 400.

use super::FoldError;
use crate::ledger::rows::{HeldCoupon, HeldCoupons, keys};
use crate::ledger::state::State;
use crate::model::Instant;
use crate::model::SubjectId;
use crate::model::cart::{Coupon, CouponState};

/// Follows a code to where it stands now. What has run out by `now` is dropped on the way: it is worth nothing.
pub(super) fn follow(state: &mut State<'_>, coupon: &Coupon, now: Instant) -> Result<(), FoldError> {
    let Some(subject) = &coupon.subject else { return Ok(()) };
    if !matches!(coupon.state, CouponState::Reserved | CouponState::Issued) {
        return let_go(state, coupon);
    }
    let mut held = held_by(state, subject)?;
    held.codes.retain(|h| !is(h, coupon) && h.expires_at.is_none_or(|end| end > now));
    held.codes.push(HeldCoupon {
        brand: coupon.brand.clone(),
        code: coupon.code.clone(),
        expires_at: coupon.expires_at,
    });
    state.put(keys::held_coupons(subject), held);
    Ok(())
}

/// The code is nobody's any more, or spent.
pub(super) fn let_go(state: &mut State<'_>, coupon: &Coupon) -> Result<(), FoldError> {
    let Some(subject) = &coupon.subject else { return Ok(()) };
    let mut held = held_by(state, subject)?;
    held.codes.retain(|h| !is(h, coupon));
    match held.codes.is_empty() {
        true => state.delete(keys::held_coupons(subject)),
        false => state.put(keys::held_coupons(subject), held),
    }
    Ok(())
}

fn held_by(state: &mut State<'_>, subject: &SubjectId) -> Result<HeldCoupons, FoldError> {
    let held = state.get::<HeldCoupons>(&keys::held_coupons(subject))?;
    Ok(held.map(|h| (*h).clone()).unwrap_or_default())
}

fn is(held: &HeldCoupon, coupon: &Coupon) -> bool {
    held.brand == coupon.brand && held.code == coupon.code
}
