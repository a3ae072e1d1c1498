//! Receipts on a disk that loses power.

use std::path::Path;

use super::*;
use crate::disk::SimDisk;
use crate::model::Span;

fn receipt(anchor: &str, n: u8) -> Receipt {
    Receipt {
        anchor: anchor.to_owned(),
        kind: Kind::Command,
        recorded_at: Instant::from_seconds(1_790_000_000) + Span::hours(i64::from(n)),
        checkpoint: format!("log\n{n}\nroot\n\n— log sig\n"),
        proof: vec![n; 10],
    }
}

#[test]
fn receipts_are_numbered_found_again_and_never_changed() {
    let sim = SimDisk::new(1);
    let disk = sim.shared();
    let dir = Path::new("/data/anchors/e1");
    let shelf = Shelf::open(&disk, dir).expect("nothing there yet");
    assert_eq!((shelf.next_number(), shelf.newest_of("a")), (0, None));
    for (n, anchor) in [(1, "a"), (2, "b-2"), (3, "a")] {
        shelf.add(&receipt(anchor, n), u64::from(n) * 10).expect("kept");
    }
    disk.write_whole(&dir.join("notes.txt"), b"an operator's").expect("written");
    sim.crash(crate::disk::Tear::Lost);
    let again = Shelf::open(&sim.shared(), dir).expect("opens");
    assert_eq!(again.list(), shelf.list());
    assert_eq!(again.next_number(), 3);
    let newest: Vec<_> = again.newest().into_iter().map(|f| (f.anchor, f.number, f.size)).collect();
    assert_eq!(newest, [("a".to_owned(), 2, 30), ("b-2".to_owned(), 1, 20)]);
    let second = again.numbered(1).expect("there");
    assert_eq!(again.read(&second).expect("whole"), receipt("b-2", 2));
    assert_eq!(again.numbered(3), None);
}

#[test]
fn a_receipt_that_was_tampered_with_is_not_read() {
    let sim = SimDisk::new(1);
    let disk = sim.shared();
    let shelf = Shelf::open(&disk, Path::new("/data/anchors/e1")).expect("opens");
    let filed = shelf.add(&receipt("a", 1), 10).expect("kept");
    let path = Path::new("/data/anchors/e1").join("00000000.10.1790003600000000.a.json");
    disk.write_whole(&path, &receipt("b", 1).encode()).expect("written");
    assert!(shelf.read(&filed).is_err(), "another anchor's");
    disk.write_whole(&path, b"{}").expect("written");
    assert!(shelf.read(&filed).is_err());
    disk.remove(&path).expect("removed");
    assert!(shelf.read(&filed).is_err());
}

#[test]
fn names_are_plain() {
    for good in ["a", "notary-1", "0", &"x".repeat(32)] {
        assert!(is_name(good), "{good}");
    }
    for bad in ["", "A", "a.b", "-a", "a/b", "ä", &"x".repeat(33)] {
        assert!(!is_name(bad), "{bad}");
    }
}
