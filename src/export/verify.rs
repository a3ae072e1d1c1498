//! The check by somebody who trusts nobody: of a bundle from a public key alone, of a data folder from its files.
//!
//! What was proved and what was not is said in plain words; what is wrong is named by entry, field and check.

use std::fmt;

use serde::Serialize;

use crate::audit::statement::Statement;
use crate::ledger::checkpoint::SignedCheckpoint;

mod all_heads;
mod anchored;
mod bundle;
mod directory;
mod entries;
mod heads;
mod lines;
mod policies;
mod receipts;
mod replays;
#[cfg(test)]
mod tests;
mod tlog_proof;
mod trust;

pub use anchored::AnchorReport;
pub use bundle::{bundle, bundle_trusting, key_within};
pub use directory::{directory, directory_trusting};
pub use tlog_proof::tlog_proof;
pub use trust::Trust;

/// Failures told; after so many the check stops.
const FAILURES_MAX: usize = 20;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that can be checked is as it should be.
    Valid,
    /// Something was changed, left out, forged or lost.
    Invalid,
    /// It could not be read, or is nothing this release can check.
    Unreadable,
}

impl Outcome {
    /// The exit code of `consentry verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Valid => 0,
            Outcome::Invalid => 1,
            Outcome::Unreadable => 2,
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which entry, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// Which part, file or field, as in `leaf.seal`.
    pub field: String,
    /// Which check failed: `form`, `signature`, `inclusion`, `opening`, `chain`, `order`, `hash`, `count`, `consistency`,
    /// `engine`, `people`, `closed`, `completeness`, `table`, `page`, `public`, `replay`, `statement`, `anchor`.
    pub check: &'static str,
    /// What was found.
    pub why: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = self.entry {
            write!(f, "entry {entry}, ")?;
        }
        write!(f, "{} ({}): {}", self.field, self.check, self.why)
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// `bundle`, `data directory` or `tlog-proof`.
    pub what: &'static str,
    /// The log, as far as a signature vouches for it.
    pub origin: String,
    /// Entries under the checkpoint.
    pub tree_size: u64,
    /// The root over them, base64.
    pub root: String,
    /// Entries looked at.
    pub entries: u64,
    /// What is now certain, given the public key.
    pub proved: Vec<String>,
    /// What nobody can tell from this.
    pub not_proved: Vec<String>,
    /// Bundles: what followed each STOP among the entries shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
    /// What outside anchors said.
    pub anchors: Vec<AnchorReport>,
    /// What is wrong.
    pub failures: Vec<Failure>,
}

impl Report {
    fn new(what: &'static str) -> Report {
        Report {
            outcome: Outcome::Valid,
            what,
            origin: String::new(),
            tree_size: 0,
            root: String::new(),
            entries: 0,
            proved: Vec::new(),
            not_proved: Vec::new(),
            statement: None,
            anchors: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn signed(&mut self, checkpoint: &SignedCheckpoint) {
        self.origin.clone_from(&checkpoint.checkpoint().origin);
        self.tree_size = checkpoint.size();
        self.root = checkpoint.root().to_string();
    }

    fn fail(
        &mut self,
        entry: Option<u64>,
        field: impl Into<String>,
        check: &'static str,
        why: impl Into<String>,
    ) {
        self.add(Failure { entry, field: field.into(), check, why: why.into() });
    }

    fn add(&mut self, failure: Failure) {
        if self.outcome == Outcome::Valid {
            self.outcome = Outcome::Invalid;
        }
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(failure);
        }
    }

    fn is_full(&self) -> bool {
        self.failures.len() >= FAILURES_MAX
    }

    /// Nothing could be checked.
    fn unreadable(mut self, field: impl Into<String>, why: impl Into<String>) -> Report {
        self.fail(None, field, "form", why);
        self.outcome = Outcome::Unreadable;
        self.conclude()
    }

    /// Something failed: then what was found before it is no proof.
    fn conclude(mut self) -> Report {
        if self.outcome != Outcome::Valid {
            self.proved.clear();
            self.not_proved.clear();
            self.statement = None;
            self.anchors.clear();
        }
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.outcome {
            Outcome::Valid => "VALID",
            Outcome::Invalid => "INVALID",
            Outcome::Unreadable => "UNREADABLE",
        };
        writeln!(f, "{said}: {}", self.what)?;
        if !self.origin.is_empty() {
            writeln!(f, "log {}, {} entries, root {}", self.origin, self.tree_size, self.root)?;
        }
        for (title, lines) in [("Proved", &self.proved), ("Not proved", &self.not_proved)] {
            if !lines.is_empty() {
                writeln!(f, "\n{title}:")?;
                lines.iter().try_for_each(|line| writeln!(f, "  - {line}"))?;
            }
        }
        if let Some(statement) = self.statement.as_ref().filter(|s| s.stops > 0) {
            writeln!(f, "\nAfter STOP:\n{statement}")?;
        }
        if !self.failures.is_empty() {
            writeln!(f, "\nWrong:")?;
            self.failures.iter().try_for_each(|failure| writeln!(f, "  - {failure}"))?;
        }
        Ok(())
    }
}
