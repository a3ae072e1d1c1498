//! What `/metrics` tells of a running gateway: decisions and states as they are committed, and levels looked at now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Dispatcher;
use crate::ledger::body::Body;
use crate::ledger::entry::Entry;
use crate::ledger::rows::{ReviewRow, keys};
use crate::model::Span;
use crate::model::message::MessageState;
use crate::telemetry::metrics;
use crate::writer::{OpError, Priority, Reader, WriterHandle};

/// How often levels are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Counts what is committed, until `stop`. Of a burst too large to follow, the part that was missed is not counted: the
/// ledger knows, a dashboard need not.
pub(super) async fn follow(mut news: broadcast::Receiver<Arc<[Entry]>>, stop: CancellationToken) {
    while let Some(heard) = stop.run_until_cancelled(news.recv()).await {
        match heard {
            Ok(entries) => entries.iter().for_each(count),
            Err(RecvError::Lagged(batches)) => tracing::debug!(batches, "metrics missed some commits"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn count(entry: &Entry) {
    spent(entry);
    match &entry.body {
        Body::Decision(decided) => {
            metrics::decision("acceptance", &decided.verdict);
            metrics::message(decided.state);
        }
        Body::Intent(intent) => {
            metrics::decision("dispatch", &intent.verdict);
            metrics::message(MessageState::Sending);
        }
        Body::Redecision(decided) => {
            metrics::decision("dispatch", &decided.verdict);
            metrics::message(decided.state);
        }
        Body::Outcome(outcome) => metrics::message(outcome.state),
        Body::Receipt(receipt) if receipt.message.is_some() => metrics::message(receipt.state),
        Body::Cancelled(_) => metrics::message(MessageState::Cancelled),
        _ => {}
    }
}

/// What a provider took for a message.
fn spent(entry: &Entry) {
    let (cost, connection) = match &entry.body {
        Body::Outcome(body) => (&body.cost, body.connection.as_ref()),
        Body::Receipt(body) => (&body.cost, Some(&body.connection)),
        _ => return,
    };
    if let (Some(cost), Some(connection)) = (cost, connection) {
        let brand = entry.leaf.brand.as_ref().map_or("", |brand| brand.as_str());
        metrics::spend(connection, &entry.leaf.public.channel, brand, cost);
    }
}

/// Looks at levels: queues, lanes, reviews, rules.
pub(super) struct Meter {
    pub writer: WriterHandle,
    pub reader: Reader,
    pub dispatcher: Dispatcher,
}

impl Meter {
    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(EVERY);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            if let Err(error) = self.look() {
                tracing::warn!(%error, "some levels could not be measured");
            }
        }
    }

    fn look(&self) -> Result<(), OpError> {
        let now = self.reader.env().clock.now();
        for (priority, waiting) in Priority::ALL.into_iter().zip(self.writer.depths()) {
            metrics::writer_queue_depth(priority.name(), waiting);
        }
        for (group, late) in self.dispatcher.will_miss(now) {
            metrics::backlog_will_miss(&group, late);
        }
        let oldest = self.reader.look(|cx| {
            let first = cx.state.scan::<ReviewRow>(&keys::reviews(), None, 1)?;
            Ok(first.first().map(|(_, row)| row.at))
        })?;
        metrics::review_queue_age(oldest.map_or(Span::seconds(0), |at| now.since(at)));
        let policies = self.reader.env().policies();
        if let Some(reviewed) = policies.engine.policy().oldest_review(now) {
            metrics::policy_age(now.since(reviewed));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Instant, Span};

    #[test]
    fn every_rule_of_this_release_was_reviewed_within_two_years() {
        let policy = crate::policy::embedded::load().expect("the packs of this release compile");
        let now = Instant::parse("2026-11-22T12:00:00Z").expect("an instant");
        let oldest = policy.oldest_review(now).expect("rules are in force");
        assert!(oldest < now && now.since(oldest) < Span::days(730), "{oldest}");
    }
}
