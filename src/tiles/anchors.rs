//! What outside anchors gave, for auditors and monitors.

use serde::Serialize;

use super::ReceiptFile;
use crate::ledger::anchor::{Kind, Receipt};
use crate::model::Instant;
use crate::store::embedded::Books;

#[derive(Serialize)]
struct Listed {
    anchor: String,
    kind: Kind,
    /// Entries its checkpoint covers.
    size: u64,
    recorded_at: Instant,
    /// Where it is, below the log.
    checkpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

/// The newest checkpoint, with the cosignatures of witnesses that have taken this very one.
pub fn cosigned(books: &Books) -> String {
    let head = books.checkpoint();
    let mut note = head.note().to_owned();
    for filed in books.anchors().newest().iter().filter(|filed| filed.size == head.size()) {
        let receipt = books.anchors().read(filed).ok().filter(|receipt| receipt.kind == Kind::Witness);
        let lines = receipt.as_ref().and_then(|receipt| receipt.checkpoint.strip_prefix(head.note()));
        note.push_str(lines.unwrap_or_default());
    }
    note
}

/// The newest receipt of each anchor, as JSON.
pub fn newest(books: &Books) -> Vec<u8> {
    let listed = books.anchors().newest().into_iter().filter_map(|filed| {
        let kind = books.anchors().read(&filed).ok()?.kind;
        let at = |ending: &str| format!("anchors/{:08}.{ending}", filed.number);
        let proof = match kind {
            Kind::Witness => None,
            Kind::Timestamp => Some(at("tst")),
            Kind::File | Kind::Command => Some(at("txt")),
        };
        let checkpoint = at("checkpoint");
        Some(Listed {
            anchor: filed.anchor,
            kind,
            size: filed.size,
            recorded_at: filed.recorded_at,
            checkpoint,
            proof,
        })
    });
    let mut json =
        serde_json::to_vec_pretty(&listed.collect::<Vec<_>>()).expect("texts and numbers always encode");
    json.push(b'\n');
    json
}

/// A file of a receipt; none when there is no such thing.
pub fn file(books: &Books, number: u64, file: ReceiptFile) -> Option<Vec<u8>> {
    let filed = books.anchors().numbered(number)?;
    let Receipt { kind, checkpoint, proof, .. } = books.anchors().read(&filed).ok()?;
    match (file, kind) {
        (ReceiptFile::Checkpoint, _) => Some(checkpoint.into_bytes()),
        (ReceiptFile::Token, Kind::Timestamp) => Some(proof),
        (ReceiptFile::Text, Kind::File | Kind::Command) => Some(proof),
        _ => None,
    }
}
