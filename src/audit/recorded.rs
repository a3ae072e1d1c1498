//! Runs recorded decisions again from the inputs recorded with them, on all cores. Nothing is folded, so the order does not
//! matter and memory does not grow with the log; the report is the same whatever core came first.
//!
//! The log is read once: each core reads pieces of its own. A decision is judged by an engine declared before it, as the writer
//! declares it; where a piece came too early to know its engine, it is made again in its turn.

use std::ops::Range;

use parking_lot::RwLock;

use super::again::{Again, Engines, Skip};
use super::ahead;
use super::replay::{Difference, Options, ReplayError, Report};
use crate::decide::Engine;
use crate::ledger::LedgerError;
use crate::ledger::body::{Body, EngineBody, SealedDecision};
use crate::ledger::entry::{EntryError, Kind, LeafView};
use crate::store::embedded::Books;
use crate::writer::Env;

/// Entries one core takes at a time; few in tests, so that there are several pieces.
const PIECE: u64 = if cfg!(test) { 4 } else { 4_096 };

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
    let replay = Replay { books, options, declared, listed, engines: RwLock::new(engines) };
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
    /// Most differences kept.
    listed: usize,
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
        let (mut done, mut buffer) = (Done::default(), Vec::new());
        self.books.stored().visit(range, |entry| -> Result<bool, ReplayError> {
            let wrong = |e| ReplayError::Entry { index: entry.index, why: format!("{e}") };
            let leaf = LeafView::decode(entry.leaf).map_err(wrong)?;
            done.past = self.options.is_past(leaf.instant);
            if done.past {
                return Ok(false);
            }
            let decision = matches!(leaf.kind, Kind::Decision | Kind::Intent | Kind::Redecision);
            let engine = self.declared && leaf.kind == Kind::Engine;
            let wanted = decision && self.options.wants(leaf.instant, leaf.brand);
            if !(engine || wanted) {
                return Ok(true);
            }
            let opened = self.books.plaintext(&leaf.subject, leaf.seal, entry.sealed, &mut buffer);
            let opened = opened.and_then(|plaintext| match plaintext {
                Some(plaintext) if engine => done.engine(&leaf, plaintext).map_err(|e| e.to_string()),
                Some(plaintext) => {
                    done.early |= !engines.knows(leaf.engine);
                    let sealed = SealedDecision::read(leaf.kind, plaintext);
                    let again = sealed.and_then(|sealed| engines.again_sealed(&leaf, &sealed));
                    again.map(|again| done.note(entry.index, again, self.listed)).map_err(|e| e.to_string())
                }
                None => {
                    done.skipped.extend(decision.then_some(Skip::Closed));
                    Ok(())
                }
            });
            opened.map_err(|why| ReplayError::Read(format!("entry {}: {why}", entry.index)))?;
            Ok(true)
        })?;
        Ok(done)
    }
}

impl Done {
    fn engine(&mut self, leaf: &LeafView<'_>, plaintext: &[u8]) -> Result<(), EntryError> {
        if let Body::Engine(body) = Body::decode(leaf.kind, plaintext)? {
            self.declared.push((*leaf.engine, body));
        }
        Ok(())
    }

    fn note(&mut self, index: u64, again: Again, listed: usize) {
        match again {
            Again::Equal => self.equal += 1,
            Again::Skipped(skip) => self.skipped.push(skip),
            Again::Different(different) => {
                self.different += 1;
                if self.differences.len() < listed {
                    let json = |v| serde_json::to_string(v).unwrap_or_default();
                    let (recorded, replayed) = (json(&different.recorded), json(&different.replayed));
                    self.differences.push(Difference { index, what: "verdict", recorded, replayed });
                }
            }
        }
    }
}

impl From<LedgerError> for ReplayError {
    fn from(e: LedgerError) -> ReplayError {
        ReplayError::Read(e.to_string())
    }
}
