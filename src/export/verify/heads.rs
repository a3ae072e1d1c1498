//! Whether anything of a person was left out: the chains shown against the heads tree.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::export::bundle::format::names;
use crate::export::bundle::heads::{Absent, Heads, Present};
use crate::ledger::entry::{Kind, Leaf, SELLER_CHAIN};
use crate::ledger::tree::Root;
use crate::model::{EntryHash, Instant, SubjectId};

const CHECK: &str = "completeness";

/// The claims of `heads.json`, and what the entries say about them. Memory: 60 bytes a person asked for.
pub struct Completeness {
    claims: Heads,
    /// Number and hash of each person's last entry among those covered.
    ends: BTreeMap<SubjectId, (u64, EntryHash)>,
    recorded: Option<RootEntry>,
}

struct RootEntry {
    root: Root,
    subjects: u64,
    at: Instant,
}

/// What is certain once everything was checked.
pub struct Complete {
    pub people: usize,
    pub absent: usize,
    pub covered: u64,
    pub entry: u64,
    pub subjects: u64,
    pub at: Instant,
}

impl Completeness {
    /// The claims, which must be about exactly the people asked for.
    pub fn new(claims: Heads, people: &[String], report: &mut Report) -> Completeness {
        let present = claims.people.iter().map(|p| p.subject);
        let named: Vec<SubjectId> = present.chain(claims.absent.iter().map(|a| a.subject)).collect();
        let sorted: BTreeSet<String> = named.iter().map(ToString::to_string).collect();
        if sorted.len() != named.len() || !sorted.iter().eq(people.iter().collect::<BTreeSet<_>>()) {
            report.fail(None, names::HEADS, CHECK, "it is not about the people asked for, each of them once");
        }
        Completeness { claims, ends: BTreeMap::new(), recorded: None }
    }

    /// Takes note of an entry that is in the log.
    pub fn see(&mut self, index: u64, leaf: &Leaf, hash: EntryHash, report: &mut Report) {
        if index < self.claims.covered_size && self.claims.people.iter().any(|p| p.subject == leaf.subject) {
            self.ends.insert(leaf.subject, (leaf.number, hash));
        }
        if index != self.claims.entry {
            return;
        }
        let public = &leaf.public;
        let root = <[u8; 32]>::try_from(public.root.as_slice()).ok();
        let theirs = leaf.kind == Kind::Heads && leaf.subject == SELLER_CHAIN;
        match root.filter(|_| {
            theirs && public.covered_size == self.claims.covered_size && public.covered_size <= index
        }) {
            Some(root) => {
                let (root, subjects, at) = (Root(root), public.subjects, leaf.instant);
                self.recorded = Some(RootEntry { root, subjects, at });
            }
            None => report.fail(
                Some(index),
                "leaf.public",
                CHECK,
                "it is not the HEADS entry that heads.json speaks of",
            ),
        }
    }

    /// Whether an id was said to have no chain.
    pub fn is_absent(&self, id: &str) -> bool {
        self.claims.absent.iter().any(|absent| absent.subject.to_string() == id)
    }

    /// What can be told once every entry was seen.
    pub fn end(&self, report: &mut Report) -> Option<Complete> {
        let Some(recorded) = &self.recorded else {
            let why = format!("the HEADS entry {} it names is not among the entries", self.claims.entry);
            report.fail(None, names::HEADS, CHECK, why);
            return None;
        };
        let before = report.failures.len();
        self.claims.people.iter().for_each(|present| self.present(present, recorded, report));
        self.claims.absent.iter().for_each(|absent| self.absent(absent, recorded, report));
        (report.failures.len() == before).then_some(Complete {
            people: self.claims.people.len(),
            absent: self.claims.absent.len(),
            covered: self.claims.covered_size,
            entry: self.claims.entry,
            subjects: recorded.subjects,
            at: recorded.at,
        })
    }

    fn present(&self, present: &Present, recorded: &RootEntry, report: &mut Report) {
        let id = present.subject;
        let Some(placed) = present.placed() else {
            return report.fail(None, names::HEADS, "form", "a hash is not 32 bytes long");
        };
        if let Err(e) = placed.check(recorded.subjects, recorded.root) {
            let why = format!("the head of {id} is not under the root of entry {}: {e}", self.claims.entry);
            return report.fail(None, names::HEADS, CHECK, why);
        }
        let shown = self.ends.get(&id).copied();
        if shown != Some((placed.head.count, placed.head.last)) {
            let (covered, count) = (self.claims.covered_size, placed.head.count);
            let last = shown.map_or(0, |(number, _)| number);
            let why = format!(
                "{id} had {count} entries among the first {covered} of the log; the chain shown ends with number {last}"
            );
            report.fail(None, names::HEADS, CHECK, why);
        }
    }

    fn absent(&self, absent: &Absent, recorded: &RootEntry, report: &mut Report) {
        let id = absent.subject;
        let Some(absence) = absent.absence() else {
            return report.fail(None, names::HEADS, "form", "a hash is not 32 bytes long");
        };
        if absence.check(&id, recorded.subjects, recorded.root).is_err() {
            let why = format!("it does not show that {id} has no entry: the neighbours do not touch");
            report.fail(None, names::HEADS, CHECK, why);
        }
    }
}
