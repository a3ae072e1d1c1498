//! `consentry policy diff A B`: which rules came, went or say something else.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::policy::PolicySet;
use crate::policy::diff::{Change, What, diff};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of packs as they were.
    pub before: PathBuf,
    /// The folder of packs as they would be; the ones of this release when absent.
    pub after: Option<PathBuf>,
}

/// What changed.
#[derive(Debug, Serialize)]
struct Changed {
    before: String,
    after: String,
    changes: Vec<Change>,
}

/// Exit code 0, whatever changed.
pub fn run(before: &PolicySet, after: &PolicySet, output: &Output) -> Result<ExitCode, Failure> {
    let changes = diff(before, after);
    let version = |set: &PolicySet| format!("{} ({}…)", set.version(), hex::encode(&set.hash()[..8]));
    output.answer(&Changed { before: version(before), after: version(after), changes })?;
    Ok(ExitCode::SUCCESS)
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from {}\nto   {}\n", self.before, self.after)?;
        for change in &self.changes {
            let mark = match change.what {
                What::Added => '+',
                What::Removed => '-',
                What::Changed => '~',
            };
            writeln!(f, "{mark} {}", change.id)?;
            for key in &change.keys {
                writeln!(f, "    {}: {} -> {}", key.key, key.before, key.after)?;
            }
        }
        let count = |what: What| self.changes.iter().filter(|c| c.what == what).count();
        let (added, removed, changed) = (count(What::Added), count(What::Removed), count(What::Changed));
        write!(f, "{added} added, {removed} removed, {changed} changed")
    }
}
