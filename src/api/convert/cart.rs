//! Carts: as a caller reports them, as a row has them.

use crate::api::convert::{maybe_timestamp, names, timestamp};
use crate::api::field::{Fields, TimeRule};
use crate::model::cart::{Cart, Money};
use crate::pb::consentry::v1 as wire;
use crate::pb::google::type_ as google;
use crate::writer::ops::cart::CartReport;

/// Reads a cart as a caller reports it.
pub fn report(f: &mut Fields, cart: wire::Cart) -> Option<CartReport> {
    let id = f.id("id", &cart.id);
    let value = f.money("value", cart.value);
    let checkout = f.link("checkout_url", cart.checkout_url);
    let abandoned_at = f.required_time("abandoned_at", cart.abandoned_at, TimeRule::Happened);
    Some(CartReport {
        id: id?,
        value: value?,
        checkout_url: checkout?.map(|link| link.url).unwrap_or_default(),
        abandoned_at: abandoned_at?,
        observed_at: None,
    })
}

/// A cart on the wire.
pub fn cart(cart: &Cart) -> wire::Cart {
    wire::Cart {
        id: cart.id.to_string(),
        value: cart.value.as_ref().map(money),
        checkout_url: cart.checkout_url.clone(),
        abandoned_at: Some(timestamp(cart.abandoned_at)),
        brand: cart.brand.to_string(),
        state: names::cart_state(cart.state).into(),
        order_id: cart.order_id.clone(),
        waiting_messages: cart.waiting.iter().map(ToString::to_string).collect(),
        updated_at: Some(timestamp(cart.updated_at)),
        closed_at: maybe_timestamp(cart.closed_at),
        texts_sent: cart.texts().count() as u32,
        last_text_at: maybe_timestamp(cart.texts().map(|send| send.at).max()),
    }
}

fn money(money: &Money) -> google::Money {
    google::Money { currency_code: money.currency.clone(), units: money.units, nanos: money.nanos }
}
