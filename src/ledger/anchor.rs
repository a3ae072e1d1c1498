//! Receipts: where a checkpoint was made known outside, and what came back.
//!
//! | kind | what came back | proves |
//! |---|---|---|
//! | witness | a cosignature | the log was so long at that time, and the witness saw no other history of it |
//! | timestamp | an RFC 3161 token | the checkpoint existed at that time |
//! | file | where it was written | what the medium it lies on proves |
//! | command | what the command printed | what whoever received it says |
//!
//! A log that nobody outside has seen proves nothing against who holds its key. A receipt about a checkpoint of `n` entries
//! speaks for the first `n` entries of the log, and of every checkpoint that extends it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::checkpoint::{CheckpointError, SignedCheckpoint, VerifierKey};
use crate::model::Instant;

pub mod shelf;

pub use shelf::{Filed, Shelf};

/// Version of the stored form.
const FORMAT: u32 = 1;
/// The largest proof kept, in bytes.
pub const PROOF_BYTES_MAX: usize = 64 << 10;

/// Which sort of anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A C2SP `tlog-witness`.
    Witness,
    /// An RFC 3161 time-stamping authority.
    Timestamp,
    /// A file that is written once.
    File,
    /// A command that was given the checkpoint.
    Command,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 4] = [Kind::Witness, Kind::Timestamp, Kind::File, Kind::Command];

    /// As configurations and receipts name it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Witness => "witness",
            Kind::Timestamp => "timestamp",
            Kind::File => "file",
            Kind::Command => "command",
        }
    }

    /// Whether it can convince somebody who does not trust the operator: a key or a root decides, not a promise.
    pub const fn is_outside(self) -> bool {
        matches!(self, Kind::Witness | Kind::Timestamp)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an anchor may be called so: it names files and labels metrics.
pub fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
}

/// One checkpoint at one anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The anchor, as the configuration calls it.
    pub anchor: String,
    pub kind: Kind,
    /// When the gateway got it, by its own clock: the operator's word. The proof has a time of its own.
    pub recorded_at: Instant,
    /// The signed checkpoint, the very bytes that were shown; of a witness, with its cosignature below.
    pub checkpoint: String,
    /// What came back, [`PROOF_BYTES_MAX`] at most: a token in DER, a path, what a command printed. Of a witness nothing.
    pub proof: Vec<u8>,
}

/// Why stored bytes are no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error("it is no receipt of an anchor")]
    Form,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    anchor: String,
    kind: Kind,
    recorded_at: Instant,
    checkpoint: String,
    proof: String,
}

impl Receipt {
    /// As stored: JSON.
    pub fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            format: FORMAT,
            anchor: self.anchor.clone(),
            kind: self.kind,
            recorded_at: self.recorded_at,
            checkpoint: self.checkpoint.clone(),
            proof: BASE64_STANDARD.encode(&self.proof),
        };
        let mut bytes = serde_json::to_vec_pretty(&stored).expect("texts and numbers always encode");
        bytes.push(b'\n');
        bytes
    }

    /// Reads what is stored.
    pub fn decode(bytes: &[u8]) -> Result<Receipt, ReceiptError> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| ReceiptError::Form)?;
        let proof = BASE64_STANDARD.decode(&stored.proof).map_err(|_| ReceiptError::Form)?;
        let sound = stored.format == FORMAT && is_name(&stored.anchor) && proof.len() <= PROOF_BYTES_MAX;
        let Stored { anchor, kind, recorded_at, checkpoint, .. } = stored;
        if sound {
            Ok(Receipt { anchor, kind, recorded_at, checkpoint, proof })
        } else {
            Err(ReceiptError::Form)
        }
    }

    /// Its checkpoint, if one of `keys` signed it.
    pub fn verify_checkpoint(&self, keys: &[VerifierKey]) -> Result<SignedCheckpoint, CheckpointError> {
        SignedCheckpoint::verify(&self.checkpoint, keys)
    }
}

#[cfg(test)]
mod tests;
