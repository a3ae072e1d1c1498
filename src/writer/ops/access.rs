//! Writes down that the record of a restricted person was read.

use crate::ledger::body::{AccessBody, Body};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{RestrictedRow, keys};
use crate::model::SubjectId;
use crate::writer::{Cx, Op, OpError, Priority};

/// People one commit names at most.
pub const PEOPLE_A_BATCH: usize = 256;

/// Somebody who may read restricted records did.
pub struct RecordAccess {
    /// Whose; at most [`PEOPLE_A_BATCH`]. Who is not restricted any more is left out.
    pub people: Vec<SubjectId>,
    /// How many more, in an export that named none of them.
    pub others: u64,
    /// The method, as in `GetSubject`.
    pub method: String,
    /// The key.
    pub actor: String,
}

impl Op for RecordAccess {
    type Answer = ();
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<(), OpError> {
        let RecordAccess { people, others, method, actor } = self;
        let public = || Public { outcome: "READ".to_owned(), ..Public::default() };
        let body = |people| Body::Access(AccessBody { people, method: method.clone(), actor: actor.clone() });
        for person in people {
            if cx.get::<RestrictedRow>(&keys::restricted(&person))?.is_some() {
                cx.emit(person, None, public(), body(1))?;
            }
        }
        if others > 0 {
            cx.emit(SELLER_CHAIN, None, public(), body(others))?;
        }
        Ok(())
    }
}
