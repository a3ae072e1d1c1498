//! Opt-outs: recorded from any source and never refused for a number's form, reopened by the person's own START, reversed
//! by an officer.

mod record;
mod reopen;
mod reverse;
mod stop;

pub use record::RecordOptOut;
pub(super) use reopen::{Reopened, reopen};
pub use reverse::{ReverseOptOut, Reversed};
pub(super) use stop::{Stop, has_grant, name_for, stop};

use crate::ledger::body::Body;
use crate::ledger::entry::Entry;
use crate::model::consent::OptOut;
use crate::model::{EntryHash, Instant, MessageId, OptOutScope, SubjectId};
use crate::writer::OpError;

/// An opt-out as it was recorded: the same for every repeat of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct OptOutAnswer {
    /// Its subject: the first, where it was written to several addresses of the person.
    pub subject: SubjectId,
    /// `recorded_at` names it among the person's opt-outs, on every address it was written to.
    pub opt_out: OptOut,
    /// What the person wrote or said.
    pub text: String,
    /// From here on nothing in its reach and scope is handed over.
    pub effective_at: Instant,
    /// Messages that wait and will die at their second decision.
    pub cancelled: Vec<MessageId>,
    /// Messages already handed over, without a final word, of the last 72 hours.
    pub in_flight: Vec<MessageId>,
    /// Place of its first entry in the log, and its leaf hash.
    pub entry: u64,
    pub entry_hash: EntryHash,
    /// The key was used before for the same request.
    pub repeated: bool,
}

impl OptOutAnswer {
    /// Reads the answer back from the entry that recorded it.
    pub(super) fn of(entry: &Entry, repeated: bool) -> Result<OptOutAnswer, OpError> {
        let Body::OptOut(body) = &entry.body else {
            return Err(OpError::Fatal("an opt-out's key names an entry of another kind".to_owned()));
        };
        Ok(OptOutAnswer {
            subject: entry.leaf.subject,
            opt_out: body.opt_out.clone(),
            text: body.text.clone(),
            effective_at: entry.leaf.instant,
            cancelled: body.cancelled.clone(),
            in_flight: body.in_flight.clone(),
            entry: entry.index,
            entry_hash: entry.hash,
            repeated,
        })
    }
}

/// The scope as it stands in the contract.
pub fn scope_name(scope: &OptOutScope) -> &'static str {
    match scope {
        OptOutScope::All => "ALL",
        OptOutScope::Marketing => "MARKETING",
        OptOutScope::Brand(_) => "BRAND",
        OptOutScope::Program(_) => "PROGRAM",
        OptOutScope::Channel(_) => "CHANNEL",
        OptOutScope::Night => "NIGHT",
    }
}

#[cfg(test)]
mod tests;
