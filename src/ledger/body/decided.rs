//! What the three kinds of decision have in common: read out of a body, or out of its plaintext without reading the rest.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Body, text};
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
    /// The verdict, as it is written.
    pub verdict: &'p str,
    pub inputs: Option<Box<Inputs>>,
}

/// The body of a decision, by kind.
#[derive(Deserialize)]
enum Sealed<'p> {
    #[serde(borrow)]
    Decision(Part<'p>),
    Intent(Part<'p>),
    Redecision(Part<'p>),
}

#[derive(Deserialize)]
struct Part<'p> {
    /// The message itself at acceptance, its id afterwards.
    #[serde(borrow)]
    message: &'p RawValue,
    verdict: &'p RawValue,
    #[serde(default)]
    inputs: Option<Box<Inputs>>,
}

#[derive(Deserialize)]
struct Accepted {
    id: MessageId,
}

impl<'p> SealedDecision<'p> {
    /// Reads an opened plaintext; `kind` is what the leaf says it must be, one of the three.
    pub fn read(kind: Kind, plaintext: &'p [u8]) -> Result<SealedDecision<'p>, EntryError> {
        let sealed = serde_json::from_str(text(plaintext)?).map_err(wrong)?;
        let (found, part) = match sealed {
            Sealed::Decision(part) => (Kind::Decision, part),
            Sealed::Intent(part) => (Kind::Intent, part),
            Sealed::Redecision(part) => (Kind::Redecision, part),
        };
        if found != kind {
            return Err(EntryError::Body(format!("leaf says {kind:?}, body is {found:?}")));
        }
        let message = match found {
            Kind::Decision => accepted(part.message.get())?,
            _ => serde_json::from_str(part.message.get()).map_err(wrong)?,
        };
        Ok(SealedDecision { message, verdict: part.verdict.get(), inputs: part.inputs })
    }

    /// The verdict, read.
    pub fn verdict(&self) -> Result<Verdict, EntryError> {
        serde_json::from_str(self.verdict).map_err(wrong)
    }

    /// The instant judged, by the first field of that name: right in all we write, and cheaper than reading the verdict.
    pub fn judged_at(&self) -> Option<Instant> {
        const NAME: &str = "\"evaluated_at\":\"";
        let (text, _) = self.verdict[self.verdict.find(NAME)? + NAME.len()..].split_once('"')?;
        Instant::parse(text).ok()
    }
}

/// The id in a message, which we write first.
fn accepted(message: &str) -> Result<MessageId, EntryError> {
    const QUOTED: usize = 34;
    let first = message.strip_prefix("{\"id\":").and_then(|rest| rest.get(..QUOTED));
    if let Some(id) = first.and_then(|quoted| serde_json::from_str(quoted).ok()) {
        return Ok(id);
    }
    serde_json::from_str::<Accepted>(message).map(|accepted| accepted.id).map_err(wrong)
}

fn wrong(e: serde_json::Error) -> EntryError {
    EntryError::Body(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_is_found_wherever_it_stands() {
        let id = MessageId([0xab; 16]);
        let hex = "ab".repeat(16);
        for message in [
            format!("{{\"id\":\"{hex}\",\"brand\":\"main\"}}"),
            format!("{{\"id\":\"{hex}\"}}"),
            format!("{{ \"id\": \"{hex}\"}}"),
            format!("{{\"brand\":{{\"id\":\"x\"}},\"id\":\"{hex}\"}}"),
        ] {
            assert_eq!(accepted(&message), Ok(id), "{message}");
        }
        for message in ["{}", "{\"id\":\"ab\"}", "{\"id\":\"é\"}", "[]"] {
            assert!(accepted(message).is_err(), "{message}");
        }
    }
}
