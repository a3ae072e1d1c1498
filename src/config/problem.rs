//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The gateway does not start.
    Error,
    /// It starts; somebody should look.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The key, as in `listen.grpc` or `connections[1].public_url`; empty for the file as a whole.
    pub key: String,
    /// The line it stands in, counted from 1; none when it is missing from the file.
    pub line: Option<usize>,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        match self.key.as_str() {
            "" => f.write_str(&self.what),
            key => write!(f, "{key}: {}", self.what),
        }
    }
}

/// Everything wrong with one file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.file, .problems))]
pub struct ConfigError {
    /// The file as it was named.
    pub file: String,
    /// Errors and warnings; at least one error.
    pub problems: Vec<Problem>,
}

fn list(file: &str, problems: &[Problem]) -> String {
    let count = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let noun = if count == 1 { "problem" } else { "problems" };
    let lines: Vec<String> = problems.iter().map(|p| format!("  {p}")).collect();
    format!("{file} has {count} {noun}\n{}", lines.join("\n"))
}

/// Sorts by line, what has none last.
pub(super) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|p| (p.line.unwrap_or(usize::MAX), p.key.clone()));
    problems.dedup();
    problems
}
