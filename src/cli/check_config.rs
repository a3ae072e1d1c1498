//! `consentry check-config FILE`: every problem at once, before anything starts.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::config::{Config, Problem, Severity, process_env};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file.
    #[arg(env = "CONSENTRY_CONFIG")]
    file: PathBuf,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    file: String,
    usable: bool,
    problems: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    severity: &'static str,
    key: String,
    line: Option<usize>,
    what: String,
    #[serde(skip)]
    shown: String,
}

impl From<Problem> for Line {
    fn from(p: Problem) -> Self {
        let severity = if p.severity == Severity::Error { "error" } else { "warning" };
        let shown = p.to_string();
        Line { severity, key: p.key, line: p.line, what: p.what, shown }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.iter().filter(|l| l.severity == "error").count();
        match count {
            0 => writeln!(f, "{} can be used", self.file)?,
            1 => writeln!(f, "{} has 1 problem", self.file)?,
            n => writeln!(f, "{} has {n} problems", self.file)?,
        }
        self.problems.iter().try_for_each(|line| writeln!(f, "  {}", line.shown))
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let (usable, problems) = match Config::load(&args.file, &process_env) {
        Ok(loaded) => (true, loaded.warnings),
        Err(error) => (false, error.problems),
    };
    let file = args.file.display().to_string();
    output.answer(&Report { file, usable, problems: problems.into_iter().map(Line::from).collect() })?;
    Ok(if usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
