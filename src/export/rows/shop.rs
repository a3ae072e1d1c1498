//! Rows about links, carts and coupons.

use super::{Row, words};
use crate::ledger::body::{CartBody, ClickBody, CouponBody, CouponPoolBody, LinkBody};
use crate::model::cart::CouponState;

pub fn click(row: &mut Row, body: &ClickBody) {
    let (human, raw) = body.uncounted;
    let people = body.clicks.iter().filter(|c| c.human).count() as u64;
    row.link_code = body.code.to_string();
    row.clicks = Some(raw.saturating_add(body.clicks.len() as u64));
    row.human_clicks = Some(human.saturating_add(people));
    row.click_classes =
        body.clicks.iter().map(|c| format!("{} {} v{}", c.at, c.class, c.classifier)).collect();
    row.summary =
        format!("The link was opened: {} times, by people {}.", row.clicks.unwrap_or(0), human + people);
}

pub fn cart(row: &mut Row, body: &CartBody) {
    let cart = &body.cart;
    row.cart = cart.id.as_str().to_owned();
    row.cart_state = words::name(&cart.state);
    row.cart_value = cart.value.as_ref().map(words::money).unwrap_or_default();
    row.link_target.clone_from(&cart.checkout_url);
    row.order_id.clone_from(&cart.order_id);
    row.actor.clone_from(&body.actor);
    row.summary = format!("The shop reported the cart: {}.", row.cart_state);
}

pub fn link(row: &mut Row, body: &LinkBody) {
    row.link_code = body.link.code.to_string();
    row.link_target.clone_from(&body.link.target);
    row.message_id = body.link.message.map(|m| m.to_string()).unwrap_or_default();
    row.actor.clone_from(&body.actor);
    row.summary = "A short link was created.".to_owned();
}

pub fn coupon_pool(row: &mut Row, body: &CouponPoolBody) {
    row.coupon_pool = body.pool.id.to_string();
    row.note = format!("{} codes added", body.codes.len());
    row.actor.clone_from(&body.actor);
    row.summary = "A coupon pool was created or filled.".to_owned();
}

pub fn coupon(row: &mut Row, body: &CouponBody) {
    let coupon = &body.coupon;
    row.coupon.clone_from(&coupon.code);
    row.coupon_pool = coupon.pool.to_string();
    row.coupon_state = words::name(&coupon.state);
    row.coupon_expires_at = coupon.expires_at;
    row.message_id = coupon.message.map(|m| m.to_string()).unwrap_or_default();
    row.cart = coupon.cart.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default();
    match &coupon.state {
        CouponState::Redeemed { order_id, .. } => row.order_id.clone_from(order_id),
        CouponState::Voided { reason, .. } => row.note.clone_from(reason),
        CouponState::Free | CouponState::Reserved | CouponState::Issued => {}
    }
    row.actor.clone_from(&body.actor);
    row.summary = format!("The coupon is {} now.", row.coupon_state);
}
