//! The policies in force on the wire.

use crate::api::convert::timestamp;
use crate::model::Instant;
use crate::pb::consentry::v1 as wire;
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
