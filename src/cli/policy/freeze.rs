//! `consentry policy freeze`: the corpus that later releases replay (docs/replay.md).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::{Files, no};
use crate::audit::corpus;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::decide::{Engine, Situation, situations};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of packs; the ones of this release when absent.
    pub dir: Option<PathBuf>,
    /// A folder of golden tables, TOML, judged beside the examples inside the packs.
    #[arg(long, env = "CONSENTRY_CASES")]
    cases: Option<PathBuf>,
    /// Where the files of this release are written; those that are there are never changed.
    #[arg(short, long, env = "CONSENTRY_OUTPUT")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Frozen {
    decisions: String,
    policy: String,
    lines: usize,
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} decisions\n{}: the policy set that judged", self.decisions, self.lines, self.policy)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<serde_json::Value>,
}

pub(super) fn run(args: &Args, engine: &Engine, files: &Files, output: &Output) -> Result<ExitCode, Failure> {
    let mut all = match situations(engine, files.iter().map(|(path, bytes)| (path, bytes))) {
        Ok(found) => found,
        Err(problems) => return no(output, &problems),
    };
    if let Some(folder) = &args.cases {
        all.extend(tables(folder)?);
    }
    let text = corpus::freeze(engine, all.iter().map(|(about, situation)| (about.as_str(), situation)));
    let text = text.map_err(Failure::unusable)?;
    let release = env!("CARGO_PKG_VERSION");
    let decisions = args.output.join(format!("{release}.jsonl"));
    let policy = args.output.join(format!("{release}.policy.json"));
    for path in [&decisions, &policy] {
        if path.exists() {
            return Err(Failure::unusable(format!("{} is there already", path.display()))
                .hint("a frozen file is never changed; a new release writes its own"));
        }
    }
    fs::create_dir_all(&args.output).map_err(|e| unwritable(&args.output, &e))?;
    fs::write(&decisions, &text).map_err(|e| unwritable(&decisions, &e))?;
    fs::write(&policy, engine.policy().canonical()).map_err(|e| unwritable(&policy, &e))?;
    let shown = |path: &Path| path.display().to_string();
    let lines = text.lines().count() - 1;
    output.answer(&Frozen { decisions: shown(&decisions), policy: shown(&policy), lines })?;
    Ok(ExitCode::SUCCESS)
}

/// The cases of every table in a folder, in the order of their names.
fn tables(folder: &Path) -> Result<Vec<(String, Situation)>, Failure> {
    let unreadable =
        |path: &Path, e: &dyn fmt::Display| Failure::unusable(format!("{}: {e}", path.display()));
    let listed = fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let paths: Result<Vec<PathBuf>, _> = listed.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|e| unreadable(folder, &e))?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
        let table: Table = toml::from_str(&text).map_err(|e| unreadable(path, &e))?;
        let about = path.file_stem().unwrap_or_default().to_string_lossy();
        for case in &table.case {
            let situation = Situation::read(case, None).map_err(|e| unreadable(path, &e))?;
            all.push((about.to_string(), situation));
        }
    }
    Ok(all)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unusable(format!("{} cannot be written: {error}", path.display()))
}
