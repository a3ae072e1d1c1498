//! `consentry policy diff A B [--data DIR]`: which rules came, went or say something else; and, for the data folder of a
//! gateway that does not run, which past decisions and which waiting messages would come out differently.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use crate::audit::compare::{self, Pair, Totals, compare};
use crate::audit::replay::Options;
use crate::cli::failure::Failure;
use crate::cli::offline::{Folder, not_opened};
use crate::cli::output::Output;
use crate::decide::Engine;
use crate::gateway::offline::open_ledger;
use crate::model::{Instant, Verdict, Zones};
use crate::policy::PolicySet;
use crate::policy::diff::{Change, What, diff};
use crate::store;

/// Where the index is made that the decisions are taken over; it is deleted at the end.
const SCRATCH: &str = "replay";
/// Changed verdicts shown; the counts tell of all.
const SHOWN_MAX: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of packs as they were.
    pub before: PathBuf,
    /// The folder of packs as they would be; the ones of this release when absent.
    pub after: Option<PathBuf>,
    /// A data folder: judge its past decisions and waiting messages under both. No gateway may run on it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration that names the folder's keys. The folder of a sandbox needs none.
    #[arg(long, env = "CONSENTRY_CONFIG", requires = "data")]
    config: Option<PathBuf>,
    /// Only decisions from this instant on, RFC 3339.
    #[arg(long, env = "CONSENTRY_FROM", value_parser = Instant::parse, requires = "data")]
    from: Option<Instant>,
    /// The instant to judge waiting messages for. Default: now.
    #[arg(long, env = "CONSENTRY_AT", value_parser = Instant::parse, requires = "data")]
    at: Option<Instant>,
}

/// What changed.
#[derive(Debug, Serialize)]
struct Changed {
    before: String,
    after: String,
    changes: Vec<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

/// What it changes for a gateway's messages.
#[derive(Debug, Serialize)]
struct Data {
    decisions: u64,
    decisions_changed: u64,
    skipped: u64,
    waiting: u64,
    waiting_changed: u64,
    judged_for: Instant,
    shown: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    /// Place in the log; none: the message waits.
    entry: Option<u64>,
    message: String,
    program: String,
    evaluated_at: Instant,
    before: Said,
    after: Said,
}

/// A verdict in short.
#[derive(Debug, Serialize)]
struct Said {
    outcome: String,
    until: Option<Instant>,
    codes: Vec<String>,
}

impl Said {
    fn of(verdict: &Verdict) -> Said {
        let mut codes: Vec<String> =
            verdict.reasons.iter().map(|r| format!("{} ({})", r.code, r.rule)).collect();
        codes.dedup();
        let outcome = format!("{:?}", verdict.outcome).to_uppercase();
        Said { outcome, until: verdict.hold_until, codes }
    }
}

impl Line {
    fn of(changed: compare::Changed) -> Line {
        Line {
            entry: changed.entry,
            message: changed.message.to_string(),
            program: changed.program.to_string(),
            evaluated_at: changed.before.evaluated_at,
            before: Said::of(&changed.before),
            after: Said::of(&changed.after),
        }
    }
}

/// Exit code 0, whatever changed.
pub fn run(args: &Args, before: PolicySet, after: PolicySet, output: &Output) -> Result<ExitCode, Failure> {
    let changes = diff(&before, &after);
    let version = |set: &PolicySet| format!("{} ({}…)", set.version(), hex::encode(&set.hash()[..8]));
    let names = (version(&before), version(&after));
    let data = match args.data.is_some() {
        true => Some(data(args, before, after)?),
        false => None,
    };
    output.answer(&Changed { before: names.0, after: names.1, changes, data })?;
    Ok(ExitCode::SUCCESS)
}

fn data(args: &Args, before: PolicySet, after: PolicySet) -> Result<Data, Failure> {
    let parts = Folder::of(args.data.clone(), args.config.clone()).parts()?;
    let zones = parts.policies.engine.zones().clone();
    let (before, after) = (engine(before, zones.clone())?, engine(after, zones)?);
    let now = args.at.unwrap_or_else(|| parts.clock.now());
    let (kind, index_options) = (parts.index, parts.index_options);
    let scratch = parts.data_dir.join(SCRATCH);
    let (env, _log, books, _) = open_ledger(parts).map_err(not_opened)?;
    // What a run that was killed left behind would be folded over.
    store::wipe(kind, &scratch).map_err(Failure::unusable)?;
    let options = Options { from: args.from, ..Options::default() };
    let mut shown: Vec<Line> = Vec::new();
    let found = store::open(kind, &scratch, &index_options).map_err(Failure::unusable).and_then(|kv| {
        let pair = Pair { before: &before, after: &after };
        let see = |changed| {
            if shown.len() < SHOWN_MAX {
                shown.push(Line::of(changed));
            }
        };
        compare(&env, &books, &kv, &options, &pair, now, see).map_err(Failure::unusable)
    });
    store::wipe(kind, &scratch).map_err(Failure::unusable)?;
    // An empty folder that stays is untidy, not wrong.
    let _ = std::fs::remove_dir(&scratch);
    let Totals { decisions, decisions_changed, skipped, waiting, waiting_changed } = found?;
    Ok(Data { decisions, decisions_changed, skipped, waiting, waiting_changed, judged_for: now, shown })
}

fn engine(set: PolicySet, zones: Zones) -> Result<Engine, Failure> {
    Engine::new(Arc::new(set), zones)
        .map_err(|lacking| Failure::unusable(format!("the zone data lacks {lacking:?}")))
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
        write!(f, "{added} added, {removed} removed, {changed} changed")?;
        self.data.as_ref().map_or(Ok(()), |data| write!(f, "\n\n{data}"))
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} past decisions judged under both, {} change",
            self.decisions, self.decisions_changed
        )?;
        let waiting = self.waiting_changed;
        writeln!(
            f,
            "{} messages wait, {waiting} change (judged for {})",
            self.waiting,
            self.judged_for.to_second()
        )?;
        if self.skipped > 0 {
            writeln!(f, "{} decisions about people who were erased cannot be judged", self.skipped)?;
        }
        for line in &self.shown {
            match line.entry {
                Some(entry) => write!(f, "\nentry {entry}, {}", line.evaluated_at.to_second())?,
                None => write!(f, "\nwaiting")?,
            }
            writeln!(f, ", message {}, program {}", line.message, line.program)?;
            writeln!(f, "  {}\n  -> {}", line.before, line.after)?;
        }
        let all = self.decisions_changed + self.waiting_changed;
        let left_out = all - self.shown.len() as u64;
        if left_out > 0 { write!(f, "\n… and {left_out} more") } else { Ok(()) }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)?;
        if let Some(until) = self.until {
            write!(f, " until {}", until.to_second())?;
        }
        if !self.codes.is_empty() {
            write!(f, ": {}", self.codes.join(", "))?;
        }
        Ok(())
    }
}
