//! The tree against a plain one, proofs of presence and absence at every size around the edges of blocks.

use super::*;
use crate::ledger::tree::Edge;

fn head(n: u32) -> ChainHead {
    let mut id = [0; 16];
    // Room between ids, so that absent ones exist.
    id[..4].copy_from_slice(&(n * 2 + 1).to_be_bytes());
    ChainHead { subject: SubjectId(id), count: u64::from(n) + 1, last: EntryHash([n as u8; 32]) }
}

fn id(n: u32) -> SubjectId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    SubjectId(id)
}

fn tree(heads: &[ChainHead]) -> HeadsTree {
    let mut builder = HeadsBuilder::new(77);
    assert!(heads.iter().all(|h| builder.push(h)));
    builder.finish()
}

/// Places one head as whoever reads the index again does.
fn place(tree: &HeadsTree, heads: &[ChainHead], at: usize) -> PlacedHead {
    let (number, first, next) = tree.block_of(&heads[at].subject).expect("not empty");
    let of_block = |h: &&ChainHead| h.subject >= first && next.is_none_or(|next| h.subject < next);
    let block: Vec<ChainHead> = heads.iter().filter(of_block).copied().collect();
    tree.place(number, &block, at - number * BLOCK_LEAVES).expect("the heads of the block")
}

#[test]
fn the_root_is_that_of_rfc_6962_and_every_head_has_its_path() {
    for n in [0u32, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1_025] {
        let heads: Vec<ChainHead> = (0..n).map(head).collect();
        let tree = tree(&heads);
        let mut edge = Edge::new();
        heads.iter().for_each(|h| edge.push(h.hash(), |_| {}));
        assert_eq!((tree.root(), tree.subjects()), (edge.root(), u64::from(n)), "{n} heads");
        for at in (0..heads.len()).step_by(37).chain(heads.len().checked_sub(1)) {
            let placed = place(&tree, &heads, at);
            assert_eq!(placed.position, at as u64);
            assert_eq!(placed.check(u64::from(n), tree.root()), Ok(()), "{at} of {n}");
            let other = ChainHead { count: placed.head.count + 1, ..placed.head };
            let longer = PlacedHead { head: other, ..placed };
            assert!(longer.check(u64::from(n), tree.root()).is_err(), "{at} of {n}, another count");
        }
        assert_eq!(HeadsTree::decode(&tree.encode()), Some(tree));
    }
}

#[test]
fn absence_needs_neighbours_that_touch() {
    for n in [0u32, 1, 5, 256, 300] {
        let heads: Vec<ChainHead> = (0..n).map(head).collect();
        let tree = tree(&heads);
        let check = |absence: &Absence, subject| absence.check(&subject, u64::from(n), tree.root());
        for gap in [0, n / 2, n] {
            let before = gap.checked_sub(1).map(|at| place(&tree, &heads, at as usize));
            let after = (gap < n).then(|| place(&tree, &heads, gap as usize));
            let absence = Absence { before, after };
            assert_eq!(check(&absence, id(gap * 2)), Ok(()), "gap {gap} of {n}");
            if n > 0 {
                let beyond = check(&absence, id(gap * 2 + 2));
                assert_eq!(beyond.is_err(), gap < n, "an id beyond the neighbours");
                let open = Absence { after: None, ..absence.clone() };
                assert!(gap == n || check(&open, id(gap * 2)).is_err(), "the neighbour above is missing");
                let open = Absence { before: None, ..absence };
                assert!(gap == 0 || check(&open, id(gap * 2)).is_err(), "the neighbour below is missing");
            }
        }
        if n > 2 {
            let wide =
                Absence { before: Some(place(&tree, &heads, 0)), after: Some(place(&tree, &heads, 2)) };
            assert!(check(&wide, heads[1].subject).is_err(), "somebody stands between them");
        }
    }
}

#[test]
fn heads_out_of_order_and_damaged_files_are_refused() {
    let mut builder = HeadsBuilder::new(1);
    assert!(builder.push(&head(3)) && !builder.push(&head(3)) && !builder.push(&head(2)));
    let tree = tree(&[head(1), head(2)]);
    let bytes = tree.encode();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_eq!(HeadsTree::decode(&other), None, "byte {at}");
    }
    assert_eq!(HeadsTree::decode(&bytes[..bytes.len() - 48]), None);
    assert_eq!(tree.place(0, &[head(1), head(3)], 0), None, "not the heads it was built from");
}
