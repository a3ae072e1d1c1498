//! What the page asks of the gateway behind it. The sandbox command implements it over the real one.

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::model::Instant;
use crate::model::verdict::Verdict;
use crate::telemetry::Redacted;

/// Why something the page asked for did not happen, as a sentence for its reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub String);

/// When a decision was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// When the message was taken on.
    Acceptance,
    /// Right before it was to leave.
    Dispatch,
}

/// One decision, as the panel shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// Names the decision; two with the same id are one.
    pub id: String,
    /// Acceptance or dispatch.
    pub stage: Stage,
    /// The phone it is about, E.164.
    pub phone: Redacted<String>,
    /// The message it is about.
    pub message_id: String,
    /// What the message is, as in "Cart reminder" or "Opt-out confirmation".
    pub title: String,
    /// The text as it would leave; empty when nothing was rendered.
    pub body: Redacted<String>,
    /// Outcome and every reason.
    pub verdict: Verdict,
}

/// A cart of the shop.
#[derive(Debug, Clone, Serialize)]
pub struct Cart {
    /// The shop's id.
    pub id: String,
    /// The phone of its owner, E.164.
    pub phone: Redacted<String>,
    /// What lies in it.
    pub item: String,
    /// What it costs, in cents of US dollars.
    pub cents: u32,
    /// `ACTIVE`, `PURCHASED`, `EMPTIED` or `EXPIRED`.
    pub state: String,
    /// When it was left behind.
    pub abandoned_at: Instant,
    /// The coupon redeemed for it.
    pub redeemed: Option<String>,
    /// How often people opened the links of its reminders.
    pub clicks: u64,
}

/// Whether a phone's owner may be texted, in the words of the newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A grant is in force.
    OptedIn,
    /// Asked to confirm, not confirmed yet.
    Pending,
    /// Opted out.
    OptedOut,
    /// Never asked.
    Unknown,
}

/// What the page is told as it happens.
#[derive(Debug, Clone)]
pub enum News {
    /// A decision was taken.
    Decision(Box<Decision>),
    /// A cart is new or changed.
    Cart(Cart),
    /// A phone's standing changed.
    Standing(Redacted<String>, Standing),
}

/// The gateway as the page needs it: decisions, clock and shop.
pub trait Gateway: Send + Sync + 'static {
    /// The shop's name, as its customers know it.
    fn shop(&self) -> String;
    /// The sandbox's present instant.
    fn now(&self) -> Instant;
    /// Moves the clock on. Declined when `at` lies behind: the ledger never goes back.
    fn jump_to(&self, at: Instant) -> Result<(), Declined>;
    /// The latest decisions, newest first.
    fn decisions(&self, limit: usize) -> BoxFuture<'_, Vec<Decision>>;
    /// The latest carts, newest first.
    fn carts(&self, limit: usize) -> BoxFuture<'_, Vec<Cart>>;
    /// Whether a phone's owner may be texted.
    fn standing<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Standing>;
    /// Everything new from now on.
    fn watch(&self) -> broadcast::Receiver<News>;
    /// The phone's owner ticks the box at checkout.
    fn opt_in<'a>(&'a self, phone: &'a str) -> BoxFuture<'a, Result<Standing, Declined>>;
    /// The phone's owner leaves a cart behind.
    fn abandon_cart<'a>(
        &'a self,
        phone: &'a str,
        item: &'a str,
        cents: u32,
    ) -> BoxFuture<'a, Result<Cart, Declined>>;
    /// The shop asks for a reminder about a cart; the decision may well be "no".
    fn remind<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Decision, Declined>>;
    /// The cart as it stands.
    fn cart<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Option<Cart>>;
    /// A coupon is entered at the cart's checkout. Declined says why it does not count.
    fn redeem<'a>(&'a self, cart: &'a str, code: &'a str) -> BoxFuture<'a, Result<Cart, Declined>>;
    /// The cart is bought.
    fn purchase<'a>(&'a self, cart: &'a str) -> BoxFuture<'a, Result<Cart, Declined>>;
}
