//! A number that belongs to somebody else now, or to nobody: every grant on it ends, every opt-out stays.

use super::consent::public_of;
use crate::ledger::body::{Body, ConsentBody, ConsentCause, ConsentChange};
use crate::model::consent::{Basis, Consent, Method};
use crate::model::evidence::Evidence;
use crate::model::{Code, ConsentState, Instant, SubjectId};
use crate::writer::{Cx, OpError};

/// Ends every grant on a number, whoever gave it, and remembers that it changed hands. `text` is the person's own word, or
/// what a carrier said. Consent names a number and a person: a new owner starts afresh.
pub(super) fn number_changed(
    cx: &mut Cx<'_>,
    id: &SubjectId,
    text: &str,
    at: Instant,
) -> Result<(), OpError> {
    owner_changed(cx, id, text, at, |_| true)
}

/// The same by a registry's word, asked at an instant: who agreed after it is the new owner, and stays.
pub(super) fn number_checked(
    cx: &mut Cx<'_>,
    id: &SubjectId,
    text: &str,
    asked_at: Instant,
) -> Result<(), OpError> {
    owner_changed(cx, id, text, asked_at, |c| c.captured_at <= asked_at)
}

fn owner_changed(
    cx: &mut Cx<'_>,
    id: &SubjectId,
    text: &str,
    at: Instant,
    of_old_owner: impl Fn(&Consent) -> bool,
) -> Result<(), OpError> {
    let subject = cx.row_of(id)?;
    let stands = |c: &&Consent| matches!(c.state, ConsentState::Granted | ConsentState::PendingConfirmation);
    let (ends, stays): (Vec<&Consent>, Vec<&Consent>) =
        subject.consents.iter().filter(stands).partition(|c| of_old_owner(c));
    if ends.is_empty() && !stays.is_empty() {
        return Ok(());
    }
    let changes: Vec<ConsentChange> = ends
        .into_iter()
        .map(|c| ConsentChange {
            consent: Consent { state: ConsentState::Revoked, recorded_at: cx.now, ..c.clone() },
            reasons: vec![Code::NumberChanged.as_str().to_owned()],
        })
        .collect();
    if changes.is_empty() && subject.changed_at.is_some() {
        return Ok(());
    }
    let public = crate::ledger::entry::Public {
        outcome: "REVOKED".to_owned(),
        codes: vec![Code::NumberChanged.as_str().to_owned()],
        ..public_of(&changes)
    };
    let body = ConsentBody {
        cause: ConsentCause::NumberChanged,
        changes,
        customer: None,
        hints: Vec::new(),
        evidence: Evidence::of_text(Method::Unstated, Basis::Express, text, at),
        operation: None,
        actor: "gateway".to_owned(),
    };
    cx.emit(*id, None, public, Body::Consent(body)).map(|_| ())
}
