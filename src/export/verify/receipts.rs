//! `anchors.json` and the files it speaks of: form, and that each checkpoint is one of this log.

use super::anchored::{Anchored, Claim};
use super::{Report, Trust};
use crate::export::bundle::anchors::{self, Anchors, checkpoint_name, proof_name};
use crate::export::bundle::format::names;
use crate::ledger::anchor::Kind;
use crate::ledger::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, VerifierKey};
use crate::ledger::tree::{ConsistencyProof, Root};

const CHECK: &str = "anchor";
/// Most receipts read, and the largest file of one in bytes.
const RECEIPTS_MAX: usize = 1_024;
const FILE_BYTES_MAX: usize = 256 << 10;

/// Receipts whose files are still to come.
pub struct Receipts {
    claims: Anchors,
    /// Names of the files, in their order.
    expected: Vec<String>,
    files: Vec<Vec<u8>>,
}

impl Receipts {
    /// What `anchors.json` claims.
    pub fn new(claims: Anchors, report: &mut Report) -> Receipts {
        if claims.said != anchors::said(claims.as_of, &claims.receipts) {
            report.fail(None, names::ANCHORS, CHECK, "its sentence is not what its receipts come to");
        }
        if claims.receipts.len() > RECEIPTS_MAX {
            report.fail(None, names::ANCHORS, "form", "it names more receipts than a bundle has");
        }
        let files =
            |(n, kind): (usize, Kind)| [Some(checkpoint_name(n)), proof_name(n, kind)].into_iter().flatten();
        let kinds = claims.receipts.iter().map(|one| one.kind).take(RECEIPTS_MAX);
        let expected = kinds.enumerate().flat_map(files).collect();
        Receipts { claims, expected, files: Vec::new() }
    }

    /// The sentence of the page.
    pub fn said(&self) -> &str {
        &self.claims.said
    }
    /// Whether this file is the next.
    pub fn wants(&self, name: &str) -> bool {
        self.expected.get(self.files.len()).is_some_and(|next| next == name)
    }
    /// Whether all files are here.
    pub fn is_whole(&self) -> bool {
        self.files.len() == self.expected.len()
    }

    /// Takes the next file; answers whether it was the last.
    pub fn take(&mut self, content: Vec<u8>, report: &mut Report) {
        if content.len() > FILE_BYTES_MAX {
            let name = self.expected[self.files.len()].clone();
            report.fail(None, name, "form", "it is larger than a receipt is");
        }
        self.files.push(content);
    }

    /// Checks every receipt, once all files are here.
    pub fn check(
        &self,
        keys: &[VerifierKey],
        head: &SignedCheckpoint,
        trust: &Trust,
        anchored: &mut Anchored,
        report: &mut Report,
    ) {
        let mut files = self.expected.iter().zip(&self.files);
        for one in self.claims.receipts.iter().take(RECEIPTS_MAX) {
            let Some((name, note)) = files.next() else { return };
            let proof = match one.kind {
                Kind::Witness => &[],
                _ => files.next().map(|(_, proof)| proof.as_slice()).unwrap_or_default(),
            };
            let hashes: Result<Vec<[u8; 32]>, _> =
                one.consistency.iter().map(|h| h.0.as_slice().try_into()).collect();
            let Ok(hashes) = hashes else {
                report.fail(None, names::ANCHORS, "form", "a hash is not 32 bytes long");
                continue;
            };
            let Ok(note) = std::str::from_utf8(note) else {
                report.fail(None, name, "form", "it is not UTF-8");
                continue;
            };
            let extends = stated(note, keys).and_then(|stated| {
                let proof = ConsistencyProof { old_size: stated.size, size: head.size(), hashes };
                belongs(&stated, one.size, head, |root| proof.check(root, head.root()).is_ok())
            });
            if let Err(why) = extends {
                report.fail(None, name, CHECK, why);
                continue;
            }
            let claim = Claim {
                anchor: &one.anchor,
                kind: one.kind,
                size: one.size,
                checkpoint: note,
                proof,
                field: name.clone(),
            };
            anchored.check(&claim, trust, report);
        }
    }
}

/// What an anchored checkpoint states. A signature of the log's key that is there must fit; one of a key that was rotated
/// away is not needed, because the log is shown to extend it.
pub fn stated(note: &str, keys: &[VerifierKey]) -> Result<Checkpoint, String> {
    match SignedCheckpoint::verify(note, keys) {
        Ok(signed) => Ok(signed.checkpoint().clone()),
        Err(CheckpointError::Unsigned { .. }) => Checkpoint::of_note(note).map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    }
}

/// Whether a checkpoint that was anchored is one of the log under `head`.
fn belongs(
    stated: &Checkpoint,
    size: u64,
    head: &SignedCheckpoint,
    extends: impl Fn(Root) -> bool,
) -> Result<(), String> {
    if stated.origin != head.checkpoint().origin {
        return Err(format!("it is a checkpoint of {}, not of this log", stated.origin));
    }
    if stated.size != size {
        return Err(format!("it covers {} entries, anchors.json says {size}", stated.size));
    }
    if size > head.size() {
        return Err(format!(
            "it covers {size} entries, this bundle's checkpoint {}: rolled back, or simply older",
            head.size()
        ));
    }
    match extends(stated.root) {
        true => Ok(()),
        false => Err(format!(
            "this log does not extend the {size} entries that were anchored: two histories were signed"
        )),
    }
}
