//! What operators set up, and what connections heard.

use super::FoldError;
use crate::ledger::body::{ErasureBody, HeardBody, ImportBody, Object, RawBody, RegistryBody};
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ErasedRow, HeardRow, ImportRow, RegistryRow, keys};
use crate::ledger::state::State;

impl Object {
    /// The type as it stands in keys and in the leaf, and the id within it.
    pub fn name(&self) -> (&'static str, String) {
        match self {
            Object::Seller(o) => ("seller", o.id.to_string()),
            Object::Brand(o) => ("brand", o.id.to_string()),
            Object::Program(o) => ("program", o.id.to_string()),
            Object::Disclosure(o) => ("disclosure", format!("{}@{}", o.id, o.version)),
            Object::Sender(o) => ("sender", o.id.to_string()),
            Object::Connection(o) => ("connection", o.id.to_string()),
            Object::Template(o) => ("template", o.id.to_string()),
            Object::ApiKey(o) => ("api_key", o.id.clone()),
        }
    }
}

pub(super) fn object(state: &mut State<'_>, entry: &Entry, body: &RegistryBody) -> Result<(), FoldError> {
    let (kind, id) = body.object.name();
    let key = keys::registry(kind, &id);
    let at = entry.leaf.instant;
    let created_at = state.get::<RegistryRow>(&key)?.map_or(at, |row| row.created_at);
    state.put(key, RegistryRow { object: body.object.clone(), created_at, updated_at: at });
    Ok(())
}

pub(super) fn heard(state: &mut State<'_>, body: &HeardBody) -> Result<(), FoldError> {
    state.put(keys::heard(&body.connection), HeardRow { until: body.until, how: body.how.clone() });
    Ok(())
}

/// Another system's opt-outs are all here.
pub(super) fn import(state: &mut State<'_>, entry: &Entry, body: &ImportBody) {
    let row = ImportRow { import_id: body.import_id.clone(), rows: body.rows, at: entry.leaf.instant };
    state.put(keys::import(&body.source), row);
}

/// An authentic webhook stored while nothing can have been missed before it: we have heard up to here.
pub(super) fn raw(state: &mut State<'_>, entry: &Entry, body: &RawBody) {
    if body.listening {
        let row = HeardRow { until: entry.leaf.instant, how: "LISTENING".to_owned() };
        state.put(keys::heard(&body.connection), row);
    }
}

/// A key is gone: that it must stay gone is all that is remembered.
pub(super) fn erasure(state: &mut State<'_>, entry: &Entry, body: &ErasureBody) {
    state.put(keys::erased(&body.subject), ErasedRow { index: entry.index });
    if let Some(day) = body.raw_day {
        state.delete(keys::raw_day(day));
    }
}
