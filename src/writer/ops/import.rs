//! Lists of another system. Its opt-outs come first and to their end; only then are its consents taken, and none of them
//! lifts an opt-out. Each row is an operation of its own, named by import and row, so that an import that broke off is
//! sent again from any row.

use super::Idempotency;
use super::consent::{OptInAnswer, RecordOptIn, grant_of};
use super::opt_out::{OptOutAnswer, RecordOptOut};
use crate::ledger::body::{Body, ImportBody};
use crate::ledger::entry::{Public, SELLER_CHAIN};
use crate::ledger::rows::{ImportRow, keys};
use crate::model::consent::{Consent, Night, OptOut};
use crate::writer::{Cx, Op, OpError, Priority};

/// The key of one row of one import.
pub fn row_key(method: &'static str, import_id: &str, row: u64, request_sha256: [u8; 32]) -> Idempotency {
    Idempotency { method, key: format!("{import_id}\n{row}"), request_sha256 }
}

/// Whether every opt-out of a system has been taken over.
pub fn is_complete(cx: &mut Cx<'_>, source: &str) -> Result<bool, OpError> {
    Ok(cx.get::<ImportRow>(&keys::import(source))?.is_some())
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported<T> {
    /// Recorded, now or when the row came first.
    Recorded(T),
    /// The same was known already; nothing was written.
    Unchanged,
}

/// One consent of another system.
pub struct ImportConsent {
    /// The system.
    pub source: String,
    pub opt_in: RecordOptIn,
}

impl Op for ImportConsent {
    type Answer = Imported<OptInAnswer>;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Imported<OptInAnswer>, OpError> {
        if !is_complete(cx, &self.source)? {
            let why =
                format!("the opt-outs of {:?} come first: import its suppressions to the end", self.source);
            return Err(OpError::Precondition(why));
        }
        let operation = self.opt_in.idempotency.operation(&cx.env.seller);
        if cx.repeat_of(operation.as_ref())?.is_none() && is_known(cx, &self.opt_in)? {
            return Ok(Imported::Unchanged);
        }
        self.opt_in.run(cx).map(Imported::Recorded)
    }
}

/// Whether every grant the row tells of stands already, from the same act.
fn is_known(cx: &mut Cx<'_>, row: &RecordOptIn) -> Result<bool, OpError> {
    let address = cx.address_of(&row.target)?;
    let (Some(subject), _) = cx.find_subject(&address)? else { return Ok(false) };
    if row.customer.as_ref().is_some_and(|customer| !subject.customers.contains(customer)) {
        return Ok(false);
    }
    let e = &row.evidence;
    let same = |c: &Consent| {
        if row.night_only {
            return e.captured_at.is_some_and(|at| c.night == Night::At(at));
        }
        Some(c.captured_at) == e.captured_at && (c.method, c.basis, c.grade) == (e.method, e.basis, e.grade)
    };
    let stands = |program, channel| grant_of(&subject, program, channel, cx.now).is_some_and(same);
    let all = row.programs.iter().all(|p| row.channels.iter().all(|channel| stands(p, *channel)));
    let stopped = subject.opt_outs.iter().any(|o| o.holds_at(cx.now));
    Ok(all && !stopped)
}

/// One opt-out of another system.
pub struct ImportOptOut(pub RecordOptOut);

impl Op for ImportOptOut {
    type Answer = Imported<OptOutAnswer>;
    /// A list does not go before what people say now.
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<Imported<OptOutAnswer>, OpError> {
        let operation = self.0.idempotency.operation(&cx.env.seller);
        if cx.repeat_of(operation.as_ref())?.is_none() && is_stopped(cx, &self.0)? {
            return Ok(Imported::Unchanged);
        }
        self.0.run(cx).map(Imported::Recorded)
    }
}

/// Whether everybody the row names has said the same, the same way, and no earlier.
fn is_stopped(cx: &mut Cx<'_>, row: &RecordOptOut) -> Result<bool, OpError> {
    let people = cx.subjects_of(&row.target)?;
    let received_at = row.received_at.unwrap_or(cx.now);
    let said = |o: &OptOut| {
        o.scope == row.scope
            && o.source == row.source
            && o.received_at >= received_at
            && o.lifted_at.is_none()
            && o.lifted_for.is_empty()
    };
    Ok(!people.is_empty() && people.iter().all(|person| person.opt_outs.iter().any(said)))
}

/// Every opt-out of a system is here: its consents may come.
pub struct EndSuppressions {
    pub source: String,
    pub import_id: String,
    /// Number of the last row.
    pub rows: u64,
    pub actor: String,
}

impl Op for EndSuppressions {
    /// False: this import ended before.
    type Answer = bool;
    const PRIORITY: Priority = Priority::Api;

    fn run(self, cx: &mut Cx<'_>) -> Result<bool, OpError> {
        let known = cx.get::<ImportRow>(&keys::import(&self.source))?;
        if known.is_some_and(|row| row.import_id == self.import_id && row.rows == self.rows) {
            return Ok(false);
        }
        let public = Public { outcome: "SUPPRESSIONS".to_owned(), ..Public::default() };
        let body =
            ImportBody { source: self.source, import_id: self.import_id, rows: self.rows, actor: self.actor };
        cx.emit(SELLER_CHAIN, None, public, Body::Import(body))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
