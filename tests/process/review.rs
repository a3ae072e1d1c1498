//! `consentry policy check` says what is overdue, and fails where messages wait for it.

use std::path::Path;
use std::process::Command;

use super::diff::copied;

fn check(packs: &Path, json: bool) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consentry"));
    if json {
        command.arg("--json");
    }
    let done = command.args(["policy", "check"]).arg(packs).output().expect("it runs");
    (done.status.code(), String::from_utf8(done.stdout).expect("UTF-8"))
}

/// The file with another date.
fn dated(text: &str, name: &str, date: &str) -> String {
    let line = |line: &str| match line.starts_with(name) {
        true => format!("{name} = \"{date}\"\n"),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn what_is_overdue_is_said_and_fails_where_it_holds() {
    let root = tempfile::tempdir().expect("a folder");
    let packs = root.path().join("policies");
    copied(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies"), &packs);
    let rule = packs.join("house/segments.toml");
    let fresh = std::fs::read_to_string(&rule).expect("a rule");
    let old = dated(&dated(&fresh, "last_verified", "2020-01-01"), "review_by", "2020-06-01");
    std::fs::write(&rule, old).expect("written");

    let (code, said) = check(&packs, false);
    let warning = "warning: house/segments.toml: review_by: 2020-06-01 has passed; verdicts it speaks in say POLICY_STALE";
    assert!(code == Some(0) && said.lines().any(|line| line == warning), "{code:?} {said}");

    let pack = packs.join("pack.toml");
    let warns = std::fs::read_to_string(&pack).expect("a pack");
    std::fs::write(&pack, warns.replace("on_stale = \"warn\"", "on_stale = \"hold\"")).expect("written");
    let (code, said) = check(&packs, true);
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let held = said["held"].as_array().expect("a list");
    let overdue = "house/segments.toml: review_by: 2020-06-01 has passed; messages it speaks to are held (POLICY_STALE)";
    assert!(code == Some(1) && held.iter().any(|line| line == overdue), "{code:?} {said}");

    // Without the date there is no set at all.
    let undated: Vec<&str> = fresh.lines().filter(|line| !line.starts_with("last_verified")).collect();
    std::fs::write(&rule, undated.join("\n")).expect("written");
    let (code, said) = check(&packs, false);
    assert!(
        code == Some(1) && said.contains("house/segments.toml: line 1: missing field `last_verified`"),
        "{said}"
    );
}
