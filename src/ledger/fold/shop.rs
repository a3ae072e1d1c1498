//! What entries do to carts, links, clicks, coupon pools and coupons.

use super::person::put_operation;
use super::{FoldError, held, missing};
use crate::ledger::body::{CartBody, ClickBody, CouponBody, CouponPoolBody, LinkBody, SpentCoupon};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{FreeCode, keys};
use crate::ledger::state::State;
use crate::model::cart::{Cart, CartSend, Coupon, CouponPool, CouponState, Link, PoolSource};
use crate::model::outgoing::MessageSpec;
use crate::model::{BrandId, CartId, Instant, MessageId, MessageState, PoolId, SubjectId};

/// Messages of one cart that are remembered as waiting; more wait all the same, unlisted.
const WAITING_MAX: usize = 16;
/// Messages of one cart that left and are remembered.
const SENDS_MAX: usize = 32;
/// People of one cart that are remembered.
const PEOPLE_MAX: usize = 8;

pub(super) fn cart(state: &mut State<'_>, entry: &Entry, body: &CartBody) -> Result<(), FoldError> {
    let key = keys::cart(&body.cart.brand, &body.cart.id);
    let mut cart = body.cart.clone();
    if let Some(known) = state.get::<Cart>(&key)? {
        cart.subjects = known.subjects.clone();
        cart.waiting = known.waiting.clone();
        cart.sends = known.sends.clone();
    }
    state.put(key, cart);
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

fn cart_of(state: &mut State<'_>, spec: &MessageSpec) -> Result<Option<Cart>, FoldError> {
    let Some(id) = &spec.cart else { return Ok(None) };
    Ok(state.get::<Cart>(&keys::cart(&spec.brand, id))?.map(|c| (*c).clone()))
}

pub(super) fn cart_waits(state: &mut State<'_>, entry: &Entry, spec: &MessageSpec) -> Result<(), FoldError> {
    let Some(id) = &spec.cart else { return Ok(()) };
    let waits = state.change(&keys::cart(&spec.brand, id), |cart: &mut Cart| {
        if cart.waiting.len() < WAITING_MAX && !cart.waiting.contains(&spec.id) {
            cart.waiting.push(spec.id);
        }
        if cart.subjects.len() < PEOPLE_MAX && !cart.subjects.contains(&spec.subject) {
            cart.subjects.push(spec.subject);
        }
    })?;
    waits.ok_or_else(|| missing(entry, "its cart"))
}

pub(super) fn cart_no_longer_waits(state: &mut State<'_>, spec: &MessageSpec) -> Result<(), FoldError> {
    if let Some(mut cart) = cart_of(state, spec)? {
        cart.waiting.retain(|m| *m != spec.id);
        state.put(keys::cart(&cart.brand, &cart.id), cart);
    }
    Ok(())
}

/// A message about the cart leaves: it counts for the cart's cap, whoever it goes to.
pub(super) fn cart_leaves(state: &mut State<'_>, spec: &MessageSpec, at: Instant) -> Result<(), FoldError> {
    if let Some(mut cart) = cart_of(state, spec)? {
        cart.waiting.retain(|m| *m != spec.id);
        if cart.sends.len() >= SENDS_MAX {
            // What never reached anybody counts for nothing; otherwise the oldest goes.
            let place = cart.sends.iter().position(|s| !s.state.reached_out()).unwrap_or(0);
            cart.sends.remove(place);
        }
        let send = CartSend { message: spec.id, at, channel: spec.channel, state: MessageState::Sending };
        cart.sends.push(send);
        state.put(keys::cart(&cart.brand, &cart.id), cart);
    }
    Ok(())
}

/// Word of what became of a message about the cart.
pub(super) fn cart_learns(
    state: &mut State<'_>,
    spec: &MessageSpec,
    to: MessageState,
) -> Result<(), FoldError> {
    let Some(mut cart) = cart_of(state, spec)? else { return Ok(()) };
    if to.is_waiting() {
        cart.sends.retain(|s| s.message != spec.id);
    }
    for send in cart.sends.iter_mut().filter(|s| s.message == spec.id) {
        send.state = to;
    }
    state.put(keys::cart(&cart.brand, &cart.id), cart);
    Ok(())
}

pub(super) fn link(state: &mut State<'_>, entry: &Entry, body: &LinkBody) -> Result<(), FoldError> {
    state.put(keys::link(&body.link.code), body.link.clone());
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

pub(super) fn link_of_message(state: &mut State<'_>, spec: &MessageSpec, at: Instant) {
    if let Some(link) = &spec.link {
        let row = Link {
            code: link.code.clone(),
            brand: spec.brand.clone(),
            target: link.target.clone(),
            created_at: at,
            expires_at: link.expires_at,
            message: Some(spec.id),
            subject: Some(spec.subject),
            opt_out: link.opt_out,
            human_clicks: 0,
            raw_clicks: 0,
            first_human_at: None,
            chained: 0,
        };
        state.put(keys::link(&row.code), row);
    }
}

pub(super) fn click(state: &mut State<'_>, entry: &Entry, body: &ClickBody) -> Result<(), FoldError> {
    let key = keys::link(&body.code);
    let Some(link) = state.get::<Link>(&key)? else { return Err(missing(entry, "its link")) };
    let mut link = (*link).clone();
    for click in &body.clicks {
        link.raw_clicks += 1;
        if click.human {
            link.human_clicks += 1;
            link.first_human_at = link.first_human_at.or(Some(click.at));
        }
    }
    link.chained += body.clicks.len() as u32;
    link.human_clicks += body.uncounted.0;
    link.raw_clicks += body.uncounted.1;
    state.put(key, link);
    Ok(())
}

pub(super) fn coupon_pool(state: &mut State<'_>, body: &CouponPoolBody) -> Result<(), FoldError> {
    let mut pool = body.pool.clone();
    if let Some(known) = pool_of(state, &pool.brand, &pool.id)? {
        pool = CouponPool { exclusive_until: pool.exclusive_until, low_water: pool.low_water, ..known };
    }
    for code in &body.codes {
        free(state, &mut pool, code);
        pool.imported += 1;
    }
    put_pool(state, pool);
    Ok(())
}

/// Appends a code to the free ones; whatever it was before is forgotten.
fn free(state: &mut State<'_>, pool: &mut CouponPool, code: &str) {
    let key = keys::free_code(&pool.brand, &pool.id, pool.tail);
    state.put(key, FreeCode { code: code.to_owned() });
    let coupon = Coupon { slot: Some(pool.tail), ..bare_coupon(pool, code, CouponState::Free) };
    state.put(keys::coupon(&coupon.brand, &coupon.code), coupon);
    pool.tail += 1;
    pool.free += 1;
}

fn bare_coupon(pool: &CouponPool, code: &str, state: CouponState) -> Coupon {
    Coupon {
        code: code.to_owned(),
        pool: pool.id.clone(),
        brand: pool.brand.clone(),
        state,
        message: None,
        subject: None,
        cart: None,
        reserved_at: None,
        issued_at: None,
        expires_at: None,
        slot: None,
    }
}

fn pool_of(state: &mut State<'_>, brand: &BrandId, id: &PoolId) -> Result<Option<CouponPool>, FoldError> {
    Ok(state.get::<CouponPool>(&keys::pool(brand, id))?.map(|p| (*p).clone()))
}

fn put_pool(state: &mut State<'_>, pool: CouponPool) {
    state.put(keys::pool(&pool.brand, &pool.id), pool);
}

/// The pool and the code a message was promised, if it was promised one.
fn promised(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
) -> Result<Option<(CouponPool, String)>, FoldError> {
    let Some((pool, code)) = spec.coupon.as_ref().and_then(|c| Some((&c.pool, c.code.as_ref()?))) else {
        return Ok(None);
    };
    let pool = pool_of(state, &spec.brand, pool)?.ok_or_else(|| missing(entry, "its coupon pool"))?;
    Ok(Some((pool, code.clone())))
}

fn coupon_of(state: &mut State<'_>, entry: &Entry, brand: &BrandId, code: &str) -> Result<Coupon, FoldError> {
    state
        .get::<Coupon>(&keys::coupon(brand, code))?
        .map(|c| (*c).clone())
        .ok_or_else(|| missing(entry, "its coupon"))
}

fn put_coupon(state: &mut State<'_>, entry: &Entry, coupon: Coupon) -> Result<(), FoldError> {
    held::follow(state, &coupon, entry.leaf.instant)?;
    state.put(keys::coupon(&coupon.brand, &coupon.code), coupon);
    Ok(())
}

/// Takes the promised code from the free ones (imported) or makes its row (generated).
pub(super) fn reserve_coupon(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
) -> Result<(), FoldError> {
    let Some((mut pool, code)) = promised(state, entry, spec)? else { return Ok(()) };
    if pool.source == PoolSource::Imported {
        let known = coupon_of(state, entry, &spec.brand, &code)?;
        let slot = known.slot.ok_or_else(|| missing(entry, "its coupon to be free"))?;
        state.delete(keys::free_code(&pool.brand, &pool.id, slot));
        // Codes are taken from the front: what lies before the slot was voided while free.
        pool.head = pool.head.max(slot + 1);
        pool.free -= 1;
    }
    pool.reserved += 1;
    let coupon = Coupon {
        message: Some(spec.id),
        subject: Some(spec.subject),
        cart: spec.cart.clone(),
        reserved_at: Some(entry.leaf.instant),
        ..bare_coupon(&pool, &code, CouponState::Reserved)
    };
    put_coupon(state, entry, coupon)?;
    put_pool(state, pool);
    Ok(())
}

/// The message leaves: its code becomes valid.
pub(super) fn issue_coupon(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
    expires_at: Option<Instant>,
) -> Result<(), FoldError> {
    let Some((mut pool, code)) = promised(state, entry, spec)? else { return Ok(()) };
    let mut coupon = coupon_of(state, entry, &spec.brand, &code)?;
    if coupon.state == CouponState::Reserved {
        pool.reserved -= 1;
        pool.issued += 1;
        coupon.state = CouponState::Issued;
        coupon.issued_at = Some(entry.leaf.instant);
        coupon.expires_at = expires_at;
        put_coupon(state, entry, coupon)?;
        put_pool(state, pool);
    }
    Ok(())
}

/// The message had left, although its provider said it had not: its code is valid as its text says it.
pub(super) fn issue_coupon_late(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
    left_at: Instant,
) -> Result<(), FoldError> {
    let expires_at = promised(state, entry, spec)?.map(|(pool, _)| left_at + pool.valid_for);
    issue_coupon(state, entry, spec, expires_at)
}

/// The intent was void: the code waits with its message again.
pub(super) fn hold_coupon_again(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
) -> Result<(), FoldError> {
    let Some((mut pool, code)) = promised(state, entry, spec)? else { return Ok(()) };
    let mut coupon = coupon_of(state, entry, &spec.brand, &code)?;
    if coupon.state == CouponState::Issued {
        pool.issued -= 1;
        pool.reserved += 1;
        coupon.state = CouponState::Reserved;
        coupon.issued_at = None;
        coupon.expires_at = None;
        put_coupon(state, entry, coupon)?;
        put_pool(state, pool);
    }
    Ok(())
}

/// The message never reached anybody: its code goes back, unless it was used or voided meanwhile.
pub(super) fn return_coupon(
    state: &mut State<'_>,
    entry: &Entry,
    spec: &MessageSpec,
) -> Result<(), FoldError> {
    let Some((mut pool, code)) = promised(state, entry, spec)? else { return Ok(()) };
    let coupon = coupon_of(state, entry, &spec.brand, &code)?;
    match coupon.state {
        CouponState::Reserved => pool.reserved -= 1,
        CouponState::Issued => pool.issued -= 1,
        _ => return Ok(()),
    }
    held::let_go(state, &coupon)?;
    if pool.source == PoolSource::Imported {
        free(state, &mut pool, &coupon.code);
    } else {
        state.delete(keys::coupon(&spec.brand, &code));
    }
    put_pool(state, pool);
    Ok(())
}

/// STOP voids what the person held, where the pool says so.
pub(super) fn void_for_opt_out(
    state: &mut State<'_>,
    entry: &Entry,
    brand: &BrandId,
    code: &str,
) -> Result<(), FoldError> {
    // Of somebody erased since, the code is not known before the entry that says it is spent.
    let Some(coupon) = state.get::<Coupon>(&keys::coupon(brand, code))? else { return Ok(()) };
    if !matches!(coupon.state, CouponState::Reserved | CouponState::Issued) {
        return Ok(());
    }
    let mut coupon = (*coupon).clone();
    let before = coupon.state.clone();
    coupon.state = CouponState::Voided { at: entry.leaf.instant, reason: "OPTED_OUT".to_owned() };
    recount(state, &coupon, &before)?;
    put_coupon(state, entry, coupon)
}

pub(super) fn coupon(state: &mut State<'_>, entry: &Entry, body: &CouponBody) -> Result<(), FoldError> {
    let key = keys::coupon(&body.coupon.brand, &body.coupon.code);
    let Some(before) = state.get::<Coupon>(&key)? else {
        // Generated for somebody erased since: only the sealed entries of that chain knew of it.
        count_new(state, &body.coupon)?;
        put_coupon(state, entry, body.coupon.clone())?;
        put_operation(state, entry, body.operation.as_ref());
        return Ok(());
    };
    if let Some(slot) = before.slot.filter(|_| body.coupon.slot.is_none()) {
        state.delete(keys::free_code(&before.brand, &before.pool, slot));
    }
    recount(state, &body.coupon, &before.state)?;
    put_coupon(state, entry, body.coupon.clone())?;
    put_operation(state, entry, body.operation.as_ref());
    Ok(())
}

/// A code of somebody who is erased: spent as it is, and nobody's. Where the person's entries did not open it may still
/// look free, or not be there at all.
pub(super) fn spend(state: &mut State<'_>, entry: &Entry, spent: &SpentCoupon) -> Result<(), FoldError> {
    let pool = pool_of(state, &spent.brand, &spent.pool)?.ok_or_else(|| missing(entry, "its coupon pool"))?;
    let mut coupon = bare_coupon(&pool, &spent.code, spent.state.clone());
    coupon.expires_at = spent.expires_at;
    match state.get::<Coupon>(&keys::coupon(&spent.brand, &spent.code))? {
        None => count_new(state, &coupon)?,
        Some(known) => {
            held::let_go(state, &known)?;
            if let Some(slot) = known.slot {
                state.delete(keys::free_code(&spent.brand, &spent.pool, slot));
                put_pool(state, CouponPool { head: pool.head.max(slot + 1), ..pool });
            }
            if known.state == CouponState::Free {
                recount(state, &coupon, &known.state)?;
            }
        }
    }
    put_coupon(state, entry, coupon)
}

/// Forgets in a cart who was told about it, and by which messages.
pub(super) fn forget_in_cart(
    state: &mut State<'_>,
    brand: &BrandId,
    cart: &CartId,
    subject: &SubjectId,
    messages: &[MessageId],
) -> Result<(), FoldError> {
    let key = keys::cart(brand, cart);
    let Some(known) = state.get::<Cart>(&key)? else { return Ok(()) };
    let mut cart = (*known).clone();
    cart.subjects.retain(|s| s != subject);
    cart.waiting.retain(|m| !messages.contains(m));
    cart.sends.retain(|send| !messages.contains(&send.message));
    state.put(key, cart);
    Ok(())
}

/// Counts a code that was not counted before.
fn count_new(state: &mut State<'_>, coupon: &Coupon) -> Result<(), FoldError> {
    let Some(mut pool) = pool_of(state, &coupon.brand, &coupon.pool)? else { return Ok(()) };
    count(&mut pool, &coupon.state, 1);
    put_pool(state, pool);
    Ok(())
}

fn count(pool: &mut CouponPool, state: &CouponState, by: i64) {
    let field = match state {
        CouponState::Free => &mut pool.free,
        CouponState::Reserved => &mut pool.reserved,
        CouponState::Issued => &mut pool.issued,
        CouponState::Redeemed { .. } => &mut pool.redeemed,
        CouponState::Voided { .. } => &mut pool.voided,
    };
    *field = field.saturating_add_signed(by);
}

/// Moves one code from its old count to its new one.
fn recount(state: &mut State<'_>, coupon: &Coupon, before: &CouponState) -> Result<(), FoldError> {
    let Some(mut pool) = pool_of(state, &coupon.brand, &coupon.pool)? else { return Ok(()) };
    count(&mut pool, before, -1);
    count(&mut pool, &coupon.state, 1);
    put_pool(state, pool);
    Ok(())
}
