//! What erasing does to state. Afterwards it is as if the person's entries had never been folded, but for what outlives a
//! person; so a rebuild, which cannot open those entries, comes to the same rows.

use super::{FoldError, device, message, shop};
use crate::ledger::body::{ForgottenBody, LegalHoldBody, RestrictionBody, SuppressionBody};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{AddressRow, CustomerRow, HoldRow, RestrictedRow, keys};
use crate::ledger::state::State;
use crate::model::SubjectId;
use crate::model::subject::Subject;

pub(super) fn legal_hold(state: &mut State<'_>, body: &LegalHoldBody) {
    match body.cleared {
        None => state.put(keys::hold(&body.id), HoldRow { hold: body.clone() }),
        Some(_) => state.delete(keys::hold(&body.id)),
    }
}

pub(super) fn restriction(state: &mut State<'_>, entry: &Entry, body: &RestrictionBody) {
    let row = RestrictedRow { since: entry.leaf.instant, erase_after: body.erase_after };
    state.put(keys::restricted(&entry.leaf.subject), row);
}

/// The rows that other entries of the chain made.
pub(super) fn forgotten(state: &mut State<'_>, entry: &Entry, body: &ForgottenBody) -> Result<(), FoldError> {
    for id in &body.messages {
        message::forget(state, &entry.leaf.subject, id)?;
    }
    body.links.iter().for_each(|code| state.delete(keys::link(code)));
    body.operations.iter().for_each(|id| state.delete(keys::operation(id)));
    body.inbound.iter().for_each(|(connection, id)| state.delete(keys::inbound(connection, id)));
    for index in &body.texts {
        state.delete(keys::inbound_text(*index));
        state.delete(keys::review(*index));
    }
    for (brand, cart) in &body.carts {
        shop::forget_in_cart(state, brand, cart, &entry.leaf.subject, &body.messages)?;
    }
    for (group, date, parts) in &body.throttle {
        message::count_parts(state, group, date, |counted| counted.saturating_sub(*parts))?;
    }
    Ok(())
}

/// The address stays blocked, under a hash that leads to nobody; codes stay spent.
pub(super) fn suppression(
    state: &mut State<'_>,
    entry: &Entry,
    body: &SuppressionBody,
) -> Result<(), FoldError> {
    if !body.codes_only {
        state.put(keys::address(&body.address.0), AddressRow { subject: None, suppressed: true });
    }
    for coupon in &body.coupons {
        shop::spend(state, entry, coupon)?;
    }
    for (group, date, parts) in &body.throttle {
        message::count_parts(state, group, date, |counted| counted + parts)?;
    }
    Ok(())
}

/// The record itself, and the person's place among those of a customer. Nothing is there when the entries did not open.
pub(super) fn person(state: &mut State<'_>, id: &SubjectId) -> Result<(), FoldError> {
    state.delete(keys::restricted(id));
    let Some(subject) = state.get::<Subject>(&keys::subject(id))? else { return Ok(()) };
    device::forget(state, &subject)?;
    for customer in &subject.customers {
        let key = keys::customer(customer);
        let Some(row) = state.get::<CustomerRow>(&key)? else { continue };
        let subjects: Vec<SubjectId> = row.subjects.iter().copied().filter(|s| s != id).collect();
        match subjects.is_empty() {
            true => state.delete(key),
            false => state.put(key, CustomerRow { subjects }),
        }
    }
    state.delete(keys::held_coupons(id));
    state.delete(keys::subject(id));
    Ok(())
}
