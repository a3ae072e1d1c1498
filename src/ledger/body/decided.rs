//! What the three kinds of decision have in common: read out of a body, or out of its plaintext without reading the rest.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Body;
use crate::ledger::entry::{EntryError, Kind};
use crate::model::facts::Inputs;
use crate::model::verdict::Verdict;
use crate::model::{Instant, MessageId};

/// What the three kinds of decision have in common.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    pub message: MessageId,
    pub verdict: &'a Verdict,
    pub inputs: Option<&'a Inputs>,
}

impl Body {
    /// The decision in it, at acceptance or at dispatch.
    pub fn decided(&self) -> Option<Decided<'_>> {
        let (message, verdict, inputs) = match self {
            Body::Decision(body) => (body.message.id, &body.verdict, &body.inputs),
            Body::Intent(body) => (body.message, &body.verdict, &body.inputs),
            Body::Redecision(body) => (body.message, &body.verdict, &body.inputs),
            _ => return None,
        };
        Some(Decided { message, verdict, inputs: inputs.as_deref() })
    }
}

/// A decision as its plaintext has it. Of the rest of the body only that it is JSON was seen.
#[derive(Debug)]
pub struct SealedDecision<'p> {
    pub message: MessageId,
    /// The instant judged.
    pub evaluated_at: Instant,
    /// The verdict, as it is written.
    pub verdict: &'p str,
    pub inputs: Option<Inputs>,
}

/// The body of a decision, by kind.
#[derive(Deserialize)]
enum Sealed<'p> {
    #[serde(borrow)]
    Decision(Part<'p, Accepted>),
    Intent(Part<'p, MessageId>),
    Redecision(Part<'p, MessageId>),
}

#[derive(Deserialize)]
struct Part<'p, M> {
    message: M,
    #[serde(borrow)]
    verdict: &'p RawValue,
    #[serde(default)]
    inputs: Option<Inputs>,
}

#[derive(Deserialize)]
struct Accepted {
    id: MessageId,
}

#[derive(Deserialize)]
struct Judged {
    evaluated_at: Instant,
}

impl<'p> SealedDecision<'p> {
    /// Reads an opened plaintext; `kind` is what the leaf says it must be, one of the three.
    pub fn read(kind: Kind, plaintext: &'p [u8]) -> Result<SealedDecision<'p>, EntryError> {
        let wrong = |e: serde_json::Error| EntryError::Body(e.to_string());
        let (found, message, verdict, inputs) = match serde_json::from_slice(plaintext).map_err(wrong)? {
            Sealed::Decision(part) => (Kind::Decision, part.message.id, part.verdict, part.inputs),
            Sealed::Intent(part) => (Kind::Intent, part.message, part.verdict, part.inputs),
            Sealed::Redecision(part) => (Kind::Redecision, part.message, part.verdict, part.inputs),
        };
        if found != kind {
            return Err(EntryError::Body(format!("leaf says {kind:?}, body is {found:?}")));
        }
        let verdict = verdict.get();
        let Judged { evaluated_at } = serde_json::from_str(verdict).map_err(wrong)?;
        Ok(SealedDecision { message, evaluated_at, verdict, inputs })
    }
}
