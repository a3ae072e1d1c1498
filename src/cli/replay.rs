//! `consentry replay`: every recorded decision is taken again from the entries before it and compared byte for byte.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use super::failure::Failure;
use super::offline::{Folder, not_opened};
use super::output::Output;
use crate::audit::replay::{Report, replay};
use crate::gateway::offline::open_ledger;
use crate::store;
use crate::writer::EntrySource;

/// Where the index of a replay is made, in the data folder; it is deleted at the end.
const SCRATCH: &str = "replay";
/// Differences shown; the count tells of all.
const SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
}

#[derive(Serialize)]
struct Replayed {
    entries: u64,
    replayed: u64,
    skipped: u64,
    differences: u64,
    shown: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    entry: u64,
    what: &'static str,
    recorded: String,
    replayed: String,
}

impl Replayed {
    fn new(entries: u64, report: Report) -> Replayed {
        let differences = report.differences.len() as u64;
        let lines = report.differences.into_iter().take(SHOWN_MAX);
        let shown =
            lines.map(|d| Line { entry: d.index, what: d.what, recorded: d.recorded, replayed: d.replayed });
        Replayed {
            entries,
            replayed: report.replayed,
            skipped: report.skipped,
            differences,
            shown: shown.collect(),
        }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.differences {
            0 => writeln!(f, "EQUAL: {} decisions came out as recorded", self.replayed)?,
            n => writeln!(f, "DIFFERENT: {n} of {} decisions", self.replayed)?,
        }
        if self.skipped > 0 {
            writeln!(
                f,
                "skipped: {} entries of another release, policy or zone data, or of erased people; only the release \
                 that made a decision can make it again",
                self.skipped
            )?;
        }
        for line in &self.shown {
            writeln!(f, "\nentry {}, {}", line.entry, line.what)?;
            writeln!(f, "  recorded {}\n  replayed {}", line.recorded, line.replayed)?;
        }
        Ok(())
    }
}

/// Exit code 0 when all decisions of this release, policy and zone data came out equal, 1 when one did not.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let parts = args.folder.parts()?;
    let (engine, options) = (parts.index, parts.index_options);
    let scratch = parts.data_dir.join(SCRATCH);
    let (env, _log, books, _) = open_ledger(parts).map_err(not_opened)?;
    // What a replay that was killed left behind would be folded over.
    store::wipe(engine, &scratch).map_err(Failure::unusable)?;
    let report = store::open(engine, &scratch, &options)
        .map_err(Failure::unusable)
        .and_then(|kv| replay(&env, &books, &kv).map_err(Failure::unusable));
    store::wipe(engine, &scratch).map_err(Failure::unusable)?;
    // An empty folder that stays is untidy, not wrong.
    let _ = std::fs::remove_dir(&scratch);
    let replayed = Replayed::new(books.size(), report?);
    output.answer(&replayed)?;
    Ok(if replayed.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
