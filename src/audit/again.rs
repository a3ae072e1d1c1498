//! Makes a recorded decision again from what it recorded: its inputs, and the engine its entry names.
//!
//! No state, no order, no clock: any number of decisions can be made again at once, in any order, by anybody who has the
//! entries and the policy sets. Only decisions of this very release, rules, zone data and phone data are made again;
//! others are told apart and never called equal (invariant 4).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::decide::{Engine, decide};
use crate::ledger::body::{Decided, EngineBody, SealedDecision};
use crate::ledger::entry::{EntryError, Leaf, LeafView};
use crate::model::facts::Inputs;
use crate::model::{MessageId, Verdict, Zones};
use crate::policy::{from_canonical, set::policy_hash};
use crate::writer::Policies;

/// Policy sets held at a time, about 1 MB each; decisions of further ones are not made again, and that is said.
const POLICIES_MAX: usize = 256;

/// Why a decision was not made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// Another release, other rules, zone data or phone data judged; only that release can make it again.
    OtherEngine,
    /// The policy set that judged is not there, or does not compile any more.
    NoPolicy,
    /// The entry was written by a release that did not record inputs.
    NoInputs,
    /// The entry is closed: withheld, or the person was erased.
    Closed,
}

impl Skip {
    /// For people, after a number of decisions.
    pub fn because(self) -> &'static str {
        match self {
            Skip::OtherEngine => {
                "made by another release, rules, zone data or phone data: only that release can make them again"
            }
            Skip::NoPolicy => "made by a policy set that is not there",
            Skip::NoInputs => "recorded by a release that did not keep what they were made from",
            Skip::Closed => "sealed, or of people who were erased",
        }
    }
}

/// What came of making a decision again.
#[derive(Debug, Clone, PartialEq)]
pub enum Again {
    /// The same verdict, byte for byte.
    Equal,
    /// Another one.
    Different(Box<Different>),
    /// It was not made again.
    Skipped(Skip),
}

/// A decision that came out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Different {
    /// What differs, by the names of the entry's fields.
    pub fields: Vec<String>,
    /// The verdict that stands in the entry.
    pub recorded: Verdict,
    /// The verdict of now.
    pub replayed: Verdict,
}

/// Engines that can judge again, by the hash that stands in leaves.
pub struct Engines {
    zones: Zones,
    policies: HashMap<[u8; 32], Arc<Offered>>,
    engines: HashMap<[u8; 32], Described>,
    /// Judges instead of whatever judged then.
    instead: Option<Engine>,
}

/// A policy set, compiled when it is first needed.
struct Offered {
    canonical: Vec<u8>,
    engine: OnceLock<Option<Engine>>,
}

enum Described {
    Ours { policy: [u8; 32] },
    Others,
}

impl Engines {
    /// Engines over this zone data. Nothing is known yet.
    pub fn new(zones: Zones) -> Engines {
        Engines { zones, policies: HashMap::new(), engines: HashMap::new(), instead: None }
    }

    /// One engine for everything, to see what it would have decided.
    pub fn instead(engine: Engine) -> Engines {
        Engines { instead: Some(engine.clone()), ..Engines::new(engine.zones().clone()) }
    }

    /// Adds a policy set in its canonical form.
    pub fn offer(&mut self, canonical: Vec<u8>) {
        if self.policies.len() < POLICIES_MAX {
            let hash = policy_hash(&canonical);
            let offered = || Arc::new(Offered { canonical, engine: OnceLock::new() });
            self.policies.entry(hash).or_insert_with(offered);
        }
    }

    /// Adds an engine that is there already, with its policy set.
    pub fn add(&mut self, policies: &Policies) {
        let engine = OnceLock::from(Some(policies.engine.clone()));
        let offered = Offered { canonical: Vec::new(), engine };
        self.policies.insert(policies.engine.policy().hash(), Arc::new(offered));
        self.describe(policies.engine_hash, &policies.described);
    }

    /// Tells what an engine is; `described` must be what `hash` stands for.
    pub fn describe(&mut self, hash: [u8; 32], described: &EngineBody) {
        let ours = Policies::parts_of_this_release(&self.zones);
        let policy = hex::decode(&described.policy_sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let same = (&described.release, &described.rules, &described.time_zones, &described.phone_numbers)
            == (&ours.release, &ours.rules, &ours.time_zones, &ours.phone_numbers);
        let known = match policy {
            Some(policy) if same => Described::Ours { policy },
            _ => Described::Others,
        };
        self.engines.insert(hash, known);
    }

    /// Whether an engine was described.
    pub fn knows(&self, hash: &[u8; 32]) -> bool {
        self.instead.is_some() || self.engines.contains_key(hash)
    }

    fn engine(&self, hash: &[u8; 32]) -> Result<&Engine, Skip> {
        if let Some(engine) = &self.instead {
            return Ok(engine);
        }
        let policy = match self.engines.get(hash) {
            Some(Described::Ours { policy }) => policy,
            Some(Described::Others) | None => return Err(Skip::OtherEngine),
        };
        let offered = self.policies.get(policy).ok_or(Skip::NoPolicy)?;
        let compile = || {
            let set = from_canonical(&offered.canonical).ok()?;
            Engine::new(Arc::new(set), self.zones.clone()).ok()
        };
        offered.engine.get_or_init(compile).as_ref().ok_or(Skip::NoPolicy)
    }

    /// Makes a decision again.
    pub fn again(&self, leaf: &Leaf, decided: &Decided<'_>) -> Again {
        let engine = match self.engine(&leaf.engine) {
            Ok(engine) => engine,
            Err(skip) => return Again::Skipped(skip),
        };
        let Some(inputs) = decided.inputs else { return Again::Skipped(Skip::NoInputs) };
        let recorded = decided.verdict;
        let replayed = decide(engine, &inputs.facts, &inputs.request, recorded.evaluated_at);
        let mut fields = misplaced(inputs, decided.message, leaf.brand.as_ref().map_or("", |b| b.as_str()));
        if self.differs(recorded, &replayed) {
            fields.extend(differing(recorded, &replayed));
        }
        if fields.is_empty() {
            return Again::Equal;
        }
        Again::Different(Box::new(Different { fields, recorded: recorded.clone(), replayed }))
    }

    /// Makes a decision again from its opened plaintext. Equal is what comes out byte for byte as it stands there. Fails where
    /// the verdict differs and cannot be read.
    pub fn again_sealed(
        &self,
        leaf: &LeafView<'_>,
        sealed: &SealedDecision<'_>,
    ) -> Result<Again, EntryError> {
        let engine = match self.engine(leaf.engine) {
            Ok(engine) => engine,
            Err(skip) => return Ok(Again::Skipped(skip)),
        };
        let Some(inputs) = &sealed.inputs else { return Ok(Again::Skipped(Skip::NoInputs)) };
        let mut fields = misplaced(inputs, sealed.message, leaf.brand);
        // The instant is part of the bytes, so a wrong guess is never equal.
        if let Some(at) = sealed.judged_at().filter(|_| self.instead.is_none() && fields.is_empty())
            && comes_out(&decide(engine, &inputs.facts, &inputs.request, at), sealed.verdict)
        {
            return Ok(Again::Equal);
        }
        let recorded = sealed.verdict()?;
        let replayed = decide(engine, &inputs.facts, &inputs.request, recorded.evaluated_at);
        if self.differs(&recorded, &replayed) {
            fields.extend(differing(&recorded, &replayed));
        } else if self.instead.is_none() && !comes_out(&replayed, sealed.verdict) {
            // The same, and written otherwise: this engine has not written it.
            fields.push("verdict".to_owned());
        }
        Ok(match fields.is_empty() {
            true => Again::Equal,
            false => Again::Different(Box::new(Different { fields, recorded, replayed })),
        })
    }

    fn differs(&self, recorded: &Verdict, replayed: &Verdict) -> bool {
        let said = |v: &Verdict| (v.outcome, v.hold_until, v.reasons.clone());
        match self.instead {
            Some(_) => said(recorded) != said(replayed),
            None => recorded != replayed,
        }
    }
}

/// Whether a verdict is written as it stands in an entry.
fn comes_out(verdict: &Verdict, written: &str) -> bool {
    let mut bytes = Vec::with_capacity(written.len());
    serde_json::to_writer(&mut bytes, verdict).is_ok() && bytes == written.as_bytes()
}

/// Inputs of another decision than the entry is about, by the names of the fields. `brand`: that of the leaf.
fn misplaced(inputs: &Inputs, message: MessageId, brand: &str) -> Vec<String> {
    let mut fields = Vec::new();
    if inputs.request.message != message {
        fields.push("inputs.request.message".to_owned());
    }
    if brand != inputs.facts.brand.id.as_str() {
        fields.push("inputs.facts.brand.id".to_owned());
    }
    fields
}

/// Names of the fields in which two verdicts differ.
pub(super) fn differing(a: &Verdict, b: &Verdict) -> Vec<String> {
    let object = |v: &Verdict| match serde_json::to_value(v) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (object(a), object(b));
    a.into_iter()
        .filter(|(name, value)| b.get(name) != Some(value))
        .map(|(n, _)| format!("verdict.{n}"))
        .collect()
}
