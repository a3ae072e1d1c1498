//! `apply(state, entry) -> changes`: the only way state changes.
//!
//! The writer folds what it appends, start-up folds what it finds, `consentry rebuild` folds everything, replay folds
//! up to a decision. State this fold cannot reproduce is a bug. No I/O, no clock: an entry's own instant is the time.

mod device;
mod erasure;
mod held;
mod message;
mod person;
mod registry;
mod shop;

use super::body::Body;
use super::entry::{Entry, Kind, Leaf, SELLER_CHAIN};
use super::rows::{ChainRow, EngineRow, HeadsRow, RawDayRow, SellerChain, keys};
use super::seal::address_key;
use super::state::{State, StateError};
use crate::model::EntryHash;
use crate::model::subject::{Address, Subject};

pub use message::{PARKED_FOR, is_due_row_needed, outlived_receipts, quarter_begins, quarter_of};
pub use person::{lift_named, liftable_by_text, medium, put_opt_out, reopen};

/// Why an entry could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The index could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// An entry speaks of something that no entry before it made: the ledger is not one this release wrote.
    #[error("entry {index} ({kind:?}) needs {what}, which no earlier entry made")]
    Missing { index: u64, kind: Kind, what: &'static str },
    /// A chain's number or previous hash does not continue it.
    #[error("entry {index} does not continue its chain: expected number {expected}, found {found}")]
    Chain { index: u64, expected: u64, found: u64 },
}

/// What the fold needs besides state and entry.
pub struct Fold {
    pepper: secrecy::SecretBox<[u8; 32]>,
}

impl Fold {
    /// A fold whose addresses are keyed by `pepper`.
    pub fn new(pepper: [u8; 32]) -> Fold {
        Fold { pepper: secrecy::SecretBox::new(Box::new(pepper)) }
    }

    /// The key of the row that links an address to its subject.
    pub fn address_key(&self, address: &Address) -> Vec<u8> {
        use secrecy::ExposeSecret;
        keys::address(&address_key(self.pepper.expose_secret(), &address.key_bytes()))
    }

    /// Folds one entry.
    pub fn apply(&self, state: &mut State<'_>, entry: &Entry) -> Result<(), FoldError> {
        match &entry.body {
            Body::Subject(body) => person::subject(self, state, entry, body)?,
            body => {
                advance_chain(state, entry)?;
                fold_body(state, entry, body)?;
            }
        }
        state.put(keys::chain(&entry.leaf.subject, entry.leaf.number), ChainRow { index: entry.index });
        Ok(())
    }

    /// Folds an entry whose body is gone: the subject was erased. Its chain still grows, nothing else is known.
    pub fn apply_erased(&self, state: &mut State<'_>, index: u64, leaf: &Leaf) {
        state.put(keys::chain(&leaf.subject, leaf.number), ChainRow { index });
    }
}

fn fold_body(state: &mut State<'_>, entry: &Entry, body: &Body) -> Result<(), FoldError> {
    match body {
        Body::Subject(_) => Ok(()),
        Body::Raw(body) => {
            registry::raw(state, entry, body);
            Ok(())
        }
        // The log's name is no state; who reads the ledger finds it there.
        Body::Epoch(_) => Ok(()),
        Body::Engine(_) => {
            state.put(keys::engine(&entry.leaf.engine), EngineRow { index: entry.index });
            Ok(())
        }
        Body::Registry(body) => registry::object(state, entry, body),
        Body::Heads(body) => {
            let row = HeadsRow { covered_size: body.covered_size, at: entry.leaf.instant };
            state.put(keys::heads(entry.index), row);
            Ok(())
        }
        Body::Heard(body) => registry::heard(state, body),
        Body::Erasure(body) => {
            registry::erasure(state, entry, body);
            if body.raw_day.is_none() { erasure::person(state, &body.subject) } else { Ok(()) }
        }
        Body::LegalHold(body) => {
            erasure::legal_hold(state, body);
            Ok(())
        }
        Body::Restriction(body) => {
            erasure::restriction(state, entry, body);
            Ok(())
        }
        // A read changes nothing.
        Body::Access(_) => Ok(()),
        Body::Forgotten(body) => erasure::forgotten(state, entry, body),
        Body::Suppression(body) => erasure::suppression(state, entry, body),
        Body::Consent(body) => person::consent(state, entry, body),
        Body::OptOut(body) => person::opt_out(state, entry, body),
        Body::OptOutLifted(body) => person::opt_out_lifted(state, entry, body),
        Body::Preferences(body) => person::preferences(state, entry, body),
        Body::NumberCheck(body) => person::number_check(state, entry, body),
        Body::Import(body) => {
            registry::import(state, entry, body);
            Ok(())
        }
        Body::Inbound(body) => person::inbound(state, entry, body),
        Body::Review(body) => person::review(state, entry, body),
        Body::ExternalSend(body) => person::external_send(state, entry, body),
        Body::Decision(body) => message::decision(state, entry, body),
        Body::Intent(body) => message::intent(state, entry, body),
        Body::Redecision(body) => message::redecision(state, entry, body),
        Body::Outcome(body) => message::outcome(state, entry, body),
        Body::Receipt(body) => message::receipt(state, entry, body),
        Body::Cancelled(body) => message::cancelled(state, entry, body),
        Body::Click(body) => shop::click(state, entry, body),
        Body::Cart(body) => shop::cart(state, entry, body),
        Body::Link(body) => shop::link(state, entry, body),
        Body::CouponPool(body) => shop::coupon_pool(state, body),
        Body::Coupon(body) => shop::coupon(state, entry, body),
        Body::Device(body) => device::device(state, entry, body),
    }
}

/// Moves the head of the entry's chain; refuses an entry that does not continue it.
fn advance_chain(state: &mut State<'_>, entry: &Entry) -> Result<(), FoldError> {
    let (leaf, index) = (&entry.leaf, entry.index);
    let check = |length: u64, last: EntryHash| {
        let previous = (length > 0).then_some(last);
        if leaf.number == length + 1 && leaf.previous == previous {
            Ok(())
        } else {
            Err(FoldError::Chain { index, expected: length + 1, found: leaf.number })
        }
    };
    if leaf.subject == SELLER_CHAIN {
        let key = keys::seller_chain();
        let chain = state.get::<SellerChain>(&key)?.map(|c| (*c).clone()).unwrap_or_default();
        check(chain.length, chain.last)?;
        state.put(key, SellerChain { length: leaf.number, last: entry.hash });
    } else if leaf.kind == Kind::Raw {
        let key = keys::raw_day(raw_day_of(leaf.instant));
        let (length, last) = match state.get::<RawDayRow>(&key)? {
            Some(day) if day.subject == leaf.subject => (day.length, day.last),
            _ => (0, EntryHash::default()),
        };
        check(length, last)?;
        state.put(key, RawDayRow { subject: leaf.subject, length: leaf.number, last: entry.hash });
    } else {
        let advanced = change_subject(state, entry, |subject| {
            check(subject.chain_length, subject.chain_last)?;
            subject.chain_length = leaf.number;
            subject.chain_last = entry.hash;
            Ok(())
        });
        return advanced?;
    }
    Ok(())
}

/// The UTC day a raw body belongs to, in days since the epoch.
pub fn raw_day_of(at: crate::model::Instant) -> i64 {
    at.as_seconds().div_euclid(86_400)
}

fn subject_of(state: &mut State<'_>, entry: &Entry) -> Result<Subject, FoldError> {
    state
        .get::<Subject>(&keys::subject(&entry.leaf.subject))?
        .map(|s| (*s).clone())
        .ok_or_else(|| missing(entry, "its subject"))
}

/// Changes the record of the entry's subject.
fn change_subject<T>(
    state: &mut State<'_>,
    entry: &Entry,
    change: impl FnOnce(&mut Subject) -> T,
) -> Result<T, FoldError> {
    let changed = state.change(&keys::subject(&entry.leaf.subject), change)?;
    changed.ok_or_else(|| missing(entry, "its subject"))
}

fn put_subject(state: &mut State<'_>, subject: Subject) {
    state.put(keys::subject(&subject.id), subject);
}

fn missing(entry: &Entry, what: &'static str) -> FoldError {
    FoldError::Missing { index: entry.index, kind: entry.leaf.kind, what }
}
