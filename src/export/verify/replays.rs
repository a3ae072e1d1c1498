//! Decisions of a bundle made again: how many came out as recorded, and why others were not made again.

use std::collections::BTreeMap;

use super::Report;
use crate::audit::again::{Again, Skip};

/// What came of making the decisions again.
#[derive(Debug, Default)]
pub struct Replays {
    equal: u64,
    different: u64,
    skipped: BTreeMap<Skip, u64>,
}

impl Replays {
    /// Takes note of one decision; one that comes out differently is a failure.
    pub fn note(&mut self, index: u64, again: Again, report: &mut Report) {
        match again {
            Again::Equal => self.equal += 1,
            Again::Skipped(skip) => *self.skipped.entry(skip).or_default() += 1,
            Again::Different(different) => {
                self.different += 1;
                let why = format!(
                    "made again from what it recorded, it comes out {:?}, not {:?}",
                    different.replayed.outcome, different.recorded.outcome
                );
                report.fail(Some(index), different.fields.join(", "), "replay", why);
            }
        }
    }

    /// What is certain now, and what is not.
    pub fn say(&self, proved: &mut Vec<String>, not_proved: &mut Vec<String>) {
        if self.equal > 0 {
            proved.push(format!(
                "{} decisions come out byte for byte as recorded when this release makes them again, from the inputs sealed \
                 with them and the policy set in force then, which is in the bundle.",
                self.equal
            ));
            not_proved.push(
                "That the inputs of a decision were all that was known: its opt-outs and consents can be compared with \
                 the entries before it, which are shown."
                    .to_owned(),
            );
        }
        for (skip, count) in &self.skipped {
            not_proved
                .push(format!("That {count} decisions were made rightly: they were {}.", skip.because()));
        }
    }
}
