//! What stops a verb, in words for the person at the terminal: what went wrong, and what to try.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

/// A verb that could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What went wrong.
    pub error: String,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exit code: see [`crate::cli`].
    #[serde(skip)]
    pub code: u8,
}

impl Failure {
    /// Wrong usage, or a file that cannot be read.
    pub fn unusable(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), hint: None, code: 2 }
    }
    /// The gateway could not be reached, or did not accept the call.
    pub fn unserved(error: impl fmt::Display) -> Self {
        Self { error: error.to_string(), hint: None, code: 3 }
    }
    /// Adds what to try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        match &self.hint {
            Some(hint) => write!(f, "\n\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
