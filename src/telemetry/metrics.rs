//! Every metric the gateway reports: its name, its meaning, and the one function that records it.
//!
//! Labels take few values, known beforehand: connection ids, reason codes, states. Never a person, a cart, a message.

mod names;

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::model::message::MessageState;
use crate::model::spend::Cost;
use crate::model::verdict::{Code, Outcome, Verdict};
use crate::model::{ConnectionId, PoolId, Span};
pub use names::{ALL, Kind, Metric};

fn millis(span: Span) -> f64 {
    span.as_micros() as f64 / 1_000.0
}
fn seconds(span: Span) -> f64 {
    span.as_micros() as f64 / 1_000_000.0
}

/// An inbound STOP became effective: from the first byte of the webhook to the commit.
pub fn stop_to_block(took: Span) {
    histogram!(names::STOP_TO_BLOCK_MS).record(millis(took));
}
/// A message went out: from its intent's commit to the write on the provider's socket.
pub fn intent_to_socket(took: Span) {
    histogram!(names::INTENT_TO_SOCKET_MS).record(millis(took));
}
/// How long ago a connection was last known to have told us everything.
pub fn heard_until_age(connection: &ConnectionId, age: Span) {
    gauge!(names::HEARD_UNTIL_AGE_SECONDS, "connection" => connection.to_string()).set(seconds(age));
}
/// Intents whose outcome is not known yet.
pub fn intents_without_outcome(count: usize) {
    gauge!(names::INTENTS_WITHOUT_OUTCOME).set(count as f64);
}
/// A receipt matched no message, now waiting for one.
pub fn unmatched_receipt(connection: &ConnectionId) {
    counter!(names::UNMATCHED_RECEIPTS_TOTAL, "connection" => connection.to_string()).increment(1);
}
/// Receipts that waited a day for a message nobody knows, and are given up.
pub fn outlived_receipts(count: usize) {
    counter!(names::OUTLIVED_RECEIPTS_TOTAL).increment(count as u64);
}
/// How far the clocks of the servers we speak to are ahead of ours, in the middle.
pub fn clock_difference(ahead: Span) {
    gauge!(names::CLOCK_DIFFERENCE_SECONDS).set(seconds(ahead));
}
/// Messages of a throttle group that cannot leave in time at its rate.
pub fn backlog_will_miss(group: &str, count: usize) {
    gauge!(names::BACKLOG_WILL_MISS, "group" => group.to_owned()).set(count as f64);
}
/// How long the oldest inbound text has waited for a person to read it; zero when none waits.
pub fn review_queue_age(age: Span) {
    gauge!(names::REVIEW_QUEUE_AGE_SECONDS).set(seconds(age));
}
/// One commit: how many operations shared it and how long append, fsync and fold took.
pub fn batch(operations: usize, took: Span) {
    histogram!(names::BATCH_SIZE).record(operations as f64);
    histogram!(names::COMMIT_MS).record(millis(took));
}
/// How full a writer queue is: `inbound`, `outcome`, `intent` or `api`.
pub fn writer_queue_depth(queue: &'static str, waiting: usize) {
    gauge!(names::WRITER_QUEUE_DEPTH, "queue" => queue).set(waiting as f64);
}
/// An operation was shed because its queue was full or the disk low.
pub fn shed(queue: &'static str) {
    counter!(names::SHED_TOTAL, "queue" => queue).increment(1);
}
/// Free bytes on the data volume, and whether the reserve that keeps opt-outs possible is still whole.
pub fn disk(free_bytes: u64, reserve_whole: bool) {
    gauge!(names::DISK_FREE_BYTES).set(free_bytes as f64);
    gauge!(names::DISK_RESERVE_WHOLE).set(f64::from(u8::from(reserve_whole)));
}
/// How long ago the oldest rule in force was last reviewed.
pub fn policy_age(age: Span) {
    gauge!(names::POLICY_AGE_SECONDS).set(seconds(age));
}
/// How long ago an outside anchor took a checkpoint, and how many entries are newer than that checkpoint.
pub fn anchor(name: &str, age: Span, newer: u64) {
    gauge!(names::ANCHOR_AGE_SECONDS, "anchor" => name.to_owned()).set(seconds(age));
    gauge!(names::ANCHOR_NEWER_ENTRIES, "anchor" => name.to_owned()).set(newer as f64);
}
/// An outside anchor did not take a checkpoint.
pub fn anchor_failure(name: &str) {
    counter!(names::ANCHOR_FAILURES_TOTAL, "anchor" => name.to_owned()).increment(1);
}
/// Codes left in a coupon pool.
pub fn coupon_pool_remaining(pool: &PoolId, codes: u64) {
    gauge!(names::COUPON_POOL_REMAINING, "pool" => pool.to_string()).set(codes as f64);
}
/// A pool of imported codes runs low.
pub fn coupon_pool_low(pool: &PoolId) {
    counter!(names::COUPON_POOL_LOW_TOTAL, "pool" => pool.to_string()).increment(1);
}
/// A coupon was redeemed, or why not: a result as the contract names it.
pub fn redemption(result: &'static str) {
    counter!(names::REDEMPTIONS_TOTAL, "result" => result).increment(1);
}
/// A decision was taken, at `acceptance`, `dispatch` or as a dry run (`check`).
pub fn decision(stage: &'static str, verdict: &Verdict) {
    let outcome = match verdict.outcome {
        Outcome::Admit => "admit",
        Outcome::Hold => "hold",
        Outcome::Refuse => "refuse",
    };
    counter!(names::DECISIONS_TOTAL, "stage" => stage, "outcome" => outcome).increment(1);
    for reason in &verdict.reasons {
        // A code of another release is free text; as a label it would be unbounded.
        let code = match &reason.code {
            Code::Other(_) => "OTHER".to_owned(),
            known => known.as_str().to_owned(),
        };
        counter!(names::DECISION_REASONS_TOTAL, "stage" => stage, "code" => code).increment(1);
    }
}
/// A message entered a state.
pub fn message(state: MessageState) {
    counter!(names::MESSAGES_TOTAL, "state" => state_label(state)).increment(1);
}
/// A provider took a message at an agreed price. The sum is kept in millionths of the currency's unit, because counters
/// are whole numbers.
pub fn spend(connection: &ConnectionId, channel: &str, brand: &str, cost: &Cost) {
    let labels = [
        ("connection", connection.to_string()),
        ("channel", channel.to_owned()),
        ("brand", brand.to_owned()),
        ("currency", cost.currency.clone()),
    ];
    counter!(names::SPEND_MICROS_TOTAL, &labels).increment(cost.micros);
}
/// A short link was followed, by a person or by something that only looked.
pub fn click(human: bool) {
    let who = if human { "human" } else { "machine" };
    counter!(names::CLICKS_TOTAL, "who" => who).increment(1);
}
/// Clicks were redirected and will never be written down.
pub fn clicks_lost(count: u64) {
    counter!(names::CLICKS_LOST_TOTAL).increment(count);
}
/// An outgoing webhook was `delivered` or `failed`.
pub fn feed(webhook: &str, result: &'static str) {
    counter!(names::FEED_TOTAL, "webhook" => webhook.to_owned(), "result" => result).increment(1);
}
/// What an outgoing webhook still has to deliver, and what it gave up.
pub fn feed_letters(webhook: &str, waiting: usize, dead: usize) {
    for (state, count) in [("waiting", waiting), ("dead", dead)] {
        gauge!(names::FEED_LETTERS, "webhook" => webhook.to_owned(), "state" => state).set(count as f64);
    }
}
/// A webhook came in: `accepted`, `duplicate`, `unauthenticated`, `malformed` or `refused`.
pub fn webhook(connection: &ConnectionId, result: &'static str) {
    counter!(names::WEBHOOKS_TOTAL, "connection" => connection.to_string(), "result" => result).increment(1);
}
/// A gRPC call was answered with a status such as `OK`.
pub fn call(method: String, status: &'static str, took: Span) {
    counter!(names::CALLS_TOTAL, "method" => method.clone(), "status" => status).increment(1);
    histogram!(names::CALL_MS, "method" => method).record(millis(took));
}

const fn state_label(state: MessageState) -> &'static str {
    match state {
        MessageState::Held => "held",
        MessageState::Queued => "queued",
        MessageState::Sending => "sending",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Undelivered => "undelivered",
        MessageState::Failed => "failed",
        MessageState::Rejected => "rejected",
        MessageState::Refused => "refused",
        MessageState::Cancelled => "cancelled",
        MessageState::Expired => "expired",
        MessageState::NotSent => "not_sent",
        MessageState::Unknown => "unknown",
    }
}

/// Collects what is recorded and renders it for `/metrics`.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

impl Exporter {
    /// Collects for this whole process; only the first call does.
    pub fn install() -> Result<Self, BuildError> {
        let handle = builder()?.install_recorder()?;
        names::describe();
        Ok(Self(handle))
    }

    /// The text of `/metrics` (Prometheus exposition format 0.0.4).
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds histogram samples away; without it they pile up between two scrapes. Runs until dropped.
    pub async fn upkeep(self) {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// Milliseconds from a tenth to a minute: fsyncs on good disks at one end, a provider's time-out at the other.
const MILLIS: [f64; 16] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 15_000.0,
    60_000.0,
];
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

fn builder() -> Result<PrometheusBuilder, BuildError> {
    use metrics_exporter_prometheus::Matcher::{Full, Suffix};
    PrometheusBuilder::new()
        .set_buckets_for_metric(Suffix("_ms".to_owned()), &MILLIS)?
        .set_buckets_for_metric(Full(names::BATCH_SIZE.to_owned()), &SIZES)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Instant;
    use crate::model::verdict::{Effect, Reason};

    fn verdict(codes: &[Code]) -> Verdict {
        let reason = |code: &Code| Reason {
            effect: Effect::Refuse,
            code: code.clone(),
            rule: String::new(),
            citation: String::new(),
            detail: String::new(),
            hold_until: None,
        };
        Verdict {
            outcome: Outcome::Refuse,
            hold_until: None,
            estimated_send_at: None,
            send_not_after: None,
            reasons: codes.iter().map(reason).collect(),
            evaluated_at: Instant::EPOCH,
            engine: [0; 32],
            policy_version: String::new(),
            time_zone_version: String::new(),
            zones_considered: Vec::new(),
            jurisdictions_considered: Vec::new(),
        }
    }

    fn record_everything() {
        let connection: ConnectionId = "twilio-main".parse().expect("an id");
        let pool: PoolId = "spring".parse().expect("an id");
        let span = Span::millis(3);
        stop_to_block(span);
        intent_to_socket(span);
        heard_until_age(&connection, span);
        intents_without_outcome(1);
        unmatched_receipt(&connection);
        outlived_receipts(1);
        clock_difference(span);
        backlog_will_miss("toll-free", 4);
        review_queue_age(span);
        batch(64, span);
        writer_queue_depth("inbound", 2);
        shed("api");
        disk(1 << 30, true);
        policy_age(Span::days(3));
        anchor("notary", span, 5);
        anchor_failure("notary");
        coupon_pool_remaining(&pool, 9);
        decision("dispatch", &verdict(&[Code::OptedOut, Code::from("MOON_PHASE")]));
        message(MessageState::NotSent);
        click(true);
        clicks_lost(1);
        feed("shop", "delivered");
        feed_letters("shop", 1, 0);
        spend(&connection, "SMS", "main", &Cost { currency: "USD".to_owned(), micros: 7_900 });
        coupon_pool_low(&pool);
        redemption("WRONG_CART");
        webhook(&connection, "accepted");
        call("SendMessage".to_owned(), "OK", span);
    }

    fn rendered() -> String {
        let recorder = builder().expect("buckets").build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            names::describe();
            record_everything();
        });
        handle.render()
    }

    #[test]
    fn every_metric_has_a_name_a_meaning_and_a_function() {
        let text = rendered();
        let typed: BTreeSet<&str> =
            text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let listed: BTreeSet<&str> = ALL.iter().map(|m| m.name).collect();
        assert_eq!(typed, listed);
        for metric in ALL {
            assert!(text.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{}", metric.name);
        }
    }

    #[test]
    fn labels_are_bounded_and_times_have_buckets() {
        let text = rendered();
        assert!(text.contains("code=\"OPTED_OUT\"") && text.contains("code=\"OTHER\""), "{text}");
        assert!(!text.contains("MOON_PHASE"));
        assert!(text.contains("consentry_stop_to_block_ms_bucket{le=\"5\"} 1"), "{text}");
        assert!(text.contains("consentry_batch_size_bucket{le=\"64\"} 1"), "{text}");
        assert!(text.contains("state=\"not_sent\""), "{text}");
    }
}
