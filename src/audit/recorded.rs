//! Runs recorded decisions again from the inputs recorded with them, on all cores. Nothing is folded, so the order does not
//! matter and memory holds a few hundred entries; the report is the same whatever core came first.

use super::again::{Again, Engines, Skip};
use super::ahead;
use super::replay::{Difference, Options, ReplayError, Report};
use crate::decide::Engine;
use crate::ledger::body::Body;
use crate::ledger::entry::{Kind, Leaf};
use crate::ledger::segment::Stored;
use crate::store::embedded::Books;
use crate::writer::{Env, Recorded};

/// Entries one core takes at a time.
const PIECE: u64 = 512;

/// What came of one piece.
#[derive(Default)]
struct Done {
    equal: u64,
    skipped: Vec<Skip>,
    different: u64,
    differences: Vec<Difference>,
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
    let engines = match instead {
        Some(engine) => Engines::instead(engine),
        None => engines(env, books)?,
    };
    let mut report = Report::default();
    pieces(
        books,
        |entries| piece(entries, books, options, &engines),
        |done| {
            report.replayed += done.equal + done.different;
            report.different += done.different;
            for skip in done.skipped {
                report.skipped += 1;
                *report.because.entry(skip).or_default() += 1;
            }
            let room = listed.saturating_sub(report.differences.len());
            report.differences.extend(done.differences.into_iter().take(room));
            !done.past
        },
    )?;
    Ok(report)
}

/// Works on every entry on all cores; `settle` gets the pieces in the order of the log.
fn pieces<R: Send>(
    books: &Books,
    work: impl Fn(Vec<Stored>) -> Result<R, ReplayError> + Sync,
    mut settle: impl FnMut(R) -> bool,
) -> Result<(), ReplayError> {
    let mut entries = books.stored().entries(0);
    let next = || -> Result<Option<Vec<Stored>>, ReplayError> {
        let piece: Result<Vec<_>, _> = entries.by_ref().take(PIECE as usize).collect();
        let piece = piece.map_err(|e| ReplayError::Read(e.to_string()))?;
        Ok((!piece.is_empty()).then_some(piece))
    };
    let mut failed = None;
    let read = ahead::in_order(next, work, |done| match done {
        Ok(done) => settle(done),
        Err(e) => {
            failed = Some(e);
            false
        }
    });
    match failed {
        Some(e) => Err(e),
        None => read.map(drop),
    }
}

fn leaf(stored: &Stored) -> Result<Leaf, ReplayError> {
    let index = stored.index;
    Leaf::decode(&stored.leaf).map_err(|e| ReplayError::Entry { index, why: e.to_string() })
}

fn open(books: &Books, stored: &Stored) -> Result<Recorded, ReplayError> {
    books.open(stored).map_err(ReplayError::Read)
}

/// Every engine the log declares, with its policy set where that is kept.
fn engines(env: &Env, books: &Books) -> Result<Engines, ReplayError> {
    let policies = env.policies();
    let mut engines = Engines::new(policies.engine.zones().clone());
    engines.add(&policies);
    let declared = |entries: Vec<Stored>| {
        let mut found = Vec::new();
        for stored in &entries {
            let leaf = leaf(stored)?;
            if leaf.kind == Kind::Engine
                && let Recorded::Open(entry) = open(books, stored)?
                && let Body::Engine(body) = entry.body
            {
                found.push((leaf.engine, body));
            }
        }
        Ok(found)
    };
    let mut all = Vec::new();
    pieces(books, declared, |found| {
        all.extend(found);
        true
    })?;
    for (hash, body) in all {
        engines.describe(hash, &body);
        let policy = hex::decode(&body.policy_sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let kept = policy.map(|policy| books.policies().get(&policy)).transpose();
        if let Some(canonical) = kept.map_err(|e| ReplayError::Read(e.to_string()))?.flatten() {
            engines.offer(canonical);
        }
    }
    Ok(engines)
}

fn piece(
    entries: Vec<Stored>,
    books: &Books,
    options: &Options,
    engines: &Engines,
) -> Result<Done, ReplayError> {
    let mut done = Done::default();
    for stored in &entries {
        let leaf = leaf(stored)?;
        if options.is_past(&leaf) {
            done.past = true;
            break;
        }
        let decision = matches!(leaf.kind, Kind::Decision | Kind::Intent | Kind::Redecision);
        if !decision || !options.wants(&leaf) {
            continue;
        }
        let Recorded::Open(entry) = open(books, stored)? else {
            done.skipped.push(Skip::Closed);
            continue;
        };
        let Some(decided) = entry.body.decided() else { continue };
        match engines.again(&leaf, &decided) {
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
    }
    Ok(done)
}
