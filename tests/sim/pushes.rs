//! A push service: it takes sealed notifications, answers at once or not at all, says of a token that it is dead, and tells
//! nothing later.

use std::sync::Arc;

use consentry::clock::{Clock, ManualClock};
use consentry::entropy::{Entropy, SharedEntropy};
use consentry::model::Instant;
use consentry::model::outgoing::ErrorClass;
use consentry::model::subject::Address;
use consentry::provider::{BoxFuture, Dispatch, Failure, Handover, Provider, ReconcileError, Taker};
use parking_lot::Mutex;

use crate::carrier::{Habits, Seen, pause};
use crate::people::app_name;

/// Its connection.
pub const PUSH: &str = "push";

/// The service, and the adapter to it.
#[derive(Clone)]
pub struct Pushes {
    clock: ManualClock,
    chance: SharedEntropy,
    habits: Habits,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Pushes {
    pub fn new(clock: ManualClock, chance: SharedEntropy, habits: Habits) -> Pushes {
        Pushes { clock, chance, habits, seen: Arc::default() }
    }

    fn below(&self, bound: u64) -> u64 {
        let chance: &dyn Entropy = &*self.chance;
        chance.below(bound)
    }

    /// Everything handed over so far, from the `from`th on.
    pub fn seen(&self, from: usize) -> Vec<Seen> {
        self.seen.lock()[from..].to_vec()
    }

    fn hand_over(&self, dispatch: &Dispatch) -> Handover {
        let failure = |class, code: &str| Failure { class, code: code.to_owned(), text: String::new() };
        let fate = if self.habits.calm { 19 } else { self.below(20) };
        let (denied, answer) = match fate {
            0 | 1 => (true, Handover::Rejected(failure(ErrorClass::PermanentRecipient, "UNREGISTERED"))),
            2 => (true, Handover::Rejected(failure(ErrorClass::PermanentContent, "TOO_LARGE"))),
            3 | 4 => {
                let failure = failure(ErrorClass::Retryable, "503");
                (true, Handover::NotTaken { failure, after_seconds: Some(3) })
            }
            5 => (false, Handover::Unclear(failure(ErrorClass::Ambiguous, "RESET"))),
            _ => (false, Handover::Accepted { ids: vec![format!("n-{}", dispatch.message())] }),
        };
        let to = match dispatch.to() {
            Address::Device { installation, .. } => app_name(installation),
            Address::Phone(_) => "a telephone".to_owned(),
        };
        let (message, at) = (dispatch.message(), self.clock.now());
        self.seen.lock().push(Seen { message, to, at, denied, line: PUSH });
        answer
    }
}

impl Provider for Pushes {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Handover> {
        Box::pin(async move {
            pause(self.below(3)).await;
            if !dispatch.is_valid_at(self.clock.now()) && !self.habits.ignores_validity {
                return Handover::Void;
            }
            let answer = self.hand_over(&dispatch);
            pause(self.below(3)).await;
            answer
        })
    }

    fn reconcile<'a>(&'a self, _: Instant, _: &'a dyn Taker) -> BoxFuture<'a, Result<(), ReconcileError>> {
        Box::pin(async { Err(ReconcileError("push services keep no list".to_owned())) })
    }
}
