//! A coupon that was promised must exist, and must be allowed out by this channel.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::model::facts::Phase;

const GROUND: Ground<'_> = Ground { id: "core/coupon", citation: "the pool's own terms" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let Some(coupon) = &case.facts.coupon else { return };
    if !coupon.exists {
        return findings.refuse(GROUND, Code::CouponExhausted, format!("there is no pool {}", coupon.pool));
    }
    if case.req.phase == Phase::Dispatch && !coupon.reserved {
        // Voided or used while its message waited: nobody is sent a code that is worth nothing.
        findings.refuse(GROUND, Code::CouponExhausted, format!("its code of pool {} is gone", coupon.pool));
    } else if coupon.remaining == Some(0) && !coupon.reserved {
        findings.refuse(GROUND, Code::CouponExhausted, format!("pool {} has no code left", coupon.pool));
    }
    let exclusive = coupon.exclusive_until.is_none_or(|until| case.at < until);
    if let Some(only) = coupon.exclusive_channel.filter(|only| exclusive && *only != case.req.channel) {
        let detail = format!("codes of pool {} go out by {only:?} only", coupon.pool);
        findings.refuse(GROUND, Code::CouponChannel, detail);
    }
}
