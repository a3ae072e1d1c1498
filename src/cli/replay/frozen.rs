//! `consentry replay --corpus`: decisions of earlier releases, made again by this one (docs/replay.md).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::audit::corpus::{self, Replayed};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::model::Zones;

/// What came of every file.
#[derive(Debug, Serialize)]
pub struct Corpus {
    releases: Vec<Release>,
}

/// What came of one.
#[derive(Debug, Serialize)]
pub struct Release {
    #[serde(flatten)]
    pub replayed: Replayed,
    /// Whether its differences are those that were looked at and written down.
    pub as_listed: bool,
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.releases {
            let Replayed { release, same_engine, decisions, differences } = &one.replayed;
            let how = if *same_engine { "byte for byte" } else { "but for the engine's name" };
            let equal = decisions - differences.len();
            writeln!(f, "release {release}: {equal} of {decisions} decisions came out as recorded, {how}")?;
            if !differences.is_empty() {
                let listed = if one.as_listed { "listed" } else { "NOT as listed" };
                writeln!(
                    f,
                    "{} came out differently, {listed} in {release}.differences:",
                    differences.len()
                )?;
                differences.iter().try_for_each(|difference| writeln!(f, "{difference}"))?;
            }
        }
        Ok(())
    }
}

/// Exit code 0 when every difference is listed, 1 otherwise.
pub fn run(folder: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let releases = all(folder)?;
    let good = releases.iter().all(|one| one.as_listed);
    output.answer(&Corpus { releases })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Replays every file of a folder.
pub fn all(folder: &Path) -> Result<Vec<Release>, Failure> {
    let unreadable =
        |path: &Path, e: &dyn fmt::Display| Failure::unusable(format!("{}: {e}", path.display()));
    let listed = fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let paths: Result<Vec<PathBuf>, _> = listed.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|e| unreadable(folder, &e))?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::unusable(format!("{} holds no frozen decisions", folder.display())));
    }
    let zones = Zones::bundled();
    let mut releases = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
        let beside = path.with_extension("policy.json");
        let policy = fs::read(&beside).map_err(|e| unreadable(&beside, &e))?;
        let replayed = corpus::replay(&text, &policy, &zones).map_err(|e| unreadable(&path, &e))?;
        let accepted = match fs::read_to_string(path.with_extension("differences")) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(unreadable(&path.with_extension("differences"), &e)),
        };
        let found: String = replayed.differences.iter().map(|d| format!("{d}\n")).collect();
        releases.push(Release { as_listed: found == accepted, replayed });
    }
    Ok(releases)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions/frozen")
    }

    #[test]
    fn decisions_of_earlier_releases_come_out_as_recorded_or_as_listed() {
        let releases = all(&folder()).expect("the frozen files are readable");
        for one in &releases {
            let differences = one.replayed.differences.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert!(one.as_listed, "{}:\n{}", one.replayed.release, differences.join("\n"));
            assert!(one.replayed.decisions > 200, "{} decisions", one.replayed.decisions);
        }
    }

    #[test]
    fn frozen_files_hold_every_kind_of_decision() {
        use crate::model::facts::AutomaticKind;
        use crate::model::{Channel, Outcome};
        let text = fs::read_to_string(folder().join("0.1.0.jsonl")).expect("the first release");
        let all: Vec<corpus::Frozen> =
            text.lines().skip(1).map(|line| serde_json::from_str(line).expect("a decision")).collect();
        for outcome in [Outcome::Admit, Outcome::Hold, Outcome::Refuse] {
            assert!(all.iter().any(|one| one.verdict.outcome == outcome), "{outcome:?}");
        }
        for channel in [Channel::Sms, Channel::Push] {
            assert!(all.iter().any(|one| one.inputs.request.channel == channel), "{channel:?}");
        }
        use AutomaticKind::{Help, OptInRequest, OptOutConfirmation, Welcome};
        for kind in [Help, OptInRequest, OptOutConfirmation, Welcome] {
            let of =
                |one: &corpus::Frozen| one.inputs.request.automatic.as_ref().map(|a| a.kind) == Some(kind);
            assert!(all.iter().any(of), "{kind:?}");
        }
        // Every rule that can say no has said it.
        let spoke: std::collections::BTreeSet<&str> = all
            .iter()
            .flat_map(|one| &one.verdict.reasons)
            .filter_map(|reason| reason.rule.rsplit('/').next())
            .collect();
        for family in
            ["quiet_hours", "consent", "cart_cap", "cart_spacing", "recipient_cap", "touch_spacing", "number"]
        {
            assert!(spoke.contains(family), "{family} is silent: {spoke:?}");
        }
    }

    #[test]
    fn frozen_files_are_never_edited() {
        let sums = fs::read_to_string(folder().join("SHA256SUMS")).expect("readable");
        let listed: Vec<(&str, &str)> = sums.lines().filter_map(|line| line.split_once("  ")).collect();
        for entry in fs::read_dir(folder()).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name == "SHA256SUMS" || name.ends_with(".differences") {
                continue;
            }
            let sum = hex::encode(Sha256::digest(fs::read(&path).expect("readable")));
            assert!(listed.contains(&(sum.as_str(), name.as_str())), "{name} is not as it was frozen: {sum}");
        }
        assert!(
            listed.iter().all(|(_, name)| folder().join(name).is_file()),
            "a frozen file is gone: {sums}"
        );
    }

    #[test]
    fn a_decision_that_was_changed_is_named() {
        let read = |name: &str| fs::read_to_string(folder().join(name)).expect("readable");
        let (text, policy) = (read("0.1.0.jsonl"), read("0.1.0.policy.json"));
        let zones = Zones::bundled();
        let changed = text.replacen("\"outcome\":\"REFUSE\"", "\"outcome\":\"ADMIT\"", 1);
        assert_ne!(changed, text);
        let differences =
            |text: &str| corpus::replay(text, policy.as_bytes(), &zones).expect("readable").differences;
        let known = differences(&text);
        let mut found = differences(&changed);
        found.retain(|one| !known.contains(one));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.fields, ["verdict.outcome"]);
        assert!(
            one.line > 1 && one.recorded.starts_with("Admit") && one.replayed.starts_with("Refuse"),
            "{one}"
        );
        let swapped = policy.replacen("08:00", "08:01", 1);
        assert!(corpus::replay(&text, swapped.as_bytes(), &zones).is_err(), "another policy set");
        assert!(corpus::replay("", policy.as_bytes(), &zones).is_err());
    }
}
