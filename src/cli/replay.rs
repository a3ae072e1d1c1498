//! `consentry replay`: every recorded decision is taken again and compared byte for byte: from the inputs recorded with it,
//! on all cores, or with `--fold` from the entries before it, one after another.

mod frozen;
mod releases;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::releases::Release;
use super::failure::Failure;
use super::offline::{Folder, not_opened};
use super::output::Output;
use crate::audit::again::Skip;
use crate::audit::recorded;
use crate::audit::replay::{Options as ReplayOptions, ReplayError, Report, replay_with};
use crate::decide::Engine;
use crate::gateway::offline::open_ledger;
use crate::model::{BrandId, Instant};
use crate::policy::reload;
use crate::store::{self, SharedKv};
use crate::writer::{EntrySource, Env, Policies};

/// Where the index of a replay is made, in the data folder; it is deleted at the end.
const SCRATCH: &str = "replay";
/// Differences shown; the count tells of all.
const SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    folder: Folder,
    /// Only decisions for this brand.
    #[arg(long, env = "CONSENTRY_BRAND")]
    brand: Option<BrandId>,
    /// Only decisions from this instant on, RFC 3339.
    #[arg(long, env = "CONSENTRY_FROM", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// Only decisions before this instant, RFC 3339.
    #[arg(long, env = "CONSENTRY_TO", value_parser = Instant::parse)]
    to: Option<Instant>,
    /// A folder of rule packs to judge with instead, whatever judged then: shows what they would change. May be repeated.
    #[arg(long, env = "CONSENTRY_POLICY_DIR", value_delimiter = ',')]
    policy: Vec<PathBuf>,
    /// Fold the entries before each decision, too, and demand that they give the inputs recorded with it. Slower: one after
    /// another, over an index of its own. Also takes decisions of releases that recorded no inputs.
    #[arg(long, env = "CONSENTRY_FOLD")]
    fold: bool,
    /// The program of another release, to make the decisions of that release again; this one never calls them equal. May be
    /// repeated.
    #[arg(long, env = "CONSENTRY_RELEASE_BINARY", value_delimiter = ',', conflicts_with_all = ["policy", "fold"])]
    release_binary: Vec<PathBuf>,
    /// Instead of a data folder: a folder of frozen decisions of earlier releases, as in `tests/decisions/frozen`.
    #[arg(long, env = "CONSENTRY_CORPUS", conflicts_with_all = ["dir", "config", "brand", "from", "to", "policy", "fold", "release_binary"])]
    corpus: Option<PathBuf>,
}

#[derive(Serialize)]
struct Replayed {
    /// Version of the policy that judged instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    entries: u64,
    replayed: u64,
    skipped: u64,
    /// Why, where it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    skipped_because: BTreeMap<Skip, u64>,
    differences: u64,
    shown: Vec<Line>,
    /// What the programs of other releases said of their own decisions, which are not among those skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    releases: Vec<Release>,
}

/// A decision that came out differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    entry: u64,
    what: String,
    recorded: String,
    replayed: String,
}

impl Replayed {
    fn new(entries: u64, policy: Option<String>, report: Report) -> Replayed {
        let differences = report.different.max(report.differences.len() as u64);
        let lines = report.differences.into_iter().take(SHOWN_MAX);
        let shown = lines.map(|d| Line {
            entry: d.index,
            what: d.what.to_owned(),
            recorded: d.recorded,
            replayed: d.replayed,
        });
        Replayed {
            policy,
            entries,
            replayed: report.replayed,
            skipped: report.skipped,
            skipped_because: report.because,
            differences,
            shown: shown.collect(),
            releases: Vec::new(),
        }
    }

    /// Takes what other releases said: what they made again was not skipped.
    fn with(mut self, releases: Vec<Release>) -> Replayed {
        let made: u64 = releases.iter().map(|one| one.replayed).sum();
        self.skipped = self.skipped.saturating_sub(made);
        if let Some(left) = self.skipped_because.get_mut(&Skip::OtherEngine) {
            *left = left.saturating_sub(made);
        }
        self.skipped_because.retain(|_, count| *count > 0);
        self.releases = releases;
        self
    }

    fn exit_code(&self) -> ExitCode {
        let all_equal = self.differences == 0 && self.releases.iter().all(|one| one.differences == 0);
        if all_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = &self.policy {
            writeln!(f, "policy {policy} judged instead of those in force then")?;
        }
        match self.differences {
            0 => writeln!(f, "EQUAL: {} decisions came out as recorded", self.replayed)?,
            n => writeln!(f, "DIFFERENT: {n} of {} decisions", self.replayed)?,
        }
        self.releases.iter().try_for_each(|one| writeln!(f, "{one}"))?;
        for (skip, count) in &self.skipped_because {
            writeln!(f, "skipped: {count} decisions {}", skip.because())?;
        }
        if self.skipped > 0 && self.skipped_because.is_empty() {
            writeln!(
                f,
                "skipped: {} entries of another release, policy or zone data, or of erased people; only the release \
                 that made a decision can make it again",
                self.skipped
            )?;
        }
        for line in self.shown.iter().chain(self.releases.iter().flat_map(|one| &one.shown)) {
            writeln!(f, "\nentry {}, {}", line.entry, line.what)?;
            writeln!(f, "  recorded {}\n  replayed {}", line.recorded, line.replayed)?;
        }
        Ok(())
    }
}

/// Exit code 0 when all decisions of this release, policy and zone data came out equal, 1 when one did not.
pub fn run(args: &Args, output: &Output) -> Result<ExitCode, Failure> {
    if let Some(folder) = &args.corpus {
        return frozen::run(folder, output);
    }
    let mut parts = args.folder.parts()?;
    let policy = other_policy(&args.policy, &parts.policies)?;
    let options = ReplayOptions {
        brand: args.brand.clone(),
        from: args.from,
        to: args.to,
        any_engine: policy.is_some(),
    };
    let instead = policy.as_ref().map(|policy| policy.engine.clone());
    let version = policy.as_ref().map(|p| p.described.policy_version.clone());
    if let Some(policy) = policy {
        parts.policies = policy;
    }
    let (engine, index_options) = (parts.index, parts.index_options);
    let scratch = parts.data_dir.join(SCRATCH);
    let (env, log, books, _) = open_ledger(parts).map_err(not_opened)?;
    if !args.fold {
        let report =
            recorded::replay(&env, &books, &options, instead, SHOWN_MAX).map_err(Failure::unusable)?;
        let mut replayed = Replayed::new(books.size(), version, report);
        if !args.release_binary.is_empty() {
            // The folder is theirs now.
            drop((env, log, books));
            let own = (replayed.replayed, replayed.skipped);
            let releases = releases::ask(&args.release_binary, &args.words(), own)?;
            replayed = replayed.with(releases);
        }
        output.answer(&replayed)?;
        return Ok(replayed.exit_code());
    }
    // What a replay that was killed left behind would be folded over.
    store::wipe(engine, &scratch).map_err(Failure::unusable)?;
    let report = store::open(engine, &scratch, &index_options)
        .map_err(Failure::unusable)
        .and_then(|kv| judge(&env, &books, &kv, &options).map_err(Failure::unusable));
    store::wipe(engine, &scratch).map_err(Failure::unusable)?;
    // An empty folder that stays is untidy, not wrong.
    let _ = std::fs::remove_dir(&scratch);
    let replayed = Replayed::new(books.size(), version, report?);
    output.answer(&replayed)?;
    drop(log);
    Ok(replayed.exit_code())
}

impl Args {
    /// What another program is to be told of folder and period.
    fn words(&self) -> Vec<OsString> {
        let mut words = self.folder.words();
        let mut add = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([flag.into(), value.into()]);
            }
        };
        add("--brand", self.brand.as_ref().map(ToString::to_string));
        add("--from", self.from.map(|at| at.to_string()));
        add("--to", self.to.map(|at| at.to_string()));
        words
    }
}

/// Judges again and keeps what came out differently. Under another policy the name of the engine and its versions differ
/// by themselves; what counts is what would have been decided, and why.
fn judge(
    env: &Env,
    source: &dyn EntrySource,
    scratch: &SharedKv,
    options: &ReplayOptions,
) -> Result<Report, ReplayError> {
    let mut report = Report::default();
    replay_with(env, source, scratch, options, |judged| {
        if options.any_engine && judged.is_equal(true) {
            report.replayed += 1;
        } else {
            report.note(judged);
        }
        true
    })?;
    Ok(report)
}

/// The rule packs to judge with instead, with the zone data in use.
fn other_policy(folders: &[PathBuf], in_use: &Policies) -> Result<Option<Policies>, Failure> {
    if folders.is_empty() {
        return Ok(None);
    }
    let set = reload::load_folders(folders).map_err(|e| Failure::unusable(format!("--policy: {e}")))?;
    let engine = Engine::new(Arc::new(set), in_use.engine.zones().clone());
    let engine = engine.map_err(|lacking| Failure::unusable(format!("the zone data lacks {lacking:?}")))?;
    Ok(Some(Policies::new(engine)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_releases_made_again_is_not_called_skipped() {
        let report = Report {
            replayed: 4,
            skipped: 9,
            because: [(Skip::OtherEngine, 7), (Skip::Closed, 2)].into(),
            ..Report::default()
        };
        let release = |replayed, differences| Release {
            release: "0.0.9".to_owned(),
            replayed,
            differences,
            shown: Vec::new(),
        };
        let made = |releases| Replayed::new(20, None, report.clone()).with(releases);
        let some = made(vec![release(5, 0)]);
        assert_eq!((some.skipped, some.skipped_because[&Skip::OtherEngine]), (4, 2));
        assert_eq!(some.exit_code(), ExitCode::SUCCESS);
        let all = made(vec![release(7, 1)]);
        assert!(all.skipped == 2 && !all.skipped_because.contains_key(&Skip::OtherEngine));
        assert!(
            all.to_string().contains("DIFFERENT: 1 of 7 decisions, made again by release 0.0.9"),
            "{all}"
        );
        assert_eq!(all.exit_code(), ExitCode::FAILURE);
    }
}
