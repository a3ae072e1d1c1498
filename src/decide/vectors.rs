//! Runs situations against an engine: the vectors inside rule files (`consentry policy test`) and the golden tables of `tests/decisions/`.

use std::fmt;

use super::engine::Engine;
use super::situation::{Expect, Situation, SituationError};
use crate::model::verdict::{Code, Effect, Reason, Verdict};
use crate::policy::Problem;

/// What one situation came to.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorResult {
    /// The rule's id, or the table's name.
    pub rule: String,
    /// What the situation shows.
    pub name: String,
    /// Everything that came out otherwise than expected; empty: all is well.
    pub differences: Vec<String>,
}

impl VectorResult {
    /// Nothing differs.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for VectorResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passed() { "ok  " } else { "FAIL" };
        write!(f, "{mark} {}: {}", self.rule, self.name)?;
        for difference in &self.differences {
            write!(f, "\n     {difference}")?;
        }
        Ok(())
    }
}

/// Runs every vector of the files given against the engine compiled from them. Files that do not parse are problems of
/// [`crate::policy::compile()`], which speaks of them before this is called.
pub fn run_vectors<P, B>(
    engine: &Engine,
    files: impl IntoIterator<Item = (P, B)>,
) -> Result<Vec<VectorResult>, Vec<Problem>>
where
    P: AsRef<str>,
    B: AsRef<[u8]>,
{
    let (situations, mut problems) = match situations(engine, files) {
        Ok(found) => (found, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let mut results = Vec::new();
    for (id, situation) in &situations {
        match run_case(engine, situation, Some(id)) {
            Ok(result) => results.push(result),
            Err(e) => problems
                .push(Problem { file: format!("{id}.toml"), problem: format!("{}: {e}", situation.name) }),
        }
    }
    if problems.is_empty() { Ok(results) } else { Err(problems) }
}

/// Every situation written inside the files given, with the id of its rule.
pub fn situations<P, B>(
    engine: &Engine,
    files: impl IntoIterator<Item = (P, B)>,
) -> Result<Vec<(String, Situation)>, Vec<Problem>>
where
    P: AsRef<str>,
    B: AsRef<[u8]>,
{
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (path, bytes) in files {
        let id = path.as_ref().strip_suffix(".toml").unwrap_or_default();
        let Some(rule) = engine.policy().rule(id) else { continue };
        let mut problem =
            |text: String| problems.push(Problem { file: path.as_ref().to_owned(), problem: text });
        let tables = match std::str::from_utf8(bytes.as_ref()).map(toml::from_str::<serde_json::Value>) {
            Ok(Ok(file)) => file.get("test").and_then(|t| t.as_array()).cloned().unwrap_or_default(),
            _ => {
                problem("does not parse".to_owned());
                continue;
            }
        };
        for (n, table) in tables.iter().enumerate() {
            match Situation::read(table, rule.jurisdiction.as_ref()) {
                Ok(situation) => found.push((rule.id.clone(), situation)),
                Err(e) => problem(format!("test {}: {e}", n + 1)),
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Judges one situation and compares. `rule` is the rule that `says` speaks of.
pub fn run_case(
    engine: &Engine,
    situation: &Situation,
    rule: Option<&str>,
) -> Result<VectorResult, SituationError> {
    let (facts, req, at) = situation.build(engine.zones())?;
    let verdict = super::decide(engine, &facts, &req, at);
    let mut differences = compare(&situation.expect, &verdict, rule);
    for (what, wanted, found) in [
        ("hold until", &situation.expect.until, verdict.hold_until),
        ("send not after", &situation.expect.not_after, verdict.send_not_after),
    ] {
        let Some(wanted) = wanted else { continue };
        if found != Some(situation.instant(wanted, engine.zones())?) {
            let found = found.map_or("nothing".to_owned(), |t| t.to_string());
            differences.push(format!("{what} is {found}, expected {wanted} in {}", situation.zone));
        }
    }
    if !differences.is_empty() {
        let line = |r: &Reason| format!("       {:?} {} {}: {}", r.effect, r.code, r.rule, r.detail);
        differences.extend(verdict.reasons.iter().map(line));
    }
    let rule = rule.unwrap_or("decisions").to_owned();
    Ok(VectorResult { rule, name: situation.name.clone(), differences })
}

fn compare(expect: &Expect, verdict: &Verdict, rule: Option<&str>) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(outcome) = expect.outcome.filter(|outcome| *outcome != verdict.outcome) {
        differences.push(format!("outcome is {:?}, expected {outcome:?}", verdict.outcome));
    }
    let active = || verdict.reasons.iter().filter(|reason| reason.effect != Effect::Note);
    if let Some(wanted) = &expect.codes {
        differences.extend(codes("codes", active(), wanted));
    }
    if let Some(wanted) = &expect.says {
        differences.extend(codes(
            "the rule says",
            active().filter(|r| Some(r.rule.as_str()) == rule),
            wanted,
        ));
    }
    for code in expect.has.iter().filter(|code| !verdict.has(code)) {
        differences.push(format!("{code} is missing"));
    }
    for code in expect.lacks.iter().filter(|code| verdict.has(code)) {
        differences.push(format!("{code} is there"));
    }
    for rule in expect.rules.iter().filter(|rule| !active().any(|r| r.rule == **rule)) {
        differences.push(format!("rule {rule} is silent"));
    }
    differences
}

fn codes<'a>(what: &str, found: impl Iterator<Item = &'a Reason>, wanted: &[Code]) -> Option<String> {
    let sorted = |mut codes: Vec<Code>| {
        codes.sort();
        codes.dedup();
        codes
    };
    let (found, wanted) = (sorted(found.map(|r| r.code.clone()).collect()), sorted(wanted.to_vec()));
    (found != wanted).then(|| format!("{what} {found:?}, expected {wanted:?}"))
}
