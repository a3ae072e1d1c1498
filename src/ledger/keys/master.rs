//! The master key, under which the data keys lie on disk, and where it comes from.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::disk::{DiskError, SharedDisk};
use crate::entropy::Entropy;

/// 32 secret bytes. Lost: nothing sealed opens again, though the tree still verifies. Keep it off the data's volume.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The text is no key.
    #[error("the master key from {0} must be 64 hexadecimal digits or 44 characters of base64 (32 bytes)")]
    Text(String),
    /// The file or variable does not exist.
    #[error("there is no master key in {0}")]
    Missing(String),
    /// The file could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Where the master key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file that holds the key as text.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
}

impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
        }
    }
}

impl MasterKeySource {
    /// Fetches the key. `variable` looks an environment variable up; only wiring knows the environment.
    pub fn fetch(
        &self,
        disk: &SharedDisk,
        variable: impl FnOnce(&str) -> Option<String>,
    ) -> Result<MasterKey, MasterKeyError> {
        let bytes = match self {
            Self::File(path) => disk.read_whole(path, 4096)?,
            Self::Environment(name) => variable(name).map(String::into_bytes),
        };
        let bytes = Zeroizing::new(bytes.ok_or_else(|| MasterKeyError::Missing(self.to_string()))?);
        let text = std::str::from_utf8(&bytes).ok();
        text.and_then(MasterKey::parse).ok_or_else(|| MasterKeyError::Text(self.to_string()))
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

    /// Reads hexadecimal digits or base64, white space around them aside.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut key = Self([0; 32]);
        if hex::decode_to_slice(text, &mut key.0).is_ok() {
            return Some(key);
        }
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).ok()?);
        key.0 = bytes.as_slice().try_into().ok()?;
        Some(key)
    }

    /// The key as text, for its file.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
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
