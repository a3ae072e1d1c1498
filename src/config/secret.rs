//! Secrets stand in the configuration by reference, never by value.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{SecretBox, SecretString};
use zeroize::Zeroizing;

/// Longest secret file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end does not count.
    File(PathBuf),
}

/// Why a secret cannot be had. Never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A value, or something else that is no reference.
    #[error("must be env:NAME or file:PATH; secrets do not stand in the configuration itself")]
    Form,
    /// The variable is not set.
    #[error("the environment has no {0}")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Not a key of 32 bytes.
    #[error(
        "must be a key of 32 bytes, 64 hexadecimal digits or 44 of base64; `openssl rand -hex 32` makes one"
    )]
    NotAKey,
}

impl SecretRef {
    /// Reads a reference; a relative path counts from `base`, the configuration's folder.
    pub fn parse(text: &str, base: &Path) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(base.join(path))),
            _ => Err(SecretError::Form),
        }
    }

    /// The secret itself, read now: a rotated file takes effect at the next reading.
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Env(name) => {
                Zeroizing::new(env(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?)
            }
            Self::File(path) => read(path)?,
        };
        let line = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
        if line.is_empty() { Err(SecretError::Empty) } else { Ok(SecretString::from(line)) }
    }

    /// A key of 32 bytes.
    pub fn resolve_key(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SecretBox<[u8; 32]>, SecretError> {
        use secrecy::ExposeSecret;
        let text = self.resolve(env)?;
        let text = text.expose_secret().trim();
        let mut key = Box::new([0; 32]);
        if hex::decode_to_slice(text, key.as_mut_slice()).is_err() {
            let bytes = Zeroizing::new(BASE64_STANDARD.decode(text).map_err(|_| SecretError::NotAKey)?);
            *key = bytes.as_slice().try_into().map_err(|_| SecretError::NotAKey)?;
        }
        Ok(SecretBox::new(key))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

fn is_variable(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn read(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let no_file = |why: String| SecretError::NoFile { path: path.to_owned(), why };
    let length = std::fs::metadata(path).map_err(|e| no_file(e.to_string()))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(no_file(format!("it has more than {SECRET_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|e| no_file(e.to_string()))
}

/// The variables of this process.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn values_are_refused_and_not_repeated() {
        let base = Path::new("/etc/consentry");
        for bad in ["hunter2", "env:", "env:1A", "env:A-B", "file:", "vault:x", ""] {
            let error = SecretRef::parse(bad, base).expect_err(bad);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(SecretRef::parse("file:k", base), Ok(SecretRef::File("/etc/consentry/k".into())));
        assert_eq!(SecretRef::parse("file:/k", base), Ok(SecretRef::File("/k".into())));
    }

    #[test]
    fn a_secret_comes_from_variable_or_file_without_its_line_break() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("s");
        std::fs::write(&path, "top secret\r\n").expect("written");
        let file = SecretRef::File(path).resolve(&none).expect("a secret");
        assert_eq!(file.expose_secret(), "top secret");
        assert!(!format!("{file:?}").contains("top"), "{file:?}");
        let env = |name: &str| (name == "A").then(|| "x".to_owned());
        assert_eq!(SecretRef::Env("A".into()).resolve(&env).expect("set").expose_secret(), "x");
        assert_eq!(SecretRef::Env("B".into()).resolve(&env).err(), Some(SecretError::NoVariable("B".into())));
        let gone = SecretRef::File(dir.path().join("gone")).resolve(&none);
        assert!(matches!(gone, Err(SecretError::NoFile { .. })));
    }

    #[test]
    fn keys_have_32_bytes() {
        let key = |text: String| SecretRef::Env("K".into()).resolve_key(&move |_: &str| Some(text.clone()));
        assert_eq!(key("ab".repeat(32)).expect("a key").expose_secret(), &[0xab; 32]);
        assert_eq!(key(format!("{}=", "A".repeat(43))).expect("base64").expose_secret(), &[0; 32]);
        for bad in ["ab".repeat(31), "zz".repeat(32), "ab".repeat(33), "AAAA".to_owned()] {
            assert_eq!(key(bad).err(), Some(SecretError::NotAKey));
        }
    }
}
