//! The master key, under which the data keys lie on disk. Where it comes from: `config::secret`.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::entropy::Entropy;

const ID_TAG: &[u8] = b"consentry/master-key-id/v1";
const ID_BYTES: usize = 8;

/// 32 secret bytes. Lost: nothing sealed opens again, though the tree still verifies. Keep it off the data's volume.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Names a master key without telling it: 8 bytes of a hash of its 32 random ones. Stands in `keys/master.id`, in errors and
/// in what `rotate-master-key` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MasterKeyId([u8; ID_BYTES]);

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl MasterKeyId {
    /// Reads what [`fmt::Display`] writes, white space around it aside.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; ID_BYTES];
        hex::decode_to_slice(text.trim(), &mut id).ok()?;
        Some(Self(id))
    }
}

impl MasterKey {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Which key it is.
    pub fn id(&self) -> MasterKeyId {
        let hash = Sha256::new().chain_update(ID_TAG).chain_update(self.0).finalize();
        MasterKeyId(std::array::from_fn(|n| hash[n]))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}
