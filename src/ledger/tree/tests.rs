//! The tree against the crate it rests on, against RFC 6962 by hand, and against power cuts.

use std::path::Path;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::disk::{SharedDisk, SimDisk, Tear};
use crate::ledger::entry::leaf_hash;
use crate::ledger::segment::{NewEntry, SegmentOptions, Segments, log_id};
use crate::ledger::{LedgerError, LedgerResult};

const ORIGIN: &str = "gateway.example/log/main/e1";

fn leaf(n: u64) -> Vec<u8> {
    format!("leaf number {n}").into_bytes()
}

/// RFC 6962, section 2.1, word for word.
fn root_by_definition(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest(b"").into(),
        [one] => Sha256::new().chain_update([0]).chain_update(one).finalize().into(),
        many => {
            let k = many.len().next_power_of_two() / 2;
            let (left, right) = (root_by_definition(&many[..k]), root_by_definition(&many[k..]));
            Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
        }
    }
}

#[test]
fn the_edge_knows_the_root_of_every_size() {
    let mut edge = Edge::new();
    let mut stored = Vec::new();
    let mut leaves = Vec::new();
    for n in 0..130 {
        assert_eq!(edge.root(), Root(root_by_definition(&leaves)), "{n} leaves");
        assert_eq!(stored.len() as u64, tlog_tiles::stored_hash_count(n), "{n} leaves");
        edge.push(leaf_hash(&leaf(n)), |hash| stored.push(hash));
        leaves.push(leaf(n));
    }
    assert_eq!(Root::EMPTY.to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

fn log_of(disk: &SharedDisk, count: u64) -> Segments {
    let options = SegmentOptions { segment_bytes: 20_000, check_all: false };
    let (mut segments, _) = Segments::open(disk, Path::new("/l"), ORIGIN, options).expect("open");
    while segments.len() < count {
        let leaf = leaf(segments.len());
        segments.append(&[NewEntry { leaf: &leaf, sealed: b"" }]).expect("append");
    }
    segments
}

fn open(disk: &SharedDisk, segments: &Segments) -> LedgerResult<(Tree, u64)> {
    Tree::open(disk, Path::new("/t"), log_id(ORIGIN), &segments.reader())
}

#[test]
fn proofs_hold_and_say_nothing_about_anything_else() {
    let disk = SimDisk::new(1).shared();
    let size = 70;
    let (tree, _) = open(&disk, &log_of(&disk, size)).expect("open");
    let reader = tree.reader();
    let leaves: Vec<Vec<u8>> = (0..size).map(leaf).collect();
    for at in 1..=size {
        let root = reader.root_at(at).expect("root");
        assert_eq!(root, Root(root_by_definition(&leaves[..at as usize])), "size {at}");
        for index in 0..at {
            let proof = reader.inclusion(index, at).expect("proof");
            assert_eq!(proof.check(leaf_hash(&leaf(index)), root), Ok(()));
            assert_eq!(proof.check(leaf_hash(&leaf(index + 1)), root), Err(ProofError::Wrong));
            let moved = InclusionProof { index: (index + 1) % at, ..proof.clone() };
            assert!(at == 1 || moved.check(leaf_hash(&leaf(index)), root).is_err(), "{index} of {at}");
            let mut longer = proof.clone();
            longer.hashes.push([0; 32]);
            assert_eq!(longer.check(leaf_hash(&leaf(index)), root), Err(ProofError::Wrong));
        }
        for old in 0..=at {
            let old_root = reader.root_at(old).expect("root");
            let proof = reader.consistency(old, at).expect("proof");
            assert_eq!(proof.check(old_root, root), Ok(()), "{old} to {at}");
            assert!(proof.check(Root([7; 32]), root).is_err(), "{old} to {at}");
            assert!(old == 0 || proof.check(old_root, Root([7; 32])).is_err(), "{old} to {at}");
        }
    }
    assert!(matches!(reader.inclusion(size, size), Err(LedgerError::Proof(ProofError::Range { .. }))));
    assert!(matches!(reader.root_at(size + 1), Err(LedgerError::Proof(ProofError::Range { .. }))));
    assert!(matches!(reader.consistency(9, 8), Err(LedgerError::Proof(ProofError::Range { .. }))));
    let nonsense = InclusionProof { index: 5, size: 5, hashes: vec![] };
    assert!(matches!(nonsense.check(leaf_hash(b""), Root::EMPTY), Err(ProofError::Range { .. })));
}

#[test]
fn the_tree_grows_with_the_log_and_opens_from_its_mark() {
    let sim = SimDisk::new(2);
    let disk = sim.shared();
    let segments = log_of(&disk, 100);
    let (mut tree, rehashed) = open(&disk, &segments).expect("open");
    assert_eq!((tree.size(), rehashed), (100, 100));
    tree.mark().expect("mark");
    drop((tree, segments));
    let segments = log_of(&disk, 130);
    let (mut tree, rehashed) = open(&disk, &segments).expect("open");
    assert_eq!((tree.size(), rehashed), (130, 30), "only what came after the mark is hashed again");
    let more: Vec<EntryHash> = (130..200).map(|n| leaf_hash(&leaf(n))).collect();
    tree.append(&more).expect("append");
    let leaves: Vec<Vec<u8>> = (0..200).map(leaf).collect();
    assert_eq!(tree.root(), Root(root_by_definition(&leaves)));
    assert_eq!(tree.reader().root_at(200).expect("root"), tree.root());
}

#[test]
fn lost_torn_or_wrong_hashes_are_made_again() {
    let sim = SimDisk::new(3);
    let segments = log_of(&sim.shared(), 300);
    let (mut tree, _) = open(&sim.shared(), &segments).expect("open");
    let root = tree.root();
    tree.mark().expect("mark");
    drop((tree, segments));
    let disk = sim.shared();
    let segments = log_of(&disk, 400);
    let (tree, _) = open(&disk, &segments).expect("open");
    let root_400 = tree.root();
    drop((tree, segments));
    for (n, tear) in Tear::ALL.into_iter().cycle().take(40).enumerate() {
        let torn = sim.fork(n as u64);
        torn.crash(tear);
        let disk = torn.shared();
        let (tree, rehashed) = open(&disk, &log_of(&disk, 400)).expect("open");
        assert_eq!((tree.root(), rehashed), (root_400, 100), "{tear:?}");
        assert_eq!(tree.reader().root_at(300).expect("root"), root);
        (0..400).for_each(|i| drop(tree.reader().inclusion(i, 400).expect("every proof holds")));
    }
    let hurt = |change: &dyn Fn(&SimDisk)| {
        let copy = sim.fork(9);
        copy.crash(Tear::Kept);
        change(&copy);
        let disk = copy.shared();
        let (tree, rehashed) = open(&disk, &log_of(&disk, 400)).expect("open");
        assert_eq!(tree.root(), root_400);
        rehashed
    };
    let (hashes, mark) = (Path::new("/t/hashes"), Path::new("/t/mark"));
    assert_eq!(hurt(&|s| s.shared().remove(mark).expect("remove")), 400);
    assert_eq!(hurt(&|s| s.shared().remove(hashes).expect("remove")), 400);
    assert_eq!(hurt(&|s| assert!(s.flip_bit(mark, 50, 1))), 400);
    let in_edge = tlog_tiles::stored_hash_index(8, 0) * 32;
    assert_eq!(
        hurt(&|s| assert!(s.flip_bit(hashes, in_edge, 1))),
        400,
        "a mark whose root does not come out"
    );
}

#[test]
fn a_wrong_hash_never_leaves_in_a_proof() {
    let sim = SimDisk::new(4);
    let disk = sim.shared();
    let (tree, _) = open(&disk, &log_of(&disk, 64)).expect("open");
    assert!(sim.flip_bit(Path::new("/t/hashes"), tlog_tiles::stored_hash_index(0, 7) * 32, 0));
    assert!(matches!(tree.reader().inclusion(6, 64), Err(LedgerError::Hashes { .. })));
    assert!(tree.reader().inclusion(60, 64).is_ok(), "proofs that do not need it still hold");
}

#[test]
fn a_full_disk_adds_nothing() {
    let sim = SimDisk::new(5);
    let disk = sim.shared();
    let (mut tree, _) = open(&disk, &log_of(&disk, 10)).expect("open");
    let root = tree.root();
    sim.fail_in(1, crate::disk::sim::Fault::Full);
    let leaves: Vec<EntryHash> = (10..20).map(|n| leaf_hash(&leaf(n))).collect();
    assert!(tree.append(&leaves).is_err_and(|e| e.is_full()));
    assert_eq!((tree.size(), tree.root(), tree.reader().size()), (10, root, 10));
    tree.append(&leaves).expect("space helps");
    let all: Vec<Vec<u8>> = (0..20).map(leaf).collect();
    assert_eq!(tree.reader().root_at(20).expect("root"), Root(root_by_definition(&all)));
}

proptest! {
    /// Proofs come from strangers: whatever they hold, checking them answers.
    #[test]
    fn hostile_proofs_are_refused_without_a_crash(
        numbers in any::<(u64, u64)>(),
        small in any::<bool>(),
        hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let (index, size) = if small { (numbers.0 % 9, numbers.1 % 9) } else { numbers };
        let inclusion = InclusionProof { index, size, hashes: hashes.clone() };
        prop_assert!(inclusion.check(EntryHash([1; 32]), Root([2; 32])).is_err());
        let consistency = ConsistencyProof { old_size: index, size, hashes };
        prop_assert!(consistency.check(Root([1; 32]), Root([2; 32])).is_err());
    }
}
