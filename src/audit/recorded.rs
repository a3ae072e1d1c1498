//! Runs recorded decisions again from the inputs recorded with them, on all cores. Nothing is folded, so the order does not
//! matter and memory holds a few hundred entries; the report is the same whatever core came first.
//!
//! The log is read once: each core reads pieces of its own. A decision is judged by an engine declared before it, as the writer
//! declares it; where a piece came too early to know its engine, it is made again in its turn.

use std::fmt::Display;
use std::ops::Range;

use parking_lot::RwLock;

use super::again::{Again, Engines, Skip};
use super::ahead;
use super::replay::{Difference, Options, ReplayError, Report};
use crate::decide::Engine;
use crate::ledger::LedgerError;
use crate::ledger::body::{Body, EngineBody, SealedDecision};
use crate::ledger::entry::{Kind, LeafView};
use crate::ledger::segment::Lying;
use crate::store::embedded::Books;
use crate::writer::Env;

/// Entries one core takes at a time; few in tests, so that there are several pieces.
const PIECE: u64 = if cfg!(test) { 4 } else { 1_024 };

/// What came of one piece.
#[derive(Default)]
struct Done {
    equal: u64,
    skipped: Vec<Skip>,
    different: u64,
    differences: Vec<Difference>,
    /// Engines declared in it.
    declared: Vec<([u8; 32], EngineBody)>,
    /// A decision in it names an engine that was not known yet.
    early: bool,
    /// The period ended in it.
    past: bool,
}

/// Replays the decisions `options` names. `instead` judges instead of whatever judged then. At most `listed` differences
/// are kept; all are counted.
pub fn replay(
    env: &Env,
    books: &Books,
    options: &Options,
    instead: Option<Engine>,
    listed: usize,
) -> Result<Report, ReplayError> {
    let declared = instead.is_none();
    let engines = match instead {
        Some(engine) => Engines::instead(engine),
        None => {
            let policies = env.policies();
            let mut engines = Engines::new(policies.engine.zones().clone());
            engines.add(&policies);
            engines
        }
    };
    let replay = Replay { books, options, declared, engines: RwLock::new(engines) };
    let (mut report, mut failed) = (Report::default(), None);
    let mut ranges = replay.pieces();
    let next = || Ok::<_, ReplayError>(ranges.next());
    let work = |range: Range<u64>| (range.clone(), replay.piece(range));
    ahead::in_order(next, work, |(range, done)| {
        let settled = done.and_then(|done| replay.settle(range, done));
        let Ok(done) = settled.map_err(|e| failed = Some(e)) else { return false };
        report.replayed += done.equal + done.different;
        report.different += done.different;
        for skip in done.skipped {
            report.skipped += 1;
            *report.because.entry(skip).or_default() += 1;
        }
        let room = listed.saturating_sub(report.differences.len());
        report.differences.extend(done.differences.into_iter().take(room));
        !done.past
    })?;
    failed.map_or(Ok(report), Err)
}

/// What all cores share.
struct Replay<'a> {
    books: &'a Books,
    options: &'a Options,
    /// Entries are judged by the engines they name.
    declared: bool,
    /// Those of the pieces settled so far.
    engines: RwLock<Engines>,
}

impl Replay<'_> {
    fn pieces(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let end = self.books.stored().len();
        (0..end).step_by(PIECE as usize).map(move |from| from..end.min(from + PIECE))
    }

    /// Makes known what the piece declares, and makes it again if it came too early.
    fn settle(&self, range: Range<u64>, mut done: Done) -> Result<Done, ReplayError> {
        for (hash, body) in std::mem::take(&mut done.declared) {
            self.declare(hash, &body)?;
        }
        if done.early { self.piece(range) } else { Ok(done) }
    }

    /// An engine, with its policy set where that is kept.
    fn declare(&self, hash: [u8; 32], body: &EngineBody) -> Result<(), ReplayError> {
        let mut engines = self.engines.write();
        engines.describe(hash, body);
        let policy = hex::decode(&body.policy_sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let kept = policy.map(|policy| self.books.policies().get(&policy)).transpose();
        if let Some(canonical) = kept.map_err(|e| ReplayError::Read(e.to_string()))?.flatten() {
            engines.offer(canonical);
        }
        Ok(())
    }

    fn piece(&self, range: Range<u64>) -> Result<Done, ReplayError> {
        let engines = self.engines.read();
        let mut done = Done::default();
        self.books.stored().visit(range, |entry| -> Result<bool, ReplayError> {
            let wrong = |e| ReplayError::Entry { index: entry.index, why: format!("{e}") };
            let leaf = LeafView::decode(entry.leaf).map_err(wrong)?;
            done.past = self.options.is_past(leaf.instant);
            if done.past {
                return Ok(false);
            }
            match leaf.kind {
                Kind::Engine if self.declared => self.engine(&entry, &leaf, &mut done)?,
                Kind::Decision | Kind::Intent | Kind::Redecision
                    if self.options.wants(leaf.instant, leaf.brand) =>
                {
                    done.early |= !engines.knows(leaf.engine);
                    self.decision(&entry, &leaf, &engines, &mut done)?;
                }
                _ => {}
            }
            Ok(true)
        })?;
        Ok(done)
    }

    fn open(&self, entry: &Lying<'_>, leaf: &LeafView<'_>) -> Result<Option<Vec<u8>>, ReplayError> {
        self.books.plaintext(&leaf.subject, leaf.seal, entry.sealed).map_err(|e| unreadable(entry, &e))
    }

    fn engine(&self, entry: &Lying<'_>, leaf: &LeafView<'_>, done: &mut Done) -> Result<(), ReplayError> {
        let Some(plaintext) = self.open(entry, leaf)? else { return Ok(()) };
        if let Body::Engine(body) = Body::decode(leaf.kind, &plaintext).map_err(|e| unreadable(entry, &e))? {
            done.declared.push((*leaf.engine, body));
        }
        Ok(())
    }

    fn decision(
        &self,
        entry: &Lying<'_>,
        leaf: &LeafView<'_>,
        engines: &Engines,
        done: &mut Done,
    ) -> Result<(), ReplayError> {
        let Some(plaintext) = self.open(entry, leaf)? else {
            done.skipped.push(Skip::Closed);
            return Ok(());
        };
        let sealed = SealedDecision::read(leaf.kind, &plaintext).map_err(|e| unreadable(entry, &e))?;
        match engines.again_sealed(leaf, &sealed).map_err(|e| unreadable(entry, &e))? {
            Again::Equal => done.equal += 1,
            Again::Skipped(skip) => done.skipped.push(skip),
            Again::Different(different) => {
                done.different += 1;
                let json = |v| serde_json::to_string(v).unwrap_or_default();
                done.differences.push(Difference {
                    index: entry.index,
                    what: "verdict",
                    recorded: json(&different.recorded),
                    replayed: json(&different.replayed),
                });
            }
        }
        Ok(())
    }
}

fn unreadable(entry: &Lying<'_>, why: &dyn Display) -> ReplayError {
    ReplayError::Read(format!("entry {}: {why}", entry.index))
}

impl From<LedgerError> for ReplayError {
    fn from(e: LedgerError) -> ReplayError {
        ReplayError::Read(e.to_string())
    }
}
