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
    let subject = cx.row_of(id)?;
    let ends = |c: &&Consent| matches!(c.state, ConsentState::Granted | ConsentState::PendingConfirmation);
    let changes: Vec<ConsentChange> = subject
        .consents
        .iter()
        .filter(ends)
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
