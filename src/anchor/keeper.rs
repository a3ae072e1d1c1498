//! Asks each anchor in its turn, at a bounded rate, and keeps what it gave. A task for each, so that one that hangs holds up
//! none of the others; and nothing else in the gateway waits for any of them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{AnchorError, Configured};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::gateway::Gateway;
use crate::ledger::anchor::{Filed, Receipt};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::model::{Instant, Span};
use crate::store::embedded::Books;
use crate::telemetry::metrics;

/// How often it is looked whether an anchor is due.
const LOOK: Duration = Duration::from_secs(5);
/// A log that does not grow is shown again after so long, so that what is new is known to be new.
const AGAIN: Span = Span::hours(12);
/// An anchor not heard of for so long is told of.
pub const LATE: Span = Span::hours(24);
/// How often it is told again.
const TELL_EVERY: Span = Span::hours(1);
/// Waits after failures: doubled each time.
const RETRY_FIRST: Span = Span::minutes(1);
const RETRY_MAX: Span = Span::hours(1);

/// Starts a task for each anchor; they end with the gateway.
pub fn start(gateway: &Gateway, anchors: Vec<Configured>) {
    if !anchors.iter().any(|one| one.anchor.kind().is_outside()) {
        tracing::warn!(
            "no witness and no time-stamping authority is configured: when entries were recorded rests on the operator's word \
             (docs/anchors.md)"
        );
    }
    for anchor in anchors {
        let env = &gateway.env;
        let turn = Turn::new(anchor, gateway.books.clone(), env.clock.clone(), env.entropy.clone());
        gateway.run(Turn::run(gateway.anchors.put(turn), gateway.stopping()));
    }
}

/// The anchors of one process, for who cannot wait until they are due. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keeper(Arc<Mutex<Vec<SharedTurn>>>);

/// A turn that its own task and exports take one after another.
type SharedTurn = Arc<tokio::sync::Mutex<Turn>>;

impl Keeper {
    /// Adds one.
    pub fn put(&self, turn: Turn) -> SharedTurn {
        let turn = Arc::new(tokio::sync::Mutex::new(turn));
        self.0.lock().push(Arc::clone(&turn));
        turn
    }

    /// Shows this checkpoint to every anchor at once, due or not, but for those that failed a while ago and are left in peace,
    /// and waits so long at most. What they gave lies on the shelf; what they did not is said by who looks there.
    pub async fn anchor(&self, checkpoint: &SignedCheckpoint, within: Duration) {
        let turns = self.0.lock().clone();
        let asked = turns.iter().map(|turn| async move { turn.lock().await.show(checkpoint).await });
        if tokio::time::timeout(within, futures_util::future::join_all(asked)).await.is_err() {
            tracing::warn!("not every anchor took the checkpoint of an export in time");
        }
    }
}

/// One anchor's turn, again and again.
pub struct Turn {
    configured: Configured,
    books: Books,
    clock: SharedClock,
    entropy: SharedEntropy,
    /// When it was first looked at: from then on a missing receipt is counted.
    since: Option<Instant>,
    failures: u32,
    not_before: Instant,
    told_late: Option<Instant>,
}

impl Turn {
    /// An anchor that has not been asked yet.
    pub fn new(configured: Configured, books: Books, clock: SharedClock, entropy: SharedEntropy) -> Turn {
        let not_before = Instant::EPOCH;
        Turn { configured, books, clock, entropy, since: None, failures: 0, not_before, told_late: None }
    }

    /// Looks until `stop`.
    pub async fn run(turn: SharedTurn, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            // An answer that comes while we stop is lost; the next start asks again.
            let look = async { turn.lock().await.look().await };
            if stop.run_until_cancelled(look).await.is_none() {
                return;
            }
        }
    }

    /// Asks the anchor if it is due, and says how it stands with it.
    pub async fn look(&mut self) {
        let last = self.books.anchors().newest_of(&self.configured.name);
        if self.is_due(self.clock.now(), last.as_ref()) {
            let checkpoint = self.books.checkpoint();
            self.try_with(&checkpoint).await;
        }
        self.tell();
    }

    /// Shows it a checkpoint now, unless it has taken a newer one or is not to be asked yet.
    async fn show(&mut self, checkpoint: &SignedCheckpoint) {
        let last = self.books.anchors().newest_of(&self.configured.name);
        let covered = last.is_some_and(|last| last.size >= checkpoint.size());
        if checkpoint.size() > 0 && !covered && self.clock.now() >= self.not_before {
            self.try_with(checkpoint).await;
        }
    }

    async fn try_with(&mut self, checkpoint: &SignedCheckpoint) {
        match self.ask(checkpoint).await {
            Ok(filed) => {
                self.failures = 0;
                tracing::info!(anchor = %self.configured.name, entries = filed.size, "a checkpoint was anchored");
            }
            Err(error) => self.failed(&error),
        }
    }

    fn is_due(&self, now: Instant, last: Option<&Filed>) -> bool {
        let size = self.books.checkpoint().size();
        if size == 0 || now < self.not_before {
            return false;
        }
        let Some(last) = last else { return true };
        let (passed, every) = (now.since(last.recorded_at), Span::from_std(self.configured.every));
        let grown = size != last.size;
        (grown && passed >= every) || passed >= AGAIN.max(every)
    }

    async fn ask(&self, checkpoint: &SignedCheckpoint) -> Result<Filed, AnchorError> {
        let (name, anchor) = (&self.configured.name, &self.configured.anchor);
        // A second wall around the anchor's own deadline: several questions may be one turn.
        let patience = self.configured.deadline * 4;
        let asked = tokio::time::timeout(patience, anchor.submit(checkpoint, self.books.tree())).await;
        let taken = asked.map_err(|_| AnchorError::Deadline(patience))??;
        let receipt = Receipt {
            anchor: name.clone(),
            kind: anchor.kind(),
            recorded_at: self.clock.now(),
            checkpoint: taken.checkpoint,
            proof: taken.proof,
        };
        let (shelf, size) = (Arc::clone(self.books.anchors()), checkpoint.size());
        let kept = tokio::task::spawn_blocking(move || shelf.add(&receipt, size)).await;
        Ok(kept.map_err(|e| AnchorError::Ledger(e.to_string()))??)
    }

    fn failed(&mut self, error: &AnchorError) {
        let wait =
            Span::micros((RETRY_FIRST.as_micros() << self.failures.min(10)).min(RETRY_MAX.as_micros()));
        // Up to a quarter longer, so that many gateways do not come back as one.
        let jitter = self.entropy.below(wait.as_micros() as u64 / 4);
        self.not_before = self.clock.now() + wait + Span::micros(jitter as i64);
        self.failures = self.failures.saturating_add(1);
        metrics::anchor_failure(&self.configured.name);
        let (anchor, failures) = (&self.configured.name, self.failures);
        match error {
            AnchorError::OtherHistory(_) => {
                tracing::error!(anchor, failures, %error, "an anchor contradicts this log");
            }
            _ => tracing::warn!(anchor, failures, %error, "a checkpoint was not anchored; it is tried again"),
        }
    }

    /// Age and warnings.
    fn tell(&mut self) {
        let now = self.clock.now();
        let size = self.books.checkpoint().size();
        let last = self.books.anchors().newest_of(&self.configured.name);
        let begun = *self.since.get_or_insert(now);
        let heard = last.as_ref().map_or(begun, |last| last.recorded_at);
        let age = if size == 0 { Span::ZERO } else { now.since(heard).max(Span::ZERO) };
        let open = size.saturating_sub(last.map_or(0, |last| last.size));
        metrics::anchor(&self.configured.name, age, open);
        if age < LATE {
            self.told_late = None;
        } else if self.told_late.is_none_or(|told| now.since(told) >= TELL_EVERY) {
            self.told_late = Some(now);
            let (anchor, hours) = (&self.configured.name, age.as_seconds() / 3_600);
            tracing::warn!(
                anchor,
                hours,
                "an anchor has not taken a checkpoint for more than a day: bundles made now say so"
            );
        }
    }
}
