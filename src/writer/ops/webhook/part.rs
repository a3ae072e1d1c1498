//! Long texts that come in parts: found again in the person's own chain and put together.

use std::collections::BTreeMap;

use crate::inbound::event::TextPart;
use crate::ledger::body::Body;
use crate::ledger::rows::{ChainRow, keys};
use crate::model::subject::Subject;
use crate::model::{ConnectionId, Span, SubjectId};
use crate::writer::{Cx, OpError};

/// The number of a text that was joined from its parts.
pub(super) const WHOLE: u8 = 0;
/// Parts of one text come within this time; handsets use their few references again.
const WITHIN: Span = Span::hours(1);
/// Entries of the chain that are looked through.
const LOOK_BACK: u64 = 64;

/// A long text whose parts have all come.
pub(super) struct Whole {
    pub text: String,
    /// One of the parts alone said to stop.
    pub stopped: bool,
}

/// The whole of which a part just came; none while others are still out.
pub(super) fn joined(
    cx: &mut Cx<'_>,
    connection: &ConnectionId,
    person: &SubjectId,
    part: &TextPart,
) -> Result<Option<Whole>, OpError> {
    let Some(subject) = cx.get::<Subject>(&keys::subject(person))? else { return Ok(None) };
    let last = subject.chain_length;
    let mut parts = BTreeMap::new();
    let mut stopped = false;
    for number in (last.saturating_sub(LOOK_BACK) + 1..=last).rev() {
        let Some(row) = cx.get::<ChainRow>(&keys::chain(person, number))? else { continue };
        let Some(entry) = cx.entry(row.index)? else { continue };
        if cx.now.since(entry.leaf.instant) > WITHIN {
            break;
        }
        let Body::Inbound(body) = entry.body else { continue };
        let same = |p: &&TextPart| p.reference == part.reference && p.total == part.total;
        let Some(found) = body.part.as_ref().filter(same).filter(|_| body.connection == *connection) else {
            continue;
        };
        if found.number == WHOLE {
            // Older parts with this reference belong to a text that was read.
            break;
        }
        stopped |= body.opt_out.is_some();
        parts.entry(found.number).or_insert(body.text);
    }
    let whole = parts.len() == usize::from(part.total);
    Ok(whole.then(|| Whole { text: parts.into_values().collect(), stopped }))
}
