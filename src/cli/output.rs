//! Answers on standard output, for people or as JSON.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use super::failure::Failure;

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON, or text for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes one answer. A reader that went away, as `head` does, is no failure.
    pub fn answer<T: Serialize + fmt::Display>(&self, answer: &T) -> Result<(), Failure> {
        let text = match self.json {
            true => serde_json::to_string_pretty(answer).map_err(Failure::unusable)?,
            false => answer.to_string(),
        };
        self.raw(format!("{}\n", text.trim_end()).as_bytes())
    }

    /// Writes bytes as they are.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Failure::unusable),
        }
    }

    /// Says what went wrong and answers the exit code.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        match self.json {
            true => eprintln!("{}", serde_json::to_string(failure).unwrap_or_default()),
            false => eprintln!("{failure}"),
        }
        failure.exit_code()
    }
}
