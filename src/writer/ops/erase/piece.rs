//! Erasing somebody with more rows than one commit takes: begun, then forgotten piece by piece, then ended by
//! [`Erase`](super::Erase).
//!
//! Whoever is begun is opted out, hidden and due: what a crash breaks off, the job that looks who is due takes up again. The
//! entries themselves tell which rows are gone already.

use super::restrict::stop_all;
use super::{Erased, cancel_what_waits, forget, nothing_on_its_way, spend};
use crate::erasure::inventory::Piece;
use crate::ledger::body::{Body, Ground, RestrictionBody};
use crate::ledger::entry::Public;
use crate::ledger::rows::{RestrictedRow, keys};
use crate::model::SubjectId;
use crate::model::subject::Subject;
use crate::writer::{Cx, Op, OpError, Priority};

/// Writes down that people are to be erased now. Asking again changes nothing.
pub struct BeginErasure {
    pub subjects: Vec<SubjectId>,
    pub reason: String,
    pub actor: String,
}

impl Op for BeginErasure {
    /// What forbids it, before anything is written; nothing: it is begun.
    type Answer = Vec<Ground>;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Vec<Ground>, OpError> {
        let mut people = Vec::with_capacity(self.subjects.len());
        for id in &self.subjects {
            if let Some(person) = cx.get::<Subject>(&keys::subject(id))? {
                let held = cx.holds_on(&person)?;
                if !held.is_empty() {
                    return Ok(held);
                }
                people.push(person);
            }
        }
        for person in people {
            let row = cx.get::<RestrictedRow>(&keys::restricted(&person.id))?;
            if row.as_ref().is_none_or(|row| row.erase_after > cx.now) {
                if row.is_none() {
                    stop_all(cx, &[person.id], &self.reason, &self.actor)?;
                }
                let body = RestrictionBody {
                    erase_after: cx.now,
                    grounds: Vec::new(),
                    reason: self.reason.clone(),
                    actor: self.actor.clone(),
                };
                let public = Public { outcome: "ERASING".to_owned(), ..Public::default() };
                cx.emit(person.id, None, public, Body::Restriction(body))?;
            }
            cancel_what_waits(cx, &person, &self.actor)?;
        }
        Ok(Vec::new())
    }
}

/// Forgets one piece of somebody whose erasure has begun.
pub struct Forget {
    pub piece: Piece,
    /// After a restore: neither holds of that time nor what was being handed over then hinders it.
    pub again: bool,
}

impl Op for Forget {
    type Answer = Erased;
    const PRIORITY: Priority = Priority::Outcome;

    fn run(self, cx: &mut Cx<'_>) -> Result<Erased, OpError> {
        let Piece { subject, rows, coupons } = self.piece;
        let missing = || OpError::NotFound { what: "person", id: subject.to_string() };
        let person = cx.get::<Subject>(&keys::subject(&subject))?.ok_or_else(missing)?;
        if !self.again {
            let held = cx.holds_on(&person)?;
            if !held.is_empty() {
                return Ok(Erased::Held(held));
            }
            nothing_on_its_way(cx, &rows.messages)?;
        }
        // What came in since: a message whose row goes must not wait.
        cancel_what_waits(cx, &person, "gateway")?;
        forget(cx, subject, rows)?;
        spend(cx, subject, &coupons)?;
        Ok(Erased::Recorded)
    }
}
