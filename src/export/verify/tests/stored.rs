//! Every class of tampering with a stored log, by somebody who writes its files with checksums that fit, and holds everything
//! but the log's key; and every file of a data folder, one flipped bit at a time.

use std::path::{Path, PathBuf};

use super::*;
use crate::disk::SimDisk;
use crate::entropy::SeededEntropy;
use crate::ledger::segment::{NewEntry, Reader, SegmentOptions, Segments, Stored};
use crate::model::Span;

/// A folder with a story, a recorded root and a checkpoint over both; the checkpoint before.
struct Folder {
    sim: SimDisk,
    dir: PathBuf,
    key: VerifierKey,
    /// A checkpoint that an auditor has kept, and the newest.
    kept: String,
    newest: String,
}

fn folder() -> Folder {
    let mut world = World::with_story();
    let kept = world.books.checkpoint().note().to_owned();
    world.record_heads();
    world.sign();
    let (key, newest) = (world.books.verifier().clone(), world.books.checkpoint().note().to_owned());
    let (sim, dir) = world.stop();
    Folder { sim, dir, key, kept, newest }
}

impl Folder {
    fn check(&self, sim: &SimDisk, since: Option<&str>) -> Report {
        directory(&sim.shared(), &self.dir, &self.key, Some(master()), since)
    }

    /// The same folder with other entries, written as the gateway writes them.
    fn rewritten(&self, change: impl FnOnce(&mut Vec<Stored>)) -> SimDisk {
        let (other, ledger) = (without_policies(&self.sim, &self.dir), self.dir.join("ledger"));
        let (disk, origin) = (other.shared(), origin());
        let (reader, _) = Reader::open(&disk, &ledger, origin.as_str(), true).expect("sound");
        let mut entries: Vec<Stored> = reader.entries(0).map(|stored| stored.expect("sound")).collect();
        change(&mut entries);
        for name in disk.list(&ledger).expect("a folder") {
            disk.remove(&ledger.join(name)).expect("removed");
        }
        let opened = Segments::open(&disk, &ledger, origin.as_str(), SegmentOptions::default());
        let (mut segments, _) = opened.expect("an empty folder opens");
        for Stored { leaf, sealed, .. } in &entries {
            segments.append(&[NewEntry { leaf, sealed }]).expect("written");
        }
        other
    }
}

fn leaf_of(stored: &Stored) -> Leaf {
    Leaf::decode(&stored.leaf).expect("a leaf")
}

/// The first places of entries of two people.
fn two_people(entries: &[Stored]) -> (usize, usize) {
    let of =
        |id: SubjectId| entries.iter().position(|stored| leaf_of(stored).subject == id).expect("an entry");
    (of(person()) + 1, of(SubjectId([6; 16])) + 1)
}

#[test]
fn every_class_of_tampering_with_a_stored_log_is_found() {
    let folder = folder();
    assert_eq!(folder.check(&folder.sim, Some(&folder.kept)).outcome, Outcome::Valid);
    assert_eq!(
        folder.check(&folder.rewritten(|_| {}), None).outcome,
        Outcome::Valid,
        "written again as it was"
    );
    type Change = fn(&mut Vec<Stored>);
    let classes: [(&str, Change); 13] = [
        ("drop the first entry", |e| drop(e.remove(0))),
        ("drop one in the middle", |e| drop(e.remove(7))),
        ("drop the last entry", |e| drop(e.pop())),
        ("reorder", |e| e.swap(7, 8)),
        ("duplicate", |e| e.insert(7, e[7].clone())),
        ("duplicate at the end", |e| e.push(e[7].clone())),
        ("truncate", |e| e.truncate(5)),
        ("truncate to nothing", Vec::clear),
        ("swap entries of two people", |e| {
            let (a, b) = two_people(e);
            e.swap(a, b);
        }),
        ("swap what was sealed of two people", |e| {
            let (a, b) = two_people(e);
            let sealed = std::mem::take(&mut e[a].sealed);
            e[a].sealed = std::mem::replace(&mut e[b].sealed, sealed);
        }),
        ("rename an entry to another person", |e| {
            let (a, _) = two_people(e);
            let leaf = Leaf { subject: SubjectId([6; 16]), ..leaf_of(&e[a]) };
            e[a].leaf = leaf.encode().expect("small");
        }),
        ("date an entry back", |e| {
            let leaf = leaf_of(&e[7]);
            let leaf = Leaf { instant: leaf.instant - Span::hours(1), ..leaf };
            e[7].leaf = leaf.encode().expect("small");
        }),
        ("leave out what was sealed", |e| e[7].sealed.clear()),
    ];
    for (what, change) in classes {
        let report = folder.check(&folder.rewritten(change), None);
        assert!(report.outcome == Outcome::Invalid && !report.failures.is_empty(), "{what}: {report}");
    }
}

#[test]
fn heads_of_a_stored_log_can_be_neither_forged_nor_rolled_back_unseen() {
    let folder = folder();
    let with_head = |sim: &SimDisk, note: &str| {
        let other = sim.fork(1);
        other.shared().write_whole(&folder.dir.join("HEAD"), note.as_bytes()).expect("written");
        other
    };
    let keys = std::slice::from_ref(&folder.key);
    let newest = crate::ledger::checkpoint::SignedCheckpoint::verify(&folder.newest, keys).expect("ours");
    let stranger = LogKey::generate(&origin(), &SeededEntropy::new(99)).sign(newest.size(), newest.root());
    let forged = folder.check(&with_head(&folder.sim, stranger.note()), None);
    assert_eq!((forged.outcome, checks(&forged)), (Outcome::Invalid, vec!["signature"]), "{forged}");
    let grown =
        folder.newest.replacen(&format!("\n{}\n", newest.size()), &format!("\n{}\n", newest.size() + 1), 1);
    assert_eq!(folder.check(&with_head(&folder.sim, &grown), None).outcome, Outcome::Invalid);
    // An older head alone signs less of the log: the rest is said not to be proved.
    let older = with_head(&folder.sim, &folder.kept);
    let report = folder.check(&older, None);
    assert!(report.to_string().contains("no checkpoint was signed over them yet"), "{report}");
    // With the entries cut to fit it is a sound log of an earlier day: who has kept a later checkpoint sees it.
    let size =
        |note: &str| crate::ledger::checkpoint::SignedCheckpoint::verify(note, keys).expect("ours").size();
    let kept = size(&folder.kept) as usize;
    let back = with_head(&folder.rewritten(|e| e.truncate(kept)), &folder.kept);
    assert_eq!(folder.check(&back, None).outcome, Outcome::Valid);
    let report = folder.check(&back, Some(&folder.newest));
    assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["consistency"]), "{report}");
}

#[test]
fn a_false_root_of_the_heads_tree_is_found_by_whoever_has_all_entries() {
    let mut world = World::with_story();
    let honest = world.record_heads();
    // An operator who wants a bundle to look whole records a root of fewer entries as one of all.
    let earlier = world.books.heads().tree(&world.reader, &world.books, 12).expect("built");
    let (covered_size, subjects, root) = (world.books.tree().size(), earlier.subjects(), earlier.root().0);
    let index = world.run(crate::writer::ops::heads::RecordHeads { covered_size, subjects, root });
    assert!(index > honest);
    let key = world.books.verifier().clone();
    let (sim, dir) = world.stop();
    let report = directory(&sim.shared(), &dir, &key, Some(master()), None);
    assert_eq!((report.outcome, checks(&report)), (Outcome::Invalid, vec!["completeness"]), "{report}");
    assert_eq!(report.failures[0].entry, Some(index));
    let folder = folder();
    let report = folder.check(&folder.sim, None);
    assert!(report.to_string().contains("1 recorded roots of the heads tree come out"), "{report}");
}

/// What a file of a data folder is to a verifier, and how far apart the bits are that are tried.
fn kind_of(name: &str) -> Option<(bool, usize)> {
    let evidence = |step| Some((true, step));
    match name {
        "HEAD" => evidence(7),
        name if name.starts_with("ledger/") && name.ends_with(".seg") => evidence(211),
        name if name.starts_with("keys/") && name.ends_with(".key") => evidence(13),
        name if name.starts_with("policies/") => evidence(99_991),
        // Views: made again from the entries, whose hashes they repeat.
        name if name.starts_with("tree/") || name.starts_with("heads") => Some((false, 97)),
        // A hint, for errors and backups: which master key is right, only the cipher decides.
        "keys/master.id" => Some((false, 3)),
        // The signing key is no evidence: what it signs is.
        "log.key" => Some((false, 31)),
        _ => None,
    }
}

/// The folder without its policy sets.
pub fn without_policies(sim: &SimDisk, dir: &Path) -> SimDisk {
    let small = sim.fork(1);
    for name in small.shared().list(&dir.join("policies")).expect("a folder") {
        small.shared().remove(&dir.join("policies").join(name)).expect("removed");
    }
    small
}

fn files(sim: &SimDisk, dir: &Path, below: &str) -> Vec<String> {
    let disk = sim.shared();
    let names = disk.list(&dir.join(below)).expect("a folder");
    let path = |name: String| if below.is_empty() { name } else { format!("{below}/{name}") };
    let mut all = Vec::new();
    for name in names.into_iter().map(path) {
        match sim.contents(&dir.join(&name)) {
            Some(_) => all.push(name),
            None => all.extend(files(sim, dir, &name)),
        }
    }
    all
}

#[test]
fn every_bit_of_a_data_folder_is_evidence_or_a_view() {
    let folder = folder();
    assert_eq!(folder.check(&folder.sim, None).outcome, Outcome::Valid);
    // The policy set is large, and only its own bits need it: what is missing is said and is no failure.
    let small = without_policies(&folder.sim, &folder.dir);
    let (whole, mut tried) = (folder.check(&small, None), 0);
    assert_eq!(whole.outcome, Outcome::Valid, "{whole}");
    for name in files(&folder.sim, &folder.dir, "") {
        let (evidence, step) = kind_of(&name).unwrap_or_else(|| panic!("{name}: what is it to a verifier?"));
        let path = folder.dir.join(&name);
        for at in (0..folder.sim.contents(&path).expect("a file").len()).step_by(step) {
            let other = if name.starts_with("policies/") { folder.sim.fork(1) } else { small.fork(1) };
            assert!(other.flip_bit(&path, at as u64, (tried % 8) as u8));
            let report = folder.check(&other, None);
            match evidence {
                true => assert_ne!(report.outcome, Outcome::Valid, "{name} byte {at} is free"),
                false => assert_eq!(report, whole, "{name} byte {at} is no view"),
            }
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried}");
}
