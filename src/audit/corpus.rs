//! A frozen corpus: decisions as one release made them, with what they were made from, made again by every later release.
//!
//! One file a release, JSON lines: the engine first, then decisions. Beside it the policy set that judged, in its canonical form.
//! Files are added and never changed; what a later release decides otherwise is listed entry by entry, and stands in a file
//! of its own once somebody has looked at it (docs/replay.md).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::again::differing;
use crate::decide::{Engine, Situation, SituationError, decide};
use crate::ledger::body::EngineBody;
use crate::model::facts::Inputs;
use crate::model::{Verdict, Zones};
use crate::policy::{from_canonical, set::policy_hash};
use crate::writer::Policies;

/// Why a corpus cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("line {line}: {why}")]
    Line { line: usize, why: String },
    #[error("the policy set beside it is not the one its engine names")]
    OtherPolicy,
    #[error("the policy set beside it does not compile with this release: {0}")]
    Policy(String),
    #[error("{name}: {why}")]
    Situation { name: String, why: SituationError },
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    engine: EngineBody,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// What it shows.
    pub name: String,
    /// As entries seal them.
    pub inputs: Inputs,
    pub verdict: Verdict,
}

/// A decision that comes out differently now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub line: usize,
    pub name: String,
    /// What differs, by the names of the entry's fields.
    pub fields: Vec<String>,
    pub recorded: String,
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}, {}: {}", self.line, self.name, self.fields.join(", "))?;
        write!(f, "  recorded {}\n  replayed {}", self.recorded, self.replayed)
    }
}

/// What replaying one file came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// The release that made it.
    pub release: String,
    /// Whether the very same engine judges now: then every byte must be the same. Otherwise the names and versions of what
    /// judged are left out of account.
    pub same_engine: bool,
    pub decisions: usize,
    pub differences: Vec<Difference>,
}

/// Makes a corpus of situations judged by this engine: the text of the file. Of situations that come out alike in the same family
/// of rules the first stays.
pub fn freeze<'a>(
    engine: &Engine,
    situations: impl IntoIterator<Item = (&'a str, &'a Situation)>,
) -> Result<String, CorpusError> {
    let described = Policies::new(engine.clone()).described;
    let mut text = line(&Head { engine: described });
    let mut seen = BTreeSet::new();
    for (about, situation) in situations {
        let name = format!("{about}: {}", situation.name);
        let built = situation.build(engine.zones());
        let (facts, request, at) = built.map_err(|why| CorpusError::Situation { name: name.clone(), why })?;
        let verdict = decide(engine, &facts, &request, at);
        let family = about.rsplit('/').next().unwrap_or(about);
        let automatic = request.automatic.as_ref().map(|automatic| format!("{:?}", automatic.kind));
        let codes: Vec<String> =
            verdict.reasons.iter().map(|r| format!("{:?} {}", r.effect, r.code)).collect();
        if seen.insert((family.to_owned(), automatic, request.channel, verdict.outcome, codes)) {
            text.push_str(&line(&Frozen { name, inputs: Inputs { facts, request }, verdict }));
        }
    }
    Ok(text)
}

fn line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("plain values always encode");
    text.push('\n');
    text
}

/// Makes every decision of a file again, with the policy set that judged then and the rules and zone data of now.
pub fn replay(text: &str, canonical: &[u8], zones: &Zones) -> Result<Replayed, CorpusError> {
    let mut lines = (1..).zip(text.lines());
    let wrong = |line: usize, why: &dyn fmt::Display| CorpusError::Line { line, why: why.to_string() };
    let (first, head) = lines.next().ok_or_else(|| wrong(1, &"is missing"))?;
    let head: Head = serde_json::from_str(head).map_err(|e| wrong(first, &e))?;
    if hex::encode(policy_hash(canonical)) != head.engine.policy_sha256 {
        return Err(CorpusError::OtherPolicy);
    }
    let set = from_canonical(canonical).map_err(|problems| {
        CorpusError::Policy(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    let engine = Engine::new(Arc::new(set), zones.clone())
        .map_err(|lacking| CorpusError::Policy(format!("the zone data lacks {lacking:?}")))?;
    // What reads replies decides nothing here.
    let described =
        EngineBody { replies: head.engine.replies.clone(), ..Policies::new(engine.clone()).described };
    let same_engine = described == head.engine;
    let (release, mut decisions, mut differences) = (head.engine.release, 0, Vec::new());
    for (number, recorded) in lines {
        let frozen: Frozen = serde_json::from_str(recorded).map_err(|e| wrong(number, &e))?;
        decisions += 1;
        let Frozen { name, inputs, verdict } = frozen;
        let mut again = decide(&engine, &inputs.facts, &inputs.request, verdict.evaluated_at);
        if !same_engine {
            again.engine = verdict.engine;
            again.time_zone_version.clone_from(&verdict.time_zone_version);
        }
        // The same engine must give not only an equal verdict, but the bytes an entry seals.
        let bytes = serde_json::to_string(&again).expect("plain values always encode");
        let equal = match same_engine {
            true => recorded.ends_with(&format!("\"verdict\":{bytes}}}")),
            false => again == verdict,
        };
        if equal {
            continue;
        }
        let mut fields = differing(&verdict, &again);
        if fields.is_empty() {
            fields.push("verdict".to_owned());
        }
        let told = |v: &Verdict| {
            let codes: Vec<String> = v.reasons.iter().map(|r| format!("{} {}", r.code, r.rule)).collect();
            let until = v.hold_until.map(|t| format!(" until {t}")).unwrap_or_default();
            format!("{:?}{until}: {}", v.outcome, codes.join(", "))
        };
        let (recorded, replayed) = (told(&verdict), told(&again));
        differences.push(Difference { line: number, name, fields, recorded, replayed });
    }
    Ok(Replayed { release, same_engine, decisions, differences })
}
