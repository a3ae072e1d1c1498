//! A `tlog-proof` file: one entry in the log, by somebody who has a public key.

use super::anchored::{Anchored, Claim};
use super::{Report, Trust};
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::{SignedCheckpoint, VerifierKey};
use crate::ledger::entry::{Leaf, leaf_hash};
use crate::ledger::tlog_proof::TlogProof;

/// Checks a file.
pub fn tlog_proof(text: &str, keys: &[VerifierKey], trust: &Trust) -> Report {
    let mut report = Report::new("tlog-proof");
    let read = match TlogProof::parse(text) {
        Ok(read) => read,
        Err(e) => return report.unreadable("tlog-proof", e.to_string()),
    };
    let head = match SignedCheckpoint::verify(&read.note, keys) {
        Ok(head) => head,
        Err(e) => {
            report.fail(None, "checkpoint", "signature", e.to_string());
            return report.conclude();
        }
    };
    report.signed(&head);
    let index = read.proof.index;
    let Some(bytes) = &read.extra else {
        return report
            .unreadable("extra", "the leaf is not in it, so nothing says which entry this is about");
    };
    if let Err(e) = read.proof.check(leaf_hash(bytes), head.root()) {
        report.fail(Some(index), "leaf", "inclusion", format!("it is not in the signed log: {e}"));
    }
    let leaf = Leaf::decode(bytes).map_err(|e| report.fail(Some(index), "leaf", "form", e.to_string()));
    let mut anchored = Anchored::default();
    let claim = Claim {
        anchor: "checkpoint",
        kind: Kind::Witness,
        size: head.size(),
        checkpoint: &read.note,
        proof: &[],
        field: "checkpoint".to_owned(),
    };
    // Lines of others than the log are those of witnesses; without them no anchor is claimed.
    let own = format!("— {} ", head.checkpoint().origin);
    if read.note.lines().any(|line| line.starts_with("— ") && !line.starts_with(&own)) {
        anchored.check(&claim, trust, &mut report);
    }
    anchored.see(index);
    report.entries = 1;
    if let Ok(leaf) = leaf {
        report.proved = vec![
            format!(
                "The key of {} signed that the log has {} entries with this root.",
                report.origin,
                head.size()
            ),
            format!(
                "Entry {index} is in that log, unchanged: {}, number {} of the chain of {}, of {}.",
                leaf.kind.as_str_name(),
                leaf.number,
                leaf.subject,
                leaf.instant
            ),
        ];
    }
    anchored.end(trust, &mut report);
    anchored.say(trust, &mut report);
    report.not_proved.push("What is sealed in the entry: only a bundle opens it.".to_owned());
    report.conclude()
}
