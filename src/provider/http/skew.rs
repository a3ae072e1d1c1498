//! How far our clock is from those of the servers we speak to, by the `Date` of their answers.
//!
//! One wrong clock may be theirs. Where several hosts agree that it is ours, hours and caps are judged by a wrong time, and
//! the process says that it is not ready.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use parking_lot::Mutex;

use crate::model::{Instant, Span};
use crate::telemetry::metrics;

/// A difference beyond this is no matter of round trips and whole seconds.
const MOST: Span = Span::seconds(30);
/// Hosts that must say so.
const HOSTS: usize = 3;
/// What a host said counts for so long.
const FRESH: Span = Span::hours(1);
/// Hosts remembered; the one heard of longest ago makes room.
const HOSTS_MAX: usize = 64;

/// What every client of this process heard.
pub static CLOCKS: LazyLock<Clocks> = LazyLock::new(Clocks::default);

/// Differences by host: theirs less ours, and when that was.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<BTreeMap<String, (Span, Instant)>>);

impl Clocks {
    /// A host's answer of `now` was dated `date`.
    pub fn hear(&self, host: &str, date: Instant, now: Instant) {
        let mut heard = self.0.lock();
        if !heard.contains_key(host) && heard.len() >= HOSTS_MAX {
            let oldest = heard.iter().min_by_key(|(_, (_, at))| *at).map(|(host, _)| host.clone());
            oldest.map(|host| heard.remove(&host));
        }
        heard.insert(host.to_owned(), (date.since(now), now));
        drop(heard);
        metrics::clock_difference(self.difference(now).unwrap_or(Span::ZERO));
    }

    /// The middle of what the hosts heard of lately say, ahead of us or behind; none: nobody was heard.
    pub fn difference(&self, now: Instant) -> Option<Span> {
        let mut said = self.lately(now);
        said.sort();
        said.get(said.len() / 2).copied()
    }

    /// Whether several hosts agree that our clock is wrong, all in the same direction.
    pub fn are_against_us(&self, now: Instant) -> bool {
        let said = self.lately(now);
        let ahead = said.iter().filter(|difference| **difference > MOST).count();
        let behind = said.iter().filter(|difference| difference.as_micros() < -MOST.as_micros()).count();
        ahead.max(behind) >= HOSTS && ahead.max(behind) * 2 > said.len()
    }

    fn lately(&self, now: Instant) -> Vec<Span> {
        let fresh = |at: Instant| now.since(at) < FRESH && at.since(now) < FRESH;
        self.0.lock().values().filter(|(_, at)| fresh(*at)).map(|(difference, _)| *difference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hosts_that_agree_say_that_our_clock_is_wrong() {
        let now = Instant::from_seconds(1_800_000_000);
        let table: [(&[i64], bool); 7] = [
            (&[], false),
            (&[45, 50], false),
            (&[45, 50, 31], true),
            (&[-45, -50, -31], true),
            (&[45, 50, -31], false),
            (&[30, 30, 30, 30], false),
            (&[45, 50, 60, 0, 1, 2], false),
        ];
        for (said, wrong) in table {
            let clocks = Clocks::default();
            for (n, seconds) in said.iter().enumerate() {
                clocks.hear(&format!("h{n}.example"), now + Span::seconds(*seconds), now);
            }
            assert_eq!(clocks.are_against_us(now), wrong, "{said:?}");
            assert!(!clocks.are_against_us(now + Span::hours(1)), "{said:?}: an hour ago");
        }
    }

    #[test]
    fn a_host_counts_once_by_its_last_word_and_memory_is_bounded() {
        let now = Instant::from_seconds(1_800_000_000);
        let clocks = Clocks::default();
        for n in 0..3 {
            clocks.hear("one.example", now + Span::minutes(n + 1), now);
        }
        assert!(!clocks.are_against_us(now));
        assert_eq!(clocks.difference(now), Some(Span::minutes(3)));
        for n in 0..200 {
            clocks.hear(&format!("h{n}.example"), now, now + Span::seconds(n));
        }
        assert_eq!(clocks.0.lock().len(), HOSTS_MAX);
    }
}
