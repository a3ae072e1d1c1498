//! What a witness says about a checkpoint: C2SP `tlog-cosignature`, Ed25519 (`cosignature/v1`).
//!
//! A cosignature states that, at its time, the tree signed here was the largest the witness had seen of this log, and that
//! it extended every one it had seen before. Keys are written `<name>+<id>+<base64 of 0x04 ‖ public key>`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};
use signed_note::{Note, Signature, is_key_name_valid, key_id};

use crate::model::Instant;

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

/// The type byte of Ed25519 cosignatures in keys of signed notes.
pub const COSIGNATURE_V1: u8 = 4;
/// The type byte of ML-DSA-44 cosignatures, which this release does not verify.
const ML_DSA_44: u8 = 6;
/// A timestamp (8 bytes, big-endian, seconds) and an Ed25519 signature.
const SIGNATURE_BYTES: usize = 8 + 64;

/// Why a witness's key or cosignature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The key does not parse, or its id does not fit its bytes.
    #[error("this is no witness key: <name>+<id>+<base64> of type 4 (Ed25519 cosignatures) is needed")]
    Key,
    /// A key of a log where that of a witness is needed.
    #[error("this is the key of a log (type 1); witnesses have keys of type 4")]
    LogKey,
    /// A post-quantum key.
    #[error(
        "ML-DSA-44 witness keys (type 6) are not verified by this release; ask for the witness's Ed25519 key (type 4)"
    )]
    MlDsa,
    /// The signature does not fit the checkpoint.
    #[error("the cosignature by {name} is wrong: it was forged, or made for another checkpoint")]
    Forged {
        /// The witness.
        name: String,
    },
}

/// The public key of a witness.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    text: String,
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl WitnessKey {
    /// The name a witness signs under.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// Its 32 bytes: two keys with the same ones are one witness, whatever they are called.
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// When this witness cosigned `note`, a checkpoint with signature lines; nothing when it did not.
    ///
    /// # Errors
    /// [`CosignatureError::Forged`] when a line bears its name and id and does not fit the text.
    pub fn cosigned(&self, note: &str) -> Result<Option<Instant>, CosignatureError> {
        let forged = || CosignatureError::Forged { name: self.name.clone() };
        let Ok(parsed) = Note::from_bytes(note.as_bytes()) else { return Ok(None) };
        let Some((_, lines)) = note.rsplit_once("\n\n") else { return Ok(None) };
        let mut newest = None;
        for line in lines.lines() {
            let signature = Signature::from_bytes(line.as_bytes()).map_err(|_| forged())?;
            if signature.name() == self.name && signature.id() == self.id {
                newest =
                    newest.max(Some(self.verify(signature.signature(), parsed.text()).ok_or_else(forged)?));
            }
        }
        Ok(newest)
    }

    /// Picks this witness's lines out of an answer of signature lines and verifies them over the checkpoint `text`.
    pub fn pick(&self, answer: &str, text: &str) -> Result<Option<(String, Instant)>, CosignatureError> {
        let forged = || CosignatureError::Forged { name: self.name.clone() };
        for line in answer.lines() {
            let Ok(signature) = Signature::from_bytes(line.as_bytes()) else { continue };
            if signature.name() == self.name && signature.id() == self.id {
                let at = self.verify(signature.signature(), text.as_bytes()).ok_or_else(forged)?;
                return Ok(Some((format!("{line}\n"), at)));
            }
        }
        Ok(None)
    }

    fn verify(&self, timestamped: &[u8], text: &[u8]) -> Option<Instant> {
        let (seconds, signature) = timestamped.split_first_chunk::<8>()?;
        if timestamped.len() != SIGNATURE_BYTES {
            return None;
        }
        let signature = Ed25519Signature::from_slice(signature).ok()?;
        let seconds = u64::from_be_bytes(*seconds);
        // A cosignature of a checkpoint never leaves its time out.
        let at = i64::try_from(seconds).ok().filter(|s| (1..=MAX_SECONDS).contains(s))?;
        self.key.verify_strict(&message(seconds, text), &signature).ok()?;
        Some(Instant::from_seconds(at))
    }
}

/// Seconds that an [`Instant`] can hold.
const MAX_SECONDS: i64 = i64::MAX / 1_000_000;

/// What an Ed25519 cosigner signs: a header line, a line with the time, and the checkpoint's text.
pub fn message(seconds: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {seconds}\n").as_bytes(), text].concat()
}

impl FromStr for WitnessKey {
    type Err = CosignatureError;
    fn from_str(text: &str) -> Result<Self, CosignatureError> {
        let text = text.trim();
        let mut parts = text.splitn(3, '+');
        let (name, id, encoded) = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(id), Some(encoded)) if is_key_name_valid(name) && id.len() == 8 => {
                (name, id, encoded)
            }
            _ => return Err(CosignatureError::Key),
        };
        let data = BASE64_STANDARD.decode(encoded).map_err(|_| CosignatureError::Key)?;
        let public = match data.split_first() {
            Some((&COSIGNATURE_V1, public)) => public,
            Some((1, _)) => return Err(CosignatureError::LogKey),
            Some((&ML_DSA_44, _)) => return Err(CosignatureError::MlDsa),
            _ => return Err(CosignatureError::Key),
        };
        let public: &[u8; 32] = public.try_into().map_err(|_| CosignatureError::Key)?;
        let key = VerifyingKey::from_bytes(public).map_err(|_| CosignatureError::Key)?;
        let computed = key_id(name, &data);
        // Anybody can sign for a key of small order.
        if format!("{computed:08x}") != id || key.is_weak() {
            return Err(CosignatureError::Key);
        }
        Ok(Self { text: text.to_owned(), name: name.to_owned(), id: computed, key })
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
