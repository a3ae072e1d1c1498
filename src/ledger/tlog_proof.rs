//! C2SP `tlog-proof` files: that one entry is in the log, in one small text that needs nothing else.
//!
//! `extra` holds the leaf, from which whoever checks makes the leaf hash: like everything there it proves nothing by itself.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::checkpoint::Checkpoint;
use super::tree::InclusionProof;

#[cfg(test)]
mod tests;

/// The first line of every such file.
pub const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// The longest file read, in bytes: a leaf, 63 hashes and a checkpoint with many signatures.
pub const BYTES_MAX: usize = 128 << 10;
const HASHES_MAX: usize = 63;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no tlog-proof: {0}")]
pub struct TlogProofError(&'static str);

/// One proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf.
    pub extra: Option<Vec<u8>>,
    /// The way up to the root of the checkpoint below.
    pub proof: InclusionProof,
    /// A signed checkpoint, with cosignatures where there are some.
    pub note: String,
}

impl TlogProof {
    /// As a file.
    pub fn encode(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text += &format!("extra {}\n", BASE64_STANDARD.encode(extra));
        }
        text += &format!("index {}\n", self.proof.index);
        for hash in &self.proof.hashes {
            text += &BASE64_STANDARD.encode(hash);
            text.push('\n');
        }
        format!("{text}\n{}", self.note)
    }

    /// Reads a file; only the one spelling.
    pub fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
        let wrong = TlogProofError;
        if text.len() > BYTES_MAX {
            return Err(wrong("it is far too long"));
        }
        let (head, note) =
            text.split_once("\n\n").ok_or(wrong("it needs an empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(wrong("it begins otherwise"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra =
            extra.map(|line| BASE64_STANDARD.decode(&line[6..]).map_err(|_| wrong("extra is no base64")));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index: u64 = index.and_then(|index| index.parse().ok()).ok_or(wrong("it needs an index"))?;
        let hash = |line: &str| {
            let hash = BASE64_STANDARD.decode(line).ok().and_then(|hash| hash.try_into().ok());
            hash.ok_or(wrong("a hash is not 32 bytes in base64"))
        };
        let hashes: Vec<[u8; 32]> = lines.take(HASHES_MAX + 1).map(hash).collect::<Result<_, _>>()?;
        let size = Checkpoint::of_note(note).map_err(|_| wrong("what follows is no checkpoint"))?.size;
        let read = TlogProof {
            extra: extra.transpose()?,
            proof: InclusionProof { index, size, hashes },
            note: note.to_owned(),
        };
        if read.encode() == text { Ok(read) } else { Err(wrong("it is not written the one way")) }
    }
}
