//! Decisions of other releases, made again by their own programs: no release calls another's verdict equal.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Line;
use crate::cli::failure::Failure;

/// What names the programs; a program that is asked must not ask others in its turn.
const OWN_VARIABLE: &str = "CONSENTRY_RELEASE_BINARY";

/// What a program said of the decisions of its own release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Release {
    /// What it calls itself, as in `0.1.0`.
    pub release: String,
    pub replayed: u64,
    pub differences: u64,
    pub shown: Vec<Line>,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Release { release, replayed, differences, .. } = self;
        match differences {
            0 => {
                write!(f, "EQUAL: {replayed} decisions came out as recorded, made again by release {release}")
            }
            n => write!(f, "DIFFERENT: {n} of {replayed} decisions, made again by release {release}"),
        }
    }
}

/// As `replay --json` prints it. Releases may say more, and said less.
#[derive(Debug, Deserialize)]
struct Said {
    replayed: u64,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    differences: u64,
    #[serde(default)]
    shown: Vec<Line>,
}

/// Asks each program in turn. `own`: how many decisions this release made again and how many it skipped, by which it knows
/// itself. The folder must be free.
pub fn ask(programs: &[PathBuf], words: &[OsString], own: (u64, u64)) -> Result<Vec<Release>, Failure> {
    programs.iter().map(|program| one(program, words, own)).collect()
}

fn one(program: &Path, words: &[OsString], own: (u64, u64)) -> Result<Release, Failure> {
    let failed = |what: String| Failure::unusable(format!("--release-binary {}: {what}", program.display()));
    let version = output(program, &["--version".into()]).map_err(failed)?;
    let version = String::from_utf8_lossy(&version);
    let release = version.trim().strip_prefix("consentry ").map(str::to_owned);
    let release = release.ok_or_else(|| failed("it does not say which release of consentry it is".into()))?;
    let words = [&["replay".into()], words, &["--json".into()]].concat();
    let said = output(program, &words).map_err(failed)?;
    let said: Said =
        serde_json::from_slice(&said).map_err(|e| failed(format!("what it says is no replay: {e}")))?;
    if release == env!("CARGO_PKG_VERSION") && (said.replayed, said.skipped) == own {
        return Err(failed("it is this release itself: give the program of the other one".into()));
    }
    let Said { replayed, differences, shown, .. } = said;
    Ok(Release { release, replayed, differences, shown })
}

/// What a program prints. Exit code 1 says that something came out differently, which it prints as well.
fn output(program: &Path, words: &[OsString]) -> Result<Vec<u8>, String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stderr(Stdio::inherit()).env_remove(OWN_VARIABLE);
    let output = command.output().map_err(|e| format!("cannot be started: {e}"))?;
    match output.status.code() {
        Some(0 | 1) => Ok(output.stdout),
        _ => Err(format!("it ended with {}", output.status)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that says it is this release and answers a replay so.
    fn program(dir: &Path, release: &str, answer: &str, code: u8) -> PathBuf {
        let path = dir.join(format!("consentry-{release}-{code}"));
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'consentry {release}'; exit 0; fi\n\
             test \"$*\" = 'replay DIR --json' || exit 9\necho '{answer}'\nexit {code}\n"
        );
        std::fs::write(&path, script).expect("a temporary file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its own file");
        path
    }

    #[test]
    fn other_releases_make_their_own_decisions_again() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let words = ["DIR".into()];
        let good =
            program(dir.path(), "0.0.8", r#"{"entries":9,"replayed":5,"skipped":2,"differences":0}"#, 0);
        let shown = r#"{"replayed":3,"differences":1,"new":"x","shown":[{"entry":7,"what":"verdict","recorded":"ADMIT","replayed":"HOLD"}]}"#;
        let bad = program(dir.path(), "0.0.9", shown, 1);
        let said = ask(&[good, bad], &words, (2, 8)).expect("both answer");
        assert_eq!((said[0].release.as_str(), said[0].replayed, said[0].differences), ("0.0.8", 5, 0));
        assert_eq!((said[1].differences, said[1].shown[0].entry), (1, 7));
        assert!(said[1].to_string().starts_with("DIFFERENT: 1 of 3"), "{}", said[1]);
    }

    #[test]
    fn what_is_no_other_release_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let words = ["DIR".into()];
        let own = env!("CARGO_PKG_VERSION");
        let same = program(dir.path(), own, r#"{"replayed":2,"skipped":8}"#, 0);
        for (program, why) in [
            (same, "this release itself"),
            (program(dir.path(), "0.0.7", "nothing", 0), "no replay"),
            (program(dir.path(), "0.0.6", "{}", 2), "it ended with"),
            (dir.path().join("missing"), "cannot be started"),
        ] {
            let refused = ask(&[program], &words, (2, 8)).expect_err(why);
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }
}
