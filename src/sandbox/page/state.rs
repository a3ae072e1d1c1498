//! Everything the page shows, in one answer; afterwards the feed tells what changes.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Page;
use crate::model::Instant;
use crate::sandbox::carrier::book::Phone;
use crate::sandbox::carrier::record::Record;
use crate::sandbox::gateway::{Cart, Decision, Standing};

/// Texts shown per phone.
const THREAD_MAX: usize = 60;
/// Decisions and carts shown.
const LATEST_MAX: usize = 40;

/// The whole page as data.
#[derive(Serialize)]
pub struct Shown {
    shop: String,
    now: Instant,
    phones: Vec<PhoneShown>,
    decisions: Vec<Decision>,
    carts: Vec<Cart>,
}

#[derive(Serialize)]
struct PhoneShown {
    #[serde(flatten)]
    phone: Phone,
    standing: Standing,
    thread: Vec<Record>,
}

/// `GET /sandbox/state`
pub async fn show(State(page): State<Page>) -> Json<Shown> {
    let mut phones = Vec::new();
    for phone in page.carrier().phones() {
        let standing = page.gateway().standing(phone.number.as_str()).await;
        let thread = page.carrier().thread(phone.number.as_str(), THREAD_MAX);
        phones.push(PhoneShown { phone, standing, thread });
    }
    Json(Shown {
        shop: page.gateway().shop(),
        now: page.gateway().now(),
        phones,
        decisions: page.gateway().decisions(LATEST_MAX).await,
        carts: page.gateway().carts(LATEST_MAX).await,
    })
}
