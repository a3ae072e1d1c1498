//! Files in; a whole set, or every problem of every file, out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::file::{HOLD_AFTER_DAYS_MAX, JurisdictionFile, Layer, PackFile, RuleFile, Stance};
use super::set::{PolicySet, Rule};
use super::value::Value;
use crate::model::Jurisdiction;

/// Largest policy file read, in bytes.
const FILE_MAX: usize = 64 * 1024;
/// Most files in a set.
const FILES_MAX: usize = 4_096;

/// One thing wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as given.
    pub file: String,
    /// What is wrong, naming the field.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.problem)
    }
}

/// Everything a set is made of, as parsed; its JSON is the set's canonical form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sources {
    pub pack: PackFile,
    pub jurisdictions: BTreeMap<String, JurisdictionFile>,
    pub rules: BTreeMap<String, RuleFile>,
}

/// Reads and cross-checks a whole set. Paths are relative to the set's folder, with `/` between parts.
/// Nothing is half-loaded: with one problem anywhere there is no set, and all problems are listed, sorted.
pub fn compile<P, B>(files: impl IntoIterator<Item = (P, B)>) -> Result<PolicySet, Vec<Problem>>
where
    P: AsRef<str>,
    B: AsRef<[u8]>,
{
    let mut reader = Reader::default();
    for (count, (path, bytes)) in files.into_iter().enumerate() {
        if count == FILES_MAX {
            reader.problem(path.as_ref(), format!("more than {FILES_MAX} files"));
            break;
        }
        reader.file(path.as_ref(), bytes.as_ref());
    }
    let set = assemble(reader.finish()?)?;
    let problems = calendar_gaps(set.rules());
    if problems.is_empty() { Ok(set) } else { Err(problems) }
}

/// Rebuilds a set from [`PolicySet::canonical`], as kept in the ledger beside the decisions it judged.
pub fn from_canonical(bytes: &[u8]) -> Result<PolicySet, Vec<Problem>> {
    let sources = serde_json::from_slice::<Sources>(bytes)
        .map_err(|e| vec![Problem { file: "canonical form".into(), problem: e.to_string() }])?;
    assemble(sources)
}

#[derive(Default)]
struct Reader {
    pack: Option<PackFile>,
    jurisdictions: BTreeMap<String, JurisdictionFile>,
    rules: BTreeMap<String, RuleFile>,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, file: &str, problem: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), problem: problem.into() });
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        if bytes.len() > FILE_MAX {
            return self.problem(path, format!("larger than {FILE_MAX} bytes"));
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return self.problem(path, "not UTF-8") };
        let Some(stem) = path.strip_suffix(".toml") else {
            return self.problem(path, "only .toml files belong here");
        };
        let taken = if stem == "pack" {
            self.parse(path, text).map(|pack| self.pack.replace(pack).is_some())
        } else if let Some(folder) = stem.strip_suffix("/jurisdiction") {
            self.parse(path, text).map(|file| self.jurisdictions.insert(folder.to_owned(), file).is_some())
        } else {
            self.parse(path, text).map(|file| self.rules.insert(stem.to_owned(), file).is_some())
        };
        if taken == Some(true) {
            self.problem(path, "given twice");
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(&mut self, path: &str, text: &str) -> Option<T> {
        match toml::from_str(text) {
            Ok(value) => Some(value),
            Err(e) => {
                let line = e.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
                let at = line.map(|line| format!("line {line}: ")).unwrap_or_default();
                self.problem(path, format!("{at}{}", e.message()));
                None
            }
        }
    }

    fn finish(mut self) -> Result<Sources, Vec<Problem>> {
        match self.pack.take() {
            Some(pack) if pack.hold_after_days.is_some_and(|days| days > HOLD_AFTER_DAYS_MAX) => {
                let problem = format!("hold_after_days must be 0 to {HOLD_AFTER_DAYS_MAX}");
                self.problem("pack.toml", problem);
                self.problems.sort();
                Err(self.problems)
            }
            Some(pack) if self.problems.is_empty() => {
                Ok(Sources { pack, jurisdictions: self.jurisdictions, rules: self.rules })
            }
            pack => {
                if pack.is_none() && !self.problems.iter().any(|p| p.file == "pack.toml") {
                    self.problem("pack.toml", "missing: it names the set's version");
                }
                self.problems.sort();
                Err(self.problems)
            }
        }
    }
}

fn assemble(sources: Sources) -> Result<PolicySet, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut say =
        |file: &str, problem: String| problems.push(Problem { file: format!("{file}.toml"), problem });
    if sources.pack.version.is_empty() || sources.pack.version.len() > 64 {
        say("pack", "version: must be 1 to 64 characters".into());
    }
    for (folder, file) in &sources.jurisdictions {
        for problem in jurisdiction_problems(folder, file, &sources) {
            say(&format!("{folder}/jurisdiction"), problem);
        }
    }
    let mut rules = Vec::new();
    for (path, file) in &sources.rules {
        for problem in rule_problems(path, file, &sources) {
            say(path, problem);
        }
        match Value::read(&file.kind, &file.value) {
            Ok(value) => {
                for problem in value.problems() {
                    say(path, problem);
                }
                rules.push(Rule::new(file, value));
            }
            Err(problem) => say(path, problem),
        }
    }
    for (path, problem) in cross_problems(&rules, &sources) {
        say(&path, problem);
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(PolicySet::new(sources, rules)) } else { Err(problems) }
}

fn urls(sources: &[String]) -> bool {
    sources.iter().all(|s| s.starts_with("https://") || s.starts_with("http://"))
}

fn jurisdiction_problems(folder: &str, file: &JurisdictionFile, all: &Sources) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |good: bool, problem: &str| {
        if !good {
            problems.push(problem.to_owned());
        }
    };
    check(file.jurisdiction.as_str() == folder, "jurisdiction: must be the folder's path");
    check(!file.name.trim().is_empty(), "name: is empty");
    check(!file.sources.is_empty() && urls(&file.sources), "sources: at least one, each an http(s) address");
    let regions =
        all.jurisdictions.values().any(|j| j.jurisdiction.parent().as_ref() == Some(&file.jurisdiction));
    check(!file.zones.is_empty() || regions, "zones: a place without regions needs its time zones");
    let parent = file.jurisdiction.parent();
    check(
        parent.is_none_or(|p| all.jurisdictions.contains_key(p.as_str())),
        "jurisdiction: its country has no jurisdiction.toml",
    );
    let unique: BTreeSet<_> = file.zones.iter().collect();
    check(unique.len() == file.zones.len(), "zones: one is named twice");
    problems
}

fn rule_problems(path: &str, file: &RuleFile, all: &Sources) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |good: bool, problem: &str| {
        if !good {
            problems.push(problem.to_owned());
        }
    };
    check(file.id == path, "id: must be the file's path without .toml");
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let right_place = match file.layer {
        Layer::Law => folder == file.jurisdiction || folder == "overrides",
        Layer::Carrier => folder.strip_prefix("carrier/").is_some_and(|rest| rest == file.jurisdiction),
        Layer::Store => folder == "store",
        Layer::House => folder == "house",
    };
    check(
        right_place,
        "layer: law lies in the folder of its jurisdiction or in overrides/, carrier rules in carrier/<jurisdiction>/, others in store/ or house/",
    );
    let known = file.jurisdiction == "any" || all.jurisdictions.contains_key(&file.jurisdiction);
    check(known, "jurisdiction: no jurisdiction.toml describes it");
    check(
        file.jurisdiction != "any" || file.layer != Layer::Law,
        "jurisdiction: law always belongs to a place",
    );
    check(folder != "overrides" || file.author.is_some(), "author: an override names who added it");
    check(!file.channels.is_empty() && distinct(&file.channels), "channels: at least one, none twice");
    check(!file.categories.is_empty() && distinct(&file.categories), "categories: at least one, none twice");
    let kinds = file.sender_kinds.as_deref();
    check(
        kinds.is_none_or(|k| !k.is_empty() && distinct(k)),
        "sender_kinds: absent, or at least one, none twice",
    );
    check(!file.citation.trim().is_empty(), "citation: is empty");
    let sourced = !file.sources.is_empty() || file.layer == Layer::House;
    check(sourced && urls(&file.sources), "sources: at least one, each an http(s) address");
    let end = file.effective_to.unwrap_or(jiff::civil::Date::MAX);
    check(file.effective_from <= end, "effective_to: lies before effective_from");
    check(file.last_verified < file.review_by, "review_by: must lie after last_verified");
    let explained = file.note.as_deref().is_some_and(|n| !n.trim().is_empty());
    check(file.ship_vs_law == Stance::Same || explained, "note: say why the value is not simply the law's");
    check(
        !matches!(file.ship_vs_law, Stance::Stricter | Stance::Partly) || file.law.is_some(),
        "law: say what the law itself gives",
    );
    problems
}

fn distinct<T: Ord>(items: &[T]) -> bool {
    items.iter().collect::<BTreeSet<_>>().len() == items.len()
}

fn cross_problems(rules: &[Rule], all: &Sources) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for rule in rules.iter().filter(|rule| rule.layer != Layer::House) {
        if matches!(&rule.value, Value::Hours(hours) if hours.person_may_widen) {
            problems.push((rule.id.clone(), "value: only house hours may yield to the person's own".into()));
        }
    }
    let calendars = calendars(rules);
    for rule in rules {
        let Value::Hours(hours) = &rule.value else { continue };
        let Some(id) = &hours.calendar else { continue };
        if !calendars.contains_key(id.as_str()) {
            problems.push((rule.id.clone(), format!("value: calendar {id:?} is no rule of kind calendar")));
        }
    }
    // A country's file promises that the country is covered: without hours and consent it would be open all night.
    for place in all.jurisdictions.values().map(|j| &j.jurisdiction).filter(|j| j.is_country()) {
        for (kind, found) in [
            ("hours", has(rules, place, |v| matches!(v, Value::Hours(_)))),
            ("consent", has(rules, place, |v| matches!(v, Value::Consent(_)))),
        ] {
            if !found {
                problems.push((
                    format!("{place}/jurisdiction"),
                    format!("no rule of kind {kind} in this country's folder"),
                ));
            }
        }
    }
    problems
}

fn calendars(rules: &[Rule]) -> BTreeMap<&str, &Rule> {
    rules.iter().filter(|r| matches!(r.value, Value::Calendar(_))).map(|r| (r.id.as_str(), r)).collect()
}

/// Hours with days on which their calendar is not in force: there would be no holidays, and nobody would know. Asked of files
/// alone: a set that judged under an earlier release is read back as it was.
fn calendar_gaps(rules: &[Rule]) -> Vec<Problem> {
    let calendars = calendars(rules);
    let gap = |rule: &Rule| {
        let Value::Hours(hours) = &rule.value else { return None };
        let id = hours.calendar.as_deref()?;
        let calendar = calendars.get(id).filter(|c| c.from > rule.from || c.to < rule.to)?;
        let problem =
            format!("value: calendar {:?} is not in force on all the days of these hours", calendar.id);
        Some(Problem { file: format!("{}.toml", rule.id), problem })
    };
    rules.iter().filter_map(gap).collect()
}

fn has(rules: &[Rule], place: &Jurisdiction, kind: impl Fn(&Value) -> bool) -> bool {
    rules.iter().any(|r| r.jurisdiction.as_ref() == Some(place) && kind(&r.value))
}
