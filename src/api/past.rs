//! What was known about a person at an earlier instant: their chain, folded up to there by the fold itself.

use std::sync::Arc;

use crate::ledger::body::{Body, RawBody};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ChainRow, keys};
use crate::ledger::state::State;
use crate::model::subject::Subject;
use crate::model::{Instant, SubjectId};
use crate::store::{KvOptions, kv};
use crate::writer::{Cx, OpError, Reader};

/// The subject as it was at `at`; none when it was not known yet, or its entries cannot be opened any more.
pub fn subject_at(
    cx: &mut Cx<'_>,
    reader: &Reader,
    id: &SubjectId,
    at: Instant,
) -> Result<Option<Subject>, OpError> {
    let nothing = kv::memory::open(&KvOptions::default());
    let mut state = State::over(&nothing);
    for number in 1.. {
        let Some(row) = cx.get::<ChainRow>(&keys::chain(id, number))? else { break };
        let Some(entry) = reader.entries().entry(row.index).map_err(OpError::Fatal)? else { return Ok(None) };
        if entry.leaf.instant > at {
            break;
        }
        reader.env().fold.apply(&mut state, &personal(entry))?;
    }
    Ok(state.get::<Subject>(&keys::subject(id))?.map(|subject| (*subject).clone()))
}

/// The entry without what it does to things that are not the person's: codes, carts and links have their own chains, and
/// the empty state knows none of them.
fn personal(mut entry: Entry) -> Entry {
    match &mut entry.body {
        Body::Decision(body) => {
            let message = Arc::make_mut(&mut body.message);
            message.coupon = None;
            message.cart = None;
            message.link = None;
        }
        Body::OptOut(body) => body.voided.clear(),
        Body::Click(_) | Body::Coupon(_) | Body::CouponPool(_) | Body::Cart(_) | Body::Link(_) => {
            entry.body = nothing();
        }
        _ => {}
    }
    entry
}

/// A body that changes nothing but the length of the chain.
fn nothing() -> Body {
    Body::Raw(RawBody {
        connection: "none".parse().expect("a slug"),
        method: String::new(),
        query: String::new(),
        content_type: String::new(),
        body: String::new(),
        listening: false,
    })
}
