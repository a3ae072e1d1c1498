//! The shop's checkout, where a reminder's link leads: one cart, a field for the coupon, a button to buy.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::Page;
use crate::sandbox::gateway::{Cart, Declined};

/// Which cart.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    cart: String,
}

/// What the shopper does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    cart: String,
    #[serde(default)]
    code: String,
    action: Action,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Action {
    Redeem,
    Buy,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Checkout</title>
<link rel="stylesheet" href="/sandbox/page.css">
</head>
<body class="checkout">
<main>
<p class="shop-name">{{ shop }}</p>
{% match cart %}
{% when Some with (cart) %}
<h1>Your cart</h1>
<dl class="bill">
<div><dt>{{ cart.item }}</dt><dd>{{ self.dollars(cart.cents.clone()) }}</dd></div>
{% if let Some(code) = cart.redeemed %}<div class="saved"><dt>Coupon {{ code }}</dt><dd>applied</dd></div>{% endif %}
</dl>
{% if !problem.is_empty() %}<p class="problem" role="alert">{{ problem }}</p>{% endif %}
{% if cart.state == "PURCHASED" %}
<p class="done" role="status">Thank you, your order is placed.</p>
{% else %}
<form method="post" action="/shop/checkout">
<input type="hidden" name="cart" value="{{ cart.id }}">
{% if cart.redeemed.is_none() %}
<label for="code">Coupon</label>
<div class="row"><input id="code" name="code" value="{{ code }}" autocomplete="off" autocapitalize="characters" maxlength="64">
<button name="action" value="redeem">Apply</button></div>
{% endif %}
<button class="primary" name="action" value="buy">Place order</button>
</form>
{% endif %}
{% when None %}
<h1>No such cart</h1>
<p>It may have been emptied since.</p>
{% endmatch %}
</main>
</body>
</html>"#
)]
struct Shown {
    shop: String,
    cart: Option<Cart>,
    code: String,
    problem: String,
}

impl Shown {
    fn dollars(&self, cents: u32) -> String {
        format!("${}.{:02}", cents / 100, cents % 100)
    }
}

/// `GET /shop/checkout?cart=…`
pub async fn show(State(page): State<Page>, Query(which): Query<Which>) -> Response {
    let cart = page.gateway().cart(&which.cart).await;
    render(Shown { shop: page.gateway().shop(), cart, code: String::new(), problem: String::new() })
}

/// `POST /shop/checkout`: redeems or buys, then shows the cart as it stands.
pub async fn act(State(page): State<Page>, Form(act): Form<Act>) -> Response {
    let gateway = page.gateway();
    let done = match act.action {
        Action::Redeem => gateway.redeem(&act.cart, act.code.trim()).await,
        Action::Buy => gateway.purchase(&act.cart).await,
    };
    let shop = gateway.shop();
    match done {
        Ok(cart) => render(Shown { shop, cart: Some(cart), code: String::new(), problem: String::new() }),
        Err(Declined(problem)) => {
            let cart = gateway.cart(&act.cart).await;
            render(Shown { shop, cart, code: act.code, problem })
        }
    }
}

fn render(shown: Shown) -> Response {
    let status = if shown.cart.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    match shown.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
