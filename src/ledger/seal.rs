//! Seals: what a leaf commits to, and the sealed blob that lies beside it.
//!
//! `commitment = SHA-256("consentry/seal/v1" ‖ r ‖ plaintext)` with 32 random bytes `r`. The blob is `r ‖ plaintext` under the
//! subject's data key (XChaCha20-Poly1305, random nonce, the commitment as associated data). The cipher alone would not
//! bind a plaintext, because one ciphertext can be made to open under two keys; the commitment does.

use hmac::Mac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::cipher::{NONCE_BYTES, TAG_BYTES, decrypt, encrypt};
use crate::entropy::Entropy;
use crate::model::SubjectId;

const TAG: &[u8] = b"consentry/seal/v1";
const R_BYTES: usize = 32;

/// Why a blob does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Wrong key, or the blob was changed.
    #[error("the sealed blob does not open: wrong key or changed bytes")]
    Cipher,
    /// It opens to something the leaf does not commit to.
    #[error("the sealed blob opens, but not to what its leaf commits to")]
    Commitment,
}

/// The data key of one subject. Destroying it erases everything sealed under it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> DataKey {
        DataKey(entropy.bytes())
    }
    /// A key from its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> DataKey {
        DataKey(bytes)
    }
    /// The bytes, to be wrapped under the master key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// Where data keys are found.
pub trait KeySource {
    /// The key of a subject; none when it was never made or was destroyed.
    fn data_key(&self, subject: &SubjectId) -> Result<Option<DataKey>, String>;
}

/// A commitment and the blob that opens it.
pub struct Sealed {
    pub commitment: [u8; 32],
    pub blob: Vec<u8>,
}

/// What a blob opens to: enough to prove to anybody what the leaf commits to.
pub struct Opening {
    pub r: [u8; 32],
    pub plaintext: Vec<u8>,
}

/// The commitment to a plaintext.
pub fn commitment(r: &[u8; 32], plaintext: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(TAG).chain_update(r).chain_update(plaintext).finalize().into()
}

/// Seals a plaintext under a subject's key.
pub fn seal(entropy: &dyn Entropy, key: &DataKey, plaintext: &[u8]) -> Sealed {
    let random: [u8; R_BYTES + NONCE_BYTES] = entropy.bytes();
    let (r, nonce) = random.split_first_chunk::<R_BYTES>().expect("32 bytes");
    let nonce = nonce.first_chunk().expect("24 bytes");
    let commitment = commitment(r, plaintext);
    // Encrypted where it will lie, so that no other copy of it is left behind.
    let mut blob = Vec::with_capacity(NONCE_BYTES + R_BYTES + plaintext.len() + TAG_BYTES);
    blob.extend_from_slice(nonce);
    blob.extend_from_slice(r);
    blob.extend_from_slice(plaintext);
    let tag = encrypt(&key.0, nonce, &commitment, &mut blob[NONCE_BYTES..]);
    blob.extend_from_slice(&tag);
    Sealed { commitment, blob }
}

/// Opens a blob and checks it against what the leaf commits to.
pub fn open(key: &DataKey, expected: &[u8; 32], blob: &[u8]) -> Result<Opening, SealError> {
    let mut message = Zeroizing::new(Vec::new());
    let r = *open_within(key, expected, blob, &mut message)?.0;
    // Handed on whole: nothing is left here to wipe.
    let mut plaintext = std::mem::take(&mut *message);
    plaintext.drain(..R_BYTES);
    Ok(Opening { r, plaintext })
}

/// The same in a buffer that serves for many blobs: `r` and the plaintext lie there.
pub fn open_within<'m>(
    key: &DataKey,
    expected: &[u8; 32],
    blob: &[u8],
    message: &'m mut Vec<u8>,
) -> Result<(&'m [u8; R_BYTES], &'m [u8]), SealError> {
    let (nonce, sealed) = blob.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Cipher)?;
    let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(SealError::Cipher)?;
    message.clear();
    message.extend_from_slice(sealed);
    decrypt(&key.0, nonce, expected, message, tag).ok_or(SealError::Cipher)?;
    let (r, plaintext) = message.split_first_chunk::<R_BYTES>().ok_or(SealError::Cipher)?;
    match bool::from(commitment(r, plaintext).ct_eq(expected)) {
        true => Ok((r, plaintext)),
        false => Err(SealError::Commitment),
    }
}

/// The key an address is found under: HMAC-SHA256 with the seller's pepper, because numbers can be enumerated.
pub fn address_key(pepper: &[u8; 32], address: &[u8]) -> [u8; 32] {
    let mut mac =
        <hmac::Hmac<Sha256> as hmac::Mac>::new_from_slice(pepper).expect("HMAC takes keys of any length");
    mac.update(address);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn opens_with_its_key_and_nothing_else() {
        let entropy = SeededEntropy::new(7);
        let (key, other) = (DataKey::generate(&entropy), DataKey::generate(&entropy));
        let sealed = seal(&entropy, &key, b"the fact");
        assert_eq!(
            open(&key, &sealed.commitment, &sealed.blob).map(|o| o.plaintext),
            Ok(b"the fact".to_vec())
        );
        assert_eq!(open(&other, &sealed.commitment, &sealed.blob).err(), Some(SealError::Cipher));
        assert_eq!(open(&key, &[0; 32], &sealed.blob).err(), Some(SealError::Cipher));
        for byte in 0..sealed.blob.len() {
            let mut changed = sealed.blob.clone();
            changed[byte] ^= 1;
            assert!(open(&key, &sealed.commitment, &changed).is_err(), "byte {byte}");
        }
        assert!(open(&key, &sealed.commitment, &sealed.blob[..20]).is_err());
    }

    #[test]
    fn a_blob_made_for_another_plaintext_is_caught_by_the_commitment() {
        let entropy = SeededEntropy::new(7);
        let key = DataKey::generate(&entropy);
        let claimed = commitment(&[1; 32], b"what the leaf says");
        let mut sealed = [2; 40];
        let tag = encrypt(&key.0, &[0; 24], &claimed, &mut sealed);
        let blob = [[0; 24].as_slice(), &sealed, &tag].concat();
        assert_eq!(open(&key, &claimed, &blob).err(), Some(SealError::Commitment));
    }

    #[test]
    fn address_keys_depend_on_the_pepper() {
        assert_ne!(address_key(&[0; 32], b"x"), address_key(&[1; 32], b"x"));
    }
}
