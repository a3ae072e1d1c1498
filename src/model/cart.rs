//! Carts, links and coupons: what a message is about and what it carries.

use serde::{Deserialize, Serialize};

use super::consent::Channel;
pub use super::facts::{CartSend, CartState};
use super::ids::{BrandId, CartId, LinkCode, MessageId, PoolId, SubjectId};
use super::instant::{Instant, Span};

/// An amount as `google.type.Money` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// ISO 4217.
    pub currency: String,
    pub units: i64,
    /// −999,999,999 … 999,999,999, same sign as `units`.
    pub nanos: i32,
}

/// A cart as the shop last reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    pub id: CartId,
    pub brand: BrandId,
    pub state: CartState,
    pub value: Option<Money>,
    pub checkout_url: String,
    /// When it was abandoned; a later report of the same cart may move it on, never back.
    pub abandoned_at: Instant,
    pub updated_at: Instant,
    pub order_id: String,
    /// When the shop saw it as it stands here; an older report changes nothing.
    #[serde(default)]
    pub observed_at: Instant,
    #[serde(default)]
    pub closed_at: Option<Instant>,
    /// People who got or wait for a message about it, at most 8. Kept by the fold.
    #[serde(default)]
    pub subjects: Vec<SubjectId>,
    /// Messages that still wait for it, at most 16. Kept by the fold.
    #[serde(default)]
    pub waiting: Vec<MessageId>,
    /// Messages about it that left or are leaving, oldest first, at most 32. Kept by the fold.
    #[serde(default)]
    pub sends: Vec<CartSend>,
}

impl Cart {
    /// Texts about it that were handed to a carrier, or may have been.
    pub fn texts(&self) -> impl Iterator<Item = &CartSend> {
        self.sends.iter().filter(|s| s.channel == Channel::Sms && s.state.reached_out())
    }
}

/// A short link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub code: LinkCode,
    pub brand: BrandId,
    pub target: String,
    pub created_at: Instant,
    pub expires_at: Instant,
    pub message: Option<MessageId>,
    pub subject: Option<SubjectId>,
    /// Set on links that lead to the opt-out page instead of a target.
    pub opt_out: bool,
    pub human_clicks: u64,
    pub raw_clicks: u64,
    pub first_human_at: Option<Instant>,
    /// Clicks chained one by one so far; beyond 20 they are only counted.
    pub chained: u32,
}

/// How a click was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Click {
    pub at: Instant,
    pub human: bool,
    /// Why: `human`, `head`, `prefetch`, `preview`, `scanner`, `other`.
    pub class: String,
    /// Version of the classifier that said so.
    pub classifier: u32,
    pub user_agent: String,
}

/// Where the codes of a pool come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolSource {
    /// `prefix` + keyed hash of the message: no row to fight over.
    Generated { prefix: String },
    /// The shop's own codes.
    Imported,
}

/// What STOP does to unredeemed coupons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnOptOut {
    Keep,
    Void,
}

/// A pool of coupon codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CouponPool {
    pub id: PoolId,
    pub brand: BrandId,
    pub source: PoolSource,
    /// The only channel a code may be redeemed through, until `exclusive_until` (none: always).
    pub exclusive_channel: Option<Channel>,
    pub exclusive_until: Option<Instant>,
    /// How long a code is good, from dispatch.
    pub valid_for: Span,
    pub on_opt_out: OnOptOut,
    /// Warn when fewer free codes are left.
    pub low_water: u64,
    pub imported: u64,
    pub free: u64,
    pub reserved: u64,
    pub issued: u64,
    pub redeemed: u64,
    pub voided: u64,
    /// Next free slot to take and next to fill: free codes are rows `(pool, slot)`.
    pub head: u64,
    pub tail: u64,
}

impl CouponPool {
    /// Whether the level it has just fallen to is worth a warning: the first below `low_water`, then each tenth of it,
    /// and zero. So an emptying shelf is announced and nobody is flooded. Generated pools never run low.
    pub fn warns(&self) -> bool {
        let step = (self.low_water / 10).max(1);
        self.source == PoolSource::Imported
            && self.free < self.low_water
            && (self.free + 1 == self.low_water || self.free.is_multiple_of(step))
    }
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CouponState {
    Free,
    /// Promised to a message that has not left.
    Reserved,
    /// On its way to or with the person.
    Issued,
    Redeemed {
        order_id: String,
        at: Instant,
    },
    Voided {
        at: Instant,
        reason: String,
    },
}

/// One code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coupon {
    pub code: String,
    pub pool: PoolId,
    pub brand: BrandId,
    pub state: CouponState,
    pub message: Option<MessageId>,
    pub subject: Option<SubjectId>,
    pub cart: Option<CartId>,
    pub reserved_at: Option<Instant>,
    /// When its message left.
    #[serde(default)]
    pub issued_at: Option<Instant>,
    /// First instant at which it is worthless.
    #[serde(default)]
    pub expires_at: Option<Instant>,
    /// Its place among the free codes of an imported pool, while it is free.
    #[serde(default)]
    pub slot: Option<u64>,
}

impl Coupon {
    /// Whether it is with its person and its time has run out.
    pub fn expired_at(&self, at: Instant) -> bool {
        self.state == CouponState::Issued && self.expires_at.is_some_and(|end| at >= end)
    }
}
