//! The tree of a log that goes on growing, and what it says about those in it and those who are not.

use super::*;
use crate::export::testing::{World, person};
use crate::ledger::entry::SELLER_CHAIN;
use crate::writer::ops::heads::RecordHeads;

fn told(world: &World, covered: u64, subject: SubjectId) -> Standing {
    let rows = world.kv.snapshot().expect("memory answers");
    let tree = build(&*rows, world.books.tree(), covered).expect("built");
    standing(&*rows, world.books.tree(), &tree, &subject).expect("told")
}

#[test]
fn a_tree_of_an_earlier_size_can_be_built_at_any_time() {
    let mut world = World::with_story();
    let size = world.books.tree().size();
    let before = build(&*world.kv.snapshot().expect("memory"), world.books.tree(), size).expect("built");
    assert_eq!(before.subjects(), 3, "the seller and two people");
    for n in 10..40u8 {
        world.person(SubjectId([n; 16]), &format!("140455501{n:02}"), "main", n);
    }
    let after = build(&*world.kv.snapshot().expect("memory"), world.books.tree(), size).expect("built");
    assert_eq!(after, before);
    let Standing::Present(placed) = told(&world, size, person()) else { panic!("it has a chain") };
    assert_eq!((placed.head.count, placed.check(3, before.root())), (8, Ok(())));
    let Standing::Absent(absence) = told(&world, size, SubjectId([20; 16])) else { panic!("it came later") };
    assert_eq!(absence.check(&SubjectId([20; 16]), 3, before.root()), Ok(()));
    assert!(matches!(told(&world, world.books.tree().size(), SubjectId([20; 16])), Standing::Present(_)));
}

#[test]
fn every_chain_is_counted_by_whoever_has_all_entries() {
    let world = World::with_story();
    let size = world.books.tree().size();
    let tree = build(&*world.kv.snapshot().expect("memory"), world.books.tree(), size).expect("built");
    let mut ends = std::collections::BTreeMap::new();
    for stored in world.books.stored().entries(0) {
        let stored = stored.expect("read");
        let leaf = crate::ledger::entry::Leaf::decode(&stored.leaf).expect("a leaf");
        ends.insert(leaf.subject, (leaf.number, crate::ledger::entry::leaf_hash(&stored.leaf)));
    }
    let mut builder = HeadsBuilder::new(size);
    for (subject, (count, last)) in ends {
        assert!(builder.push(&ChainHead { subject, count, last }));
    }
    assert_eq!(builder.finish(), tree);
}

#[test]
fn a_root_is_recorded_once_for_a_size_and_kept_in_a_file() {
    let mut world = World::with_story();
    let covered = world.books.tree().size();
    let tree = world.books.heads().tree(&world.reader, &world.books, covered).expect("built");
    let op = |covered_size| RecordHeads { covered_size, subjects: tree.subjects(), root: tree.root().0 };
    let entry = world.run(op(covered));
    assert_eq!(entry, covered);
    assert_eq!(world.run(op(covered - 1)), entry, "a newer one is there");
    let rows = world.kv.snapshot().expect("memory");
    let found = newest(&*rows, u64::MAX).expect("read").expect("recorded");
    assert_eq!((found.entry, found.covered), (entry, covered));
    assert_eq!(newest(&*rows, entry).expect("read"), None, "not yet, at that size");
    let kept = world.sim.contents(&world.dir.join("heads")).expect("a file");
    assert_eq!(HeadsTree::decode(&kept), Some((*tree).clone()));
    let leaf = world.books.stored().get(entry).expect("read").expect("there").leaf;
    let leaf = crate::ledger::entry::Leaf::decode(&leaf).expect("a leaf");
    assert_eq!((leaf.subject, leaf.public.root), (SELLER_CHAIN, tree.root().0.to_vec()));
}
