//! Checkpoints and proofs on the wire.

use crate::export::{Export, Format, Summary};
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::tlog_proof::TlogProof;
use crate::ledger::tree::{InclusionProof, Root};
use crate::model::EntryHash;
use crate::pb::consentry::v1 as wire;

/// A signed head.
pub fn checkpoint(signed: &SignedCheckpoint) -> wire::Checkpoint {
    wire::Checkpoint {
        origin: signed.checkpoint().origin.clone(),
        size: signed.size(),
        root_hash: signed.root().0.to_vec(),
        note: signed.note().to_owned(),
    }
}

/// A proof of inclusion, beside the newest head.
pub fn proof(
    proof: &InclusionProof,
    leaf: EntryHash,
    root: Root,
    newest: &SignedCheckpoint,
    file: &TlogProof,
) -> wire::InclusionProof {
    wire::InclusionProof {
        index: proof.index,
        leaf_hash: leaf.0.to_vec(),
        path: proof.hashes.iter().map(|hash| hash.to_vec()).collect(),
        tree_size: proof.size,
        root_hash: root.0.to_vec(),
        checkpoint: Some(checkpoint(newest)),
        tlog_proof: file.encode(),
    }
}

/// The form of an export.
pub fn format(format: wire::ExportFormat) -> Option<Format> {
    match format {
        wire::ExportFormat::Unspecified => None,
        wire::ExportFormat::Bundle => Some(Format::Bundle),
        wire::ExportFormat::Csv => Some(Format::Csv),
        wire::ExportFormat::Jsonl => Some(Format::Jsonl),
        wire::ExportFormat::Tiles => Some(Format::Tiles),
    }
}

/// What an export is.
pub fn header(export: &Export) -> wire::ExportHeader {
    wire::ExportHeader {
        export_id: export.id(),
        file_name: export.file_name(),
        media_type: export.request().format.media_type().to_owned(),
        checkpoint: Some(checkpoint(export.checkpoint())),
    }
}

/// The end of an export.
pub fn summary(summary: &Summary) -> wire::ExportSummary {
    wire::ExportSummary { size: summary.size, sha256: summary.sha256.to_vec(), rows: summary.rows }
}
