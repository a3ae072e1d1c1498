//! `anchors.json` and `anchors/`: what outside anchors gave for checkpoints that the log of this bundle extends.

use serde::{Deserialize, Serialize};

use super::format::Base64;
use crate::anchor::keeper::LATE;
use crate::export::ExportError;
use crate::ledger::anchor::{Filed, Kind, Receipt};
use crate::model::Instant;
use crate::store::embedded::Books;

/// Most receipts of one anchor in a bundle: those that first cover what is shown, and the newest.
const OF_ONE_MAX: usize = 32;

/// The part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchors {
    /// When the bundle was asked for, by the gateway's clock.
    pub as_of: Instant,
    /// How it stands with anchors, in one sentence.
    pub said: String,
    /// By size; number `n` has the files `anchors/<n>.…`.
    pub receipts: Vec<Anchored>,
}

/// One receipt and its way into this log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchored {
    /// What the operator calls the anchor.
    pub anchor: String,
    pub kind: Kind,
    /// Entries its checkpoint covers.
    pub size: u64,
    /// When the gateway got it, by its own clock.
    pub recorded_at: Instant,
    /// RFC 6962 consistency proof from there to the checkpoint of this bundle.
    pub consistency: Vec<Base64>,
}

/// A receipt's files.
pub struct Files {
    pub about: Anchored,
    /// The signed checkpoint; a witness's signature stands below that of the log.
    pub checkpoint: String,
    /// What came back, where it is not in the checkpoint.
    pub proof: Option<Vec<u8>>,
}

/// Name of the checkpoint of receipt `n`.
pub fn checkpoint_name(n: usize) -> String {
    format!("anchors/{n:05}.checkpoint")
}

/// Name of what receipt `n` of this kind came with, if that is a file of its own.
pub fn proof_name(n: usize, kind: Kind) -> Option<String> {
    match kind {
        Kind::Witness => None,
        Kind::Timestamp => Some(format!("anchors/{n:05}.tst")),
        Kind::File | Kind::Command => Some(format!("anchors/{n:05}.txt")),
    }
}

/// How it stands, in one sentence. A verifier makes it again.
pub fn said(as_of: Instant, receipts: &[Anchored]) -> String {
    let newest = |outside: bool| {
        let ours = receipts.iter().filter(|one| !outside || one.kind.is_outside());
        ours.max_by_key(|one| (one.recorded_at, one.size))
    };
    match (newest(true), newest(false)) {
        (None, None) => {
            "No anchor has taken a checkpoint of this log: when anything in it was recorded rests on the operator's word.".to_owned()
        }
        (None, Some(_)) => {
            "Only files or commands of the operator's own have taken checkpoints of this log, no witness and no time-stamping \
             authority: when anything in it was recorded rests on the operator's word, and on that of whoever keeps them."
                .to_owned()
        }
        (Some(last), _) if as_of.since(last.recorded_at) > LATE => format!(
            "A witness or a time-stamping authority last took a checkpoint on {}, more than a day before this bundle was made: when entries \
             from number {} on were recorded rests on the operator's word.",
            last.recorded_at, last.size
        ),
        (Some(last), _) => format!(
            "A witness or a time-stamping authority last took a checkpoint on {}; it covers the first {} entries of the log.",
            last.recorded_at, last.size
        ),
    }
}

/// Which of the first `through` receipts belong into a bundle under a checkpoint of `size` entries that shows entries in
/// `spans`: of each anchor those that are the first to cover one of them, and the newest. Sorted by size.
pub fn choose(filed: &[Filed], through: u64, size: u64, spans: &[std::ops::Range<u64>]) -> Vec<Filed> {
    let mut candidates: Vec<&Filed> = filed.iter().filter(|f| f.number < through && f.size <= size).collect();
    candidates.sort_by(|a, b| (&a.anchor, a.size, a.number).cmp(&(&b.anchor, b.size, b.number)));
    let mut chosen: Vec<Filed> = Vec::new();
    for of_one in candidates.chunk_by(|a, b| a.anchor == b.anchor) {
        let mut wanted = vec![false; of_one.len()];
        for span in spans {
            let first = of_one.partition_point(|f| f.size <= span.start);
            let last = of_one.partition_point(|f| f.size < span.end);
            wanted.iter_mut().take(last + 1).skip(first).for_each(|one| *one = true);
        }
        if let Some(newest) = (0..of_one.len()).max_by_key(|n| of_one[*n].number) {
            wanted[newest] = true;
        }
        let wanted: Vec<&Filed> = of_one.iter().zip(wanted).filter(|(_, w)| *w).map(|(f, _)| *f).collect();
        chosen.extend(thinned(&wanted));
    }
    chosen.sort_by_key(|f| (f.size, f.number));
    chosen
}

/// At most as many as one anchor may have: the first, the last, and what lies evenly between.
fn thinned(wanted: &[&Filed]) -> Vec<Filed> {
    let last = wanted.len().saturating_sub(1);
    let kept = wanted.len().min(OF_ONE_MAX);
    let place = |n: usize| if kept > 1 { n * last / (kept - 1) } else { 0 };
    (0..kept).map(|n| wanted[place(n)].clone()).collect()
}

/// Reads the receipts chosen and shows that the log of `size` entries extends each.
pub fn collect(books: &Books, chosen: &[Filed], size: u64) -> Result<Vec<Files>, ExportError> {
    let mut files = Vec::with_capacity(chosen.len());
    for filed in chosen {
        let receipt = match books.anchors().read(filed) {
            Ok(receipt) => receipt,
            Err(error) => {
                // What is lost proves nothing; the rest still does.
                tracing::warn!(%error, "a receipt of an anchor cannot be read and is left out of a bundle");
                continue;
            }
        };
        let proof = match filed.size {
            0 => Vec::new(),
            old => books.tree().consistency(old, size)?.hashes,
        };
        files.push(Files::new(receipt, filed.size, &proof));
    }
    Ok(files)
}

impl Files {
    fn new(receipt: Receipt, size: u64, consistency: &[[u8; 32]]) -> Files {
        let Receipt { anchor, kind, recorded_at, checkpoint, proof } = receipt;
        let consistency = consistency.iter().map(|hash| Base64(hash.to_vec())).collect();
        let proof = (kind != Kind::Witness).then_some(proof);
        Files { about: Anchored { anchor, kind, size, recorded_at, consistency }, checkpoint, proof }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn filed(number: u64, size: u64, anchor: &str) -> Filed {
        Filed { number, size, recorded_at: Instant::from_seconds(number as i64), anchor: anchor.to_owned() }
    }

    fn span(entries: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
        std::iter::once(entries).collect()
    }

    fn numbers(chosen: &[Filed]) -> Vec<u64> {
        chosen.iter().map(|f| f.number).collect()
    }

    #[test]
    fn what_first_covers_an_entry_and_the_newest_are_chosen() {
        let all: Vec<Filed> =
            (0..10).map(|n| filed(n, (n + 1) * 10, if n % 2 == 0 { "a" } else { "b" })).collect();
        // Entry 9 is under 10 (a) and 20 (b), entry 10 under 20 (b) and 30 (a).
        assert_eq!(numbers(&choose(&all, 100, 1_000, &span(9..10))), [0, 1, 8, 9]);
        assert_eq!(numbers(&choose(&all, 100, 1_000, &span(10..11))), [1, 2, 8, 9]);
        assert_eq!(
            numbers(&choose(&all, 100, 50, &span(9..10))),
            [0, 1, 3, 4],
            "nothing above the bundle's own checkpoint"
        );
        assert_eq!(numbers(&choose(&all, 3, 1_000, &span(9..10))), [0, 1, 2], "nothing later than the plan");
        assert_eq!(numbers(&choose(&all, 100, 1_000, &span(5..25))), [0, 1, 2, 3, 8, 9]);
        assert_eq!(numbers(&choose(&all, 100, 1_000, &span(500..501))), [8, 9], "newer than all");
        assert!(choose(&[], 100, 1_000, &span(1..2)).is_empty());
    }

    #[test]
    fn a_long_period_has_a_bounded_number_of_them() {
        let all: Vec<Filed> = (0..1_000).map(|n| filed(n, n + 1, "a")).collect();
        let chosen = choose(&all, 5_000, 5_000, &span(0..1_000));
        assert_eq!((chosen.len(), chosen[0].number, chosen[OF_ONE_MAX - 1].number), (OF_ONE_MAX, 0, 999));
    }

    #[test]
    fn the_sentence_says_what_is_missing() {
        let now = Instant::from_seconds(1_790_000_000);
        let one = |kind, age| Anchored {
            anchor: "a".to_owned(),
            kind,
            size: 40,
            recorded_at: now - age,
            consistency: Vec::new(),
        };
        for (receipts, rests) in [
            (vec![], true),
            (vec![one(Kind::File, Span::hours(1)), one(Kind::Command, Span::hours(1))], true),
            (vec![one(Kind::Witness, Span::hours(25)), one(Kind::File, Span::hours(1))], true),
            (vec![one(Kind::Timestamp, Span::hours(23)), one(Kind::Witness, Span::days(9))], false),
        ] {
            assert_eq!(said(now, &receipts).contains("rests on the operator's word"), rests, "{receipts:?}");
        }
    }
}
