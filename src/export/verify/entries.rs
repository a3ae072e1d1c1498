//! The entries of a bundle, one after another: order, place in the person's chain, engine, decision.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parking_lot::RwLock;
use sha2::{Digest, Sha256};

use super::Report;
use super::heads::{Complete, Completeness};
use super::lines::Seen;
use super::replays::Replays;
use crate::audit::again::Engines;
use crate::audit::statement::{Statement, StatementMaker};
use crate::export::bundle::format::{About, Asked};
use crate::export::request::was_asked;
use crate::export::rows::{Closed, Row, RowMaker, Told};
use crate::ledger::body::{Body, EngineBody};
use crate::ledger::entry::{Entry, Kind, Leaf, SELLER_CHAIN};
use crate::model::{EntryHash, Instant, SubjectId};

/// What is remembered from entry to entry: 70 bytes a person.
pub struct Entries {
    last_index: Option<u64>,
    last_instant: Option<Instant>,
    chains: HashMap<SubjectId, (u64, EntryHash)>,
    engines: BTreeMap<[u8; 32], EngineBody>,
    /// Engines named by leaves, with the first entry that names each.
    judged: BTreeMap<[u8; 32], u64>,
    /// Ids asked for.
    people: BTreeSet<String>,
    /// Chains must begin with their first entry.
    whole_chains: bool,
    /// What shows that nothing is missing, where the bundle has it.
    completeness: Option<Completeness>,
    complete: Option<Complete>,
    replays: Replays,
    statement: StatementMaker,
    /// What the bundle says it was asked for.
    asked: Asked,
    /// Entries called erased, by person, and who was forgotten by an entry of the log.
    erased: BTreeMap<SubjectId, u64>,
    forgotten: BTreeSet<SubjectId>,
}

/// A checked entry: what the manifest counts and what its row must say.
pub struct Checked {
    pub leaf: Leaf,
    pub index: u64,
    pub closed: Option<Closed>,
    pub row: Row,
}

impl Entries {
    /// Nothing seen yet, of a bundle that says this about itself.
    pub fn new(about: &About) -> Entries {
        Entries {
            last_index: None,
            last_instant: None,
            chains: HashMap::new(),
            engines: BTreeMap::new(),
            judged: BTreeMap::new(),
            people: about.asked.people.iter().cloned().collect(),
            whole_chains: !about.asked.people.is_empty() || about.asked.from.is_none(),
            completeness: None,
            complete: None,
            replays: Replays::default(),
            statement: StatementMaker::new(&asked(about)),
            asked: about.asked.clone(),
            erased: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    /// Whom nothing may be missing of.
    pub fn demand(&mut self, completeness: Completeness) {
        self.completeness = Some(completeness);
    }

    /// What was shown to be complete; told at the end.
    pub fn complete(&self) -> Option<&Complete> {
        self.complete.as_ref()
    }

    /// What came of making the decisions again.
    pub fn replays(&self) -> &Replays {
        &self.replays
    }

    /// What followed each STOP, from the entries seen.
    pub fn statement(&mut self) -> Statement {
        std::mem::take(&mut self.statement).finish()
    }

    /// People whose chains were seen.
    pub fn people(&self) -> usize {
        self.chains.len() - usize::from(self.chains.contains_key(&SELLER_CHAIN))
    }

    /// Engines that judged, as far as they are described.
    pub fn engines(&self) -> impl Iterator<Item = &EngineBody> {
        self.engines.values()
    }

    /// Whether chains begin with their first entry here.
    pub fn begins_at_the_first(&self) -> bool {
        self.whole_chains
    }

    /// Checks one entry that was looked at alone; nothing when it cannot be read.
    pub fn check(
        &mut self,
        seen: Seen,
        engines: &RwLock<Engines>,
        maker: &mut RowMaker,
        report: &mut Report,
    ) -> Option<Checked> {
        let Seen { index, closed, hash, leaf, body, again, failures } = seen;
        let at = Some(index);
        if self.last_index.is_some_and(|last| index <= last) {
            report.fail(
                at,
                "index",
                "order",
                "it does not come after the entry before it: moved or repeated",
            );
        }
        self.last_index = at.max(self.last_index);
        failures.into_iter().for_each(|failure| report.add(failure));
        let leaf = leaf?;
        if self.last_instant.is_some_and(|last| leaf.instant < last) {
            report.fail(at, "leaf.instant", "order", "it is earlier than that of the entry before it");
        }
        self.last_instant = Some(leaf.instant);
        self.chain(index, &leaf, hash, report);
        if let Some(completeness) = &mut self.completeness {
            completeness.see(index, &leaf, hash, report);
        }
        self.closed(index, &leaf, closed, report);
        self.judged.entry(leaf.engine).or_insert(index);
        self.statement.see(index, &leaf, body.as_ref());
        let row = match body {
            Some(body) => {
                self.describe(index, &leaf, &body, engines, report);
                if let Some(decided) = body.decided() {
                    let again = again.unwrap_or_else(|| engines.read().again(&leaf, &decided));
                    self.replays.note(index, again, report);
                }
                let entry = Entry { index, hash, leaf: leaf.clone(), body };
                maker.row(Told::Whole(&entry))
            }
            None => maker.row(Told::Public(closed?, index, hash, &leaf)),
        };
        Some(Checked { leaf, index, closed, row })
    }

    fn chain(&mut self, index: u64, leaf: &Leaf, hash: EntryHash, report: &mut Report) {
        let last = self.chains.insert(leaf.subject, (leaf.number, hash));
        let seller = leaf.subject == SELLER_CHAIN;
        if !seller && !self.people.is_empty() && !self.people.contains(&leaf.subject.to_string()) {
            report.fail(Some(index), "leaf.subject_id", "people", "it is of somebody who was not asked for");
        }
        let why = match last {
            None if !seller && self.whole_chains && leaf.number != 1 => {
                format!(
                    "the chain begins with number {}: {} entries were left out",
                    leaf.number,
                    leaf.number - 1
                )
            }
            None => return,
            // Of the seller's own chain only what concerns the brand is shown.
            Some((number, _)) if seller && leaf.number > number + 1 => return,
            Some((number, _)) if leaf.number != number + 1 => {
                format!("it is number {} after number {number}: entries were left out or moved", leaf.number)
            }
            Some((_, previous)) if leaf.previous != Some(previous) => {
                "it does not name the entry before it in the chain".to_owned()
            }
            Some(_) => return,
        };
        report.fail(Some(index), "leaf.number", "chain", why);
    }

    /// Nothing that was asked for may be kept closed; who is called erased must have been, by an entry of the log.
    fn closed(&mut self, index: u64, leaf: &Leaf, closed: Option<Closed>, report: &mut Report) {
        if leaf.kind == Kind::Forgotten {
            self.forgotten.insert(leaf.subject);
        }
        match closed {
            Some(Closed::Erased) => *self.erased.entry(leaf.subject).or_default() += 1,
            Some(Closed::Withheld)
                if was_asked(self.asked.brand.as_deref(), self.asked.from, self.asked.to, leaf) =>
            {
                let why =
                    "it is withheld as outside what was asked, and lies inside: by its brand and its instant";
                report.fail(Some(index), "closed", "closed", why);
            }
            Some(Closed::Withheld) | None => {}
        }
    }

    /// Entries called erased of people of whom no entry shown says that they were.
    pub fn erased_unseen(&self) -> u64 {
        self.erased.iter().filter(|(id, _)| !self.forgotten.contains(id)).map(|(_, count)| count).sum()
    }

    fn describe(
        &mut self,
        index: u64,
        leaf: &Leaf,
        body: &Body,
        engines: &RwLock<Engines>,
        report: &mut Report,
    ) {
        let Body::Engine(engine) = body else { return };
        let bytes = serde_json::to_vec(engine).expect("strings always encode");
        if leaf.kind == Kind::Engine && <[u8; 32]>::from(Sha256::digest(bytes)) == leaf.engine {
            self.engines.insert(leaf.engine, engine.clone());
            engines.write().describe(leaf.engine, engine);
        } else {
            report.fail(Some(index), "leaf.engine", "engine", "it is not the hash of the engine described");
        }
    }

    /// What can be told only at the end.
    pub fn end(&mut self, report: &mut Report) {
        for (engine, index) in &self.judged {
            if !self.engines.contains_key(engine) {
                let why = format!("no entry describes the engine {}", hex::encode(engine));
                report.fail(Some(*index), "leaf.engine", "engine", why);
            }
        }
        for id in &self.people {
            let there = id.parse::<SubjectId>().is_ok_and(|id| self.chains.contains_key(&id));
            let absent = self.completeness.as_ref().is_some_and(|c| c.is_absent(id));
            if there == absent {
                let why = match absent {
                    true => format!("{id} is said to have no entry, and has"),
                    false => format!("nothing of {id} is there, who was asked for"),
                };
                report.fail(None, "bundle.json", "people", why);
            }
        }
        self.complete = self.completeness.as_ref().and_then(|completeness| completeness.end(report));
    }
}

/// The ids asked for, in the order given.
fn asked(about: &About) -> Vec<SubjectId> {
    about.asked.people.iter().filter_map(|id| id.parse().ok()).collect()
}
