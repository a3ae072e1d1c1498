//! Carts: what the shop reports of them, and how they end. What waits for a closed cart dies when it is decided again.

use std::sync::Arc;

use super::Problems;
use super::send::CartInput;
use crate::ledger::body::{Body, CartBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::keys;
use crate::model::cart::{Cart, CartState, Money};
use crate::model::registry::Brand;
use crate::model::{BrandId, CartId, Instant, MessageId, MessageState};
use crate::writer::cx::{Cx, Planned};
use crate::writer::op::{Op, OpError, Priority};

/// No cart is older than this (2000-01-01): what is, is a wrong unit.
const OLDEST: Instant = Instant::from_seconds(946_684_800);

/// A cart as a caller reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct CartReport {
    pub id: CartId,
    pub value: Option<Money>,
    /// `https`, or empty.
    pub checkout_url: String,
    pub abandoned_at: Instant,
    /// When the shop saw this; none: now.
    pub observed_at: Option<Instant>,
}

/// A cart as it will stand, and whether that differs from how it stands.
#[derive(Debug, Clone)]
pub struct CartChange {
    pub cart: Arc<Cart>,
    pub changed: bool,
}

/// Writes a cart: creates it, or replaces its facts. A closed cart and an older report change nothing.
#[derive(Debug, Clone)]
pub struct UpsertCart {
    pub brand: BrandId,
    pub cart: CartReport,
    pub actor: String,
}

impl Op for UpsertCart {
    type Answer = Arc<Cart>;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Arc<Cart>, OpError> {
        let brand = cx.known_brand(&self.brand)?;
        let mut problems = Problems::default();
        check_times(&mut problems, &self.cart, cx.now);
        if !self.cart.checkout_url.is_empty() {
            problems.target("cart.checkout_url", &self.cart.checkout_url, &brand);
        }
        problems.done()?;
        let known = cart_of(cx, &self.brand, &self.cart.id)?;
        let change = match known {
            Some(known) => replaced(known, &self.cart, cx.now),
            None => CartChange { cart: Arc::new(fresh(&self.brand, &self.cart, cx.now)), changed: true },
        };
        write(cx, change, &self.actor)
    }
}

/// The cart a send names, as it will stand. What a send does not say about a known cart is no news about it; a closed
/// cart stays closed, and the decision says so. Where the link leads is the decision's to judge, too. Reads and checks,
/// changes nothing.
pub fn named_by_send(cx: &mut Cx<'_>, brand: &Brand, input: &CartInput) -> Result<CartChange, OpError> {
    let report = CartReport {
        id: input.id.clone(),
        value: input.value.clone(),
        checkout_url: input.checkout_url.clone(),
        abandoned_at: input.abandoned_at.unwrap_or(cx.now),
        observed_at: None,
    };
    let mut problems = Problems::default();
    check_times(&mut problems, &report, cx.now);
    problems.done()?;
    let Some(known) = cart_of(cx, &brand.id, &input.id)? else {
        return Ok(CartChange { cart: Arc::new(fresh(&brand.id, &report, cx.now)), changed: true });
    };
    let url_said = !report.checkout_url.is_empty();
    let report = CartReport {
        value: report.value.or_else(|| known.value.clone()),
        checkout_url: if url_said { report.checkout_url } else { known.checkout_url.clone() },
        abandoned_at: input.abandoned_at.unwrap_or(known.abandoned_at),
        ..report
    };
    Ok(replaced(known, &report, cx.now))
}

/// Writes a change that was judged in this batch.
pub fn write(cx: &mut Cx<'_>, change: CartChange, actor: &str) -> Result<Arc<Cart>, OpError> {
    let cart = change.cart.clone();
    let Some(entry) = planned(cx, change, actor)? else { return Ok(cart) };
    cx.emit_planned(entry)?;
    cart_of(cx, &cart.brand, &cart.id)?.ok_or_else(|| OpError::Fatal("a cart was not folded".to_owned()))
}

/// The entry of a change; none where nothing changed.
pub fn planned(cx: &Cx<'_>, change: CartChange, actor: &str) -> Result<Option<Planned>, OpError> {
    if !change.changed {
        return Ok(None);
    }
    let brand = change.cart.brand.clone();
    // The fold keeps the lists itself: an entry says what the shop said.
    let cart = Cart {
        subjects: Vec::new(),
        waiting: Vec::new(),
        sends: Vec::new(),
        ..Arc::unwrap_or_clone(change.cart)
    };
    let public = Public { outcome: name(cart.state).to_owned(), ..Public::default() };
    let body = CartBody { cart, operation: None, actor: actor.to_owned() };
    cx.plan(SELLER_CHAIN, Some(&brand), public, Body::Cart(body)).map(Some)
}

/// A cart's row.
pub fn cart_of(cx: &mut Cx<'_>, brand: &BrandId, id: &CartId) -> Result<Option<Arc<Cart>>, OpError> {
    cx.get::<Cart>(&keys::cart(brand, id))
}

fn check_times(problems: &mut Problems, report: &CartReport, now: Instant) {
    problems.not_ahead("cart.abandoned_at", report.abandoned_at, now);
    problems.demand(report.abandoned_at >= OLDEST, "cart.abandoned_at", "must not lie before 2000");
    if let Some(at) = report.observed_at {
        problems.not_ahead("observed_at", at, now);
    }
}

fn fresh(brand: &BrandId, report: &CartReport, now: Instant) -> Cart {
    Cart {
        id: report.id.clone(),
        brand: brand.clone(),
        state: CartState::Open,
        value: report.value.clone(),
        checkout_url: report.checkout_url.clone(),
        abandoned_at: report.abandoned_at,
        updated_at: now,
        order_id: String::new(),
        observed_at: report.observed_at.unwrap_or(now),
        closed_at: None,
        subjects: Vec::new(),
        waiting: Vec::new(),
        sends: Vec::new(),
    }
}

/// The report on top of what is known. A repeat without a time of its own writes nothing.
fn replaced(known: Arc<Cart>, report: &CartReport, now: Instant) -> CartChange {
    let observed_at = report.observed_at.unwrap_or(now);
    if known.state != CartState::Open || observed_at < known.observed_at {
        return CartChange { cart: known, changed: false };
    }
    let facts = Cart {
        value: report.value.clone(),
        checkout_url: report.checkout_url.clone(),
        abandoned_at: known.abandoned_at.max(report.abandoned_at),
        ..(*known).clone()
    };
    let moved_on = report.observed_at.is_some_and(|at| at > known.observed_at);
    if facts == *known && !moved_on {
        return CartChange { cart: known, changed: false };
    }
    CartChange { cart: Arc::new(Cart { observed_at, updated_at: now, ..facts }), changed: true }
}

/// Closes a cart. Writes nothing but the cart: what waits for it dies at its second decision.
#[derive(Debug, Clone)]
pub struct CloseCart {
    pub brand: BrandId,
    pub id: CartId,
    /// Anything but open.
    pub state: CartState,
    /// The order that closed it, or empty.
    pub order_id: String,
    /// When it happened; none: now.
    pub closed_at: Option<Instant>,
    pub actor: String,
}

/// What closing did.
#[derive(Debug, Clone)]
pub struct ClosedCart {
    /// As the first closing left it.
    pub cart: Arc<Cart>,
    /// Messages that wait for it and will die.
    pub cancelled: Vec<MessageId>,
    /// Messages with a provider, or on their way there: nobody can call them back.
    pub in_flight: Vec<MessageId>,
}

impl Op for CloseCart {
    type Answer = ClosedCart;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<ClosedCart, OpError> {
        cx.known_brand(&self.brand)?;
        let at = self.closed_at.unwrap_or(cx.now);
        let mut problems = Problems::default();
        problems.demand(self.state != CartState::Open, "state", "must be PURCHASED, EMPTIED or EXPIRED");
        problems.not_ahead("closed_at", at, cx.now);
        problems.demand(at >= OLDEST, "closed_at", "must not lie before 2000");
        problems.done()?;
        let known = cart_of(cx, &self.brand, &self.id)?;
        let cart = match known {
            Some(known) if known.state != CartState::Open => known,
            known => write(cx, self.closing(known, at, cx.now), &self.actor)?,
        };
        let flying = |state| matches!(state, MessageState::Sending | MessageState::Sent);
        let in_flight = cart.sends.iter().filter(|s| flying(s.state)).map(|s| s.message).collect();
        Ok(ClosedCart { cancelled: cart.waiting.clone(), in_flight, cart })
    }
}

impl CloseCart {
    /// An order may overtake its cart: a cart nobody told us of is written as closed, and stays so.
    fn closing(&self, known: Option<Arc<Cart>>, at: Instant, now: Instant) -> CartChange {
        let base = known.map(Arc::unwrap_or_clone).unwrap_or_else(|| Cart {
            observed_at: at,
            ..fresh(&self.brand, &unseen(self.id.clone(), at), now)
        });
        let cart = Cart {
            state: self.state,
            order_id: self.order_id.clone(),
            closed_at: Some(at),
            updated_at: now,
            ..base
        };
        CartChange { cart: Arc::new(cart), changed: true }
    }
}

fn unseen(id: CartId, at: Instant) -> CartReport {
    CartReport { id, value: None, checkout_url: String::new(), abandoned_at: at, observed_at: Some(at) }
}

fn name(state: CartState) -> &'static str {
    match state {
        CartState::Open => "OPEN",
        CartState::Purchased => "PURCHASED",
        CartState::Emptied => "EMPTIED",
        CartState::Expired => "EXPIRED",
    }
}

#[cfg(test)]
mod tests;
