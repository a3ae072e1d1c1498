//! The policy sets beside a data folder's entries: each is what its name says, and each that judged is there.

use std::collections::BTreeSet;

use super::Report;
use crate::disk::SharedDisk;
use crate::policy::set::policy_hash;
use crate::store::embedded::DataDir;
use crate::store::embedded::policies::POLICY_BYTES_MAX;

/// Files named where several are missing.
const NAMED_MAX: usize = 4;

/// Looks at every file of `policies/`. `judged`: hashes that engines of the log name, in hexadecimal; none where those entries
/// were not opened.
pub fn check(disk: &SharedDisk, dir: &DataDir, judged: Option<&BTreeSet<String>>, report: &mut Report) {
    // The folder is made with the first set.
    let names = disk.list(&dir.policies()).unwrap_or_default();
    let mut sound = BTreeSet::new();
    for name in names {
        let Some(hash) = name.strip_suffix(".json") else { continue };
        let field = format!("policies/{name}");
        match disk.read_whole(&dir.policies().join(&name), POLICY_BYTES_MAX) {
            Ok(Some(bytes)) if hex::encode(policy_hash(&bytes)) == hash => {
                sound.insert(hash.to_owned());
            }
            Ok(_) => report.fail(None, field, "hash", "the policy set is not the one its name stands for"),
            Err(e) => report.fail(None, field, "form", e.to_string()),
        }
    }
    match judged {
        None => report.not_proved.push(format!(
            "That the policy sets that judged are all there: the entries that name them are sealed. {} lie there, as \
             their hashes say.",
            sound.len()
        )),
        Some(judged) => {
            let missing: Vec<&String> = judged.difference(&sound).collect();
            if missing.is_empty() {
                let line = format!(
                    "The {} policy sets that judged are there, and as their hashes say.",
                    judged.len()
                );
                report.proved.push(line);
            } else {
                report.not_proved.push(lacking(&missing, "policies/"));
            }
        }
    }
}

/// What cannot be told because policy files are missing.
pub fn lacking(hashes: &[&String], folder: &str) -> String {
    format!(
        "What {} policy sets said, so their decisions are not made again: policy file missing: {}.",
        hashes.len(),
        files(hashes, folder, "json")
    )
}

/// What cannot be told because wordings are missing.
pub fn wordings_lacking(hashes: &[&String]) -> String {
    format!(
        "What {} wordings said that consents in it rest on: wording missing: {}.",
        hashes.len(),
        files(hashes, "disclosures/", "txt")
    )
}

/// The first of these files by name, and how many more.
fn files(hashes: &[&String], folder: &str, ending: &str) -> String {
    let named: Vec<String> =
        hashes.iter().take(NAMED_MAX).map(|hash| format!("{folder}{hash}.{ending}")).collect();
    let more = match hashes.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", named.join(", "))
}
