//! Coupon pools and codes: as an operator makes them, as a row has them.

use prost_types::Duration;

use crate::api::convert::{maybe_timestamp, names};
use crate::api::field::{Fields, TimeRule};
use crate::model::cart::{Coupon, CouponPool, CouponState, OnOptOut, PoolSource};
use crate::model::{Instant, Span};
use crate::pb::consentry::v1 as wire;
use crate::writer::ops::coupon::{CreateCouponPool, RedeemResult};

/// Highest warning level of a pool.
const LOW_MAX: u32 = 1_000_000;

/// Reads a new pool.
pub fn new_pool(f: &mut Fields, pool: wire::CouponPool, actor: String) -> Option<CreateCouponPool> {
    let brand = f.id("brand", &pool.brand);
    let id = f.id("pool", &pool.pool);
    let source = source(f, pool.source, pool.prefix);
    let channel = f.maybe_named("exclusive_channel", pool.exclusive_channel, names::channel_of);
    let until = f.time("exclusive_until", pool.exclusive_until, TimeRule::Any);
    if channel == Some(None) && matches!(until, Some(Some(_))) {
        f.bad("exclusive_until", "needs exclusive_channel");
    }
    let valid_for = match f.span("valid_for", pool.valid_for, Span::minutes(1), Span::days(400)) {
        Some(None) => f.refuse("valid_for", "is required"),
        given => given.flatten(),
    };
    let on_opt_out = f.maybe_named("on_opt_out", pool.on_opt_out, names::on_opt_out_of);
    let low = f.number("low_level", pool.low_level, 0..=LOW_MAX);
    Some(CreateCouponPool {
        brand: brand?,
        pool: id?,
        source: source?,
        exclusive_channel: channel?,
        exclusive_until: until?,
        valid_for: valid_for?,
        on_opt_out: on_opt_out?.unwrap_or(OnOptOut::Keep),
        low_water: u64::from(low?),
        actor,
    })
}

fn source(f: &mut Fields, raw: i32, prefix: String) -> Option<PoolSource> {
    match f.choice("source", raw)? {
        wire::CouponSource::Generated => {
            let good = prefix.len() <= 12
                && prefix.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
            if good {
                Some(PoolSource::Generated { prefix })
            } else {
                f.refuse("prefix", "must be at most 12 of A-Z 0-9 -")
            }
        }
        _ if prefix.is_empty() => Some(PoolSource::Imported),
        _ => f.refuse("prefix", "is for generated codes only"),
    }
}

/// Reads codes to import: each 1 to 64 printable ASCII characters without spaces.
pub fn codes(f: &mut Fields, codes: Vec<String>) -> Option<Vec<String>> {
    let codes = f.each("codes", codes, 1..=10_000, code_within)?;
    f.no_repeats("codes", codes.iter().map(|code| code.to_uppercase()))?;
    Some(codes)
}

/// Reads the field `code`.
pub fn code(f: &mut Fields, text: String) -> Option<String> {
    f.within("code", |f| code_within(f, text))
}

fn code_within(f: &mut Fields, text: String) -> Option<String> {
    match text.len() {
        0 => f.refuse("", "is required"),
        1..=64 if text.bytes().all(|b| b.is_ascii_graphic()) => Some(text),
        _ => f.refuse("", "must be 1 to 64 printable ASCII characters without spaces"),
    }
}

/// The result of a redemption on the wire.
pub fn result(result: RedeemResult) -> wire::RedeemResult {
    match result {
        RedeemResult::Redeemed => wire::RedeemResult::Redeemed,
        RedeemResult::UnknownCode => wire::RedeemResult::UnknownCode,
        RedeemResult::AlreadyRedeemed => wire::RedeemResult::AlreadyRedeemed,
        RedeemResult::Expired => wire::RedeemResult::Expired,
        RedeemResult::Voided => wire::RedeemResult::Voided,
        RedeemResult::NotIssued => wire::RedeemResult::NotIssued,
        RedeemResult::WrongCart => wire::RedeemResult::WrongCart,
        RedeemResult::WrongSubject => wire::RedeemResult::WrongSubject,
        RedeemResult::WrongChannel => wire::RedeemResult::WrongChannel,
    }
}

/// A pool on the wire.
pub fn pool(pool: &CouponPool) -> wire::CouponPool {
    let (source, prefix) = match &pool.source {
        PoolSource::Generated { prefix } => (wire::CouponSource::Generated, prefix.clone()),
        PoolSource::Imported => (wire::CouponSource::Imported, String::new()),
    };
    let valid_for = Duration { seconds: pool.valid_for.as_seconds(), nanos: 0 };
    wire::CouponPool {
        brand: pool.brand.to_string(),
        pool: pool.id.to_string(),
        source: source.into(),
        prefix,
        exclusive_channel: pool.exclusive_channel.map(names::channel).unwrap_or_default().into(),
        exclusive_until: maybe_timestamp(pool.exclusive_until),
        valid_for: Some(valid_for),
        on_opt_out: names::on_opt_out(pool.on_opt_out).into(),
        low_level: u32::try_from(pool.low_water).unwrap_or(u32::MAX),
        imported_count: pool.imported,
        free_count: pool.free,
        reserved_count: pool.reserved,
        issued_count: pool.issued,
        redeemed_count: pool.redeemed,
        voided_count: pool.voided,
    }
}

/// A code on the wire as it stands at `now`: an issued one whose time is over shows as expired.
pub fn coupon(coupon: &Coupon, now: Instant) -> wire::Coupon {
    let mut out = wire::Coupon {
        brand: coupon.brand.to_string(),
        pool: coupon.pool.to_string(),
        code: coupon.code.clone(),
        message_id: coupon.message.map(|id| id.to_string()).unwrap_or_default(),
        cart_id: coupon.cart.as_ref().map(ToString::to_string).unwrap_or_default(),
        expires_at: maybe_timestamp(coupon.expires_at),
        reserved_at: maybe_timestamp(coupon.reserved_at),
        issued_at: maybe_timestamp(coupon.issued_at),
        ..wire::Coupon::default()
    };
    let state = match &coupon.state {
        CouponState::Free => wire::CouponState::Free,
        CouponState::Reserved => wire::CouponState::Reserved,
        CouponState::Issued if coupon.expired_at(now) => wire::CouponState::Expired,
        CouponState::Issued => wire::CouponState::Issued,
        CouponState::Redeemed { order_id, at, .. } => {
            out.order_id = order_id.clone();
            out.redeemed_at = maybe_timestamp(Some(*at));
            wire::CouponState::Redeemed
        }
        CouponState::Voided { at, reason } => {
            out.voided_at = maybe_timestamp(Some(*at));
            out.void_reason = reason.clone();
            wire::CouponState::Voided
        }
    };
    out.state = state.into();
    out
}
