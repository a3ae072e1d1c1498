//! A cart that was bought, emptied or given up needs no reminder. Read again at dispatch, under the commit.

use super::case::Case;
use super::findings::{Findings, Ground};
use crate::model::Code;
use crate::model::facts::CartState;

const GROUND: Ground<'_> =
    Ground { id: "core/cart_state", citation: "design: the cart is asked again at the moment of sending" };

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    let what = match case.facts.cart.as_ref().map(|cart| cart.state) {
        Some(CartState::Purchased) => "the cart was bought",
        Some(CartState::Emptied) => "the cart was emptied",
        Some(CartState::Expired) => "the shop gave the cart up",
        Some(CartState::Open) | None => return,
    };
    findings.refuse(GROUND, Code::CartClosed, what);
}
