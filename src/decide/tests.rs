//! The vectors inside the rule files, the golden tables of `tests/decisions/`, and what the whole set must never do.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::model::Zones;
use crate::policy::embedded;

mod clocks;
mod dated;
mod invariants;

pub(super) fn engine() -> Engine {
    with(&[])
}

/// The packs of this release with these files added or replaced.
pub(super) fn with(changed: &[(&str, String)]) -> Engine {
    let mut files: BTreeMap<&str, Vec<u8>> = embedded::files().map(|(path, b)| (path, b.to_vec())).collect();
    files.extend(changed.iter().map(|(path, text)| (*path, text.clone().into_bytes())));
    Engine::load(files, Zones::bundled()).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|p| format!("{p}\n")).collect::<String>());
    })
}

#[test]
fn every_vector_of_every_pack() {
    let results = run_vectors(&engine(), embedded::files()).expect("the vectors make sense");
    let failed: Vec<String> = results.iter().filter(|r| !r.passed()).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{} of {} fail:\n{}", failed.len(), results.len(), failed.join("\n"));
    assert!(results.len() > 1_100, "only {} vectors ran", results.len());
}

/// One table of `tests/decisions/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    case: Vec<serde_json::Value>,
}

#[test]
fn golden_tables() {
    let engine = engine();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/decisions");
    let (mut ran, mut failed) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).expect("the folder of golden tables") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let table: Golden = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for case in &table.case {
            let situation =
                Situation::read(case, None).unwrap_or_else(|e| panic!("{}: {e}: {case}", path.display()));
            let result =
                run_case(&engine, &situation, None).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            ran += 1;
            if !result.passed() {
                failed.push(format!("{}: {result}", path.display()));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {ran} fail:\n{}", failed.len(), failed.join("\n"));
    assert!(ran > 155, "only {ran} cases ran");
}
