//! The recorded roots of a data folder made again from all entries: whoever has them finds a root out that leaves somebody's
//! newest entries away.

use std::collections::BTreeMap;

use super::Report;
use crate::ledger::LedgerResult;
use crate::ledger::entry::{Kind, Leaf, SELLER_CHAIN, leaf_hash};
use crate::ledger::heads::{ChainHead, HeadsBuilder};
use crate::ledger::segment::{Reader, Stored};
use crate::ledger::tree::Root;
use crate::model::{EntryHash, SubjectId};

/// Heads hashed in one check, about a minute's work: then older roots are left alone, and that is said.
const HASHED_MAX: u64 = 64 << 20;

/// What a `HEADS` entry claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    index: u64,
    covered: u64,
    subjects: u64,
    root: Option<Root>,
}

impl Claim {
    /// The claim of an entry; none: it is of another kind.
    pub fn of(index: u64, leaf: &Leaf) -> Option<Claim> {
        let public = &leaf.public;
        let root = <[u8; 32]>::try_from(public.root.as_slice()).ok().map(Root);
        (leaf.kind == Kind::Heads && leaf.subject == SELLER_CHAIN).then_some(Claim {
            index,
            covered: public.covered_size,
            subjects: public.subjects,
            root,
        })
    }
}

/// Makes the newest roots again, as many as are a minute's work, and says which. Reads the log once more; memory: 64 bytes a
/// chain.
pub fn check(reader: &Reader, claims: Vec<Claim>, report: &mut Report) {
    let recorded = claims.len();
    let Some((mut due, left)) = chosen(claims, HASHED_MAX) else { return };
    for claim in due.extract_if(.., |claim| claim.covered > claim.index) {
        let why = format!("it says that it covers {} entries, which is more than there were", claim.covered);
        report.fail(Some(claim.index), "leaf.public", "completeness", why);
    }
    let mut chains: BTreeMap<SubjectId, (u64, EntryHash)> = BTreeMap::new();
    let mut due = due.into_iter().peekable();
    let mut entries = reader.entries(0);
    let mut size = 0;
    while let Some(next) = due.peek().copied() {
        if next.covered == size {
            compare(&next, &chains, report);
            due.next();
            continue;
        }
        match entries.next().map(|stored: LedgerResult<Stored>| stored.map(|stored| stored.leaf)) {
            Some(Ok(bytes)) => {
                if let Ok(leaf) = Leaf::decode(&bytes) {
                    chains.insert(leaf.subject, (leaf.number, leaf_hash(&bytes)));
                }
            }
            // The check before has said what is wrong with it.
            Some(Err(_)) | None => return,
        }
        size += 1;
    }
    report.proved.push(format!(
        "{} recorded roots of the heads tree come out of the entries: none leaves anybody's entries away.",
        recorded - left
    ));
    if left > 0 {
        report
            .not_proved
            .push(format!("That {left} older roots of the heads tree are right: not made again."));
    }
}

/// The newest claims that cost at most `budget` heads, but the newest at least, by size covered; and how many are left out.
/// None: nothing was ever recorded.
fn chosen(mut claims: Vec<Claim>, budget: u64) -> Option<(Vec<Claim>, usize)> {
    let newest = claims.last()?.subjects;
    let mut cost = newest;
    let older = claims.iter().rev().skip(1).take_while(|claim| {
        cost = cost.saturating_add(claim.subjects);
        cost <= budget
    });
    let left = claims.len() - 1 - older.count();
    let mut due = claims.split_off(left);
    due.sort_by_key(|claim| (claim.covered, claim.index));
    Some((due, left))
}

fn compare(claim: &Claim, chains: &BTreeMap<SubjectId, (u64, EntryHash)>, report: &mut Report) {
    let mut builder = HeadsBuilder::new(claim.covered);
    for (subject, (count, last)) in chains {
        builder.push(&ChainHead { subject: *subject, count: *count, last: *last });
    }
    let tree = builder.finish();
    if (Some(tree.root()), tree.subjects()) != (claim.root, claim.subjects) {
        let why = format!(
            "the root it records is not that of the {} chains among the first {} entries: a bundle that rests on it \
             may leave entries out",
            tree.subjects(),
            claim.covered
        );
        report.fail(Some(claim.index), "leaf.public", "completeness", why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_roots_are_made_again_within_a_budget() {
        let claim = |index, subjects| Claim { index, covered: index, subjects, root: None };
        let claims = vec![claim(1, 1), claim(5, 4), claim(9, 5), claim(20, 50)];
        assert_eq!(chosen(Vec::new(), 100), None);
        assert_eq!(chosen(claims.clone(), 100), Some((claims.clone(), 0)));
        assert_eq!(chosen(claims.clone(), 59), Some((claims[1..].to_vec(), 1)));
        assert_eq!(chosen(claims.clone(), 7), Some((claims[3..].to_vec(), 3)), "the newest in any case");
    }
}
