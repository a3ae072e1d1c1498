//! Secrets stand in the configuration by reference, never by value.

mod command;

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{SecretBox, SecretString};
use zeroize::Zeroizing;

/// Longest secret file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is: `env:NAME`, `file:PATH`, or `command:PROGRAM ARGUMENT …` for keys that are read once, at start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; one line break at its end does not count.
    File(PathBuf),
    /// What a program prints, as that of a key management service; one line break at its end does not count. No shell
    /// reads the words.
    Command(Vec<String>),
}

/// Why a secret cannot be had. Never shows a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A value, or something else that is no reference.
    #[error("must be env:NAME or file:PATH; secrets do not stand in the configuration itself")]
    Form,
    /// The same, where a program may be asked.
    #[error(
        "must be env:NAME, file:PATH or command:PROGRAM ARGUMENTS; secrets do not stand in the configuration itself"
    )]
    KeyForm,
    /// A program where the secret is read again and again.
    #[error(
        "must be env:NAME or file:PATH; only the keys in [keys], which are read once at start, may come from a command"
    )]
    NoCommandHere,
    /// The program did not give it.
    #[error("the command {program} {why}")]
    Command {
        /// Its first word.
        program: String,
        /// What happened. Never what it printed.
        why: String,
    },
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
            Some(("command", _)) => Err(SecretError::NoCommandHere),
            _ => Err(SecretError::Form),
        }
    }

    /// Reads a reference to a key that is read once, at start: it may be a command, its words parted by spaces. A program
    /// whose name holds no `/` is looked up on the path.
    pub fn parse_key(text: &str, base: &Path) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("command", line)) => {
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() { Err(SecretError::KeyForm) } else { Ok(Self::Command(words)) }
            }
            _ => Self::parse(text, base).map_err(|_| SecretError::KeyForm),
        }
    }

    /// The secret itself, read now: a rotated file takes effect at the next reading.
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::Env(name) => {
                Zeroizing::new(env(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?)
            }
            Self::File(path) => read(path)?,
            Self::Command(words) => command::ask(words, command::DEADLINE)?,
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
            Self::Command(words) => write!(f, "command:{}", words.join(" ")),
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
    fn keys_may_come_from_a_command_and_nothing_else_does() {
        let base = Path::new("/etc/consentry");
        let words = "command:kms  decrypt --key-id alias/consentry";
        let at = SecretRef::parse_key(words, base).expect("a reference");
        assert_eq!(at.to_string(), "command:kms decrypt --key-id alias/consentry");
        assert_eq!(SecretRef::parse(words, base), Err(SecretError::NoCommandHere));
        for bad in ["command:", "command: ", "hunter2", "vault:x"] {
            assert_eq!(SecretRef::parse_key(bad, base), Err(SecretError::KeyForm), "{bad}");
        }
        let file = SecretRef::parse_key("file:k", base);
        assert_eq!(file, Ok(SecretRef::File("/etc/consentry/k".into())));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_prints_the_key_and_its_failure_tells_nothing_of_it() {
        let at = |line: &str| SecretRef::parse_key(&format!("command:{line}"), Path::new("/"));
        let key = at(&format!("echo {}", "ab".repeat(32))).expect("a reference").resolve_key(&none);
        assert_eq!(key.expect("a key").expose_secret(), &[0xab; 32]);
        let told =
            |line: &str| at(line).expect("a reference").resolve_key(&none).expect_err(line).to_string();
        assert_eq!(told("echo hunter2"), SecretError::NotAKey.to_string());
        assert_eq!(told("true"), SecretError::Empty.to_string());
        let failed = told("ls /no/such/folder/of/hunter2");
        assert!(failed.starts_with("the command ls ended with") && !failed.contains("hunter2"), "{failed}");
        assert!(told("/no/such/program").contains("cannot be started"));
        assert!(told("cat /dev/zero").contains("more than 65536 bytes"));
        let hangs = vec!["sleep".to_owned(), "600".to_owned()];
        let late = command::ask(&hangs, std::time::Duration::from_millis(50)).expect_err("too late");
        assert!(late.to_string().contains("did not answer"), "{late}");
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
