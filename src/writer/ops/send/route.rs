//! Ways out of a message: who else could carry it when its own sender cannot, and whom of a pool a person gets.

use std::ops::Deref;

use sha2::{Digest, Sha256};

use crate::ledger::body::Object;
use crate::ledger::rows::{RegistryRow, keys};
use crate::ledger::state::{State, StateError};
use crate::model::facts::SenderKind;
use crate::model::outgoing::{Message, MessageSpec};
use crate::model::registry::Sender;
use crate::model::{BrandId, Channel};

/// A sender by id.
pub fn sender_of(state: &mut State<'_>, id: &str) -> Result<Option<Sender>, StateError> {
    let row = state.get::<RegistryRow>(&keys::registry("sender", id))?;
    Ok(row.and_then(|row| match &row.object {
        Object::Sender(sender) => Some(sender.clone()),
        _ => None,
    }))
}

/// Whether a sender speaks for a brand on a channel.
pub fn serves(sender: &Sender, brand: &BrandId, channel: Channel) -> bool {
    let carries = (sender.kind == SenderKind::PushApp) == (channel == Channel::Push);
    carries && (sender.brands.is_empty() || sender.brands.contains(brand))
}

/// Whether it may be used at all.
pub fn is_usable(sender: &Sender) -> bool {
    sender.registered && !sender.paused
}

/// Senders that may stand in for `own`, the one a message was accepted for, in the program's order: of the same country
/// and channel, through another connection. A text that asks for a reply is never given to somebody who gets none, and
/// an automatic text is an answer of the very number that was written to. Whether one is lawful is the decision's.
pub fn standbys(state: &mut State<'_>, spec: &MessageSpec, own: &Sender) -> Result<Vec<Sender>, StateError> {
    let mut found = Vec::new();
    // A token is of one app on one push service: nobody else can use it.
    if spec.automatic.is_some() || spec.channel == Channel::Push {
        return Ok(found);
    }
    let row = state.get::<RegistryRow>(&keys::registry("program", spec.program.as_str()))?;
    let Some(Object::Program(program)) = row.as_ref().map(|row| &row.object) else { return Ok(found) };
    if !program.senders.contains(&own.id) {
        // Chosen by the caller from outside the program's list: nobody else was meant.
        return Ok(found);
    }
    for id in program.senders.iter().filter(|id| **id != own.id) {
        let row = state.get::<RegistryRow>(&keys::registry("sender", id.as_str()))?;
        let Some(Object::Sender(sender)) = row.as_ref().map(|row| &row.object) else { continue };
        let fits = sender.connection != own.connection
            && sender.country == own.country
            && (own.is_one_way() || !sender.is_one_way())
            && serves(sender, &spec.brand, spec.channel)
            && is_usable(sender);
        if fits {
            found.push(sender.clone());
        }
    }
    Ok(found)
}

/// Whether somebody else has not been tried yet, so that a message its provider certainly did not take may go that way
/// at once.
pub fn has_untried(state: &mut State<'_>, message: &Message) -> Result<bool, StateError> {
    let spec = &message.spec;
    let Some(id) = &spec.sender else { return Ok(false) };
    let Some(own) = sender_of(state, id.as_str())? else { return Ok(false) };
    let tried = |sender: &Sender| message.routes.iter().any(|route| route.sender == sender.id);
    Ok(standbys(state, spec, &own)?.iter().any(|sender| !tried(sender)))
}

/// The sender of a pool that somebody gets: the highest hash of their address with each sender's id (rendezvous hashing),
/// so that a number that joins or leaves the pool moves its own people alone. `address` is the keyed hash of theirs.
pub fn of_pool<S: Deref<Target = Sender>>(senders: Vec<S>, address: &[u8]) -> Option<S> {
    let rank = |sender: &S| {
        let hash = Sha256::new()
            .chain_update(b"consentry/pool/v1")
            .chain_update(address)
            .chain_update(sender.id.as_str());
        hash.finalize()
    };
    senders.into_iter().max_by_key(|sender| rank(sender))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::Answers;
    use crate::model::registry::ThrottleGroup;

    fn sender(n: usize) -> Sender {
        Sender {
            id: format!("n{n}").parse().expect("a slug"),
            kind: SenderKind::TenDlc,
            address: format!("+121255501{n:02}"),
            country: "US".to_owned(),
            connection: "main".parse().expect("a slug"),
            brands: Vec::new(),
            registered: true,
            paused: false,
            answers: Answers::Gateway,
            throttle: ThrottleGroup {
                id: format!("n{n}"),
                milli_parts_per_second: 1_000,
                parts_per_day: None,
                reset_zone: "UTC".to_owned(),
            },
            pool: "us".to_owned(),
            tax_id_cap: None,
            national_languages: Vec::new(),
        }
    }

    #[test]
    fn a_pool_shares_its_people_evenly_and_a_new_number_moves_few() {
        let given = |count: usize, person: u32| {
            let senders = (0..count).map(|n| Box::new(sender(n))).collect();
            of_pool(senders, &person.to_be_bytes()).expect("one of them").id
        };
        let people = 0..4_000u32;
        let mut each = std::collections::BTreeMap::new();
        people.clone().for_each(|p| *each.entry(given(4, p)).or_insert(0) += 1);
        assert!(each.len() == 4 && each.values().all(|n| (850..1_150).contains(n)), "{each:?}");
        let new = sender(4).id;
        let moved: Vec<_> = people.filter(|p| given(5, *p) != given(4, *p)).collect();
        assert!(moved.iter().all(|p| given(5, *p) == new), "nobody moves between old numbers");
        assert!((650..950).contains(&moved.len()), "{}", moved.len());
    }
}
