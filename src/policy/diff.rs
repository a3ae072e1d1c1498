//! What changed between two sets: rules that came, went, or say something else.

use serde::Serialize;
use serde_json::Value as Json;

use super::set::PolicySet;

/// One rule or place that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The rule's id, or a place's folder with `/jurisdiction`.
    pub id: String,
    /// What happened to it.
    pub what: What,
    /// The keys that differ, as in `value.week.sun`; empty for what came or went.
    pub keys: Vec<KeyChange>,
}

/// What happened to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Only the second set has it.
    Added,
    /// Only the first set has it.
    Removed,
    /// Both have it and it says something else.
    Changed,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyChange {
    /// Its path.
    pub key: String,
    /// In the first set; `null` when absent.
    pub before: Json,
    /// In the second set; `null` when absent.
    pub after: Json,
}

/// Everything that differs, sorted by id. Comments, spacing and test vectors never do.
pub fn diff(before: &PolicySet, after: &PolicySet) -> Vec<Change> {
    let (before, after) = (parts(before), parts(after));
    let mut changes = Vec::new();
    for (id, old) in &before {
        match after.iter().find(|(other, _)| other == id) {
            None => changes.push(Change { id: id.clone(), what: What::Removed, keys: Vec::new() }),
            Some((_, new)) => {
                let mut keys = Vec::new();
                compare("", old, new, &mut keys);
                if !keys.is_empty() {
                    changes.push(Change { id: id.clone(), what: What::Changed, keys });
                }
            }
        }
    }
    let known = |id: &String| before.iter().any(|(other, _)| other == id);
    let added = after.iter().filter(|(id, _)| !known(id));
    changes.extend(added.map(|(id, _)| Change { id: id.clone(), what: What::Added, keys: Vec::new() }));
    changes.sort_by(|a, b| a.id.cmp(&b.id));
    changes
}

/// Every file of the set as JSON, by id.
fn parts(set: &PolicySet) -> Vec<(String, Json)> {
    let whole: Json = serde_json::from_slice(set.canonical()).expect("the canonical form is JSON");
    let named = |key: &str, ending: &str| {
        let files = whole[key].as_object().cloned().unwrap_or_default();
        files.into_iter().map(|(id, file)| (format!("{id}{ending}"), file)).collect::<Vec<_>>()
    };
    let mut all = named("rules", "");
    all.extend(named("jurisdictions", "/jurisdiction"));
    all.push(("pack".to_owned(), whole["pack"].clone()));
    all
}

fn compare(path: &str, before: &Json, after: &Json, keys: &mut Vec<KeyChange>) {
    match (before, after) {
        (Json::Object(old), Json::Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let get = |map: &serde_json::Map<String, Json>| map.get(name).cloned().unwrap_or(Json::Null);
                compare(&path, &get(old), &get(new), keys);
            }
        }
        _ if before == after => {}
        _ => keys.push(KeyChange { key: path.to_owned(), before: before.clone(), after: after.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{compile, embedded};

    #[test]
    fn rules_that_came_went_and_changed() {
        let before = embedded::load().expect("compiles");
        let files =
            embedded::files().filter(|(path, _)| *path != "us/fl/cap.toml").flat_map(|(path, bytes)| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let changed = match path {
                    "za/quiet_hours.toml" => text.replace("sat = \"09:00-13:00\"", "sat = \"none\""),
                    _ => text,
                };
                let copy = changed.replace("id = \"house/segments\"", "id = \"house/segments_too\"");
                let second = (path == "house/segments.toml").then_some(("house/segments_too.toml", copy));
                [Some((path, changed)), second].into_iter().flatten()
            });
        let after = compile(files).expect("compiles");
        let changes = diff(&before, &after);
        let named: Vec<(&str, What)> = changes.iter().map(|c| (c.id.as_str(), c.what)).collect();
        assert_eq!(
            named,
            [
                ("house/segments_too", What::Added),
                ("us/fl/cap", What::Removed),
                ("za/quiet_hours", What::Changed)
            ]
        );
        assert_eq!(changes[2].keys[0].key, "value.week.sat");
        assert_eq!(
            (&changes[2].keys[0].before, &changes[2].keys[0].after),
            (&"09:00-13:00".into(), &"none".into())
        );
        assert!(diff(&before, &before).is_empty());
    }
}
