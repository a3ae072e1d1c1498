//! The policies in force on the wire.

use crate::api::convert::timestamp;
use crate::api::field::{Fields, Lines};
use crate::model::Instant;
use crate::pb::consentry::v1 as wire;
use crate::policy::Problem;
use crate::policy::set::{PolicySet, Rule};
use crate::policy::show::describe;

/// A set, with the rules of one jurisdiction (`any`: those of everywhere; empty: all).
pub fn info(set: &PolicySet, jurisdiction: &str) -> wire::PolicyInfo {
    let wanted = |rule: &&Rule| jurisdiction.is_empty() || place(rule) == jurisdiction;
    let mut rules: Vec<wire::PolicyRule> =
        set.rules().iter().filter(wanted).map(|one| rule(set, one)).collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    wire::PolicyInfo {
        version: set.version().to_owned(),
        hash: set.hash().to_vec(),
        jurisdictions: set.places().keys().map(|place| place.as_str().to_owned()).collect(),
        rules,
    }
}

fn place(rule: &Rule) -> &str {
    rule.jurisdiction.as_ref().map_or("any", |place| place.as_str())
}

fn rule(set: &PolicySet, rule: &Rule) -> wire::PolicyRule {
    let file = set.source(rule);
    wire::PolicyRule {
        id: rule.id.clone(),
        jurisdiction: place(rule).to_owned(),
        kind: file.kind.clone(),
        summary: describe(set, rule),
        citation: rule.citation.clone(),
        effective_from: Some(timestamp(rule.from)),
        effective_to: (rule.to < Instant::FAR_FUTURE).then(|| timestamp(rule.to)),
        confidence: format!("{:?}", rule.confidence).to_lowercase(),
    }
}

/// Most files of a set, and most bytes of them together.
const FILES_MAX: usize = 2_048;
const BYTES_MAX: usize = 3 * 1024 * 1024;

/// Reads the files of a set.
pub fn files(f: &mut Fields, wire: Vec<wire::PolicyFile>) -> Option<Vec<(String, Vec<u8>)>> {
    if wire.iter().map(|file| file.content.len()).sum::<usize>() > BYTES_MAX {
        return f.refuse("files", format!("must be at most {BYTES_MAX} bytes together"));
    }
    let files = f.each("files", wire, 1..=FILES_MAX, |f, file| {
        let path = f.text("path", file.path, 1..=256, Lines::One)?;
        let leads_away = path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
        if leads_away || path.contains('\\') {
            return f.refuse("path", "must be a path within the set, as in us/fl/quiet_hours.toml");
        }
        Some((path, file.content))
    })?;
    f.no_repeats("files", files.iter().map(|(path, _)| path))?;
    Some(files)
}

/// Something wrong with a set; the compiler writes the line before what is wrong in it.
pub fn problem(problem: Problem) -> wire::PolicyProblem {
    let lined = problem.problem.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let lined = lined.and_then(|(line, detail)| Some((line.parse().ok()?, detail.to_owned())));
    let (line, detail) = lined.unwrap_or((0, problem.problem));
    wire::PolicyProblem { path: problem.file, line, detail }
}
