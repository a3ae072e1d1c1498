//! Sound ledgers pass; each way of tampering is named.

use std::path::Path;

use super::*;
use crate::disk::{SharedDisk, SimDisk};
use crate::entropy::SeededEntropy;
use crate::ledger::checkpoint::SignedCheckpoint;
use crate::ledger::checkpoint::{LogKey, Origin};
use crate::ledger::segment::{NewEntry, Reader, SegmentOptions, Segments};

const DIR: &str = "/l";

const NONE: &[SignedCheckpoint] = &[];

fn key() -> LogKey {
    let origin = Origin::new("gateway.example", &"main".parse().expect("a slug"), 1).expect("an origin");
    LogKey::generate(&origin, &SeededEntropy::new(1))
}

/// Leaves of a toy format: subject (16), number (8), previous (32 or none), text.
fn leaf(subject: u8, number: u64, previous: Option<EntryHash>) -> Vec<u8> {
    let mut leaf = vec![subject; 16];
    leaf.extend_from_slice(&number.to_le_bytes());
    leaf.extend_from_slice(&previous.map(|p| p.0).unwrap_or_default());
    leaf
}

fn link(_: u64, leaf: &[u8]) -> Result<ChainLink, String> {
    let part = |range: std::ops::Range<usize>| leaf.get(range).ok_or("too short".to_owned());
    let number = u64::from_le_bytes(part(16..24)?.try_into().map_err(|_| "number")?);
    let previous: [u8; 32] = part(24..56)?.try_into().map_err(|_| "previous")?;
    let previous = (number > 1).then_some(EntryHash(previous));
    Ok(ChainLink { subject: SubjectId::try_from(part(0..16)?).map_err(|e| e.to_string())?, number, previous })
}

/// The leaves of 5 chains in turn.
fn leaves(count: u64) -> Vec<Vec<u8>> {
    let mut last: HashMap<u8, (u64, EntryHash)> = HashMap::new();
    (0..count)
        .map(|n| {
            let subject = (n * n % 5) as u8;
            let (number, previous) = last.get(&subject).map_or((1, None), |(n, h)| (n + 1, Some(*h)));
            let leaf = leaf(subject, number, previous);
            last.insert(subject, (number, leaf_hash(&leaf)));
            leaf
        })
        .collect()
}

fn root(leaves: &[Vec<u8>]) -> Root {
    let mut edge = Edge::new();
    leaves.iter().for_each(|leaf| edge.push(leaf_hash(leaf), |_| {}));
    edge.root()
}

fn stored(leaves: &[Vec<u8>]) -> impl Iterator<Item = LedgerResult<Stored>> {
    leaves
        .iter()
        .enumerate()
        .map(|(n, leaf)| Ok(Stored { index: n as u64, leaf: leaf.clone(), sealed: vec![] }))
}

fn signed(leaves: &[Vec<u8>]) -> SignedCheckpoint {
    key().sign(leaves.len() as u64, root(leaves))
}

#[test]
fn a_sound_ledger_passes_from_its_files() {
    let disk: SharedDisk = SimDisk::new(1).shared();
    let key = key();
    let options = SegmentOptions { segment_bytes: 2000, check_all: false };
    let leaves = leaves(100);
    let origin = key.verifier().name().to_owned();
    let (mut segments, _) = Segments::open(&disk, Path::new(DIR), &origin, options).expect("open");
    for batch in leaves.chunks(7) {
        let batch: Vec<NewEntry<'_>> =
            batch.iter().map(|leaf| NewEntry { leaf, sealed: b"sealed" }).collect();
        segments.append(&batch).expect("append");
    }
    let (reader, _) = Reader::open(&disk, Path::new(DIR), &origin, true).expect("look");
    let checkpoints =
        [signed(&leaves[..90]), signed(&leaves[..10]), signed(&leaves[..0]), signed(&leaves[..10])];
    let verified = verify(reader.entries(0), &checkpoints, link).expect("sound");
    assert_eq!(verified, Verified { entries: 100, subjects: 3, root: root(&leaves), signed: 90 });
}

#[test]
fn an_empty_ledger_is_sound_and_signs_for_nothing() {
    let verified = verify(std::iter::empty(), NONE, link).expect("sound");
    assert_eq!(verified, Verified { entries: 0, subjects: 0, root: Root::EMPTY, signed: 0 });
    let lost = verify(std::iter::empty(), &[signed(&leaves(3))], link);
    assert!(matches!(lost, Err(VerifyError::Missing { entries: 0, signed: 3 })));
}

#[test]
fn tampering_is_named() {
    let sound = leaves(40);
    let head = [signed(&sound), signed(&sound[..20])];
    let check = |leaves: &[Vec<u8>]| verify(stored(leaves), &head, link);
    check(&sound).expect("sound");

    let mut shorter = sound.clone();
    shorter.truncate(35);
    assert!(matches!(check(&shorter), Err(VerifyError::Missing { entries: 35, signed: 40 })));
    let mut left_out = sound.clone();
    left_out.remove(7);
    assert!(matches!(check(&left_out), Err(VerifyError::Chain { .. })), "a hole in a chain");
    let mut swapped = sound.clone();
    swapped.swap(0, 5);
    assert!(matches!(check(&swapped), Err(VerifyError::Chain { index: 0, .. })), "order within a chain");
    let mut forged = sound.clone();
    forged[39].push(1);
    assert!(matches!(check(&forged), Err(VerifyError::OtherRoot { size: 40, .. })), "a changed last link");
    let mut early = sound.clone();
    early[15].push(1);
    assert!(check(&early).is_err(), "a change breaks a chain or the older checkpoint");
    let mut cut = sound.clone();
    cut[3].truncate(20);
    assert!(matches!(check(&cut), Err(VerifyError::Leaf { index: 3, .. })));
    let gap = stored(&sound).skip(1);
    assert!(matches!(verify(gap, NONE, link), Err(VerifyError::Order { expected: 0, found: 1 })));
}

#[test]
fn rewriting_a_whole_history_shows_against_a_kept_checkpoint() {
    let sound = leaves(40);
    let mut rewritten = leaves(40);
    rewritten.retain(|leaf| leaf[0] != 4);
    let theirs = signed(&rewritten);
    verify(stored(&rewritten), std::slice::from_ref(&theirs), link).expect("alone it looks sound");
    let kept = signed(&sound[..12]);
    assert!(matches!(
        verify(stored(&rewritten), &[theirs, kept], link),
        Err(VerifyError::OtherRoot { size: 12, .. })
    ));
}
