//! A carrier that is late, lies and forgets. It only ever sees sealed dispatches.

use consentry::model::outgoing::ErrorClass;
use consentry::model::{Instant, MessageId};
use consentry::provider::{Dispatch, Failure, Handover};

/// One hand-over as the carrier saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub message: MessageId,
    pub to: String,
    pub at: Instant,
    /// Whether it will deliver.
    pub took: bool,
}

/// What the carrier has seen, in order.
#[derive(Default)]
pub struct Carrier {
    pub seen: Vec<Seen>,
}

impl Carrier {
    /// Takes a hand-over or does not; answers truthfully, wrongly or not at all.
    pub fn hand_over(&mut self, dispatch: Dispatch, now: Instant, chance: u64) -> Handover {
        if !dispatch.is_valid_at(now) {
            return Handover::Void;
        }
        let failure = |class, code: &str| Failure { class, code: code.to_owned(), text: String::new() };
        let message = dispatch.message();
        let to = dispatch.to().phone().map(|p| p.expose().to_owned()).unwrap_or_default();
        let id = format!("p-{message}");
        let (took, answer) = match chance % 10 {
            0 => (false, Handover::Rejected(failure(ErrorClass::PermanentContent, "BLOCKED"))),
            1 => (
                false,
                Handover::NotTaken { failure: failure(ErrorClass::Retryable, "429"), after_seconds: Some(3) },
            ),
            2 => (true, Handover::Unclear(failure(ErrorClass::Ambiguous, "TIMEOUT"))),
            3 => (false, Handover::Unclear(failure(ErrorClass::Ambiguous, "RESET"))),
            _ => (true, Handover::Accepted { ids: vec![id] }),
        };
        self.seen.push(Seen { message, to, at: now, took });
        answer
    }
}
