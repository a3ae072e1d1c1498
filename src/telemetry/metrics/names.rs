//! The list of metrics. Names are public: add, never rename.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name; a unit, where it has one, stands last.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it means, in one line.
    pub help: &'static str,
}

macro_rules! metrics_list {
    ($($name:ident $text:literal $kind:ident $help:literal,)*) => {
        $(pub(super) const $name: &str = $text;)*
        /// Every metric, in the order of the documentation.
        pub const ALL: &[Metric] = &[$(Metric { name: $text, kind: Kind::$kind, help: $help }),*];
    };
}

metrics_list! {
    STOP_TO_BLOCK_MS "consentry_stop_to_block_ms" Histogram
        "Milliseconds from a STOP reaching us to the opt-out being in force.",
    INTENT_TO_SOCKET_MS "consentry_intent_to_socket_ms" Histogram
        "Milliseconds from a dispatch intent's commit to the write to the provider; above 2000 it is void.",
    HEARD_UNTIL_AGE_SECONDS "consentry_heard_until_age_seconds" Gauge
        "Seconds since a connection was last known to have told us everything; lanes pause when it gapes.",
    INTENTS_WITHOUT_OUTCOME "consentry_intents_without_outcome" Gauge
        "Intents whose fate is not known yet.",
    UNMATCHED_RECEIPTS_TOTAL "consentry_unmatched_receipts_total" Counter
        "Receipts that matched no message when they came.",
    OUTLIVED_RECEIPTS_TOTAL "consentry_outlived_receipts_total" Counter
        "Receipts whose message did not come within a day.",
    CLOCK_DIFFERENCE_SECONDS "consentry_clock_difference_seconds" Gauge
        "Seconds that the clocks of servers we speak to are ahead of ours; beyond 30 of three of them we are not ready.",
    BACKLOG_WILL_MISS "consentry_backlog_will_miss" Gauge
        "Messages of a throttle group that cannot leave before their end at its rate.",
    REVIEW_QUEUE_AGE_SECONDS "consentry_review_queue_age_seconds" Gauge
        "Seconds the oldest unclear inbound text has waited for a person; 0 when none waits.",
    BATCH_SIZE "consentry_batch_size" Histogram
        "Operations committed together.",
    COMMIT_MS "consentry_commit_ms" Histogram
        "Milliseconds one commit took: append, fsync, fold.",
    WRITER_QUEUE_DEPTH "consentry_writer_queue_depth" Gauge
        "Operations waiting for the writer, by queue.",
    SHED_TOTAL "consentry_shed_total" Counter
        "Operations turned away because a queue was full or the disk low, by queue.",
    DISK_FREE_BYTES "consentry_disk_free_bytes" Gauge
        "Free bytes on the data volume.",
    DISK_RESERVE_WHOLE "consentry_disk_reserve_whole" Gauge
        "1 while the reserve that keeps opt-outs possible on a full disk is untouched.",
    POLICY_AGE_SECONDS "consentry_policy_age_seconds" Gauge
        "Seconds since the longest unreviewed rule in force was reviewed.",
    ANCHOR_AGE_SECONDS "consentry_anchor_age_seconds" Gauge
        "Seconds since an outside anchor last took a checkpoint; alert above 86400.",
    ANCHOR_NEWER_ENTRIES "consentry_anchor_newer_entries" Gauge
        "Entries recorded after the checkpoint that an anchor took last.",
    ANCHOR_FAILURES_TOTAL "consentry_anchor_failures_total" Counter
        "Times that an anchor did not take a checkpoint.",
    COUPON_POOL_REMAINING "consentry_coupon_pool_remaining" Gauge
        "Codes left in a coupon pool.",
    COUPON_POOL_LOW_TOTAL "consentry_coupon_pool_low_total" Counter
        "Warnings that a coupon pool runs low, by pool.",
    REDEMPTIONS_TOTAL "consentry_redemptions_total" Counter
        "Coupon redemptions by result; refused ones consume nothing.",
    DECISIONS_TOTAL "consentry_decisions_total" Counter
        "Decisions by stage and outcome.",
    DECISION_REASONS_TOTAL "consentry_decision_reasons_total" Counter
        "Reasons given in decisions, by stage and code.",
    MESSAGES_TOTAL "consentry_messages_total" Counter
        "Messages that entered a state, by state.",
    SPEND_MICROS_TOTAL "consentry_spend_micros_total" Counter
        "Cost of messages that providers took, at agreed prices, in millionths of the currency's unit.",
    CLICKS_TOTAL "consentry_clicks_total" Counter
        "Short links followed, by people and by machines that only looked.",
    CLICKS_LOST_TOTAL "consentry_clicks_lost_total" Counter
        "Clicks redirected and never written down: the buffer was full, or the gateway could not write.",
    WEBHOOKS_TOTAL "consentry_webhooks_total" Counter
        "Webhooks by connection and what became of them.",
    FEED_TOTAL "consentry_feed_total" Counter
        "Outgoing webhooks by webhook and what became of the attempt.",
    FEED_LETTERS "consentry_feed_letters" Gauge
        "Events a webhook still has to deliver (waiting), and those it gave up (dead).",
    CALLS_TOTAL "consentry_calls_total" Counter
        "gRPC calls by method and status.",
    CALL_MS "consentry_call_ms" Histogram
        "Milliseconds a gRPC call took, by method.",
}

/// Tells the recorder what each metric means.
pub(super) fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_speak_of_metrics_that_exist() {
        let rules = include_str!("../../../docs/alerts.yml");
        let mut spoken_of = 0;
        for line in rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
            for (at, _) in line.match_indices("consentry_") {
                let end = line[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let word = &line[at..end.map_or(line.len(), |end| at + end)];
                let metric = ALL.iter().find(|m| m.name == word.strip_suffix("_bucket").unwrap_or(word));
                let metric = metric.unwrap_or_else(|| panic!("{word} is no metric"));
                assert_eq!(metric.kind == Kind::Histogram, word.ends_with("_bucket"), "{word}");
                spoken_of += 1;
            }
        }
        assert_eq!(spoken_of, rules.matches("- alert: ").count(), "each rule asks one metric");
        assert!(rules.contains("consentry_anchor_age_seconds > 86400"), "as docs/anchors.md says");
    }
}
