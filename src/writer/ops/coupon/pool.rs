//! Pools: made, filled, and asked which code a message would get.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::ledger::body::{Body, CouponPoolBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{FreeCode, keys};
use crate::model::cart::{Coupon, CouponPool, CouponState, OnOptOut, PoolSource};
use crate::model::facts::CouponFacts;
use crate::model::outgoing::{MessageCoupon, MessageSpec};
use crate::model::{BrandId, Channel, Instant, MessageId, PoolId, Span};
use crate::telemetry::metrics;
use crate::writer::cx::Cx;
use crate::writer::op::{Op, OpError, Priority};
use crate::writer::ops::Problems;

/// Codes of one [`ImportCouponCodes`].
pub const CODES_A_BATCH: usize = 1_000;
/// Characters of a code.
pub const CODE_CHARACTERS_MAX: usize = 64;
/// Warn below this many free codes when nobody says.
pub const LOW_WATER: u64 = 100;
const LOW_WATER_MAX: u64 = 1_000_000;
const PREFIX_CHARACTERS_MAX: usize = 12;
/// Two generated codes are the same once in 10^15 pairs; four such accidents in a row do not happen.
const GENERATE_TRIES: u8 = 4;

/// Makes a pool.
#[derive(Debug, Clone)]
pub struct CreateCouponPool {
    pub brand: BrandId,
    pub pool: PoolId,
    pub source: PoolSource,
    pub exclusive_channel: Option<Channel>,
    /// None: for good.
    pub exclusive_until: Option<Instant>,
    /// From dispatch; 1 minute to 400 days.
    pub valid_for: Span,
    pub on_opt_out: OnOptOut,
    /// Warn when fewer codes are free; 0: 100.
    pub low_water: u64,
    pub actor: String,
}

impl Op for CreateCouponPool {
    type Answer = Arc<CouponPool>;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Arc<CouponPool>, OpError> {
        cx.known_brand(&self.brand)?;
        self.problems().done()?;
        if pool_of(cx, &self.brand, &self.pool)?.is_some() {
            return Err(OpError::Exists { what: "coupon pool", id: self.pool.to_string() });
        }
        let pool = CouponPool {
            id: self.pool,
            brand: self.brand,
            source: self.source,
            exclusive_channel: self.exclusive_channel,
            exclusive_until: self.exclusive_until,
            valid_for: self.valid_for,
            on_opt_out: self.on_opt_out,
            low_water: if self.low_water == 0 { LOW_WATER } else { self.low_water },
            imported: 0,
            free: 0,
            reserved: 0,
            issued: 0,
            redeemed: 0,
            voided: 0,
            head: 0,
            tail: 0,
        };
        write(cx, pool, Vec::new(), &self.actor)
    }
}

impl CreateCouponPool {
    fn problems(&self) -> Problems {
        let mut problems = Problems::default();
        if let PoolSource::Generated { prefix } = &self.source {
            let fine = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
            let good = prefix.len() <= PREFIX_CHARACTERS_MAX && prefix.bytes().all(fine);
            problems.demand(good, "coupon_pool.prefix", "must be at most 12 characters of A-Z 0-9 -");
        }
        let known = self.exclusive_until.is_none() || self.exclusive_channel.is_some();
        problems.demand(known, "coupon_pool.exclusive_until", "needs exclusive_channel");
        let bounded = (Span::minutes(1)..=Span::days(400)).contains(&self.valid_for);
        problems.demand(bounded, "coupon_pool.valid_for", "must be 1 minute to 400 days");
        let low = self.low_water <= LOW_WATER_MAX;
        problems.demand(low, "coupon_pool.low_level", "must be at most 1,000,000");
        problems
    }
}

fn write(
    cx: &mut Cx<'_>,
    pool: CouponPool,
    codes: Vec<String>,
    actor: &str,
) -> Result<Arc<CouponPool>, OpError> {
    let (brand, id) = (pool.brand.clone(), pool.id.clone());
    let body = CouponPoolBody { pool, codes, actor: actor.to_owned() };
    cx.emit(SELLER_CHAIN, Some(&brand), Public::default(), Body::CouponPool(body))?;
    known_pool(cx, &brand, &id)
}

/// A pool's row.
pub fn pool_of(cx: &mut Cx<'_>, brand: &BrandId, pool: &PoolId) -> Result<Option<Arc<CouponPool>>, OpError> {
    cx.get::<CouponPool>(&keys::pool(brand, pool))
}

fn known_pool(cx: &mut Cx<'_>, brand: &BrandId, pool: &PoolId) -> Result<Arc<CouponPool>, OpError> {
    pool_of(cx, brand, pool)?.ok_or_else(|| OpError::NotFound { what: "coupon pool", id: pool.to_string() })
}

/// Adds the shop's own codes to an imported pool, at most [`CODES_A_BATCH`] at once. Repeating is harmless.
#[derive(Debug, Clone)]
pub struct ImportCouponCodes {
    pub brand: BrandId,
    pub pool: PoolId,
    pub codes: Vec<String>,
    pub actor: String,
}

/// What became of the codes.
#[derive(Debug, Clone)]
pub struct Imported {
    pub added: u64,
    /// Rows that were left out, by their index, and why: the code is in this pool already, stands there twice, or belongs
    /// to another pool of the brand.
    pub skipped: Vec<(usize, Skipped)>,
    pub pool: Arc<CouponPool>,
}

/// Why a code was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// In the pool already, or twice in the request.
    Duplicate,
    /// In another pool of the brand: a code must mean one thing at checkout.
    OtherPool,
}

impl Op for ImportCouponCodes {
    type Answer = Imported;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Imported, OpError> {
        let pool = known_pool(cx, &self.brand, &self.pool)?;
        if pool.source != PoolSource::Imported {
            return Err(OpError::Precondition(format!(
                "coupon pool {} makes its own codes; only a pool with source IMPORTED takes some",
                pool.id
            )));
        }
        check_codes(&self.codes)?;
        let mut seen = std::collections::BTreeSet::new();
        let (mut fresh, mut skipped) = (Vec::new(), Vec::new());
        for (row, code) in self.codes.into_iter().enumerate() {
            let known = cx.get::<Coupon>(&keys::coupon(&self.brand, &code))?;
            match known {
                Some(known) if known.pool != pool.id => skipped.push((row, Skipped::OtherPool)),
                None if seen.insert(code.to_uppercase()) => fresh.push(code),
                _ => skipped.push((row, Skipped::Duplicate)),
            }
        }
        if fresh.is_empty() {
            return Ok(Imported { added: 0, skipped, pool });
        }
        let added = fresh.len() as u64;
        let pool = write(cx, (*pool).clone(), fresh, &self.actor)?;
        metrics::coupon_pool_remaining(&pool.id, pool.free);
        Ok(Imported { added, skipped, pool })
    }
}

fn check_codes(codes: &[String]) -> Result<(), OpError> {
    let mut problems = Problems::default();
    let counted = (1..=CODES_A_BATCH).contains(&codes.len());
    problems.demand(counted, "codes", "must be 1 to 1,000 a batch");
    for (row, code) in codes.iter().enumerate() {
        let good =
            (1..=CODE_CHARACTERS_MAX).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
        if !good {
            problems
                .add(format!("codes[{row}]"), "must be 1 to 64 printable ASCII characters without spaces");
        }
    }
    problems.done()
}

/// The code a message would be promised, judged before its decision and reserved by it.
#[derive(Debug, Clone)]
pub struct CouponChoice {
    pub pool: PoolId,
    /// None: there is no such pool.
    pub found: Option<Arc<CouponPool>>,
    /// None: no pool, or it is empty.
    pub code: Option<String>,
}

impl CouponChoice {
    /// What the message carries when it is admitted.
    pub fn promise(&self) -> MessageCoupon {
        MessageCoupon { pool: self.pool.clone(), code: self.code.clone() }
    }
}

/// The code that a message with this id would get now. Changes nothing: the message's decision reserves it, in the same
/// operation. Codes promised earlier in the batch are no longer offered.
pub fn next_code(
    cx: &mut Cx<'_>,
    brand: &BrandId,
    pool: &PoolId,
    message: &MessageId,
) -> Result<CouponChoice, OpError> {
    let found = pool_of(cx, brand, pool)?;
    let code = match found.as_deref() {
        None => None,
        Some(CouponPool { source: PoolSource::Generated { prefix }, .. }) => {
            generate(cx, brand, pool, prefix, message)?
        }
        Some(imported) => first_free(cx, imported)?,
    };
    Ok(CouponChoice { pool: pool.clone(), found, code })
}

fn generate(
    cx: &mut Cx<'_>,
    brand: &BrandId,
    pool: &PoolId,
    prefix: &str,
    message: &MessageId,
) -> Result<Option<String>, OpError> {
    let mut id = *message;
    for _ in 0..GENERATE_TRIES {
        let code = cx.env.generated_code(pool, prefix, &id);
        if cx.get::<Coupon>(&keys::coupon(brand, &code))?.is_none() {
            return Ok(Some(code));
        }
        let hash = Sha256::new().chain_update(b"consentry/coupon/again").chain_update(id.0).finalize();
        id.0.copy_from_slice(&hash[..16]);
    }
    Ok(None)
}

/// The front of the free codes. A code voided while it was free has left a hole, which is stepped over.
fn first_free(cx: &mut Cx<'_>, pool: &CouponPool) -> Result<Option<String>, OpError> {
    if pool.free == 0 {
        return Ok(None);
    }
    let front = keys::free_code(&pool.brand, &pool.id, pool.head);
    if let Some(free) = cx.get::<FreeCode>(&front)? {
        return Ok(Some(free.code.clone()));
    }
    let prefix = &front[..front.len() - 8];
    let mut next = cx.state.scan::<FreeCode>(prefix, Some(&front), 1)?;
    if next.is_empty() {
        // Folded anew without the entries of somebody who was erased, a code they held and gave back stands where it
        // stood before they had it, which is behind the front.
        next = cx.state.scan::<FreeCode>(prefix, None, 1)?;
    }
    Ok(next.first().map(|(_, free)| free.code.clone()))
}

/// What a decision may know of the coupon in a message; none when it carries none. Before the message is accepted nothing
/// is reserved yet, and a code that was voided meanwhile no longer is.
pub fn facts(cx: &mut Cx<'_>, spec: &MessageSpec) -> Result<Option<CouponFacts>, OpError> {
    let Some(promise) = &spec.coupon else { return Ok(None) };
    let reserved = match &promise.code {
        None => false,
        Some(code) => cx
            .get::<Coupon>(&keys::coupon(&spec.brand, code))?
            .is_some_and(|c| c.state == CouponState::Reserved && c.message == Some(spec.id)),
    };
    let pool = pool_of(cx, &spec.brand, &promise.pool)?;
    Ok(Some(CouponFacts {
        pool: promise.pool.clone(),
        exists: pool.is_some(),
        remaining: pool.as_ref().filter(|p| p.source == PoolSource::Imported).map(|p| p.free),
        reserved,
        exclusive_channel: pool.as_ref().and_then(|p| p.exclusive_channel),
        exclusive_until: pool.as_ref().and_then(|p| p.exclusive_until),
    }))
}

/// First instant at which a coupon that leaves at `dispatch` is worthless; none without one.
pub fn expires_at(
    cx: &mut Cx<'_>,
    brand: &BrandId,
    promise: Option<&MessageCoupon>,
    dispatch: Instant,
) -> Result<Option<Instant>, OpError> {
    let Some(promise) = promise.filter(|p| p.code.is_some()) else { return Ok(None) };
    Ok(pool_of(cx, brand, &promise.pool)?.map(|pool| dispatch + pool.valid_for))
}

/// Tells the operators how many codes are left now that this one was promised, and warns when they run low.
pub fn report_level(cx: &mut Cx<'_>, brand: &BrandId, promise: &MessageCoupon) -> Result<(), OpError> {
    let Some(pool) = pool_of(cx, brand, &promise.pool)? else { return Ok(()) };
    if pool.source == PoolSource::Imported {
        metrics::coupon_pool_remaining(&pool.id, pool.free);
    }
    if promise.code.is_some() && pool.warns() {
        metrics::coupon_pool_low(&pool.id);
        tracing::warn!(pool = %pool.id, free = pool.free, "a coupon pool runs low: import codes");
    }
    Ok(())
}
